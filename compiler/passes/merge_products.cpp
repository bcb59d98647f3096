// Sums of outer products become one product.
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Finds the sums that are made of nothing but outer products which nobody else reads, block by block.
class ProductMerger {
 public:
  explicit ProductMerger(const Graph& graph)
      : old_(graph), matrices_(graph.size(), nullptr), inner_(graph.size(), false) {
    if (!any_block(graph, [&](BlockId id) { return graph.kind(id) == BlockKind::outer; })) return;
    const LargeVector<std::uint32_t> uses = count_uses(graph);
    for (std::size_t i = 0; i < graph.size(); ++i) {
      const BlockId id(i);
      if (graph[id].varying || is_total(graph, id)) continue;
      if (graph[id].kind == BlockKind::outer && !graph.weights(id).own) matrices_[i] = &graph.weights(id).matrix;
      if (!graph.is_op(graph.all(id), Op::add)) continue;
      const View a = graph.operand(id, 0), b = graph.operand(id, 1);
      const auto serves = [&](const View& x) {
        return matrices_[x.block.index] != nullptr && uses[x.block.index] == 1 && x == graph.all(x.block);
      };
      if (!serves(a) || !serves(b) || *matrices_[a.block.index] != *matrices_[b.block.index]) continue;
      matrices_[i] = matrices_[a.block.index];
      inner_[a.block.index] = inner_[b.block.index] = any_ = true;
    }
  }

  bool any() const { return any_; }

  /// What stands for a block in the new graph; nothing if that is a copy of it.
  View merged(Graph& out, BlockId id, std::span<const View> operands) {
    if (matrices_[id.index] == nullptr || old_[id].kind == BlockKind::outer) return nothing;
    Factors all = take_factors(out, operands[0]), more = take_factors(out, operands[1]);
    if (more.y.size() > all.y.size()) std::swap(all, more);  // so that no list is copied again and again
    all.y.insert(all.y.end(), more.y.begin(), more.y.end());
    all.x.insert(all.x.end(), more.x.begin(), more.x.end());
    join_gaps(all, more);
    all.at.places += more.at.places;
    if (!inner_[id.index]) {
      if (!all.gaps.empty()) all.at.gaps = std::make_shared<const std::vector<bool>>(std::move(all.gaps));
      return out.add_outer(list_of(out, all.y), list_of(out, all.x), all.at);
    }
    // Stands for its products until the sum is complete; then nobody reads it.
    const View sum = out.add_copy(old_, id, operands);
    pending_.emplace(sum.block.index, std::move(all));
    return sum;
  }

 private:
  struct Factors {
    std::vector<View> y, x;
    Weights at;              // the places they stand at, without gaps
    std::vector<bool> gaps;  // of all places, or none
  };

  /// Of one list where several products read it: adjoints meet a layer's input and its state.
  View list_of(Graph& out, const std::vector<View>& parts) {
    auto& [of, list] = lists_[parts.front().block.index];
    if (of != parts) of = parts, list = out.add_concat(parts);
    return list;
  }

  Factors take_factors(const Graph& out, const View& x) {
    if (out[x.block].kind == BlockKind::outer) {
      Factors one{{out.operand(x.block, 0)}, {out.operand(x.block, 1)}, out.weights(x.block), {}};
      if (const auto gaps = std::exchange(one.at.gaps, nullptr)) one.gaps = *gaps;
      return one;
    }
    return std::move(pending_.at(x.block.index));
  }

  /// Appends to what `all` has, which is not copied either.
  static void join_gaps(Factors& all, const Factors& more) {
    if (all.gaps.empty() && more.gaps.empty()) return;
    all.gaps.resize(std::size_t{all.at.places} * all.at.matrix.terms);
    all.gaps.insert(all.gaps.end(), more.gaps.begin(), more.gaps.end());
    all.gaps.resize(std::size_t{all.at.places + more.at.places} * all.at.matrix.terms);
  }

  const Graph& old_;
  LargeVector<const Matrix*> matrices_;                 // that such a product or sum is, or null
  LargeVector<bool> inner_;                             // which of them such a sum reads
  std::unordered_map<std::uint32_t, Factors> pending_;  // by block of the new graph; looked up, never walked
  std::unordered_map<std::uint32_t, std::pair<std::vector<View>, View>> lists_;  // by the first block; likewise
  bool any_ = false;
};

}  // namespace

Graph merge_products(Graph graph) {
  ProductMerger merger(graph);
  if (!merger.any()) return graph;
  return rebuild(
      graph, [&](Graph& out, BlockId id, std::span<const View> operands) { return merger.merged(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
