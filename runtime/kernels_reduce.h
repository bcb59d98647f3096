// Sums over the samples of a tile; part of kernels_impl.h, inside its namespace.
//
// A block keeps a vector of partial sums for each of rows x terms totals. Whole vectors of samples are added to them
// first, then what is left over, with zeros in the other lanes; at last the lanes of all are added in pairs.

#if TAPELOOM_VECTOR_BYTES == 64
inline constexpr std::size_t most_sums = 16;
#else
inline constexpr std::size_t most_sums = 8;
#endif

/// Lane i of rows[0] becomes the sum of the lanes of rows[i], for at most as many rows as lanes.
template <class T, std::size_t count, std::size_t distance = 1>
inline void add_lanes(Lanes<T>* rows) {
  constexpr std::size_t width = Lanes<T>::count;
  if constexpr (distance < width) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < count; i += 2) {
      const Lanes<T> a = rows[i], b = rows[i + 1 < count ? i + 1 : i];
      rows[i / 2] = low_halves<T, distance>(a, b, std::make_index_sequence<width>()) +
                    high_halves<T, distance>(a, b, std::make_index_sequence<width>());
    }
    add_lanes<T, (count + 1) / 2, distance * 2>(rows);
  }
}

/// Adds the samples from `from` on, of which `count` are in the vector, to the partial sums.
template <class T, std::size_t rows, std::size_t terms, bool whole>
inline void add_samples(const T* y, std::size_t y_step, const T* x, std::size_t x_step, std::size_t count,
                        Lanes<T>* sums) {
  const auto load = [&](const T* data) {
    const Lanes<T> lanes = Lanes<T>::load(data);
    return whole ? lanes : first_lanes(lanes, count, Lanes<T>(0.0));
  };
  typename Lanes<T>::Vector of_x[terms == 0 ? 1 : terms];
#pragma GCC unroll 16
  for (std::size_t t = 0; t < terms; ++t) of_x[t] = load(x + t * x_step).v;
#pragma GCC unroll 16
  for (std::size_t r = 0; r < rows; ++r) {
    const Lanes<T> of_y = load(y + r * y_step);
    if constexpr (terms == 0) {
      sums[r] = sums[r] + of_y;
    } else {
#pragma GCC unroll 16
      for (std::size_t t = 0; t < terms; ++t) sums[r * terms + t].v += of_y.v * of_x[t];
    }
  }
}

/// Adds rows x terms partial sums, each a vector, to their totals.
template <class T, std::size_t rows, std::size_t terms>
inline void add_to_totals(Lanes<T>* sums, T* totals, std::size_t row_step, std::size_t term_step, bool first) {
  constexpr std::size_t width = Lanes<T>::count, count = rows * terms;
  T results[(count + width - 1) / width * width];
  const auto finish = [&]<std::size_t begin>() {
    if constexpr (begin < count) {
      add_lanes<T, (count - begin < width ? count - begin : width)>(sums + begin);
      sums[begin].store(results + begin);
    }
  };
  finish.template operator()<0>();
  finish.template operator()<width>();
  finish.template operator()<2 * width>();
  finish.template operator()<3 * width>();
  static_assert(count <= 4 * width);
  const auto each = [&](auto&& function) {
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 16
      for (std::size_t t = 0; t < terms; ++t) {
        function(totals[r * row_step + t * term_step], results[r * terms + t]);
      }
    }
  };
  if (first) {
    each([](T& total, T sum) { total = sum; });
  } else {
    each([](T& total, T sum) { total += sum; });
  }
}

/// The sums of `rows` rows of y from `row` on, or of their products with `terms` rows of x from `term` on if there are
/// any.
template <class T, std::size_t rows, std::size_t terms>
void sum_block(const Sums<T>& s, std::size_t row, std::size_t term) {
  constexpr std::size_t width = Lanes<T>::count, totals = terms == 0 ? 1 : terms;
  const T* y = s.y + row * s.y_step;
  const T* x = terms == 0 ? y : s.x + term * s.x_step;
  Lanes<T> sums[rows * totals] = {};
  std::size_t i = 0;
  for (; i + width <= s.samples; i += width) {
    add_samples<T, rows, terms, true>(y + i, s.y_step, x + i, s.x_step, width, sums);
  }
  if (i < s.samples) add_samples<T, rows, terms, false>(y + i, s.y_step, x + i, s.x_step, s.samples - i, sums);
  add_to_totals<T, rows, totals>(sums, s.totals + row * s.row_step + term * s.term_step, s.row_step, s.term_step,
                                 s.first);
}

template <class T>
using SumFunction = void (*)(const Sums<T>&, std::size_t row, std::size_t term);

/// sum_block for 1, 2, ... rows and so many terms; at most `most_rows`.
template <class T>
struct SumFunctions {
  std::size_t most_rows;
  SumFunction<T> of_rows[most_sums];
};
template <class T, std::size_t terms, std::size_t... index>
constexpr SumFunctions<T> sum_functions(std::index_sequence<index...>) {
  return {sizeof...(index), {sum_block<T, index + 1, terms>...}};
}
template <class T, std::size_t terms>
constexpr SumFunctions<T> sum_functions() {
  return sum_functions<T, terms>(std::make_index_sequence<most_sums / (terms == 0 ? 1 : terms)>());
}

template <class T>
void sum_rows(const Sums<T>& s, std::size_t term, const SumFunctions<T>& functions) {
  const std::size_t most = functions.most_rows;
  std::size_t row = 0;
  for (; row + most < s.rows; row += most) functions.of_rows[most - 1](s, row, term);
  functions.of_rows[s.rows - row - 1](s, row, term);
}

template <class T>
void reduce(const Sums<T>& s) {
  static constexpr SumFunctions<T> functions = sum_functions<T, 0>();
  sum_rows(s, 0, functions);
}

template <class T>
void dots(const Sums<T>& s) {
  static constexpr SumFunctions<T> of_terms[] = {sum_functions<T, 1>(), sum_functions<T, 2>(), sum_functions<T, 3>(),
                                                 sum_functions<T, 4>()};
  std::size_t term = 0;
  for (; term + 4 < s.terms; term += 4) sum_rows(s, term, of_terms[3]);
  sum_rows(s, term, of_terms[s.terms - term - 1]);
}
