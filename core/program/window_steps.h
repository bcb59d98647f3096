// Where the windows lie that a product reads at its places.
#pragma once

#include <compare>
#include <cstdint>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// From the rows of a window to those of the next: `step`, which may be fewer than a window has, so that windows share
/// rows; 0 where they follow one another. Those of an image have runs, each with the windows of a row of places: `run`
/// windows, and `run_step` from the first of a run to the first of the next; 0: there is one run. What runs once a step
/// has one.
struct WindowSteps {
  std::uint32_t step = 0, run = 0, run_step = 0;

  /// The first row of the window of a place, where windows have `size` rows.
  std::uint64_t begin(std::uint64_t place, std::uint64_t size) const {
    if (step == 0) return place * size;
    return run == 0 ? place * step : place / run * run_step + place % run * step;
  }
  /// The rows of the windows of so many places.
  std::uint64_t rows(std::uint64_t places, std::uint64_t size) const { return begin(places - 1, size) + size; }
  std::uint32_t places_a_run(std::uint32_t places) const { return run == 0 ? places : run; }

  friend bool operator==(const WindowSteps&, const WindowSteps&) = default;
  friend auto operator<=>(const WindowSteps&, const WindowSteps&) = default;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
