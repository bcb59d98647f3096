#include "tapeloom/compiler/fold/sample_picks.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// What samples pick from is computed for all: at most so many times what a sample computes now.
constexpr std::size_t most_candidates = 4;
/// A choice is looked for among so many latest branches, and between so many latest choices: what a branch chose is
/// mostly read right after it, and then known.
constexpr std::size_t most_branches = 8, most_choices = 2;

}  // namespace

/// Only if each guard was taken before the next condition was computed. Then what a branch chose is read by conditions
/// of later guards alone, and a guard that fails is reported before any that read the wrong choice.
void SamplePicks::find_branches() {
  const Request& request = sums_.sums().request();
  if (!std::ranges::is_sorted(request.conditions(), {}, &NodeId::index)) return;
  for (const SampleColumns::Guarded& guarded : columns_.guards()) {
    Branch& branch = branches_.emplace_back(Branch{guarded.position, {}, {}});
    for (std::uint32_t guard : guarded.guards) branch.taken.push_back(sums_.tape().guards()[guard].expected);
    const std::uint8_t operands = sums_.tape().operands(columns_.member(0, guarded.position)).count;
    for (std::uint32_t k = 0; k < operands; ++k) branch.operands.push_back({guarded.position, k});
  }
}

/// A term is read where its sum ends. What a guard after that decides is not known yet there.
std::uint32_t SamplePicks::end_of(const Reader& reader) const {
  if (reader[1] != SampleColumns::of_group) return reader[0];
  const NodeId sum = sums_.groups[reader[0]].sum;
  auto end = static_cast<std::uint32_t>(columns_.size());
  for (std::uint32_t s = 0; s < columns_.samples(); ++s) {
    while (end > 0 && columns_.member(s, end - 1).index > sum.index) --end;
  }
  return end;
}

SamplePicks::Positions SamplePicks::positions(const Reader& reader) const {
  Positions read;
  for (std::uint32_t s = 0; s < columns_.samples(); ++s) read.push_back(columns_.position(columns_.read(reader, s)));
  return read;
}

bool SamplePicks::collect(const std::function<std::uint32_t(std::vector<double>)>& add_input) {
  if (columns_.picks().empty()) return true;
  find_branches();
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> alike;  // by hash; looked up, never walked
  for (std::uint32_t k = 0; k < columns_.size(); ++k) alike[sums_.hash(columns_.member(0, k))].push_back(k);
  std::vector<Reader> readers(columns_.picks().begin(), columns_.picks().end());
  // Terms are read last.
  const auto is_term = [](const Reader& reader) { return reader[1] == SampleColumns::of_group; };
  if (!branches_.empty())
    std::stable_partition(readers.begin(), readers.end(), [&](const Reader& reader) { return !is_term(reader); });
  std::size_t total = 0;
  for (const Reader& reader : readers) {
    const Positions read = positions(reader);
    const std::uint32_t end = end_of(reader);
    // A sum may end in one sample before what it adds up in another is computed there.
    if (std::ranges::any_of(read, [&](std::uint32_t position) { return position >= end; })) return false;
    if (const auto known = same_.find(read); known != same_.end() && picks_[known->second].end <= end) {
      of_reader_[reader] = known->second;
      continue;
    }
    const auto next = static_cast<std::uint32_t>(picks_.size());
    Pick& pick = picks_.emplace_back();
    pick.end = end;
    pick.choice = find_choice(end, read);
    if (pick.choice) {
      choices_.push_back(next), same_.insert_or_assign(read, next);
      ++total;
    } else {
      const std::vector<std::uint32_t>& all = alike[sums_.hash(columns_.read(reader, 0))];
      pick.candidates.assign(all.begin(), std::ranges::lower_bound(all, end));
      std::vector<double> numbers;
      for (const std::uint32_t position : read) {
        const auto at = std::ranges::lower_bound(pick.candidates, position);
        TAPELOOM_CHECK(at != pick.candidates.end() && *at == position);
        numbers.push_back(static_cast<double>(at - pick.candidates.begin()));
      }
      pick.input = add_input(std::move(numbers));
      total += pick.candidates.size();
    }
    of_reader_[reader] = next;
    read_.push_back(read);
    if (total > most_candidates * columns_.size()) return false;
  }
  return true;
}

/// By the latest branch before position `end` that chose what is read.
std::optional<Pick::Choice> SamplePicks::find_choice(std::uint32_t end, const Positions& read) const {
  const auto after = std::ranges::lower_bound(branches_, end, {}, &Branch::condition);
  std::size_t looked = 0;
  for (auto branch = after; branch != branches_.begin() && looked < most_branches; ++looked) {
    --branch;
    Pick::Choice choice{branch->condition, {}, {}};
    if (find_side(*branch, true, end, read, choice) && find_side(*branch, false, end, read, choice)) return choice;
  }
  return std::nullopt;
}

/// What is read in the samples in which a branch was taken, or was not: always one position, or what the condition's
/// operands read, or an earlier choice.
bool SamplePicks::find_side(const Branch& branch, bool taken, std::uint32_t end, const Positions& read,
                            Pick::Choice& choice) const {
  const auto is = [&](const auto& position_of) {
    for (std::uint32_t s = 0; s < read.size(); ++s) {
      if (branch.taken[s] == taken && position_of(s) != read[s]) return false;
    }
    return true;
  };
  const auto first = std::ranges::find(branch.taken, taken);
  if (first == branch.taken.end()) return false;
  const std::uint32_t position = read[static_cast<std::size_t>(first - branch.taken.begin())];
  const std::size_t side = taken ? 0 : 1;
  choice.of[side] = position, choice.of_pick[side] = false;
  if (is([&](std::uint32_t) { return position; })) return true;
  choice.of_pick[side] = true;
  const auto is_pick = [&](std::uint32_t pick) {
    choice.of[side] = pick;
    return picks_[pick].end <= end && is([&](std::uint32_t s) { return read_[pick][s]; });
  };
  for (const Reader& operand : branch.operands) {
    if (const std::uint32_t pick = of_reader(operand); pick != none && is_pick(pick)) return true;
  }
  for (std::size_t k = 0; k < std::min(choices_.size(), most_choices); ++k) {
    if (is_pick(choices_[choices_.size() - 1 - k])) return true;
  }
  return false;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
