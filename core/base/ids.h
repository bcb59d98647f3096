// Distinct index types: a node, a parameter and an input cannot be confused with each other.
#pragma once

#include <compare>
#include <cstdint>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// A 32-bit index that only mixes with indices of its own kind.
template <class Tag>
struct Id {
  std::uint32_t index = 0;

  constexpr Id() = default;
  constexpr explicit Id(std::size_t i) : index(static_cast<std::uint32_t>(i)) {}
  friend constexpr auto operator<=>(Id, Id) = default;
};

/// A node of a Tape: its position in recorded order.
using NodeId = Id<struct NodeTag>;
/// A parameter: its position among the parameters, in recorded order.
using ParameterId = Id<struct ParameterTag>;
/// An input bound per sample: its column in the rows of all inputs.
using InputId = Id<struct InputTag>;

}  // namespace tapeloom::inline TAPELOOM_ABI
