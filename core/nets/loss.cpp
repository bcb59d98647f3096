#include "tapeloom/core/nets/loss.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/record/functions.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// The weight of one sample, and what it does to a loss and to what the loss is computed from.
class Weight {
 public:
  explicit Weight(Value weight) : weight_(weight), recorded_(!weight.is_plain()) {
    if (!recorded_) return;
    off_ = weight_ == 0.0;
    const Op op = weight_.tape()->op(weight_.id());
    learned_ = op == Op::parameter || op_arity(op) > 0;
  }

  bool leaves_out() const { return leaves_out(weight_); }
  /// A plain 0: nothing is to be recorded.
  static bool leaves_out(Value weight) { return weight.is_plain() && weight.data() == 0.0; }
  /// x, or 0 for samples of weight 0, so that neither its value nor an adjoint passes. The derivative by a weight is
  /// the loss, also where the weight is 0: where there may be one, what does no harm stays.
  Value masked(Value x) const {
    const bool harmless = x.is_plain() && std::abs(x.data()) <= most_harmless;
    return masked(x, harmless);
  }
  Value masked(Value x, bool harmless) const {
    if (!recorded_ || harmless) return x;
    return where(learned_ ? off_ > (abs(x) <= most_harmless) : off_, 0.0, x);
  }
  /// The loss of what has none: NaN, but 0 for samples of weight 0 of which not everything is replaced.
  Value of_none() const {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    return learned_ ? where(off_, 0.0, none) : Value(none);
  }
  std::vector<Value> masked(std::span<const Value> list) const {
    std::vector<Value> result;
    result.reserve(list.size());
    for (const Value& x : list) result.push_back(masked(x));
    return result;
  }
  Value times(Value loss) const { return !recorded_ && weight_.data() == 1.0 ? loss : weight_ * loss; }

 private:
  /// Of plain numbers up to this, squares and products are finite in float, too: 0 times them is 0.
  static constexpr double most_harmless = 1e15;

  Value weight_;
  bool recorded_;
  bool learned_ = false;  ///< perhaps
  Value off_;
};

void check_lengths(const char* loss, const char* what, std::size_t given, const char* of, std::size_t expected) {
  if (given == expected) return;
  throw RecordingError(std::string(loss) + ": " + std::to_string(given) + " " + what + " for " +
                       std::to_string(expected) + " " + of);
}

void check_not_empty(const char* loss, const char* what, std::size_t given) {
  if (given == 0) throw RecordingError(std::string(loss) + ": the list of " + what + " is empty");
}

/// sum_i loss_of(i, w_i) over the samples that are not left out.
template <class LossOf>
Value total_loss(const char* name, std::size_t samples, std::span<const Value> weights, LossOf loss_of) {
  check_not_empty(name, "samples", samples);
  if (!weights.empty()) check_lengths(name, "weights", weights.size(), "samples", samples);
  std::vector<Value> losses;
  losses.reserve(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const Value weight = weights.empty() ? Value(1.0) : weights[i];
    if (!Weight::leaves_out(weight)) losses.push_back(loss_of(i, weight));
  }
  return sum(losses);
}

/// The total divided by the number of samples, or by the sum of the weights.
Value mean_loss(const char* name, Value total, std::size_t samples, std::span<const Value> weights) {
  if (weights.empty()) return total / static_cast<double>(samples);
  const Value all = sum(weights);
  if (all.is_plain() && all.data() == 0.0) {
    throw RecordingError(std::string(name) + ": the weights add up to zero, so they have no weighted mean");
  }
  return total / all;
}

/// loss(a, b) with a weight, of what the weight leaves of both.
template <class Loss>
Value weighted(Value a, Value b, Value weight, Loss loss) {
  const Weight w(weight);
  if (w.leaves_out()) return 0.0;
  const Value of_a = w.masked(a), of_b = w.masked(b);
  return w.times(loss(of_a, of_b));
}

/// What a loss of two Values and a weight adds up to over lists of them; `name` is whom errors name.
template <class Loss>
Value pair_loss(const char* name, Loss loss, std::span<const Value> x, std::span<const Value> targets,
                std::span<const Value> weights) {
  check_lengths(name, "targets", targets.size(), "samples", x.size());
  return total_loss(name, x.size(), weights,
                    [&](std::size_t i, Value weight) { return loss(x[i], targets[i], weight); });
}

}  // namespace

// A loss of two Values over lists of them, and its mean.
#define TAPELOOM_OVER_SAMPLES(loss)                                                                             \
  Value loss##_sum(std::span<const Value> x, std::span<const Value> targets, std::span<const Value> weights) {  \
    return pair_loss(#loss "_sum", loss, x, targets, weights);                                                  \
  }                                                                                                             \
  Value loss##_mean(std::span<const Value> x, std::span<const Value> targets, std::span<const Value> weights) { \
    constexpr const char* name = #loss "_mean";                                                                 \
    return mean_loss(name, pair_loss(name, loss, x, targets, weights), x.size(), weights);                      \
  }

Value squared_error(Value prediction, Value target, Value weight) {
  return weighted(prediction, target, weight, [](Value y, Value t) { return square(y - t); });
}

TAPELOOM_OVER_SAMPLES(squared_error)

Value l1(Value prediction, Value target, Value weight) {
  return weighted(prediction, target, weight, [](Value y, Value t) { return abs(y - t); });
}

TAPELOOM_OVER_SAMPLES(l1)

namespace {

/// Of a computed one nothing is known before there are data.
void check_delta(const char* what, Value delta) {
  if (!delta.is_plain() || delta.data() >= 0.0) return;
  throw RecordingError(std::string(what) + " must be zero or more; it is " + number_text(delta.data()));
}

}  // namespace

Value huber(Value prediction, Value target, Value delta, Value weight) {
  check_delta("huber: delta", delta);
  return weighted(prediction, target, weight, [delta](Value y, Value t) {
    const Value d = y - t, c = clamp(d, -delta, delta);
    // d^2 / 2 where c is d, which is small then: no square of what is large. With |d| in place of d there would be no
    // second derivative at 0.
    return c * (d - 0.5 * c);
  });
}

Value huber_sum(std::span<const Value> x, std::span<const Value> targets, Value delta, std::span<const Value> weights) {
  const auto loss = [delta](Value y, Value t, Value w) { return huber(y, t, delta, w); };
  return pair_loss("huber_sum", loss, x, targets, weights);
}
Value huber_mean(std::span<const Value> x, std::span<const Value> targets, Value delta,
                 std::span<const Value> weights) {
  const auto loss = [delta](Value y, Value t, Value w) { return huber(y, t, delta, w); };
  return mean_loss("huber_mean", pair_loss("huber_mean", loss, x, targets, weights), x.size(), weights);
}

Value smooth_l1(Value prediction, Value target, Value beta, Value weight) {
  check_delta("smooth_l1: beta", beta);
  if (beta.is_plain() && beta.data() == 0.0) return l1(prediction, target, weight);
  return huber(prediction, target, beta, weight) / beta;
}

Value hinge(Value score, Value target, Value weight) {
  return weighted(target, score, weight, [](Value t, Value s) { return relu(1.0 - t * s); });
}

TAPELOOM_OVER_SAMPLES(hinge)

Value binary_cross_entropy(Value logit, Value target, Value weight) {
  return weighted(logit, target, weight, [](Value z, Value t) {
    const Value product = z * t;
    return softplus(z) - product;
  });
}

TAPELOOM_OVER_SAMPLES(binary_cross_entropy)
#undef TAPELOOM_OVER_SAMPLES

namespace {

void check_smoothing(double label_smoothing) {
  if (label_smoothing >= 0.0 && label_smoothing <= 1.0) return;
  throw RecordingError("softmax_cross_entropy: label smoothing is from 0 to 1, and not " +
                       number_text(label_smoothing));
}

/// The loss of targets that are smoothed, from that of targets that are not: of a share of them, and of all classes.
Value smoothed(Value loss, const detail::Shifted& z, double label_smoothing) {
  if (label_smoothing == 0.0) return loss;
  const Value kept = (1.0 - label_smoothing) * loss, of_all = z.log_sum - mean(z.shifted);
  return kept + label_smoothing * of_all;
}

}  // namespace

Value softmax_cross_entropy(std::span<const Value> logits, std::span<const Value> targets, Value weight,
                            double label_smoothing) {
  check_smoothing(label_smoothing);
  check_not_empty("softmax_cross_entropy", "logits", logits.size());
  check_lengths("softmax_cross_entropy", "targets", targets.size(), "logits", logits.size());
  const Weight w(weight);
  if (w.leaves_out()) return 0.0;
  const detail::Shifted z = detail::shift_by_largest(w.masked(logits));
  std::vector<Value> terms;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    const Value target = w.masked(targets[k]);
    terms.push_back(target * (z.log_sum - z.shifted[k]));
  }
  return w.times(smoothed(sum(terms), z, label_smoothing));
}

Value softmax_cross_entropy(std::span<const Value> logits, Value class_number, Value weight, double label_smoothing) {
  check_smoothing(label_smoothing);
  check_not_empty("softmax_cross_entropy", "logits", logits.size());
  const Weight w(weight);
  if (w.leaves_out()) return 0.0;
  const Value target = w.masked(class_number, false);  // of a number that is no class the loss is NaN
  const detail::Shifted z = detail::shift_by_largest(w.masked(logits));
  std::vector<Value> one_hot, chosen;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    one_hot.push_back(target == static_cast<double>(k));
    chosen.push_back(where(one_hot[k], z.shifted[k], 0.0));
  }
  const Value loss = smoothed(z.log_sum - sum(chosen), z, label_smoothing);
  return w.times(where(sum(one_hot), loss, w.of_none()));
}

Value softmax_cross_entropy_of_class(std::span<const Value> logits, std::int64_t class_number, Value weight,
                                     double label_smoothing) {
  check_smoothing(label_smoothing);
  check_not_empty("softmax_cross_entropy", "logits", logits.size());
  if (class_number < 0 || std::cmp_greater_equal(class_number, logits.size())) {
    throw RecordingError("softmax_cross_entropy: there is no class " + std::to_string(class_number) + " among " +
                         std::to_string(logits.size()) + " logits; classes count from 0");
  }
  const Weight w(weight);
  if (w.leaves_out()) return 0.0;
  const detail::Shifted z = detail::shift_by_largest(w.masked(logits));
  const Value loss = z.log_sum - z.shifted[static_cast<std::size_t>(class_number)];
  return w.times(smoothed(loss, z, label_smoothing));
}

namespace {

Value class_loss(const char* name, std::span<const std::vector<Value>> logits, std::span<const std::size_t> classes,
                 std::span<const Value> weights, double label_smoothing) {
  check_lengths(name, "classes", classes.size(), "samples", logits.size());
  return total_loss(name, logits.size(), weights, [&](std::size_t i, Value weight) {
    return softmax_cross_entropy(logits[i], classes[i], weight, label_smoothing);
  });
}

}  // namespace

Value softmax_cross_entropy_sum(std::span<const std::vector<Value>> logits, std::span<const std::size_t> classes,
                                std::span<const Value> weights, double label_smoothing) {
  return class_loss("softmax_cross_entropy_sum", logits, classes, weights, label_smoothing);
}

Value softmax_cross_entropy_mean(std::span<const std::vector<Value>> logits, std::span<const std::size_t> classes,
                                 std::span<const Value> weights, double label_smoothing) {
  const char* name = "softmax_cross_entropy_mean";
  return mean_loss(name, class_loss(name, logits, classes, weights, label_smoothing), logits.size(), weights);
}

Value kl_div(std::span<const Value> log_probabilities, std::span<const Value> targets, Value weight) {
  check_not_empty("kl_div", "log probabilities", log_probabilities.size());
  check_lengths("kl_div", "targets", targets.size(), "log probabilities", log_probabilities.size());
  const Weight w(weight);
  if (w.leaves_out()) return 0.0;
  std::vector<Value> terms;
  for (std::size_t k = 0; k < targets.size(); ++k) {
    const Value target = w.masked(targets[k]), log_p = w.masked(log_probabilities[k]);
    // log 1 where the target is 0: the term is 0 then, also of a probability of 0.
    const Condition none = target == 0.0;
    const Value log_t = log(where(none, 1.0, target)), of_p = where(none, 0.0, log_p);
    terms.push_back(target * (log_t - of_p));
  }
  return w.times(sum(terms));
}

Value l2_penalty(std::span<const Value> parameters, Value strength) {
  check_not_empty("l2_penalty", "parameters", parameters.size());
  std::vector<Value> squares;
  squares.reserve(parameters.size());
  for (const Value& p : parameters) squares.push_back(square(p));
  return strength * sum(squares);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
