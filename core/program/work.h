// What an instruction does each time it runs, for reports.
#pragma once

#include <cstdint>
#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// For one sample, of an instruction that runs for each tile; for the step, of another.
struct InstructionWork {
  std::string name;
  std::uint64_t rows = 1, terms = 1;
  std::uint64_t flops = 0;
  std::uint64_t numbers = 0;  ///< read and written; not what all samples of a tile share
  bool dense = false;
};

/// A sum over the samples of a tile is written once for all of them, and weights are read once.
TAPELOOM_API InstructionWork work_of(const Program& program, const Instruction& instruction, bool in_tile);

}  // namespace tapeloom::inline TAPELOOM_ABI
