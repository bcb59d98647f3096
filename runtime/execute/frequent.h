// Calls through pointers from a place of its own for each of the functions that are called most: a processor that
// remembers one target for each call instruction guesses those right, and conditional branches, which tell the places
// apart, are guessed by what came before. On such a machine a call from one place for all took 6 to 8 ns where they
// changed, a call from places of their own 2.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class Function>
class FrequentFunctions {
 public:
  /// Of all the calls to be made, as they are listed.
  void choose(std::vector<Function> listed) {
    if (listed.size() < few) return;
    std::sort(listed.begin(), listed.end(), std::less<Function>());
    std::vector<std::pair<std::ptrdiff_t, Function>> counts;
    for (auto begin = listed.begin(); begin != listed.end();) {
      const auto end = std::find_if(begin, listed.end(), [&](Function f) { return f != *begin; });
      counts.emplace_back(end - begin, *begin);
      begin = end;
    }
    std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t i = 0; i < places && i < counts.size(); ++i) functions_[i] = counts[i].second;
  }

  /// call(function), from the function's own place if it has one.
  template <class Call>
  [[gnu::always_inline]] void operator()(Function function, const Call& call) const {
    if (functions_[0] == nullptr) return call(function);
    from_place<0>(function, call);
  }

 private:
  static constexpr std::size_t places = 12;
  /// So few targets, one after another, are remembered for one place, too.
  static constexpr std::size_t few = 64;

  template <std::size_t place, class Call>
  [[gnu::always_inline]] void from_place(Function function, const Call& call) const {
    if constexpr (place < places) {
      if (function != functions_[place]) return from_place<place + 1>(function, call);
      asm volatile("" : "+r"(function) : "i"(place));  // or compilers make one place of all
    }
    call(function);
  }

  std::array<Function, places> functions_ = {};
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
