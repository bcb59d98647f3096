#include "tapeloom/compiler/roll/roll.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "tapeloom/compiler/roll/classes.h"
#include "tapeloom/compiler/roll/extreme_roller.h"
#include "tapeloom/compiler/roll/import.h"
#include "tapeloom/compiler/roll/placer.h"
#include "tapeloom/compiler/roll/sum_roller.h"
#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Elementwise classes: nodes whose operands are neighbours become the rows of one block.
class ElementwiseRoller {
 public:
  ElementwiseRoller(Graph& graph, const Recording& recording, const Classes& classes, Placer& placer)
      : g_(graph), r_(recording), c_(classes), p_(placer) {}

  void roll(std::span<const NodeId> members) {
    members_.clear();
    for (NodeId node : members) members_.push_back(member(node));
    sort_members();
    set_twins_aside();
    ends_.clear();
    for (std::size_t end = 0; end < members_.size(); ends_.push_back(end)) end = run_end(end);
    if (better_together()) {
      ends_ = {members_.size()};
      sort_for_fewer_gathered();
    }
    std::size_t begin = 0;
    for (std::size_t end : ends_) emit(std::exchange(begin, end), end);
    for (const auto& [twin, node] : twins_) p_.place_like(twin, node, 1);
  }

 private:
  struct Member {
    NodeId node;
    std::array<NodeId, 3> operand;
    std::array<Coordinate, 3> at;            // of the operands
    std::array<std::uint64_t, 3> constants;  // bits of those that are constants
  };

  Member member(NodeId node) const {
    Member m{node, {}, {}, {}};
    const Operands x = r_.tape().operands(node);
    for (std::size_t k = 0; k < x.count; ++k) m.operand[k] = x.node[k];
    // The class of a product does not tell its factors' order.
    if (r_.is(node, Op::mul) && c_.family_of(m.operand[0]) > c_.family_of(m.operand[1])) {
      std::swap(m.operand[0], m.operand[1]);
    }
    for (std::size_t k = 0; k < x.count; ++k) {
      m.at[k] = p_.at(m.operand[k]);
      if (p_.is_constant(m.operand[k])) m.constants[k] = std::bit_cast<std::uint64_t>(r_.tape().data(m.operand[k]));
    }
    return m;
  }

  /// By the places of their operands. Constants have none and are data, unless the same operands meet different ones,
  /// as in x^2 + x^3: then they part the members.
  void sort_members() {
    const auto by_place = [](const Member& a, const Member& b) { return a.at < b.at; };
    std::stable_sort(members_.begin(), members_.end(), by_place);
    const auto literals = [](const Member& a, const Member& b) { return a.at == b.at && a.constants != b.constants; };
    if (std::adjacent_find(members_.begin(), members_.end(), literals) == members_.end()) return;
    std::stable_sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) {
      return a.constants != b.constants ? a.constants < b.constants : a.at < b.at;
    });
  }

  /// The same function of the same operands, recorded again, is the same value.
  void set_twins_aside() {
    twins_.clear();
    std::size_t kept = 0;
    for (const Member& m : members_) {
      if (kept > 0 && m.at == members_[kept - 1].at && m.constants == members_[kept - 1].constants) {
        twins_.push_back({m.node, members_[kept - 1].node});
      } else {
        members_[kept++] = m;
      }
    }
    members_.resize(kept);
  }

  /// The longest run from `begin` in which every operand moves on by the same number of rows (or not at all).
  std::size_t run_end(std::size_t begin) const {
    if (begin + 1 == members_.size()) return begin + 1;
    const auto &first = members_[begin].at, &second = members_[begin + 1].at;
    std::size_t end = begin + 1;
    for (; end < members_.size(); ++end) {
      for (std::size_t k = 0; k < 3; ++k) {
        const std::uint64_t step = std::uint64_t{second[k].row} - first[k].row;
        const Coordinate& here = members_[end].at[k];
        if (second[k].row < first[k].row || here.block != first[k].block) return end;
        if (here.row != first[k].row + (end - begin) * step) return end;
      }
    }
    return end;
  }

  /// Many runs are one block whose operands are gathered, unless each run is what a block makes that it can be computed
  /// with, such as a product.
  bool better_together() {
    constexpr std::size_t many = 8;  // where two operands are to be gathered
    if (ends_.size() <= Placer::few_runs || (ends_.size() < many && gathered_operands() > 1)) return false;
    std::size_t begin = 0;
    for (std::size_t end : ends_) {
      const bool again = begin > 0 && members_[begin].at[0].block == members_[begin - 1].at[0].block;
      if (again || end - begin == 1 || !reads_whole_block(std::exchange(begin, end), end)) return true;
    }
    return false;
  }
  /// Members of one block need not be in the order of their first operand: a weight times an input is in that of the
  /// weights if those are read in place then.
  void sort_for_fewer_gathered() {
    std::size_t fewest = gathered_operands();
    for (std::size_t k = 1; k < op_arity(r_.tape().op(members_[0].node)); ++k) {
      const LargeVector<Member> before = members_;
      const auto by_operand = [&](const Member& a, const Member& b) { return a.at[k] < b.at[k]; };
      std::stable_sort(members_.begin(), members_.end(), by_operand);
      const std::size_t gathered = gathered_operands();
      if (gathered >= fewest) members_ = before;
      fewest = std::min(fewest, gathered);
    }
  }
  std::size_t gathered_operands() {
    std::size_t gathered = 0;
    for (std::size_t k = 0; k < op_arity(r_.tape().op(members_[0].node)); ++k) {
      nodes_.clear();
      for (const Member& m : members_) nodes_.push_back(m.operand[k]);
      gathered += !p_.in_place(nodes_);
    }
    return gathered;
  }
  bool reads_whole_block(std::size_t begin, std::size_t end) const {
    const Coordinate at = members_[begin].at[0];
    return at.block != 0 && at.row == 0 && g_[BlockId(std::size_t{at.block - 1})].rows == end - begin;
  }

  void emit(std::size_t begin, std::size_t end) {
    const NodeId first = members_[begin].node;
    const Op op = r_.tape().op(first);
    const std::size_t arity = op_arity(op);
    View x[3];
    nodes_.resize(end - begin);
    for (std::size_t k = 0; k < arity; ++k) {
      for (std::size_t i = begin; i < end; ++i) nodes_[i - begin] = members_[i].operand[k];
      x[k] = p_.view(nodes_);
    }
    for (std::size_t i = begin; i < end; ++i) nodes_[i - begin] = members_[i].node;
    const View rows = compute(op, std::span<const View>(x, arity));
    g_.stands_for(rows.block, nodes_.size());
    p_.place(nodes_, rows);
  }

  View compute(Op op, std::span<const View> x) {
    if (op_kind(op) != OpKind::reduction) return g_.add_elementwise(op, x);
    const View sum = g_.add_batch_sum(x[0]);
    if (op == Op::batch_sum) return sum;
    return g_.add_elementwise(Op::div, {sum, g_.add_leaf(BlockKind::samples, 0).repeated(sum.rows)});
  }

  Graph& g_;
  const Recording& r_;
  const Classes& c_;
  Placer& p_;
  LargeVector<Member> members_;
  LargeVector<std::size_t> ends_;                 // of the runs
  LargeVector<std::pair<NodeId, NodeId>> twins_;  // and the member that each is the twin of
  LargeVector<NodeId> nodes_;
};

}  // namespace

Rolled roll(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, std::span<const NodeId> conditions) {
  std::vector<NodeId> roots(outputs.begin(), outputs.end());
  if (loss != nullptr) roots.push_back(*loss);
  roots.insert(roots.end(), conditions.begin(), conditions.end());

  const Recording recording(tape, loss, roots);
  const Classes classes = classify(recording);
  Graph graph;
  Placer placer(graph, recording);
  ElementwiseRoller elementwise(graph, recording, classes, placer);
  SumRoller sums(graph, recording, classes, placer);
  ExtremeRoller extremes(graph, recording, placer);
  const auto members_of = [&](std::size_t first, std::size_t last) {
    return std::span(classes.members).subspan(classes.begin[first], classes.begin[last] - classes.begin[first]);
  };
  for (std::size_t f = 0; f + 1 < classes.family_begin.size(); ++f) {
    const std::size_t first = classes.family_begin[f], last = classes.family_begin[f + 1];
    if (const auto members = members_of(first, last); last - first > Placer::few_runs) {
      const bool of_sums = recording.role(members[0]) == Recording::Role::sum;
      if (!of_sums || !sums.are_matrices(members)) {
        of_sums ? sums.roll_ragged(members) : extremes.roll_ragged(members);
        continue;
      }
    }
    for (std::size_t c = first; c < last; ++c) {
      const auto members = members_of(c, c + 1);
      if (members.empty()) continue;
      if (recording.role(members[0]) == Recording::Role::sum) {
        sums.roll(members);
      } else if (recording.role(members[0]) == Recording::Role::extreme) {
        extremes.roll(members);
      } else {
        elementwise.roll(members);
      }
    }
  }

  if (loss != nullptr) graph.roots.loss = placer.view(*loss);
  for (NodeId output : outputs) graph.roots.outputs.push_back(placer.view(output));
  for (NodeId condition : conditions) graph.roots.guards.push_back(placer.view(condition));
  return {std::move(graph), recording.live(), placer.take_places()};
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
