// A graph as text.
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/core/base/number_text.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Of a constant block with more rows, the others are left out.
constexpr std::size_t most_numbers_shown = 4;

std::string name(BlockId id) { return "b" + std::to_string(id.index); }

/// b3 for all rows, b3[2:+4] for four rows from the second on, b3[2] for one row (read for every row).
std::string name(const Graph& graph, const View& view) {
  if (view == nothing) return "-";
  if (view == graph.all(view.block)) return name(view.block);
  std::string text = name(view.block) + "[" + std::to_string(view.row);
  if (view.rows > 1 && view.step > 0) text += ":+" + std::to_string(view.rows);
  if (view.rows > 1 && view.step > 1) text += " by " + std::to_string(view.step);
  return text + "]";
}

const char* kind_name(const Block& block) {
  switch (block.kind) {
    case BlockKind::constant:
      return "constant";
    case BlockKind::parameter:
      return "parameter";
    case BlockKind::input:
      return "input";
    case BlockKind::row:
      return "row";
    case BlockKind::uniform_input:
      return "uniform_input";
    case BlockKind::samples:
      return "samples";
    case BlockKind::elementwise:
      return op_name(block.op);
    case BlockKind::batch_sum:
      return "batch_sum";
    case BlockKind::row_sum:
      return "row_sum";
    case BlockKind::row_extreme:
      return "row_extreme";
    case BlockKind::row_extreme_reverse:
      return "row_extreme_reverse";
    case BlockKind::concat:
      return "concat";
    case BlockKind::assemble:
      return "assemble";
    case BlockKind::dense:
      return "dense";
    case BlockKind::dense_reverse:
      return "dense_reverse";
    case BlockKind::outer:
      return "outer";
  }
  return "?";
}

/// (rows x terms), and the steps where they are not those of a matrix stored row by row.
std::string shape(const Matrix& matrix) {
  std::string text = " (" + std::to_string(matrix.rows) + " x " + std::to_string(matrix.terms);
  if (matrix.term_step != 1 || (matrix.rows > 1 && matrix.row_step != matrix.terms)) {
    text += ", steps " + std::to_string(matrix.row_step) + " " + std::to_string(matrix.term_step);
  }
  return text + ")";
}

std::string places(const Weights& weights) {
  return " at " + std::to_string(weights.places) + " places" + (weights.own ? ", each its own" : "") +
         (weights.windows.step > 0 ? ", " + std::to_string(weights.windows.step) + " rows apart" : "") +
         (weights.windows.run > 0 ? ", in runs of " + std::to_string(weights.windows.run) + " " +
                                        std::to_string(weights.windows.run_step) + " apart"
                                  : "") +
         (weights.gaps ? ", with gaps" : "");
}

std::string equation(const Graph& graph, BlockId id) {
  const Block block = graph[id];
  std::string text = kind_name(block);
  if (block.kind == BlockKind::constant) {
    const auto numbers = graph.numbers(id);
    for (std::size_t i = 0; i < numbers.size() && i < most_numbers_shown; ++i) text += " " + number_text(numbers[i]);
    return numbers.size() > most_numbers_shown ? text + " ..." : text;
  }
  if (graph.operands(id).empty() && block.kind != BlockKind::samples) text += " " + std::to_string(block.payload);
  const bool several =
      block.kind == BlockKind::parameter || block.kind == BlockKind::input || block.kind == BlockKind::row;
  if (several && block.rows > 1) text += ":+" + std::to_string(block.rows);
  for (std::size_t k = 0; k < graph.operands(id).size(); ++k) {
    text += " " + name(graph, graph.operand(id, k));
    if (block.kind == BlockKind::assemble) {
      const Destination& to = graph.destination(id, k);
      text += "->" + std::to_string(to.row) + shape(to.shape);
    }
  }
  if (is_product(block.kind)) text += " W" + shape(graph.weights(id).matrix);
  const bool has_weights = is_product(block.kind) || block.kind == BlockKind::outer;
  if (has_weights && graph.weights(id).places > 1) text += places(graph.weights(id));
  if (block.kind != BlockKind::elementwise && block.op != no_op) text += std::string(", ") + op_name(block.op);
  if (block.then != no_op) text += std::string(", ") + op_name(block.then);
  return text;
}

void append_roots(std::string& text, const Graph& graph, const char* what, const std::vector<View>& roots) {
  if (roots.empty()) return;
  text += what;
  for (const View& root : roots) text += " " + name(graph, root);
  text += "\n";
}

void append_roots(std::string& text, const Graph& graph, const char* what, const std::vector<Roots::Gradient>& roots) {
  if (roots.empty()) return;
  text += what;
  for (const Roots::Gradient& root : roots) text += " " + std::to_string(root.first) + ":" + name(graph, root.value);
  text += "\n";
}

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const BlockId id(i);
    text += name(id) + " [" + std::to_string(graph[id].rows) + " x " + (graph[id].varying ? "samples" : "1") +
            "] = " + equation(graph, id) + "\n";
  }
  if (graph.roots.loss != nothing) append_roots(text, graph, "loss", {graph.roots.loss});
  append_roots(text, graph, "outputs", graph.roots.outputs);
  append_roots(text, graph, "guards", graph.roots.guards);
  append_roots(text, graph, "gradients", graph.roots.gradients);
  append_roots(text, graph, "input gradients", graph.roots.input_gradients);
  return text;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
