// The plain functions of scalar_programs.h, compiled for the machine that builds them.
#pragma once

#include <cstddef>

extern "C" double tapeloom_bench_scalar_program(std::size_t program, const double* x, std::size_t count);
