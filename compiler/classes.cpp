#include "tapeloom/compiler/classes.h"

#include <algorithm>
#include <array>
#include <span>

#include "tapeloom/compiler/unique_table.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

/// Gives numbers to keys in the order in which they first come.
class Classifier {
 public:
  explicit Classifier(const Recording& recording) : r_(recording) {
    classes_.of_node.assign(recording.size(), 0);
    depth_.assign(first_class, 0);
  }

  Classes run() {
    for (std::size_t i = 0; i < r_.size(); ++i) {
      const NodeId node(i);
      if (r_.role(node) == Recording::Role::plain || r_.has_terms(node)) classify(node);
    }
    sort_members();
    return std::move(classes_);
  }

 private:
  // Leaves of one op are one class each, numbered by the op.
  static constexpr std::uint32_t first_class = op_count;
  static constexpr std::uint32_t sum_marker = UINT32_MAX, extreme_marker = UINT32_MAX - 2;

  std::uint32_t of(NodeId node) const { return classes_.of_node[node.index]; }

  void classify(NodeId node) {
    const Op op = r_.tape().op(node);
    if (op_kind(op) == OpKind::leaf) {
      classes_.of_node[node.index] = static_cast<std::uint32_t>(op);
      return;
    }
    // The key of a class that may turn out to be known.
    const std::size_t begin = words_.size();
    latest_part_ = 0;
    if (r_.role(node) == Recording::Role::sum) {
      make_sum_key(node);
    } else if (r_.role(node) == Recording::Role::extreme) {
      make_extreme_key(node);
    } else {
      make_plain_key(node);
    }
    const auto candidate = static_cast<std::uint32_t>(key_begin_.size());
    key_begin_.push_back(begin);
    const std::uint32_t key = table_.find_or_enter(
        candidate, latest_part_,
        [&](std::uint32_t other) { return std::ranges::equal(key_of(other), key_of(candidate)); },
        [&](std::uint32_t k) { return hash(key_of(k)); });
    classes_.of_node[node.index] = first_class + key;
    if (key == candidate) {
      depth_.push_back(depth_of_operands(node) + 1);
    } else {
      key_begin_.pop_back();
      words_.resize(begin);
    }
  }

  std::span<const std::uint32_t> key_of(std::uint32_t key) const {
    const std::size_t begin = key_begin_[key], end = key + 1 < key_begin_.size() ? key_begin_[key + 1] : words_.size();
    return std::span(words_).subspan(begin, end - begin);
  }
  static std::uint64_t hash(std::span<const std::uint32_t> key) {
    std::uint64_t hash = key.size();
    for (std::uint32_t word : key) hash = mix(hash, word);
    return hash;
  }

  void make_plain_key(NodeId node) {
    const Op op = r_.tape().op(node);
    words_.push_back(static_cast<std::uint32_t>(op) + (r_.differentiated(node) ? first_class : 0));
    const std::size_t first = words_.size();
    for (NodeId operand : r_.tape().operands(node)) words_.push_back(part(operand));
    if (op == Op::mul && words_[first] > words_[first + 1]) std::swap(words_[first], words_[first + 1]);
  }

  /// The class of an operand.
  std::uint32_t part(NodeId node) {
    latest_part_ = std::max(latest_part_, of(node));
    return of(node);
  }

  /// The counted set of its terms: how many there are of each sign and classes.
  void make_sum_key(NodeId node) {
    terms_.clear();
    for (const Term& term : r_.terms(node)) {
      const std::uint32_t a = part(term.a), b = term.product ? part(term.b) : sum_marker;
      terms_.push_back({term.negative ? 1u : 0u, std::min(a, b), std::max(a, b)});
    }
    std::sort(terms_.begin(), terms_.end());
    words_.push_back(r_.differentiated(node) ? sum_marker : sum_marker - 1);
    for (std::size_t i = 0; i < terms_.size();) {
      std::size_t end = i;
      while (end < terms_.size() && terms_[end] == terms_[i]) ++end;
      words_.insert(words_.end(), terms_[i].begin(), terms_[i].end());
      words_.push_back(static_cast<std::uint32_t>(end - i));
      i = end;
    }
  }

  /// The classes of its operands in their order, each with how many there are in a row.
  void make_extreme_key(NodeId node) {
    words_.push_back(extreme_marker);
    words_.push_back(static_cast<std::uint32_t>(r_.tape().op(node)) + (r_.differentiated(node) ? first_class : 0));
    std::uint32_t latest = sum_marker;
    for (const Term& term : r_.terms(node)) {
      if (part(term.a) != latest) words_.insert(words_.end(), {latest = of(term.a), 0});
      ++words_.back();
    }
  }

  std::uint32_t depth_of_operands(NodeId node) const {
    std::uint32_t depth = 0;
    const auto take = [&](NodeId x) { depth = std::max(depth, depth_[of(x)]); };
    if (r_.has_terms(node)) {
      for (const Term& term : r_.terms(node)) take(term.a), take(term.b);
    } else {
      for (NodeId operand : r_.tape().operands(node)) take(operand);
    }
    return depth;
  }

  /// By depth, then in order of first appearance; counting sorts, so that nodes stay in recorded order.
  void sort_members() {
    const std::size_t count = depth_.size();
    LargeVector<std::uint32_t> rank(count), at_depth(*std::max_element(depth_.begin(), depth_.end()) + 2, 0);
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
    LargeVector<std::uint32_t> next(classes_.begin.begin(), classes_.begin.end() - 1);
    counted([&](std::size_t i, std::uint32_t place) { classes_.members[next[place]++] = NodeId(i); });
  }

  const Recording& r_;
  Classes classes_;
  LargeVector<std::uint32_t> words_;    // the keys of all classes but the leaves', one after another
  LargeVector<std::size_t> key_begin_;  // of each
  UniqueTable table_;
  std::uint32_t latest_part_ = 0;     // of the key that is being made
  LargeVector<std::uint32_t> depth_;  // of each class
  std::vector<std::array<std::uint32_t, 3>> terms_;
};

}  // namespace

Classes classify(const Recording& recording) { return Classifier(recording).run(); }

}  // namespace tapeloom::inline v0_1::compiler
