// What samples pick from, where they read different ones of values that compute alike.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "tapeloom/compiler/fold/sample_columns.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// One of the positions of nodes that compute alike.
struct Pick {
  /// An input says which of these it is, for each sample: their index. They rise.
  std::vector<std::uint32_t> candidates;
  std::uint32_t input = 0;
  /// What it is computed from, conditions included, lies before that position.
  std::uint32_t end = 0;

  /// Or a guard says it, as a branch chose: where the condition at that position holds, it is the first of two.
  struct Choice {
    std::uint32_t condition;
    /// Each is a position, or what another pick gives.
    std::array<std::uint32_t, 2> of;
    std::array<bool, 2> of_pick;
  };
  std::optional<Choice> choice;
};

/// The picks of all readers, found once.
class SamplePicks {
 public:
  using Reader = SampleColumns::Reader;
  static constexpr std::uint32_t none = SampleColumns::none;

  SamplePicks(const SampleSums& sums, const SampleColumns& columns) : sums_(sums), columns_(columns) {}

  /// `add_input` makes an input of numbers, one a sample. False if more were computed than there is now, or a sum would
  /// end before something that it picks from is there.
  bool collect(const std::function<std::uint32_t(std::vector<double>)>& add_input);

  /// What is picked there, as a number below size(), or none.
  std::uint32_t of_reader(const Reader& reader) const {
    const auto found = of_reader_.find(reader);
    return found == of_reader_.end() ? none : found->second;
  }
  std::size_t size() const { return picks_.size(); }
  /// Choices are between earlier ones.
  const Pick& operator[](std::size_t i) const { return picks_[i]; }

 private:
  /// The position of what is read in each sample.
  using Positions = std::vector<std::uint32_t>;
  struct Branch {
    std::uint32_t condition;
    std::vector<bool> taken;  // in each sample
    std::vector<Reader> operands;
  };

  void find_branches();
  /// What lies before that position has been computed in every sample when it is read.
  std::uint32_t end_of(const Reader& reader) const;
  Positions positions(const Reader& reader) const;
  std::optional<Pick::Choice> find_choice(std::uint32_t end, const Positions& read) const;
  bool find_side(const Branch& branch, bool taken, std::uint32_t end, const Positions& read,
                 Pick::Choice& choice) const;

  const SampleSums& sums_;
  const SampleColumns& columns_;
  std::vector<Branch> branches_;
  std::vector<Pick> picks_;
  std::vector<Positions> read_;              // by each pick
  std::vector<std::uint32_t> choices_;       // the picks that are choices
  std::map<Positions, std::uint32_t> same_;  // of the choices
  std::map<Reader, std::uint32_t> of_reader_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
