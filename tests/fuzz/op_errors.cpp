#include "fuzz/op_errors.h"

#include <cmath>
#include <numbers>

namespace tapeloom::test::fuzz {

Real function_units(Op op) {
  switch (op) {
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::sin:
    case Op::cos:
    case Op::atan:
    case Op::pow:
    case Op::tan:
    case Op::asin:
    case Op::acos:
    case Op::sinh:
    case Op::cosh:
    case Op::asinh:
    case Op::acosh:
    case Op::atanh:
    case Op::exp2:
    case Op::log2:
    case Op::log10:
    case Op::cbrt:
    case Op::erf:
    case Op::erfc:
    case Op::hypot:
    case Op::atan2:
    case Op::lgamma:
      return 8.0L;
    case Op::digamma:
    case Op::polygamma:
      return 2.0L;
    case Op::tanh_adjoint:
    case Op::sigmoid_adjoint:
    case Op::atan_adjoint:
      return 4.0L;
    case Op::tanh:
      return 12.0L;
    case Op::sigmoid:
      return 20.0L;
    case Op::softplus:
      return 25.0L;
    case Op::constant:
    case Op::parameter:
    case Op::input:
    case Op::uniform_input:
    case Op::batch_sum:
    case Op::batch_mean:
#define TAPELOOM_OPERATOR(name, Struct, sign) case Op::name:
#define TAPELOOM_COMPARISON(name, Struct, sign) case Op::name:
#define TAPELOOM_TERNARY(name, Struct) case Op::name:
#define TAPELOOM_FUSED(name, Struct, formula) case Op::name:
#include "tapeloom/core/ops/ops.def"
    case Op::mul_adjoint:
    case Op::mul_adjoints:
    case Op::div_adjoint:
    case Op::unless_zero:
    case Op::relu_adjoint:
    case Op::neg:
    case Op::sqrt:
    case Op::square:
    case Op::relu:
    case Op::abs:
    case Op::leaky_relu:
    case Op::max:
    case Op::min:
    case Op::floor:
    case Op::ceil:
    case Op::round:
    case Op::stop_gradient:
    case Op::fmod:
    case Op::copysign:
      return 1.0L;
  }
  return 1.0L;
}

Real function_size(Op op, const std::array<Real, 3>& x, Real y) {
  // Of 1 - y^2 and y (1 - y), in which digits cancel.
  if (op == Op::tanh_adjoint || op == Op::sigmoid_adjoint) return std::fabs(x[1]);
  // Of a sum, in which digits may cancel.
  if (op_kind(op) == OpKind::fused) return std::fabs(x[0] * x[1]) + std::fabs(x[2]);
  const bool mixed = op == Op::lgamma || op == Op::digamma || op == Op::polygamma;
  return mixed ? std::fmax(std::fabs(y), 1.0L) : std::fabs(y);
}

bool copies(Op op) {
  switch (op) {
    case Op::neg:
    case Op::relu:
    case Op::abs:
    case Op::max:
    case Op::min:
    case Op::where:
    case Op::floor:
    case Op::ceil:
    case Op::round:
    case Op::stop_gradient:
    case Op::fmod:
    case Op::copysign:
    case Op::unless_zero:
    case Op::relu_adjoint:
      return true;
    default:  // NOLINT: all others are rounded
      return op_kind(op) == OpKind::comparison;
  }
}

bool chooses_away(Op op, std::size_t operand, const std::array<Real, 3>& x, const Arithmetic& arithmetic) {
  switch (op) {
    case Op::relu:
    case Op::abs:
    case Op::max:
    case Op::min:
    case Op::where:
    case Op::floor:
    case Op::ceil:
    case Op::round:
    case Op::stop_gradient:
    case Op::copysign:
    case Op::relu_adjoint:
    case Op::mul_adjoints:
      return true;
    case Op::mul_adjoint:
    case Op::div_adjoint:
      return operand == 0;
    case Op::tanh_adjoint:
    case Op::sigmoid_adjoint:
    case Op::atan_adjoint:
      return operand == 0 && arithmetic.zero_contributes_nothing && x[1] == 0;
    case Op::unless_zero:
      return operand == 1;
    case Op::polygamma:
      return operand == 0;
    case Op::leaky_relu:
      return operand == 1 && x[0] > 0;
    case Op::pow:
      return operand == 0 ? x[1] == 0 : x[0] == 0 && !(x[1] < 0);
    default:  // NOLINT: derivatives of the others are factors
      return op_kind(op) == OpKind::comparison;
  }
}

namespace {

/// Whether there is a whole number within `error` of x, which is not known exactly.
bool whole_near(Real x, Real error) { return error > 0 && !(std::floor(x - error) == std::floor(x + error)); }

}  // namespace

bool pole_near(Op op, const std::array<Real, 3>& x, const std::array<Real, 3>& error, const Arithmetic& arithmetic) {
  const auto zero_near = [&](std::size_t i) { return error[i] > 0 && std::fabs(x[i]) <= error[i]; };
  // Identities do not keep the sign of a zero, which chooses a side of a jump.
  const auto unsure_zero = [&](std::size_t i) { return x[i] == 0 && arithmetic.reordered; };
  switch (op) {
    case Op::div:
      return zero_near(1);
    case Op::div_adjoint:
      return zero_near(0);
    case Op::pow:
      return zero_near(0) && x[1] - error[1] < 1 && x[1] != 0;
    case Op::tan:
      return whole_near(x[0] / std::numbers::pi_v<Real> + 0.5L, error[0]);
    case Op::lgamma:
    case Op::digamma:
      return x[0] - error[0] <= 0 && (whole_near(x[0], error[0]) || zero_near(0) || unsure_zero(0));
    case Op::polygamma:
      return error[0] > 0 || (x[1] - error[1] <= 0 && (whole_near(x[1], error[1]) || zero_near(1) || unsure_zero(1)));
    case Op::hypot:
      return zero_near(0) || zero_near(1);
    case Op::atan2:
      return zero_near(0) || zero_near(1) || unsure_zero(0) || unsure_zero(1);
    case Op::fmod: {
      const Real quotient = x[0] / x[1];
      return zero_near(1) || whole_near(quotient, (error[0] + std::fabs(quotient) * error[1]) / std::fabs(x[1]) * 2);
    }
    case Op::cbrt:
      return zero_near(0);
    case Op::copysign:  // nobody says which sign a NaN has
      return zero_near(1) || unsure_zero(1) || std::isnan(x[1]);
    default:  // NOLINT: corners show what the others do
      return false;
  }
}

Real partial_error(Op op, std::size_t operand, const std::array<Real, 3>& x, Real y, Real y_error, Real p,
                   const Arithmetic& arithmetic) {
  const Real unit = arithmetic.slack() * arithmetic.unit();
  const Real relative = 2.0L * function_units(op) * unit * std::fabs(p);
  switch (op) {
    case Op::div:
      return 4.0L * unit * std::fabs(p) + (operand == 1 ? y_error / std::fabs(x[1]) : 0.0L);
    case Op::div_adjoint:
      return 8.0L * unit * std::fabs(p) + (operand == 0 ? y_error / std::fabs(x[0]) : 0.0L);
    case Op::tanh_adjoint:
    case Op::sigmoid_adjoint:
      return 8.0L * unit * (operand == 0 ? std::fabs(x[1]) : 1.0L);
    case Op::atan_adjoint:
      return 16.0L * unit * std::fabs(p) + (operand == 0 ? 2.0L * y_error : 0.0L);
    case Op::exp:
      // As a part of tanh or sigmoid: their derivatives are those of a result near 1, which is rounded.
      return y_error + (arithmetic.idioms ? 4.0L * unit * std::fmax(1.0L, y * y) : 0.0L);
    case Op::expm1:
      return y_error + unit * std::fmax(1.0L, std::fabs(y));
    case Op::sqrt:
      return 4.0L * unit * std::fabs(p) + std::fabs(p) * y_error / std::fabs(y);
    case Op::tanh:
      return 2.0L * std::fabs(y) * y_error + 2.0L * unit;
    case Op::sigmoid:
      return y_error + 2.0L * unit * std::fabs(y);
    case Op::softplus:
      return 20.0L * unit * std::fabs(p);
    case Op::pow:
      return relative + 4.0L * (1.0L + std::fabs(x[1])) * arithmetic.smallest() +
             (operand == 1 && y_error > 0 ? y_error * std::fabs(std::log(x[0])) : 0.0L);
    case Op::tan:
      return 2.0L * std::fabs(y) * y_error + 4.0L * unit * std::fabs(p);
    case Op::exp2:
      return y_error + 4.0L * unit * std::fabs(p);
    case Op::cbrt:
      return 4.0L * unit * std::fabs(p) + 2.0L * std::fabs(p) * y_error / std::fabs(y);
    case Op::erf:
    case Op::erfc:  // of exp(-x^2), whose argument is rounded
      return relative + 2.0L * unit * x[0] * x[0] * std::fabs(p);
    case Op::lgamma:
    case Op::digamma:
    case Op::polygamma:
      return op == Op::polygamma && operand == 0 ? 0.0L : 16.0L * unit * std::fmax(1.0L, std::fabs(p));
    case Op::hypot:
      return 4.0L * unit * std::fabs(p) + std::fabs(p) * y_error / std::fabs(y);
    case Op::atan2: {  // by the radius, which may overflow
      const Real r = std::hypot(x[0], x[1]);
      return r <= arithmetic.largest() ? 2.0L * relative + 8.0L * arithmetic.smallest() / r * std::fabs(p)
                                       : std::fabs(p);
    }
    case Op::fmod:
      return operand == 1 ? 2.0L * unit * std::fabs(p) : 0.0L;
    case Op::asin:
    case Op::acos:
    case Op::sinh:
    case Op::cosh:
    case Op::asinh:
    case Op::acosh:
    case Op::atanh:
    case Op::log2:
    case Op::log10:
    case Op::atan:
    case Op::log:
    case Op::log1p:
    case Op::sin:
    case Op::cos:
      return relative;
    default:  // NOLINT: the others have operands for derivatives
      return 0.0L;
  }
}

}  // namespace tapeloom::test::fuzz
