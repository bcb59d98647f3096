// What the sources of hand-written Eigen steps share; compiled with their flags, so nobody else may include it.
#pragma once

#include <Eigen/Core>

#include "bench/eigen_nets.h"

namespace tapeloom::bench::by_hand {

/// The rows of `numbers` as columns of `m`.
template <class M>
void read_rows(M& m, const double* numbers) {
  for (Eigen::Index sample = 0; sample < m.cols(); ++sample) {
    for (Eigen::Index i = 0; i < m.rows(); ++i) m(i, sample) = static_cast<typename M::Scalar>(*numbers++);
  }
}

/// Rows of numbers as columns of `m`.
template <class M>
void read_rows(M& m, const float* const* rows) {
  using Row = Eigen::Matrix<float, Eigen::Dynamic, 1>;
  for (Eigen::Index sample = 0; sample < m.cols(); ++sample) {
    m.col(sample) = Eigen::Map<const Row>(rows[sample], m.rows()).template cast<typename M::Scalar>();
  }
}

/// Takes over `net`, which has step(lr) and each_parameter(function of T&), and may have set_rows(x, y).
template <class Handle, class T, class N>
Handle handle_of(N* net) {
  void (*set_rows)(void*, const float* const*, const float*) = nullptr;
  if constexpr (requires(const float* const* x, const float* y) { net->set_rows(x, y); }) {
    set_rows = [](void* state, const float* const* x, const float* y) { static_cast<N*>(state)->set_rows(x, y); };
  }
  return {
      net,
      [](void* state, T lr) { return static_cast<N*>(state)->step(lr); },
      [](const void* state, double* numbers) {
        static_cast<N*>(const_cast<void*>(state))->each_parameter([&](T& p) { *numbers++ = static_cast<double>(p); });
      },
      [](void* state, const double* numbers) {
        static_cast<N*>(state)->each_parameter([&](T& p) { p = static_cast<T>(*numbers++); });
      },
      set_rows,
      [](void* state) { delete static_cast<N*>(state); }};
}

/// In eigen_plain.cpp.
tapeloom_bench_eigen_float make_plain_float(const char* net, const double* x, const double* y, std::size_t samples);
tapeloom_bench_eigen_double make_plain_double(const char* net, const double* x, const double* y, std::size_t samples);

}  // namespace tapeloom::bench::by_hand
