// Which slots of a tile have what a load brought there, while one goes through the instructions of a stage.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::instructions {

class LoadedSlots {
 public:
  static constexpr std::uint32_t no_load = UINT32_MAX;

  explicit LoadedSlots(const Program& program) : program_(program) {}

  /// What is loaded at its start is there.
  void begin(const Stage& stage) {
    loaded_.clear();
    for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
      overwrite(program_.loads[at].slot, program_.loads[at].count);
      loaded_[program_.loads[at].slot] = at;
    }
  }
  /// What was loaded into these slots is no longer there.
  void overwrite(std::uint64_t first, std::uint64_t count) {
    each(first, count, [&](auto at) { return loaded_.erase(at); });
  }
  /// The load whose columns are in these slots, all of them; no_load if there is none.
  std::uint32_t load_of(std::uint64_t first, std::uint64_t count) const {
    const auto after = loaded_.upper_bound(first);
    if (after == loaded_.begin()) return no_load;
    const auto [slot, load] = *std::prev(after);
    return first + count <= slot + program_.loads[load].count ? load : no_load;
  }
  /// Calls f(load) for all that have columns in these slots.
  template <class F>
  void each_in(std::uint64_t first, std::uint64_t count, F&& f) {
    each(first, count, [&](auto at) { return f(at->second), at; });
  }

 private:
  using Loaded = std::map<std::uint64_t, std::uint32_t>;  // by slot

  /// From the last one back; f gives where to go on.
  template <class F>
  void each(std::uint64_t first, std::uint64_t count, F&& f) {
    auto at = loaded_.lower_bound(first + count);
    while (at != loaded_.begin()) {
      --at;
      if (at->first + program_.loads[at->second].count <= first) return;
      at = f(at);
    }
  }

  const Program& program_;
  Loaded loaded_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
