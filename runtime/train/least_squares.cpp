#include "tapeloom/runtime/train/least_squares.h"

#include <Eigen/Core>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/train/damped_step.h"
#include "tapeloom/runtime/train/option_checks.h"
#include "tapeloom/runtime/train/residual_rows.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using runtime::ResidualRows;

void check_options(const LeastSquaresOptions& options) {
  runtime::check_not_negative("LeastSquaresOptions::decrease_tolerance", options.decrease_tolerance);
  runtime::check_not_negative("LeastSquaresOptions::step_tolerance", options.step_tolerance);
  runtime::check_not_negative("LeastSquaresOptions::gradient_tolerance", options.gradient_tolerance);
  if (options.first_step > 0.0 && std::isfinite(options.first_step)) return;
  throw BindError("LeastSquaresOptions::first_step must be a finite number above zero; it is " +
                  number_text(options.first_step));
}

/// How long the first step may be at least, as a part of the residuals: both have one unit. Of parameters that are
/// nearly 0 a multiple is so short that it changes nothing, which would look like a minimum.
constexpr double least_first_step = 1e-3;

class LevenbergMarquardt {
 public:
  LevenbergMarquardt(Executor<double>& executor, const LeastSquaresOptions& options)
      : executor_(executor), options_(options), rows_(executor), at_(rows_.parameters()) {}

  LeastSquaresResult run() {
    start();
    while (!result_end_) {
      result_.gradient = cosine();
      if (result_.gradient <= options_.gradient_tolerance) return end(SolverEnd::gradient);
      if (result_.iterations >= options_.max_iterations) return end(SolverEnd::iterations);
      scale_ = scale_.cwiseMax(column_norms());
      iterate();
      if (!moved_) continue;
      ++result_.iterations;
      result_.gradient = cosine();
      const SolverReport report{result_.iterations, result_.evaluations, square(norm_ / unit_), result_.gradient};
      if (!result_end_ && !options_.on_iteration(report)) result_end_ = SolverEnd::callback;
    }
    return end(*result_end_);
  }

 private:
  void start() {
    // Steps to where something is not finite are taken back; from there, none lead anywhere.
    if (!evaluate(at_)) throw BindError(rows_.fault() + " at the start");
    accept(at_);
    scale_ = column_norms();
    for (double& scale : scale_) scale = scale == 0.0 ? 1.0 : scale;
    const double length = scale_.cwiseProduct(at_).stableNorm();
    bound_ = std::max(options_.first_step * (length > 0.0 ? length : 1.0), least_first_step * norm_);
  }

  bool evaluate(const VectorXd& parameters) {
    ++result_.evaluations;
    rows_.set_parameters(parameters);
    tried_ = parameters;
    return rows_.evaluate();
  }
  void accept(const VectorXd& parameters) {
    const double factor = rows_.unit() / std::exchange(unit_, rows_.unit());
    scale_ *= factor;
    bound_ *= factor;
    at_ = parameters;
    triangle_ = rows_.triangle();
    norm_ = rows_.norm();
  }
  VectorXd column_norms() const { return jacobian().colwise().norm(); }

  /// The triangle of the Jacobian's QR decomposition, and the residuals' part in its columns.
  Eigen::Ref<const MatrixXd> jacobian() const { return triangle_.topLeftCorner(at_.size(), at_.size()); }
  VectorXd right_side() const { return triangle_.col(at_.size()).head(at_.size()); }

  double cosine() const {
    if (norm_ == 0.0) return 0.0;
    const VectorXd norms = column_norms();
    const VectorXd products = jacobian().transpose() * (right_side() / norm_);
    double largest = 0.0;
    for (Eigen::Index j = 0; j < norms.size(); ++j) {
      if (norms[j] > 0.0) largest = std::max(largest, std::fabs(products[j]) / norms[j]);
    }
    return largest;
  }

  /// Shortens the step until one decreases the sum of squares, or the fit is at its end.
  void iterate() {
    const runtime::DampedSteps steps(jacobian() * scale_.cwiseInverse().asDiagonal(), -right_side(), rows_.residuals());
    moved_ = false;
    while (!moved_ && !result_end_) {
      if (result_.evaluations >= options_.max_evaluations) {
        result_end_ = SolverEnd::evaluations;
        return;
      }
      const runtime::DampedStep step = steps.within(bound_, damping_);
      damping_ = step.damping;
      const double length = step.scaled.stableNorm();
      if (result_.iterations == 0) bound_ = std::min(bound_, length);
      try_step(step, length);
    }
  }

  void try_step(const runtime::DampedStep& step, double length) {
    const VectorXd next = at_ + step.scaled.cwiseQuotient(scale_);
    const bool finite = evaluate(next);
    // All as parts of the sum of squares.
    const double change =
        finite ? rows_.norm() / rows_.unit() / (norm_ / unit_) : std::numeric_limits<double>::infinity();
    const double linear = square(step.image_norm / norm_);
    const double damped = damping_ * square(length / norm_);
    const double expected = linear + 2.0 * damped;
    const double decrease = 0.1 * change < 1.0 ? 1.0 - square(change) : -1.0;
    const double ratio = expected > 0.0 ? decrease / expected : 0.0;
    adjust_bound(ratio, decrease, linear + damped, change, length);
    if (ratio >= 1e-4) {
      accept(next);
      moved_ = true;
    }
    const bool decreased =
        std::fabs(decrease) <= options_.decrease_tolerance && expected <= options_.decrease_tolerance && ratio <= 2.0;
    const double position = scale_.cwiseProduct(at_).stableNorm();
    constexpr double epsilon = std::numeric_limits<double>::epsilon();
    if (options_.decrease_tolerance > 0.0 && decreased) {
      result_end_ = SolverEnd::decrease;
    } else if (options_.step_tolerance > 0.0 && bound_ <= options_.step_tolerance * position) {
      result_end_ = SolverEnd::step;
    } else if (!moved_ && (bound_ <= epsilon * position || bound_ < std::numeric_limits<double>::min())) {
      result_end_ = SolverEnd::no_decrease;
    }
  }

  /// As MINPACK does it. `slope` is minus half the derivative along the step.
  void adjust_bound(double ratio, double decrease, double slope, double change, double length) {
    if (ratio <= 0.25) {
      double factor = decrease >= 0.0 ? 0.5 : 0.5 * slope / (slope - 0.5 * decrease);
      if (!(0.1 * change < 1.0) || !(factor >= 0.1)) factor = 0.1;
      bound_ = factor * std::min(bound_, 10.0 * length);
      damping_ /= factor;
    } else if (damping_ == 0.0 || ratio >= 0.75) {
      bound_ = 2.0 * length;
      damping_ *= 0.5;
    }
  }

  LeastSquaresResult end(SolverEnd why) {
    if (tried_ != at_) {
      rows_.set_parameters(at_);
      rows_.evaluate();
    }
    result_.end = why;
    result_.residuals = rows_.residuals();
    result_.sum_of_squares = square(norm_ / unit_);
    const runtime::Uncertainty uncertainty(jacobian(), rows_.residuals());
    result_.rank = uncertainty.rank();
    result_.degrees_of_freedom = result_.residuals - result_.rank;
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    const auto freedom = static_cast<double>(result_.degrees_of_freedom);
    const double deviation = freedom > 0.0 ? norm_ / std::sqrt(freedom) : unknown;
    result_.residual_standard_deviation = deviation / unit_;
    const MatrixXd covariance = square(deviation) * uncertainty.inverse();
    const std::size_t count = executor_.program().parameters.size();
    result_.standard_errors.assign(count, 0.0);
    result_.covariance.assign(count * count, 0.0);
    for (Eigen::Index i = 0; i < at_.size(); ++i) {
      const std::size_t row = rows_.fitted()[static_cast<std::size_t>(i)];
      result_.standard_errors[row] = std::sqrt(covariance(i, i));
      for (Eigen::Index j = 0; j < at_.size(); ++j) {
        result_.covariance[row * count + rows_.fitted()[static_cast<std::size_t>(j)]] = covariance(i, j);
      }
    }
    return std::move(result_);
  }

  static double square(double x) { return x * x; }

  Executor<double>& executor_;
  const LeastSquaresOptions& options_;
  ResidualRows rows_;
  VectorXd at_, tried_, scale_;
  MatrixXd triangle_;  // at `at_`, with the residuals as its last column
  double norm_ = 0.0;
  double bound_ = 0.0, damping_ = 0.0;
  double unit_ = 1.0;  // by which the triangle, the norm, the scale and the bound are multiplied
  bool moved_ = false;
  std::optional<SolverEnd> result_end_;
  LeastSquaresResult result_;
};

}  // namespace

LeastSquaresResult least_squares(Executor<double>& executor, const DataView& data, const LeastSquaresOptions& options) {
  check_options(options);
  runtime::bind_all_rows(executor, data);
  executor.shared_parameters()->chosen = true;  // to be fitted from what they are
  return LevenbergMarquardt(executor, options).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI
