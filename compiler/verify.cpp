#include "tapeloom/compiler/verify.h"

#include <cstdio>
#include <cstdlib>

namespace tapeloom::compiler {

namespace {

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
                 g_.size() < 1000 ? to_string(g_).c_str() : "");
    std::abort();
  }

  void check_block(BlockId id) {
    const Block& block = g_[id];
    expect(block.rows >= 1, id, "at least one row");
    bool any_varying = false;
    for (BlockId operand : g_.operands(id)) {
      expect(operand.index < id.index, id, "operands come before their users");
      expect(g_[operand].rows == block.rows, id, "operands have as many rows");
      any_varying = any_varying || g_[operand].varying;
    }
    switch (block.kind) {
      case BlockKind::constant:
      case BlockKind::samples:
        return check_leaf(id, false, SIZE_MAX);
      case BlockKind::parameter:
        return check_leaf(id, false, leaves_.parameters);
      case BlockKind::input:
        return check_leaf(id, true, leaves_.inputs);
      case BlockKind::uniform_input:
        return check_leaf(id, false, leaves_.uniform_inputs);
      case BlockKind::elementwise:
        expect(op_kind(block.op) == OpKind::scalar || op_kind(block.op) == OpKind::comparison, id, "a scalar op");
        expect(block.operand_count == op_arity(block.op), id, "as many operands as the op takes");
        return expect(block.varying == any_varying, id, "varying where an operand is");
      case BlockKind::batch_sum:
        expect(block.operand_count == 1, id, "one operand");
        return expect(!block.varying, id, "a batch sum is uniform");
    }
  }

  void check_leaf(BlockId id, bool varying, std::size_t count) {
    expect(g_[id].operand_count == 0, id, "a leaf has no operands");
    expect(g_[id].varying == varying, id, "inputs vary, other leaves do not");
    expect(std::size_t{g_[id].payload} + g_[id].rows <= count, id, "the leaf exists on the tape");
  }

  void check_roots() {
    Roots roots = g_.roots;
    roots.each([&](BlockId root) { expect(root.index < g_.size(), root, "roots are blocks"); });
    if (roots.loss != Roots::none) expect(!g_[roots.loss].varying, roots.loss, "the loss is uniform");
    expect(roots.gradients.empty() || roots.gradients.size() == leaves_.parameters, Roots::none, "a gradient a parameter");
    for (BlockId gradient : roots.gradients) {
      if (gradient != Roots::none) expect(!g_[gradient].varying, gradient, "parameters' gradients are uniform");
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

}  // namespace tapeloom::compiler
