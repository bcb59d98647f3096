// Sums of rows of a tile that are listed one by one, and of products of such rows: lists one after another, or some
// that are alike at a time.
#pragma once

#include "tapeloom/core/program/lists.h"
#include "tapeloom/runtime/kernels/lanes.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

/// What is added up: a row, or one number for all lanes, times `factor` if there is one.
template <class T>
struct RowTerm {
  const T* row;
  const T* factor = nullptr;
  bool uniform = false;
};

/// The sums of so many vectors of rows, from `lane` on, in registers: each(add) calls add(term) for each term.
template <class T, std::size_t vectors, class Each>
inline void sum_vectors(Each&& each, std::size_t lane, T* out) {
  constexpr std::size_t width = Lanes<T>::count;
  Lanes<T> sums[vectors];
  bool first = true;
  const auto add_all = [&](auto&& next) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::size_t l = lane + v * width;
      sums[v] = first ? next(l) : sums[v] + next(l);
    }
  };
  each([&](const RowTerm<T>& term) {
    const auto lanes = [](const T* row, std::size_t l) { return Lanes<T>::load(row + l); };
    if (term.uniform) {
      const Lanes<T> number(static_cast<double>(*term.row));
      if (term.factor == nullptr) {
        add_all([&](std::size_t) { return number; });
      } else {
        add_all([&](std::size_t l) { return number * lanes(term.factor, l); });
      }
    } else if (term.factor == nullptr) {
      add_all([&](std::size_t l) { return lanes(term.row, l); });
    } else {
      add_all([&](std::size_t l) { return lanes(term.row, l) * lanes(term.factor, l); });
    }
    first = false;
  });
#pragma GCC unroll 8
  for (std::size_t v = 0; v < vectors; ++v) sums[v].store(out + lane + v * width);
}

/// All lanes of a row that is a sum of rows.
template <class T, class Each>
inline void sum_lanes(Each&& each, std::size_t lanes, T* out) {
  constexpr std::size_t width = Lanes<T>::count;
  std::size_t lane = 0;
  for (; lane + 8 * width <= lanes; lane += 8 * width) sum_vectors<T, 8>(each, lane, out);
  if (lane + 4 * width <= lanes) sum_vectors<T, 4>(each, lane, out), lane += 4 * width;
  if (lane + 2 * width <= lanes) sum_vectors<T, 2>(each, lane, out), lane += 2 * width;
  if (lane < lanes) sum_vectors<T, 1>(each, lane, out);
}

/// Where a gather writes at least so much, what it reads is in no near cache, and in an order that no processor
/// guesses: rows are asked for so many words of its lists before they are read. Adjoints of an image of 28 x 28 places
/// and 16 channels, 14 MB of products a tile, then take 0.33 of the time in double; what the second-level cache holds
/// would take 1.2 times as long.
constexpr std::size_t far_bytes = 256 * 1024;
constexpr std::ptrdiff_t words_ahead = 64;

/// The first two lines of a row, as a processor goes on by itself.
template <class T>
inline void ask_for(const T* row) {
  constexpr std::size_t cache_line = 64;
  __builtin_prefetch(row);
  __builtin_prefetch(row + cache_line / sizeof(T));
}

/// Apart from gather(): inlined there, both ways took 1.1 times as long.
template <class T, bool far>
__attribute__((noinline)) void gather_lists(const TileView<T>& view, std::uint32_t begin, std::size_t rows, T* out) {
  constexpr std::uint32_t last = Program::last_slot, uniform = Program::uniform_slot, times = Program::times_next;
  const std::uint32_t* word = view.indices + begin;
  const auto row = [&](std::uint32_t of) { return view.tile + Program::slot_of(of) * view.stride; };
  [[maybe_unused]] const std::uint32_t* const last_word = view.indices + view.index_count;
  for (std::size_t r = 0; r < rows; ++r, out += view.stride) {
    const std::uint32_t first = *word;
    if (first == (last | Program::empty_list)) {
      const Lanes<T> zero;
      for (std::size_t l = 0; l < view.lanes; l += Lanes<T>::count) zero.store(out + l);
      ++word;
    } else if ((first & (last | uniform | times)) == last) {
      const T* from = row(first);
      std::size_t l = 0;
      do Lanes<T>::load(from + l).store(out + l);
      while ((l += Lanes<T>::count) < view.lanes);
      ++word;
    } else {
      const std::uint32_t* end = word;
      const auto each = [&](auto&& add) {
        const std::uint32_t* at = word;
        for (bool more = true; more;) {
          if constexpr (far) {
            if (last_word - at > words_ahead) ask_for(row(at[words_ahead]));
          }
          const std::uint32_t of = *at++;
          more = (of & last) == 0;
          RowTerm<T> term{(of & uniform) != 0 ? view.uniform_slot(Program::slot_of(of)) : row(of)};
          term.uniform = (of & uniform) != 0;
          if ((of & times) != 0) term.factor = row(*at++);
          add(term);
        }
        end = at;
      };
      sum_lanes<T>(each, view.lanes, out);
      word = end;
    }
  }
}

constexpr std::size_t alike_at_once = 4;

/// The sums of four alike lists, for so many vectors from `lane` on, in registers: of a run's lists from `first` on,
/// which have the first factor of each product in common.
template <class T, std::size_t vectors>
inline void sum_alike(const TileView<T>& view, const instructions::AlikeLists& run,
                      const std::ptrdiff_t (&steps)[instructions::AlikeLists::parts], std::size_t first,
                      std::size_t lane, T* out) {
  using instructions::AlikeLists;
  constexpr std::size_t width = Lanes<T>::count, rows = alike_at_once;
  // -0 + x is x, also of -0.
  Lanes<T> sums[rows][vectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) sums[r][v] = Lanes<T>(-0.0);
  }
  const auto row = [&](std::uint32_t word, AlikeLists::Part part) {
    return view.tile + Program::slot_of(word) * view.stride + lane + static_cast<std::ptrdiff_t>(first) * steps[part];
  };
  const auto add = [&](const T* y, std::ptrdiff_t step, auto&& times) {
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r, y += step) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) {
        sums[r][v] = sums[r][v] + times(Lanes<T>::load(y + v * width), r, v);
      }
    }
  };
  const std::uint32_t *word = view.indices + run.word, *const end = word + run.words;
  while (word != end) {
    const std::uint32_t of = *word++;
    const bool one = (of & Program::uniform_slot) != 0;
    const Lanes<T> number = one ? Lanes<T>(static_cast<double>(*view.uniform_slot(Program::slot_of(of)))) : Lanes<T>();
    if ((of & Program::times_next) == 0) {
      if (one) {
#pragma GCC unroll 8
        for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
          for (std::size_t v = 0; v < vectors; ++v) sums[r][v] = sums[r][v] + number;
        }
      } else {
        add(row(of, AlikeLists::term), steps[AlikeLists::term],
            [](Lanes<T> of_y, std::size_t, std::size_t) { return of_y; });
      }
      continue;
    }
    const T *x = row(of, AlikeLists::first_factor), *y = row(*word++, AlikeLists::second_factor);
    if (one) {
      add(y, steps[AlikeLists::second_factor], [&](Lanes<T> of_y, std::size_t, std::size_t) { return number * of_y; });
    } else {
      Lanes<T> factor[vectors];
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) factor[v] = Lanes<T>::load(x + v * width);
      add(y, steps[AlikeLists::second_factor],
          [&](Lanes<T> of_y, std::size_t, std::size_t v) { return factor[v] * of_y; });
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) sums[r][v].store(out + r * view.stride + lane + v * width);
  }
}

/// Lists of a run, four at a time. Returns how many it has left.
template <class T>
__attribute__((noinline)) std::size_t sum_run(const TileView<T>& view, const instructions::AlikeLists& run, T* out) {
  using instructions::AlikeLists;
  constexpr std::size_t width = Lanes<T>::count;
  std::ptrdiff_t steps[AlikeLists::parts];
  for (std::size_t part = 0; part < AlikeLists::parts; ++part) {
    steps[part] = run.steps[part] * static_cast<std::ptrdiff_t>(view.stride);
  }
  std::size_t first = 0;
  for (; first + alike_at_once <= run.rows; first += alike_at_once, out += alike_at_once * view.stride) {
    std::size_t lane = 0;
    for (; lane + 2 * width <= view.lanes; lane += 2 * width) sum_alike<T, 2>(view, run, steps, first, lane, out);
    if (lane < view.lanes) sum_alike<T, 1>(view, run, steps, first, lane, out);
  }
  return run.rows - first;
}

template <class T>
void copy_run(const TileView<T>& view, const instructions::AlikeLists& run, T* out) {
  const T* from = view.tile + Program::slot_of(view.indices[run.word]) * view.stride;
  const std::ptrdiff_t step = run.steps[instructions::AlikeLists::term] * static_cast<std::ptrdiff_t>(view.stride);
  for (std::size_t r = 0; r < run.rows; ++r, from += step, out += view.stride) {
    std::size_t l = 0;
    do Lanes<T>::load(from + l).store(out + l);
    while ((l += Lanes<T>::count) < view.lanes);
  }
}

template <class T>
void gather(const TileView<T>& view, const Instruction& i, const Shape& shape, const instructions::AlikeLists* runs,
            std::size_t run_count) {
  using instructions::AlikeLists;
  const bool far = shape.rows * view.stride * sizeof(T) >= far_bytes;
  for (const AlikeLists *run = runs, *end = runs + run_count; run != end; ++run) {
    T* const out = view.tile + (i.out + run->row) * view.stride;
    if (run->words == 0) {
      (far ? gather_lists<T, true> : gather_lists<T, false>)(view, run->word, run->rows, out);
    } else if (run->words == 1 && (view.indices[run->word] & Program::uniform_slot) == 0) {
      copy_run(view, *run, out);
    } else {
      const std::size_t left = sum_run(view, *run, out), done = run->rows - left;
      gather_lists<T, false>(view, run->word + static_cast<std::uint32_t>(done) * run->words, left,
                             out + done * view.stride);
    }
  }
}

template <class T>
void sum_runs(const instructions::ListRun* runs, std::size_t run_count, const std::uint32_t* indices, const T* from,
              T* to) {
  constexpr std::size_t width = Lanes<T>::count;
  for (const instructions::ListRun *run = runs, *end = runs + run_count; run != end; ++run) {
    const std::uint32_t* const words = indices + run->word;
    T* const out = to + run->row;
    for (std::size_t lane = 0; lane < run->rows; lane += width) {
      Lanes<T> sum(0.0);
      if (run->terms > 0) sum = Lanes<T>::load(from + Program::slot_of(words[0]) + lane);
      for (std::size_t t = 1; t < run->terms; ++t) {
        sum = sum + Lanes<T>::load(from + Program::slot_of(words[t]) + lane);
      }
      if (run->rows - lane >= width) {
        sum.store(out + lane);
      } else {
        FirstLanes<T>(run->rows - lane).store(sum, out + lane);
      }
    }
  }
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
