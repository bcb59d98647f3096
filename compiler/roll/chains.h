// What is chains of single numbers by history, and how much of them rolling by level gives up.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// How the values of a graph are computed once a step, counted as it grows.
class Links {
 public:
  /// Counts the blocks that have come since.
  void count(const Graph& graph);
  /// Whether nearly all are links of chains.
  bool mostly() const;
  double seconds() const;

 private:
  std::size_t counted_ = 0;
  std::size_t links_ = 0;          // elementwise blocks of a row or two, and sums: links of chains
  std::size_t longer_ = 0;         // those of more rows
  std::size_t others_ = 0;         // instructions for the other blocks
  std::optional<BlockId> latest_;  // concat block
};

/// Says of a graph that is being rolled by level when it cannot be better than that by history any more: of chains it
/// gives up too much, or, with `only_fewer`, it has no fewer blocks.
class TooMuch {
 public:
  TooMuch(const Graph& by_history, bool only_fewer);
  /// Each family that is left takes a link or more.
  bool operator()(const Graph& by_level, std::size_t families_left);
  /// Whether both are mostly chains.
  bool are_chains() const { return least_seconds_ != HUGE_VAL && links_.mostly(); }

 private:
  std::size_t least_blocks_;
  double least_seconds_;
  Links links_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
