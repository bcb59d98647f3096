// Where the time of an executor's steps went: ExecutorOptions::profile asks for it, Executor::profile() tells.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI {

struct InstructionTime {
  double seconds = 0.0;  ///< of all threads together; each run has some 25 ns in it for reading the clock
  /// One a step, or one a tile; none if the next instruction does its work, too, as the gradients of a small layer's
  /// weights do with its biases'.
  std::uint64_t runs = 0;
};

/// Of all steps since the executor was made.
struct Profile {
  std::vector<InstructionTime> instructions;  ///< of each of Program::instructions
  InstructionTime loads;                      ///< reading the bound rows, tile by tile
  double step_seconds = 0.0;                  ///< of the steps themselves, however many threads worked on them
  std::uint64_t steps = 0;
  std::uint64_t samples = 0;    ///< of all steps together
  std::size_t number_size = 0;  ///< bytes
  bool of_one_sample = false;   ///< the instructions are those of Program::of_one_sample
};

/// A table with a line an instruction, in the order in which they run: microseconds a step, flops and bytes a second
/// (counted as explain(program) counts them), and the part of `peak`, in flops a second, where it is not zero.
TAPELOOM_API std::string explain(const Program& program, const Profile& profile, double peak = 0.0);

}  // namespace tapeloom::inline TAPELOOM_ABI
