// Every function of one value, on every instruction set this machine has, in float and double, against long double:
// over its whole range, with denormals, the largest numbers, infinities, NaN and both zeros. Prints the largest errors.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <numbers>

#include "against_evaluate.h"
#include "instruction_sets.h"
#include "op_oracle.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Wide = long double;

/// What the op should give, written apart from the op table's formula. `max_ulps` is the bound it is held to, in units
/// of the last place (ulp): glibc's vector functions promise 4.
struct Function {
  Op op;
  double max_ulps;
  Wide (*exact)(Wide);
  double more_in_float = 0.0;  ///< to be added to max_ulps
  double least = 0.0;          ///< smaller results may be wrong by as much as this one
};

const Function functions[] = {
    {Op::neg, 0, [](Wide x) { return -x; }},
    {Op::exp, 4, [](Wide x) { return std::exp(x); }},
    {Op::expm1, 4, [](Wide x) { return std::expm1(x); }},
    {Op::log, 4, [](Wide x) { return std::log(x); }},
    {Op::log1p, 4, [](Wide x) { return std::log1p(x); }},
    {Op::sqrt, 0.5, [](Wide x) { return std::sqrt(x); }},
    {Op::square, 0.5, [](Wide x) { return x * x; }},
    // In float 2 n d / (d^2 + n^2) with polynomials n and d: over all floats 4.48 without fused multiplications, 4.63
    // with.
    {Op::tanh, 4, [](Wide x) { return std::tanh(x); }, 0.7},
    // e = exp(-|x|) is wrong by 4 eps at most, relatively; 1 + e and the quotient add half an eps each. A relative
    // error of one eps is two ulps at most.
    {Op::sigmoid, 10, [](Wide x) { return 1 / (1 + std::exp(-x)); }},
    {Op::relu, 0, [](Wide x) { return x <= 0 ? 0 : x; }},
    // e is wrong by 4 eps, and so is log1p(e), whose own 4 ulps and the rounding of the sum come on top.
    {Op::softplus, 12.5, [](Wide x) { return x < 100 ? std::log1p(std::exp(x)) : x; }},
    {Op::sin, 4, [](Wide x) { return std::sin(x); }},
    {Op::cos, 4, [](Wide x) { return std::cos(x); }},
    {Op::atan, 4, [](Wide x) { return std::atan(x); }},
    {Op::abs, 0, [](Wide x) { return std::fabs(x); }},
    {Op::tan, 4, [](Wide x) { return std::tan(x); }},
    {Op::asin, 4, [](Wide x) { return std::asin(x); }},
    {Op::acos, 4, [](Wide x) { return std::acos(x); }},
    {Op::sinh, 4, [](Wide x) { return std::sinh(x); }},
    {Op::cosh, 4, [](Wide x) { return std::cosh(x); }},
    {Op::asinh, 4, [](Wide x) { return std::asinh(x); }},
    {Op::acosh, 4, [](Wide x) { return std::acosh(x); }},
    {Op::atanh, 4, [](Wide x) { return std::atanh(x); }},
    {Op::exp2, 4, [](Wide x) { return std::exp2(x); }},
    {Op::log2, 4, [](Wide x) { return std::log2(x); }},
    {Op::log10, 4, [](Wide x) { return std::log10(x); }},
    {Op::cbrt, 4, [](Wide x) { return std::cbrt(x); }},
    {Op::erf, 4, [](Wide x) { return std::erf(x); }},
    {Op::erfc, 4, [](Wide x) { return std::erfc(x); }},
    // In units of the last place of 1 where the result is below it: near the zeros digits cancel.
    {Op::lgamma, 4, log_gamma, 0.0, 1.0},
    {Op::digamma, 1, digamma_oracle, 0.0, 1.0},
    {Op::floor, 0, [](Wide x) { return std::floor(x); }},
    {Op::ceil, 0, [](Wide x) { return std::ceil(x); }},
    {Op::round, 0, [](Wide x) { return std::round(x); }},
    {Op::stop_gradient, 0, [](Wide x) { return x; }},
};

/// Numbers of the same size in every binade, dense where the functions bend, and the special ones.
template <class T>
std::vector<T> arguments() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> list = {T(0),
                         -T(0),
                         Limits::infinity(),
                         -Limits::infinity(),
                         Limits::quiet_NaN(),
                         Limits::max(),
                         Limits::lowest(),
                         Limits::denorm_min(),
                         -Limits::denorm_min(),
                         Limits::min(),
                         -Limits::min(),
                         T(1),
                         T(-1)};
  Random random(11);
  const auto add = [&](double x) {
    list.push_back(static_cast<T>(x));
    list.push_back(static_cast<T>(-x));
  };
  for (int e = Limits::min_exponent - Limits::digits; e < Limits::max_exponent; ++e) {
    add(std::ldexp(1.0, e));
    for (int i = 0; i < 40; ++i) add(std::ldexp(between(random, 1.0, 2.0), e));
  }
  for (int i = 0; i < 40000; ++i) {
    add(between(random, 0.0, 2.0));
    add(between(random, 0.0, 25.0));
    add(between(random, 0.0, 800.0));
    add(1.0 + std::ldexp(between(random, -1.0, 1.0), -static_cast<int>(below(random, 30))));
    // Between the poles of the gamma function, and at the jumps of what rounds.
    add(between(random, 0.0, 30.0));
    add(static_cast<double>(below(random, 5000)) / 2 *
        (1.0 + between(random, -4.0, 4.0) * static_cast<double>(Limits::epsilon())));
    // Around the zeros of sine and cosine.
    const double multiple = static_cast<double>(below(random, 4000)) * std::numbers::pi / 2;
    add(multiple * (1.0 + between(random, -4.0, 4.0) * static_cast<double>(Limits::epsilon())));
  }
  // The last of every range ends in each place of a vector register at least once.
  std::shuffle(list.begin(), list.end(), random);
  return list;
}

/// The distance in units of the last place that T has at the exact result, or at `least` where that is larger; infinite
/// where a NaN, an infinity or the sign of a zero is wrong.
template <class T>
double error_in_ulps(T got, Wide exact, double least = 0.0) {
  const T rounded = static_cast<T>(exact);
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0.0 : inf;
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0.0 : inf;
  if (exact == 0 && (got != 0 || std::signbit(got) != std::signbit(exact))) return inf;
  using Limits = std::numeric_limits<T>;
  const Wide size = std::max<Wide>(std::fabs(exact), least);
  const int exponent = std::max(size == 0 ? Limits::min_exponent : std::ilogb(size), Limits::min_exponent - 1);
  return static_cast<double>(std::fabs(std::ldexp(static_cast<Wide>(got) - exact, Limits::digits - 1 - exponent)));
}

template <class T>
std::vector<T> run(Op op, const std::vector<T>& x) {
  Tape tape;
  const std::vector<Value> outputs = {record_op(op, {tape.input(0.5, "x"), 0.0, 0.0})};
  Executor<T> executor(compile_inference(outputs), {.max_samples = x.size()});
  executor.bind("x", std::span<const T>(x));
  executor.step();
  return {executor.outputs().begin(), executor.outputs().end()};
}

template <class T>
void sweep(const char* type) {
  const std::vector<std::string> names = instruction_sets();
  const std::vector<T> x = arguments<T>();
  for (const Function& f : functions) {
    std::vector<Wide> exact;
    for (T argument : x) exact.push_back(f.exact(static_cast<Wide>(argument)));
    const double bound = f.max_ulps + (std::is_same_v<T, float> ? f.more_in_float : 0.0);
    std::printf("kernels: %-8s of %s, bound %4.1f, measured", op_name(f.op), type, bound);
    for (const std::string& name : names) {
      const ForcedIsa isa(name);
      const std::vector<T> got = run(f.op, x);
      double largest = 0.0;
      std::size_t at = 0, wrong = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double error = error_in_ulps(got[i], exact[i], f.least);
        wrong += error > bound ? 1 : 0;
        if (error > largest) largest = error, at = i;
      }
      std::printf("  %s %.2f at %.9g", name.c_str(), largest, static_cast<double>(x[at]));
      INFO(name << ": " << op_name(f.op) << "(" << x[at] << ") gave " << got[at] << ", not "
                << static_cast<double>(exact[at]) << "; " << wrong << " of " << x.size() << " are wrong");
      CHECK(largest <= bound);
    }
    std::printf("\n");
  }
}

}  // namespace

namespace {

/// Of all sizes of both, of integer powers of negative numbers, and of numbers near 1.
template <class T>
std::vector<T> bases_and_exponents() {
  using Limits = std::numeric_limits<T>;
  Random random(13);
  std::vector<T> pairs;
  const auto add = [&](double base, double exponent) {
    pairs.push_back(static_cast<T>(base)), pairs.push_back(static_cast<T>(exponent));
  };
  for (int i = 0; i < 40000; ++i) {
    add(between(random, 0.0, 10.0), between(random, -10.0, 10.0));
    add(between(random, -10.0, 10.0), std::floor(between(random, -20.0, 20.0)));
    add(1.0 + between(random, -1e-3, 1e-3), between(random, -1e4, 1e4));
    const int least = Limits::min_exponent - Limits::digits, e = static_cast<int>(between(random, least, -least));
    add(std::ldexp(between(random, 1.0, 2.0), std::min(e, Limits::max_exponent - 1)), between(random, -2.0, 2.0));
  }
  return pairs;
}

/// An op of two values, as Function is.
struct FunctionOfTwo {
  Op op;
  double max_ulps;
  Wide (*exact)(Wide, Wide);
  double least = 0.0;
};

/// Of all sizes and signs, of like sizes, and with quotients that are nearly whole.
template <class T>
std::vector<T> points() {
  using Limits = std::numeric_limits<T>;
  Random random(14);
  std::vector<T> pairs;
  const auto add = [&](double a, double b) { pairs.push_back(static_cast<T>(a)), pairs.push_back(static_cast<T>(b)); };
  const auto any = [&](double least, double most) {
    const int e = static_cast<int>(between(random, least, most));
    return std::ldexp(between(random, -2.0, 2.0), std::min(e, Limits::max_exponent - 1));
  };
  for (int i = 0; i < 40000; ++i) {
    add(between(random, -3.0, 3.0), between(random, -3.0, 3.0));
    const int least = Limits::min_exponent - Limits::digits, most = Limits::max_exponent;
    add(any(least, most), any(least, most));
    const double a = any(least, most), e = std::ilogb(a);
    add(a, any(std::max<double>(e - 40, least), std::min<double>(e + 40, most)));
    const double b = between(random, 0.1, 10.0),
                 near = 1.0 + between(random, -2.0, 2.0) * static_cast<double>(Limits::epsilon());
    add(b * static_cast<double>(below(random, 1000)) * near, b);
  }
  return pairs;
}

/// Whole orders, and arguments from near the poles to far away.
template <class T>
std::vector<T> orders_and_arguments() {
  Random random(15);
  std::vector<T> pairs;
  const auto add = [&](double order, double x) {
    pairs.push_back(static_cast<T>(order)), pairs.push_back(static_cast<T>(x));
  };
  for (int i = 0; i < 3000; ++i) {
    add(1.0, between(random, 0.0, 30.0));
    add(1.0, between(random, -30.0, 0.0));
    const double order = static_cast<double>(below(random, 11));
    add(order, between(random, 0.0, 30.0));
    add(order, between(random, -30.0, 0.0));
    add(order, std::exp(between(random, -20.0, 10.0)));
    add(order, -static_cast<double>(below(random, 5)) + std::exp(between(random, -10.0, 0.0)));
  }
  for (double order : {0.0, 1.0, 2.0, 5.0, 0.5, -1.0, 101.0}) {
    for (double x : {0.0, -0.0, -1.0, -2.0, inf, -inf, not_a_number, 1e30}) add(order, x);
  }
  return pairs;
}

template <class T>
void sweep_pairs(const char* type, const FunctionOfTwo& f, const std::vector<T>& pairs) {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 2), outputs = {record_op(f.op, {x[0], x[1], 0.0})};
  const Program program = compile_inference(outputs);
  std::vector<Wide> exact;
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    exact.push_back(f.exact(static_cast<Wide>(pairs[i]), static_cast<Wide>(pairs[i + 1])));
  }
  for (const std::string& name : instruction_sets()) {
    const ForcedIsa isa(name);
    Executor<T> executor(program, {.max_samples = exact.size()});
    executor.bind("x", std::span<const T>(pairs));
    executor.step();
    double largest = 0.0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const double error = error_in_ulps(executor.outputs()[i], exact[i], f.least);
      if (error > largest) largest = error, at = i;
    }
    std::printf("kernels: %s of %s, bound %g, measured %s %.2f\n", op_name(f.op), type, f.max_ulps, name.c_str(),
                largest);
    INFO(name << ": " << op_name(f.op) << "(" << pairs[2 * at] << ", " << pairs[2 * at + 1] << ") gave "
              << executor.outputs()[at] << ", not " << static_cast<double>(exact[at]));
    CHECK(largest <= f.max_ulps);
  }
}

template <class T>
void sweep_pairs(const char* type) {
  sweep_pairs<T>(type, {Op::pow, 4, [](Wide a, Wide b) { return std::pow(a, b); }}, bases_and_exponents<T>());
  const FunctionOfTwo others[] = {{Op::hypot, 4, [](Wide a, Wide b) { return std::hypot(a, b); }},
                                  {Op::atan2, 4, [](Wide a, Wide b) { return std::atan2(a, b); }},
                                  {Op::fmod, 0, [](Wide a, Wide b) { return std::fmod(a, b); }},
                                  {Op::copysign, 0, [](Wide a, Wide b) { return std::copysign(a, b); }}};
  for (const FunctionOfTwo& f : others) sweep_pairs<T>(type, f, points<T>());
  sweep_pairs<T>(type, {Op::polygamma, 1, polygamma_oracle, 1.0}, orders_and_arguments<T>());
}

}  // namespace

TEST_CASE("kernels: functions of two floats against long double") { sweep_pairs<float>("float"); }
TEST_CASE("kernels: functions of two doubles against long double") { sweep_pairs<double>("double"); }
TEST_CASE("kernels: functions of one float against long double") { sweep<float>("float"); }
TEST_CASE("kernels: functions of one double against long double") { sweep<double>("double"); }

TEST_CASE("kernels: the derivative of a float's tanh is within 4 eps of 1 / cosh^2, with every instruction set") {
  // Every 37th float up to where tanh is 1: the largest errors are of single floats, and so many find nearly the
  // largest.
  std::vector<float> x;
  for (auto bits = std::bit_cast<std::uint32_t>(1e-5f); bits < std::bit_cast<std::uint32_t>(9.1f); bits += 37) {
    x.push_back(std::bit_cast<float>(bits));
  }
  constexpr std::size_t samples = 1 << 16;
  Tape tape;
  const Program program = compile(batch_sum(tanh(tape.input(0.5, "x"))), {.input_gradients = true});
  for (const std::string& name : instruction_sets()) {
    const ForcedIsa isa(name);
    Executor<float> executor(program, {.max_samples = samples});
    double largest = 0.0, at = 0.0;
    for (std::size_t first = 0; first < x.size(); first += samples) {
      const std::span<const float> some = std::span(x).subspan(first, std::min(samples, x.size() - first));
      executor.bind("x", some);
      executor.step();
      for (std::size_t i = 0; i < some.size(); ++i) {
        const double over_cosh = 1.0 / std::cosh(static_cast<double>(some[i]));
        const double error = std::fabs(static_cast<double>(executor.input_gradients()[i]) - over_cosh * over_cosh);
        if (error > largest) largest = error, at = static_cast<double>(some[i]);
      }
    }
    largest /= static_cast<double>(std::numeric_limits<float>::epsilon());
    std::printf("kernels: derivative of a float's tanh, bound 4 eps, measured %s %.2f at %.9g\n", name.c_str(), largest,
                at);
    INFO(name << " at " << at);
    CHECK(largest <= 4.0);
  }
}

TEST_CASE("kernels: ops of two and three values over all combinations of special numbers") {
  // A uniform operand meets a kernel of its own, so each operand is tried as an input and as a uniform input.
  const std::vector<double> special = {0.0, -0.0, 1.0,   -1.0,   2.0,     0.5,          -3.0,
                                       inf, -inf, 1e308, 5e-324, -1e-310, not_a_number, 1e-300};
  std::vector<double> rows;  // all combinations of three, in the order of three nested loops
  for (double a : special) {
    for (double b : special) {
      for (double c : special) rows.insert(rows.end(), {a, b, c});
    }
  }
  const auto check = [&](Op op, unsigned uniform_mask) {
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", 3);
    Value operands[3];
    for (std::size_t k = 0; k < 3; ++k) {
      operands[k] = (uniform_mask >> k & 1) != 0 ? tape.uniform_input(1.0, "u" + std::to_string(k)) : x[k];
    }
    const std::vector<Value> outputs = {record_op(op, {operands[0], operands[1], operands[2]})};
    Executor<double> executor(compile_inference(outputs), {.max_samples = rows.size() / 3});
    executor.bind(std::span<const double>(rows));
    for (double uniform : special) {
      for (const ProgramUniformInput& input : executor.program().uniform_inputs) {
        executor.set_uniform_input(input.name, uniform);
      }
      executor.step();
      for (std::size_t i = 0; i < executor.outputs().size(); ++i) {
        std::array<double, 3> at = {rows[3 * i], rows[3 * i + 1], rows[3 * i + 2]};
        for (std::size_t k = 0; k < 3; ++k) at[k] = (uniform_mask >> k & 1) != 0 ? uniform : at[k];
        const double got = executor.outputs()[i], expected = forward_op(op, at);
        if (same_bits(got, expected)) continue;
        // What is but `scaled` skips zeros in a step that is repeated.
        if ((op == Op::tanh_adjoint || op == Op::sigmoid_adjoint) && at[1] == 0.0) continue;
        // The vector functions round in another way; NaN, infinities and zeros are the same.
        const bool rounds = op == Op::pow || op == Op::hypot || op == Op::atan2;
        if (rounds && expected != 0.0 && std::fabs(got / expected - 1.0) <= 0x1p-51) continue;
        INFO(op_name(op) << "(" << at[0] << ", " << at[1] << ", " << at[2] << "), uniform operands " << uniform_mask);
        CHECK(got == expected);
        return;  // one a mask will do
      }
    }
  };
  for (const std::string& name : instruction_sets()) {
    const ForcedIsa isa(name);
    INFO(name);
    for (std::size_t i = 0; i < op_count; ++i) {
      const std::size_t arity = op_arity(static_cast<Op>(i));
      for (unsigned mask = 0; arity >= 2 && mask + 1 < 1u << arity; ++mask) check(static_cast<Op>(i), mask);
    }
  }
  CHECK(true);
}

TEST_CASE("kernels: every function of one value is in the list above") {
  std::size_t count = 0;
#define TAPELOOM_UNARY(name, Struct) \
  ++count;                           \
  CHECK(std::ranges::count(functions, Op::name, &Function::op) == 1);
#include "tapeloom/core/ops/ops.def"
  CHECK(count == std::size(functions));
}

TEST_CASE("kernels: an instruction set that is not there is refused by name") {
  Tape tape;
  const Program program = compile(tape.parameter(1.0));
  {
    const ForcedIsa isa("abacus");
    CHECK_THROWS_SAYING(BindError, "TAPELOOM_ISA=abacus", Executor<float>(program));
    CHECK_THROWS_SAYING(BindError, "baseline", Executor<double>(program));
  }
  CHECK_NOTHROW(Executor<float>(program));
}
