// Random programs over the whole op table, as recipes that can be recorded with any Value-like type.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "compare.h"
#include "tapeloom/core/op.h"
#include "tapeloom/core/value.h"

namespace tapeloom::test {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t bound) { return static_cast<std::size_t>(random() % bound); }
inline bool chance(Random& random, double probability) {
  return static_cast<double>(random() >> 11) * 0x1p-53 < probability;
}
inline double between(Random& random, double lower, double upper) {
  return lower + (upper - lower) * (static_cast<double>(random() >> 11) * 0x1p-53);
}

/// tame: operands are kept where every op is smooth enough to compare rounded results. wild: anything goes, zeros,
/// infinities and NaN included.
enum class Temper { tame, wild };

struct Recipe {
  struct Step {
    Op op;
    std::size_t operand[3];
    bool guarded;  ///< a comparison that also decides a branch while recording
  };
  std::vector<double> parameters, uniform_inputs, constants;
  std::size_t input_count = 0;
  std::vector<Step> steps;
  Temper temper = Temper::tame;
  std::size_t samples = 1;
  std::vector<double> rows;  ///< samples x inputs
};

inline double random_number(Random& random, Temper temper) {
  static constexpr double odd[] = {0.0,   -0.0,   1.0,    -1.0, inf, -inf,   not_a_number,
                                   1e308, 1e-310, -1e200, 2.0,  0.5, 1000.0, -1000.0};
  if (temper == Temper::wild && chance(random, 0.3)) return odd[below(random, std::size(odd))];
  return between(random, -2.0, 2.0);
}

/// Steps name earlier values by position: the parameters, inputs, uniform inputs, constants, then the steps' own.
inline Recipe random_recipe(Random& random, Temper temper) {
  Recipe recipe;
  recipe.temper = temper;
  const auto numbers = [&](std::size_t count) {
    std::vector<double> list(count);
    for (double& number : list) number = random_number(random, temper);
    return list;
  };
  recipe.parameters = numbers(1 + below(random, 4));
  recipe.input_count = below(random, 5);
  recipe.uniform_inputs = numbers(below(random, 3));
  recipe.constants = numbers(1 + below(random, 3));
  recipe.samples = recipe.input_count == 0 ? 1 : 1 + below(random, chance(random, 0.2) ? 150 : 20);
  recipe.rows = numbers(recipe.samples * recipe.input_count);

  std::size_t known =
      recipe.parameters.size() + recipe.input_count + recipe.uniform_inputs.size() + recipe.constants.size();
  const std::size_t steps = 3 + below(random, 50);
  for (std::size_t i = 0; i < steps; ++i, ++known) {
    Recipe::Step step{static_cast<Op>(below(random, op_count)), {}, false};
    while (op_kind(step.op) == OpKind::leaf || op_kind(step.op) == OpKind::adjoint)
      step.op = static_cast<Op>(below(random, op_count));
    for (std::size_t& operand : step.operand) {
      operand = chance(random, 0.5) ? known - 1 - below(random, std::min<std::size_t>(known, 6)) : below(random, known);
    }
    step.guarded = op_kind(step.op) == OpKind::comparison && chance(random, 0.1);
    recipe.steps.push_back(step);
  }
  return recipe;
}

/// What recording a recipe gives: the loss, some values to look at, and distances from points where an op jumps or
/// bends, near which rounding may decide the result.
struct Recorded {
  Value loss;
  std::vector<Value> outputs;
  std::vector<Value> kinks;
};

/// One op of the table applied to as many of the Values as it takes; what does not vary stays unreduced.
inline Value apply(Op op, Value a, Value b, Value c) {
  if (op_kind(op) == OpKind::reduction && !a.varying()) return a;
  const Value x[] = {a, b, c};
  return tapeloom::apply(op, std::span(x, op_arity(op)));
}

/// Moves the operands of an op to where it is smooth: bounded exponents, positive logarithms, divisors off zero.
inline void tame(Op op, Value& a, Value& b) {
  switch (op) {
    case Op::exp:
    case Op::expm1:
      a = tanh(a);
      break;
    case Op::log:
    case Op::log1p:
    case Op::sqrt:
      a = square(tanh(a)) + 0.25;
      break;
    case Op::div:
      b = square(tanh(b)) + 0.25;
      break;
    case Op::pow:
      a = square(tanh(a)) + 0.25;
      b = 2.0 * tanh(b);
      break;
    case Op::mul:
    case Op::square:
      a = tanh(a);
      break;
#define TAPELOOM_LEAF(name) case Op::name:
#define TAPELOOM_COMPARISON(name, Struct, sign) case Op::name:
#define TAPELOOM_ADJOINT(name, Struct) case Op::name:
#include "tapeloom/core/ops.def"
    case Op::batch_sum:
    case Op::batch_mean:
    case Op::add:
    case Op::sub:
    case Op::neg:
    case Op::tanh:
    case Op::sigmoid:
    case Op::relu:
    case Op::softplus:
    case Op::sin:
    case Op::cos:
    case Op::atan:
    case Op::abs:
    case Op::leaky_relu:
    case Op::max:
    case Op::min:
    case Op::where:
      break;
  }
}

inline Recorded record(const Recipe& recipe, Tape& tape) {
  std::vector<Value> values;
  for (double number : recipe.parameters) values.push_back(tape.parameter(number));
  for (std::size_t i = 0; i < recipe.input_count; ++i) values.push_back(tape.input(recipe.rows[i]));
  for (double number : recipe.uniform_inputs) values.push_back(tape.uniform_input(number));
  for (double number : recipe.constants) values.push_back(tape.constant(number));

  Recorded recorded;
  for (const Recipe::Step& step : recipe.steps) {
    Value a = values[step.operand[0]], b = values[step.operand[1]], c = values[step.operand[2]];
    if (recipe.temper == Temper::tame) {
      const bool bends = op_kind(step.op) == OpKind::comparison || step.op == Op::max || step.op == Op::min;
      const bool bends_at_zero = step.op == Op::relu || step.op == Op::abs || step.op == Op::leaky_relu;
      if (bends) recorded.kinks.push_back(a - b);
      if (bends_at_zero) recorded.kinks.push_back(a);
      // A condition is 1 or 0 in a tame recipe, since a sum that should be zero may come out as 1e-17.
      if (step.op == Op::where) recorded.kinks.push_back(a - 0.5), a = a > 0.5;
      tame(step.op, a, b);
    }
    values.push_back(apply(step.op, a, b, c));
    if (step.guarded && op_kind(step.op) == OpKind::comparison) static_cast<void>(bool(Condition(values.back())));
  }

  // Everything of the last steps goes into the loss, so that little of the graph is dead.
  Value varying = 0.0, uniform = 0.0;
  const std::size_t leaves = values.size() - recipe.steps.size();
  for (std::size_t i = std::max(leaves, values.size() - std::min<std::size_t>(values.size(), 12)); i < values.size();
       ++i) {
    (values[i].varying() ? varying : uniform) += values[i];
    if (i % 4 == 0) recorded.outputs.push_back(values[i]);
  }
  recorded.loss = uniform;
  if (varying.varying()) recorded.loss += batch_mean(varying);
  recorded.loss += 0.5 * square(values[0]);
  return recorded;
}

}  // namespace tapeloom::test
