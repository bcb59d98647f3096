#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What samples read in different places, as a label picks one of a list: a number for each sample says which of the
/// candidates, nodes of the sample that compute alike.
class SamplePicks {
 public:
  /// Operand j of the k-th node of every sample, or the term of the k-th folded sum (j = term).
  using Reader = std::array<std::uint32_t, 2>;
  static constexpr std::uint32_t term = UINT32_MAX;

  struct Pick {
    std::vector<std::uint32_t> candidates;  ///< places of nodes in their sample, rising
    std::uint32_t input;                    ///< holds the index of the candidate
  };

  void note(const Reader& reader) { picks_.try_emplace(reader); }
  bool empty() const { return picks_.empty(); }
  /// The pick of that reader, or null.
  const Pick* find(const Reader& reader) const {
    const auto at = picks_.find(reader);
    return at == picks_.end() ? nullptr : &at->second;
  }

  /// Calls collect(reader, pick) for each that was noted, in order; false as soon as one is false.
  template <class Collect>
  bool each(Collect&& collect) {
    for (auto& [reader, pick] : picks_) {
      if (!collect(reader, pick)) return false;
    }
    return true;
  }

  /// The candidate whose index the label is.
  static Value picked(Value label, std::span<const Value> candidates);

 private:
  std::map<Reader, Pick> picks_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
