#include "tapeloom/runtime/execute/uniform.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Rows lie side by side, so they can be the lanes of a vector kernel; an operand of one row meets all lanes. The
/// others' numbers are brought side by side first, some at a time.
template <class T>
void run_elementwise(const Instruction& i, const Shape& shape, const KernelTable<T>& kernels, T* slots) {
  constexpr std::size_t some = 256;
  T numbers[3][some];
  const std::size_t arity = op_arity(i.op);
  unsigned mask = 0;
  for (std::size_t k = 0; k < arity; ++k) {
    if (shape.step[k] == 0) mask |= 1u << k;
  }
  if (mask == (1u << arity) - 1) {
    scalar_function<T>(i.op)(i, slots);
    std::fill_n(slots + i.out + 1, shape.rows - 1, slots[i.out]);
    return;
  }
  const Elementwise<T> kernel = kernels.elementwise[static_cast<std::size_t>(i.op)][mask];
  for (std::size_t begin = 0; begin < shape.rows; begin += some) {
    const std::size_t count = std::min(shape.rows - begin, some);
    const T* x[3] = {};
    for (std::size_t k = 0; k < arity; ++k) {
      const T* from = slots + i.x[k] + begin * shape.step[k];
      x[k] = from;
      if (shape.step[k] <= 1) continue;
      for (std::size_t n = 0; n < count; ++n) numbers[k][n] = from[n * shape.step[k]];
      std::fill(numbers[k] + count, numbers[k] + round_up(count, kernels.vector_lanes), T(1));
      x[k] = numbers[k];
    }
    kernel(slots + i.out + begin, x[0], x[1], x[2], round_up(count, kernels.vector_lanes));
  }
}

/// out[n] = the sum of x[n * rows, (n + 1) * rows), for all `terms` of them.
template <class T>
void add_up_neighbours(const KernelTable<T>& kernels, const T* x, const Shape& s, T* out) {
  constexpr std::size_t most_calls = 8;
  KernelCall<T> calls[most_calls];
  for (std::size_t begin = 0, rows; begin < s.terms; begin += rows, x += rows * s.rows, out += rows) {
    rows = std::min<std::size_t>(s.terms - begin, most_calls);  // each is a call at most
    const std::size_t count =
        kernels.plan_sums({.a_rows = rows, .a_stride = s.rows, .c_row_step = 1, .samples = s.rows}, calls);
    for (std::size_t c = 0; c < count; ++c) calls[c](x, nullptr, out, false);
  }
}

/// The rows folded by F, ops::Max or ops::Min, and the row that gets the adjoint.
template <class F, class T>
std::pair<T, std::uint32_t> extreme(const T* x, const Shape& s) {
  T value = x[0];
  std::uint32_t row = 0;
  for (std::uint32_t r = 1; r < s.rows; ++r) {
    const T next = x[r * s.step[0]], y = F::forward(value, next);
    if (F::reverse(value, next, y, T(1))[1] != T(0)) row = r;
    value = y;
  }
  return {value, row};
}

template <class T>
std::pair<T, std::uint32_t> extreme(Op op, const T* x, const Shape& s) {
  return op == Op::max ? extreme<ops::Max>(x, s) : extreme<ops::Min>(x, s);
}

/// The sums of `count` lists one after another.
template <class T>
void run_gather(const std::uint32_t* word, std::size_t count, const T* slots, T* out) {
  constexpr std::uint32_t last = Program::last_slot, none = Program::empty_list | last;
  constexpr std::size_t block = 8;
  for (std::size_t n; count > 0; count -= n, out += n) {
    n = std::min(count, block);
    // Most lists are of one slot, and so are their neighbours: then there is nothing to decide for each.
    unsigned single = 0;
    for (std::size_t k = 0; n == block && k < block; ++k) single += ((word[k] & last) != 0) & (word[k] != none);
    if (single == block) {
      for (std::size_t k = 0; k < block; ++k) out[k] = slots[Program::slot_of(word[k])];
      word += block;
      continue;
    }
    for (std::size_t k = 0; k < n; ++k, ++word) {
      T sum = *word == none ? T(0) : slots[Program::slot_of(*word)];
      while ((*word & last) == 0) sum += slots[Program::slot_of(*++word)];
      out[k] = sum;
    }
  }
}

}  // namespace

template <class T>
void run_uniform(const Program& program, const Instruction& i, const KernelTable<T>& kernels, T* slots) {
  const Shape& s = program.shapes[i.shape];
  T* out = slots + i.out;
  const T* x = slots + i.x[0];
  const T* y = slots + i.x[1];
  const auto entry = [&](std::uint32_t row, std::uint32_t term) { return row * s.row_step + term * s.term_step; };
  switch (i.kind) {
    case InstructionKind::elementwise:
      return run_elementwise(i, s, kernels, slots);
    case InstructionKind::row_sum: {
      // Neighbours are like the samples of one row. (Exact programs have no sums of rows.)
      if (s.step[0] == 1) {
        return add_up_neighbours(kernels, x, s, out);
      }
      for (std::uint32_t n = 0; n < s.terms; ++n, x += s.rows * s.step[0]) {
        T sum = x[0];
        for (std::uint32_t r = 1; r < s.rows; ++r) sum += x[r * s.step[0]];
        out[n] = sum;
      }
      return;
    }
    case InstructionKind::row_extreme:
      for (std::uint32_t n = 0; n < s.terms; ++n) out[n] = extreme(i.op, x + n * s.rows * s.step[0], s).first;
      return;
    case InstructionKind::row_extreme_reverse:
      for (std::uint32_t n = 0; n < s.terms; ++n, out += s.rows) {
        const std::uint32_t row = extreme(i.op, x + n * s.rows * s.step[0], s).second;
        for (std::uint32_t r = 0; r < s.rows; ++r) out[r] = r == row ? y[n * s.step[1]] : T(0);
      }
      return;
    case InstructionKind::copy:
      for (std::uint32_t r = 0; r < s.rows; ++r) out[r] = x[r * s.step[0]];
      return;
    case InstructionKind::zero:
      std::fill_n(out, s.rows, T(0));
      return;
    case InstructionKind::add_at:
      if (s.step[0] == 1 && s.term_step == 1) {
        for (std::uint32_t r = 0; r < s.rows; ++r) kernels.add(out + entry(r, 0), x + r * s.terms, s.terms);
        return;
      }
      for (std::uint32_t r = 0; r < s.rows; ++r) {
        for (std::uint32_t t = 0; t < s.terms; ++t) out[entry(r, t)] += x[(r * s.terms + t) * s.step[0]];
      }
      return;
    case InstructionKind::gather:
      return run_gather(program.indices.data() + i.x[0], s.rows, slots, out);
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
    case InstructionKind::outer:
    case InstructionKind::reduce:
    case InstructionKind::reduce_products:
    case InstructionKind::reduce_outer:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      break;
  }
  fail_check("an instruction that runs once a step", __FILE__, __LINE__);
}

template void run_uniform(const Program&, const Instruction&, const KernelTable<float>&, float*);
template void run_uniform(const Program&, const Instruction&, const KernelTable<double>&, double*);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
