#include "fuzz/derivatives.h"

#include <algorithm>

#include "fuzz/import.h"
#include "fuzz/jets.h"
#include "fuzz/oracle_run.h"

namespace tapeloom::test::fuzz {

namespace {

/// For a sample: what the statement that should be the derivative is, and what it should be.
struct SweptDerivative {
  Bounded recorded, swept;
};

/// Whether `where` chose something between x and y, so that derivatives skip adjoints of zero.
bool has_choices(const Script& written, const DerivativeQuery& query) {
  const std::uint32_t oldest = *std::ranges::min_element(query.x);
  std::vector<bool> in(query.y + 1);
  in[query.y] = true;
  for (std::uint32_t i = query.y + 1; i-- > oldest;) {
    if (!in[i]) continue;
    if (written.statements[i].op == Op::where) return true;
    for (std::uint32_t x : written.statements[i].x) in[x] = true;
  }
  return false;
}

/// Whether it is a derivative by an inner value of what is a derivative already. Then it is one of how that was written
/// down: tanh' is computed from tanh's result, and so it depends on that.
bool by_inner_value_of_derivative(const Script& written, const DerivativeQuery& query,
                                  std::span<const DerivativeQuery> before) {
  const bool inner = std::ranges::any_of(query.x, [&](std::uint32_t x) { return !written.leaf(x); });
  std::vector<bool> in(query.y + 1);
  in[query.y] = true;
  for (std::uint32_t i = query.y + 1; inner && i-- > 0;) {
    if (!in[i]) continue;
    if (std::ranges::any_of(before, [&](const DerivativeQuery& each) { return each.result == i; })) return true;
    for (std::uint32_t x : written.statements[i].x) in[x] = true;
  }
  return false;
}

/// What moves along the direction contributes to y of a sample: the adjoints times how far the x go, over all samples.
Bounded along(const DerivativeQuery& query, const Interpreter<OracleNumber, Oracle>& run, const Oracle& oracle,
              std::size_t sample, const Arithmetic& arithmetic) {
  Bounded sum;
  for (std::size_t i = 0; i < query.x.size(); ++i) {
    const std::vector<OracleNumber>&x = run[query.x[i]], &far = run[query.direction[i]];
    for (std::size_t t = 0; t < x.size(); ++t) {
      const Bounded& distance = oracle.value(far[far.size() == 1 ? 0 : x.size() == 1 ? sample : t]);
      if (oracle.adjoint(x[t]).terms == 0) continue;
      sum = add(sum, apply_bounded(Op::mul, {oracle.adjoint(x[t]), distance, {}}, arithmetic).value, 1.0L, arithmetic);
    }
  }
  return sum;
}

/// For each query, what it gives for each sample, or once if nothing of it differs from sample to sample.
std::vector<std::vector<SweptDerivative>> expect_derivatives(const Script& script, const Data& data,
                                                             const Decisions& recorded,
                                                             std::span<const DerivativeQuery> queries) {
  Script on_data = script;
  on_data.samples = data.samples;
  Expected ignored;
  Arithmetic arithmetic;
  Oracle oracle(on_data, data, recorded, arithmetic, ignored);
  const Interpreter<OracleNumber, Oracle> run(on_data, oracle, true);
  std::vector<std::vector<SweptDerivative>> all;
  for (const DerivativeQuery& query : queries) {
    std::vector<SweptDerivative>& result = all.emplace_back();
    arithmetic.zero_contributes_nothing = query.has_choices;
    oracle.set_zero_contributes_nothing(query.has_choices);
    const std::vector<OracleNumber>&y = run[query.y], &computed = run[query.result];
    const bool by_one = query.direction.empty();
    const std::size_t count = std::max({y.size(), computed.size(), by_one ? run[query.x[0]].size() : std::size_t{1}});
    for (std::size_t s = 0; s < count; ++s) {
      const auto of = [s](const std::vector<OracleNumber>& list) { return list[list.size() == 1 ? 0 : s]; };
      if (s == 0 || y.size() > 1) oracle.reverse(of(y), true);
      Bounded swept = by_one ? oracle.adjoint(of(run[query.x[0]])) : along(query, run, oracle, s, arithmetic);
      const Bounded& is = oracle.value(of(computed));
      // Zeros meet what is infinite in another order forwards than backwards.
      const bool finite = is.known() && std::isfinite(is.value) && std::isfinite(swept.value);
      if (!by_one && !finite) swept = Bounded::unknown();
      result.push_back({is, swept});
    }
  }
  return all;
}

}  // namespace

Script written_out(const Script& script, const Recording& recording) {
  const std::span<const double> rows = script.recorded ? std::span<const double>() : std::span(script.rows);
  Script written =
      script_of_all(*recording.tape, recording.loss, recording.outputs, rows, script.recorded ? 1 : script.samples);
  written.recorded = script.recorded;
  std::size_t parameter = 0, uniform = 0;
  for (const Statement& s : script.statements) {
    if (s.kind == Kind::parameter) written.statements[recording.parameters[parameter++].id().index].later = s.later;
    if (s.kind == Kind::uniform_input) {
      written.statements[recording.uniform_inputs[uniform++].id().index].later = s.later;
    }
  }
  return written;
}

void compare_derivatives(const Script& written, const Recording& recording, const CompareDerivative& compare) {
  std::vector<DerivativeQuery> queries;
  for (const Differentiated& each : recording.derivatives) {
    if (each.result.is_plain()) continue;
    DerivativeQuery query;
    query.y = each.y.id().index;
    query.result = each.result.id().index;
    query.own = query.result >= each.first && recording.tape->op(each.result.id()) != Op::constant;
    for (Value x : each.x) query.x.push_back(x.id().index);
    for (Value d : each.direction) query.direction.push_back(d.id().index);
    query.has_choices = has_choices(written, query);
    query.own = query.own && !by_inner_value_of_derivative(written, query, queries);
    queries.push_back(query);
  }
  Decisions decisions;  // guards hold for the recorded numbers
  for (std::size_t i = 0; i < written.statements.size(); ++i) {
    const Statement& s = written.statements[i];
    if (s.kind == Kind::guard) decisions[{i, 0}] = {recording.tape->data(NodeId(std::size_t{s.x[0]})) != 0.0};
  }
  const Data as_recorded{written.recorded ? std::vector<double>() : written.eager, 1, false};
  const Data later{written.rows, written.samples, true};
  for (const Data* data : {&as_recorded, &later}) {
    const std::vector<std::vector<SweptDerivative>> all = expect_derivatives(written, *data, decisions, queries);
    const auto jets = derivatives_by_jets(written, *data, queries);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string name = "derivative " + std::to_string(i) + (data->later ? " of sample " : " as recorded ");
      for (std::size_t s = 0; s < all[i].size(); ++s) {
        const Bounded& is = all[i][s].recorded;
        compare(name + std::to_string(s), is, all[i][s].swept);
        const std::optional<JetDerivative> jet = s < jets[i].size() ? jets[i][s] : std::nullopt;
        if (jet && std::isfinite(jet->value) && std::isfinite(is.value)) {
          compare(name + std::to_string(s) + " by jets", is, Bounded::of(jet->value, jet->rounding, {}));
        }
        if (s > 0 || data->later) continue;
        Bounded at_once = all[i][s].recorded;
        at_once.value = recording.tape->data(NodeId(std::size_t{queries[i].result}));
        compare(name + "0 at once", at_once, all[i][s].swept);
      }
    }
  }
}

}  // namespace tapeloom::test::fuzz
