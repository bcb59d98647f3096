// Derivatives of any order without a reverse sweep: a script's statements computed with numbers that carry a part for
// each set of infinitesimals, whose squares are 0. Independent of what was recorded for the derivatives.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "fuzz/oracle.h"
#include "fuzz/script.h"

namespace tapeloom::test::fuzz {

/// A derivative of a script that is written out: of y along the direction, or by the one x if there is none.
struct DerivativeQuery {
  std::uint32_t y = 0;
  std::vector<std::uint32_t> x, direction;
  std::uint32_t result = 0;  ///< the statement that should be it
  bool has_choices = false;  ///< so that an adjoint of zero contributes nothing whatever it meets
  bool own = false;          ///< the result is a new node of its own
};

struct JetDerivative {
  long double value = 0.0L, rounding = 0.0L;
};

/// For each query its value for each sample, or once: a list as long as its result has numbers. Derivatives that y is
/// computed from are found so as well. None where it is of too high an order or takes too long.
std::vector<std::vector<std::optional<JetDerivative>>> derivatives_by_jets(const Script& script, const Data& data,
                                                                           std::span<const DerivativeQuery> queries);

}  // namespace tapeloom::test::fuzz
