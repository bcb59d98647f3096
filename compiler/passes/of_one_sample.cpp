// A program's rolled graph for steps of one sample alone.
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Graph of_one_sample(const Graph& graph) {
  return rebuild(graph, [&](Graph& out, BlockId id, std::span<const View> operands) {
    const Block block = graph[id];
    switch (block.kind) {
      case BlockKind::input:
        return out.add_leaf(BlockKind::row, block.payload, block.rows);
      case BlockKind::samples:
        return out.add_constant(1.0);
      case BlockKind::batch_sum:
        return operands[0];
      case BlockKind::constant:
      case BlockKind::parameter:
      case BlockKind::row:
      case BlockKind::uniform_input:
      case BlockKind::elementwise:
      case BlockKind::row_sum:
      case BlockKind::row_extreme:
      case BlockKind::row_extreme_reverse:
      case BlockKind::concat:
      case BlockKind::assemble:
      case BlockKind::dense:
      case BlockKind::dense_reverse:
      case BlockKind::outer:
        break;
    }
    return nothing;
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
