// Quotients of exponentials, as which functions of the op table are written.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// At most two terms factor * e^(power x), by rising power.
class Exponentials {
 public:
  struct Term {
    double factor, power;
    friend bool operator==(const Term&, const Term&) = default;
  };

  Exponentials() = default;
  Exponentials(double factor, double power) : count_(1), terms_{{{factor, power}, {}}} {}

  std::size_t size() const { return count_; }
  const Term& operator[](std::size_t i) const { return terms_[i]; }
  bool is(double factor, double power) const { return count_ == 1 && terms_[0] == Term{factor, power}; }
  friend bool operator==(const Exponentials&, const Exponentials&) = default;

  /// Adds a term; false if it would be the third, or is not finite.
  bool add(const Term& term) {
    if (!std::isfinite(term.factor) || !std::isfinite(term.power)) return false;
    if (term.factor == 0.0) return true;
    for (std::size_t i = 0; i < count_; ++i) {
      if (terms_[i].power != term.power) continue;
      terms_[i].factor += term.factor;
      if (terms_[i].factor != 0.0) return std::isfinite(terms_[i].factor);
      if (i == 0) terms_[0] = terms_[1];
      terms_[--count_] = {};
      return true;
    }
    if (count_ == 2) return false;
    terms_[count_++] = term;
    if (count_ == 2 && terms_[1].power < terms_[0].power) std::swap(terms_[0], terms_[1]);
    return true;
  }

  static std::optional<Exponentials> sum(const Exponentials& a, const Exponentials& b, double sign) {
    Exponentials result = a;
    for (std::size_t i = 0; i < b.count_; ++i) {
      if (!result.add({sign * b[i].factor, b[i].power})) return std::nullopt;
    }
    return result;
  }

  static std::optional<Exponentials> product(const Exponentials& a, const Exponentials& b) {
    Exponentials result;
    for (std::size_t i = 0; i < a.count_; ++i) {
      for (std::size_t j = 0; j < b.count_; ++j) {
        if (!result.add({a[i].factor * b[j].factor, a[i].power + b[j].power})) return std::nullopt;
      }
    }
    return result;
  }

  /// This, divided by a term that is not zero.
  std::optional<Exponentials> divided(const Term& by) const {
    Exponentials result;
    for (std::size_t i = 0; i < count_; ++i) {
      if (!result.add({terms_[i].factor / by.factor, terms_[i].power - by.power})) return std::nullopt;
    }
    return result;
  }

 private:
  std::size_t count_ = 0;
  std::array<Term, 2> terms_{};
};

/// What rows compute: above / below. The term of the lowest power below is 1.
struct Quotient {
  View x = nothing;       ///< of the exponents; nothing for a number
  View exponent = {};     ///< what there is in the graph of
  double multiple = 0.0;  ///< so many times x
  Exponentials above, below;
  bool recognised = false;  ///< computed without exp already

  static Quotient number(double k) { return {.above = {k, 0.0}, .below = {1.0, 0.0}}; }
};

/// above / below of x, if that is finite and not zero.
inline std::optional<Quotient> quotient(const Quotient& of, const std::optional<Exponentials>& above,
                                        const std::optional<Exponentials>& below) {
  if (!above || !below || above->size() == 0 || below->size() == 0) return std::nullopt;
  const auto scaled_above = above->divided((*below)[0]), scaled_below = below->divided((*below)[0]);
  if (!scaled_above || !scaled_below || scaled_above->size() != above->size()) return std::nullopt;
  return Quotient{of.x, of.exponent, of.multiple, *scaled_above, *scaled_below};
}

/// The one of two that depends on something; none if they depend on different things.
inline const Quotient* common_x(const Quotient& a, const Quotient& b) {
  if (a.x == nothing) return &b;
  return b.x == nothing || a.x == b.x ? &a : nullptr;
}

inline std::optional<Quotient> add(const Quotient& a, const Quotient& b, double sign) {
  const Quotient* x = common_x(a, b);
  if (x == nullptr) return std::nullopt;
  if (a.below == b.below) return quotient(*x, Exponentials::sum(a.above, b.above, sign), a.below);
  const auto left = Exponentials::product(a.above, b.below), right = Exponentials::product(b.above, a.below);
  if (!left || !right) return std::nullopt;
  return quotient(*x, Exponentials::sum(*left, *right, sign), Exponentials::product(a.below, b.below));
}

inline std::optional<Quotient> multiply(const Quotient& a, const Quotient& b) {
  const Quotient* x = common_x(a, b);
  if (x == nullptr) return std::nullopt;
  return quotient(*x, Exponentials::product(a.above, b.above), Exponentials::product(a.below, b.below));
}

inline std::optional<Quotient> divide(const Quotient& a, const Quotient& b) {
  const Quotient* x = common_x(a, b);
  if (x == nullptr) return std::nullopt;
  if (a.below == b.below) return quotient(*x, a.above, b.above);
  return quotient(*x, Exponentials::product(a.above, b.below), Exponentials::product(a.below, b.above));
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
