// Functions of one number that styles use as activations.
#include "fuzz/styles.h"

namespace tapeloom::test::fuzz {

std::size_t Styles::some_activation() { return b_.below(b_.numbers() == Numbers::coarse ? 9 : 44); }

std::uint32_t Styles::activation(std::size_t which, std::uint32_t x) {
  const auto number = [&](double n) { return b_.number(n); };
  const auto f = [&](Op op, std::uint32_t a) { return b_.apply(op, a); };
  switch (which) {
    case 0:
      return x;
    case 1:
      return f(Op::relu, x);
    case 2:
      return f(Op::abs, x);
    case 3:
      return b_.apply(Op::leaky_relu, x, number(0.25));
    case 4:
      return b_.apply(Op::max, x, number(0.0));
    case 5:
      return b_.apply(Op::max, number(0.0), x);
    case 6:
      return b_.times(x, b_.apply(Op::greater, x, number(0.0)));
    case 7:
      return b_.apply(Op::min, b_.apply(Op::max, x, number(-1.0)), number(1.0));
    case 8:
      return f(Op::neg, x);
    case 9:
    case 10:
      return f(Op::tanh, x);
    case 11:
      return f(Op::sigmoid, x);
    case 12:
      return f(Op::softplus, x);
    case 13:
      return f(Op::sin, x);
    case 14:
      return f(Op::cos, x);
    case 15:
      return f(Op::atan, x);
    case 16:
      return f(Op::expm1, f(Op::tanh, x));
    case 17:
      return f(Op::log1p, f(Op::square, x));
    case 18:
      return f(Op::sqrt, b_.plus(f(Op::square, x), number(0.25)));
    case 19:
      return f(Op::log, b_.plus(b_.times(x, x), number(0.5)));
    case 20:
      return b_.apply(Op::pow, f(Op::sigmoid, x), number(1.5));
    case 21:
      return b_.apply(Op::pow, f(Op::tanh, x), number(b_.chance(0.5) ? 2.0 : 3.0));
    case 22: {  // tanh through exp
      const std::uint32_t e = f(Op::exp, b_.times(number(2.0), x));
      return b_.over(b_.minus(e, number(1.0)), b_.plus(e, number(1.0)));
    }
    case 23:
      return b_.over(number(1.0), b_.plus(number(1.0), f(Op::exp, f(Op::neg, x))));
    case 24:
      return f(Op::log, b_.plus(number(1.0), f(Op::exp, x)));
    case 25: {
      const std::uint32_t a = f(Op::exp, x), c = f(Op::exp, f(Op::neg, x));
      return b_.over(b_.minus(a, c), b_.plus(a, c));
    }
    case 26:
      return b_.times(x, b_.apply(Op::pow, b_.plus(number(1.0), f(Op::exp, f(Op::neg, x))), number(-1.0)));
    case 27:
      return b_.minus(number(1.0), b_.over(number(2.0), b_.plus(f(Op::exp, b_.times(x, number(2.0))), number(1.0))));
    default:
      return newer_activation(which - 28, x);
  }
}

std::uint32_t Styles::newer_activation(std::size_t which, std::uint32_t x) {
  const auto number = [&](double n) { return b_.number(n); };
  const auto f = [&](Op op, std::uint32_t a) { return b_.apply(op, a); };
  const auto positive = [&](std::uint32_t a) { return b_.plus(f(Op::square, a), number(0.25)); };
  switch (which) {
    case 0:  // gelu
      return b_.times(b_.times(number(0.5), x), f(Op::erfc, b_.times(number(-0.70710678118654757), x)));
    case 1:  // silu
      return b_.times(x, f(Op::sigmoid, x));
    case 2:  // elu
      return b_.plus(f(Op::relu, x), f(Op::expm1, b_.apply(Op::min, x, number(0.0))));
    case 3: {  // huber
      const std::uint32_t size = f(Op::abs, x), c = b_.apply(Op::min, size, number(1.0));
      return b_.times(c, b_.minus(size, b_.times(number(0.5), c)));
    }
    case 4:
      return f(Op::erf, x);
    case 5:
      return f(Op::asinh, x);
    case 6:
      return f(Op::log, f(Op::cosh, f(Op::tanh, x)));
    case 7:
      return f(Op::cbrt, positive(x));
    case 8:
      return f(Op::exp2, f(Op::sin, x));
    case 9:
      return f(b_.chance(0.5) ? Op::log2 : Op::log10, positive(x));
    case 10:
      return b_.apply(Op::hypot, x, number(0.5));
    case 11:
      return b_.apply(Op::atan2, x, number(1.25));
    case 12:
      return f(b_.chance(0.5) ? Op::lgamma : Op::digamma, positive(x));
    case 13:
      return f(Op::tan, f(Op::sin, x));
    case 14:
      return b_.minus(x, f(b_.chance(0.5) ? Op::floor : Op::round, x));
    default:
      return b_.apply(Op::copysign, f(Op::sqrt, positive(x)), x);
  }
}

}  // namespace tapeloom::test::fuzz
