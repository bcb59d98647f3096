#include "tapeloom/compiler/roll/levels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/compiler/roll/choices.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Keys are made of one node of each class: those of its others are the same.
class Levels {
 public:
  Levels(const Sums& sums, const Classes& classes) : sums_(sums), classes_(classes) {}

  Merged merge(bool always, Classes& merged) {
    for (std::uint32_t leaf = 0; leaf < op_count; ++leaf) {
      class_.push_back(leaf), merged.family.push_back(leaf), merged.mixed.push_back(false), merged.depth.push_back(0);
    }
    of_family_.assign(op_count, 0), several_.assign(op_count, false);
    find_first_nodes();
    find_levels();
    std::size_t found = 0, together = 0, classes = 0;
    for (std::uint32_t c = op_count; c < classes_.family.size(); ++c) {
      // Terms of several kinds go together as classes do.
      const std::size_t more_kinds = sums_.role(first_[c]) == Sums::Role::sum ? kinds_merged(first_[c]) : 0;
      const bool fresh = enter(c, merged);
      found += 1 + more_kinds, classes += !fresh;
      together += (fresh ? 0 : 1) + more_kinds;
      if (more_kinds >= choices::few_kinds) merged.mixed[class_[c]] = true;
    }
    for (std::uint32_t c = op_count; c < merged.family.size(); ++c) {
      if (several_[merged.family[c]]) merged.mixed[c] = true;
    }
    const bool few = together < choices::fewest_merged || choices::least_share_merged * together < found;
    if (few && !always) return Merged::few;
    merged.of_node = classes_.of_node;
    for (std::uint32_t& c : merged.of_node) c = class_[c];
    if (few) return Merged::few;
    const std::size_t all = classes_.family.size() - op_count;
    return choices::most_classes_left * (all - classes) <= all ? Merged::most : Merged::some;
  }

 private:
  static constexpr std::uint32_t nobody = UINT32_MAX;

  /// What is read, as far as it matters: a parameter is a weight, or a bias, of something that varies.
  enum class Operand : std::uint32_t { constant, uniform, parameter, varying, none };
  std::uint32_t part(NodeId of, NodeId x) const {
    return static_cast<std::uint32_t>(sums_.is(x, Op::constant)                                ? Operand::constant
                                      : sums_.tape().varying(x)                                ? Operand::varying
                                      : sums_.is(x, Op::parameter) && sums_.tape().varying(of) ? Operand::parameter
                                                                                               : Operand::uniform);
  }

  void find_first_nodes() {
    first_.assign(classes_.family.size(), NodeId(std::size_t{nobody}));
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      NodeId& first = first_[classes_.of_node[i]];
      if (first.index == nobody) first = NodeId(i);
    }
  }

  template <class F>
  void each_operand(NodeId node, F&& f) const {
    if (!sums_.has_terms(node)) {
      for (NodeId operand : sums_.tape().operands(node)) f(operand);
      return;
    }
    for (const Term& term : sums_.terms(node)) {
      f(term.a);
      if (term.product) f(term.b);
    }
  }

  /// 1 + the greatest of the operands', which belong to earlier classes. A product is a level of its own, also where
  /// it is part of a sum: whether something else uses it changes no level. Of min(a, min(b, c)), a is taken
  /// for one deeper, so that all three are as far from the result: in a table that is filled so, fronts are diagonals.
  void find_levels() {
    level_.assign(classes_.family.size(), 0), totals_.assign(classes_.family.size(), 0);
    const auto of = [&](NodeId x) { return level_[classes_.of_node[x.index]]; };
    for (std::uint32_t c = op_count; c < level_.size(); ++c) {
      std::uint32_t latest = 0;
      each_operand(first_[c], [&](NodeId x) { totals_[c] = std::max(totals_[c], totals_[classes_.of_node[x.index]]); });
      totals_[c] += op_kind(sums_.tape().op(first_[c])) == OpKind::reduction;
      if (sums_.has_terms(first_[c])) {
        for (const Term& term : sums_.terms(first_[c])) {
          latest = std::max(latest, term.product ? std::max(of(term.a), of(term.b)) + 1 : of(term.a));
        }
      } else {
        const Operands operands = sums_.tape().operands(first_[c]);
        const bool nested = std::ranges::any_of(operands, [&](NodeId x) { return is_nested(x, first_[c]); });
        for (NodeId x : operands) latest = std::max(latest, of(x) + (nested && !is_nested(x, first_[c]) ? 1 : 0));
      }
      level_[c] = latest + 1;
    }
  }

  /// Whether it is part of a max, or min, as of min(a, min(b, c)).
  bool is_nested(NodeId node, NodeId in) const {
    const Op op = sums_.tape().op(in);
    return (op == Op::max || op == Op::min) && sums_.is(node, op) && sums_.request().uses(node) == 1;
  }

  /// So many kinds of terms of a sum are the same by what they are made of here.
  std::size_t kinds_merged(NodeId sum) {
    const auto kinds = [&](auto&& part_of) {
      take_terms(sum, part_of);
      std::ranges::sort(terms_);
      return static_cast<std::size_t>(std::unique(terms_.begin(), terms_.end()) - terms_.begin());
    };
    const std::size_t by_family = kinds([&](NodeId x) { return classes_.family[classes_.of_node[x.index]]; });
    if (by_family == 1) return 0;
    return by_family - std::min(by_family, kinds([&](NodeId x) { return part(sum, x); }));
  }

  /// Sets terms_ to those of a node: the sign of each, and what part_of says of its factors.
  template <class PartOf>
  void take_terms(NodeId node, PartOf&& part_of) {
    constexpr auto none = static_cast<std::uint32_t>(Operand::none);
    terms_.clear();
    for (const Term& term : sums_.terms(node)) {
      const std::uint32_t a = part_of(term.a), b = term.product ? part_of(term.b) : none;
      terms_.push_back({term.negative ? 1u : 0u, std::min(a, b), std::max(a, b)});
    }
  }

  /// Gives a class its new class and family; false if it is that of an earlier one.
  bool enter(std::uint32_t c, Classes& merged) {
    make_key(c);
    const auto next = static_cast<std::uint32_t>(merged.family.size());
    class_.push_back(op_count + keys_.number(key_, level_[c]));  // a key has a level, as others have a part
    if (class_.back() != next) {
      merged.mixed[class_.back()] = true;
      return false;
    }
    const auto next_family = static_cast<std::uint32_t>(merged.depth.size());
    std::uint32_t family = next_family;
    if (!kinds_.empty()) {
      const std::uint32_t known = families_.number(kinds_);
      if (known == family_of_kinds_.size()) family_of_kinds_.push_back(next_family);
      family = family_of_kinds_[known];
    }
    if (family == next_family) {
      merged.depth.push_back(level_[c]);
      of_family_.push_back(classes_.family[c]), several_.push_back(false);
    }
    several_[family] = several_[family] || of_family_[family] != classes_.family[c];
    merged.family.push_back(family);
    merged.mixed.push_back(false);
    return true;
  }

  /// Sets key_ and, of a node that may be of a family of different lengths, kinds_.
  void make_key(std::uint32_t c) {
    const NodeId node = first_[c];
    const Op op = sums_.tape().op(node);
    const Sums::Role role = sums_.role(node);
    const std::uint32_t flags = (sums_.differentiated(node) ? 1 : 0) | (sums_.tape().varying(node) ? 2 : 0);
    // The op of a sum is that of its last addition.
    const std::uint32_t what = role == Sums::Role::sum ? op_count : static_cast<std::uint32_t>(op);
    // What waits for another total over the samples is computed in another stage.
    key_ = {level_[c], totals_[c], flags, static_cast<std::uint32_t>(role), what};
    kinds_.clear();
    if (sums_.has_terms(node)) return add_terms(node);
    const std::size_t first = key_.size();
    for (NodeId x : sums_.tape().operands(node)) {
      key_.push_back(part(node, x));
      // That exponents are literals tells what power it is.
      if (op == Op::pow && sums_.is(x, Op::constant)) {
        const auto bits = std::bit_cast<std::uint64_t>(sums_.tape().data(x));
        key_.push_back(static_cast<std::uint32_t>(bits)), key_.push_back(static_cast<std::uint32_t>(bits >> 32));
      }
    }
    if (op == Op::mul && key_[first] > key_[first + 1]) std::swap(key_[first], key_[first + 1]);
  }

  void add_terms(NodeId node) {
    take_terms(node, [&](NodeId x) { return part(node, x); });
    if (sums_.role(node) == Sums::Role::sum) std::ranges::sort(terms_);
    const bool list = terms_.size() >= choices::shortest_list;
    if (list) kinds_ = key_;
    for (std::size_t i = 0, end = 0; i < terms_.size(); i = end) {
      while (end < terms_.size() && terms_[end] == terms_[i]) ++end;
      key_.insert(key_.end(), terms_[i].begin(), terms_[i].end());
      if (list) kinds_.insert(kinds_.end(), terms_[i].begin(), terms_[i].end());
      key_.push_back(static_cast<std::uint32_t>(end - i));
    }
  }

  const Sums& sums_;
  const Classes& classes_;
  std::vector<NodeId> first_;             // of each class, as classified by history
  std::vector<std::uint32_t> level_;      // likewise
  std::vector<std::uint32_t> totals_;     // likewise: how many totals over the samples it waits for, one after another
  std::vector<std::uint32_t> class_;      // likewise: the new one
  std::vector<std::uint32_t> of_family_;  // of each new family: the old one of its first class
  std::vector<bool> several_;             // likewise: whether there are others
  std::vector<std::uint32_t> key_, kinds_;
  KeyNumbers keys_, families_;                  // of new classes, and by kinds of terms
  std::vector<std::uint32_t> family_of_kinds_;  // of each number of families_
  std::vector<std::array<std::uint32_t, 3>> terms_;
};

}  // namespace

Merged merge_by_level(const Sums& sums, const Classes& by_history, bool always, Classes& merged) {
  return Levels(sums, by_history).merge(always, merged);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
