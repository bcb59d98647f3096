// How nodes are placed and read, and rows compared, sorted and cut into runs.
#include "tapeloom/compiler/roll/rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <compare>
#include <utility>
#include <vector>

#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/random_number.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Placer::Placer(Graph& graph, const Sums& sums)
    : g_(graph), tape_(sums.tape()), at_(sums.size() + 1, Coordinate{nowhere, 0}) {
  const Tape& tape = tape_;
  const auto live = [&](NodeId node) { return sums.request().live(node); };
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

View Placer::view(NodeId node) {
  if (is_constant(node)) return g_.add_constant(number(node));
  const Coordinate at = at_[node.index];
  TAPELOOM_CHECK(at.block != nowhere);
  return {BlockId(at.block), at.row, 1, 1};
}

bool Placer::evenly_spaced(std::span<const NodeId> nodes, std::uint32_t& step) const {
  const Coordinate first = at(nodes[0]);
  if (first.block == 0) return false;
  if (nodes.size() == 1) return true;
  const EvenRows even(first, at(nodes[1]));
  step = even.step();
  for (std::uint32_t i = 1; i < nodes.size(); ++i) {
    if (!even.has(at(nodes[i]), i)) return false;
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
  if (nodes.size() == 1) return view(nodes[0]);
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

/// Of a number, what is ordered as it is; -0 and 0 differ, and NaN is a number like others.
std::uint64_t Rows::ordered(double number) const {
  constexpr std::uint64_t sign = 1ull << 63;
  const auto bits = std::bit_cast<std::uint64_t>(number);
  if (constants_ == Constants::positive_first) return bits;
  return (bits & sign) != 0 ? ~bits : bits | sign;
}

std::span<const NodeId> Rows::nodes(std::size_t begin, std::size_t end) const {
  list_.clear();
  for (std::size_t i = begin; i < end; ++i) list_.push_back(node(i));
  return list_;
}

std::span<const NodeId> Rows::list(std::size_t begin, std::size_t end, std::size_t k, std::size_t count,
                                   std::size_t step) const {
  list_.clear();
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t j = 0; j < count; ++j) list_.push_back(operand(i, k + j * step));
  }
  return list_;
}

bool Rows::places_before(const Row& a, const Row& b, std::size_t first, std::size_t last) const {
  for (std::size_t k = first; k < last; ++k) {
    const Coordinate x = p_.at(of(a)[k]), y = p_.at(of(b)[k]);
    if (x != y) return x < y;
  }
  return false;
}

bool Rows::numbers_before(const Row& a, const Row& b) const {
  for (std::size_t k = 0; k < operands_; ++k) {
    const std::uint64_t x = ordered(p_.number(of(a)[k])), y = ordered(p_.number(of(b)[k]));
    if (x != y) return x < y;
  }
  return false;
}

bool Rows::operand_before(NodeId a, NodeId b) const {
  if (a == b) return false;
  const Coordinate x = p_.at(a), y = p_.at(b);
  if (x != y) return x < y;
  const std::uint64_t m = ordered(p_.number(a)), n = ordered(p_.number(b));
  if (m != n) return m < n;
  // What is not there is no recorded 0.
  return a == p_.zero();
}

bool Rows::before(const Row& a, const Row& b, std::size_t first, std::size_t last) const {
  for (std::size_t k = first; k < last; ++k) {
    const NodeId p = of(a)[k], q = of(b)[k];
    if (operand_before(p, q)) return true;
    if (operand_before(q, p)) return false;
  }
  return false;
}

/// Equal of rows that read the same in whatever order, and hardly ever of others.
std::uint64_t Rows::key_in_any_order(const Row& row) const {
  std::uint64_t key = 0;
  for (std::size_t k = 0; k < operands_; ++k) {
    const NodeId node = of(row)[k];
    const Coordinate at = p_.at(node);
    key += detail::mix_bits((std::uint64_t{at.block} << 32 | at.row) ^ std::bit_cast<std::uint64_t>(p_.number(node)));
  }
  return key;
}

bool Rows::same(std::span<const NodeId> a, std::span<const NodeId> b) const {
  return std::ranges::equal(a, b, [&](NodeId x, NodeId y) { return !operand_before(x, y) && !operand_before(y, x); });
}

void Rows::agree_on_order(const std::function<void(std::span<NodeId>)>& put) {
  if (operands_ < 2 || size() < 2) return;
  LargeVector<std::uint64_t> all_keys;
  all_keys.reserve(size());
  for (const Row& row : rows_) all_keys.push_back(key_in_any_order(row));
  std::ranges::sort(all_keys);
  if (std::ranges::adjacent_find(all_keys) == all_keys.end()) return;
  LargeVector<std::pair<std::uint64_t, Row>> keys;
  for (const Row& row : rows_) keys.emplace_back(key_in_any_order(row), row);
  const auto key = [](const auto& keyed) { return keyed.first; };
  std::ranges::stable_sort(keys, {}, key);
  const auto operands = [&](const Row& row) { return std::span(read_).subspan(row.added * operands_, operands_); };
  std::vector<std::pair<std::uint32_t, std::uint32_t>> twins;  // each with the first, as they were added
  LargeVector<NodeId> of_first, of_twin;                       // in order
  for (auto first = keys.begin(); first != keys.end();) {
    auto end = first + 1;
    of_first.clear();
    for (; end != keys.end() && key(*end) == key(*first); ++end) {
      const std::span<const NodeId> a = operands(first->second), b = operands(end->second);
      if (same(a, b)) continue;
      if (of_first.empty()) of_first.assign(a.begin(), a.end()), put(of_first);
      of_twin.assign(b.begin(), b.end());
      put(of_twin);
      if (same(of_first, of_twin)) twins.emplace_back(end->second.added, first->second.added);
    }
    first = end;
  }
  std::ranges::sort(twins);
  std::size_t distances = 0, distance = 0;
  for (const auto& [twin, first] : twins) distances += std::exchange(distance, twin - first) != twin - first;
  if (distances > 1 && choices::least_twins_a_distance * distances > twins.size()) return;
  const auto operands_of = [&](std::size_t added) { return std::span(read_).subspan(added * operands_, operands_); };
  for (const auto& [twin, first] : twins) std::ranges::copy(operands_of(first), operands_of(twin).begin());
}

bool Rows::same(std::size_t a, std::size_t b, std::size_t first, std::size_t last) const {
  return !before(rows_[a], rows_[b], first, last) && !before(rows_[b], rows_[a], first, last);
}

void Rows::sort(std::size_t begin, std::size_t end) {
  if (end - begin < 2) return;
  sort(begin, end, [&](const Row& a, const Row& b) { return places_before(a, b, 0, operands_); });
  const auto numbers_differ = [&](const Row& a, const Row& b) { return numbers_before(a, b) || numbers_before(b, a); };
  const auto literals = [&](const Row& a, const Row& b) {
    return !places_before(a, b, 0, operands_) && numbers_differ(a, b);
  };
  const auto rows = std::span(rows_).subspan(begin, end - begin);
  if (std::ranges::adjacent_find(rows, literals) == rows.end()) return;
  sort(begin, end, [&](const Row& a, const Row& b) {
    return numbers_differ(a, b) ? numbers_before(a, b) : places_before(a, b, 0, operands_);
  });
}

void Rows::sort_by(std::size_t begin, std::size_t end, std::size_t k) {
  sort(begin, end, [&](const Row& a, const Row& b) { return places_before(a, b, k, k + 1); });
}

void Rows::sort_for_fewer_gathered(std::size_t begin, std::size_t end) {
  std::size_t fewest = gathered_operands(begin, end), tried = 0;
  for (std::size_t k = 1; k < operands_ && fewest > 0 && tried < choices::most_orders; ++k) {
    const auto rows = std::span(rows_).subspan(begin, end - begin);
    if (std::ranges::is_sorted(rows, {}, [&](const Row& row) { return p_.at(of(row)[k]); })) continue;
    const Order before = rows_;
    sort_by(begin, end, k), ++tried;
    const std::size_t gathered = gathered_operands(begin, end);
    if (gathered >= fewest) rows_ = before;
    fewest = std::min(fewest, gathered);
  }
}

std::size_t Rows::gathered_operands(std::size_t begin, std::size_t end) const {
  std::size_t gathered = 0;
  for (std::size_t k = 0; k < operands_; ++k) gathered += !in_place(begin, end, k);
  return gathered;
}

void Rows::sort_as_added(std::size_t begin, std::size_t end) {
  sort(begin, end, [](const Row& a, const Row& b) { return a.added < b.added; });
}

/// Of operand k from the first one, in rows, which may be negative and wrap; and its block. None of constants.
Coordinate Rows::distance(const Row& row, std::size_t k) const {
  const Coordinate first = p_.at(of(row)[0]), at = p_.at(of(row)[k]);
  return {at.block, at.block == 0 ? 0 : at.row - (first.block == 0 ? 0 : first.row)};
}

std::size_t Rows::sort_by_distance(std::size_t begin, std::size_t end) {
  const auto compare = [&](const Row& a, const Row& b) {
    for (std::size_t k = 1; k < operands_; ++k) {
      const auto order = distance(a, k) <=> distance(b, k);
      if (order != 0) return order;
    }
    return std::strong_ordering::equal;
  };
  sort(begin, end, [&](const Row& a, const Row& b) {
    const auto order = compare(a, b);
    return order != 0 ? order < 0 : places_before(a, b, 0, operands_);
  });
  std::size_t distances = 1;
  for (std::size_t i = begin + 1; i < end; ++i) distances += compare(rows_[i - 1], rows_[i]) != 0;
  return distances;
}

void Rows::sort_by_all(std::size_t first, std::size_t last) {
  sort(0, size(), [&](const Row& a, const Row& b) { return before(a, b, first, last); });
}

void Rows::arrange(std::span<const std::pair<std::size_t, std::size_t>> ranges) {
  const Order rows = std::exchange(rows_, {});
  for (const auto& [begin, end] : ranges) rows_.insert(rows_.end(), rows.data() + begin, rows.data() + end);
}

void Rows::set_twins_aside(std::span<std::size_t> ends) {
  std::size_t kept = 0, begin = 0;
  for (std::size_t& end : ends) {
    const std::size_t first = kept;
    for (; begin < end; ++begin) {
      if (kept > first && same(kept - 1, begin, 0, operands_)) {
        twins_.push_back({rows_[begin].node, rows_[kept - 1].node});
      } else {
        rows_[kept++] = rows_[begin];
      }
    }
    end = kept;
  }
  rows_.resize(kept);
}

std::size_t Rows::run_end(std::size_t begin, std::size_t last) const {
  if (begin + 1 == last) return last;
  const NodeId *first = of(rows_[begin]), *second = of(rows_[begin + 1]);
  for (std::size_t end = begin + 1; end < last; ++end) {
    const NodeId* here = of(rows_[end]);
    for (std::size_t k = 0; k < operands_; ++k) {
      if (!EvenRows(p_.at(first[k]), p_.at(second[k])).has(p_.at(here[k]), end - begin)) return end;
    }
  }
  return last;
}

void Rows::find_runs(std::size_t begin, std::size_t last, std::vector<std::size_t>& ends) const {
  ends.clear();
  while (begin < last) ends.push_back(begin = run_end(begin, last));
}

bool Rows::runs_are_blocks(std::size_t begin, std::span<const std::size_t> ends, std::size_t k) const {
  std::uint32_t latest = 0;
  for (const std::size_t end : ends) {
    const std::size_t rows = end - std::exchange(begin, end);
    const Coordinate first = at(end - rows, k);
    if (rows == 1 || first.block == 0 || first.block == std::exchange(latest, first.block)) return false;
    if (first.row != 0 || p_.rows_beside(first) != rows) return false;
  }
  return true;
}

void place_twins(const Rows& rows, const Sums& sums, Placer& placer) {
  for (const auto& [twin, node] : rows.twins()) placer.place_like(twin, node, sums.nodes(twin));
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
