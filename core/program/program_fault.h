// How program_check's files tell what is wrong with a program.
#pragma once

#include <cstdint>
#include <string>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::program_check {

/// Thrown and caught while a program is checked.
struct Fault {
  std::string what;
};

inline void require(bool good, const char* what) {
  if (!good) throw Fault{what};
}

/// All sums and products of 32-bit numbers here are of 64 bits and do not overflow: a product has two factors, and
/// where it is a number of rows, it was checked to be below 2^32 before.
using Wide = std::uint64_t;

/// What stands around the instructions: leaves, recorded samples and where results are. Throws Fault.
void check_ends(const Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI::program_check
