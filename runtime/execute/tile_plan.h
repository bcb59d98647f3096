// How a tile lies in memory, and which way its sums are computed: decided before any step.
#pragma once

#include <cstddef>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

// A whole number of vectors for every instruction set and number type.
inline constexpr std::size_t lane_unit = 16;

/// Room to transpose an operand of a reduce_outer instruction in: its terms for each sample, in whole vectors.
std::size_t scratch_numbers(const Program& program, std::size_t tile_samples);

/// Numbers from a tile slot to the next. Slots a multiple of 1 KiB apart would share few sets of the caches.
std::size_t slot_stride(std::size_t tile_samples, std::size_t number_size);

/// Whether `rows` x `terms` sums of products over the samples are faster one by one, which adds up the lanes of each,
/// than as a matrix product, for which the terms may have to be transposed. A sum costs a multiplication for every
/// vector of samples and 14 more for its lanes; a product one for every row, sample and vector of terms, as many as for
/// 4 rows to transpose, and 60 to start: measured for 1,204 shapes of 1 to 128 rows with AVX2 and AVX-512, where the
/// choice is 1.7% from the best on the geometric mean.
bool dots_are_cheaper(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes,
                      bool transposes);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
