// Tape::compact: drops what nothing alive is computed from, and slides the rest down.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/gradients.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// What becomes of a tape's nodes, decided before anything is changed.
class Survivors {
 public:
  Survivors(const Tape& tape, std::span<const NodeId> roots) : tape_(tape), places_(tape.size(), Compaction::dropped) {
    for (NodeId root : roots) {
      if (root.index >= tape.size()) throw StaleValueError("the tape has no node " + std::to_string(root.index));
      places_[root.index] = alive;
    }
    mark_operands(alive);
    while (mark_for_assignments()) mark_operands(alive);
    keep_whole_groups();
    if (tape.guards().empty()) {
      number();
    } else {
      mark_for_guards();
      number_with_guards();
    }
  }

  /// A place for every node; nodes that are equal share one, which the first of them goes to.
  std::vector<std::uint32_t> take_places() { return std::move(places_); }

 private:
  // While places are not decided; all above the ids of nodes.
  static constexpr std::uint32_t alive = Compaction::dropped - 1, for_guards = Compaction::dropped - 2;
  static_assert(for_guards > Tape::most_nodes);

  bool is_kept(NodeId node) const { return places_[node.index] != Compaction::dropped; }

  /// What the nodes so marked are computed from is marked, too.
  void mark_operands(std::uint32_t as) {
    for (auto i = static_cast<std::uint32_t>(tape_.size()); i-- > 0;) {
      if (places_[i] != as) continue;
      const auto mark = [&](NodeId operand) {
        std::uint32_t& place = places_[operand.index];
        place = place == Compaction::dropped ? as : place;
      };
      const Operands operands = tape_.operands(NodeId(std::size_t{i}));
      if (operands.count > 0) mark(operands.node[0]);
      if (operands.count > 1) mark(operands.node[1]);
      if (operands.count > 2) mark(operands.node[2]);
    }
  }

  /// What is assigned with a node that is kept is kept. False if nothing is new.
  bool mark_for_assignments() {
    bool more = false;
    for (const Assignment& assignment : tape_.assignments()) {
      if (!is_kept(assignment.used)) continue;
      for (NodeId node : {assignment.parameter, assignment.next}) {
        more = more || !is_kept(node);
        places_[node.index] = alive;
      }
    }
    return more;
  }

  void keep_whole_groups() {
    const std::span<const NodeId> inputs = tape_.input_nodes();
    for (const InputGroup& group : tape_.input_groups()) {
      const auto members = inputs.subspan(group.first.index, group.count);
      if (!std::ranges::any_of(members, [&](NodeId input) { return is_kept(input); })) continue;
      for (NodeId input : members) places_[input.index] = alive;
    }
  }

  /// A guard on values that can still be computed, since all their leaves are alive, is kept with what it takes.
  void mark_for_guards() {
    for (const Guard& guard : tape_.guards()) {
      if (!is_kept(guard.condition)) places_[guard.condition.index] = for_guards;
    }
    mark_operands(for_guards);
    for (std::uint32_t i = 0; i < tape_.size(); ++i) {
      if (places_[i] != for_guards) continue;
      const NodeId node{std::size_t{i}};
      const Operands operands = tape_.operands(node);
      if (operands.count == 0 || !std::ranges::all_of(operands, [&](NodeId operand) { return is_kept(operand); })) {
        places_[i] = Compaction::dropped;
      }
    }
  }

  void number() {
    std::uint32_t count = 0;
    for (std::uint32_t& place : places_) {
      const bool kept = place != Compaction::dropped;
      place = kept ? count : Compaction::dropped;
      count += kept ? 1 : 0;
    }
  }

  /// Of what is kept for guards alone, equal nodes become one: a loop that decides the same in every step keeps one.
  void number_with_guards() {
    std::uint32_t count = 0;
    std::map<std::pair<Op, std::array<std::uint32_t, 3>>, std::uint32_t> equal;
    for (std::uint32_t i = 0; i < tape_.size(); ++i) {
      if (places_[i] == Compaction::dropped) continue;
      if (places_[i] == for_guards) {
        const NodeId node{std::size_t{i}};
        std::array<std::uint32_t, 3> operands{};
        const Operands recorded = tape_.operands(node);
        for (std::size_t k = 0; k < recorded.count; ++k) operands[k] = places_[recorded.node[k].index];
        const auto [found, is_new] = equal.try_emplace({tape_.op(node), operands}, count);
        places_[i] = found->second;
        if (is_new) ++count;
      } else {
        places_[i] = count++;
      }
    }
  }

  const Tape& tape_;
  std::vector<std::uint32_t> places_;
};

/// Where the guards go: those whose condition is dropped are lost, equal ones become one.
std::vector<std::uint32_t> places_of_guards(std::span<const Guard> guards, std::span<const std::uint32_t> nodes) {
  std::vector<std::uint32_t> places(guards.size(), Compaction::dropped);
  std::map<std::pair<std::uint32_t, bool>, std::uint32_t> equal;
  for (std::size_t g = 0; g < guards.size(); ++g) {
    const std::uint32_t condition = nodes[guards[g].condition.index];
    if (condition == Compaction::dropped) continue;
    places[g] =
        equal.try_emplace({condition, guards[g].expected}, static_cast<std::uint32_t>(equal.size())).first->second;
  }
  return places;
}

}  // namespace

/// The side tables of a tape after a compaction, built while the tape is as it was.
struct Tape::Tables {
  Tables(const Tape& tape, std::span<const std::uint32_t> places) {
    const auto place = [&](NodeId node) { return NodeId(std::size_t{places[node.index]}); };
    const auto kept = [&](NodeId node) { return places[node.index] != Compaction::dropped; };
    leaf_index.assign(std::max({tape.parameters_.size(), tape.inputs_.size(), tape.uniform_inputs_.size()}), {});
    for (std::size_t i = 0; i < tape.parameters_.size(); ++i) {
      const auto [node, frozen] = tape.parameters_[i];
      if (!kept(node)) continue;
      leaf_index[i].parameter = static_cast<std::uint32_t>(parameters.size());
      parameters.push_back({place(node), frozen});
    }
    for (const auto& [name, first, count, random] : tape.groups_) {
      if (!kept(tape.inputs_[first.index])) continue;
      groups.push_back({name, InputId(inputs.size()), count, random});
      names.insert(name);
      for (std::uint32_t i = first.index; i < first.index + count; ++i) {
        leaf_index[i].input = static_cast<std::uint32_t>(inputs.size());
        inputs.push_back(place(tape.inputs_[i]));
      }
    }
    for (std::size_t i = 0; i < tape.uniform_inputs_.size(); ++i) {
      const auto& [node, name, training] = tape.uniform_inputs_[i];
      if (!kept(node)) continue;
      leaf_index[i].uniform_input = static_cast<std::uint32_t>(uniform_inputs.size());
      uniform_inputs.push_back({place(node), name, training});
      names.insert(name);
    }
    for (const auto& [parameter, next, used] : tape.assignments_) {
      if (kept(used)) assignments.push_back({place(parameter), place(next), place(used)});
    }
    for (const auto& [node, label] : tape.labels_) {
      if (kept(NodeId(std::size_t{node}))) labels.emplace_hint(labels.end(), places[node], label);
    }
  }

  std::uint32_t leaf_index_of(Op leaf, std::uint32_t before) const {
    if (leaf == Op::parameter) return leaf_index[before].parameter;
    if (leaf == Op::input) return leaf_index[before].input;
    return leaf == Op::uniform_input ? leaf_index[before].uniform_input : 0;
  }

  struct Index {
    std::uint32_t parameter, input, uniform_input;
  };
  std::vector<Index> leaf_index;  ///< new ones by old ones
  std::vector<ParameterRecord> parameters;
  std::vector<NodeId> inputs;
  std::vector<InputGroup> groups;
  std::vector<UniformInputRecord> uniform_inputs;
  std::vector<Assignment> assignments;
  std::set<std::string, std::less<>> names;
  std::map<std::uint32_t, std::string> labels;
};

void Tape::slide_nodes(std::span<const std::uint32_t> places, const Tables& tables) {
  size_ = 0;
  each_run(places, [&](std::uint32_t from, std::uint32_t to, std::uint32_t count) {
    std::copy_n(tags_.data() + from, count, tags_.data() + to);
    std::copy_n(data_.data() + from, count, data_.data() + to);
    for (std::uint32_t k = 0; k < count; ++k) {
      const Op moved = op(NodeId(std::size_t{to} + k));
      const std::size_t arity = op_arity(moved);
      const std::uint32_t a = first_[from + k], b = second_[from + k];
      first_[to + k] = arity > 0 ? places[a] : tables.leaf_index_of(moved, a);
      second_[to + k] = arity > 1 ? places[b] : 0;
      if (arity > 2) third_[to + k] = places[third_[from + k]];
    }
    size_ = to + count;
  });
}

void Tape::slide_guards(const Compaction& to) {
  std::uint32_t kept = 0;
  each_run(to.guards, [&](std::uint32_t from, std::uint32_t place, std::uint32_t count) {
    for (; count > 0; --count, ++from, ++place) {
      guards_[place] = {NodeId(std::size_t{to.nodes[guards_[from].condition.index]}), guards_[from].expected};
      ++kept;
    }
  });
  const auto lost = std::ranges::count(to.guards, Compaction::dropped);
  lost_guards_ += static_cast<std::uint64_t>(lost);
  if (lost > 0) lost_before_ = generation_ + 1;
  guards_.resize(kept);
}

Compaction Tape::compact(std::span<const NodeId> roots) {
  make_room_for_rewind();
  Compaction to;
  to.nodes = Survivors(*this, roots).take_places();
  to.guards = places_of_guards(guards_, to.nodes);
  Tables tables(*this, to.nodes);
  gradients_->move(to.nodes);

  // From here on nothing throws.
  if (tables.parameters.size() < parameters_.size()) change_recording();
  slide_nodes(to.nodes, tables);
  slide_guards(to);
  parameters_ = std::move(tables.parameters);
  inputs_ = std::move(tables.inputs);
  groups_ = std::move(tables.groups);
  uniform_inputs_ = std::move(tables.uniform_inputs);
  assignments_ = std::move(tables.assignments);
  bound_names_ = std::move(tables.names);
  labels_ = std::move(tables.labels);
  note_rewound({});
  return to;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
