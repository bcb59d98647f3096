#include "bench/plain_programs.h"

#include <algorithm>

#include "bench/scalar_programs.h"

double tapeloom_bench_scalar_program(std::size_t program, const double* x, std::size_t count) {
  using namespace tapeloom::bench::scalar_programs;
  return run<double>(program, {x, count}, least, most);
}

void tapeloom_bench_skin(const double* x, std::size_t count, std::size_t points, double* apart) {
  std::ranges::copy(tapeloom::bench::scalar_programs::skin<double>({x, count}, points), apart);
}
