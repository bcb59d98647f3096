// Steps of a few samples as the mean of a step of each.
#pragma once

#include <cstddef>
#include <span>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/interpreter.h"
#include "tapeloom/runtime/execute/row_runner.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// For how many samples a step takes less time so. None where the program is not the mean of such steps.
FewSamples samples_one_by_one(const Program& program, std::size_t max_samples, std::size_t number_size);

/// What a program is for one sample, run for each of them.
template <class T>
class OneByOne {
 public:
  OneByOne(const Program& of_one_sample, std::span<const T> parameters)
      : each_(of_one_sample, parameters, 1, 1, false), binding_(of_one_sample) {}

  /// Before samples of these rows.
  void start(const Binding& binding, std::span<const T> uniform_inputs) {
    binding_.read_rows_of(binding);
    for (std::size_t i = 0; i < uniform_inputs.size(); ++i) {
      each_.set_uniform_input(i, static_cast<double>(uniform_inputs[i]));
    }
  }
  /// Its results are of that sample then.
  Interpreter<T>& run(const BatchRows& batch, std::size_t sample) {
    each_.run(binding_, {batch.row(sample), 1, nullptr});
    return each_;
  }
  std::size_t arena_bytes() const { return each_.arena_bytes(); }

 private:
  Interpreter<T> each_;
  Binding binding_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
