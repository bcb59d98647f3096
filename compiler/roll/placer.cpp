#include "tapeloom/compiler/roll/placer.h"

#include <algorithm>
#include <cmath>

#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Placer::Placer(Graph& graph, const Recording& recording)
    : g_(graph), r_(recording), at_(recording.size() + 1, Coordinate{nowhere, 0}) {
  const Tape& tape = recording.tape();
  const auto live = [&](NodeId node) { return node.index < r_.size() && r_.role(node) != Recording::Role::dead; };
  // Leaves stand as they were recorded: all parameters in one block, and a block for each group of inputs.
  View parameters = nothing;
  if (!tape.parameters().empty()) {
    parameters = g_.add_leaf(BlockKind::parameter, 0, static_cast<std::uint32_t>(tape.parameters().size()));
  }
  for (std::size_t i = 0; i < tape.parameters().size(); ++i) {
    const NodeId node = tape.parameters()[i].node;
    if (live(node)) at_[node.index] = {parameters.block.index, static_cast<std::uint32_t>(i)};
  }
  for (const InputGroup& group : tape.input_groups()) {
    const auto nodes = tape.input_nodes().subspan(group.first.index, group.count);
    if (std::none_of(nodes.begin(), nodes.end(), live)) continue;
    const View rows = g_.add_leaf(BlockKind::input, group.first.index, group.count);
    for (std::uint32_t i = 0; i < group.count; ++i) {
      if (live(nodes[i])) at_[nodes[i].index] = {rows.block.index, i};
    }
  }
  for (std::uint32_t i = 0; i < tape.uniform_inputs().size(); ++i) {
    const NodeId node = tape.uniform_inputs()[i].node;
    if (live(node)) at_[node.index] = {g_.add_leaf(BlockKind::uniform_input, i).block.index, 0};
  }
}

void Placer::place(std::span<const NodeId> nodes, const View& rows) {
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    at_[nodes[i].index] = {rows.block.index, rows.row + i * rows.step};
  }
}

void Placer::place_like(NodeId node, NodeId other, std::size_t nodes) {
  at_[node.index] = at_[other.index];
  g_.stands_for(BlockId(std::size_t{at_[node.index].block}), nodes);
}

View Placer::view(NodeId node) { return view(std::span(&node, 1)); }

bool Placer::evenly_spaced(std::span<const NodeId> nodes, std::uint32_t& step) const {
  const Coordinate first = at(nodes[0]);
  if (first.block == 0) return false;
  if (nodes.size() == 1) return true;
  const Coordinate second = at(nodes[1]);
  if (second.block != first.block || second.row < first.row) return false;
  step = second.row - first.row;
  for (std::uint32_t i = 2; i < nodes.size(); ++i) {
    const Coordinate here = at(nodes[i]);
    if (here.block != first.block || here.row != first.row + std::uint64_t{i} * step) return false;
  }
  return true;
}

View Placer::constants(std::span<const NodeId> nodes) {
  std::vector<double> numbers;
  for (NodeId node : nodes) numbers.push_back(number(node));
  const auto same_bits = [&](double number) {
    return number == numbers[0] && std::signbit(number) == std::signbit(numbers[0]);
  };
  if (std::all_of(numbers.begin(), numbers.end(), same_bits)) {
    return g_.add_constant(numbers[0]).repeated(static_cast<std::uint32_t>(nodes.size()));
  }
  return g_.add_constants(numbers);
}

View Placer::view(std::span<const NodeId> nodes) {
  std::uint32_t step = 1;
  const auto rows = static_cast<std::uint32_t>(nodes.size());
  const auto in_place = [&](NodeId node) { return View{BlockId(at_[node.index].block), at_[node.index].row, 1, 1}; };
  if (evenly_spaced(nodes, step)) {
    View all = in_place(nodes[0]);
    all.rows = rows;
    all.step = step;
    return all;
  }
  std::vector<View> parts;
  for (std::size_t i = 0; i < nodes.size();) {
    std::size_t end = i;
    while (end < nodes.size() && is_constant(nodes[end])) ++end;
    if (end > i) {
      parts.push_back(constants(nodes.subspan(i, end - i)));
    } else {
      TAPELOOM_CHECK(at_[nodes[i].index].block != nowhere);
      parts.push_back(in_place(nodes[i]));
      end = i + 1;
    }
    i = end;
  }
  return g_.add_concat(parts);
}

bool Placer::in_place(std::span<const NodeId> nodes) const {
  std::uint32_t step = 1;
  return std::ranges::all_of(nodes, [&](NodeId node) { return is_constant(node); }) || evenly_spaced(nodes, step);
}

bool Placer::is_matrix(std::span<const NodeId> parameters, std::uint32_t rows, Matrix& shape) const {
  const auto terms = static_cast<std::uint32_t>(parameters.size() / rows);
  const auto place = [&](std::uint32_t i, std::uint32_t j) { return at_[parameters[i * terms + j].index]; };
  const Coordinate first = place(0, 0);
  shape = {rows, terms, 0, 1};
  if (first.block == nowhere) return false;
  if (rows > 1) shape.row_step = place(1, 0).row - first.row;
  if (terms > 1) shape.term_step = place(0, 1).row - first.row;
  bool regular = (rows == 1 || place(1, 0).row > first.row) && (terms == 1 || place(0, 1).row > first.row);
  for (std::uint32_t i = 0; i < rows && regular; ++i) {
    for (std::uint32_t j = 0; j < terms && regular; ++j) {
      const std::uint64_t row = first.row + std::uint64_t{i} * shape.row_step + std::uint64_t{j} * shape.term_step;
      regular = place(i, j).row == row && place(i, j).block == first.block;
    }
  }
  return regular;
}

View Placer::weights(std::span<const NodeId> parameters, std::uint32_t rows, Matrix& shape) {
  if (is_matrix(parameters, rows, shape)) {
    const Coordinate first = at_[parameters[0].index];
    return {BlockId(first.block), first.row, 1, 1};
  }
  const std::uint32_t terms = shape.terms;
  shape = {rows, terms, terms, 1};
  const View gathered = view(parameters);
  if (gathered.step == 1 || gathered.rows == 1) return gathered.part(0, 1);
  shape = {rows, terms, gathered.step * terms, gathered.step};
  return gathered.part(0, 1);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
