// The plain functions of scalar_programs.h, compiled for the machine that builds them.
#pragma once

#include <cstddef>

extern "C" double tapeloom_bench_scalar_program(std::size_t program, const double* x, std::size_t count);
/// How far `skin` is from 3 * points numbers.
extern "C" void tapeloom_bench_skin(const double* x, std::size_t count, std::size_t points, double* apart);
