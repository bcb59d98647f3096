#include <algorithm>

#include "tapeloom/compiler/passes.h"
#include "tapeloom/core/evaluate.h"

namespace tapeloom::inline v0_1::compiler {

Graph fold_constants(const Graph& graph) {
  std::vector<double> numbers;
  return rebuild(
      graph, [](BlockId) { return true; },
      [&](Graph& out, BlockId id, std::span<const View> operands) {
        const Block& block = graph[id];
        const auto is_constant = [&](const View& operand) { return out.is_constant(operand); };
        if (block.kind != BlockKind::elementwise || !std::all_of(operands.begin(), operands.end(), is_constant)) {
          return out.add_copy(graph, id, operands);
        }
        numbers.clear();
        for (std::uint32_t r = 0; r < block.rows; ++r) {
          std::array<double, 3> x{};
          for (std::size_t k = 0; k < operands.size(); ++k) x[k] = out.constant(operands[k], r);
          numbers.push_back(forward_op(block.op, x));
        }
        return out.add_constants(numbers);
      });
}

}  // namespace tapeloom::inline v0_1::compiler
