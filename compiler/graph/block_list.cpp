#include "tapeloom/compiler/graph/block_list.h"

#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

void BlockList::set(std::size_t i, const Block& block) {
  Word& word = words_[i];
  const bool is_apart = word.nodes == apart;
  const bool small = block.then == no_op && block.rows == 1 && block.payload == 0 && block.nodes < apart;
  if (small && !is_apart) {
    word = {block.kind, block.op, block.varying, static_cast<std::uint8_t>(block.nodes), block.first_operand};
    return;
  }
  const std::uint32_t at = is_apart ? word.first : static_cast<std::uint32_t>(rest_.size());
  if (!is_apart) rest_.push_back({});
  word = {block.kind, block.op, block.varying, apart, at};
  rest_[at] = {block.rows, block.payload, block.first_operand, block.nodes, block.then};
}

void BlockList::add_nodes(std::size_t i, std::size_t nodes) {
  Block block = (*this)[i];
  block.nodes += static_cast<std::uint32_t>(nodes);
  set(i, block);
}

void BlockList::shrink(std::size_t size) {
  words_.shrink(size);
  std::size_t used = 0;
  for (const Word& word : words_) used += word.nodes == apart;
  if (used == rest_.size()) return;
  const GrowingVector<Rest> all = std::exchange(rest_, {});
  rest_.reserve(used);
  for (std::size_t i = 0; i < size; ++i) {
    if (words_[i].nodes != apart) continue;
    rest_.push_back(all[words_[i].first]);
    words_[i].first = static_cast<std::uint32_t>(rest_.size() - 1);
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
