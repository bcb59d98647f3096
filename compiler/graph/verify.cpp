// Checks graphs between passes.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Larger graphs are not printed with a broken promise.
constexpr std::size_t most_blocks_shown = 1000;

class Verifier {
 public:
  Verifier(const Graph& graph, const LeafCounts& leaves, const char* after_pass)
      : g_(graph), leaves_(leaves), pass_(after_pass) {}

  void run() {
    for (std::uint32_t i = 0; i < g_.size(); ++i) check_block(BlockId(std::size_t{i}));
    check_roots();
  }

 private:
  void expect(bool condition, BlockId id, const char* promise) {
    if (condition) return;
    std::fprintf(stderr, "tapeloom: after %s, block b%u: broken promise: %s\n%s", pass_, id.index, promise,
                 g_.size() <= most_blocks_shown ? to_string(g_).c_str() : "");
    std::abort();
  }

  void check_block(BlockId id) {
    const Block block = g_[id];
    expect(block.rows >= 1, id, "at least one row");
    bool any_varying = false;
    for (const View& x : g_.operands(id)) {
      expect(x.block.index < id.index, id, "operands come before their users");
      expect(x.rows >= 1 && std::uint64_t{x.row} + std::uint64_t{x.rows - 1} * x.step < g_[x.block].rows, id,
             "operands read rows that exist");
      any_varying = any_varying || g_.varying(x);
    }
    switch (block.kind) {
      case BlockKind::constant:
      case BlockKind::samples:
        return check_leaf(id, false, SIZE_MAX);
      case BlockKind::parameter:
        return check_leaf(id, false, leaves_.parameters);
      case BlockKind::input:
        return check_leaf(id, true, leaves_.inputs);
      case BlockKind::row:
        return check_leaf(id, false, leaves_.inputs);
      case BlockKind::uniform_input:
        return check_leaf(id, false, leaves_.uniform_inputs);
      case BlockKind::elementwise:
        expect(op_kind(block.op) != OpKind::leaf && op_kind(block.op) != OpKind::reduction, id, "a scalar op");
        expect(g_.operands(id).size() == op_arity(block.op), id, "as many operands as the op takes");
        for (const View& x : g_.operands(id)) expect(x.rows == block.rows, id, "operands have as many rows");
        break;
      case BlockKind::batch_sum:
        expect(g_.operands(id).size() == 1 && g_.operand(id, 0).rows == block.rows, id, "one operand of as many rows");
        return expect(!block.varying, id, "a batch sum is uniform");
      case BlockKind::row_sum:
        expect(g_.operands(id).size() == 1 && g_.operand(id, 0).rows % block.rows == 0, id,
               "sums of as many rows each");
        break;
      case BlockKind::row_extreme:
        expect(g_.operands(id).size() == 1 && g_.operand(id, 0).rows % block.rows == 0, id, "as many rows each");
        expect(block.op == Op::max || block.op == Op::min, id, "max or min");
        break;
      case BlockKind::row_extreme_reverse:
        expect(g_.operands(id).size() == 2 && block.rows == g_.operand(id, 0).rows, id, "as many rows as there were");
        expect(block.rows % g_.operand(id, 1).rows == 0, id, "an adjoint for as many rows each");
        expect(block.op == Op::max || block.op == Op::min, id, "max or min");
        break;
      case BlockKind::concat:
        expect(rows_of_operands(id) == block.rows, id, "as many rows as all operands");
        break;
      case BlockKind::assemble:
        for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
          const auto& [row, shape] = g_.destination(id, k);
          expect(g_.operand(id, k).rows == shape.rows * shape.terms, id, "a destination for every row");
          expect(entry_end(row, shape) <= block.rows, id, "destinations that exist");
        }
        break;
      case BlockKind::dense:
      case BlockKind::dense_reverse:
        check_product(id);
        break;
      case BlockKind::outer: {
        const Weights& w = g_.weights(id);
        expect(g_.operand(id, 0).rows == w.places * w.matrix.rows && g_.operand(id, 1).rows == w.x_rows(), id,
               "as many rows and terms at each place");
        expect(block.rows == w.all().rows * w.matrix.terms, id, "rows times terms");
        check_gaps(id);
        expect(g_.varying(g_.operand(id, 0)) == g_.varying(g_.operand(id, 1)), id, "both operands vary, or neither");
        return expect(!block.varying, id, "an outer product is uniform");
      }
    }
    expect(block.varying == any_varying, id, "varying where an operand is");
  }

  /// Of W, or of its transpose, at all places.
  void check_product(BlockId id) {
    const Block block = g_[id];
    const Weights& w = g_.weights(id);
    const bool reverse = block.kind == BlockKind::dense_reverse;
    const std::uint32_t rows = w.places * w.matrix.rows, terms = w.places * w.matrix.terms;
    expect(block.rows == (reverse ? terms : rows), id, "as many rows as W (or W^T) has");
    expect(g_.operand(id, 1).rows == (reverse ? rows : w.x_rows()), id, "as many operand rows as W takes");
    expect(w.windows == WindowSteps{} || !reverse, id, "windows that are read");
    expect(w.windows.run == 0 || w.places % w.windows.run == 0, id, "runs of as many windows");
    expect(entry_end(g_.operand(id, 0).row, w.all()) <= g_[g_.operand(id, 0).block].rows, id, "weights that exist");
    expect(!g_.varying(g_.operand(id, 0)), id, "weights are uniform");
    check_gaps(id);
    check_finish(id);
  }

  void check_gaps(BlockId id) {
    const Weights& w = g_.weights(id);
    expect(!w.gaps || w.gaps->size() == std::size_t{w.places} * w.matrix.terms, id, "a gap or none for each term");
  }

  void check_finish(BlockId id) {
    const Block block = g_[id];
    if (block.op == no_op) {
      expect(g_.operands(id).size() == 2, id, "two factors");
    } else {
      expect(g_.operands(id).size() == 3 && op_arity(block.op) == 2, id, "two factors, and an operand to finish with");
      expect(g_.operand(id, 2).rows == block.rows, id, "as many rows to finish with");
    }
    expect(block.then == no_op || op_arity(block.then) == 1, id, "a function of one operand at last");
    const bool by_sum = (block.op == no_op || block.op == Op::add) && block.then == no_op;
    expect(block.varying || by_sum, id, "finished by a sum alone where it does not vary");
  }

  std::uint64_t rows_of_operands(BlockId id) const {
    std::uint64_t rows = 0;
    for (const View& x : g_.operands(id)) rows += x.rows;
    return rows;
  }

  /// One more than the highest row that a matrix from `row` on touches.
  static std::uint64_t entry_end(std::uint64_t row, const Matrix& m) {
    return row + std::uint64_t{m.rows - 1} * m.row_step + std::uint64_t{m.terms - 1} * m.term_step + 1;
  }

  void check_leaf(BlockId id, bool varying, std::size_t count) {
    expect(g_.operands(id).empty(), id, "a leaf has no operands");
    expect(g_[id].varying == varying, id, "inputs vary, other leaves do not");
    expect(std::size_t{g_[id].payload} + g_[id].rows <= count, id, "the leaf exists on the tape");
  }

  void check_roots() {
    const Roots& roots = g_.roots;
    roots.each([&](const View& root) {
      expect(root.block.index < g_.size() && root.rows >= 1, root.block, "roots are rows of blocks");
      const std::uint64_t last = std::uint64_t{root.row} + std::uint64_t{root.rows - 1} * root.step;
      expect(last < g_[root.block].rows, root.block, "roots are rows of blocks");
    });
    if (roots.loss != nothing) expect(!g_.varying(roots.loss), roots.loss.block, "the loss is uniform");
    for (const Roots::Gradient& gradient : roots.gradients) {
      expect(!g_.varying(gradient.value), gradient.value.block, "parameters' gradients are uniform");
      expect(gradient.first + gradient.value.rows <= leaves_.parameters, gradient.value.block,
             "gradients of parameters");
    }
  }

  const Graph& g_;
  const LeafCounts& leaves_;
  const char* pass_;
};

}  // namespace

void verify(const Graph& graph, const LeafCounts& leaves, const char* after_pass) {
  Verifier(graph, leaves, after_pass).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
