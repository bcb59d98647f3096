// The blocks that stand for sums, as they have been planned.
#include "tapeloom/compiler/roll/sum_blocks.h"

#include <algorithm>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What has been added up so far, and how many recorded nodes of the sums no block stands for yet.
class SumWriter::PartialSum {
 public:
  PartialSum(Graph& graph, std::size_t nodes) : g_(graph), nodes_left_(nodes) {}

  const View& view() const { return sum_; }
  bool any() const { return sum_ != nothing; }
  void add(const View& term, bool negative) { sum_ = sum(g_, sum_, term, negative); }
  static View sum(Graph& graph, const View& partial, const View& term, bool negative) {
    if (partial == nothing) return negative ? graph.add_elementwise(Op::neg, {term}) : term;
    return graph.add_elementwise(negative ? Op::sub : Op::add, {partial, term});
  }
  void stands_for(const View& rows, std::size_t nodes) {
    nodes = std::min(nodes, nodes_left_);  // zeros that were added stand for none
    g_.stands_for(rows.block, nodes);
    nodes_left_ -= nodes;
  }
  void stands_for_the_rest() { stands_for(sum_, nodes_left_); }

 private:
  Graph& g_;
  View sum_ = nothing;
  std::size_t nodes_left_;
};

void SumWriter::write(const SumTable& table, const SumPlan& plan) {
  for (const SumGroup& group : plan.groups) write(table, plan, group);
  place_twins(table.rows, sums_, p_);
}

void SumWriter::write(const SumTable& table, const SumPlan& plan, const SumGroup& group) {
  if (group.together_again) {
    const std::span<const NodeId> nodes = table.rows.nodes(group.begin, group.end);
    return p_.place(nodes, p_.view(nodes));
  }
  std::size_t nodes = 0;
  for (std::size_t i = group.begin; i < group.end; ++i) nodes += sums_.nodes(table.rows.node(i));
  PartialSum partial(g_, nodes);
  for (std::size_t k = group.first_product; k < group.last_product;) {
    const bool negative = plan.products[k].negative;
    View parts = nothing;
    for (; k < group.last_product && plan.products[k].negative == negative; ++k) {
      parts = PartialSum::sum(g_, parts, product(table, group, plan.pairs_of(plan.products[k])), false);
    }
    partial.add(parts, negative);
  }
  if (partial.any()) partial.stands_for(partial.view(), group.rows() * (2 * table.pairs - 1));
  for (std::size_t k = group.first_addend; k < group.last_addend; ++k) {
    const SumAddend& next = plan.addends[k];
    const bool adds = partial.any();
    partial.add(addend(table, group, next, partial), next.negative);
    if (next.what == SumAddend::What::bias && adds) partial.stands_for(partial.view(), group.rows() * next.count);
  }
  partial.stands_for_the_rest();
  p_.place(table.rows.nodes(group.begin, group.end), partial.view());
}

View SumWriter::product(const SumTable& table, const SumGroup& group, std::span<const std::uint32_t> pairs) {
  nodes_.clear();
  bool any_gap = false;
  for (std::size_t first = group.begin; first < group.end; first += group.rows_a_place()) {
    for (const std::uint32_t j : pairs) nodes_.push_back(table.rows.operand(first, table.column(j)));
  }
  for (const NodeId column : nodes_) any_gap = any_gap || column == p_.zero();
  if (pairs.size() == 1 && !any_gap) {
    const View weights = p_.view(table.rows.list(group.begin, group.end, table.weight(pairs[0])));
    const View columns = p_.view(table.rows.list(group.begin, group.end, table.column(pairs[0])));
    return g_.add_elementwise(Op::mul, {weights, columns});
  }
  Weights weights;
  if (any_gap) weights.gaps = gaps();
  const View x = p_.view(nodes_);
  nodes_.clear();
  for (std::size_t i = group.begin; i < group.begin + group.matrix_rows(); ++i) {
    for (const std::uint32_t j : pairs) nodes_.push_back(table.rows.operand(i, table.weight(j)));
  }
  const View first = p_.weights(nodes_, static_cast<std::uint32_t>(group.matrix_rows()), weights.matrix);
  weights.places = static_cast<std::uint32_t>(group.places), weights.own = group.own;
  weights.matrix.rows = static_cast<std::uint32_t>(group.rows_a_place());
  return g_.add_dense(first, weights, x);
}

/// Which of the columns are not there.
std::shared_ptr<const std::vector<bool>> SumWriter::gaps() const {
  std::vector<bool> gaps;
  for (const NodeId column : nodes_) gaps.push_back(column == p_.zero());
  return std::make_shared<const std::vector<bool>>(std::move(gaps));
}

View SumWriter::addend(const SumTable& table, const SumGroup& group, const SumAddend& addend, PartialSum& partial) {
  if (addend.how == SumAddend::How::list) return list(table, group, addend, partial);
  const auto factor = [&](std::size_t k, std::size_t step) {
    return p_.view(table.rows.list(group.begin, group.end, k, addend.count, step));
  };
  View value;
  if (addend.what == SumAddend::What::bias) {
    value = factor(table.bias(addend.first), 1);
  } else {
    value = factor(table.factor_a(addend.first), 2);
    if (addend.product) {
      value = g_.add_elementwise(Op::mul, {value, factor(table.factor_b(addend.first), 2)});
      partial.stands_for(value, value.rows);
    }
  }
  if (addend.how == SumAddend::How::one) return value;
  return g_.add_row_sum(value, static_cast<std::uint32_t>(group.rows()));
}

/// Sums of as many terms as each has.
View SumWriter::list(const SumTable& table, const SumGroup& group, const SumAddend& addend, PartialSum& partial) {
  std::vector<std::uint32_t> lengths;
  const auto factor = [&](std::size_t k) {
    nodes_.clear(), lengths.clear();
    for (std::size_t i = group.begin; i < group.end; ++i) {
      const std::size_t before = nodes_.size();
      for (std::size_t j = 0; j < addend.count; ++j) {
        const NodeId node = table.rows.operand(i, k + 2 * j);
        if (node != p_.zero()) nodes_.push_back(node);
      }
      lengths.push_back(static_cast<std::uint32_t>(nodes_.size() - before));
    }
    return p_.view(nodes_);
  };
  View terms = factor(table.factor_a(addend.first));
  if (addend.product) {
    terms = g_.add_elementwise(Op::mul, {terms, factor(table.factor_b(addend.first))});
    partial.stands_for(terms, terms.rows);
  }
  std::vector<View> parts;
  std::vector<Destination> destinations;
  for (std::uint32_t i = 0, begin = 0; i < lengths.size(); begin += lengths[i++]) {
    if (lengths[i] == 0) continue;
    parts.push_back(terms.part(begin, lengths[i]));
    destinations.push_back({i, {1, lengths[i], 0, 0}});
  }
  return g_.add_assemble(static_cast<std::uint32_t>(group.rows()), parts, destinations);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
