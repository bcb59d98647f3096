#include "tapeloom/compiler/classes.h"

#include <algorithm>
#include <unordered_map>

namespace tapeloom::inline v0_1::compiler {

namespace {

using Key = std::vector<std::uint32_t>;

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::uint64_t hash = key.size();
    for (std::uint32_t word : key) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

/// Gives numbers to keys in the order in which they first come; the table's own order is never used. Keys are compared
/// in full.
class Classifier {
 public:
  explicit Classifier(const Recording& recording) : r_(recording) {
    classes_.of_node.assign(recording.size(), 0);
    depth_.assign(first_class, 0);
  }

  Classes run() {
    for (std::size_t i = 0; i < r_.size(); ++i) {
      const NodeId node(i);
      if (r_.role(node) == Recording::Role::plain || r_.role(node) == Recording::Role::sum) classify(node);
    }
    sort_members();
    return std::move(classes_);
  }

 private:
  // Leaves of one op are one class each, numbered by the op.
  static constexpr std::uint32_t first_class = op_count;
  static constexpr std::uint32_t sum_marker = UINT32_MAX;

  std::uint32_t of(NodeId node) const { return classes_.of_node[node.index]; }

  void classify(NodeId node) {
    const Op op = r_.tape().op(node);
    if (op_kind(op) == OpKind::leaf) {
      classes_.of_node[node.index] = static_cast<std::uint32_t>(op);
      return;
    }
    key_.clear();
    if (r_.role(node) == Recording::Role::sum) {
      make_sum_key(node);
    } else {
      key_.push_back(static_cast<std::uint32_t>(op) + (r_.differentiated(node) ? first_class : 0));
      for (NodeId operand : r_.tape().operands(node)) key_.push_back(of(operand));
      if (op == Op::mul && key_[1] > key_[2]) std::swap(key_[1], key_[2]);
    }
    const auto [at, is_new] = known_.try_emplace(key_, static_cast<std::uint32_t>(depth_.size()));
    classes_.of_node[node.index] = at->second;
    if (is_new) depth_.push_back(depth_of_operands(node) + 1);
  }

  /// The counted set of its terms: how many there are of each sign and classes.
  void make_sum_key(NodeId node) {
    terms_.clear();
    for (const Term& term : r_.terms(node)) {
      const std::uint32_t a = of(term.a), b = term.product ? of(term.b) : sum_marker;
      terms_.push_back({term.negative ? 1u : 0u, std::min(a, b), std::max(a, b)});
    }
    std::sort(terms_.begin(), terms_.end());
    key_.push_back(r_.differentiated(node) ? sum_marker : sum_marker - 1);
    for (std::size_t i = 0; i < terms_.size();) {
      std::size_t end = i;
      while (end < terms_.size() && terms_[end] == terms_[i]) ++end;
      key_.insert(key_.end(), terms_[i].begin(), terms_[i].end());
      key_.push_back(static_cast<std::uint32_t>(end - i));
      i = end;
    }
  }

  std::uint32_t depth_of_operands(NodeId node) const {
    std::uint32_t depth = 0;
    const auto take = [&](NodeId x) { depth = std::max(depth, depth_[of(x)]); };
    if (r_.role(node) == Recording::Role::sum) {
      for (const Term& term : r_.terms(node)) take(term.a), take(term.b);
    } else {
      for (NodeId operand : r_.tape().operands(node)) take(operand);
    }
    return depth;
  }

  /// By depth, then in order of first appearance; counting sorts, so that nodes stay in recorded order.
  void sort_members() {
    const std::size_t count = depth_.size();
    std::vector<std::uint32_t> rank(count), at_depth(*std::max_element(depth_.begin(), depth_.end()) + 2, 0);
    for (std::uint32_t depth : depth_) ++at_depth[depth + 1];
    for (std::size_t d = 1; d < at_depth.size(); ++d) at_depth[d] += at_depth[d - 1];
    for (std::size_t c = 0; c < count; ++c) rank[c] = at_depth[depth_[c]]++;

    classes_.begin.assign(count + 1, 0);
    const auto counted = [&](auto&& each) {
      for (std::size_t i = 0; i < r_.size(); ++i) {
        if (classes_.of_node[i] >= first_class) each(i, rank[classes_.of_node[i]]);
      }
    };
    counted([&](std::size_t, std::uint32_t place) { ++classes_.begin[place + 1]; });
    for (std::size_t c = 1; c <= count; ++c) classes_.begin[c] += classes_.begin[c - 1];
    classes_.members.resize(classes_.begin.back());
    std::vector<std::uint32_t> next(classes_.begin.begin(), classes_.begin.end() - 1);
    counted([&](std::size_t i, std::uint32_t place) { classes_.members[next[place]++] = NodeId(i); });
  }

  const Recording& r_;
  Classes classes_;
  std::unordered_map<Key, std::uint32_t, KeyHash> known_;
  std::vector<std::uint32_t> depth_;  // of each class
  Key key_;
  std::vector<std::array<std::uint32_t, 3>> terms_;
};

}  // namespace

Classes classify(const Recording& recording) { return Classifier(recording).run(); }

}  // namespace tapeloom::inline v0_1::compiler
