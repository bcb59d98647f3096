#include "tapeloom/compiler/fold/fold_samples.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "tapeloom/compiler/fold/sample_data.h"
#include "tapeloom/compiler/fold/sample_picks.h"
#include "tapeloom/compiler/fold/sample_sums.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

// What a node belongs to: a column is a sample.
constexpr std::uint32_t outside = SampleSums::outside;
constexpr std::uint32_t shared = UINT32_MAX - 1;

/// What samples are taken to be.
struct Way {
  bool outer = false;  ///< terms of the last sum that has several alike, rather than of the longest
  bool join = false;   ///< of alike terms, all that have something in common are one sample's
  bool picks = false;  ///< samples may read different ones of values that compute alike
};

class SampleFolder {
 public:
  SampleFolder(const Tape& tape, NodeId loss, std::span<const NodeId> outputs)
      : tape_(tape), loss_(loss), outputs_(outputs) {}

  /// May be called again, for another way; what takes memory is kept.
  std::optional<FoldedSamples> run(const Way& way) {
    way_ = way;
    joined_ = true;
    picks_ = {}, data_ = {};
    if (!sums_.find(tape_, loss_, outputs_, way_.picks, way_.outer)) return std::nullopt;
    if (!(way_.join ? join_terms() : assign_columns()) || !columns_stand_alone() || !columns_are_alike())
      return std::nullopt;
    data_.collect(tape_, sums_, columns_);
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
    columns_.samples = sums_.samples;
    columns_.of.assign(sums_.uses.size(), outside);
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

  /// Columns are terms of the largest group that reach a node in common, and whatever else only one of them reaches.
  bool join_terms() {
    const std::vector<NodeId> terms = sums_.groups[0].terms;
    columns_.of.assign(sums_.uses.size(), outside);
    std::vector<std::uint32_t> joined_to(terms.size());
    const auto first_of = [&](std::uint32_t term) {
      while (joined_to[term] != term) term = joined_to[term] = joined_to[joined_to[term]];
      return term;
    };
    std::vector<NodeId> stack;
    for (std::uint32_t i = 0; i < terms.size(); ++i) {
      joined_to[i] = i;
      for (stack = {terms[i]}; !stack.empty();) {
        const NodeId node = stack.back();
        stack.pop_back();
        if (is_leaf(node) || !sums_.has_data[node.index]) continue;
        std::uint32_t& of = columns_.of[node.index];
        if (of == outside) {
          of = i;
          for (NodeId x : tape_.operands(node)) stack.push_back(x);
        } else {
          const std::uint32_t a = first_of(of), b = first_of(i);
          joined_to[std::max(a, b)] = std::min(a, b);
        }
      }
    }
    std::vector<std::uint32_t> column(terms.size());
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < terms.size(); ++i) column[i] = first_of(i) == i ? count++ : column[first_of(i)];
    if (count < 2 || count == terms.size()) return false;
    for (std::uint32_t& of : columns_.of) of = of == outside ? outside : column[of];
    columns_.samples = count;
    return split_groups();
  }

  /// Makes groups of one term a sample of those that have as many of every sample, and leaves out the others.
  bool split_groups() {
    sums_.regroup(tape_, columns_.samples);
    for (const Group& group : std::exchange(sums_.groups, {})) {
      std::vector<std::vector<NodeId>> terms(columns_.samples);
      for (NodeId term : group.terms) {
        const std::uint32_t column = known_column(term);
        if (column < columns_.samples) terms[column].push_back(term);
      }
      const std::size_t each = group.terms.size() / columns_.samples;
      if (!std::ranges::all_of(terms, [&](const auto& of_sample) { return of_sample.size() == each; })) continue;
      for (std::size_t k = 0; k < each; ++k) {
        Group& part = sums_.groups.emplace_back(Group{group.sum, group.negative, {}, group.all});
        for (std::uint32_t s = 0; s < columns_.samples; ++s) {
          part.terms.push_back(terms[s][k]);
          claim(terms[s][k], s);
        }
      }
    }
    return !sums_.groups.empty();
  }

  /// The column of the first part of the term that has one, else outside.
  std::uint32_t known_column(NodeId term) {
    std::vector<NodeId> stack = {term};
    seen_.resize(sums_.uses.size(), 0);
    ++visit_;
    while (!stack.empty()) {
      const NodeId node = stack.back();
      stack.pop_back();
      if (columns_.has(node)) return columns_.of[node.index];
      if (seen_[node.index] == visit_ || columns_.of[node.index] == shared || is_leaf(node) ||
          !sums_.has_data[node.index])
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
      std::uint32_t& has = columns_.of[node.index];
      if (has == wanted || has == shared) continue;
      has = has == outside ? wanted : shared;
      for (NodeId x : tape_.operands(node)) stack.push_back({x, has});
    }
  }

  /// Nothing outside a column uses its nodes, but the folded sums their terms, each of which is in a group.
  bool columns_stand_alone() {
    for (const Group& group : sums_.groups) {
      const auto of_sum = [&](const Group& other) { return other.sum == group.sum; };
      if (&group != &*std::ranges::find_if(sums_.groups, of_sum)) continue;  // once a sum
      std::size_t grouped = 0;
      for (const Group& other : sums_.groups) grouped += of_sum(other) ? other.terms.size() : 0;
      const auto in_column = [&](const SampleSums::Term& term) { return columns_.has(term.node); };
      if (std::cmp_not_equal(std::ranges::count_if(sums_.terms_of(tape_, group.sum), in_column), grouped)) return false;
    }
    LargeVector<std::uint8_t> is_term(sums_.uses.size(), 0);
    for (const Group& group : sums_.groups) {
      for (NodeId term : group.terms) {
        if (!columns_.has(term)) return false;
        is_term[term.index] = 1;
      }
    }
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) {
      const NodeId node{std::size_t{i}};
      if (sums_.uses[i] == 0 || is_leaf(node)) continue;
      for (NodeId x : tape_.operands(node)) {
        const std::uint32_t column = columns_.of[x.index];
        if (column >= sums_.samples || column == columns_.of[i]) continue;
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
    columns_.at.assign(sums_.uses.size(), 0);
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) {
      if (columns_.of[i] < sums_.samples) columns_.at[i] = sizes[columns_.of[i]]++;
    }
    columns_.size = sizes[0];
    if (!std::ranges::all_of(sizes, [&](std::uint32_t size) { return size == columns_.size; })) return false;
    columns_.members.resize(sums_.samples * columns_.size);
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) {
      if (columns_.of[i] < sums_.samples)
        columns_.members[columns_.of[i] * columns_.size + columns_.at[i]] = NodeId(std::size_t{i});
    }
    // Column by column, as they mostly lie on the tape.
    for (std::uint32_t s = 1; s < sums_.samples; ++s) {
      for (std::size_t k = 0; k < columns_.size; ++k) {
        if (!alike(columns_.member(0, k), columns_.member(s, k))) return false;
      }
    }
    for (std::uint32_t g = 0; g < sums_.groups.size(); ++g) {
      const std::vector<NodeId>& terms = sums_.groups[g].terms;
      for (NodeId term : terms) {
        if (columns_.at[term.index] != columns_.at[terms[0].index] && !may_read({g, SamplePicks::term}, term, terms[0]))
          return false;
      }
    }
    return true;
  }

  /// True if a reader of one may read the other in another sample.
  bool may_read(const SamplePicks::Reader& reader, NodeId a, NodeId b) {
    if (!way_.picks || sums_.hash[a.index] != sums_.hash[b.index]) return false;
    picks_.note(reader);
    return true;
  }

  bool alike(NodeId a, NodeId b) {
    if (tape_.op(a) != tape_.op(b)) return false;
    const Operands x = tape_.operands(a), y = tape_.operands(b);
    for (std::uint32_t k = 0; k < x.count; ++k) {
      const NodeId p = x.node[k], q = y.node[k];
      if (is(p, Op::constant) && is(q, Op::constant)) continue;
      if (columns_.has(p) && columns_.has(q)) {
        if (columns_.at[p.index] != columns_.at[q.index] && !may_read({columns_.at[a.index], k}, p, q)) return false;
      } else if (p != q && !sums_.same(tape_, p, q)) {
        return false;
      }
    }
    return true;
  }

  // --- picks ---------------------------------------------------------------------------------------------------------

  /// What each sample picks from, and a number for each that says which; false if that were more than there is now.
  bool collect_picks() {
    if (picks_.empty()) return true;
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> places;  // by hash; looked up, never walked
    for (std::uint32_t k = 0; k < columns_.size; ++k) places[sums_.hash[columns_.member(0, k).index]].push_back(k);
    std::size_t total = 0;
    return picks_.each([&](const SamplePicks::Reader& reader, SamplePicks::Pick& pick) {
      const auto read = [&](std::uint32_t s) {
        if (reader[1] == SamplePicks::term) return sums_.groups[reader[0]].terms[s];
        return tape_.operands(columns_.member(s, reader[0])).node[reader[1]];
      };
      const std::vector<std::uint32_t>& all = places[sums_.hash[read(0).index]];
      const std::uint32_t end = reader[1] == SamplePicks::term ? UINT32_MAX : reader[0];
      pick.candidates.assign(all.begin(), std::lower_bound(all.begin(), all.end(), end));
      std::vector<double> numbers;
      for (std::uint32_t s = 0; s < sums_.samples; ++s) {
        const auto at = std::lower_bound(pick.candidates.begin(), pick.candidates.end(), columns_.at[read(s).index]);
        numbers.push_back(static_cast<double>(at - pick.candidates.begin()));
      }
      pick.input = data_.add(std::move(numbers));
      total += pick.candidates.size();
      return total <= 4 * columns_.size;
    });
  }

  // --- the folded recording -----------------------------------------------------------------------------------------

  FoldedSamples build() {
    FoldedSamples result;
    result.tape = std::make_unique<Tape>();
    Tape& to = *result.tape;
    moved_.assign(sums_.uses.size(), 0);
    values_ = {Value()}, inputs_.clear();
    for (const ParameterRecord& parameter : tape_.parameters()) {
      const Value value = to.parameter(tape_.data(parameter.node));
      to.set_frozen(value, parameter.frozen);
      if (parameter.node.index < moved_.size()) set_moved(parameter.node, value);
    }
    for (const UniformInputRecord& input : tape_.uniform_inputs()) {
      const Value value = to.uniform_input(tape_.data(input.node), input.name);
      if (input.node.index < moved_.size()) set_moved(input.node, value);
    }
    if (!data_.inputs().empty()) inputs_ = to.inputs("(recorded samples)", data_.inputs().size());
    for (std::uint32_t i = 0; i < sums_.uses.size(); ++i) move(to, NodeId(std::size_t{i}));

    result.loss = moved(loss_).on(to).id();
    for (NodeId output : outputs_) {
      const std::uint32_t column = columns_.of[output.index];
      const NodeId first = column < sums_.samples ? columns_.member(0, columns_.at[output.index]) : output;
      result.outputs.push_back({moved(first).on(to).id(), column < sums_.samples ? column : 0});
    }
    result.samples = sums_.samples;
    result.rows.reserve(sums_.samples * data_.inputs().size());
    for (std::uint32_t s = 0; s < sums_.samples; ++s) {
      for (const std::vector<double>& column : data_.inputs()) result.rows.push_back(column[s]);
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
    if (sums_.uses[node.index] == 0 || is_leaf(node) || (columns_.has(node) && columns_.of[node.index] != 0)) {
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
      const SamplePicks::Pick* pick =
          columns_.of[node.index] == 0 ? picks_.find({columns_.at[node.index], j}) : nullptr;
      const std::uint32_t input =
          columns_.of[node.index] == 0 ? data_.input_of({columns_.at[node.index], j}) : SampleData::none;
      operands[j] = pick != nullptr ? picked(*pick) : input != SampleData::none ? inputs_[input] : moved(x.node[j]);
    }
    // Something of constants alone would be a plain number, and stay one.
    for (Value& operand : operands) operand = operand.is_plain() ? to.constant(operand.data()) : operand;
    set_moved(node, apply(tape_.op(node), std::span<const Value>(operands, x.count)));
  }

  Value picked(const SamplePicks::Pick& pick) const {
    std::vector<Value> candidates;
    for (std::uint32_t place : pick.candidates) candidates.push_back(moved(columns_.member(0, place)));
    return SamplePicks::picked(inputs_[pick.input], candidates);
  }

  /// The terms that are not folded, and a batch sum for each group.
  Value folded_sum(NodeId sum) {
    Value total = 0.0;
    const auto add = [&](Value term, bool negative) { total = negative ? total - term : total + term; };
    for (const SampleSums::Term& term : sums_.terms_of(tape_, sum)) {
      if (!columns_.has(term.node)) add(moved(term.node), term.negative);
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
  Way way_;
  bool joined_ = true;  // later groups have parts that the first one's samples have
  SampleSums sums_;
  SampleColumns columns_;
  LargeVector<std::uint32_t> seen_;
  std::uint32_t visit_ = 0;
  SamplePicks picks_;
  SampleData data_;
  LargeVector<std::uint32_t> moved_;  // what stands for each node, in values_
  std::vector<Value> values_, inputs_;
};

}  // namespace

std::optional<FoldedSamples> fold_samples(const Tape& tape, NodeId loss, std::span<const NodeId> outputs) {
  // A few alike terms may be batches of samples; of more, each may have as many alike places as there are terms.
  constexpr std::uint32_t few = 3;
  SampleFolder folder(tape, loss, outputs);
  if (std::optional<FoldedSamples> folded = folder.run({.outer = true});
      folded && folded->samples > few && folder.complete()) {
    return folded;
  }
  std::optional<FoldedSamples> best;
  for (const bool picks : {false, true}) {
    for (const bool join : {false, true}) {
      std::optional<FoldedSamples> folded = folder.run({.join = join, .picks = picks});
      if (!folded) continue;
      const bool complete = folder.complete();
      if (!best || folded->samples > best->samples) best = std::move(folded);
      if (complete && !picks) return best;
      break;
    }
  }
  return best;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
