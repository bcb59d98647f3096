#include "fuzz/script.h"

#include <algorithm>
#include <numeric>

namespace tapeloom::test::fuzz {

std::size_t Script::columns() const { return std::accumulate(groups.begin(), groups.end(), std::size_t{0}); }

std::vector<bool> Script::varying() const {
  std::vector<bool> result(statements.size());
  const auto nothing_at = [&](std::uint32_t weight) {
    return statements[weight].kind == Kind::number && statements[weight].number == 0.0;
  };
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const Statement& s = statements[i];
    // Of a sample whose plain weight is 0 nothing is recorded.
    const bool is_loss = s.kind >= Kind::squared_error;
    if (s.kind == Kind::batch || (is_loss && nothing_at(s.x.back()))) continue;
    result[i] = s.kind == Kind::input || s.kind == Kind::softmax_label ||
                std::ranges::any_of(s.x, [&](std::uint32_t x) { return result[x]; });
  }
  return result;
}

std::vector<bool> Script::inside() const {
  std::vector<bool> result = varying();
  if (!recorded || !repeat_uniform) return result;
  // What only statements inside use, and nobody reads.
  std::vector<bool> used(statements.size()), outside(statements.size());
  for (const Output& o : outputs) outside[o.statement] = true;
  outside[loss] = true;
  for (std::size_t i = statements.size(); i-- > 0;) {
    const Statement& s = statements[i];
    if (!leaf(i) && s.kind != Kind::batch && used[i] && !outside[i]) result[i] = true;
    for (std::uint32_t x : s.x) {
      used[x] = true;
      if (!result[i] && s.kind != Kind::batch) outside[x] = true;
    }
  }
  return result;
}

bool Script::has(Kind kind) const {
  return std::ranges::any_of(statements, [kind](const Statement& s) { return s.kind == kind; });
}

bool decides(Kind kind) {
  switch (kind) {
    case Kind::guard:
    case Kind::branch:
    case Kind::std_max:
    case Kind::std_min:
    case Kind::std_clamp:
    case Kind::std_sort:
    case Kind::halving:
      return true;
    case Kind::parameter:
    case Kind::uniform_input:
    case Kind::input:
    case Kind::constant:
    case Kind::number:
    case Kind::apply:
    case Kind::sum:
    case Kind::mean:
    case Kind::dot:
    case Kind::batch:
    case Kind::gradient:
    case Kind::derivative:
    case Kind::hessian_vector:
    case Kind::squared_error:
    case Kind::hinge:
    case Kind::binary_cross_entropy:
    case Kind::softmax_targets:
    case Kind::softmax_class:
    case Kind::softmax_label:
      return false;
  }
  return false;
}

namespace {

/// The fewest and the most operands.
struct Count {
  std::size_t least, most;
};

Count operand_count(const Statement& s) {
  constexpr std::size_t any = 100000;
  switch (s.kind) {
    case Kind::parameter:
    case Kind::uniform_input:
    case Kind::input:
    case Kind::constant:
    case Kind::number:
      return {0, 0};
    case Kind::apply:
      return {op_arity(s.op), op_arity(s.op)};
    case Kind::sum:
    case Kind::dot:
      return {0, any};
    case Kind::mean:
    case Kind::std_sort:
      return {1, any};
    case Kind::batch:
    case Kind::guard:
      return {1, 1};
    case Kind::branch:
      return {4, 4};
    case Kind::std_max:
    case Kind::std_min:
    case Kind::halving:
    case Kind::gradient:
    case Kind::softmax_label:
      return {2, s.kind == Kind::softmax_label ? any : 2};
    case Kind::std_clamp:
    case Kind::derivative:
    case Kind::squared_error:
    case Kind::hinge:
    case Kind::binary_cross_entropy:
      return {3, 3};
    case Kind::hessian_vector:
    case Kind::softmax_targets:
    case Kind::softmax_class:
      return {3, any};
  }
  return {0, 0};
}

}  // namespace

std::string Script::fault() const {
  const std::vector<bool> varies = varying();
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const Statement& s = statements[i];
    const auto [least, most] = operand_count(s);
    if (s.x.size() < least || s.x.size() > most) return "wrong number of operands";
    if (s.kind == Kind::dot && s.x.size() % 2 != 0) return "lists of different lengths";
    if (s.kind == Kind::softmax_targets && s.x.size() % 2 == 0) return "another number of targets";
    if (s.kind == Kind::hessian_vector && (s.x.size() % 2 == 0 || s.k >= s.x.size() / 2)) return "no such product";
    if (s.kind == Kind::std_sort && s.k >= s.x.size()) return "no such element";
    if ((s.kind == Kind::input || s.kind == Kind::softmax_label) && s.k >= columns()) return "no such column";
    if (s.kind == Kind::softmax_label && !recorded) return "a label that is bound";
    if (s.kind == Kind::batch && !varies[s.x[0]]) return "a reduction of what all samples share";
    if (std::ranges::any_of(s.x, [i](std::uint32_t x) { return x >= i; })) return "an operand that comes later";
  }
  if (loss >= statements.size() || varies[loss]) return "a loss that varies";
  for (const Output& o : outputs) {
    if (o.statement >= statements.size() || o.sample >= samples) return "an output that is not there";
  }
  if (columns() == 0 && !recorded && samples > 1) return "samples without data";
  if (samples == 0 || rows.size() != samples * columns() || eager.size() != columns()) return "rows of another width";
  return {};
}

Script without_dead(const Script& script) {
  std::vector<bool> live(script.statements.size()), column(script.columns());
  live[script.loss] = true;
  for (const Output& o : script.outputs) live[o.statement] = true;
  for (std::size_t i = script.statements.size(); i-- > 0;) {
    const Statement& s = script.statements[i];
    if (decides(s.kind)) live[i] = true;
    if (!live[i]) continue;
    for (std::uint32_t x : s.x) live[x] = true;
    if (s.kind == Kind::input || s.kind == Kind::softmax_label) column[s.k] = true;
  }

  Script result = script;
  result.statements.clear(), result.groups.clear(), result.rows.clear(), result.eager.clear();
  std::vector<std::uint32_t> place(script.statements.size()), column_place(script.columns());
  std::uint32_t first = 0, kept = 0;
  for (std::uint32_t size : script.groups) {
    const std::uint32_t before = kept;
    for (std::uint32_t c = first; c < first + size; ++c) column_place[c] = column[c] ? kept++ : 0;
    if (kept > before) result.groups.push_back(kept - before);
    result.random_group = script.random_group && kept > before;  // of the last one
    first += size;
  }
  for (std::size_t s = 0; s <= script.samples; ++s) {
    for (std::size_t c = 0; c < column.size(); ++c) {
      if (!column[c]) continue;
      if (s < script.samples) result.rows.push_back(script.rows[s * column.size() + c]);
      if (s == script.samples) result.eager.push_back(script.eager[c]);
    }
  }
  for (std::size_t i = 0; i < script.statements.size(); ++i) {
    if (!live[i]) continue;
    place[i] = static_cast<std::uint32_t>(result.statements.size());
    Statement s = script.statements[i];
    for (std::uint32_t& x : s.x) x = place[x];
    if (s.kind == Kind::input || s.kind == Kind::softmax_label) s.k = column_place[s.k];
    result.statements.push_back(std::move(s));
  }
  result.loss = place[script.loss];
  for (Output& o : result.outputs) o.statement = place[o.statement];
  return result;
}

}  // namespace tapeloom::test::fuzz
