#include "tapeloom/core/record/tape.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/random_number.h"
#include "tapeloom/core/record/gradients.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {
constexpr std::uint32_t initial_capacity = 1024;

/// Lets so many more elements be appended to a vector without an exception.
template <class T>
void make_room_in(std::vector<T>& list, std::size_t count = 1) {
  if (count <= list.capacity() - list.size()) return;
  list.reserve(std::max({std::size_t{8}, list.size() + count, 2 * list.capacity()}));
}

/// Whether the place of a tape after so many nodes and guards lies before another one of the same recording.
bool is_before(std::uint32_t nodes, std::uint32_t guards, std::uint32_t other_nodes, std::uint32_t other_guards) {
  return nodes < other_nodes || (nodes == other_nodes && guards < other_guards);
}

/// Numbers are handed out in blocks, so that tapes of several threads seldom meet here. 64 bits of them last for ages.
constexpr std::uint64_t block = std::uint64_t{1} << 20;
std::uint64_t next_block() {
  static std::atomic<std::uint64_t> blocks = 0;
  return ++blocks * block;
}

}  // namespace

Tape::Tape() : id_(next_block()), recording_(id_), gradients_(std::make_unique<Gradients>()) {}
Tape::~Tape() = default;

void Tape::grow() {
  // To the very last node, wherever reserve() has begun; from there on to an error.
  const std::size_t most = capacity_ < most_nodes ? most_nodes : most_nodes + 1;
  reallocate(capacity_ == 0 ? initial_capacity : std::min(std::size_t{capacity_} * 2, most));
}

void Tape::reserve(std::size_t nodes) {
  if (nodes > capacity_) reallocate(nodes);
}

void Tape::reallocate(std::size_t capacity) {
  if (capacity > most_nodes) {
    throw RecordingError("the tape is full: " + std::to_string(size_) +
                         " nodes are recorded. Bind data as inputs instead of recording every sample, or rewind the "
                         "tape between steps");
  }
  tags_.set_capacity(capacity);
  first_.set_capacity(capacity);
  second_.set_capacity(capacity);
  if (has_third_) third_.set_capacity(capacity);
  data_.set_capacity(capacity);
  capacity_ = static_cast<std::uint32_t>(capacity);
}

void Tape::make_room(std::size_t nodes, bool wide) {
  if (size_ + nodes > capacity_) {
    const std::size_t doubled = std::max<std::size_t>(initial_capacity, std::size_t{capacity_} * 2);
    reallocate(std::max(size_ + nodes, std::min(doubled, most_nodes)));
  }
  if (wide && !has_third_) {
    third_.set_capacity(capacity_);
    has_third_ = true;
  }
}

std::uint32_t Tape::append_wide(std::uint8_t tag, std::uint32_t a, std::uint32_t b, std::uint32_t c, double data) {
  if (!has_third_) make_room(1, true);
  const std::uint32_t node = append(tag, a, b, data);
  third_[node] = c;
  return node;
}

Value Tape::append_leaf(Op op, std::size_t index, double data, std::string_view label) {
  std::map<std::uint32_t, std::string> labelled;
  if (!label.empty()) labelled.emplace(size_, label);
  const std::uint32_t node = append(tag(op, op == Op::input), static_cast<std::uint32_t>(index), 0, data);
  labels_.merge(labelled);
  return {this, node, generation_};
}

Value Tape::parameter(double initial, std::string_view label) {
  make_room_in(parameters_);
  const Value value = append_leaf(Op::parameter, parameters_.size(), initial, label);
  parameters_.push_back({NodeId(size_ - 1), false});
  return value;
}

Value Tape::constant(double data, std::string_view label) { return append_leaf(Op::constant, 0, data, label); }

Value Tape::uniform_input(double data, std::string_view label) {
  std::string name = label.empty() ? "uniform_input" + std::to_string(uniform_inputs_.size()) : std::string(label);
  check_unclaimed(name);
  std::set<std::string, std::less<>> claimed = {name};
  make_room_in(uniform_inputs_);
  const Value value = append_leaf(Op::uniform_input, uniform_inputs_.size(), data, {});
  uniform_inputs_.push_back({NodeId(size_ - 1), std::move(name)});
  bound_names_.merge(claimed);
  return value;
}

std::vector<Value> Tape::randoms(std::size_t count) {
  if (count == 0) throw RecordingError("randoms: a list of random numbers is not empty; 0 were asked for");
  return append_inputs(unclaimed("random" + std::to_string(groups_.size())), count, nullptr, true);
}

Value Tape::training() {
  for (const UniformInputRecord& input : uniform_inputs_) {
    if (input.training) return value(input.node);
  }
  const Value result = uniform_input(1.0, unclaimed("training"));
  uniform_inputs_.back().training = true;
  return result;
}

void Tape::assign(Value parameter, Value next, Value used) {
  const auto node_of = [&](Value value, const char* what) {
    if (value.is_plain()) throw RecordingError(std::string("assign: ") + what + " is a plain number");
    return value.on(*this).id();
  };
  const Assignment assignment{node_of(parameter, "the parameter"), node_of(next, "what it becomes"),
                              node_of(used, "what it depends on")};
  if (op(assignment.parameter) != Op::parameter) {
    throw RecordingError("assign: " + describe(assignment.parameter) + " is not a parameter");
  }
  if (varying(assignment.next)) {
    throw RecordingError("assign: what " + describe(assignment.parameter) + " becomes, " + describe(assignment.next) +
                         ", differs from sample to sample; reduce it first, as by batch_mean");
  }
  assignments_.push_back(assignment);
}

/// A name for what is not bound, which no input has.
std::string Tape::unclaimed(std::string name) const {
  while (bound_names_.contains(name)) name += "'";
  return name;
}

void Tape::check_unclaimed(std::string_view name) const {
  if (bound_names_.contains(name)) throw RecordingError("two inputs are named \"" + std::string(name) + "\"");
}

Value Tape::input(double data, std::string_view label) {
  return label.empty() ? append_inputs("input" + std::to_string(inputs_.size()), 1, &data)[0]
                       : append_inputs(label, 1, &data)[0];
}

std::vector<Value> Tape::inputs(std::string_view name, std::size_t count) {
  return append_inputs(name, count, nullptr);
}

std::vector<Value> Tape::inputs(std::string_view name, std::span<const double> data) {
  return append_inputs(name, data.size(), data.data());
}

/// Without data, they are zeros, or random.
std::vector<Value> Tape::append_inputs(std::string_view name, std::size_t count, const double* data, bool random) {
  if (name.empty()) throw RecordingError("a group of inputs needs a name to be bound by");
  if (count == 0) throw RecordingError("input group \"" + std::string(name) + "\" is empty");
  if (count > most_nodes - size_) {
    throw RecordingError("input group \"" + std::string(name) + "\" of " + std::to_string(count) +
                         " inputs does not fit a tape, which holds " + std::to_string(most_nodes) + " nodes" +
                         (count > SIZE_MAX / 2 ? "; a negative number was converted to a size" : ""));
  }
  check_unclaimed(name);
  std::set<std::string, std::less<>> claimed = {std::string(name)};
  InputGroup group{std::string(name), InputId(inputs_.size()), static_cast<std::uint32_t>(count), random};
  std::vector<Value> values;
  values.reserve(count);
  make_room_in(groups_);
  make_room_in(inputs_, count);
  make_room(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double eager = random ? random_number(0, 0, inputs_.size(), 0) : data == nullptr ? 0.0 : data[i];
    values.push_back(append_leaf(Op::input, inputs_.size(), eager, {}));
    inputs_.push_back(NodeId(size_ - 1));
  }
  groups_.push_back(std::move(group));
  bound_names_.merge(claimed);
  return values;
}

void Tape::set_frozen(Value parameter, bool frozen) {
  if (parameter.is_plain()) throw RecordingError("a plain number is not a parameter; only those can be frozen");
  const NodeId node = parameter.on(*this).id();
  if (op(node) != Op::parameter) throw RecordingError(describe(node) + " is not a parameter; only those can be frozen");
  parameters_[leaf_index(node)].frozen = frozen;
}

Tape::Mark Tape::mark() const {
  const auto count = [](const auto& list) { return static_cast<std::uint32_t>(list.size()); };
  return {size_,
          count(parameters_),
          count(inputs_),
          count(groups_),
          count(uniform_inputs_),
          count(guards_),
          count(assignments_),
          generation_,
          id_};
}

void Tape::rewind(Mark mark) {
  check_holds(mark);
  if (mark.nodes == size_ && mark.guards == guards_.size()) return assignments_.resize(mark.assignments);
  make_room_for_rewind();
  if (mark.parameters < parameters_.size()) change_recording();
  parameters_.resize(mark.parameters);
  inputs_.resize(mark.inputs);
  for (; groups_.size() > mark.groups; groups_.pop_back()) bound_names_.erase(groups_.back().name);
  for (; uniform_inputs_.size() > mark.uniform_inputs; uniform_inputs_.pop_back()) {
    bound_names_.erase(uniform_inputs_.back().name);
  }
  guards_.resize(mark.guards);
  assignments_.resize(mark.assignments);
  gradients_->drop_from(mark.nodes);
  labels_.erase(labels_.lower_bound(mark.nodes), labels_.end());
  size_ = mark.nodes;
  note_rewound(mark);
}

void Tape::make_room_for_rewind() {
  if (generation_ == UINT32_MAX) throw RecordingError("the tape was rewound 2^32 times; record on a new one");
  make_room_in(rewound_);
}

void Tape::note_rewound(const Mark& mark) {
  // Everything older than this rewind and at or above its mark is gone; it covers earlier rewinds to higher marks.
  const auto covers = [&](const Rewound& r) { return !is_before(r.mark, r.guards, mark.nodes, mark.guards); };
  std::uint32_t since = generation_;
  for (; !rewound_.empty() && covers(rewound_.back()); rewound_.pop_back()) {
    since = std::min(since, rewound_.back().generation);
  }
  if (rewound_.empty()) since = 0;
  rewound_.push_back({since, mark.nodes, mark.guards});
  ++generation_;
  never_dropped_ = std::min(never_dropped_, mark.nodes);
}

void Tape::check_holds(const Mark& mark) const {
  if (mark.tape == 0 && mark.nodes == 0 && mark.guards == 0) return;
  if (mark.tape != id_) throw RecordingError("this is a mark of another tape");
  const Rewound* lowest = mark.generation == generation_ ? nullptr : lowest_since(mark.generation);
  if (lowest == nullptr || !is_before(lowest->mark, lowest->guards, mark.nodes, mark.guards)) return;
  throw RecordingError("the mark at node " + std::to_string(mark.nodes) +
                       " does not hold any more: since it was taken, the tape was rewound to node " +
                       std::to_string(lowest->mark) + "; take a new mark after recording again");
}

const Tape::Rewound* Tape::lowest_since(std::uint32_t generation) const {
  const auto after = std::upper_bound(rewound_.begin(), rewound_.end(), generation,
                                      [](std::uint32_t g, const Rewound& r) { return g < r.generation; });
  return after == rewound_.begin() ? nullptr : &*std::prev(after);
}

bool Tape::dropped_since(std::uint32_t node, std::uint32_t generation) const {
  if (node >= size_) return true;
  const Rewound* lowest = lowest_since(generation);
  return lowest != nullptr && node >= lowest->mark;
}

std::string Tape::label(NodeId node) const {
  if (const auto found = labels_.find(node.index); found != labels_.end()) return found->second;
  if (op(node) == Op::uniform_input) return uniform_inputs_[leaf_index(node)].name;
  if (op(node) != Op::input) return {};
  const std::uint32_t column = leaf_index(node);
  const auto after = std::upper_bound(groups_.begin(), groups_.end(), column,
                                      [](std::uint32_t c, const InputGroup& group) { return c < group.first.index; });
  const InputGroup& group = *std::prev(after);
  if (group.count == 1) return group.name;
  return group.name + "[" + std::to_string(column - group.first.index) + "]";
}

std::string Tape::describe(NodeId node) const {
  std::string text = std::string(op_name(op(node))) + " (node " + std::to_string(node.index) + ")";
  const std::string name = label(node);
  return name.empty() ? text : "\"" + name + "\", " + text;
}

std::string Tape::describe_guard(std::size_t guard) const {
  const Guard& recorded = guards_[guard];
  std::string text = "guard " + std::to_string(guard) + ": " + describe(recorded.condition);
  const char* joint = " of ";
  for (NodeId operand : operands(recorded.condition)) {
    text += joint + describe(operand);
    joint = " and ";
  }
  return text + ", recorded as " + (recorded.expected ? "true" : "false");
}

void Tape::throw_no_node(NodeId node) const {
  throw StaleValueError("the tape has no node " + std::to_string(node.index));
}

void Tape::set_label(NodeId node, std::string_view label) {
  if (label.empty()) {
    labels_.erase(node.index);
  } else {
    labels_.insert_or_assign(node.index, std::string(label));
  }
}

void Tape::change_recording() {
  if (++recording_ % block == 0) recording_ = next_block();
}

void Tape::set_data(NodeId leaf, double data) {
  if (op_kind(op(leaf)) != OpKind::leaf) {
    throw RecordingError(describe(leaf) + " is computed from other values; only a leaf's number can be set");
  }
  override_data(leaf, data);
}

void Tape::override_data(NodeId node, double data) {
  data_[node.index] = data;
  if (op(node) == Op::parameter) change_recording();
}

std::size_t Tape::first_guard(Mark mark) const {
  check_holds(mark);
  if (lost_guards_ > 0 && (mark.tape == 0 || mark.generation < lost_before_)) {
    throw RecordingError(std::to_string(lost_guards_) +
                         " branches were decided by values that a compaction of the tape has dropped since, so that "
                         "nobody can check whether they hold for other numbers; take a mark() and record again from "
                         "there, and count branches from it");
  }
  return mark.guards;
}

bool Tape::guard(NodeId condition) {
  const bool expected = data(condition) != 0.0;
  guards_.push_back({condition, expected});
  return expected;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
