#include "tapeloom/compiler/fold_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <unordered_map>

#include "tapeloom/compiler/sample_picks.h"
#include "tapeloom/compiler/sample_sums.h"
#include "tapeloom/compiler/unique_table.h"
#include "tapeloom/core/value.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

// What a node belongs to: a column is a sample.
constexpr std::uint32_t outside = SampleSums::outside;
constexpr std::uint32_t shared = UINT32_MAX - 1;

class SampleFolder {
 public:
  /// With `picks`, samples may read different ones of values that compute alike.
  SampleFolder(const Tape& tape, NodeId loss, std::span<const NodeId> outputs, bool picks)
      : tape_(tape), loss_(loss), outputs_(outputs), may_pick_(picks) {}

  std::optional<FoldedSamples> run() {
    if (!sums_.find(tape_, loss_, outputs_, may_pick_)) return std::nullopt;
    if (!assign_columns() || !columns_stand_alone() || !columns_are_alike()) return std::nullopt;
    collect_data();
    if (!collect_picks()) return std::nullopt;
    return build();
  }

  /// False if there may be more samples than that: if a folded sum has other terms of constants, or its terms are of
  /// several kinds that have nothing in common.
  bool complete() const { return joined_ && sums_.complete(); }

 private:
  using Group = SampleSums::Group;

  bool is(NodeId node, Op op) const { return tape_.op(node) == op; }
  bool is_leaf(NodeId node) const { return op_kind(tape_.op(node)) == OpKind::leaf; }

  // --- columns ------------------------------------------------------------------------------------------------------

  bool assign_columns() {
    column_.assign(sums_.uses.size(), outside);
    for (Group& group : sums_.groups) {
      const bool first = &group == &sums_.groups.front();
      std::vector<NodeId> by_column(sums_.samples, NodeId(std::size_t{outside}));
      for (std::uint32_t s = 0; s < sums_.samples; ++s) {
        const std::uint32_t known = first ? s : known_column(group.terms[s]), column = known == outside ? s : known;
        joined_ = joined_ && known != outside;
        if (column >= sums_.samples || by_column[column].index != outside) return false;
        by_column[column] = group.terms[s];
        claim(group.terms[s], column);
      }
      group.terms = by_column;
    }
    return true;
  }

  /// The column of the first part of the term that has one, else outside.
  std::uint32_t known_column(NodeId term) {
    std::vector<NodeId> stack = {term};
    seen_.resize(sums_.uses.size(), 0);
    ++visit_;
    while (!stack.empty()) {
      const NodeId node = stack.back();
      stack.pop_back();
      if (column_[node.index] < sums_.samples) return column_[node.index];
      if (seen_[node.index] == visit_ || column_[node.index] == shared || is_leaf(node) || !sums_.has_data[node.index])
        continue;
      seen_[node.index] = visit_;
      for (NodeId x : tape_.operands(node)) stack.push_back(x);
    }
    return outside;
  }

  /// Everything below a term that depends on constants is of its column; what two columns reach is shared by all.
  void claim(NodeId term, std::uint32_t column) {
    std::vector<std::pair<NodeId, std::uint32_t>> stack = {{term, column}};
    while (!stack.empty()) {
      const auto [node, wanted] = stack.back();
      stack.pop_back();
      if (is_leaf(node) || !sums_.has_data[node.index]) continue;
      std::uint32_t& has = column_[node.index];
      if (has == wanted || has == shared) continue;
      has = has == outside ? wanted : shared;
      for (NodeId x : tape_.operands(node)) stack.push_back({x, has});
    }
  }

  /// Nothing outside a column uses its nodes, but the folded sums their terms.
  bool columns_stand_alone() {
    LargeVector<std::uint8_t> is_term(sums_.uses.size(), 0);
    for (const Group& group : sums_.groups) {
      for (NodeId term : group.terms) {
        if (column_[term.index] >= sums_.samples) return false;
        is_term[term.index] = 1;
      }
    }
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) {
      const NodeId node{std::size_t{i}};
      if (sums_.uses[i] == 0 || is_leaf(node)) continue;
      for (NodeId x : tape_.operands(node)) {
        const std::uint32_t column = column_[x.index];
        if (column >= sums_.samples || column == column_[i]) continue;
        if (!(is_term[x.index] && sums_.chain_of[i] != outside && folded(NodeId(std::size_t{sums_.chain_of[i]}))))
          return false;
      }
    }
    return true;
  }

  bool folded(NodeId sum) const {
    return std::any_of(sums_.groups.begin(), sums_.groups.end(), [&](const Group& group) { return group.sum == sum; });
  }

  /// The k-th nodes of all columns have the same op of the same operands, constants apart.
  bool columns_are_alike() {
    std::vector<std::uint32_t> sizes(sums_.samples, 0);
    place_.assign(sums_.uses.size(), 0);
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) {
      if (column_[i] < sums_.samples) place_[i] = sizes[column_[i]]++;
    }
    column_size_ = sizes[0];
    if (!std::ranges::all_of(sizes, [&](std::uint32_t size) { return size == column_size_; })) return false;
    members_.resize(sums_.samples * column_size_);
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) {
      if (column_[i] < sums_.samples) members_[column_[i] * column_size_ + place_[i]] = NodeId(std::size_t{i});
    }
    // Column by column, as they mostly lie on the tape.
    for (std::uint32_t s = 1; s < sums_.samples; ++s) {
      for (std::size_t k = 0; k < column_size_; ++k) {
        if (!alike(member(0, k), member(s, k))) return false;
      }
    }
    for (std::uint32_t g = 0; g < sums_.groups.size(); ++g) {
      const std::vector<NodeId>& terms = sums_.groups[g].terms;
      for (NodeId term : terms) {
        if (place_[term.index] != place_[terms[0].index] && !may_read({g, SamplePicks::term}, term, terms[0]))
          return false;
      }
    }
    return true;
  }

  /// The k-th node of a column.
  NodeId member(std::uint32_t column, std::size_t k) const { return members_[column * column_size_ + k]; }

  /// True if a reader of one may read the other in another sample.
  bool may_read(const SamplePicks::Reader& reader, NodeId a, NodeId b) {
    if (!may_pick_ || sums_.hash[a.index] != sums_.hash[b.index]) return false;
    picks_.note(reader);
    return true;
  }

  bool alike(NodeId a, NodeId b) {
    if (tape_.op(a) != tape_.op(b)) return false;
    const Operands x = tape_.operands(a), y = tape_.operands(b);
    for (std::uint32_t k = 0; k < x.count; ++k) {
      const NodeId p = x.node[k], q = y.node[k];
      if (is(p, Op::constant) && is(q, Op::constant)) continue;
      if (column_[p.index] < sums_.samples && column_[q.index] < sums_.samples) {
        if (place_[p.index] != place_[q.index] && !may_read({place_[a.index], k}, p, q)) return false;
      } else if (p != q) {
        return false;
      }
    }
    return true;
  }

  // --- data ---------------------------------------------------------------------------------------------------------

  /// The constants that columns read: literals, or inputs. All read them in the same places.
  void collect_data() {
    std::vector<std::array<std::uint32_t, 2>> places;  // operand j of the k-th node
    for (std::uint32_t k = 0; k < column_size_; ++k) {
      const Operands x = tape_.operands(member(0, k));
      for (std::uint32_t j = 0; j < x.count; ++j) {
        if (is(x.node[j], Op::constant)) places.push_back({k, j});
      }
    }
    // Column by column, as they mostly lie on the tape.
    std::vector<std::vector<double>> numbers(places.size(), std::vector<double>(sums_.samples));
    for (std::uint32_t s = 0; s < sums_.samples; ++s) {
      for (std::size_t i = 0; i < places.size(); ++i) {
        numbers[i][s] = tape_.data(tape_.operands(member(s, places[i][0])).node[places[i][1]]);
      }
    }
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> known;  // looked up, never walked
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
      const std::uint64_t first = bits(numbers[i][0]);
      if (std::ranges::all_of(numbers[i], [&](double number) { return bits(number) == first; })) continue;
      std::uint64_t hash = 0;
      for (double number : numbers[i]) hash = mix(hash, bits(number));
      input_of_[places[i]] = find_or_add(known[hash], std::move(numbers[i]));
    }
  }

  /// What each sample picks from, and a number for each that says which; false if that were more than there is now.
  bool collect_picks() {
    if (picks_.empty()) return true;
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> places;  // by hash; looked up, never walked
    for (std::uint32_t k = 0; k < column_size_; ++k) places[sums_.hash[member(0, k).index]].push_back(k);
    std::size_t total = 0;
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> known;
    return picks_.each([&](const SamplePicks::Reader& reader, SamplePicks::Pick& pick) {
      const auto read = [&](std::uint32_t s) {
        if (reader[1] == SamplePicks::term) return sums_.groups[reader[0]].terms[s];
        return tape_.operands(member(s, reader[0])).node[reader[1]];
      };
      const std::vector<std::uint32_t>& all = places[sums_.hash[read(0).index]];
      const std::uint32_t end = reader[1] == SamplePicks::term ? UINT32_MAX : reader[0];
      pick.candidates.assign(all.begin(), std::lower_bound(all.begin(), all.end(), end));
      std::vector<double> numbers;
      std::uint64_t hash = 0;
      for (std::uint32_t s = 0; s < sums_.samples; ++s) {
        const auto at = std::lower_bound(pick.candidates.begin(), pick.candidates.end(), place_[read(s).index]);
        numbers.push_back(static_cast<double>(at - pick.candidates.begin()));
        hash = mix(hash, std::bit_cast<std::uint64_t>(numbers.back()));
      }
      pick.input = find_or_add(known[hash], std::move(numbers));
      total += pick.candidates.size();
      return total <= 4 * column_size_;
    });
  }

  std::uint32_t find_or_add(std::vector<std::uint32_t>& candidates, std::vector<double> numbers) {
    const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
    for (std::uint32_t input : candidates) {
      if (std::ranges::equal(data_[input], numbers, {}, bits, bits)) return input;
    }
    data_.push_back(std::move(numbers));
    candidates.push_back(static_cast<std::uint32_t>(data_.size() - 1));
    return candidates.back();
  }

  // --- the folded recording -----------------------------------------------------------------------------------------

  FoldedSamples build() {
    FoldedSamples result;
    result.tape = std::make_unique<Tape>();
    Tape& to = *result.tape;
    moved_.assign(sums_.uses.size(), 0);
    for (const ParameterRecord& parameter : tape_.parameters()) {
      const Value value = to.parameter(tape_.data(parameter.node));
      to.set_frozen(value, parameter.frozen);
      if (parameter.node.index < moved_.size()) set_moved(parameter.node, value);
    }
    for (const UniformInputRecord& input : tape_.uniform_inputs()) {
      const Value value = to.uniform_input(tape_.data(input.node), input.name);
      if (input.node.index < moved_.size()) set_moved(input.node, value);
    }
    if (!data_.empty()) inputs_ = to.inputs("(recorded samples)", data_.size());
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) move(to, NodeId(std::size_t{i}));

    result.loss = moved(loss_).on(to).id();
    for (NodeId output : outputs_) {
      const std::uint32_t column = column_[output.index];
      const NodeId first = column < sums_.samples ? member(0, place_[output.index]) : output;
      result.outputs.push_back({moved(first).on(to).id(), column < sums_.samples ? column : 0});
    }
    result.samples = sums_.samples;
    result.rows.reserve(sums_.samples * data_.size());
    for (std::uint32_t s = 0; s < sums_.samples; ++s) {
      for (const std::vector<double>& column : data_) result.rows.push_back(column[s]);
    }
    return result;
  }

  /// What stands for a node in the new recording.
  Value moved(NodeId node) const {
    return is(node, Op::constant) ? Value(tape_.data(node)) : values_[moved_[node.index]];
  }
  void set_moved(NodeId node, Value value) {
    moved_[node.index] = static_cast<std::uint32_t>(values_.size());
    values_.push_back(value);
  }

  void move(Tape& to, NodeId node) {
    if (sums_.uses[node.index] == 0 || is_leaf(node) ||
        (column_[node.index] < sums_.samples && column_[node.index] != 0)) {
      return;
    }
    const std::uint32_t sum = sums_.chain_of[node.index];
    if (sum != outside && folded(NodeId(std::size_t{sum}))) {
      if (sum == node.index) set_moved(node, folded_sum(node));
      return;
    }
    const Operands x = tape_.operands(node);
    Value operands[3];
    for (std::uint32_t j = 0; j < x.count; ++j) {
      const SamplePicks::Pick* pick = column_[node.index] == 0 ? picks_.find({place_[node.index], j}) : nullptr;
      const auto input = column_[node.index] == 0 ? input_of_.find({place_[node.index], j}) : input_of_.end();
      operands[j] = pick != nullptr            ? picked(*pick)
                    : input != input_of_.end() ? inputs_[input->second]
                                               : moved(x.node[j]);
    }
    // Something of constants alone would be a plain number, and stay one.
    for (Value& operand : operands) operand = operand.is_plain() ? to.constant(operand.data()) : operand;
    set_moved(node, apply(tape_.op(node), std::span<const Value>(operands, x.count)));
  }

  Value picked(const SamplePicks::Pick& pick) const {
    std::vector<Value> candidates;
    for (std::uint32_t place : pick.candidates) candidates.push_back(moved(member(0, place)));
    return SamplePicks::picked(inputs_[pick.input], candidates);
  }

  /// The terms that are not folded, and a batch sum for each group.
  Value folded_sum(NodeId sum) {
    Value total = 0.0;
    const auto add = [&](Value term, bool negative) { total = negative ? total - term : total + term; };
    for (const SampleSums::Term& term : sums_.terms_of(tape_, sum)) {
      if (column_[term.node.index] >= sums_.samples) add(moved(term.node), term.negative);
    }
    for (std::uint32_t g = 0; g < sums_.groups.size(); ++g) {
      const Group& group = sums_.groups[g];
      if (group.sum != sum) continue;
      const SamplePicks::Pick* pick = picks_.find({g, SamplePicks::term});
      const Value one = pick != nullptr ? picked(*pick) : moved(group.terms[0]);
      add(one.varying() ? batch_sum(one) : one * static_cast<double>(sums_.samples), group.negative);
    }
    return total;
  }

  const Tape& tape_;
  NodeId loss_;
  std::span<const NodeId> outputs_;
  bool may_pick_;
  bool joined_ = true;  // later groups have parts that the first one's samples have
  SampleSums sums_;
  LargeVector<std::uint32_t> column_;
  LargeVector<std::uint32_t> seen_;
  std::uint32_t visit_ = 0;
  std::size_t column_size_ = 0;
  LargeVector<NodeId> members_;                                     // one column after another, each in recorded order
  LargeVector<std::uint32_t> place_;                                // of a node in its column
  std::map<std::array<std::uint32_t, 2>, std::uint32_t> input_of_;  // of operand j of the k-th node
  SamplePicks picks_;
  std::vector<std::vector<double>> data_;  // of each input
  LargeVector<std::uint32_t> moved_;       // what stands for each node, in values_
  std::vector<Value> values_ = {Value()}, inputs_;
};

}  // namespace

std::optional<FoldedSamples> fold_samples(const Tape& tape, NodeId loss, std::span<const NodeId> outputs) {
  SampleFolder same(tape, loss, outputs, false);
  std::optional<FoldedSamples> result = same.run();
  if (result && same.complete()) return result;
  std::optional<FoldedSamples> picking = SampleFolder(tape, loss, outputs, true).run();
  return picking && (!result || picking->samples > result->samples) ? std::move(picking) : std::move(result);
}

}  // namespace tapeloom::inline v0_1::compiler
