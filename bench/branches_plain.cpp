#include "bench/branches_plain.h"

using tapeloom::bench::BranchingWork;
using tapeloom::bench::BundleWork;

double tapeloom_bench_kmeans(const BranchingWork& work, const double* parameters) {
  return tapeloom::bench::kmeans<double>(work, {parameters, work.parameters.size()});
}
double tapeloom_bench_mixture(const BranchingWork& work, const double* parameters) {
  return tapeloom::bench::mixture<double>(work, {parameters, work.parameters.size()});
}
double tapeloom_bench_log_sum_exp(const BranchingWork& work, const double* parameters) {
  return tapeloom::bench::log_sum_exp<double>({parameters, work.parameters.size()});
}
double tapeloom_bench_bundle(const BundleWork& work, const double* parameters) {
  return tapeloom::bench::bundle<double>(work, {parameters, work.parameters.size()});
}
