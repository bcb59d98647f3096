// Classes of nodes by what they compute, whichever leaves are at the bottom.
#include "tapeloom/compiler/roll/candidates.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/compiler/roll/choices.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Gives numbers to keys in the order in which they first come.
class Classifier {
 public:
  explicit Classifier(const Sums& sums) : sums_(sums) {
    classes_.of_node.assign(sums.size(), 0);
    for (std::uint32_t leaf = 0; leaf < first_class; ++leaf) classes_.family.push_back(leaf);
    classes_.depth.assign(first_class, 0);
  }

  Classes run() {
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const NodeId node(i);
      if (sums_.role(node) == Sums::Role::plain || sums_.has_terms(node)) classify(node);
    }
    classes_.mixed.assign(classes_.family.size(), false);
    return std::move(classes_);
  }

 private:
  // Leaves of one op are one class each, numbered by the op.
  static constexpr std::uint32_t first_class = op_count;
  static constexpr std::uint32_t sum_marker = UINT32_MAX, extreme_marker = UINT32_MAX - 2;

  std::uint32_t of(NodeId node) const { return classes_.family[classes_.of_node[node.index]]; }

  void classify(NodeId node) {
    const Op op = sums_.tape().op(node);
    if (op_kind(op) == OpKind::leaf) {
      classes_.of_node[node.index] = static_cast<std::uint32_t>(op);
      return;
    }
    key_.clear(), latest_part_ = 0;
    if (sums_.role(node) == Sums::Role::sum) {
      make_sum_key(node);
    } else if (sums_.role(node) == Sums::Role::extreme) {
      make_extreme_key(node);
    } else {
      make_plain_key(node);
    }
    const std::size_t known = keys_.size();
    const std::uint32_t key = keys_.number(key_, latest_part_);
    classes_.of_node[node.index] = first_class + key;
    if (key < known) return;
    const std::uint32_t family = family_of_new(node);
    classes_.family.push_back(family);
    if (family == classes_.depth.size()) classes_.depth.push_back(depth_of_operands(node) + 1);
  }

  /// Sums and extremes of three terms or more may be of a family that is there; of fewer, they would cost more than is
  /// gained.
  std::uint32_t family_of_new(NodeId node) {
    const auto next = static_cast<std::uint32_t>(classes_.depth.size());
    if (!sums_.has_terms(node)) return next;
    // What kinds of terms are made of, and where the first one's count is.
    const bool sum = sums_.role(node) == Sums::Role::sum;
    const std::size_t words = sum ? 3 : 1, first = sum ? 1 : 2;
    std::uint32_t terms = 0;
    for (std::size_t i = first; i < key_.size(); i += words + 1) terms += key_[i + words];
    if (terms < choices::shortest_list) return next;
    kinds_.assign(key_.begin(), key_.begin() + static_cast<std::ptrdiff_t>(first));
    for (std::size_t i = first; i < key_.size(); i += words + 1)
      kinds_.insert(kinds_.end(), &key_[i], &key_[i] + words);
    const std::uint32_t known = families_.number(kinds_, latest_part_);
    if (known == family_of_kinds_.size()) family_of_kinds_.push_back(next);
    return family_of_kinds_[known];
  }

  void make_plain_key(NodeId node) {
    const Op op = sums_.tape().op(node);
    key_.push_back(static_cast<std::uint32_t>(op) + (sums_.differentiated(node) ? first_class : 0));
    const std::size_t first = key_.size();
    for (NodeId operand : sums_.tape().operands(node)) key_.push_back(part(operand));
    if (op == Op::mul && key_[first] > key_[first + 1]) std::swap(key_[first], key_[first + 1]);
  }

  /// The class of an operand.
  std::uint32_t part(NodeId node) {
    latest_part_ = std::max(latest_part_, of(node));
    return of(node);
  }

  /// The counted set of its terms: how many there are of each sign and classes. A weight that meets a plain 0 counts as
  /// one that meets what the others do.
  void make_sum_key(NodeId node) {
    terms_.clear();
    std::uint32_t zeros = 0;
    for (const Term& term : sums_.terms(node)) {
      const std::uint32_t a = part(term.a), b = term.product ? part(term.b) : sum_marker;
      if (sums_.is_zero_product(term)) {
        ++zeros;
      } else {
        terms_.push_back({term.negative ? 1u : 0u, std::min(a, b), std::max(a, b)});
      }
    }
    if (zeros > 0) {
      constexpr auto weight = static_cast<std::uint32_t>(Op::parameter);
      const std::uint32_t met = kind_of_zeros(sums_, sums_.terms(node), [&](NodeId x) { return of(x); });
      terms_.insert(terms_.end(), zeros, {0, std::min(weight, met), std::max(weight, met)});
    }
    std::sort(terms_.begin(), terms_.end());
    key_.push_back(sums_.differentiated(node) ? sum_marker : sum_marker - 1);
    for (std::size_t i = 0; i < terms_.size();) {
      std::size_t end = i;
      while (end < terms_.size() && terms_[end] == terms_[i]) ++end;
      key_.insert(key_.end(), terms_[i].begin(), terms_[i].end());
      key_.push_back(static_cast<std::uint32_t>(end - i));
      i = end;
    }
  }

  /// The classes of its operands in their order, each with how many there are in a row.
  void make_extreme_key(NodeId node) {
    key_.push_back(extreme_marker);
    key_.push_back(static_cast<std::uint32_t>(sums_.tape().op(node)) + (sums_.differentiated(node) ? first_class : 0));
    std::uint32_t latest = sum_marker;
    for (const Term& term : sums_.terms(node)) {
      if (part(term.a) != latest) key_.insert(key_.end(), {latest = of(term.a), 0});
      ++key_.back();
    }
  }

  std::uint32_t depth_of_operands(NodeId node) const {
    std::uint32_t depth = 0;
    const auto take = [&](NodeId x) { depth = std::max(depth, classes_.depth[of(x)]); };
    if (sums_.has_terms(node)) {
      for (const Term& term : sums_.terms(node)) take(term.a), take(term.b);
    } else {
      for (NodeId operand : sums_.tape().operands(node)) take(operand);
    }
    return depth;
  }

  const Sums& sums_;
  Classes classes_;
  std::vector<std::uint32_t> key_;  // that is being made
  std::uint32_t latest_part_ = 0;   // of it
  KeyNumbers keys_;                 // of all classes but the leaves'
  std::vector<std::uint32_t> kinds_;
  KeyNumbers families_;  // of sums, by kinds of terms
  LargeVector<std::uint32_t> family_of_kinds_;
  std::vector<std::array<std::uint32_t, 3>> terms_;
};

Classes classify(const Sums& sums) { return Classifier(sums).run(); }

/// By depth, then family, then in order of first appearance; counting sorts, so that nodes stay in recorded order.
Candidates::Candidates(const Sums& sums, Classes classes) {
  const std::size_t count = classes.family.size(), families = classes.depth.size();
  LargeVector<std::uint32_t> at_depth(*std::max_element(classes.depth.begin(), classes.depth.end()) + 2, 0);
  for (std::uint32_t depth : classes.depth) ++at_depth[depth + 1];
  for (std::size_t d = 1; d < at_depth.size(); ++d) at_depth[d] += at_depth[d - 1];
  LargeVector<std::uint32_t> family_rank(families), rank(count);
  for (std::size_t f = 0; f < families; ++f) family_rank[f] = at_depth[classes.depth[f]]++;
  family_begin_.assign(families + 1, 0);
  for (std::uint32_t family : classes.family) ++family_begin_[family_rank[family] + 1];
  for (std::size_t f = 1; f <= families; ++f) family_begin_[f] += family_begin_[f - 1];
  LargeVector<std::uint32_t> next(family_begin_.begin(), family_begin_.end() - 1);
  for (std::size_t c = 0; c < count; ++c) rank[c] = next[family_rank[classes.family[c]]]++;

  mixed_.resize(count);
  for (std::size_t c = 0; c < count; ++c) mixed_[rank[c]] = classes.mixed[c];

  begin_.assign(count + 1, 0);
  const auto counted = [&](auto&& each) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (classes.of_node[i] >= op_count) each(i, rank[classes.of_node[i]]);
    }
  };
  counted([&](std::size_t, std::uint32_t place) { ++begin_[place + 1]; });
  for (std::size_t c = 1; c <= count; ++c) begin_[c] += begin_[c - 1];
  members_.resize(begin_.back());
  next.assign(begin_.begin(), begin_.end() - 1);
  counted([&](std::size_t i, std::uint32_t place) { members_[next[place]++] = NodeId(i); });
  of_node_ = std::move(classes.of_node), family_ = std::move(classes.family);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
