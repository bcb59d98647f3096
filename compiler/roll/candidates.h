// Which nodes may become rows of one block.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/compiler/request/request.h"
#include "tapeloom/compiler/roll/levels.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Nodes that compute alike: the same op of operands that compute alike, whichever leaves are at the bottom. The
/// neurons of a layer are a class. Nodes of a class do not depend on each other. What the loss has no derivative by is
/// kept apart: as rows beside those that it has one by, they would be sent zeros, and 0 * inf is NaN. Where that makes
/// too many classes, nodes that do the same at the same depth are one, a mixed class: see levels.h.
///
/// Classes of sums, or of extremes, that differ in how many terms of each kind there are, but not in the kinds, are a
/// family; every other class is one of its own. Whoever groups candidates goes through the families in order, and asks
/// for nothing but what is below.
class Candidates {
 public:
  /// requires: sums of factors. maintains: within a class, recorded order.
  Candidates(const Sums& sums, Classes classes);

  /// Of a node that is not dead or absorbed: operands, or terms, are alike if they are of one kind. Leaves of one op
  /// are.
  std::uint32_t kind_of(NodeId node) const { return family_[of_node_[node.index]]; }
  /// So many families, those of operands first; leaves are left out.
  std::size_t families() const { return family_begin_.size() - 1; }
  /// The classes of a family: from that one up to the next family's first.
  std::size_t first_class(std::size_t family) const { return family_begin_[family]; }
  /// Whether nodes of a class have different histories: then they read the same in recorded order, and that the kinds
  /// of two things they read are the same says nothing.
  bool mixed(std::size_t class_number) const { return mixed_[class_number]; }
  /// The nodes of classes [first, last), each in recorded order.
  std::span<const NodeId> members(std::size_t first, std::size_t last) const {
    return std::span(members_).subspan(begin_[first], begin_[last] - begin_[first]);
  }

 private:
  LargeVector<std::uint32_t> of_node_;       // the class of each node; 0 where it has none
  LargeVector<std::uint32_t> family_;        // of each class
  LargeVector<bool> mixed_;                  // of each class, in the order of begin_
  LargeVector<NodeId> members_;              // sorted by family and class
  LargeVector<std::uint32_t> begin_;         // where each class begins in members_, in that order, and the end
  LargeVector<std::uint32_t> family_begin_;  // where each family begins in begin_, and the end
};

/// What a plain 0 that a weight of a sum meets counts as: the kind that most weights of the sum meet, or a constant if
/// they meet nothing else. `kind_of` is that of a node.
template <class KindOf>
std::uint32_t kind_of_zeros(const Sums& sums, std::span<const Term> terms, KindOf&& kind_of) {
  constexpr auto constant = static_cast<std::uint32_t>(Op::constant),
                 weight = static_cast<std::uint32_t>(Op::parameter);
  std::vector<std::uint32_t> kinds;
  for (const Term& term : terms) {
    if (!term.product || term.negative || sums.is_zero_product(term)) continue;
    const std::uint32_t a = kind_of(term.a), b = kind_of(term.b);
    if (a == weight || b == weight) kinds.push_back(a == weight ? b : a);
  }
  std::ranges::sort(kinds);
  std::uint32_t most_frequent = constant;
  std::size_t most = 0;
  for (std::size_t i = 0, end = 0; i < kinds.size(); i = end) {
    while (end < kinds.size() && kinds[end] == kinds[i]) ++end;
    if (kinds[i] != constant && end - i > most) most = end - i, most_frequent = kinds[i];
  }
  return most_frequent;
}

/// By history. requires: sums of factors.
Classes classify(const Sums& sums);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
