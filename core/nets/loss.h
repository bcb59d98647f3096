// Losses, written with Value alone. A loss of one sample differs from sample to sample when its inputs do: reduce it
// with batch_mean or batch_sum. The list forms are for recordings that hold every sample, as the notebooks' do.
//
// Weights. A per-sample loss takes a weight w and becomes w * loss; the list forms take a list of weights, or an empty
// one for equal weights, and their means are sum(w_i loss_i) / sum(w_i). With weights bound as an input,
// batch_sum(loss) / batch_sum(weight) is that mean over a batch. The plain number 1 records no multiplication.
//
// A sample of weight 0 contributes exactly nothing, even where its prediction or target is NaN or infinite, so that 0
// and NaN can mark a missing target. Of a plain 0 nothing is recorded. For a recorded weight the predictions and
// targets are replaced by 0 wherever it is 0: 0 * loss alone would be NaN. Where the weight is a parameter or computed,
// and may have a derivative, which is the loss also where it is 0, that is done to those alone that are NaN or larger
// than 1e15. (The derivative by an input weight of 0, which CompileOptions::input_gradients asks for, is the loss of
// those zeros.) Features of such a sample may be NaN as well, for its adjoints are zero, and those contribute nothing
// whatever they meet (docs/numerics.md); a step then takes several times as long.
//
// Everything throws RecordingError for an empty list and for lists of different lengths, naming both.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// w (prediction - target)^2
TAPELOOM_API Value squared_error(Value prediction, Value target, Value weight = 1.0);
TAPELOOM_API Value squared_error_sum(std::span<const Value> predictions, std::span<const Value> targets,
                                     std::span<const Value> weights = {});
TAPELOOM_API Value squared_error_mean(std::span<const Value> predictions, std::span<const Value> targets,
                                      std::span<const Value> weights = {});

/// w |prediction - target|
TAPELOOM_API Value l1(Value prediction, Value target, Value weight = 1.0);
TAPELOOM_API Value l1_sum(std::span<const Value> predictions, std::span<const Value> targets,
                          std::span<const Value> weights = {});
TAPELOOM_API Value l1_mean(std::span<const Value> predictions, std::span<const Value> targets,
                           std::span<const Value> weights = {});

/// w d^2 / 2 with d = prediction - target where |d| is at most delta, w delta (|d| - delta / 2) elsewhere. P. J. Huber,
/// "Robust Estimation of a Location Parameter", 1964. Here delta stands before the weight. Throws RecordingError for a
/// plain one that is negative or NaN.
TAPELOOM_API Value huber(Value prediction, Value target, Value delta = 1.0, Value weight = 1.0);
TAPELOOM_API Value huber_sum(std::span<const Value> predictions, std::span<const Value> targets, Value delta = 1.0,
                             std::span<const Value> weights = {});
TAPELOOM_API Value huber_mean(std::span<const Value> predictions, std::span<const Value> targets, Value delta = 1.0,
                              std::span<const Value> weights = {});

/// huber with beta for delta, divided by beta: w d^2 / (2 beta) where |d| is at most beta, w (|d| - beta / 2)
/// elsewhere; l1 for a beta that is a plain 0.
TAPELOOM_API Value smooth_l1(Value prediction, Value target, Value beta = 1.0, Value weight = 1.0);

/// w relu(1 - target score), the max-margin loss; target is -1 or 1.
TAPELOOM_API Value hinge(Value score, Value target, Value weight = 1.0);
TAPELOOM_API Value hinge_sum(std::span<const Value> scores, std::span<const Value> targets,
                             std::span<const Value> weights = {});
TAPELOOM_API Value hinge_mean(std::span<const Value> scores, std::span<const Value> targets,
                              std::span<const Value> weights = {});

/// w (softplus(z) - z t) = -w (t log p + (1 - t) log(1 - p)) with p = sigmoid(z); target t in [0, 1]. Finite for every
/// finite logit.
TAPELOOM_API Value binary_cross_entropy(Value logit, Value target, Value weight = 1.0);
TAPELOOM_API Value binary_cross_entropy_sum(std::span<const Value> logits, std::span<const Value> targets,
                                            std::span<const Value> weights = {});
TAPELOOM_API Value binary_cross_entropy_mean(std::span<const Value> logits, std::span<const Value> targets,
                                             std::span<const Value> weights = {});

/// w sum_k t_k (L - z_k) = -w sum_k t_k log p_k with p = softmax(z) and L = log(sum_k exp(z_k)). Computed with
/// z_k - max(z) in place of z_k, so that it is finite for every finite logit. Targets: one-hot or any distribution.
///
/// With label smoothing s each target is (1 - s) t_k + s / classes. Szegedy et al., "Rethinking the Inception
/// Architecture for Computer Vision", CVPR 2016, section 7. Throws RecordingError for an s outside of [0, 1].
TAPELOOM_API Value softmax_cross_entropy(std::span<const Value> logits, std::span<const Value> targets,
                                         Value weight = 1.0, double label_smoothing = 0.0);

/// The same for the class of that number, 0, 1, ...; for class numbers bound as an input. A number that is no class
/// gives NaN.
TAPELOOM_API Value softmax_cross_entropy(std::span<const Value> logits, Value class_number, Value weight = 1.0,
                                         double label_smoothing = 0.0);

/// The same for a class known while recording. Throws RecordingError for a number that is no class.
TAPELOOM_API Value softmax_cross_entropy_of_class(std::span<const Value> logits, std::int64_t class_number,
                                                  Value weight = 1.0, double label_smoothing = 0.0);
template <std::integral Integer>
Value softmax_cross_entropy(std::span<const Value> logits, Integer class_number, Value weight = 1.0,
                            double label_smoothing = 0.0) {
  return softmax_cross_entropy_of_class(logits, static_cast<std::int64_t>(class_number), weight, label_smoothing);
}

/// Over recorded samples: a list of logits and a class for each.
TAPELOOM_API Value softmax_cross_entropy_sum(std::span<const std::vector<Value>> logits,
                                             std::span<const std::size_t> classes, std::span<const Value> weights = {},
                                             double label_smoothing = 0.0);
TAPELOOM_API Value softmax_cross_entropy_mean(std::span<const std::vector<Value>> logits,
                                              std::span<const std::size_t> classes, std::span<const Value> weights = {},
                                              double label_smoothing = 0.0);

/// w sum_k t_k (log t_k - log p_k), of log p as log_softmax gives it; a t_k of 0 contributes nothing. Its mean over the
/// samples is PyTorch's kl_div with the reduction "batchmean".
TAPELOOM_API Value kl_div(std::span<const Value> log_probabilities, std::span<const Value> targets, Value weight = 1.0);

/// strength * sum(p^2), to be added to a loss.
TAPELOOM_API Value l2_penalty(std::span<const Value> parameters, Value strength);

}  // namespace tapeloom::inline TAPELOOM_ABI
