// Sums over the samples of a tile.
//
// A block keeps a vector of partial sums for each of rows x terms totals. Whole vectors of samples are added to them
// first, then what is left over, with zeros in the other lanes; so of one place after another; at last the lanes of all
// are added in pairs.
#pragma once

#include <numeric>

#include "tapeloom/runtime/kernels/transpose.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

#if TAPELOOM_VECTOR_BYTES == 64
inline constexpr std::size_t most_sums = 16;
#else
inline constexpr std::size_t most_sums = 8;
#endif

template <class T>
using VectorOf = typename Lanes<T>::Vector;

/// Lane i of rows[0] becomes the sum of the lanes of rows[i], for at most as many rows as lanes.
template <class T, std::size_t count, std::size_t distance = 1>
inline void add_lanes(VectorOf<T>* rows) {
  constexpr std::size_t width = Lanes<T>::count;
  if constexpr (distance < width) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < count; i += 2) {
      const Lanes<T> a(rows[i]), b(rows[i + 1 < count ? i + 1 : i]);
      rows[i / 2] = low_halves<T, distance>(a, b, std::make_index_sequence<width>()).v +
                    high_halves<T, distance>(a, b, std::make_index_sequence<width>()).v;
    }
    add_lanes<T, (count + 1) / 2, distance * 2>(rows);
  }
}

/// Adds the samples from `from` on, of which `count` are in the vector, to the partial sums.
template <class T, std::size_t rows, std::size_t terms, bool whole>
inline void add_samples(const T* a, std::size_t a_step, std::size_t three_steps, const T* b, std::size_t b_step,
                        std::size_t count, VectorOf<T>* sums) {
  const FirstLanes<T> first(whole ? 0 : count);
  const auto load = [&](const T* data) { return whole ? Lanes<T>::load(data) : first.load(data); };
  typename Lanes<T>::Vector of_b[terms == 0 ? 1 : terms];
#pragma GCC unroll 16
  for (std::size_t t = 0; t < terms; ++t) of_b[t] = load(b + t * b_step).v;
#pragma GCC unroll 16
  for (std::size_t r = 0; r < rows; ++r) {
    // An address every four rows, and three steps from it, which are one register each.
    if (r > 0 && r % 4 == 0) a += 4 * a_step, here(a);
    const Lanes<T> of_a = load(a + (r % 4 == 3 ? three_steps : r % 4 * a_step));
    if constexpr (terms == 0) {
      sums[r] += of_a.v;
    } else {
#pragma GCC unroll 16
      for (std::size_t t = 0; t < terms; ++t) sums[t * rows + r] += of_a.v * of_b[t];
    }
  }
}

/// Stores the first `count` lanes, or adds them to what is there.
template <class T, std::size_t count>
inline void store_lanes(Lanes<T> lanes, T* to, bool accumulate) {
  if constexpr (count == Lanes<T>::count) {
    if (accumulate) lanes = lanes + Lanes<T>::load(to);
    lanes.store(to);
  } else {
    const FirstLanes<T> first(count);
    if (accumulate) lanes = lanes + first.load(to);
    first.store(lanes, to);
  }
}

/// Writes rows x terms sums, the lanes of a vector each, or adds them to what is there.
template <class T, std::size_t rows, std::size_t terms>
inline void store_sums(VectorOf<T>* sums, T* c, std::size_t row_step, std::size_t column_step, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count, count = rows * terms;
  static_assert(count <= 4 * width);
  const auto each_vector = [&](auto&& function) {
    const auto call = [&]<std::size_t begin>() {
      if constexpr (begin < count)
        function.template operator()<begin, (count - begin < width ? count - begin : width)>();
    };
    call.template operator()<0>();
    call.template operator()<width>();
    call.template operator()<2 * width>();
    call.template operator()<3 * width>();
  };
  each_vector([&]<std::size_t begin, std::size_t left>() { add_lanes<T, left>(sums + begin); });
  if (terms == 1 && row_step == 1) {
    each_vector([&]<std::size_t begin, std::size_t left>() {
      store_lanes<T, left>(Lanes<T>(sums[begin]), c + begin, accumulate);
    });
    return;
  }
  T results[(count + width - 1) / width * width];
  each_vector([&]<std::size_t begin, std::size_t>() { Lanes<T>(sums[begin]).store(results + begin); });
  const auto store_terms = [&](std::size_t step) __attribute__((always_inline)) {
    T* to = c;
    const T* result = results;
    for (std::size_t t = 0; t < terms; ++t, to += column_step, result += rows) {
#pragma GCC unroll 16
      for (std::size_t r = 0; r < rows; ++r) to[r * step] = accumulate ? to[r * step] + result[r] : result[r];
    }
  };
  row_step == 1 ? store_terms(1) : store_terms(row_step);
}

/// The sums of `rows` rows of A, or of their products with `terms` rows of B if there are any.
template <class T, std::size_t rows, std::size_t terms>
void sum_block(const KernelCall<T>& call, const T* a, const T* b, T* c, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count, totals = terms == 0 ? 1 : terms;
  if constexpr (terms == 0) b = a;
  const std::size_t a_step = call.a_row_step, b_step = call.b_stride;
  std::size_t three_steps = 3 * a_step;
  here(three_steps);
  VectorOf<T> sums[rows * totals] = {};
  const auto add_place = [&]() __attribute__((always_inline)) {
    std::size_t i = 0;
    for (; i + width <= call.k; i += width) {
      add_samples<T, rows, terms, true>(a + i, a_step, three_steps, b + i, b_step, width, sums);
    }
    if (i < call.k) add_samples<T, rows, terms, false>(a + i, a_step, three_steps, b + i, b_step, call.k - i, sums);
  };
  // Mostly there is one place, and the sums take little.
  if (call.blocks == 1) {
    add_place();
  } else {
    for (std::size_t places = call.blocks; places != 0; --places) {
      add_place();
      a += call.a_column_step, b += call.start_step;
    }
  }
  store_sums<T, rows, totals>(sums, c, call.c_stride, call.c_column_step, accumulate);
}

/// The sum of one long row, or of its product with another: by itself a chain of additions, of which the next has to
/// wait for the one before. So there are some, which take turns with the vectors of a row; a product of two rows of
/// 2,000 numbers then takes 0.35 of the time. Two or three sums wait for one another less.
template <class T, std::size_t terms>
void sum_long_row(const KernelCall<T>& call, const T* a, const T* b, T* c, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count, turns = 4;
  if constexpr (terms == 0) b = a;
  VectorOf<T> sums[turns] = {};
  const auto add = [&]<bool whole>(std::size_t at, std::size_t count, VectorOf<T>& sum) {
    add_samples<T, 1, terms, whole>(a + at, 0, 0, b + at, 0, count, &sum);
  };
  std::size_t i = 0;
  for (; i + turns * width <= call.k; i += turns * width) {
#pragma GCC unroll 4
    for (std::size_t t = 0; t < turns; ++t) add.template operator()<true>(i + t * width, width, sums[t]);
  }
  for (; i + width <= call.k; i += width) add.template operator()<true>(i, width, sums[0]);
  if (i < call.k) add.template operator()<false>(i, call.k - i, sums[0]);
#pragma GCC unroll 4
  for (std::size_t t = 1; t < turns; ++t) sums[0] += sums[t];
  store_sums<T, 1, 1>(sums, c, call.c_stride, call.c_column_step, accumulate);
}

/// Rows of A that are so far apart begin alike in a cache line, if a vector is one.
template <class T>
constexpr std::size_t line_period(std::size_t a_stride) {
  return Lanes<T>::count / std::gcd(Lanes<T>::count, a_stride);
}

/// Whether sum_lines is faster than sum_block: where vectors are lines, and would be of two. Of 64 numbers it is not,
/// of 784 it takes 0.68 times as long (float, an Intel Xeon of model 207). Of rows that begin alike there are to be
/// some, which share what is read of B.
template <class T>
constexpr bool lines_pay(const Sums& s) {
  constexpr std::size_t width = Lanes<T>::count, least_vectors = 6, least_rows = 4;
  return TAPELOOM_VECTOR_BYTES == 64 && s.b_rows > 0 && s.places == 1 && s.samples >= least_vectors * width &&
         s.a_stride % width != 0 && s.a_rows >= least_rows * line_period<T>(s.a_stride);
}

/// sum_block of one place and rows of A that begin alike in a cache line, by whole lines. The weights of a neuron are
/// followed by its bias: hardly one row of 785 numbers begins where a line does, and every vector from its beginning on
/// would be of two. The same numbers meet in the same order, though in other lanes until the sums are complete.
template <class T, std::size_t rows, std::size_t terms>
void sum_lines(const KernelCall<T>& call, const T* a, const T* b, T* c, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count;
  const std::size_t before = reinterpret_cast<std::uintptr_t>(a) / sizeof(T) % width;
  VectorOf<T> sums[rows * terms] = {};
  const auto add = [&](std::size_t from, const auto& load) __attribute__((always_inline)) {
    Lanes<T> of_b[terms];
#pragma GCC unroll 4
    for (std::size_t t = 0; t < terms; ++t) of_b[t] = load(b + t * call.b_stride + from);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
      const Lanes<T> of_a = load(a + r * call.a_row_step + from);
#pragma GCC unroll 4
      for (std::size_t t = 0; t < terms; ++t) sums[t * rows + r] += of_a.v * of_b[t].v;
    }
  };
  const LastLanes<T> first(width - before);
  add(0, [&](const T* data) { return first.load(data); });
  std::size_t i = width - before;
  for (; i + width <= call.k; i += width) add(i, [](const T* data) { return Lanes<T>::load(data); });
  const FirstLanes<T> last(call.k - i);
  if (i < call.k) add(i, [&](const T* data) { return last.load(data); });
#pragma GCC unroll 16
  for (std::size_t n = 0; n < rows * terms; ++n) sums[n] = rotated(Lanes<T>(sums[n]), before).v;
  store_sums<T, rows, terms>(sums, c, call.c_stride, call.c_column_step, accumulate);
}

/// sum_block and sum_lines for 1, 2, ... rows and so many terms, at most `most_rows`; and sum_long_row.
template <class T>
struct SumFunctions {
  std::size_t most_rows;
  RunCall<T> of_rows[most_sums], by_lines[most_sums];
  RunCall<T> of_long_row = nullptr;
};
template <class T, std::size_t terms, std::size_t... index>
constexpr SumFunctions<T> sum_functions(std::index_sequence<index...>) {
  SumFunctions<T> functions{sizeof...(index), {sum_block<T, index + 1, terms>...}, {}};
  if constexpr (terms > 0 && TAPELOOM_VECTOR_BYTES == 64) {
    ((functions.by_lines[index] = sum_lines<T, index + 1, terms>), ...);
  }
  if constexpr (terms <= 1) functions.of_long_row = sum_long_row<T, terms>;
  return functions;
}
template <class T, std::size_t terms>
constexpr SumFunctions<T> sum_functions() {
  return sum_functions<T, terms>(std::make_index_sequence<most_sums / (terms == 0 ? 1 : terms)>());
}

template <class T>
std::size_t plan_sums(const Sums& s, KernelCall<T>* calls) {
  constexpr std::size_t most_terms = 4;
  static constexpr SumFunctions<T> of_terms[] = {sum_functions<T, 0>(), sum_functions<T, 1>(), sum_functions<T, 2>(),
                                                 sum_functions<T, 3>(), sum_functions<T, most_terms>()};
  // A call's rows are `apart`.
  const bool by_lines = lines_pay<T>(s);
  constexpr std::size_t long_vectors = 8;
  const bool is_long_row =
      s.places == 1 && s.a_rows == 1 && s.b_rows <= 1 && s.samples >= long_vectors * Lanes<T>::count;
  const std::size_t apart = by_lines ? line_period<T>(s.a_stride) : 1;
  std::size_t count = 0, term = 0;
  do {
    const std::size_t terms = s.b_rows - term < most_terms ? s.b_rows - term : most_terms;
    const SumFunctions<T>& functions = of_terms[terms];
    for (std::size_t first = 0; first < apart; ++first) {
      std::size_t left = (s.a_rows - first + apart - 1) / apart;
      for (std::size_t row = first, rows; left > 0; row += rows * apart, left -= rows) {
        rows = left < functions.most_rows ? left : functions.most_rows;
        if (calls != nullptr) {
          calls[count] = {.run = by_lines      ? functions.by_lines[rows - 1]
                                 : is_long_row ? functions.of_long_row
                                               : functions.of_rows[rows - 1],
                          .a_offset = row * s.a_stride,
                          .a_row_step = s.a_stride * apart,
                          .a_column_step = s.a_place_step,
                          .b_offset = term * s.b_stride,
                          .b_stride = s.b_stride,
                          .c_offset = row * s.c_row_step + term * s.c_column_step,
                          .c_stride = s.c_row_step * apart,
                          .c_column_step = s.c_column_step,
                          .k = s.samples,
                          .blocks = s.places,
                          .start_step = s.b_place_step};
        }
        ++count;
      }
    }
    term += terms;
  } while (term < s.b_rows);
  return count;
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
