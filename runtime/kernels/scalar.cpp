// Kernels of exact mode, and of what runs once a step: one number at a time, through the scalar functions.
#include <algorithm>
#include <span>
#include <utility>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/random_number.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Of the operands read(0), ...
template <class F, class T, class Read>
T apply(Read&& read) {
  return [&]<unsigned... k>(std::integer_sequence<unsigned, k...>) { return F::forward(read(k)...); }
  (std::make_integer_sequence<unsigned, F::arity>());
}

/// get<F, mask>() of the op's F and a mask of its operands that is known only now.
template <class Function, class Get>
Function of_mask(Op op, unsigned wanted, Get get) {
  return ops::visit(
      op,
      [&]<class F>() {
        const auto choose = [&]<unsigned... mask>(std::integer_sequence<unsigned, mask...>) {
          Function found = nullptr;
          ((found = wanted == mask ? get.template operator()<F, mask>() : found), ...);
          return found;
        };
        return choose(std::make_integer_sequence<unsigned, 1u << F::arity>());
      },
      []() -> Function { fail_check("a scalar op", __FILE__, __LINE__); });
}

template <class F, class T, unsigned mask>
void elementwise(T* out, const T* x, const T* y, const T* z, std::size_t lanes) {
  const T* const operands[] = {x, y, z};
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    out[lane] = apply<F, T>([&](unsigned k) { return operands[k][(mask >> k & 1) != 0 ? 0 : lane]; });
  }
}

template <class T>
void sum_samples(const KernelCall<T>& call, const T* a, const T*, T* c, bool accumulate) {
  for (std::size_t r = 0; r < call.blocks; ++r) {
    const T* row = a + r * call.a_row_step;
    T& total = c[r * call.c_stride];
    T sum = accumulate ? total : row[0];
    for (std::size_t i = accumulate ? 0 : 1; i < call.k; ++i) sum += row[i];
    total = sum;
  }
}

template <class T>
std::size_t plan_sums(const Sums& sums, KernelCall<T>* calls) {
  if (calls != nullptr) *calls = whole_call<T>(sums, sum_samples<T>);
  return 1;
}

template <class T>
void row_sum(const TileView<T>& view, const Instruction& i, const Shape& s) {
  const T* x = view.tile + i.x[0];
  for (std::uint32_t n = 0; n < s.terms; ++n, x += s.rows * s.step[0]) {
    T sum = x[0];
    for (std::uint32_t r = 1; r < s.rows; ++r) sum += x[r * s.step[0]];
    view.tile[i.out + n] = sum;
  }
}

/// The sums of `count` lists, without a branch that depends on where they end.
template <class T>
const std::uint32_t* sum_short_lists(const std::uint32_t* word, const T* slots, T* out, std::size_t count) {
  constexpr T nothing(0), begun(-0.0);  // begun + x is x, also of -0
  T sum = begun;
  for (std::size_t k = 0; k < count; ++word) {
    const bool is_empty = *word == (Program::empty_list | Program::last_slot);
    const T* const at = is_empty ? &nothing : slots + Program::slot_of(*word);
    const bool ends = (*word & Program::last_slot) != 0;
    sum += *at;
    out[k] = sum;
    k += ends;
    const T next[2] = {sum, begun};
    sum = next[ends];
  }
  return word;
}

/// The sums of lists one after another.
template <class T>
void gather(const TileView<T>& view, const Instruction& i, const Shape& s, const instructions::AlikeLists*,
            std::size_t) {
  constexpr std::uint32_t last = Program::last_slot, none = Program::empty_list | last;
  constexpr std::size_t block = 8, many_rows = 64, many_indices = 49'152;
  // Where a step has so many that a processor cannot remember which ends where, it guesses in vain: an AMD EPYC of 2024
  // took 1.4 times as long without branches up to 43,000 numbers in short lists a step, and 0.5 times from 56,000 on.
  const bool short_lists = view.index_count > many_indices && s.rows > many_rows && i.x[1] < 2 * std::uint64_t{s.rows};
  const std::uint32_t* word = view.indices + i.x[0];
  const T* slots = view.tile;
  T* out = view.tile + i.out;
  for (std::size_t n, count = s.rows; count > 0; count -= n, out += n) {
    n = std::min(count, block);
    // Most lists are of one slot, and so are their neighbours: then there is nothing to decide for each.
    unsigned single = 0;
    for (std::size_t k = 0; n == block && k < block; ++k) single += ((word[k] & last) != 0) & (word[k] != none);
    if (single == block) {
      for (std::size_t k = 0; k < block; ++k) out[k] = slots[Program::slot_of(word[k])];
      word += block;
      continue;
    }
    if (short_lists) {
      word = sum_short_lists(word, slots, out, n);
      continue;
    }
    for (std::size_t k = 0; k < n; ++k, ++word) {
      T sum = *word == none ? T(0) : slots[Program::slot_of(*word)];
      while ((*word & last) == 0) sum += slots[Program::slot_of(*++word)];
      out[k] = sum;
    }
  }
}

/// Rows are folded by F, ops::Max or ops::Min: calls found(n, value, row) for each result, with the row that gets the
/// adjoint.
template <class F, class T, class Found>
void each_extreme(const T* x, const Shape& s, Found&& found) {
  const std::size_t step = s.step[0];
  for (std::uint32_t n = 0; n < s.terms; ++n) {
    T value = *x;
    std::uint32_t row = 0;
    x += step;
    for (std::uint32_t r = 1; r < s.rows; ++r, x += step) {
      const T next = *x, y = F::forward(value, next);
      row = F::reverse(value, next, y, T(1))[1] != T(0) ? r : row;
      value = y;
    }
    found(n, value, row);
  }
}
template <class T, class Found>
void each_extreme(Op op, const T* x, const Shape& s, Found&& found) {
  op == Op::max ? each_extreme<ops::Max>(x, s, found) : each_extreme<ops::Min>(x, s, found);
}

template <class T>
void row_extreme(const TileView<T>& view, const Instruction& i, const Shape& s) {
  T* const out = view.tile + i.out;
  each_extreme(i.op, view.tile + i.x[0], s, [&](std::uint32_t n, T value, std::uint32_t) { out[n] = value; });
}

template <class T>
void row_extreme_reverse(const TileView<T>& view, const Instruction& i, const Shape& s) {
  T* const out = view.tile + i.out;
  const T* const adjoints = view.tile + i.x[1];
  std::fill_n(out, std::size_t{s.terms} * s.rows, T(0));
  each_extreme(i.op, view.tile + i.x[0], s, [&](std::uint32_t n, T, std::uint32_t row) {
    out[std::size_t{n} * s.rows + row] = adjoints[std::size_t{n} * s.step[1]];
  });
}

template <class T>
void add(T* to, const T* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
}

template <class T>
void subtract_scaled(T* to, T factor, const T* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] -= factor * from[i];
}

template <class T>
void add_products(T* to, const T* from, const RowProduct<T>* products, std::size_t product_count, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    T sum = from[i];
    for (const RowProduct<T>& p : std::span(products, product_count)) {
      const T product = p.x[p.x_is_one ? 0 : i] * p.y[i];
      sum = p.negative ? sum - product : product + sum;
    }
    to[i] = sum;
  }
}

template <class T>
void transpose(std::size_t rows, std::size_t columns, const T* from, std::size_t from_stride, T* to,
               std::size_t to_stride) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

template <class T>
bool come_out(const T* numbers, const T* expected, std::size_t step, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if ((numbers[i] != T(0)) != (expected[i * step] != T(0))) return false;
  }
  return true;
}

template <class T>
void random_numbers(std::uint64_t stream, std::uint64_t first, std::size_t count, T* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = detail::to_unit_interval<T>(detail::random_bits(stream, first + i));
}

template <class T>
KernelTable<T> make_table() {
  // Exact programs are not rolled: they have no matrices to multiply, and no rows of a sample to add up as lists.
  KernelTable<T> table{};
  table.name = "exact", table.vector_lanes = 1;
  table.plan_sums = plan_sums<T>, table.row_sum = row_sum<T>, table.gather = gather<T>;
  table.row_extreme = row_extreme<T>, table.row_extreme_reverse = row_extreme_reverse<T>;
  table.add = add<T>, table.add_products = add_products<T>;
  table.subtract_scaled = subtract_scaled<T>;
  table.transpose = transpose<T>, table.come_out = come_out<T>;
  table.random_numbers = random_numbers<T>;
  for (std::size_t op = 0; op < op_count; ++op) {
    if (op_arity(static_cast<Op>(op)) == 0 || op_kind(static_cast<Op>(op)) == OpKind::reduction) continue;
    for (unsigned mask = 0; mask < 1u << op_arity(static_cast<Op>(op)); ++mask) {
      table.elementwise[op][mask] = scalar_elementwise<T>(static_cast<Op>(op), mask);
    }
  }
  return table;
}

}  // namespace

template <class T>
const KernelTable<T>& scalar_kernels() {
  static const KernelTable<T> table = make_table<T>();
  return table;
}

template const KernelTable<float>& scalar_kernels();
template const KernelTable<double>& scalar_kernels();

template <class T>
Elementwise<T> scalar_elementwise(Op op, unsigned uniform_mask) {
  return of_mask<Elementwise<T>>(op, uniform_mask, []<class F, unsigned mask>() { return elementwise<F, T, mask>; });
}

template Elementwise<float> scalar_elementwise<float>(Op, unsigned);
template Elementwise<double> scalar_elementwise<double>(Op, unsigned);

namespace {

template <class F, class T, unsigned last_mask>
const Link<T>* link(const Link<T>* l, T last, Few<T> rows, std::size_t lanes) {
  *l->out = last = apply<F, T>([&](unsigned k) { return (last_mask >> k & 1) != 0 ? last : *l->x[k]; });
  return l[1].run(l + 1, last, rows, lanes);
}

template <class T>
const Link<T>* end_link(const Link<T>* l, T, Few<T>, std::size_t) {
  return l + 1;
}

}  // namespace

template <class T>
typename Link<T>::Run scalar_link(Op op, unsigned last_mask) {
  return of_mask<typename Link<T>::Run>(op, last_mask, []<class F, unsigned mask>() { return link<F, T, mask>; });
}

template <class T>
Link<T> end_of_chain() {
  return {.run = end_link<T>};
}

template Link<float>::Run scalar_link<float>(Op, unsigned);
template Link<double>::Run scalar_link<double>(Op, unsigned);
template Link<float> end_of_chain();
template Link<double> end_of_chain();

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
