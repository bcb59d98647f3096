// How many multiplications and additions one core can do: the yardstick for what a step reaches.
#pragma once

#include <cstddef>

extern "C" {

/// Runs `rounds` rounds of independent chains x = a * x + b, held in registers alone, of the widest vectors that the
/// machine this was built on has, and returns how many flops that were (2 an element of a vector and link of a chain).
/// `sum` gets the sum of all elements at the end, peak_sum(rounds) but for rounding.
double tapeloom_bench_peak_float(std::size_t rounds, double* sum);
double tapeloom_bench_peak_double(std::size_t rounds, double* sum);

/// What `sum` must be, from the chains' closed form.
double tapeloom_bench_peak_sum_float(std::size_t rounds);
double tapeloom_bench_peak_sum_double(std::size_t rounds);

/// Bytes of one vector.
std::size_t tapeloom_bench_peak_vector_bytes();
}
