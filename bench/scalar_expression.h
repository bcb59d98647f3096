// An expression that no compiler can roll into matrices: a thousand operations (40% additions, 40% multiplications, 5%
// divisions, 4% exp, 4% tanh, 4% relu, 3% max), or more, whose operands are drawn at random, by a generator that gives
// the same expression everywhere. Most results are used once, some inputs and results many times.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tapeloom::bench {

enum class ScalarOp { add, multiply, divide, exp, tanh, relu, max };

/// Operands are numbered: the inputs, the parameters, then the results in order.
struct ScalarStep {
  ScalarOp op;
  std::size_t x, y;  ///< y is x for functions of one number
};

/// Inputs are in [-1, 1], parameters stay where they start. The result is the last step's.
struct ScalarExpression {
  std::size_t inputs;
  std::vector<double> parameters;
  std::vector<ScalarStep> steps;
};

/// Draws the steps. Every number has an interval that it cannot leave, found without rounding to speak of and without
/// the C library's functions, so that the draw is the same everywhere; only the last sums go beyond [-8, 8].
class ScalarExpressionMaker {
 public:
  /// Of so many operations, a multiple of 100 from 1,000 to 10,000, in these proportions. Once.
  ScalarExpression make(std::size_t operations = 1000) {
    last_additions_ = operations / 50;
    expression_.inputs = input_count;
    for (std::size_t i = 0; i < input_count; ++i) add_number({-1.0, 1.0});
    for (std::size_t i = 0; i < parameter_count; ++i) {
      // Of either sign, 0.25 to 0.875 in size: products get smaller, sums do not.
      const double size = 0.25 + 0.125 * static_cast<double>(draw(6));
      expression_.parameters.push_back(i % 2 == 0 ? size : -size);
      add_number({expression_.parameters.back(), expression_.parameters.back()});
    }
    std::vector<ScalarOp> ops;
    const auto append = [&](ScalarOp op, std::size_t percent, std::size_t less = 0) {
      ops.insert(ops.end(), operations / 100 * percent - less, op);
    };
    append(ScalarOp::add, 40, last_additions_);
    append(ScalarOp::multiply, 40);
    append(ScalarOp::divide, 5);
    append(ScalarOp::exp, 4);
    append(ScalarOp::tanh, 4);
    append(ScalarOp::relu, 4);
    append(ScalarOp::max, 3);
    // std::shuffle's order is the library's own.
    for (std::size_t i = ops.size(); i > 1; --i) std::swap(ops[i - 1], ops[draw(i)]);
    ops.insert(ops.end(), last_additions_, ScalarOp::add);
    for (std::size_t i = 0; i < ops.size(); ++i) add_step(ops[i], ops.size() - i);
    if (unused_.size() != 1) throw std::logic_error("a result of the expression is not used");
    return std::move(expression_);
  }

 private:
  struct Interval {
    double low, high;
  };
  static constexpr std::size_t input_count = 16, parameter_count = 48;

  std::size_t draw(std::size_t count) { return static_cast<std::size_t>(random_() % count); }

  std::size_t draw_unused() { return unused_[draw(unused_.size())]; }

  void add_number(Interval interval) {
    unused_.push_back(intervals_.size());
    intervals_.push_back(interval);
  }

  static bool is_unary(ScalarOp op) { return op == ScalarOp::exp || op == ScalarOp::tanh || op == ScalarOp::relu; }

  /// The first operand is one that is not used yet, if one of those suits; so is the second while there are too many of
  /// those. Otherwise they may be any.
  void add_step(ScalarOp op, std::size_t left) {
    const bool last = left <= last_additions_;
    const bool merge = unused_.size() > std::min(left, last_additions_ - 4);
    for (std::size_t attempt = 0; attempt < 100000; ++attempt) {
      const std::size_t x = attempt < 1000 ? draw_unused() : draw(intervals_.size());
      const std::size_t y = is_unary(op) ? x : merge && attempt < 500 ? draw_unused() : draw(intervals_.size());
      if ((y == x) != is_unary(op)) continue;
      const Interval result = bound(op, intervals_[x], intervals_[y]);
      if (!serves(result, last ? 10.0 * static_cast<double>(last_additions_) : 8.0)) continue;
      std::erase_if(unused_, [x, y](std::size_t i) { return i == x || i == y; });
      expression_.steps.push_back({op, x, y});
      add_number(result);
      return;
    }
    throw std::logic_error("no operands for a step of the expression");
  }

  /// Neither out of the limits, nor so narrow that it hardly depends on the inputs.
  static bool serves(Interval x, double limit) { return x.low >= -limit && x.high <= limit && x.high - x.low >= 0.125; }

  /// Where op(x, y) is; nowhere if the operands do not suit the op.
  static Interval bound(ScalarOp op, Interval x, Interval y) {
    constexpr Interval nowhere = {0.0, 0.0};
    switch (op) {
      case ScalarOp::add:
        return {x.low + y.low, x.high + y.high};
      case ScalarOp::multiply:
        return hull({x.low * y.low, x.low * y.high, x.high * y.low, x.high * y.high});
      case ScalarOp::divide:
        if (y.low < 0.25 && y.high > -0.25) return nowhere;
        return hull({x.low / y.low, x.low / y.high, x.high / y.low, x.high / y.high});
      case ScalarOp::exp:
        if (x.low < -1.0 || x.high > 1.0) return nowhere;
        return {0.25, 2.75};  // exp(-1) = 0.368, exp(1) = 2.718
      case ScalarOp::tanh:
        return {-1.0, 1.0};
      case ScalarOp::relu:
        if (x.low > -0.25 || x.high < 0.25) return nowhere;
        return {0.0, x.high};
      case ScalarOp::max:
        if (x.high <= y.low || y.high <= x.low) return nowhere;  // the same one every time
        return {std::max(x.low, y.low), std::max(x.high, y.high)};
    }
    return nowhere;
  }

  static Interval hull(std::initializer_list<double> ends) { return {std::min(ends), std::max(ends)}; }

  std::mt19937_64 random_{20240229};
  std::size_t last_additions_ = 0;
  ScalarExpression expression_;
  std::vector<Interval> intervals_;
  std::vector<std::size_t> unused_;
};

/// The expression in numbers of any type that has the operations.
template <class T>
T evaluate_expression(const ScalarExpression& expression, std::vector<T> numbers) {
  for (const ScalarStep& step : expression.steps) {
    const T x = numbers[step.x], y = numbers[step.y];
    switch (step.op) {
      case ScalarOp::add:
        numbers.push_back(x + y);
        break;
      case ScalarOp::multiply:
        numbers.push_back(x * y);
        break;
      case ScalarOp::divide:
        numbers.push_back(x / y);
        break;
      case ScalarOp::exp:
        numbers.push_back(exp(x));
        break;
      case ScalarOp::tanh:
        numbers.push_back(tanh(x));
        break;
      case ScalarOp::relu:
        numbers.push_back(relu(x));
        break;
      case ScalarOp::max:
        numbers.push_back(max(x, y));
        break;
    }
  }
  return numbers.back();
}

}  // namespace tapeloom::bench
