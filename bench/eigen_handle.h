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

/// Takes over `net`, which has step(lr) and each_parameter(function of T&).
template <class Handle, class T, class N>
Handle handle_of(N* net) {
  return {
      net, [](void* state, T lr) { return static_cast<N*>(state)->step(lr); },
      [](const void* state, double* numbers) {
        static_cast<N*>(const_cast<void*>(state))->each_parameter([&](T& p) { *numbers++ = static_cast<double>(p); });
      },
      [](void* state, const double* numbers) {
        static_cast<N*>(state)->each_parameter([&](T& p) { p = static_cast<T>(*numbers++); });
      },
      [](void* state) { delete static_cast<N*>(state); }};
}

/// In eigen_plain.cpp.
tapeloom_bench_eigen_float make_plain_float(const char* net, const double* x, const double* y, std::size_t samples);
tapeloom_bench_eigen_double make_plain_double(const char* net, const double* x, const double* y, std::size_t samples);

}  // namespace tapeloom::bench::by_hand
