#include "bench/finish.h"

namespace {

template <class T>
void bias_relu(T* c, std::size_t c_step, std::size_t rows, std::size_t lanes, const T* bias, std::size_t bias_step) {
  for (std::size_t r = 0; r < rows; ++r, c += c_step) {
    const T number = bias[r * bias_step];
    for (std::size_t l = 0; l < lanes; ++l) {
      const T sum = c[l] + number;
      c[l] = sum > T(0) ? sum : T(0);
    }
  }
}

template <class T>
void relu_adjoint(T* c, std::size_t c_step, std::size_t rows, std::size_t lanes, const T* y, std::size_t y_step) {
  for (std::size_t r = 0; r < rows; ++r, c += c_step, y += y_step) {
    for (std::size_t l = 0; l < lanes; ++l) c[l] = y[l] > T(0) ? c[l] : T(0);
  }
}

}  // namespace

void tapeloom_bench_bias_relu_float(float* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                    const float* bias, std::size_t bias_step) {
  bias_relu(c, c_step, rows, lanes, bias, bias_step);
}
void tapeloom_bench_bias_relu_double(double* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                     const double* bias, std::size_t bias_step) {
  bias_relu(c, c_step, rows, lanes, bias, bias_step);
}
void tapeloom_bench_relu_adjoint_float(float* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                       const float* y, std::size_t y_step) {
  relu_adjoint(c, c_step, rows, lanes, y, y_step);
}
void tapeloom_bench_relu_adjoint_double(double* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                        const double* y, std::size_t y_step) {
  relu_adjoint(c, c_step, rows, lanes, y, y_step);
}
