// How a batch is divided into groups that add up apart, and groups into tiles; how a tile lies in memory, and what of
// memory and work that asks for: decided before any step.
#pragma once

#include <cstddef>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// How many samples go through a stage before the next: so many that the program's tile slots stay in a core's cache,
/// or more if there are many weights, but never fewer than fill a vector. Depends on nothing but the program, so that
/// sums are always split alike.
std::size_t preferred_tile_samples(const Program& program, std::size_t number_size);

/// The samples of a batch are divided into groups, at most so many; each adds up apart, and a tree adds the groups. How
/// many there are depends on the program and the number of samples only, never on threads. One in exact mode.
std::size_t most_groups(const Program& program);
/// A group is worth its own totals from so many samples on.
inline constexpr std::size_t least_group_samples = 128;

// A whole number of vectors for every instruction set and number type.
inline constexpr std::size_t lane_unit = 16;

/// Places of a sum of products whose shared rows are transposed together, for one product each: with 16 rows and 80
/// terms, of which a place shares 64 with the next, all products take 0.8 times as long as dot products at all places.
inline constexpr std::size_t places_transposed_together = 8;
/// Room to transpose an operand of a reduce_outer instruction in: its terms for each sample, in whole vectors.
std::size_t scratch_numbers(const Program& program, std::size_t tile_samples);

/// Numbers from a tile slot to the next: as many as there are samples, so that the rows of a block are like one long
/// row. But products read the same samples of one slot after another, and slots a multiple of 1 KiB apart share few
/// sets of the caches. In double and 128 samples, programs without products take 0.82 to 1.0 times as long if that does
/// not matter to them, nets of 64 wide 1.04.
class SlotStride {
 public:
  SlotStride(const Program& program, std::size_t number_size);

  std::size_t operator()(std::size_t tile_samples) const {
    return has_products_ && tile_samples * number_size_ % 1024 == 0 ? tile_samples + lane_unit : tile_samples;
  }

 private:
  std::size_t number_size_;
  bool has_products_;
};

struct ProgramCost {
  /// Of a step: numbers read and written, and operations on them.
  double operations = 0.0;
  /// Of the buffers of an Executor<double> with one thread, about.
  double bytes = 0.0;
};

/// For steps of `samples` samples, or of as many as were recorded with their data; or of one, if the program of one
/// sample asks for more. The program has no fault.
ProgramCost cost_of(const Program& program, std::size_t samples);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
