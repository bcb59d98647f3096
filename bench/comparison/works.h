// The pieces of work that are compared. Each first checks that all variants compute the same, and throws
// std::runtime_error where they do not.
#pragma once

#include <string>
#include <vector>

#include "bench/comparison/measurement.h"

namespace tapeloom::bench {

struct Plan {
  bool quick = false;                      ///< fewer and smaller pieces
  std::vector<std::string> variants = {};  ///< those to take steps of nets by; all if there are none
  TimingOptions timing = {};
};

/// A step of the five nets; with the memory and the step of a process of its own for each.
std::vector<Measurement> compare_nets(const Plan& plan);
/// A step of 64-W-W-10, 64 samples, against W.
std::vector<Measurement> compare_widths(const Plan& plan);
/// A step of 64-64-64-10 against the number of samples.
std::vector<Measurement> compare_batches(const Plan& plan);
/// A step of 2-W-W-W-1, 1,024 points, whose loss has its derivatives by both inputs in it, against W.
std::vector<Measurement> compare_equations(const Plan& plan);
/// A step of 2-16-16-1 whose samples are recorded one after another, against the number of nodes.
std::vector<Measurement> compare_recordings(const Plan& plan);
/// The notebooks' training run, 3-4-4-1 for 100 steps, from nothing to the trained net.
std::vector<Measurement> compare_training(const Plan& plan);
/// The notebooks' smallest expressions, again and again: a unit is one evaluation with its gradients.
std::vector<Measurement> compare_tiny(const Plan& plan);
/// An epoch of Fashion-MNIST, 784-128-10 in batches of 64, by those that take new rows. Empty if the data set is not
/// installed.
std::vector<Measurement> compare_epoch(const Plan& plan);
/// A thousand operations that roll into nothing.
std::vector<Measurement> compare_scalar(const Plan& plan);

/// Where Debian's package puts the data set.
constexpr const char* fashion_directory = "/usr/share/datasets/fashion-mnist";

/// What a process that makes one runner and does nothing else has to say. The heap there is as the C library
/// has it, while the comparison's own is tidy (bench/tidy_heap.h).
struct Alone {
  double peak_bytes = unknown;  ///< the most memory that the process had after two steps
  double seconds = unknown;     ///< a step: the median, or the second one if that took over a second
};

/// Of this process, with the variant's runner for one of all_cases(); without any if the variant is "none".
Alone run_alone(const std::string& variant, std::size_t number_of_case);
/// The same of a new process of this program, which must answer --alone with it.
Alone ask_alone(const std::string& variant, std::size_t number_of_case);

/// An estimate of the closure design's epoch, from the steps among the measurements of the same net. Empty if there are
/// none.
std::vector<Measurement> estimate_closure_epoch(const std::vector<Measurement>& measurements);

}  // namespace tapeloom::bench
