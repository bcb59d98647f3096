// What a runner does for an instruction that is no product, no sum and no single kernel call: row by row.
#include <algorithm>

#include "tapeloom/core/base/check.h"
#include "tapeloom/runtime/execute/runner.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// The rows of an operand of an elementwise instruction, one after the other.
template <class T>
class NextRow {
 public:
  NextRow(const Instruction& i, const Shape& s, std::size_t k, const TileView<T>& view) {
    if (k >= op_arity(i.op)) return;
    const bool by_index = s.step[k] == Shape::by_index;
    const OperandRows<T> rows(view, i, s, k);
    row_ = by_index ? view.tile : rows.data, step_ = by_index ? view.stride : rows.step;
    if (by_index) index_ = view.indices + i.x[k];
  }
  const T* next() {
    if (index_ != nullptr) return row_ + *index_++ * step_;
    const T* row = row_;
    row_ += step_;
    return row;
  }

 private:
  const T* row_ = nullptr;
  std::size_t step_ = 0;
  const std::uint32_t* index_ = nullptr;
};

}  // namespace

template <class T>
void Runner<T>::run_instruction(const Instruction& i, const Tile& tile, T* totals, bool first,
                                std::span<const instructions::AlikeLists> alike) {
  const Shape& s = program_.shapes[i.shape];
  T* out = view_.tile + i.out * view_.stride;
  T* spilled = buffers_.batch + tile.begin;
  switch (i.kind) {
    case InstructionKind::elementwise:
      return view_.once() ? elementwise_once(i, s) : elementwise(i, s);
    case InstructionKind::copy:
      return copy(i, s);
    case InstructionKind::zero:
      std::fill_n(out, s.rows * view_.stride, T(0));
      return;
    case InstructionKind::add_at:
      return add_at(i, s);
    case InstructionKind::row_sum:
      return row_kernels_.row_sum(view_, i, s);
    case InstructionKind::gather:
      return row_kernels_.gather(view_, i, s, alike.data(), alike.size());
    case InstructionKind::row_extreme:
      return view_.once() ? extremes_once(i, s) : row_kernels_.row_extreme(view_, i, s);
    case InstructionKind::row_extreme_reverse:
      return row_kernels_.row_extreme_reverse(view_, i, s);
    case InstructionKind::reduce:
      return reduce_uniform(i, s, tile, totals, first && !i.accumulates);
    case InstructionKind::reduce_products:
      return kernels_.reduce_products(view_, i, s, tile.count, totals + i.out, !first || i.accumulates);
    case InstructionKind::guard:
      return check_guards(i, s, tile);
    case InstructionKind::spill:
      for (std::uint32_t r = 0; r < s.rows; ++r) {
        std::copy_n(OperandRows<T>(view_, i, s).row(r), view_.lanes, spilled + (i.out + r) * buffers_.batch_lanes);
      }
      return;
    case InstructionKind::reload:
      for (std::uint32_t r = 0; r < s.rows; ++r) {
        std::copy_n(spilled + (i.x[0] + r) * buffers_.batch_lanes, view_.lanes, out + r * view_.stride);
      }
      return;
    case InstructionKind::store_output:
      return store(i, s, tile, buffers_.outputs, program_.outputs.size());
    case InstructionKind::store_sample:
      if (i.x[1] >= tile.begin && i.x[1] < tile.begin + tile.count) {
        buffers_.outputs[i.out] = OperandRows<T>(view_, i, s).row(0)[i.x[1] - tile.begin];
      }
      return;
    case InstructionKind::store_input_gradient:
      return store(i, s, tile, buffers_.input_gradients, program_.input_count);
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
    case InstructionKind::outer:
    case InstructionKind::reduce_outer:
      break;
  }
  fail_check("an instruction that is no product", __FILE__, __LINE__);
}

template <class T>
void Runner<T>::elementwise(const Instruction& i, const Shape& s) {
  const Elementwise<T> kernel = kernels_.elementwise[static_cast<std::size_t>(i.op)][i.uniform_mask];
  NextRow<T> x(i, s, 0, view_), y(i, s, 1, view_), z(i, s, 2, view_);
  T* out = view_.tile + i.out * view_.stride;
  for (std::size_t r = 0; r < s.rows; ++r, out += view_.stride) kernel(out, x.next(), y.next(), z.next(), view_.lanes);
}

/// The rows are the lanes of a vector kernel. Those of an operand that lie apart are brought side by side first, some
/// at a time.
template <class T>
void Runner<T>::elementwise_once(const Instruction& i, const Shape& s) {
  constexpr std::size_t some = 256;
  T numbers[3][some], last[lane_unit];
  const std::size_t arity = op_arity(i.op);
  unsigned one_for_all = 0;
  for (std::size_t k = 0; k < arity; ++k) one_for_all |= (s.step[k] == 0 ? 1u : 0u) << k;
  const bool all = one_for_all + 1 == 1u << arity;
  const Elementwise<T> kernel =
      (all ? row_kernels_ : kernels_).elementwise[static_cast<std::size_t>(i.op)][one_for_all];
  for (std::size_t begin = 0; begin < s.rows; begin += some) {
    const std::size_t count = std::min(s.rows - begin, some);
    const T* x[3] = {};
    for (std::size_t k = 0; k < arity; ++k) {
      const OperandRows<T> rows(view_, i, s, k);
      x[k] = rows.row(begin);
      if (rows.step <= 1) continue;
      if (k > 0 && s.step[k] == s.step[k - 1] && i.x[k] == i.x[k - 1]) {
        x[k] = x[k - 1];
        continue;
      }
      kernels_.transpose(count, 1, x[k], rows.step, numbers[k], some);
      x[k] = numbers[k];
    }
    T* out = view_.tile + i.out + begin;
    const std::size_t lanes = kernels_.vector_lanes,
                      whole = i.exact_rows ? count / lanes * lanes : round_up(count, lanes);
    if (all) {
      kernel(out, x[0], x[1], x[2], count);
      continue;
    }
    if (whole > 0) kernel(out, x[0], x[1], x[2], whole);
    if (whole >= count) continue;
    for (std::size_t k = 0; k < arity; ++k) x[k] += (one_for_all >> k & 1) != 0 ? 0 : whole;
    kernel(last, x[0], x[1], x[2], lanes);
    std::copy_n(last, count - whole, out + whole);
  }
}

/// Neighbours are compared a vector at a time. That does not tell which of two zeros came first, and has the sign of.
template <class T>
void Runner<T>::extremes_once(const Instruction& i, const Shape& s) {
  const OperandRows<T> x(view_, i, s);
  bool found = kernels_.extreme != nullptr && x.step == 1 && s.rows >= kernels_.vector_lanes;
  for (std::size_t n = 0; found && n < s.terms; ++n) {
    T& out = view_.tile[i.out + n];
    out = kernels_.extreme(i.op, x.row(n * s.rows), s.rows);
    found = out != T(0);
  }
  if (!found) row_kernels_.row_extreme(view_, i, s);
}

template <class T>
void Runner<T>::copy(const Instruction& i, const Shape& s) {
  const OperandRows<T> x(view_, i, s);
  T* to = view_.tile + i.out * view_.stride;
  if (view_.once() && x.step == 1) {
    std::copy_n(x.data, s.rows, to);
    return;
  }
  for (std::size_t r = 0; r < s.rows; ++r, to += view_.stride) {
    if (view_.once()) {
      *to = *x.row(r);
    } else if (x.lane_step == 0) {
      std::fill_n(to, view_.lanes, *x.row(r));
    } else {
      std::copy_n(x.row(r), view_.lanes, to);
    }
  }
}

/// Once a step.
template <class T>
void Runner<T>::add_at(const Instruction& i, const Shape& s) {
  const OperandRows<T> x(view_, i, s);
  const bool side_by_side = x.step == 1 && s.term_step == 1;
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    T* to = view_.tile + i.out + r * s.row_step;
    if (side_by_side && i.accumulates) {
      kernels_.add(to, x.row(r * s.terms), s.terms);
    } else if (side_by_side) {
      std::copy_n(x.row(r * s.terms), s.terms, to);
    } else {
      for (std::uint32_t t = 0; t < s.terms; ++t) {
        T& number = to[t * s.term_step];
        number = i.accumulates ? number + *x.row(r * s.terms + t) : *x.row(r * s.terms + t);
      }
    }
  }
}

/// A uniform number is added once for each sample: exact mode counts its roundings.
template <class T>
void Runner<T>::reduce_uniform(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first) {
  const OperandRows<T> x(view_, i, s);
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    const T each = *x.row(r);
    T& total = totals[i.out + r * s.row_step];
    if (first) total = each;
    for (std::size_t k = first ? 1 : 0; k < tile.count; ++k) total += each;
  }
}

/// Rows that lie side by side once a step are like the samples of one row, each with a guard of its own.
template <class T>
void Runner<T>::check_guards(const Instruction& i, const Shape& s, const Tile& tile) {
  const OperandRows<T> conditions(view_, i, s);
  const bool uniform = view_.once() || conditions.lane_step == 0;
  const bool side_by_side = uniform && conditions.step == 1;
  const std::size_t recorded = uniform ? 0 : program_.recorded_samples;  // each with a guard of its own
  const std::size_t each = std::max<std::size_t>(recorded, 1), guard_step = side_by_side || recorded > 0 ? 1 : 0;
  Tile samples = uniform ? Tile{0, 1} : tile;
  if (side_by_side) samples.count = s.rows;
  for (std::size_t r = 0; r < (side_by_side ? 1 : s.rows); ++r) {
    const std::size_t guard = i.out + r * each + (recorded > 0 ? tile.begin : 0);
    const T* row = conditions.row(r);
    if (kernels_.come_out(row, buffers_.expected + guard, guard_step, samples.count)) continue;
    add_failures(row, guard, guard_step, samples);
  }
}

/// Of a row of conditions of which some came out otherwise. What was recorded sample by sample is one sample.
template <class T>
void Runner<T>::add_failures(const T* conditions, std::size_t guard, std::size_t guard_step, const Tile& tile) {
  for (std::size_t l = 0; l < tile.count; ++l, guard += guard_step) {
    const ProgramGuard& failed = program_.guards[guard];
    if ((conditions[l] != T(0)) == failed.expected) continue;
    failure_.add({failed.number, guard_step == 0 ? tile.begin + l : 0, guard});
  }
}

template <class T>
void Runner<T>::store(const Instruction& i, const Shape& s, const Tile& tile, T* rows, std::size_t row_length) {
  const OperandRows<T> x(view_, i, s);
  T* to = rows + tile.begin * row_length + i.out;
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    for (std::size_t sample = 0; sample < tile.count; ++sample) {
      to[sample * row_length + r] = x.row(r)[sample * x.lane_step];
    }
  }
}

template void Runner<float>::run_instruction(const Instruction&, const Tile&, float*, bool,
                                             std::span<const instructions::AlikeLists>);
template void Runner<double>::run_instruction(const Instruction&, const Tile&, double*, bool,
                                              std::span<const instructions::AlikeLists>);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
