// Recordings of many samples one after another become the recording of one.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tapeloom/compiler/graph/guard_numbers.h"
#include "tapeloom/compiler/request/request.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// A recording of many samples one after another, folded into the recording of one sample with inputs.
struct FoldedSamples {
  std::unique_ptr<Tape> tape;  ///< the same parameters and uniform inputs, in the same order, and one group of inputs
  Request request;             ///< of that tape
  std::vector<std::uint32_t> samples_of_outputs;  ///< whose value is wanted; of a uniform node, 0
  GuardNumbers guards;                            ///< which of the recording's guards the request's stand for
  std::uint32_t samples = 0;
  std::vector<double> rows;  ///< samples x inputs, row-major: the constants that differ from sample to sample
};

/// Finds sums of terms that compute the same function of the parameters and of constants of their own, as in the
/// notebooks' loop over all samples, and makes one term of them, its constants inputs and the sum a batch_sum. Nothing
/// if there are no such terms, no loss, or inputs: they can be bound even where nothing uses them, so they decide how
/// many samples there are. A guard that every sample has is one of the sample, whatever it expects in each.
/// requires: nothing. maintains: the value of the loss and the outputs up to the order of the sum, wherever the guards
/// hold, and which guard is the first that does not. Where samples read different ones of values that compute alike, as
/// a label picks one of the outputs, which one is another input; where a branch picks it, its condition says so.
std::optional<FoldedSamples> fold_samples(const Request& request);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
