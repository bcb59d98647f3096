#include "tapeloom/core/program/lists.h"

#include <algorithm>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::instructions {

namespace {

/// Words of the list that begins there.
std::uint32_t length_of(const std::uint32_t* list) {
  if (*list == (Program::last_slot | Program::empty_list)) return 0;
  std::uint32_t words = 1;
  while ((list[words - 1] & Program::last_slot) == 0) ++words;
  return words;
}

bool follows(const std::uint32_t* list, const std::uint32_t* before, std::uint32_t words) {
  return std::equal(list, list + words, before, [](std::uint32_t word, std::uint32_t old) { return word == old + 1; });
}

/// Whether a run reads rows that the gather writes, other than its own as its first term.
bool reads_results(const ListRun& run, const std::uint32_t* indices, std::uint32_t out, std::uint32_t rows) {
  for (std::uint32_t term = 0; term < run.terms; ++term) {
    const std::uint32_t slot = Program::slot_of(indices[run.word + term]);
    const bool is_own = term == 0 && slot == out + run.row;
    if (!is_own && slot < out + rows && out < slot + run.rows) return true;
  }
  return false;
}

}  // namespace

std::vector<ListRun> find_list_runs(const Instruction& gather, const Shape& s, const std::uint32_t* indices) {
  // Words that a run must have on average, so that to begin with it pays.
  constexpr std::size_t least_words = 4;
  const std::uint32_t begin = gather.x[0], end = begin + gather.x[1];
  const auto has_factor = [](std::uint32_t word) { return (word & Program::times_next) != 0; };
  if (std::any_of(indices + begin, indices + end, has_factor)) return {};
  std::vector<ListRun> runs;
  std::size_t terms = 0;
  std::uint32_t before = 0;
  for (std::uint32_t row = 0, word = begin; row < s.rows; ++row) {
    const std::uint32_t length = length_of(indices + word);
    if (!runs.empty() && runs.back().terms == length && follows(indices + word, indices + before, length)) {
      ++runs.back().rows;
    } else {
      runs.push_back({row, 1, word, length});
      terms += std::max(length, 1u);
      if (terms * least_words > gather.x[1]) return {};
    }
    before = word, word += std::max(length, 1u);
  }
  const auto reads = [&](const ListRun& run) { return reads_results(run, indices, gather.out, s.rows); };
  return std::ranges::any_of(runs, reads) ? std::vector<ListRun>() : runs;
}

bool are_in_tile(const std::vector<ListRun>& runs, const std::uint32_t* indices) {
  const auto is_in_tile = [](std::uint32_t word) { return (word & Program::uniform_slot) == 0; };
  return !runs.empty() && std::all_of(runs.begin(), runs.end(), [&](const ListRun& run) {
    return std::all_of(indices + run.word, indices + run.word + run.terms, is_in_tile);
  });
}

namespace {

/// So many rows at least are computed together, or copied together.
constexpr std::uint32_t least_alike = 4, least_copies = 8;

bool is_product(std::uint32_t word) { return (word & Program::times_next) != 0; }
bool is_uniform(std::uint32_t word) { return (word & Program::uniform_slot) != 0; }

/// Words of the list that begins there, those of factors with them; of an empty list, one.
std::uint32_t words_of(const std::uint32_t* list) {
  std::uint32_t words = 0;
  bool last = false;
  while (!last) {
    const std::uint32_t word = list[words];
    last = (word & Program::last_slot) != 0;
    words += is_product(word) ? 2 : 1;
  }
  return words;
}

/// Whether use(k, part) says so of each of so many words of a list.
template <class Use>
bool all_words(const std::uint32_t* list, std::uint32_t words, Use&& use) {
  for (std::uint32_t k = 0; k < words; ++k) {
    if (!is_product(list[k])) {
      if (!use(k, AlikeLists::term)) return false;
      continue;
    }
    if (!use(k, AlikeLists::first_factor) || !use(k + 1, AlikeLists::second_factor)) return false;
    ++k;
  }
  return true;
}

/// Whether so many words of `next` are alike those of `list`. Steps are compared with those of the run, or are its
/// first ones.
bool are_alike(const std::uint32_t* list, const std::uint32_t* next, std::uint32_t words, bool are_first,
               std::int32_t (&steps)[AlikeLists::parts]) {
  bool is_known[AlikeLists::parts];
  std::fill_n(is_known, AlikeLists::parts, !are_first);
  return all_words(list, words, [&](std::uint32_t k, AlikeLists::Part part) {
    const std::uint32_t slot = Program::slot_of(list[k]), of_next = Program::slot_of(next[k]);
    const bool same_flags = (list[k] ^ slot) == (next[k] ^ of_next);
    if (!same_flags || slot == Program::empty_list) return false;
    const auto step = static_cast<std::int32_t>(of_next - slot);
    if (is_uniform(list[k])) return step == 0;
    if (!std::exchange(is_known[part], true)) steps[part] = step;
    return steps[part] == step;
  });
}

/// Whether a list reads a row that is written for another one of the run.
bool reads_results(const AlikeLists& run, const std::uint32_t* indices, std::uint32_t out) {
  const std::int64_t begin = out + run.row, end = begin + run.rows;
  const std::uint32_t* const list = indices + run.word;
  return !all_words(list, run.words, [&](std::uint32_t k, AlikeLists::Part part) {
    const std::int64_t step = run.steps[part], first = Program::slot_of(list[k]), last = first + step * (run.rows - 1);
    const bool is_own = first == begin && step == 1;
    return is_uniform(list[k]) || is_own || std::max(first, last) < begin || end <= std::min(first, last);
  });
}

}  // namespace

std::vector<AlikeLists> find_alike_lists(const Instruction& gather, const Shape& s, const std::uint32_t* indices) {
  std::vector<AlikeLists> found;
  const auto add = [&](AlikeLists run) {
    const std::uint32_t least = run.words == 1 ? least_copies : least_alike;
    const bool shares = run.steps[AlikeLists::first_factor] == 0;
    const bool alike = run.rows >= least && shares && !reads_results(run, indices, gather.out);
    if (alike) return found.push_back(run);
    run.words = 0;
    if (found.empty() || found.back().words > 0) return found.push_back(run);
    found.back().rows += run.rows;
  };
  const auto begin = [&](std::uint32_t row, std::uint32_t word) {
    return AlikeLists{.row = row, .rows = 1, .word = word, .words = words_of(indices + word)};
  };
  AlikeLists run = begin(0, gather.x[0]);
  std::uint32_t before = gather.x[0];
  for (std::uint32_t row = 1; row < s.rows; ++row) {
    const AlikeLists next = begin(row, before + run.words);
    const auto goes_on = [&] {
      return next.words == run.words &&
             are_alike(indices + before, indices + next.word, next.words, run.rows == 1, run.steps);
    };
    bool is_alike = goes_on();
    if (!is_alike && run.rows == 2) {  // by chance: the second one may begin what goes on
      run.rows = 1;
      add(run);
      run = begin(row - 1, before);
      is_alike = goes_on();
    }
    if (is_alike) {
      ++run.rows;
    } else {
      add(run);
      run = next;
    }
    before = next.word;
  }
  add(run);
  return found;
}

void order_factors(const Instruction& gather, const Shape& s, std::uint32_t* indices) {
  const auto swap = [](std::uint32_t* product) {
    const std::uint32_t first = Program::slot_of(product[0]);
    product[0] = (product[0] ^ first) | product[1], product[1] = first;
  };
  /// Calls use(k) for the first word of each product of rows, as long as that says yes.
  const auto each_product = [](const std::uint32_t* list, std::uint32_t words, auto&& use) {
    return all_words(list, words, [&](std::uint32_t k, AlikeLists::Part part) {
      return part != AlikeLists::first_factor || is_uniform(list[k]) || use(k);
    });
  };
  std::uint32_t* before = indices + gather.x[0];
  std::uint32_t words = words_of(before);
  bool is_ordered = false;  // `before`, by the list before it
  for (std::uint32_t row = 1; row < s.rows; ++row) {
    std::uint32_t* const list = before + words;
    const std::uint32_t words_before = std::exchange(words, words_of(list));
    is_ordered = words == words_before && each_product(before, words, [&](std::uint32_t k) {
                   if (!is_product(list[k]) || is_uniform(list[k])) return false;
                   const std::uint32_t a = Program::slot_of(list[k]), b = list[k + 1];
                   const std::uint32_t x = Program::slot_of(before[k]), y = before[k + 1];
                   return a == x || b == x || (!is_ordered && (a == y || b == y));
                 });
    if (is_ordered) {
      each_product(before, words, [&](std::uint32_t k) {
        const std::uint32_t a = Program::slot_of(list[k]), b = list[k + 1], x = Program::slot_of(before[k]);
        if (a != x && b != x) swap(before + k);
        if (a != Program::slot_of(before[k])) swap(list + k);
        return true;
      });
    }
    before = list;
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
