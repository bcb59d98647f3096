// A program's rolled graph for steps of one sample alone.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Graph of_one_sample(const Graph& graph) {
  return rebuild(graph, [&](Graph& out, BlockId id, std::span<const View> operands) {
    const Block block = graph[id];
    if (block.kind == BlockKind::input) return out.add_leaf(BlockKind::row, block.payload, block.rows);
    if (block.kind == BlockKind::samples) return out.add_constant(1.0);
    return block.kind == BlockKind::batch_sum ? operands[0] : nothing;
  });
}

namespace {

/// How what is the same for all samples depends on which they are: not at all, as their sum or mean of something does,
/// or otherwise. `samples` is their number.
enum class Dependence : std::uint8_t { none, samples, sum, mean, otherwise };

/// Of a sum.
Dependence of_sum(Dependence a, Dependence b) {
  using enum Dependence;
  if (a == b && a != samples) return a;
  return std::min(a, b) == none && std::max(a, b) == mean ? mean : otherwise;
}

/// Of a product with what does not depend on them.
Dependence of_multiple(Dependence a) { return a == Dependence::samples ? Dependence::otherwise : a; }

class DependenceOnSamples {
 public:
  explicit DependenceOnSamples(const Graph& graph) : g_(graph) {
    for (std::size_t i = 0; i < graph.size(); ++i) of_.push_back(find(BlockId(i)));
  }
  Dependence of(const View& x) const { return of_[x.block.index]; }

 private:
  Dependence find(BlockId id) const {
    using enum Dependence;
    const BlockKind kind = g_.kind(id);
    if (kind == BlockKind::samples) return samples;
    if (kind == BlockKind::batch_sum) return of(g_.operand(id, 0)) == none ? sum : otherwise;
    const OperandList x = g_.operands(id);
    const bool independent = std::ranges::all_of(x, [&](const View& each) { return of(each) == none; });
    if (independent || g_.varying(id)) return independent ? none : otherwise;
    if (kind == BlockKind::elementwise) return of_elementwise(g_.op(id), x);
    if (kind == BlockKind::dense) return of(x[0]) == none ? of_multiple(of(x[1])) : otherwise;
    const bool adds = kind == BlockKind::row_sum || kind == BlockKind::concat || kind == BlockKind::assemble;
    if (!adds) return otherwise;
    Dependence all = of(x[0]);
    for (const View& each : x) all = of_sum(all, of(each));
    return all;
  }

  Dependence of_elementwise(Op op, const OperandList& x) const {
    using enum Dependence;
    if (op == Op::neg) return of_multiple(of(x[0]));
    if (op == Op::add || op == Op::sub) return of_sum(of(x[0]), of(x[1]));
    if (op == Op::div && of(x[0]) == sum && of(x[1]) == samples) return mean;
    if (op == Op::mul && of(x[0]) == none) return of_multiple(of(x[1]));
    return (op == Op::mul || op == Op::div) && of(x[1]) == none ? of_multiple(of(x[0])) : otherwise;
  }

  const Graph& g_;
  std::vector<Dependence> of_;  // of each block
};

}  // namespace

bool is_mean_over_samples(const Graph& graph) {
  const DependenceOnSamples dependence(graph);
  const Roots& roots = graph.roots;
  const auto of_sample = [&](const View& x) { return dependence.of(x) == Dependence::none; };
  return roots.loss != nothing && dependence.of(roots.loss) == Dependence::mean && roots.guards.empty() &&
         std::ranges::all_of(roots.outputs, of_sample);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
