// Adjoints that go to rows one by one.
#pragma once

#include <functional>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Rows that are to be added to rows of some blocks, one by one: gathers them into one amount for each block, or, where
/// contributions are `listed`, leaves those of a block one by one, unless they are neighbours, each of them once.
class RowScatter {
 public:
  struct Part {
    View to, amount;
  };

  explicit RowScatter(bool listed) : listed_(listed) {}

  /// Adds the rows of `amount` to those that `to` reads.
  void add(const View& to, const View& amount);
  /// Calls contribute(to, amount), block by block in the order in which they came first, for no row twice unless they
  /// are listed.
  void each(Graph& graph, const std::function<void(const View& to, const View& amount)>& contribute);

 private:
  void contribute_block(Graph& graph, std::span<const Part> parts,
                        const std::function<void(const View&, const View&)>& contribute);

  bool listed_;
  std::vector<Part> parts_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
