#include "tapeloom/compiler/fold/sample_data.h"

#include <algorithm>
#include <tuple>

#include "tapeloom/compiler/graph/unique_table.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

std::uint64_t bits(double number) { return std::bit_cast<std::uint64_t>(number); }

bool all_equal(const std::vector<double>& numbers) {
  return std::ranges::all_of(numbers, [&](double number) { return bits(number) == bits(numbers[0]); });
}

}  // namespace

void SampleData::collect(const Tape& tape, const SampleSums& sums, const SampleColumns& columns) {
  find_constants(tape, columns);
  find_weights(tape, sums, columns);
  decide_on_data();
  std::erase_if(constants_, [](const Constant& constant) { return !constant.data; });
  tell_apart();
  // Now those that are one input have the same numbers and `which`.
  std::ranges::sort(constants_, {}, [](const Constant& c) { return std::tuple(c.recorded, c.weight, c.place); });
  const std::vector<std::vector<double>> numbers = std::exchange(inputs_, {});
  known_.clear();
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> inputs;
  for (const Constant& constant : constants_) {
    const auto next = static_cast<std::uint32_t>(inputs_.size());
    const auto [input, added] = inputs.try_emplace({constant.numbers, constant.which}, next);
    if (added) inputs_.push_back(numbers[constant.numbers]);
    input_of_[constant.place] = input->second;
  }
}

std::uint32_t SampleData::add(std::vector<double> numbers) { return find_or_add(std::move(numbers)); }

std::uint32_t SampleData::find_or_add(std::vector<double> numbers) {
  std::uint64_t hash = 0;
  for (double number : numbers) hash = mix(hash, bits(number));
  std::vector<std::uint32_t>& candidates = known_[hash];
  for (std::uint32_t input : candidates) {
    if (std::ranges::equal(inputs_[input], numbers, {}, bits, bits)) return input;
  }
  candidates.push_back(static_cast<std::uint32_t>(inputs_.size()));
  inputs_.push_back(std::move(numbers));
  return candidates.back();
}

/// All samples have constants in the same places.
void SampleData::find_constants(const Tape& tape, const SampleColumns& columns) {
  const auto operand = [&](std::uint32_t s, const Place& place) {
    return tape.operands(columns.member(s, place[0])).node[place[1]];
  };
  for (std::uint32_t k = 0; k < columns.size; ++k) {
    const Operands x = tape.operands(columns.member(0, k));
    for (std::uint32_t j = 0; j < x.count; ++j) {
      if (tape.op(x.node[j]) == Op::constant) constants_.push_back({.place = {k, j}, .numbers = 0, .identity = 0});
    }
  }
  // Sample by sample, as they mostly lie on the tape.
  std::vector<std::vector<double>> numbers(constants_.size(), std::vector<double>(columns.samples));
  for (std::uint32_t s = 0; s < columns.samples; ++s) {
    for (std::size_t i = 0; i < constants_.size(); ++i) {
      const NodeId node = operand(s, constants_[i].place);
      if (s == 0) constants_[i].recorded = node.index;
      numbers[i][s] = tape.data(node);
      constants_[i].identity = mix(constants_[i].identity, node.index);
    }
  }
  for (std::size_t i = 0; i < constants_.size(); ++i) constants_[i].numbers = find_or_add(std::move(numbers[i]));
}

/// For constants that are multiplied with what does not depend on the sample: that, and the sum it is a term of.
void SampleData::find_weights(const Tape& tape, const SampleSums& sums, const SampleColumns& columns) {
  std::vector<std::uint32_t> sum_of(columns.size, none);
  for (std::uint32_t k = static_cast<std::uint32_t>(columns.size); k-- > 0;) {
    const NodeId node = columns.member(0, k);
    const Op op = tape.op(node);
    if (op != Op::add && op != Op::sub && op != Op::neg) continue;
    const std::uint32_t sum = sum_of[k] == none ? k : sum_of[k];
    for (NodeId x : tape.operands(node)) {
      if (columns.has(x) && sums.uses[x.index] == 1) sum_of[columns.at[x.index]] = sum;
    }
  }
  for (Constant& constant : constants_) {
    const NodeId product = columns.member(0, constant.place[0]);
    if (tape.op(product) != Op::mul || sum_of[constant.place[0]] == none) continue;
    const NodeId other = tape.operands(product).node[1 - constant.place[1]];
    if (tape.op(other) == Op::constant || columns.has(other)) continue;
    constant.sum = sum_of[constant.place[0]], constant.weight = other.index;
  }
}

void SampleData::decide_on_data() {
  std::vector<std::uint8_t> same(inputs_.size());
  for (std::size_t i = 0; i < inputs_.size(); ++i) same[i] = all_equal(inputs_[i]);
  std::vector<std::uint32_t> sums;  // with data
  for (Constant& constant : constants_) {
    constant.data = !same[constant.numbers];
    if (constant.data && constant.sum != none) sums.push_back(constant.sum);
  }
  std::ranges::sort(sums);
  for (Constant& constant : constants_) {
    if (constant.sum != none && std::ranges::binary_search(sums, constant.sum)) constant.data = true;
  }
}

/// A constant that is read in several places is what it is. Of others with equal numbers it is only known that those of
/// one sum are different features.
void SampleData::tell_apart() {
  std::unordered_map<std::uint64_t, std::uint32_t> readers;
  for (const Constant& constant : constants_) ++readers[constant.identity];
  std::vector<Constant*> in_sums;
  for (Constant& constant : constants_) {
    if (readers[constant.identity] > 1) {
      constant.which = constant.identity | 1ull << 63;
      continue;
    }
    constant.recorded = none;
    if (constant.sum != none) in_sums.push_back(&constant);
  }
  const auto key = [](const Constant* c) { return std::tuple(c->sum, c->numbers, c->weight, c->place); };
  std::ranges::sort(in_sums, {}, key);
  for (std::size_t i = 1; i < in_sums.size(); ++i) {
    const Constant &before = *in_sums[i - 1], &here = *in_sums[i];
    if (here.sum == before.sum && here.numbers == before.numbers) in_sums[i]->which = before.which + 1;
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
