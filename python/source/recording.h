// The tape that all Values of Python are on, and which object stands for which node. A loop that records for ever keeps
// its memory: when the tape has outgrown what living objects need, it is compacted. Everything here is called with the
// interpreter's lock held.
#pragma once

#include <Python.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tapeloom/core/base/memory.h"
#include "tapeloom/tapeloom.h"

namespace tapeloom::python {

/// A Python object: what `tapeloom.Value` and its subclasses are instances of.
struct ValueObject {
  PyObject_HEAD NodeId node;  ///< of the shared tape
  /// A parameter that was made frozen, as statistics are, and not one frozen later.
  bool is_statistic;
};

/// A part of the recording, copied to a tape of its own.
struct Snapshot {
  std::unique_ptr<Tape> tape;
  std::optional<Value> loss;
  std::vector<Value> outputs;
  std::vector<Value> parameters;  ///< in the order asked for; those of the tape
  std::vector<NodeId> sources;    ///< of the parameters, on the shared tape
};

/// What a snapshot is taken of: objects of Values.
struct SnapshotRequest {
  PyObject* loss = nullptr;  ///< or none
  std::vector<PyObject*> outputs;
  /// The leaves that are trained; without, all that were made by parameter().
  std::optional<std::vector<PyObject*>> parameters;
  /// A number of mark().
  std::uint64_t branches_from = 0;
};

class Recording {
 public:
  Tape& tape() { return tape_; }

  /// For as long as one lives, nodes stay where they are: C++ Values and numbers of nodes hold, and a compaction that
  /// is due or asked for waits. To be made before a function takes any from its arguments, and once what was there
  /// before is no longer needed: the first one compacts where that is due. Nearly everything may run Python code, which
  /// may record: an allocation starts the collector of garbage, which runs finalizers, and numbers have a __float__.
  class Pin {
   public:
    explicit Pin(Recording& recording) : recording_(recording) {
      if (recording.tape_.size() >= recording.limit_) [[unlikely]]
        recording.compact();
      ++recording.pins_;
    }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() { --recording_.pins_; }

   private:
    Recording& recording_;
  };

  /// The living object of a node, or null.
  ValueObject* living(NodeId node) const {
    return node.index < objects_.size() && objects_[node.index] != hidden() ? objects_[node.index] : nullptr;
  }
  void set_living(NodeId node, ValueObject* object) {
    if (node.index >= objects_.size()) [[unlikely]]
      make_room(node);
    objects_[node.index] = object;
  }
  void forget(NodeId node) { objects_[node.index] = nullptr; }

  /// Of the exponent of x ** 2: a number that is no Value of the user's.
  void hide(NodeId number) { set_living(number, hidden()); }
  bool is_hidden(NodeId node) const { return node.index < objects_.size() && objects_[node.index] == hidden(); }

  /// The truth of a condition, as a branch that what is recorded later depends on.
  bool decide(const Condition& condition);
  /// How many branches were decided so far.
  std::uint64_t mark() const { return decided_; }

  /// Inputs whose names may be used again, as a cell of a notebook does that is run twice.
  std::vector<Value> inputs(const std::string& name, std::span<const double> data);
  Value uniform_input(const std::string& name, double data);

  Snapshot snapshot(const SnapshotRequest& request);

  /// Nodes on the tape, for tests of what is kept.
  std::size_t size() const { return tape_.size(); }
  /// Now, or if something is pinned, as soon as something is recorded after that.
  void compact();

 private:
  void make_room(NodeId node);
  // No object of Python's is at this address.
  static ValueObject* hidden() { return reinterpret_cast<ValueObject*>(std::uintptr_t{1}); }
  /// A name that no input of the tape has.
  std::string free_name(const std::string& name);
  friend class SnapshotWriter;

  /// So many nodes, beyond twice what was alive, are recorded before the next compaction: some five megabytes.
  static constexpr std::size_t fewest_nodes = std::size_t{1} << 17;
  /// Places for objects are filled so many at a time: those further on take no memory before that.
  static constexpr std::size_t places_at_once = std::size_t{1} << 12;

  Tape tape_;
  LargeVector<ValueObject*> objects_;  // by node
  std::vector<NodeId> roots_;          // of a compaction
  std::size_t limit_ = fewest_nodes;
  int pins_ = 0;

  std::vector<std::uint64_t> decisions_;  // by guard of the tape: how many were decided before it
  std::uint64_t decided_ = 0;
  std::uint64_t lost_before_ = 0;  // decisions from that number on are all there

  std::map<std::string, std::string> names_;  // of inputs: the tape's to the user's, where they differ
};

namespace detail {
inline Recording* const only_recording = new Recording;
}
/// The one of this process. It is never destroyed, since objects may outlive the module.
inline Recording& recording() { return *detail::only_recording; }

}  // namespace tapeloom::python
