// Code that is generic in its type of numbers, with Values.
#include <tapeloom/std.h>
#include <tapeloom/tapeloom.h>

#include <cstdio>
#include <iostream>
#include <span>
#include <vector>

template <class T>
T log_density(std::span<const T> x, const T& mean, const T& log_scale) {
  using std::exp;  // or using namespace std, or std::exp(...)
  T total = 0.0;
  for (const T& each : x) {
    const T z = (each - mean) * exp(-log_scale);
    total += std::max(-0.5 * z * z, T(-8.0)) - log_scale;  // outliers do not count more
  }
  return total;
}

int main() {
  const std::vector<double> numbers = {1.0, 3.5, 40.0};
  std::printf("%.6f\n", log_density<double>(numbers, 2.0, 0.5));

  tapeloom::Tape tape;
  const tapeloom::Value mean = tape.parameter(2.0, "mean"), log_scale = tape.parameter(0.5, "log_scale");
  const std::vector<tapeloom::Value> x = tape.inputs("x", numbers);
  const tapeloom::Value total = log_density<tapeloom::Value>(x, mean, log_scale);
  total.backward();
  std::cout << total << ", by the mean " << mean.grad() << ", " << tape.guards().size() << " guards\n";
}
