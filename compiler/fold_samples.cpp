#include "tapeloom/compiler/fold_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <unordered_map>

#include "tapeloom/compiler/unique_table.h"
#include "tapeloom/core/value.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

// What a node belongs to: a column is a sample.
constexpr std::uint32_t outside = UINT32_MAX;
constexpr std::uint32_t shared = UINT32_MAX - 1;

class SampleFolder {
 public:
  SampleFolder(const Tape& tape, NodeId loss, std::span<const NodeId> outputs)
      : tape_(tape), loss_(loss), outputs_(outputs) {}

  std::optional<FoldedSamples> run() {
    if (!find_live()) return std::nullopt;
    hash_nodes();
    find_groups();
    if (groups_.empty()) return std::nullopt;
    if (!assign_columns() || !columns_stand_alone() || !columns_are_alike()) return std::nullopt;
    collect_data();
    return build();
  }

 private:
  struct Term {
    NodeId node;
    bool negative;
  };
  /// Terms of one sum that have the same hash, one a sample once they are sorted by column.
  struct Group {
    NodeId sum;
    bool negative;
    std::vector<NodeId> terms;
  };

  bool is(NodeId node, Op op) const { return tape_.op(node) == op; }
  bool is_leaf(NodeId node) const { return op_kind(tape_.op(node)) == OpKind::leaf; }
  bool is_chain(NodeId node) const { return is(node, Op::add) || is(node, Op::sub) || is(node, Op::neg); }

  // --- what there is ------------------------------------------------------------------------------------------------

  /// False if something live varies already.
  bool find_live() {
    std::uint32_t last = loss_.index;
    for (NodeId output : outputs_) last = std::max(last, output.index);
    uses_.assign(last + 1, 0);
    uses_[loss_.index] = 2;
    for (NodeId output : outputs_) uses_[output.index] = 2;
    for (std::uint32_t i = last + 1; i-- > 0;) {
      const NodeId node{std::size_t{i}};
      if (uses_[i] == 0) continue;
      if (tape_.varying(node) || op_kind(tape_.op(node)) == OpKind::reduction) return false;
      if (is_leaf(node)) continue;
      for (NodeId x : tape_.operands(node)) uses_[x.index] = static_cast<std::uint8_t>(std::min(uses_[x.index] + 1, 2));
    }
    return true;
  }

  /// Equal for nodes that compute the same function of the same parameters and of any constants.
  void hash_nodes() {
    hash_.assign(uses_.size(), 0);
    has_data_.assign(uses_.size(), false);
    for (std::uint32_t i = 0; i < uses_.size(); ++i) {
      const NodeId node{std::size_t{i}};
      if (uses_[i] == 0) continue;
      std::uint64_t hash = mix(1, static_cast<std::uint64_t>(tape_.op(node)));
      if (is(node, Op::constant)) {
        has_data_[i] = true;
      } else if (is_leaf(node)) {
        hash = mix(hash, i);
      } else {
        for (NodeId x : tape_.operands(node)) {
          hash = mix(hash, hash_[x.index]);
          has_data_[i] = has_data_[i] || has_data_[x.index];
        }
      }
      hash_[i] = hash;
    }
  }

  // --- sums over samples --------------------------------------------------------------------------------------------

  /// The largest groups of alike terms in sums; all groups have as many terms.
  void find_groups() {
    chain_of_.assign(uses_.size(), outside);
    for (std::uint32_t i = static_cast<std::uint32_t>(uses_.size()); i-- > 0;) {
      const NodeId node{std::size_t{i}};
      if (uses_[i] != 0 && chain_of_[i] == outside && is_chain(node)) find_groups_of(node);
    }
    std::size_t most = 0;
    for (const Group& group : groups_) most = std::max(most, group.terms.size());
    std::erase_if(groups_, [&](const Group& group) { return group.terms.size() < most; });
    samples_ = static_cast<std::uint32_t>(most);
  }

  void find_groups_of(NodeId sum) {
    std::vector<Term>& terms = terms_of(sum);
    std::erase_if(terms, [&](const Term& term) { return !has_data_[term.node.index] || is_leaf(term.node); });
    const auto key = [&](const Term& term) { return std::pair(hash_[term.node.index], term.negative); };
    std::stable_sort(terms.begin(), terms.end(), [&](const Term& a, const Term& b) { return key(a) < key(b); });
    for (std::size_t i = 0; i < terms.size();) {
      std::size_t end = i + 1;
      while (end < terms.size() && key(terms[end]) == key(terms[i])) ++end;
      if (end - i >= 2) {
        Group& group = groups_.emplace_back(Group{sum, terms[i].negative, {}});
        for (; i < end; ++i) group.terms.push_back(terms[i].node);
      }
      i = end;
    }
  }

  /// In recorded order, until the next call. Marks the +, - and negations that nothing else uses as part of the sum.
  std::vector<Term>& terms_of(NodeId sum) {
    terms_.clear();
    std::vector<Term>& stack = stack_;
    stack.push_back({sum, false});
    while (!stack.empty()) {
      const auto [node, negative] = stack.back();
      stack.pop_back();
      if (node != sum && !(is_chain(node) && uses_[node.index] == 1)) {
        terms_.push_back({node, negative});
        continue;
      }
      chain_of_[node.index] = sum.index;
      const Operands x = tape_.operands(node);
      if (is(node, Op::neg)) {
        stack.push_back({x.node[0], !negative});
      } else {
        stack.push_back({x.node[1], negative != is(node, Op::sub)});
        stack.push_back({x.node[0], negative});
      }
    }
    return terms_;
  }

  // --- columns ------------------------------------------------------------------------------------------------------

  bool assign_columns() {
    column_.assign(uses_.size(), outside);
    for (Group& group : groups_) {
      const bool first = &group == &groups_.front();
      std::vector<NodeId> by_column(samples_, NodeId(std::size_t{outside}));
      for (std::uint32_t s = 0; s < samples_; ++s) {
        const std::uint32_t column = first ? s : known_column(group.terms[s], s);
        if (column >= samples_ || by_column[column].index != outside) return false;
        by_column[column] = group.terms[s];
        claim(group.terms[s], column);
      }
      group.terms = by_column;
    }
    return true;
  }

  /// The column of the first part of the term that has one, else `otherwise`.
  std::uint32_t known_column(NodeId term, std::uint32_t otherwise) {
    std::vector<NodeId> stack = {term};
    seen_.resize(uses_.size(), 0);
    ++visit_;
    while (!stack.empty()) {
      const NodeId node = stack.back();
      stack.pop_back();
      if (column_[node.index] < samples_) return column_[node.index];
      if (seen_[node.index] == visit_ || column_[node.index] == shared || is_leaf(node) || !has_data_[node.index])
        continue;
      seen_[node.index] = visit_;
      for (NodeId x : tape_.operands(node)) stack.push_back(x);
    }
    return otherwise;
  }

  /// Everything below a term that depends on constants is of its column; what two columns reach is shared by all.
  void claim(NodeId term, std::uint32_t column) {
    std::vector<std::pair<NodeId, std::uint32_t>> stack = {{term, column}};
    while (!stack.empty()) {
      const auto [node, wanted] = stack.back();
      stack.pop_back();
      if (is_leaf(node) || !has_data_[node.index]) continue;
      std::uint32_t& has = column_[node.index];
      if (has == wanted || has == shared) continue;
      has = has == outside ? wanted : shared;
      for (NodeId x : tape_.operands(node)) stack.push_back({x, has});
    }
  }

  /// Nothing outside a column uses its nodes, but the folded sums their terms.
  bool columns_stand_alone() {
    std::vector<std::uint8_t> is_term(uses_.size(), 0);
    for (const Group& group : groups_) {
      for (NodeId term : group.terms) {
        if (column_[term.index] >= samples_) return false;
        is_term[term.index] = 1;
      }
    }
    for (std::uint32_t i = 0; i < uses_.size(); ++i) {
      const NodeId node{std::size_t{i}};
      if (uses_[i] == 0 || is_leaf(node)) continue;
      for (NodeId x : tape_.operands(node)) {
        const std::uint32_t column = column_[x.index];
        if (column >= samples_ || column == column_[i]) continue;
        if (!(is_term[x.index] && chain_of_[i] != outside && folded(NodeId(std::size_t{chain_of_[i]})))) return false;
      }
    }
    return true;
  }

  bool folded(NodeId sum) const {
    return std::any_of(groups_.begin(), groups_.end(), [&](const Group& group) { return group.sum == sum; });
  }

  /// The k-th nodes of all columns have the same op of the same operands, constants apart.
  bool columns_are_alike() {
    members_.assign(samples_, {});
    place_.assign(uses_.size(), 0);
    for (std::uint32_t i = 0; i < uses_.size(); ++i) {
      if (column_[i] >= samples_) continue;
      place_[i] = static_cast<std::uint32_t>(members_[column_[i]].size());
      members_[column_[i]].push_back(NodeId(std::size_t{i}));
    }
    for (const auto& column : members_) {
      if (column.size() != members_[0].size()) return false;
    }
    // Column by column, as they mostly lie on the tape.
    for (std::uint32_t s = 1; s < samples_; ++s) {
      for (std::size_t k = 0; k < members_[0].size(); ++k) {
        if (!alike(members_[0][k], members_[s][k])) return false;
      }
    }
    for (const Group& group : groups_) {
      for (NodeId term : group.terms) {
        if (place_[term.index] != place_[group.terms[0].index]) return false;
      }
    }
    return true;
  }

  bool alike(NodeId a, NodeId b) const {
    if (tape_.op(a) != tape_.op(b)) return false;
    const Operands x = tape_.operands(a), y = tape_.operands(b);
    for (std::size_t k = 0; k < x.count; ++k) {
      const NodeId p = x.node[k], q = y.node[k];
      if (is(p, Op::constant) && is(q, Op::constant)) continue;
      if (column_[p.index] < samples_ && column_[q.index] < samples_) {
        if (place_[p.index] != place_[q.index]) return false;
      } else if (p != q) {
        return false;
      }
    }
    return true;
  }

  // --- data ---------------------------------------------------------------------------------------------------------

  /// A constant of the first column's k-th node, and the same one's of all others: a literal, or an input.
  void collect_data() {
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> known;  // looked up, never walked
    std::vector<double> numbers(samples_);
    for (std::size_t k = 0; k < members_[0].size(); ++k) {
      const Operands x = tape_.operands(members_[0][k]);
      for (std::size_t j = 0; j < x.count; ++j) {
        if (!is(x.node[j], Op::constant)) continue;
        std::uint64_t hash = 0;
        bool same = true;
        for (std::uint32_t s = 0; s < samples_; ++s) {
          numbers[s] = tape_.data(tape_.operands(members_[s][k]).node[j]);
          hash = mix(hash, std::bit_cast<std::uint64_t>(numbers[s]));
          same = same && std::bit_cast<std::uint64_t>(numbers[s]) == std::bit_cast<std::uint64_t>(numbers[0]);
        }
        if (same) continue;
        input_of_[{static_cast<std::uint32_t>(k), static_cast<std::uint32_t>(j)}] = find_or_add(known[hash], numbers);
      }
    }
  }

  std::uint32_t find_or_add(std::vector<std::uint32_t>& candidates, const std::vector<double>& numbers) {
    const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
    for (std::uint32_t input : candidates) {
      if (std::ranges::equal(data_[input], numbers, {}, bits, bits)) return input;
    }
    data_.push_back(numbers);
    candidates.push_back(static_cast<std::uint32_t>(data_.size() - 1));
    return candidates.back();
  }

  // --- the folded recording -----------------------------------------------------------------------------------------

  FoldedSamples build() {
    FoldedSamples result;
    result.tape = std::make_unique<Tape>();
    Tape& to = *result.tape;
    moved_.assign(uses_.size(), Value());
    for (const ParameterRecord& parameter : tape_.parameters()) {
      const Value value = to.parameter(tape_.data(parameter.node));
      to.set_frozen(value, parameter.frozen);
      if (parameter.node.index < moved_.size()) moved_[parameter.node.index] = value;
    }
    for (const UniformInputRecord& input : tape_.uniform_inputs()) {
      const Value value = to.uniform_input(tape_.data(input.node), input.name);
      if (input.node.index < moved_.size()) moved_[input.node.index] = value;
    }
    if (!data_.empty()) inputs_ = to.inputs("(recorded samples)", data_.size());
    for (std::uint32_t i = 0; i < uses_.size(); ++i) move(to, NodeId(std::size_t{i}));

    result.loss = moved_[loss_.index].on(to).id();
    for (NodeId output : outputs_) {
      const std::uint32_t column = column_[output.index];
      const NodeId first = column < samples_ ? members_[0][place_[output.index]] : output;
      result.outputs.push_back({moved_[first.index].on(to).id(), column < samples_ ? column : 0});
    }
    result.samples = samples_;
    for (std::uint32_t s = 0; s < samples_; ++s) {
      for (const std::vector<double>& column : data_) result.rows.push_back(column[s]);
    }
    return result;
  }

  void move(Tape& to, NodeId node) {
    if (uses_[node.index] == 0) return;
    if (is(node, Op::constant)) {
      moved_[node.index] = Value(tape_.data(node));
      return;
    }
    if (is_leaf(node) || (column_[node.index] < samples_ && column_[node.index] != 0)) return;
    const std::uint32_t sum = chain_of_[node.index];
    if (sum != outside && folded(NodeId(std::size_t{sum}))) {
      if (sum == node.index) moved_[node.index] = folded_sum(node);
      return;
    }
    const Operands x = tape_.operands(node);
    Value operands[3];
    for (std::uint32_t j = 0; j < x.count; ++j) {
      const auto input = column_[node.index] == 0 ? input_of_.find({place_[node.index], j}) : input_of_.end();
      operands[j] = input != input_of_.end() ? inputs_[input->second] : moved_[x.node[j].index];
    }
    // Something of constants alone would be a plain number, and stay one.
    for (Value& operand : operands) operand = operand.is_plain() ? to.constant(operand.data()) : operand;
    moved_[node.index] = apply(tape_.op(node), std::span<const Value>(operands, x.count));
  }

  /// The terms that are not folded, and a batch sum for each group.
  Value folded_sum(NodeId sum) {
    Value total = 0.0;
    const auto add = [&](Value term, bool negative) { total = negative ? total - term : total + term; };
    for (const Term& term : terms_of(sum)) {
      if (column_[term.node.index] >= samples_) add(moved_[term.node.index], term.negative);
    }
    for (const Group& group : groups_) {
      if (group.sum != sum) continue;
      const Value one = moved_[group.terms[0].index];
      add(one.varying() ? batch_sum(one) : one * static_cast<double>(samples_), group.negative);
    }
    return total;
  }

  const Tape& tape_;
  NodeId loss_;
  std::span<const NodeId> outputs_;
  std::vector<std::uint8_t> uses_;  // 0, 1, or 2 for more
  std::vector<std::uint64_t> hash_;
  std::vector<bool> has_data_;           // depends on a constant
  std::vector<std::uint32_t> chain_of_;  // the sum that a + or - belongs to
  std::vector<Term> terms_, stack_;
  std::vector<Group> groups_;
  std::uint32_t samples_ = 0;
  std::vector<std::uint32_t> column_;
  std::vector<std::uint32_t> seen_;
  std::uint32_t visit_ = 0;
  std::vector<std::vector<NodeId>> members_;                        // of each column, in recorded order
  std::vector<std::uint32_t> place_;                                // of a node in its column
  std::map<std::array<std::uint32_t, 2>, std::uint32_t> input_of_;  // of operand j of the k-th node
  std::vector<std::vector<double>> data_;                           // of each input
  std::vector<Value> moved_, inputs_;
};

}  // namespace

std::optional<FoldedSamples> fold_samples(const Tape& tape, NodeId loss, std::span<const NodeId> outputs) {
  return SampleFolder(tape, loss, outputs).run();
}

}  // namespace tapeloom::inline v0_1::compiler
