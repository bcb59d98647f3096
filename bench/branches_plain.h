// The programs of branches.h with double, compiled for the machine they run on.
#pragma once

#include "bench/branches.h"

extern "C" {

double tapeloom_bench_kmeans(const tapeloom::bench::BranchingWork& work, const double* parameters);
double tapeloom_bench_mixture(const tapeloom::bench::BranchingWork& work, const double* parameters);
double tapeloom_bench_log_sum_exp(const tapeloom::bench::BranchingWork& work, const double* parameters);
double tapeloom_bench_bundle(const tapeloom::bench::BundleWork& work, const double* parameters);
}
