// What stands behind rows that a concat block has gathered, so that the same rows are the same however they were
// gathered.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Of a graph that is being written.
class GatheredRows {
 public:
  using Row = std::pair<std::uint32_t, std::uint32_t>;  ///< a block, and which of its rows

  explicit GatheredRows(Graph& graph) : g_(graph) {}

  /// Each concat block has to be entered before what reads it is asked about.
  void enter(BlockId concat);

  bool are_gathered(const View& x) const { return behind_.contains(x.block.index); }
  /// A row, or those of a view, by way of the concat block that it may be of.
  Row behind(BlockId block, std::uint32_t row) const;
  std::vector<Row> behind(const View& x) const;
  /// A view of the same rows that is equal for equal rows.
  View source(const View& x);
  /// Such rows side by side; gathered if they are not evenly spaced in one block.
  View view_of(const std::vector<Row>& rows);

 private:
  View gather(const std::vector<Row>& rows);

  Graph& g_;
  std::unordered_map<std::uint32_t, std::vector<Row>>
      behind_;                              // the rows of each concat block; looked up, never walked
  std::map<std::vector<Row>, View> views_;  // of rows that are not evenly spaced
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
