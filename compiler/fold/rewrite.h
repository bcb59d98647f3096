// A request on a tape of its own, without what a program does not need: branches for training, or those for inference;
// products with a plain 0, if every number is finite.
#pragma once

#include <memory>
#include <optional>

#include "tapeloom/compiler/request/request.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// A request on another tape, which has the same leaves in the same order, but for random ones, which are behind the
/// inputs that are bound, and Tape::training(), which is a number.
struct Rewritten {
  std::unique_ptr<Tape> tape;
  Request request;
};

struct RewriteOptions {
  bool training = false;
  /// What is multiplied with a plain 0 is left out, and what adding 0 or dividing 0 leaves as it is.
  bool drop_zero_products = false;
};

/// Nothing if there is nothing to rewrite. requires: nothing. maintains: every number, where products with 0 are
/// dropped if all that are computed are finite, signs of zero apart; the guards and their order.
std::optional<Rewritten> rewrite(const Request& request, const RewriteOptions& options);

/// Whether the loss of what was recorded is another one in training.
bool depends_on_training(const Request& request);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
