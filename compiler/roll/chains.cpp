#include "tapeloom/compiler/roll/chains.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

void Links::count(const Graph& graph) {
  constexpr std::uint32_t most_rows = 2;
  for (; counted_ < graph.size(); ++counted_) {
    const BlockId id(counted_);
    const BlockKind kind = graph.kind(id);
    const std::size_t parts = graph.operand_blocks(id).size();
    if (kind == BlockKind::concat) {
      // What is put together anew in each step of a loop is so once.
      const bool again = latest_ && std::ranges::equal(graph.operands(id), graph.operands(*latest_));
      others_ += again ? 0 : std::min(parts, few_parts);
      latest_ = id;
    } else if (kind == BlockKind::assemble) {
      others_ += std::min(parts, few_parts);
    } else if (parts > 0) {
      const bool is_link = (kind == BlockKind::elementwise || kind == BlockKind::row_sum) && !graph.varying(id);
      ++(!is_link ? others_ : graph.rows(id) > most_rows ? longer_ : links_);
    }
  }
}

bool Links::mostly() const { return links_ >= choices::mostly_links * (longer_ + others_); }

double Links::seconds() const {
  return cost::link * static_cast<double>(links_) + cost::longer_link * static_cast<double>(longer_) +
         cost::start * static_cast<double>(others_);
}

TooMuch::TooMuch(const Graph& by_history, bool only_fewer)
    : least_blocks_(only_fewer ? by_history.size() : std::numeric_limits<std::size_t>::max()) {
  Links chains;
  chains.count(by_history);
  least_seconds_ = chains.mostly() ? choices::slower_in_chains * chains.seconds() : HUGE_VAL;
}

bool TooMuch::operator()(const Graph& by_level, std::size_t families_left) {
  if (by_level.size() + families_left >= least_blocks_) return true;
  if (least_seconds_ == HUGE_VAL) return false;
  links_.count(by_level);
  return links_.seconds() + cost::link * static_cast<double>(families_left) >= least_seconds_;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
