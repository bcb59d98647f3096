// How a batch is divided: into groups that add up apart, and groups into tiles.
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

/// What a sample's part of a step takes on one core, estimated; only to decide whether threads are worth it.
double estimate_seconds_a_sample(const Program& program, std::size_t number_size);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
