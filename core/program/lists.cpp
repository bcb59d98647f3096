#include "tapeloom/core/program/lists.h"

#include <algorithm>

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
  return runs;
}

bool are_in_tile(const std::vector<ListRun>& runs, const std::uint32_t* indices) {
  const auto is_in_tile = [](std::uint32_t word) { return (word & Program::uniform_slot) == 0; };
  return !runs.empty() && std::all_of(runs.begin(), runs.end(), [&](const ListRun& run) {
    return std::all_of(indices + run.word, indices + run.word + run.terms, is_in_tile);
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
