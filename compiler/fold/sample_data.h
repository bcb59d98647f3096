#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapeloom/compiler/fold/sample_sums.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// The nodes of recorded samples, which compute alike.
struct SampleColumns {
  std::uint32_t samples = 0;
  std::size_t size = 0;           ///< nodes of a sample
  LargeVector<NodeId> members;    ///< one sample after another, each in recorded order
  LargeVector<std::uint32_t> of;  ///< of each node: its sample; other numbers are no sample's
  LargeVector<std::uint32_t> at;  ///< of each node of a sample: which it is there

  NodeId member(std::uint32_t sample, std::size_t k) const { return members[sample * size + k]; }
  bool has(NodeId node) const { return of[node.index] < samples; }
};

/// The constants of recorded samples: those that are data become inputs, the others stay literals. Data are constants
/// that differ from sample to sample, and of the products w * x that are added up with such, all x: a feature may have
/// the same number in all samples. Equal numbers are one input, but not if a sum multiplies them with different
/// weights: features may be alike, too. Inputs come in recorded order, and after them, in the order of the weights they
/// meet first, those of which each use was recorded anew.
class SampleData {
 public:
  /// Operand j of the k-th node of every sample.
  using Place = std::array<std::uint32_t, 2>;
  static constexpr std::uint32_t none = UINT32_MAX;

  void collect(const Tape& tape, const SampleSums& sums, const SampleColumns& columns);
  /// The input with these numbers, one a sample.
  std::uint32_t add(std::vector<double> numbers);
  /// The input that is read there, or none.
  std::uint32_t input_of(const Place& place) const {
    const auto found = input_of_.find(place);
    return found == input_of_.end() ? none : found->second;
  }
  /// Of each input, the numbers of all samples.
  const std::vector<std::vector<double>>& inputs() const { return inputs_; }

 private:
  struct Constant {
    Place place;
    std::uint32_t numbers;          // index into inputs_
    std::uint64_t identity;         // of the nodes of all samples
    std::uint32_t recorded = none;  // the node of the first sample, if it is read in several places
    std::uint32_t sum = none, weight = none;
    bool data = false;
    std::uint64_t which = 0;  // of several inputs with the same numbers
  };

  void find_constants(const Tape& tape, const SampleColumns& columns);
  void find_weights(const Tape& tape, const SampleSums& sums, const SampleColumns& columns);
  void decide_on_data();
  void tell_apart();
  std::uint32_t find_or_add(std::vector<double> numbers);

  std::vector<Constant> constants_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> known_;  // by hash; looked up, never walked
  std::map<Place, std::uint32_t> input_of_;
  std::vector<std::vector<double>> inputs_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
