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

/// The first `count` lanes, and zeros.
template <class T>
inline Lanes<T> first_lanes(Lanes<T> x, std::size_t count) {
  typename Lanes<T>::Mask index;
  for (std::size_t i = 0; i < Lanes<T>::count; ++i) index[i] = static_cast<typename Lanes<T>::Bits>(i);
  return select(LaneMask<T>{index < static_cast<typename Lanes<T>::Bits>(count) - typename Lanes<T>::Mask{}}, x,
                Lanes<T>(0.0));
}

/// Adds the samples from `from` on, of which `count` are in the vector, to the partial sums.
template <class T, std::size_t rows, std::size_t terms, bool whole>
inline void add_samples(const T* y, std::size_t y_step, const T* x, std::size_t x_step, std::size_t count,
                        Lanes<T>* sums) {
  const auto load = [&](const T* data) {
    const Lanes<T> lanes = Lanes<T>::load(data);
    return whole ? lanes : first_lanes(lanes, count);
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

/// The sums of `rows` rows of y, or of their products with `terms` rows of x if there are any.
template <class T, std::size_t rows, std::size_t terms>
void sum_block(const T* y, std::size_t y_step, const T* x, std::size_t x_step, std::size_t samples,
               TotalEntries<T> totals, bool first) {
  constexpr std::size_t width = Lanes<T>::count, count = terms == 0 ? rows : rows * terms;
  Lanes<T> sums[count] = {};
  std::size_t s = 0;
  for (; s + width <= samples; s += width) add_samples<T, rows, terms, true>(y + s, y_step, x + s, x_step, width, sums);
  if (s < samples) add_samples<T, rows, terms, false>(y + s, y_step, x + s, x_step, samples - s, sums);
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
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t t = 0; t < (terms == 0 ? 1 : terms); ++t) {
      T& total = totals.data[r * totals.row_step + t * totals.term_step];
      const T sum = results[r * (terms == 0 ? 1 : terms) + t];
      total = first ? sum : total + sum;
    }
  }
}

template <class T>
using SumFunction = void (*)(const T*, std::size_t, const T*, std::size_t, std::size_t, TotalEntries<T>, bool);

/// sum_block for 1, 2, ... rows and so many terms.
template <class T, std::size_t terms, std::size_t... index>
constexpr auto sum_functions(std::index_sequence<index...>) {
  struct Functions {
    SumFunction<T> of_rows[sizeof...(index)];
  };
  return Functions{{sum_block<T, index + 1, terms>...}};
}

template <class T, std::size_t terms>
void sum_rows(TileRows<T> y, const T* x, std::size_t x_step, std::size_t samples, TotalEntries<T> totals, bool first) {
  constexpr std::size_t most = most_sums / (terms == 0 ? 1 : terms);
  static constexpr auto functions = sum_functions<T, terms>(std::make_index_sequence<most>());
  for (std::size_t r = 0; r < y.rows; r += most) {
    const std::size_t rows = y.rows - r < most ? y.rows - r : most;
    functions.of_rows[rows - 1](y.data + r * y.step, y.step, x, x_step, samples,
                                {totals.data + r * totals.row_step, totals.row_step, totals.term_step}, first);
  }
}

template <class T>
void reduce(TileRows<T> y, std::size_t samples, TotalEntries<T> totals, bool first) {
  sum_rows<T, 0>(y, nullptr, 0, samples, totals, first);
}

/// Blocks are tall, so the operand of fewer rows is taken for x.
template <class T>
void dots(TileRows<T> y, TileRows<T> x, std::size_t samples, TotalEntries<T> totals, bool first) {
  if (x.rows > y.rows) return dots(x, y, samples, {totals.data, totals.term_step, totals.row_step}, first);
  for (std::size_t t = 0; t < x.rows;) {
    const std::size_t terms = x.rows - t < 4 ? x.rows - t : 4;
    const T* data = x.data + t * x.step;
    const TotalEntries<T> to{totals.data + t * totals.term_step, totals.row_step, totals.term_step};
    switch (terms) {
      case 1:
        sum_rows<T, 1>(y, data, x.step, samples, to, first);
        break;
      case 2:
        sum_rows<T, 2>(y, data, x.step, samples, to, first);
        break;
      case 3:
        sum_rows<T, 3>(y, data, x.step, samples, to, first);
        break;
      default:
        sum_rows<T, 4>(y, data, x.step, samples, to, first);
        break;
    }
    t += terms;
  }
}
