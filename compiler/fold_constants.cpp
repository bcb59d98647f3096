#include <algorithm>

#include "tapeloom/compiler/passes.h"
#include "tapeloom/core/evaluate.h"

namespace tapeloom::compiler {

Graph fold_constants(const Graph& graph) {
  return rebuild(
      graph, [](BlockId) { return true; },
      [&](Graph& out, BlockId id, std::span<const BlockId> operands) {
        const Block& block = graph[id];
        const auto is_constant = [&](BlockId operand) { return out.is_constant(operand); };
        if (block.kind != BlockKind::elementwise || !std::all_of(operands.begin(), operands.end(), is_constant)) {
          return out.add_copy(graph, id, operands);
        }
        std::array<double, 3> x{};
        for (std::size_t k = 0; k < operands.size(); ++k) x[k] = out.constant(operands[k]);
        return out.add_constant(forward_op(block.op, x));
      });
}

}  // namespace tapeloom::compiler
