// Writes the statements of a script one after another.
#pragma once

#include <cstdint>
#include <vector>

#include "fuzz/script.h"
#include "random_numbers.h"

namespace tapeloom::test::fuzz {

using List = std::vector<std::uint32_t>;

/// What a program's numbers are: any, coarse fractions that nothing rounds, or any with zeros, infinities, NaN,
/// subnormal and huge ones among them.
enum class Numbers : std::uint8_t { smooth, coarse, special };

class Builder {
 public:
  Builder(Random& random, Script& script, Numbers numbers) : random_(random), s_(script), numbers_(numbers) {}

  // --- chance -----------------------------------------------------------------------------------------------------

  std::size_t below(std::size_t bound) { return test::below(random_, bound); }
  bool chance(double probability) { return test::chance(random_, probability); }
  double between(double lower, double upper) { return test::between(random_, lower, upper); }
  template <class Any>
  auto& any(Any& list) {
    return list[below(std::size(list))];
  }
  std::uint32_t some(const List& list) { return list[below(list.size())]; }
  /// A number of the program's kind.
  double draw(double lower, double upper);
  Numbers numbers() const { return numbers_; }

  // --- statements -------------------------------------------------------------------------------------------------

  std::uint32_t add(Statement statement) {
    s_.statements.push_back(std::move(statement));
    return static_cast<std::uint32_t>(s_.statements.size() - 1);
  }
  std::uint32_t number(double number) { return add({Kind::number, Op::constant, {}, number, number}); }
  std::uint32_t parameter(double scale = 0.8);
  std::uint32_t uniform();
  std::uint32_t apply(Op op, std::uint32_t a) { return add({Kind::apply, op, {a}}); }
  std::uint32_t apply(Op op, std::uint32_t a, std::uint32_t b) { return add({Kind::apply, op, {a, b}}); }
  std::uint32_t apply(Op op, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    return add({Kind::apply, op, {a, b, c}});
  }
  std::uint32_t make(Kind kind, List x, std::uint32_t k = 0) {
    return add({kind, Op::constant, std::move(x), 0.0, 0.0, k});
  }
  std::uint32_t batch(Op op, std::uint32_t x) {
    return add({Kind::batch, op, {x}, 0.0, 0.0, static_cast<std::uint32_t>(below(3))});
  }
  std::uint32_t plus(std::uint32_t a, std::uint32_t b) { return apply(Op::add, a, b); }
  std::uint32_t minus(std::uint32_t a, std::uint32_t b) { return apply(Op::sub, a, b); }
  std::uint32_t times(std::uint32_t a, std::uint32_t b) { return apply(Op::mul, a, b); }
  std::uint32_t over(std::uint32_t a, std::uint32_t b) { return apply(Op::div, a, b); }
  /// A sum in one of the ways to write one.
  std::uint32_t total(List terms);
  /// a * b or b * a.
  std::uint32_t product(std::uint32_t a, std::uint32_t b) { return chance(0.3) ? times(b, a) : times(a, b); }

  bool varying(std::uint32_t statement) const;
  const Script& script() const { return s_; }
  Script& script() { return s_; }

 private:
  Random& random_;
  Script& s_;
  Numbers numbers_;
};

}  // namespace tapeloom::test::fuzz
