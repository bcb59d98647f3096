// The recording: an append-only structure of arrays. A node costs nine bytes (thirteen once an op of three operands has
// been recorded), and eight for its eager value.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/ops/op.h"

namespace tapeloom::inline TAPELOOM_ABI {

class Gradients;
class Value;

/// A comparison that decided a C++ branch while recording. The recording holds only for data that decides alike. Which
/// Values a branch chose leaves no trace: std::max(a, b) returns one of two handles that are older than it. So every
/// guard counts for every Value of its tape, older ones too.
struct Guard {
  NodeId condition;
  bool expected;
};

/// A range of inputs that are bound together from rows of `count` numbers, or are random numbers.
struct InputGroup {
  std::string name;
  InputId first;
  std::uint32_t count;
  bool random = false;
};

/// A number bound once a step, under a name of its own.
struct UniformInputRecord {
  NodeId node;
  std::string name;
  bool training = false;  ///< it is Tape::training()
};

/// See Tape::assign.
struct Assignment {
  NodeId parameter, next, used;
};

/// Facts of one parameter besides its node.
struct ParameterRecord {
  NodeId node;
  bool frozen;
};

/// Operands of a node; `count` of the ids are valid.
struct Operands {
  std::array<NodeId, 3> node;
  std::uint8_t count;
  const NodeId* begin() const { return node.data(); }
  const NodeId* end() const { return node.data() + count; }
};

/// What a compaction did with each node, and with each guard: its new place, or that it was dropped. Equal guards are
/// kept once, so several may have one place.
struct Compaction {
  static constexpr std::uint32_t dropped = UINT32_MAX;
  std::vector<std::uint32_t> nodes;
  std::vector<std::uint32_t> guards;
};

/// Calls f(from, to, count) for neighbouring nodes, or guards, that stay neighbours, in order; of several at one place,
/// the first one moves there. `to` never lies behind `from`.
template <class F>
void each_run(std::span<const std::uint32_t> places, F&& f) {
  std::uint32_t next = 0;
  const auto end = static_cast<std::uint32_t>(places.size());
  for (std::uint32_t i = 0; i < end; ++i) {
    if (places[i] != next) continue;
    const std::uint32_t from = i, to = next;
    for (; i < end && places[i] == next; ++i) ++next;
    f(from, to, next - to);
  }
}

/// Records what is computed with Values. Node ids are topologically ordered: operands exist before their users.
/// Not thread-safe; different tapes in different threads are independent. Values must not outlive their tape. What
/// throws, a RecordingError or std::bad_alloc, leaves the tape as it was.
class TAPELOOM_API Tape {
 public:
  /// A place to rewind to, of one tape, until that is rewound to a place before it. Without arguments, the beginning of
  /// any tape.
  struct Mark {
    std::uint32_t nodes = 0;
    std::uint32_t parameters = 0;
    std::uint32_t inputs = 0;
    std::uint32_t groups = 0;
    std::uint32_t uniform_inputs = 0;
    std::uint32_t guards = 0;
    std::uint32_t assignments = 0;
    std::uint32_t generation = 0;  ///< how often the tape had been rewound
    std::uint64_t tape = 0;        ///< which one
  };

  /// Ids are 32 bits, and the compiler needs room for adjoints beside them.
  static constexpr std::size_t most_nodes = std::size_t{1} << 31;

  Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape();

  // --- leaves -----------------------------------------------------------------------------------------------------

  /// A trained number, the same for every sample, starting at `initial`.
  Value parameter(double initial, std::string_view label = {});
  /// A number bound per sample at run time, in an input group of its own named `label` ("input0", "input1", ... if
  /// that is empty). `data` is its eager value.
  Value input(double data = 0.0, std::string_view label = {});
  /// `count` inputs bound together, as one group, from rows of `count` numbers. Labels are name[0], name[1], ...
  std::vector<Value> inputs(std::string_view name, std::size_t count);
  /// The same with eager values.
  std::vector<Value> inputs(std::string_view name, std::span<const double> data);
  /// A number bound once a step, the same for every sample: a temperature, a weight. It is bound by its label, or as
  /// "uniform_input0", "uniform_input1", ... without one.
  Value uniform_input(double data, std::string_view label = {});
  /// A fixed number. It has no gradient.
  Value constant(double data, std::string_view label = {});
  /// Random numbers, uniform in [0, 1), of their own for every sample of every step: random_number of the executor's
  /// seed, the number of its step and the sample's place in the batch (see Executor::seed_random). Their eager values
  /// are some, too. Throws RecordingError for none, and for more than a tape holds.
  std::vector<Value> randoms(std::size_t count);
  /// 1 in programs that are compiled for training, 0 in those for inference (see CompileOptions::training): of
  /// where(tape.training(), a, b) a program has the one that it needs. Its eager value is 1.
  Value training();

  /// In training, `parameter`, which is frozen, becomes `next` with each update of an optimizer: a statistic that is
  /// kept from step to step. `next` is computed in the step, before the update, and the same for every sample. So do
  /// programs that train and in which the loss depends on `used`. Throws RecordingError for a parameter that is none,
  /// for a `next` that differs from sample to sample and for Values of another tape.
  void assign(Value parameter, Value next, Value used);

  /// Excludes a parameter from training (its gradient is zero), or includes it again. Programs that were compiled
  /// before go on with what was frozen then: see Executor::set_frozen for theirs.
  void set_frozen(Value parameter, bool frozen = true);

  // --- rewinding --------------------------------------------------------------------------------------------------

  Mark mark() const;
  /// Drops everything recorded since `mark`, guards too. Values recorded since then are stale: using one throws
  /// StaleValueError. The memory is kept for the next recording. An older Value that a branch since then has chosen, as
  /// std::max(a, b) chooses a or b, is not known to be a choice any more: choose it again. Throws
  /// RecordingError for a mark of another tape, and for one that a rewind to a place before it, or clear(), has
  /// dropped.
  void rewind(Mark mark);
  /// Rewinds to the empty tape.
  void clear() { rewind(Mark{}); }
  /// Drops every node that none of `roots` is computed from, with its label and gradient; the others keep their order
  /// and slide down, and so do parameters and inputs (a group of inputs as a whole). All Values and marks taken before
  /// are stale. Costs what the tape holds. For those who know their nodes by number and go on recording for ever, as a
  /// language with a collector of garbage does.
  ///
  /// A guard is kept as long as all leaves are that it is computed from. What is compiled, evaluated or recomputed may
  /// depend on those that were lost, which nobody can check any more: it is refused, unless its branches count from a
  /// mark that was taken since. Programs that were compiled before do not know the new places, so copy what they have
  /// trained to the tape before. Throws StaleValueError for a root that is not there.
  Compaction compact(std::span<const NodeId> roots);
  /// How many guards were lost so.
  std::uint64_t lost_guards() const { return lost_guards_; }
  /// Makes room for that many nodes.
  void reserve(std::size_t nodes);

  // --- reading ----------------------------------------------------------------------------------------------------

  std::size_t size() const { return size_; }
  /// Nodes there is room for before memory is moved.
  std::size_t capacity() const { return capacity_; }
  Op op(NodeId node) const { return static_cast<Op>(tags_[node.index] & op_mask); }
  /// True where the value differs from sample to sample.
  bool varying(NodeId node) const { return (tags_[node.index] & varying_bit) != 0; }
  Operands operands(NodeId node) const {
    const auto count = static_cast<std::uint8_t>(op_arity(op(node)));
    const NodeId third = count == 3 ? NodeId(third_[node.index]) : NodeId();
    return {{NodeId(first_[node.index]), NodeId(second_[node.index]), third}, count};
  }
  /// For a parameter, input or uniform input: its index among its kind.
  std::uint32_t leaf_index(NodeId node) const { return first_[node.index]; }
  double data(NodeId node) const { return data_[node.index]; }
  double grad(NodeId node) const;
  /// The label given by the user, or an input's place in its group; empty where there is neither.
  std::string label(NodeId node) const;
  /// The label, or else the op and number: what error messages call a node.
  std::string describe(NodeId node) const;
  /// The guard's condition, its operands and how it was recorded, for messages.
  std::string describe_guard(std::size_t guard) const;
  /// Throws StaleValueError for a node that is not there.
  Value value(NodeId node);
  /// Whether the node of that number is the one it was when the mark was taken: neither a rewind nor a compaction has
  /// dropped or moved it since. The mark itself need not hold any more; one of another tape answers false.
  bool holds(NodeId node, const Mark& since) const {
    return since.tape == id_ && node.index < size_ && fresh(node.index, since.generation);
  }

  std::span<const ParameterRecord> parameters() const { return parameters_; }
  /// What Program::recording is for programs compiled now.
  std::uint64_t recording() const { return recording_; }
  std::span<const NodeId> input_nodes() const { return inputs_; }
  std::span<const InputGroup> input_groups() const { return groups_; }
  std::span<const UniformInputRecord> uniform_inputs() const { return uniform_inputs_; }
  std::span<const Guard> guards() const { return guards_; }
  std::span<const Assignment> assignments() const { return assignments_; }
  /// Whether it is training().
  bool is_training(NodeId node) const {
    return op(node) == Op::uniform_input && uniform_inputs_[leaf_index(node)].training;
  }
  /// The first guard taken since `mark`. Throws RecordingError for a mark that is not one of this tape any more, and if
  /// guards since then were lost.
  std::size_t first_guard(Mark mark) const;

  // --- writing what is not structure --------------------------------------------------------------------------------

  void set_label(NodeId node, std::string_view label);
  /// The number of a leaf. Eager values computed from it are refreshed by recompute(); programs that were compiled
  /// before keep the number it had then, of a parameter and of a constant alike (Executor::set_parameters sets theirs).
  void set_data(NodeId leaf, double data);
  /// The eager number of any node: what is recorded from it later, and sweeps, see this one. recompute() computes it
  /// anew.
  void override_data(NodeId node, double data);
  void set_grad(NodeId node, double grad);
  void add_grad(NodeId node, double grad);
  /// Sets the gradients of all nodes to zero. Costs what was reached since the last time.
  void zero_grad();

  /// A reverse sweep as micrograd's: the root's gradient becomes 1, and every node that the root is computed from
  /// passes on all of its gradient, what was there before included. Constants have gradients, too. (Value::backward
  /// passes on what one sweep brings, and adds it to what was there.)
  void micrograd_backward(NodeId root);
  /// One step of it by hand: adds this node's contributions, from its gradient, to those of its operands.
  void micrograd_backward_step(NodeId node);

  /// A guard on a comparison whose eager value decides a branch; returns that value as a truth.
  bool guard(NodeId condition);

 private:
  friend class Value;
  friend class Recorder;
  friend class DerivativeRecorder;
  friend void recompute(Tape&, Mark);

  static constexpr std::uint8_t varying_bit = 0x80;
  static constexpr std::uint8_t op_mask = 0x7f;
  static_assert(op_count <= op_mask);

  static constexpr std::uint8_t tag(Op op, bool varying) {
    return static_cast<std::uint8_t>(static_cast<std::uint8_t>(op) | (varying ? varying_bit : 0));
  }
  std::uint32_t append(std::uint8_t tag, std::uint32_t a, std::uint32_t b, double data) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    const std::uint32_t node = size_++;
    tags_[node] = tag;
    first_[node] = a;
    second_[node] = b;
    data_[node] = data;
    return node;
  }
  std::uint32_t append_wide(std::uint8_t tag, std::uint32_t a, std::uint32_t b, std::uint32_t c, double data);
  Value append_leaf(Op op, std::size_t index, double data, std::string_view label);
  void grow();
  void reallocate(std::size_t capacity);
  /// Lets that many more nodes be appended without an exception, `wide` ones of three operands among them.
  void make_room(std::size_t nodes, bool wide = false);
  void check_unclaimed(std::string_view name) const;
  std::vector<Value> append_inputs(std::string_view name, std::size_t count, const double* data, bool random = false);
  std::string unclaimed(std::string name) const;

  /// A handle made before a rewind is known to be good if its node is older than every rewind's mark.
  bool fresh(std::uint32_t node, std::uint32_t generation) const {
    return generation == generation_ || node < never_dropped_ || !dropped_since(node, generation);
  }
  [[noreturn]] void throw_no_node(NodeId node) const;
  bool dropped_since(std::uint32_t node, std::uint32_t generation) const;
  struct Rewound;
  /// The lowest rewind since that generation, or null.
  const Rewound* lowest_since(std::uint32_t generation) const;
  void check_holds(const Mark& mark) const;
  void make_room_for_rewind();
  /// Makes stale what was recorded since `mark`.
  void note_rewound(const Mark& mark);
  struct Tables;
  void slide_nodes(std::span<const std::uint32_t> places, const Tables& tables);
  void slide_guards(const Compaction& to);

  // Numbers that no other tape of the process has or had, from 1 on. A change of what parameters begin with takes
  // another one for the recording.
  const std::uint64_t id_;
  std::uint64_t recording_;
  void change_recording();
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  std::uint32_t generation_ = 0;
  std::uint32_t never_dropped_ = UINT32_MAX;
  GrowingArray<std::uint8_t> tags_;
  GrowingArray<std::uint32_t> first_;
  GrowingArray<std::uint32_t> second_;
  GrowingArray<std::uint32_t> third_;  // empty until an op of three operands is recorded
  bool has_third_ = false;
  GrowingArray<double> data_;

  std::unique_ptr<Gradients> gradients_;
  std::vector<ParameterRecord> parameters_;
  std::vector<NodeId> inputs_;
  std::vector<InputGroup> groups_;
  std::vector<UniformInputRecord> uniform_inputs_;
  std::set<std::string, std::less<>> bound_names_;
  std::vector<Guard> guards_;
  std::vector<Assignment> assignments_;
  std::uint64_t lost_guards_ = 0;
  std::uint32_t lost_before_ = 0;  // all guards that were lost are older than marks of this generation
  std::map<std::uint32_t, std::string> labels_;

  // Since which generation nodes and guards at or above a mark have been dropped; generations and marks both increase.
  struct Rewound {
    std::uint32_t generation;
    std::uint32_t mark;
    std::uint32_t guards;
  };
  std::vector<Rewound> rewound_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
