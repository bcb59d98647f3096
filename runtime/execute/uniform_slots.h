// Which uniform slots the instructions that run once a step read and write.
#pragma once

#include <cstdint>
#include <vector>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Calls function(slot) for a matrix's entries, or for what is put where they are, at all places.
template <class F>
void each_entry(std::uint32_t first, const Shape& s, const F& function) {
  for (std::uint32_t p = 0; p < (s.place_step == 0 ? 1 : s.places); ++p) {
    for (std::uint32_t r = 0; r < s.rows; ++r) {
      for (std::uint32_t t = 0; t < s.terms; ++t) {
        function(first + p * s.place_step + r * s.row_step + t * s.term_step);
      }
    }
  }
}

/// Of each uniform slot, whether it is read, or a result.
std::vector<bool> find_reads(const Program& program);
/// The parameters that are read from their uniform slots, rather than from where they really are, or that are results;
/// and a few between them.
std::vector<Range> find_copied_parameters(const Program& program);

inline constexpr std::uint32_t never_written = UINT32_MAX;
/// Of each uniform slot, the last instruction that writes it, or never_written.
std::vector<std::uint32_t> find_last_writes(const Program& program);
/// Whether all uniform slots of the instruction's entries were written by it last, in a step. `last_writes` are of
/// find_last_writes.
bool are_its_own(const Program& program, std::uint32_t at, const std::vector<std::uint32_t>& last_writes);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
