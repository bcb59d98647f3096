// Instructions as links of chains: for small ones, what a call takes counts for more than what it computes.
#include <algorithm>

#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/calls.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// So many rows at most are computed number by number where their operands are no vectors. By a call that brings the
/// operands together it took 15 to 28 ns for two rows; a number takes 1 to 2.
constexpr std::uint32_t most_numbers = 8;

/// Which operands of what runs once a step are one number for all rows.
unsigned one_for_all(const Instruction& i, const Shape& s) {
  unsigned mask = 0;
  for (std::size_t k = 0; k < op_arity(i.op); ++k) mask |= (s.step[k] == 0 ? 1u : 0u) << k;
  return mask;
}

bool overlap(std::uint32_t x, std::uint64_t x_count, std::uint32_t y, std::uint64_t y_count) {
  return x < y + y_count && y < x + x_count;
}

}  // namespace

/// Of an instruction that runs once a step.
template <class T>
bool CallPlanner<T>::is_small(const Stage& stage, std::uint32_t at) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  if (i.kind == InstructionKind::row_sum) {
    const std::uint64_t terms = std::uint64_t{s.rows} * s.terms;
    if (s.rows == 1 || terms - s.terms > few_terms) return false;
    return terms == 2 || !overlap(i.out, s.terms, i.x[0], terms * s.step[0]);
  }
  if (s.rows == 1) return true;  // a vector kernel of one number takes longer than its function, and has other bits
  const Range range = instructions_of(stage);
  if (at > range.begin && goes_on_adding(at)) return false;
  if (at + 1 < range.end && goes_on_adding(at + 1)) return false;
  return link_of_rows(i, s).run != nullptr || are_links_of_numbers(i, s);
}

/// Whether no row of the result is written before an operand is read there.
template <class T>
bool CallPlanner<T>::are_links_of_numbers(const Instruction& i, const Shape& s) const {
  if (s.rows > most_numbers) return false;
  for (std::size_t k = 0; k < op_arity(i.op); ++k) {
    if (s.step[k] == Shape::by_index) return false;
    const bool in_place = s.step[k] == 1 && i.x[k] == i.out;
    if (!in_place && overlap(i.out, s.rows, i.x[k], std::uint64_t{s.rows - 1} * s.step[k] + 1)) return false;
  }
  return true;
}

/// Of what runs once a step: vectors as long as its rows, if there are such.
template <class T>
const KernelTable<T>& CallPlanner<T>::table_of_rows(const Shape& s) const {
  return s.rows <= planned_.narrow().vector_lanes ? planned_.narrow() : kernels_;
}

/// Of rows that lie side by side, which one link computes: in the shortest vector that holds them, or in several. Its
/// operands are not known yet. Without a function if they are no such rows.
template <class T>
Link<T> CallPlanner<T>::link_of_rows(const Instruction& i, const Shape& s) const {
  if (skip_zeros_ || i.exact_rows) return {};
  for (std::size_t k = 0; k < op_arity(i.op); ++k) {
    if (s.step[k] > 1) return {};
  }
  const KernelTable<T>& table = table_of_rows(s);
  const unsigned mask = one_for_all(i, s);
  const bool one = s.rows <= table.vector_lanes;
  return {.run = (one ? table.link_of_one : table.link)[static_cast<std::size_t>(i.op)][mask],
          .out = view_.tile + i.out,
          .rows = round_up(s.rows, table.vector_lanes)};
}

/// Likewise of rows in tiles, which lie one after the other there, or are one number for all.
template <class T>
Link<T> CallPlanner<T>::link_in_tile(const Instruction& i, const Shape& s) const {
  if (skip_zeros_) return {};
  Link<T> link = {.out = view_.tile + i.out * view_.stride, .rows = s.rows};
  for (std::size_t k = 0; k < op_arity(i.op); ++k) {
    if (s.step[k] == Shape::by_index) return {};
    const OperandRows<T> x(view_, i, s, k);
    if (s.rows > 1 && x.step != (x.lane_step == 0 ? 0 : view_.stride)) return {};
    link.x[k] = x.data;
  }
  // Null if there is nothing but numbers for all.
  link.run = kernels_.link[static_cast<std::size_t>(i.op)][i.uniform_mask];
  return link;
}

template <class T>
std::size_t CallPlanner<T>::count_links(const Instruction& i, const Shape& s) const {
  if (!view_.once()) return 1;
  if (i.kind == InstructionKind::row_sum) return std::size_t{s.terms} * (s.rows - 1);
  return s.rows > 1 && link_of_rows(i, s).run != nullptr ? 1 : s.rows;
}

template <class T>
void CallPlanner<T>::add_links(const Instruction& i, const Shape& s, ChainBuilder<T>& chains) const {
  if (!view_.once()) return chains.add(link_in_tile(i, s));
  T* out = view_.tile + i.out;
  if (i.kind == InstructionKind::row_sum) {
    const T* x = view_.tile + i.x[0];
    for (std::uint32_t n = 0; n < s.terms; ++n, ++out) {
      const T* sum = x;
      x += s.step[0];
      for (std::uint32_t r = 1; r < s.rows; ++r, x += s.step[0], sum = out) chains.add_number(Op::add, out, {sum, x});
    }
    return;
  }
  std::array<const T*, 3> x = {};
  std::array<std::size_t, 3> step = {};
  for (std::size_t k = 0; k < op_arity(i.op); ++k) {
    const OperandRows<T> rows(view_, i, s, k);
    x[k] = rows.data, step[k] = rows.step;
  }
  if (Link<T> link = link_of_rows(i, s); s.rows > 1 && link.run != nullptr) {
    link.x = x;
    const KernelTable<T>& table = table_of_rows(s);
    if (s.rows > table.vector_lanes) return chains.add(link);
    return chains.add_vector(link, table, i.op, one_for_all(i, s), s.rows);
  }
  for (std::uint32_t r = 0; r < s.rows; ++r, ++out) {
    chains.add_number(i.op, out, x);
    for (std::size_t k = 0; k < 3; ++k) x[k] += step[k];
  }
}

/// A chain ends where another instruction, or a stage, comes between.
template <class T>
void CallPlanner<T>::bind_links(bool whole, std::vector<Link<T>>& links) const {
  ChainBuilder<T> chains(longest_chain_, links);
  for (const Stage& stage : program_.stages) {
    const Range range = instructions_of(stage);
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      if (!is_link(at, whole)) continue;
      const Instruction& i = program_.instructions[at];
      chains.begin_instruction(at > range.begin && is_link(at - 1, whole));
      add_links(i, program_.shapes[i.shape], chains);
    }
  }
  chains.end();
}

#define TAPELOOM_INSTANTIATE(T)                                                             \
  template bool CallPlanner<T>::is_small(const Stage&, std::uint32_t) const;                \
  template Link<T> CallPlanner<T>::link_in_tile(const Instruction&, const Shape&) const;    \
  template std::size_t CallPlanner<T>::count_links(const Instruction&, const Shape&) const; \
  template void CallPlanner<T>::bind_links(bool, std::vector<Link<T>>&) const;
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
