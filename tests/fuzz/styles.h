// Pieces of programs, each in a style of its own: they take a list of values and give another.
#pragma once

#include <span>

#include "fuzz/builder.h"

namespace tapeloom::test::fuzz {

class Styles;

struct Style {
  const char* name;
  List (Styles::*write)(const List&);
};

class Styles {
 public:
  explicit Styles(Builder& builder) : b_(builder) {}

  static std::span<const Style> all();

  /// Of functions that are used as activations, idioms among them.
  std::uint32_t activation(std::size_t which, std::uint32_t x);
  std::uint32_t newer_activation(std::size_t which, std::uint32_t x);
  std::size_t some_activation();
  List dense(const List& x, std::size_t outputs);

  /// Derivatives of any order by leaves and inner values, and what is computed from them.
  List derivatives(const List& x);

 private:
  List layer(const List& x);
  List stencil(const List& x);
  List scan(const List& x);
  List ragged_sums(const List& x);
  List softmax(const List& x);
  List batch_statistics(const List& x);
  List computed_weights(const List& x);
  List choices(const List& x);
  List guarded(const List& x);
  List algorithms(const List& x);
  List nearest(const List& x);
  List guarded_rows(const List& x);
  List nothing(const List& x);
  List sums_of_sums(const List& x);
  List products(const List& x);
  List chain(const List& x);
  List long_reduction(const List& x);
  List protected_poles(const List& x);
  List soup(const List& x);
  List into_domain(Op op, List operands);
  List rearranged(const List& x);
  List attention(const List& x);
  List coefficients(const List& x);
  List kept_ends(const List& x);
  List pairs(const List& x);
  List wavefront(const List& x);
  List triangular_solve(const List& x);
  List rounds_of_scan(const List& x);
  List windows(const List& x);

  std::uint32_t variable(std::uint32_t y);
  std::uint32_t differentiated(std::uint32_t y, std::uint32_t by);
  std::uint32_t pole(std::uint32_t x);
  std::uint32_t comparison(std::uint32_t a, std::uint32_t b);
  Op some_comparison();
  std::uint32_t tamed(std::uint32_t x);

  Builder& b_;
  std::vector<std::vector<List>> matrices_;
};

}  // namespace tapeloom::test::fuzz
