// The recording of one sample, written from that of many: their data as inputs, sums over them as batch sums.
#include "tapeloom/compiler/fold/fold_samples.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapeloom/compiler/fold/copy_leaves.h"
#include "tapeloom/compiler/fold/sample_columns.h"
#include "tapeloom/compiler/fold/sample_picks.h"
#include "tapeloom/compiler/graph/tables.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Up to so many alike terms of the last sum may be batches of samples; of more, each may have as many alike positions
/// as there are terms.
constexpr std::uint32_t most_batches = 3;

std::uint64_t bits(double number) { return std::bit_cast<std::uint64_t>(number); }

bool all_equal(const std::vector<double>& numbers) {
  return std::ranges::all_of(numbers, [&](double number) { return bits(number) == bits(numbers[0]); });
}

/// The constants of recorded samples: those that are data become inputs, the others stay literals. Data are constants
/// that differ from sample to sample, and of the products w * x that are added up with such, all x: a feature may have
/// the same number in all samples. Equal numbers are one input, but not if a sum multiplies them with different
/// weights: features may be alike, too. Inputs come in recorded order, and after them, in the order of the weights they
/// meet first, those of which each use was recorded anew.
class SampleData {
 public:
  /// Operand j of the k-th node of every sample.
  using Reader = SampleColumns::Reader;
  static constexpr std::uint32_t none = SampleColumns::none;

  SampleData(const Request& request, const SampleColumns& columns);
  /// The input with these numbers, one a sample; a new one if there is none.
  std::uint32_t find_or_add(std::vector<double> numbers);
  /// The input that is read there, or none.
  std::uint32_t input_of(const Reader& reader) const {
    const auto found = input_of_.find(reader);
    return found == input_of_.end() ? none : found->second;
  }
  /// Of each input, the numbers of all samples.
  const std::vector<std::vector<double>>& inputs() const { return inputs_; }

 private:
  struct Constant {
    Reader reader;
    std::uint32_t numbers;          // index into inputs_
    std::uint64_t identity;         // of the nodes of all samples
    std::uint32_t recorded = none;  // the node of the first sample, if it is read by several readers
    std::uint32_t sum = none, weight = none;
    bool data = false;
    std::uint64_t which = 0;  // of several inputs with the same numbers
  };

  void find_constants(const Tape& tape, const SampleColumns& columns);
  void find_weights(const Request& request, const SampleColumns& columns);
  void decide_on_data();
  void tell_apart();

  std::vector<Constant> constants_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> known_;  // by hash; looked up, never walked
  std::map<Reader, std::uint32_t> input_of_;
  std::vector<std::vector<double>> inputs_;
};

SampleData::SampleData(const Request& request, const SampleColumns& columns) {
  find_constants(request.tape(), columns);
  find_weights(request, columns);
  decide_on_data();
  std::erase_if(constants_, [](const Constant& constant) { return !constant.data; });
  tell_apart();
  // Now those that are one input have the same numbers and `which`.
  std::ranges::sort(constants_, {}, [](const Constant& c) { return std::tuple(c.recorded, c.weight, c.reader); });
  const std::vector<std::vector<double>> numbers = std::exchange(inputs_, {});
  known_.clear();
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> inputs;
  for (const Constant& constant : constants_) {
    const auto next = static_cast<std::uint32_t>(inputs_.size());
    const auto [input, added] = inputs.try_emplace({constant.numbers, constant.which}, next);
    if (added) inputs_.push_back(numbers[constant.numbers]);
    input_of_[constant.reader] = input->second;
  }
}

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

/// All samples have constants for the same readers.
void SampleData::find_constants(const Tape& tape, const SampleColumns& columns) {
  const auto operand = [&](std::uint32_t s, const Reader& reader) {
    return tape.operands(columns.member(s, reader[0])).node[reader[1]];
  };
  for (std::uint32_t k = 0; k < columns.size(); ++k) {
    const Operands x = tape.operands(columns.member(0, k));
    for (std::uint32_t j = 0; j < x.count; ++j) {
      if (tape.op(x.node[j]) == Op::constant) constants_.push_back({.reader = {k, j}, .numbers = 0, .identity = 0});
    }
  }
  // Sample by sample, as they mostly lie on the tape.
  std::vector<std::vector<double>> numbers(constants_.size(), std::vector<double>(columns.samples()));
  for (std::uint32_t s = 0; s < columns.samples(); ++s) {
    for (std::size_t i = 0; i < constants_.size(); ++i) {
      const NodeId node = operand(s, constants_[i].reader);
      if (s == 0) constants_[i].recorded = node.index;
      numbers[i][s] = tape.data(node);
      constants_[i].identity = mix(constants_[i].identity, node.index);
    }
  }
  for (std::size_t i = 0; i < constants_.size(); ++i) constants_[i].numbers = find_or_add(std::move(numbers[i]));
}

/// For constants that are multiplied with what does not depend on the sample: that, and the sum it is a term of.
void SampleData::find_weights(const Request& request, const SampleColumns& columns) {
  const Tape& tape = request.tape();
  std::vector<std::uint32_t> sum_of(columns.size(), none);
  for (std::uint32_t k = static_cast<std::uint32_t>(columns.size()); k-- > 0;) {
    const NodeId node = columns.member(0, k);
    const Op op = tape.op(node);
    if (op != Op::add && op != Op::sub && op != Op::neg) continue;
    const std::uint32_t sum = sum_of[k] == none ? k : sum_of[k];
    for (NodeId x : tape.operands(node)) {
      if (columns.has(x) && request.uses(x) == 1) sum_of[columns.position(x)] = sum;
    }
  }
  for (Constant& constant : constants_) {
    const NodeId product = columns.member(0, constant.reader[0]);
    if (tape.op(product) != Op::mul || sum_of[constant.reader[0]] == none) continue;
    const NodeId other = tape.operands(product).node[1 - constant.reader[1]];
    if (tape.op(other) == Op::constant || columns.has(other)) continue;
    constant.sum = sum_of[constant.reader[0]], constant.weight = other.index;
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

/// A constant that is read by several readers is what it is. Of others with equal numbers it is only known that those
/// of one sum are different features.
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
  const auto key = [](const Constant* c) { return std::tuple(c->sum, c->numbers, c->weight, c->reader); };
  std::ranges::sort(in_sums, {}, key);
  for (std::size_t i = 1; i < in_sums.size(); ++i) {
    const Constant &before = *in_sums[i - 1], &here = *in_sums[i];
    if (here.sum == before.sum && here.numbers == before.numbers) in_sums[i]->which = before.which + 1;
  }
}

/// Writes the recording of one sample.
class SampleFolder {
 public:
  SampleFolder(SampleSums& sums, const SampleColumns& columns)
      : sums_(sums),
        columns_(columns),
        tape_(sums.tape()),
        data_(sums.sums().request(), columns),
        picks_(sums, columns) {}

  /// Nothing if more were computed than there is now.
  std::optional<FoldedSamples> run() {
    const auto add_input = [&](std::vector<double> numbers) { return data_.find_or_add(std::move(numbers)); };
    if (!picks_.collect(add_input)) return std::nullopt;
    chosen_.resize(picks_.size());
    const Request& request = sums_.sums().request();
    auto folded_tape = std::make_unique<Tape>();
    Tape& to = *folded_tape;
    moved_.assign(request.size(), 0);
    move_leaves(to);
    for (std::size_t i = 0; i < request.size(); ++i) {
      if (request.live(NodeId(i))) move(to, NodeId(i));
    }
    std::vector<NodeId> outputs;
    std::vector<std::uint32_t> samples_of_outputs;
    for (NodeId output : request.outputs()) {
      const bool of_sample = columns_.has(output);
      samples_of_outputs.push_back(of_sample ? columns_.column(output) : 0);
      outputs.push_back(moved(of_sample ? first_like(output) : output).on(to).id());
    }
    GuardNumbers guards = move_guards(to);
    std::vector<std::size_t> all_guards(guards.size());
    std::iota(all_guards.begin(), all_guards.end(), std::size_t{0});
    Request one(to, moved(*request.loss()).on(to).id(), std::move(outputs), std::move(all_guards));
    return FoldedSamples{std::move(folded_tape), std::move(one),     std::move(samples_of_outputs),
                         std::move(guards),      columns_.samples(), rows()};
  }

 private:
  using Reader = SampleColumns::Reader;

  std::vector<double> rows() const {
    std::vector<double> rows;
    rows.reserve(columns_.samples() * data_.inputs().size());
    for (std::uint32_t s = 0; s < columns_.samples(); ++s) {
      for (const std::vector<double>& column : data_.inputs()) rows.push_back(column[s]);
    }
    return rows;
  }

  void move_leaves(Tape& to) {
    const auto made = [&](NodeId node, Value value) {
      if (node.index < moved_.size()) set_moved(node, value);
    };
    copy_parameters(tape_, to, made);
    for (const UniformInputRecord& input : tape_.uniform_inputs())
      made(input.node, copy_uniform_input(tape_, to, input));
    if (!data_.inputs().empty()) inputs_ = to.inputs("(recorded samples)", data_.inputs().size());
  }

  /// The node of the first sample that computes what this one does for its own.
  NodeId first_like(NodeId node) const { return columns_.member(0, columns_.position(node)); }
  /// What stands for a node in the new recording.
  Value moved(NodeId node) const {
    return tape_.op(node) == Op::constant ? Value(tape_.data(node)) : values_[moved_[node.index]];
  }
  void set_moved(NodeId node, Value value) {
    moved_[node.index] = static_cast<std::uint32_t>(values_.size());
    values_.push_back(value);
  }

  void move(Tape& to, NodeId node) {
    const bool of_sample = columns_.has(node);
    if (sums_.sums().is_leaf(node) || (of_sample && columns_.column(node) != 0)) return;
    if (columns_.is_folded(node)) {
      if (sums_.sums().role(node) == Sums::Role::sum) set_moved(node, folded_sum(node));
      return;
    }
    const Operands x = tape_.operands(node);
    Value operands[3];
    for (std::uint32_t j = 0; j < x.count; ++j) {
      operands[j] = of_sample ? read({columns_.position(node), j}, x.node[j]) : moved(x.node[j]);
      // Something of constants alone would be a plain number, and stay one.
      if (operands[j].is_plain()) operands[j] = to.constant(operands[j].data());
    }
    set_moved(node, apply(tape_.op(node), std::span<const Value>(operands, x.count)));
  }

  /// What a reader of the first sample, which reads `node` there, reads in the new recording.
  Value read(const Reader& reader, NodeId node) {
    if (const std::uint32_t pick = picks_.of_reader(reader); pick != SamplePicks::none) return picked(pick);
    const std::uint32_t input = reader[1] == SampleColumns::of_group ? SampleData::none : data_.input_of(reader);
    return input != SampleData::none ? inputs_[input] : moved(node);
  }

  Value of_position(std::uint32_t position) const { return moved(columns_.member(0, position)); }
  /// What was chosen is known to whoever reads it later.
  Value picked(std::uint32_t pick) {
    if (!picks_[pick].choice) return candidate_of_input(picks_[pick]);
    if (chosen_[pick]) return *chosen_[pick];
    const Pick::Choice& choice = *picks_[pick].choice;
    const auto side = [&](std::size_t k) {
      return choice.of_pick[k] ? picked(choice.of[k]) : of_position(choice.of[k]);
    };
    const Value taken = side(0), other = side(1);
    chosen_[pick] = where(of_position(choice.condition), taken, other);
    return *chosen_[pick];
  }

  /// The candidate whose index the input is.
  Value candidate_of_input(const Pick& pick) const {
    std::vector<Value> chosen;
    for (std::size_t k = 0; k < pick.candidates.size(); ++k) {
      chosen.push_back(where(inputs_[pick.input] == static_cast<double>(k), of_position(pick.candidates[k]), 0.0));
    }
    return sum(chosen);
  }

  /// Those of a column, which stand for one of every sample, and the others.
  GuardNumbers move_guards(Tape& to) const {
    GuardNumbers numbers;
    for (const SampleColumns::Guarded& guarded : columns_.guards()) {
      to.guard(of_position(guarded.position).on(to).id());
      numbers.add(guarded.guards);
    }
    const Request& request = sums_.sums().request();
    for (std::size_t i = 0; i < request.conditions().size(); ++i) {
      if (columns_.has(request.conditions()[i])) continue;
      to.guard(moved(request.conditions()[i]).on(to).id());
      numbers.add(static_cast<std::uint32_t>(request.guards()[i]));
    }
    return numbers;
  }

  /// The terms that are not folded, and a batch sum for each group.
  Value folded_sum(NodeId sum) {
    Value total = 0.0;
    const auto add = [&](Value term, bool negative) { total = negative ? total - term : total + term; };
    for (const Term& term : sums_.terms_of(sum)) {
      if (!columns_.has(term.a)) add(moved(term.a), term.negative);
    }
    for (const SampleSums::Group& group : sums_.of(sum)) {
      const auto g = static_cast<std::uint32_t>(&group - sums_.groups.data());
      const Value one = read({g, SampleColumns::of_group}, group.terms[0]);
      add(one.varying() ? batch_sum(one) : one * static_cast<double>(columns_.samples()), group.negative);
    }
    return total;
  }

  SampleSums& sums_;
  const SampleColumns& columns_;
  const Tape& tape_;
  SampleData data_;
  SamplePicks picks_;
  std::vector<std::optional<Value>> chosen_;  // by picks that are choices, once they are read
  LargeVector<std::uint32_t> moved_;          // what stands for each node, in values_
  std::vector<Value> values_ = {Value()};
  std::vector<Value> inputs_;
};

}  // namespace

std::optional<FoldedSamples> fold_samples(const Request& request) {
  if (!request.loss()) return std::nullopt;
  if (!request.tape().input_nodes().empty() || request.has_reductions()) return std::nullopt;
  Sums sums(request, Sums::Terms::nodes);
  SampleSums alike(sums);
  SampleColumns columns(alike);
  const auto fold = [&](const Way& way) {
    return columns.find(way) ? SampleFolder(alike, columns).run() : std::nullopt;
  };
  if (std::optional<FoldedSamples> folded = fold({.outer = true});
      folded && folded->samples > most_batches && columns.complete()) {
    return folded;
  }
  std::optional<FoldedSamples> best;
  for (const bool picks : {false, true}) {
    for (const bool join : {false, true}) {
      std::optional<FoldedSamples> folded = fold({.join = join, .picks = picks});
      if (!folded) continue;
      if (!best || folded->samples > best->samples) best = std::move(folded);
      if (columns.complete() && !picks) return best;
      break;
    }
  }
  return best;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
