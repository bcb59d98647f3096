#include "fuzz/builder.h"

#include <cmath>
#include <limits>

namespace tapeloom::test::fuzz {

double Builder::draw(double lower, double upper) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  static constexpr double odd[] = {0.0,    -0.0,   0.0,    1.0,   -1.0,   inf,    -inf,  nan,
                                   1e-310, 5e-324, -1e308, 1e200, 1000.0, -800.0, 1e-40, 3e38};
  if (numbers_ == Numbers::special && chance(0.12)) return odd[below(std::size(odd))];
  if (numbers_ == Numbers::coarse) return std::round(between(2.0 * lower, 2.0 * upper)) / 2.0;
  const double number = between(lower, upper);
  return chance(0.5) ? static_cast<float>(number) : number;
}

std::uint32_t Builder::parameter(double scale) {
  Statement s{Kind::parameter};
  s.number = s.later = numbers_ == Numbers::special && chance(0.7) ? between(-scale, scale) : draw(-scale, scale);
  if (numbers_ == Numbers::coarse) s.number = s.later = std::round(between(-4.0, 4.0)) / 2.0;
  return add(s);
}

std::uint32_t Builder::uniform() {
  Statement s{Kind::uniform_input};
  s.number = s.later = draw(0.5, 2.0);
  return add(s);
}

std::uint32_t Builder::total(List terms) {
  if (terms.size() == 1) return terms[0];
  const std::size_t way = below(8);
  if (way == 0) return make(Kind::sum, terms);
  if (way == 1) {  // in pairs
    while (terms.size() > 1) {
      List sums;
      for (std::size_t i = 0; i + 1 < terms.size(); i += 2) sums.push_back(plus(terms[i], terms[i + 1]));
      if (terms.size() % 2 == 1) sums.push_back(terms.back());
      terms = sums;
    }
    return terms[0];
  }
  std::uint32_t sum = way == 2 ? number(0.0) : terms[0];
  for (std::size_t i = way == 2 ? 0 : 1; i < terms.size(); ++i) {
    if (way == 3 && i % 2 == 0) {
      sum = minus(sum, terms[i]);
    } else if (way == 4) {
      sum = plus(terms[i], sum);
    } else {
      sum = plus(sum, terms[i]);
    }
  }
  return sum;
}

bool Builder::varying(std::uint32_t statement) const {
  // Statements are few enough to ask for each anew.
  return s_.varying()[statement];
}

}  // namespace tapeloom::test::fuzz
