// What a program is made from: the request for what was recorded, and what stands for it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/fold/fold_samples.h"
#include "tapeloom/compiler/fold/rewrite.h"
#include "tapeloom/compiler/graph/guard_numbers.h"
#include "tapeloom/compiler/request/request.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Behind the outputs that were asked for, the recorded request has what parameters are assigned.
struct Source {
  Request recorded;
  std::vector<ParameterId> assigned;    ///< to these
  bool training;                        ///< see CompileOptions
  std::optional<FoldedSamples> folded;  ///< the request for one sample, if the recording is a loop over samples
  std::optional<Rewritten> rewritten;   ///< of either, without what is not needed

  const Request& request() const { return rewritten ? rewritten->request : folded ? folded->request : recorded; }
  /// Which of the recording's guards those of the request are.
  GuardNumbers guards() const;
};

/// As resolve. Throws CompileError besides where a parameter that is assigned is not frozen, or assigned twice.
Source find_source(const Value* loss, std::span<const Value> outputs, const CompileOptions& options);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
