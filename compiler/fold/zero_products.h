// Products with a plain 0 are 0, if every number is finite.
#pragma once

#include <memory>
#include <optional>

#include "tapeloom/compiler/request/request.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// A request on another tape, which has the same leaves in the same order.
struct Rewritten {
  std::unique_ptr<Tape> tape;
  Request request;
};

/// Leaves out what is multiplied with a plain 0, and what adding 0 or dividing 0 leaves as it is. Nothing if there is
/// no such product. requires: nothing. maintains: every number where all that is computed are finite, signs of zero
/// apart; the guards and their order.
std::optional<Rewritten> drop_zero_products(const Request& request);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
