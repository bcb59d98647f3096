#include "tapeloom/runtime/train/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/train/divergence.h"
#include "tapeloom/runtime/train/line_search.h"
#include "tapeloom/runtime/train/option_checks.h"
#include "tapeloom/runtime/train/sums.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using runtime::LinePoint;

/// Steps that one line search may try: it halves its interval at least every other time, so that this is beyond what
/// rounding leaves of it but for losses that are not smooth.
constexpr std::size_t most_line_steps = 40;

/// Losses of T differ in so many of their last places by rounding alone.
constexpr double rounded_places = 4.0;
/// By how many times that the first step is to decrease the loss, as far as its slope tells: enough to be seen, and far
/// less than a decrease that is believed not to be there when it is not seen (ten thousand times, in LineSearch).
constexpr double seen_decrease = 16.0;
/// Between these, slopes, which are sums of products of gradients, and products of slopes are normal numbers. All
/// gradients of float are.
constexpr double small_gradient = 0x1p-200, large_gradient = 0x1p200;

void check_options(const LbfgsOptions& options) {
  if (options.history == 0) throw BindError("LbfgsOptions::history is 0; one iteration at least must be remembered");
  runtime::check_not_negative("LbfgsOptions::gradient_tolerance", options.gradient_tolerance);
  runtime::check_not_negative("LbfgsOptions::loss_tolerance", options.loss_tolerance);
}

/// An iteration, as the estimate of the Hessian knows it.
template <class T>
struct Change {
  std::vector<T> parameters, gradients;
  double product;  ///< of both
};

template <class T>
class Lbfgs {
 public:
  Lbfgs(Executor<T>& executor, const LbfgsOptions& options) : executor_(executor), options_(options) {
    for (const Range range : executor.trained()) count_ += range.size();
    at_ = gather(std::as_const(executor_).parameters());
    direction_.resize(count_);
  }

  LbfgsResult run() {
    result_.loss = evaluate();
    take_gradients();
    if (!std::isfinite(result_.loss) || !std::isfinite(result_.gradient)) {
      result_.end = SolverEnd::diverged;
      return result_;
    }
    choose_unit();
    const double small = options_.gradient_tolerance * result_.gradient;
    const auto finished = [&] { return result_.gradient == 0.0 || result_.gradient <= small; };
    while (true) {
      if (finished()) return end(SolverEnd::gradient);
      if (result_.iterations >= options_.max_iterations) return end(SolverEnd::iterations);
      if (result_.evaluations >= options_.max_evaluations) return end(SolverEnd::evaluations);
      const double before = result_.loss;
      if (!iterate()) {
        return end(result_.evaluations < options_.max_evaluations ? SolverEnd::no_decrease : SolverEnd::evaluations);
      }
      if (!options_.on_iteration({result_.iterations, result_.evaluations, result_.loss, result_.gradient})) {
        return end(SolverEnd::callback);
      }
      const double part = options_.loss_tolerance * std::max(std::fabs(before), std::fabs(result_.loss));
      if (options_.loss_tolerance > 0.0 && before - result_.loss <= part) {
        return end(finished() ? SolverEnd::gradient : SolverEnd::decrease);
      }
    }
  }

 private:
  LbfgsResult end(SolverEnd why) {
    result_.end = why;
    return result_;
  }

  /// Of the parameters that are trained.
  std::vector<T> gather(std::span<const T> all) const {
    std::vector<T> numbers;
    numbers.reserve(count_);
    for (const Range range : executor_.trained()) {
      numbers.insert(numbers.end(), all.begin() + range.begin, all.begin() + range.end);
    }
    return numbers;
  }

  static double largest(const std::vector<T>& numbers) {
    double most = 0.0;
    for (const T number : numbers) {
      const double size = std::fabs(static_cast<double>(number));
      if (!(size <= most)) most = size;  // NaN stays
      if (std::isnan(most)) break;
    }
    return most;
  }

  /// Those of the last evaluation, in the unit.
  std::vector<T> gradients() const {
    std::vector<T> numbers = gather(executor_.gradients());
    if (unit_ != 1.0) {
      for (T& number : numbers) number = static_cast<T>(unit_ * static_cast<double>(number));
    }
    return numbers;
  }
  void take_gradients() {
    gradients_ = gradients();
    result_.gradient = largest(gradients_) / unit_;
  }
  /// Slopes and curvatures are products of gradients, which may be infinite or zero where these are numbers. So losses
  /// and gradients are multiplied by a power of two once gradients are that large or small.
  void choose_unit() {
    const double size = unit_ * result_.gradient;
    if (size == 0.0 || (size >= small_gradient && size <= large_gradient)) return;
    constexpr int most = 1000;  // 2^-most is a normal number
    const double unit = std::ldexp(1.0, std::clamp(-std::ilogb(result_.gradient), -most, most));
    if (!std::isfinite(unit * result_.loss)) return;
    unit_ = unit;
    changes_.clear();  // they are of the unit before
    take_gradients();
  }

  double evaluate() {
    ++result_.evaluations;
    executor_.seed_random(0);  // losses are compared
    return static_cast<double>(executor_.step());
  }

  void move_to(double step) {
    const std::span<T> parameters = executor_.parameters();
    std::size_t i = 0;
    for (const Range range : executor_.trained()) {
      for (std::uint32_t p = range.begin; p < range.end; ++p, ++i) {
        parameters[p] = static_cast<T>(static_cast<double>(at_[i]) + step * static_cast<double>(direction_[i]));
      }
    }
  }

  LinePoint try_step(double step) {
    constexpr double nowhere = std::numeric_limits<double>::quiet_NaN();
    move_to(step);
    tried_ = step;
    try {
      const double loss = evaluate();
      return {step, unit_ * loss, runtime::dot<T>(gradients(), direction_)};
    } catch (const GuardError&) {
      return {step, nowhere, nowhere};
    }
  }

  /// False if no step decreases the loss; then the parameters are what they were.
  bool iterate() {
    while (true) {
      find_direction();
      const double slope = runtime::dot<T>(gradients_, direction_);
      if (slope < 0.0 && std::isfinite(slope) && search(slope)) return true;
      if (changes_.empty() || result_.evaluations >= options_.max_evaluations) return false;
      changes_.clear();  // rounding may have spoilt the estimate; the gradients alone are left
    }
  }

  /// Without an estimate: moves the parameters by 1 at most, but so far that rounding does not hide what becomes of the
  /// loss. Where gradients are small in the units that they have, nothing nearer tells anything.
  static double first_step(double slope, double noise) {
    const double near = std::min(1.0, 1.0 / std::sqrt(-slope)), seen = seen_decrease * noise / -slope;
    return std::isfinite(seen) ? std::max(near, seen) : near;
  }

  /// Whether a step along the direction decreases the loss.
  bool search(double slope) {
    const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    const double loss = unit_ * result_.loss, noise = rounded_places * epsilon * std::fabs(loss);
    runtime::LineSearch search({0.0, loss, slope}, noise, [this](double step) { return try_step(step); });
    const double first = changes_.empty() ? first_step(slope, noise) : 1.0;  // the estimate's own step is 1
    const std::size_t most = std::min(most_line_steps, options_.max_evaluations - result_.evaluations);
    const LinePoint found = search.run(first, most);
    if (found.step != tried_) {
      move_to(found.step);
      evaluate();
    }
    if (found.step == 0.0) return false;
    advance(static_cast<double>(executor_.loss()));
    return true;
  }

  /// Takes the point where the executor is for the next iteration's, and remembers what changed.
  void advance(double loss) {
    Change<T> change{gather(std::as_const(executor_).parameters()), gradients(), 0.0};
    std::swap(at_, change.parameters);
    std::swap(gradients_, change.gradients);
    for (std::size_t i = 0; i < count_; ++i) {
      change.parameters[i] = at_[i] - change.parameters[i];
      change.gradients[i] = gradients_[i] - change.gradients[i];
    }
    change.product = runtime::dot<T>(change.parameters, change.gradients);
    const double lengths = std::sqrt(runtime::dot<T>(change.parameters, change.parameters) *
                                     runtime::dot<T>(change.gradients, change.gradients));
    // Without positive curvature the estimate would not stay positive definite.
    if (change.product > std::numeric_limits<double>::epsilon() * lengths && std::isfinite(lengths)) {
      if (changes_.size() == options_.history) changes_.pop_front();
      changes_.push_back(std::move(change));
    }
    executor_.apply_assignments();
    result_.loss = loss;
    result_.gradient = largest(gradients_) / unit_;
    ++result_.iterations;
    choose_unit();
  }

  /// Minus the estimate times the gradients: the two-loop recursion, algorithm 7.4.
  void find_direction() {
    for (std::size_t i = 0; i < count_; ++i) direction_[i] = -gradients_[i];
    if (changes_.empty()) return;
    std::vector<double> factors(changes_.size());
    for (std::size_t k = changes_.size(); k-- > 0;) {
      factors[k] = runtime::dot<T>(changes_[k].parameters, direction_) / changes_[k].product;
      add(-factors[k], changes_[k].gradients);
    }
    const Change<T>& last = changes_.back();
    const double scale = last.product / runtime::dot<T>(last.gradients, last.gradients);
    for (T& d : direction_) d = static_cast<T>(scale * static_cast<double>(d));
    for (std::size_t k = 0; k < changes_.size(); ++k) {
      const double factor = runtime::dot<T>(changes_[k].gradients, direction_) / changes_[k].product;
      add(factors[k] - factor, changes_[k].parameters);
    }
  }

  void add(double factor, const std::vector<T>& numbers) {
    const T rounded = static_cast<T>(factor);
    for (std::size_t i = 0; i < count_; ++i) direction_[i] += rounded * numbers[i];
  }

  Executor<T>& executor_;
  const LbfgsOptions& options_;
  std::size_t count_ = 0;
  double unit_ = 1.0;                          // by which losses and gradients are multiplied, but for the result's
  std::vector<T> at_, gradients_, direction_;  // of the parameters that are trained
  std::deque<Change<T>> changes_;
  double tried_ = 0.0;  // the step at which the executor is
  LbfgsResult result_;
};

template <class T>
Divergence explain_start(Executor<T>& executor, const DataView& data, double loss) {
  std::vector<std::uint32_t> rows(executor.bound_rows());
  std::iota(rows.begin(), rows.end(), std::uint32_t{0});
  Divergence found = runtime::find_divergence(executor, rows, {.loss = loss});
  data.bind(executor);
  executor.step();  // its results are there to be looked at
  return found;
}

}  // namespace

template <class T>
LbfgsResult lbfgs(Executor<T>& executor, const DataView& data, const LbfgsOptions& options) {
  check_options(options);
  runtime::check_trainable(executor.program());
  runtime::bind_all_rows(executor, data);
  executor.shared_parameters()->chosen = true;  // to be minimised from what they are
  LbfgsResult result = Lbfgs<T>(executor, options).run();
  if (result.end == SolverEnd::diverged) result.divergence = explain_start(executor, data, result.loss);
  return result;
}

template LbfgsResult lbfgs(Executor<float>&, const DataView&, const LbfgsOptions&);
template LbfgsResult lbfgs(Executor<double>&, const DataView&, const LbfgsOptions&);

}  // namespace tapeloom::inline TAPELOOM_ABI
