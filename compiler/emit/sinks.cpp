#include "tapeloom/compiler/emit/sinks.h"

#include <algorithm>
#include <span>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

class SinkFinder {
 public:
  SinkFinder(const Graph& graph, const Schedule& schedule, std::uint32_t recorded_samples)
      : g_(graph), s_(schedule), recorded_samples_(recorded_samples) {}

  Sinks run() {
    first_.assign(g_.size(), Sinks::none);
    batch_slot_.assign(g_.size(), Sinks::none);
    if (s_.varies()) {
      find_positions();
      for (BlockId id : s_.order) {
        const bool total = is_total(g_, id);
        if (total) add_total(id);
        if (total || g_.varying(id)) spill_operands(id);
      }
    }
    add_roots();
    sinks_.first = SparseTable(first_);
    sinks_.batch_slot = SparseTable(batch_slot_);
    return std::move(sinks_);
  }

 private:
  void add(BlockId after, Sink sink) {
    sink.next = first_[after.index];
    sinks_.list.push_back(sink);
    first_[after.index] = static_cast<std::uint32_t>(sinks_.list.size() - 1);
  }

  void find_positions() {
    position_.resize(g_.size());
    for (std::uint32_t i = 0; i < s_.order.size(); ++i) position_[s_.order[i].index] = i;
  }

  /// After the operand that is there last.
  void add_total(BlockId id) {
    BlockId last = g_.operand(id, 0).block;
    for (const View& x : g_.operands(id)) {
      if (position_[x.block.index] > position_[last.index]) last = x.block;
    }
    const bool outer = g_[id].kind == BlockKind::outer;
    add(last, {outer ? InstructionKind::reduce_outer : InstructionKind::reduce, g_.operand(id, 0), 0, id, Sinks::none});
  }

  /// Values of an earlier varying phase are kept for the batch; inputs are read again.
  void spill_operands(BlockId id) {
    const std::uint32_t phase = is_total(g_, id) ? s_.summing_phase(id) : s_.phase[id.index];
    for (const View& x : g_.operands(id)) {
      if (!g_.varying(x) || g_[x.block].kind == BlockKind::input || s_.phase[x.block.index] == phase) continue;
      if (batch_slot_[x.block.index] != Sinks::none) continue;
      batch_slot_[x.block.index] = sinks_.batch_slots;
      add(x.block, {InstructionKind::spill, g_.all(x.block), sinks_.batch_slots, {}, Sinks::none});
      sinks_.batch_slots += g_[x.block].rows;
    }
  }

  void add_roots() {
    const auto sink = [&](const View& root, InstructionKind kind, std::size_t out) {
      add(root.block, {kind, root, static_cast<std::uint32_t>(out), {}, Sinks::none});
    };
    const Roots& roots = g_.roots;
    std::size_t guards = 0;  // before the root's
    for (const View& root : roots.guards) {
      sink(root, InstructionKind::guard, guards);
      guards += std::size_t{root.rows} * (g_.varying(root) ? std::max(recorded_samples_, 1u) : 1);
    }
    for (std::size_t i = 0; i < roots.outputs.size();) {
      const View stored = neighbours(std::span(roots.outputs).subspan(i));
      if (g_.varying(stored)) sink(stored, InstructionKind::store_output, i);
      i += stored.rows;
    }
    for (const Roots::Gradient& g : roots.input_gradients)
      sink(g.value, InstructionKind::store_input_gradient, g.first);
  }

  /// The first outputs that are rows side by side of one block. Of recorded samples each is of its own sample.
  View neighbours(std::span<const View> outputs) const {
    View first = outputs[0];
    const auto follows = [&](const View& next) {
      return next.block == first.block && next.row == first.row + first.rows && next.rows == 1;
    };
    while (recorded_samples_ == 0 && first.rows < outputs.size() && follows(outputs[first.rows])) ++first.rows;
    return first;
  }

  const Graph& g_;
  const Schedule& s_;
  std::uint32_t recorded_samples_;
  Sinks sinks_;
  LargeVector<std::uint32_t> first_, batch_slot_;  // see Sinks
  LargeVector<std::uint32_t> position_;            // of each block in the schedule's order
};

}  // namespace

Sinks find_sinks(const Graph& graph, const Schedule& schedule, std::uint32_t recorded_samples) {
  return SinkFinder(graph, schedule, recorded_samples).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
