// Copies what a loss, outputs and branches are computed from to a tape of its own, where the leaves that are trained
// are parameters. What is compiled there does not depend on what becomes of the shared tape. Records of the tape are
// taken apart by name, all of their fields, so that one more does not compile until it is copied.
#include <algorithm>
#include <array>
#include <map>

#include "recording.h"

namespace tapeloom::python {

class SnapshotWriter {
 public:
  SnapshotWriter(Recording& from, const SnapshotRequest& request)
      : from_(from), tape_(from.tape_), request_(request), needed_(tape_.size(), false), copies_(tape_.size()) {
    result_.tape = std::make_unique<Tape>();
  }

  Snapshot write() {
    mark_needed();
    write_parameters();
    write_inputs();
    write_uniform_inputs();
    write_others();
    write_guards();
    write_assignments();
    if (request_.loss != nullptr) result_.loss = copy(node_of(request_.loss));
    for (PyObject* output : request_.outputs) result_.outputs.push_back(copy(node_of(output)));
    return std::move(result_);
  }

 private:
  static NodeId node_of(PyObject* object) { return reinterpret_cast<ValueObject*>(object)->node; }
  Value copy(NodeId node) const { return *copies_[node.index]; }
  Tape& to() { return *result_.tape; }
  void set(NodeId node, Value value) {
    copies_[node.index] = value;
    const Op op = tape_.op(node);
    if (op == Op::input || op == Op::uniform_input) return;  // named by their group
    if (const std::string label = tape_.label(node); !label.empty()) value.set_label(label);
  }

  void mark_needed() {
    const std::uint64_t lost = from_.lost_before_;
    if (request_.branches_from < lost) {
      throw RecordingError(
          "branches were decided, as by `if a < b` or max(a, b), on values that are gone since, so that nobody can "
          "check whether they hold for other numbers; call mark() before recording what is to be compiled, and give it "
          "to compile as branches_from");
    }
    if (request_.loss != nullptr) needed_[node_of(request_.loss).index] = true;
    for (PyObject* output : request_.outputs) needed_[node_of(output).index] = true;
    for (std::size_t g = 0; g < tape_.guards().size(); ++g) {
      if (is_held(g)) needed_[tape_.guards()[g].condition.index] = true;
    }
    do {
      for (std::size_t i = tape_.size(); i-- > 0;) {
        if (!needed_[i]) continue;
        for (NodeId operand : tape_.operands(NodeId(i))) needed_[operand.index] = true;
      }
    } while (mark_for_assignments());
  }

  /// What a program that trains keeps from step to step. False if nothing is new.
  bool mark_for_assignments() {
    bool more = false;
    for (const auto& [parameter, next, used] : tape_.assignments()) {
      if (!is_kept(used)) continue;
      for (NodeId node : {parameter, next}) {
        more = more || !needed_[node.index];
        needed_[node.index] = true;
      }
    }
    return more;
  }
  /// Whether what is used of an assignment makes it one of the program's; of one without a loss, none is.
  bool is_kept(NodeId used) const { return request_.loss != nullptr && needed_[used.index]; }

  bool is_held(std::size_t guard) const { return from_.decisions_[guard] >= request_.branches_from; }

  void write_parameters() {
    if (!request_.parameters) {
      for (const auto& [node, frozen] : tape_.parameters()) {
        if (needed_[node.index]) write_parameter(node);
      }
      return;
    }
    write_listed_parameters();
    // Statistics are no constants, though nobody lists them among what is trained.
    std::vector<bool> assigned(tape_.size(), false);
    for (const auto& [parameter, next, used] : tape_.assignments()) assigned[parameter.index] = true;
    for (const auto& [node, frozen] : tape_.parameters()) {
      if (assigned[node.index] && needed_[node.index] && !copies_[node.index]) write_parameter(node);
    }
  }

  void write_listed_parameters() {
    for (std::size_t i = 0; i < request_.parameters->size(); ++i) {
      const NodeId node = node_of((*request_.parameters)[i]);
      const std::string name = "parameters[" + std::to_string(i) + "]";
      if (tape_.op(node) != Op::constant && tape_.op(node) != Op::parameter) {
        throw RecordingError(name + ", " + tape_.describe(node) +
                             ", cannot be trained: it is an input or computed from other values");
      }
      if (copies_[node.index]) throw RecordingError(name + ", " + tape_.describe(node) + ", is in the list before");
      write_parameter(node);
    }
  }

  void write_parameter(NodeId node) {
    const Value parameter = to().parameter(tape_.data(node));
    set(node, parameter);
    if (tape_.op(node) == Op::parameter) to().set_frozen(parameter, tape_.parameters()[tape_.leaf_index(node)].frozen);
    result_.parameters.push_back(parameter);
    result_.sources.push_back(node);
  }

  std::string name_of(const std::string& name) const {
    const auto found = from_.names_.find(name);
    return found == from_.names_.end() ? name : found->second;
  }

  /// Random numbers last: they have names of their own, which shall not be in the way of the user's.
  void write_inputs() {
    for (const bool randoms : {false, true}) {
      for (const auto& [name, first, count, random] : tape_.input_groups()) {
        const auto members = tape_.input_nodes().subspan(first.index, count);
        if (random != randoms || !std::ranges::any_of(members, [&](NodeId node) { return needed_[node.index]; })) {
          continue;
        }
        std::vector<double> data;
        for (NodeId node : members) data.push_back(tape_.data(node));
        const std::vector<Value> copied = random ? to().randoms(count) : to().inputs(name_of(name), data);
        for (std::size_t i = 0; i < members.size(); ++i) {
          copies_[members[i].index] = copied[i];
          to().override_data(copied[i].id(), data[i]);
        }
      }
    }
  }

  /// The one that says whether a program trains last, for the same reason.
  void write_uniform_inputs() {
    for (const bool trainings : {false, true}) {
      for (const auto& [node, name, training] : tape_.uniform_inputs()) {
        if (training != trainings || !needed_[node.index]) continue;
        copies_[node.index] = training ? to().training() : to().uniform_input(tape_.data(node), name_of(name));
        to().override_data(copy(node).id(), tape_.data(node));
      }
    }
  }

  void write_others() {
    for (std::size_t i = 0; i < tape_.size(); ++i) {
      const NodeId node(i);
      if (!needed_[i] || copies_[i]) continue;
      const Operands operands = tape_.operands(node);
      if (operands.count == 0) {
        set(node, to().constant(tape_.data(node)));
        continue;
      }
      std::array<Value, 3> x;
      for (std::size_t k = 0; k < operands.count; ++k) x[k] = copy(operands.node[k]);
      set(node, apply(tape_.op(node), std::span<const Value>(x.data(), operands.count)));
    }
  }

  /// As they were decided, whatever the leaves are now.
  void write_guards() {
    for (std::size_t g = 0; g < tape_.guards().size(); ++g) {
      if (!is_held(g)) continue;
      const NodeId condition = copy(tape_.guards()[g].condition).id();
      to().override_data(condition, tape_.guards()[g].expected ? 1.0 : 0.0);
      to().guard(condition);
    }
  }

  void write_assignments() {
    for (const auto& [parameter, next, used] : tape_.assignments()) {
      if (is_kept(used)) to().assign(copy(parameter), copy(next), copy(used));
    }
  }

  Recording& from_;
  const Tape& tape_;
  const SnapshotRequest& request_;
  std::vector<bool> needed_;
  std::vector<std::optional<Value>> copies_;
  Snapshot result_;
};

Snapshot Recording::snapshot(const SnapshotRequest& request) { return SnapshotWriter(*this, request).write(); }

}  // namespace tapeloom::python
