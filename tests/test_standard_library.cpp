// The standard library's algorithms, containers and numbers with Values in the place of doubles: what compiles gives
// the same numbers, with derivatives, or is refused for data that would decide otherwise. What cannot be right does not
// compile.
#include <cmath>
#include <complex>
#include <concepts>
#include <limits>
#include <numeric>
#include <sstream>
#include <type_traits>
#include <vector>

#include "against_evaluate.h"
#include "standard_uses.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("standard library: the limits of Value are those of double, as plain numbers") {
  using Limits = std::numeric_limits<Value>;
  using Doubles = std::numeric_limits<double>;
  static_assert(Limits::is_specialized && Limits::is_signed && !Limits::is_integer && Limits::has_infinity);
  static_assert(Limits::digits == 53 && Limits::max_exponent == 1024 && Limits::is_iec559);
  static_assert(std::is_same_v<decltype(Limits::max()), Value>);
  CHECK(Limits::infinity().data() == inf);
  CHECK(Limits::max().data() == Doubles::max());
  CHECK(Limits::min().data() == Doubles::min());
  CHECK(Limits::lowest().data() == -Doubles::max());
  CHECK(Limits::epsilon().data() == Doubles::epsilon());
  CHECK(Limits::round_error().data() == 0.5);
  CHECK(Limits::denorm_min().data() == Doubles::denorm_min());
  CHECK(std::isnan(Limits::quiet_NaN().data()));
  CHECK(std::isnan(Limits::signaling_NaN().data()));
  CHECK(std::numeric_limits<const Value>::infinity().data() == inf);
  CHECK(std::numeric_limits<volatile Value>::digits == 53);

  Tape tape;
  const std::vector<double> numbers = {3.0, -2.0, 5.0};
  Value least = Limits::infinity(), most = Limits::lowest();
  for (Value x : tape.inputs("x", numbers)) least = min(least, x), most = max(most, x);
  CHECK(least.data() == -2.0);
  CHECK(most.data() == 5.0);
}

namespace {

#define TAPELOOM_TEST_CALL(name, ...) \
  template <class T>                  \
  concept name = requires(T x) {      \
    __VA_ARGS__;                      \
  };
TAPELOOM_TEST_CALL(CanAbs, std::abs(x))
TAPELOOM_TEST_CALL(CanFabs, std::fabs(x))
TAPELOOM_TEST_CALL(CanSqrt, std::sqrt(x))
TAPELOOM_TEST_CALL(CanPow, std::pow(x, 2.0))
TAPELOOM_TEST_CALL(CanBeExponent, std::pow(2.0, x))
TAPELOOM_TEST_CALL(CanFma, std::fma(x, x, x))
TAPELOOM_TEST_CALL(CanFmax, std::fmax(x, 1.0))
TAPELOOM_TEST_CALL(CanHypot, std::hypot(x, x))
TAPELOOM_TEST_CALL(CanAtan2, std::atan2(x, 1.0))
TAPELOOM_TEST_CALL(CanRound, std::round(x))
TAPELOOM_TEST_CALL(CanRoundToInt, std::lround(x))
TAPELOOM_TEST_CALL(CanIsnan, std::isnan(x))
TAPELOOM_TEST_CALL(CanIsfinite, std::isfinite(x))
TAPELOOM_TEST_CALL(CanSignbit, std::signbit(x))
TAPELOOM_TEST_CALL(CanCopysign, std::copysign(x, -1.0))
TAPELOOM_TEST_CALL(CanIsgreater, std::isgreater(x, 1.0))
TAPELOOM_TEST_CALL(CanFrexp, std::frexp(x, static_cast<int*>(nullptr)))
TAPELOOM_TEST_CALL(CanLerp, std::lerp(x, x, x))
TAPELOOM_TEST_CALL(CanMidpoint, std::midpoint(x, x))
TAPELOOM_TEST_CALL(CanReal, std::real(x))
TAPELOOM_TEST_CALL(CanNorm, std::norm(x))
TAPELOOM_TEST_CALL(CanBeta, std::beta(x, x))
TAPELOOM_TEST_CALL(CanHash, std::hash<T>{}(x))
TAPELOOM_TEST_CALL(CanPrint, std::to_string(x))
TAPELOOM_TEST_CALL(CanAddToNumber, std::plus<double>{}(x, 1.0))
TAPELOOM_TEST_CALL(HasLimits, std::numeric_limits<T>::max())
TAPELOOM_TEST_CALL(CanTgamma, std::tgamma(x))
TAPELOOM_TEST_CALL(CanLgamma, std::lgamma(x))
TAPELOOM_TEST_CALL(CanErf, std::erf(x))
TAPELOOM_TEST_CALL(CanCbrt, std::cbrt(x))
TAPELOOM_TEST_CALL(CanFloor, std::floor(x))
TAPELOOM_TEST_CALL(CanCeil, std::ceil(x))
TAPELOOM_TEST_CALL(CanFmod, std::fmod(x, 2.0))
TAPELOOM_TEST_CALL(CanSinh, std::sinh(x))
TAPELOOM_TEST_CALL(CanLog2, std::log2(x))
TAPELOOM_TEST_CALL(CanExp2, std::exp2(x))
TAPELOOM_TEST_CALL(CanTrunc, std::trunc(x))
TAPELOOM_TEST_CALL(CanRemainder, std::remainder(x, x))
TAPELOOM_TEST_CALL(CanNegate, !x)
TAPELOOM_TEST_CALL(CanBothOrEither, x&& x, x || true)
TAPELOOM_TEST_CALL(CanEitherAlone, x || true)
TAPELOOM_TEST_CALL(CanAnd, x& x)
TAPELOOM_TEST_CALL(CanAndTruth, true & x, x | false)
TAPELOOM_TEST_CALL(CanChain, x < 1.0)
TAPELOOM_TEST_CALL(CanChainBack, x >= 1.0)
TAPELOOM_TEST_CALL(CanChoose, where(x, 1.0, 2.0))
TAPELOOM_TEST_CALL(CanCount, x += 1.0)
TAPELOOM_TEST_CALL(CanBranch, x ? 1 : 2)
TAPELOOM_TEST_CALL(CanStep, ++x, x++, --x, x--)
TAPELOOM_TEST_CALL(CanBeCounted, std::declval<int&>() += x, std::declval<std::size_t&>() -= x)
TAPELOOM_TEST_CALL(CanBeJoined, std::declval<bool&>() |= x, std::declval<bool&>() &= x)
TAPELOOM_TEST_CALL(CanBeAddedToNumber, std::declval<double&>() += x)
#undef TAPELOOM_TEST_CALL

template <class T>
constexpr bool can_call_any =
    CanAbs<T> || CanFabs<T> || CanSqrt<T> || CanPow<T> || CanBeExponent<T> || CanFma<T> || CanFmax<T> || CanHypot<T> ||
    CanAtan2<T> || CanRound<T> || CanRoundToInt<T> || CanIsnan<T> || CanIsfinite<T> || CanSignbit<T> ||
    CanCopysign<T> || CanIsgreater<T> || CanFrexp<T> || CanLerp<T> || CanMidpoint<T> || CanReal<T> || CanNorm<T> ||
    CanBeta<T> || CanHash<T> || CanPrint<T> || CanAddToNumber<T> || CanTgamma<T> || CanLgamma<T> || CanErf<T> ||
    CanCbrt<T> || CanFloor<T> || CanCeil<T> || CanFmod<T> || CanSinh<T> || CanLog2<T> || CanExp2<T> || CanTrunc<T> ||
    CanRemainder<T>;

// The library's own functions are found by their arguments: abs(x), sqrt(x), pow(x, 2.0).
static_assert(!can_call_any<Value> && !can_call_any<Condition>);
static_assert(CanFma<double> && CanHash<double> && CanIsgreater<double> && CanBeta<double>, "these tests ask well");
static_assert(HasLimits<Value> && !HasLimits<Condition>);

// What asks whether it is a built-in number is told that it is not.
static_assert(!std::is_floating_point_v<Value> && !std::is_arithmetic_v<Value> && !std::floating_point<Value>);
static_assert(!std::is_convertible_v<Value, double> && !std::is_constructible_v<double, Value>);
static_assert(!std::is_convertible_v<Value, bool> && !std::is_constructible_v<bool, Value>);
static_assert(std::is_same_v<std::common_type_t<Value, double>, Value>);
static_assert(std::is_same_v<std::common_type_t<int, Value>, Value>);
static_assert(std::is_same_v<std::common_type_t<Value, Condition>, Value>);

// A Value is no truth; a condition is one, but where a number is chosen sample by sample a C++ truth is none.
static_assert(!CanNegate<Value> && !CanBothOrEither<Value> && !CanEitherAlone<Value> && !CanAnd<Value>);
static_assert(!CanBranch<Value> && !CanAndTruth<Value>);
static_assert(CanNegate<Condition> && CanBothOrEither<Condition> && CanEitherAlone<Condition> && CanAnd<Condition>);
static_assert(CanBranch<Condition> && CanAndTruth<Condition>);
static_assert(CanChoose<Value> && CanChoose<Condition> && !CanChoose<bool>);
// a < b < c is not what it looks like, and what is added to a condition makes it none.
static_assert(CanChain<Value> && CanChainBack<Value> && !CanChain<Condition> && !CanChainBack<Condition>);
static_assert(CanCount<Value> && !CanCount<Condition> && CanStep<Value> && !CanStep<Condition>);
// A count and a truth of C++ take the truth of a condition, and nothing else does.
static_assert(CanBeCounted<Condition> && CanBeJoined<Condition> && !CanBeAddedToNumber<Condition>);
static_assert(!CanBeCounted<Value> && !CanBeJoined<Value> && !CanBeAddedToNumber<Value>);

// A condition is a truth or a Value, but no number of another kind.
static_assert(std::is_convertible_v<Condition, bool> && std::is_convertible_v<Condition, Value>);
static_assert(!std::is_convertible_v<Condition, int> && !std::is_convertible_v<Condition, double>);
static_assert(!std::is_convertible_v<Condition, char> && !std::is_convertible_v<Condition, void*>);
static_assert(std::totally_ordered<Value> && std::equality_comparable_with<Value, double>);

}  // namespace

TEST_CASE("standard library: a comparison becomes a bool with a guard, and a Value without") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), y = tape.input(2.0, "y");
  const bool less = x < y;
  CHECK(less);
  CHECK(tape.guards().size() == 1);
  const Value half = 0.5 * (x < y), count = (x < y) + (y < x) + 1.0;
  CHECK(half.data() == 0.5);
  CHECK(count.data() == 2.0);
  CHECK(where((!(x < y)) | (y < x), x, y).data() == 2.0);
  CHECK(tape.guards().size() == 1);
  const auto decides = [](Value a, Value b) -> bool { return a > b; };
  CHECK_FALSE(decides(x, y));
  CHECK(tape.guards().size() == 2);
  std::vector<bool> truths = {x < y, y < x};
  truths.push_back(x == y);
  CHECK(truths == std::vector<bool>{true, false, false});
  CHECK(tape.guards().size() == 5);
  std::ostringstream text;
  text << (x < y);  // as a number, which is no decision
  CHECK(text.str() == "1");
  CHECK(tape.guards().size() == 5);
}

TEST_CASE("standard library: counts and truths of C++ take comparisons, each with its guard") {
  const auto count_of = []<class T>(const std::vector<T>& x) {
    int above = 0;
    unsigned below = 9;
    bool any = false, all = true, none = true;
    for (const T& each : x) {
      above += each > 0.5;
      below -= each < -0.5;
      any |= each > 0.8;
      all &= each > -0.8;
      none &= !(each > 0.8);
    }
    return above + 10 * static_cast<int>(below) + 100 * (any ? 1 : 0) + 1000 * (all ? 1 : 0) + 10000 * (none ? 1 : 0);
  };
  const std::vector<std::vector<double>> lists = {
      {0.1, 0.6, -0.6}, {0.9, 0.95, 0.9}, {-0.9, -0.95, 0.0}, {0.9, -0.9, 0.55}};
  for (const std::vector<double>& recorded : lists) {
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", recorded);
    const int count = count_of(x);
    CHECK(count == count_of(recorded));
    CHECK(tape.guards().size() == 5 * x.size());  // whether or not it is known already what comes out
    const Value y = x[0] * static_cast<double>(count);
    Executor<double> executor(compile_inference(y));
    for (const std::vector<double>& other : lists) {
      executor.bind(other);
      if (&other == &recorded) {
        executor.step();
        CHECK(executor.outputs()[0] == recorded[0] * count);
      } else {
        CHECK_THROWS_AS(executor.step(), GuardError);
      }
    }
  }
}

TEST_CASE("standard library: conditions that are joined with others stay conditions, without a guard") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), y = tape.input(2.0, "y");
  const bool off = false;
  auto any = x > y, all = x < y;
  any |= off;
  any |= x == 1.0;
  all &= y < 0.0;
  all &= true;
  CHECK(where(any, 1.0, 2.0).data() == 1.0);
  CHECK(where(all, 1.0, 2.0).data() == 2.0);
  CHECK(tape.guards().empty());
}

TEST_CASE("standard library: ++ and -- add and subtract one, in std::iota as well") {
  Tape tape;
  const Value start = tape.parameter(2.0, "start");
  Value x = start;
  const Value before = x++, after = ++x, again = x--;
  --x;
  CHECK(before.data() == 2.0);
  CHECK(after.data() == 4.0);
  CHECK(again.data() == 4.0);
  CHECK(x.data() == 2.0);
  CHECK(start.data() == 2.0);
  std::vector<Value> list(4);
  std::iota(list.begin(), list.end(), start);
  Value y = 0.0;
  for (const Value& each : list) y += each * each;
  CHECK(y.data() == 4.0 + 9.0 + 16.0 + 25.0);
  y.backward();
  CHECK(start.grad() == 2.0 * (2.0 + 3.0 + 4.0 + 5.0));
}

TEST_CASE("standard library: conditions meet C++ truths, numbers and each other without a guard") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), y = tape.input(2.0, "y");
  const std::size_t nodes = tape.size();
  const bool on = true, off = false;
  const Condition less = x < y;
  CHECK(where(less & on, 1.0, 2.0).data() == 1.0);
  CHECK(where(on & less, 1.0, 2.0).data() == 1.0);
  CHECK(where(less & off, 1.0, 2.0).data() == 2.0);
  CHECK(where(less | on, 1.0, 2.0).data() == 1.0);
  CHECK(where(!less | off, 1.0, 2.0).data() == 2.0);
  CHECK(where(off | less, 1.0, 2.0).data() == 1.0);
  CHECK((less & on).id() == less.id());
  CHECK((less & off).is_plain());
  CHECK((less | on).data() == 1.0);
  CHECK((less == true).data() == 1.0);
  CHECK((less != (y < x)).data() == 1.0);
  CHECK((Value(less) < 2.0).data() == 1.0);
  Value count = less;
  count += y > x;
  CHECK(count.data() == 2.0);
  CHECK((less * 3.0 - less / 2.0 + exp(-less)).data() == 2.5 + std::exp(-1.0));
  CHECK(tape.guards().empty());
  CHECK(tape.size() > nodes);
  if (less && !(y < x)) count = 5.0;  // && decides, by a guard for each
  CHECK(count.data() == 5.0);
  CHECK(tape.guards().size() == 2);
}

TEST_CASE("standard library: algorithms give the numbers and derivatives of doubles, or are refused") {
  std::size_t right = 0, refused = 0;
  for (const Use& use : uses()) {
    INFO(use.name);
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      const std::vector<double> row = some_numbers(5, seed);
      Tape tape;
      const std::vector<Value> x = tape.inputs("x", row);
      const Value y = use.of_values(x);
      REQUIRE(close(y.data(), use.of_numbers(row), {.relative = 1e-14}));

      y.backward();
      for (std::size_t i = 0; i < row.size(); ++i) {
        std::vector<double> above = row, below = row;
        above[i] += 1e-6, below[i] -= 1e-6;
        const double slope = (use.of_numbers(above) - use.of_numbers(below)) / 2e-6;
        INFO("by x[" << i << "]: " << x[i].grad() << " and " << slope);
        REQUIRE(close(x[i].grad(), slope, {.relative = 1e-6, .absolute = 1e-7}));
      }

      // Whatever is bound, nothing else comes out.
      Executor<double> executor(compile(batch_sum(y)));
      for (std::uint64_t other = 1; other <= 8; ++other) {
        const std::vector<double> bound = some_numbers(5, other);
        executor.bind(bound);
        try {
          const double computed = executor.step();
          REQUIRE(close(computed, use.of_numbers(bound), {.relative = 1e-12, .absolute = 1e-13}));
          ++right;
        } catch (const GuardError&) {
          REQUIRE(other != seed);
          ++refused;
        }
      }
    }
  }
  CHECK(right > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("standard library: lists may stand in braces, and one output without") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0);
  CHECK(sum({a, b}).data() == 5.0);
  CHECK(sum({a, 1.0, b * b}).data() == 12.0);
  CHECK(sum({}).data() == 0.0);
  CHECK(mean({a, b}).data() == 2.5);
  CHECK(dot({a, b}, {b, 4.0}).data() == 18.0);
  const std::vector<Value> both = {a, b};
  CHECK(sum(both).data() == 5.0);
  CHECK(sum({both.data(), 1}).data() == 2.0);
  CHECK_THROWS_AS(mean({}), RecordingError);

  const auto outputs = [](Program program) {
    Executor<double> executor(std::move(program));
    executor.step();
    return std::vector<double>(executor.outputs().begin(), executor.outputs().end());
  };
  CHECK(outputs(compile_inference(a * b)) == std::vector<double>{6.0});
  CHECK(outputs(compile_inference({a * b})) == std::vector<double>{6.0});
  CHECK(outputs(compile_inference({a, b, a + b})) == std::vector<double>{2.0, 3.0, 5.0});
  CHECK(outputs(compile_inference(both)) == std::vector<double>{2.0, 3.0});
  CHECK(outputs(compile_inference(a * b, {.exact = true})) == std::vector<double>{6.0});
  CHECK(outputs(compile_inference({a, b}, {.exact = true})) == std::vector<double>{2.0, 3.0});
  CHECK(compile_inference(a < b).outputs.size() == 1);
  CHECK(tape.guards().empty());
}
