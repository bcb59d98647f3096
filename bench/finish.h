// What follows a product that cannot do it itself, as one pass over the result, compiled for the machine it runs on.
#pragma once

#include <cstddef>

extern "C" {

/// c(r, l) = max(c(r, l) + bias[r * bias_step], 0).
void tapeloom_bench_bias_relu_float(float* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                    const float* bias, std::size_t bias_step);
void tapeloom_bench_bias_relu_double(double* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                     const double* bias, std::size_t bias_step);

/// c(r, l) = 0 where y(r, l) is not positive.
void tapeloom_bench_relu_adjoint_float(float* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                       const float* y, std::size_t y_step);
void tapeloom_bench_relu_adjoint_double(double* c, std::size_t c_step, std::size_t rows, std::size_t lanes,
                                        const double* y, std::size_t y_step);
}
