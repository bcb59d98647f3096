#include "tapeloom/runtime/train/damped_step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// By what part a step may be longer or shorter than the bound: less is not worth a decomposition.
constexpr double near_bound = 0.1;
constexpr int most_tries = 10;
/// What a damping above zero is at least, as a part of the largest that may be needed.
constexpr double least_part = 0.001;

/// Tells which combinations of columns are determined: a pivot that is a smaller part of the largest may be what
/// rounding has left of zero. Of columns one of which is a sum of others, that was at most 5 eps for 20 rows, 18 for
/// 1,000 rows of 100 columns, and for 20,000 to two million rows a tenth to a third of the root of their number.
Eigen::ColPivHouseholderQR<MatrixXd> decomposed(const MatrixXd& triangle, std::size_t rows) {
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  Eigen::ColPivHouseholderQR<MatrixXd> decomposition(triangle);
  const double roundings = static_cast<double>(triangle.cols()) + std::sqrt(static_cast<double>(rows));
  decomposition.setThreshold(4.0 * epsilon * roundings);
  return decomposition;
}

/// Upper triangles only.
VectorXd solve_transposed(const MatrixXd& triangle, const VectorXd& right) {
  return triangle.transpose().triangularView<Eigen::Lower>().solve(right);
}

}  // namespace

struct DampedSteps::Damped {
  VectorXd step;
  MatrixXd triangle;  // of R over the root of the damping
};

DampedSteps::DampedSteps(MatrixXd triangle, VectorXd right, std::size_t rows)
    : triangle_(std::move(triangle)), right_(std::move(right)) {
  const Eigen::ColPivHouseholderQR<MatrixXd> decomposition = decomposed(triangle_, rows);
  full_rank_ = decomposition.rank() == triangle_.cols();
  undamped_ = decomposition.solve(right_);
  if (!full_rank_) return;
  const VectorXd unit = decomposition.colsPermutation().transpose() * undamped_.stableNormalized();
  undamped_slope_ = solve_transposed(decomposition.matrixR(), unit);
}

DampedSteps::Damped DampedSteps::solve(double damping) const {
  const Eigen::Index n = triangle_.cols();
  MatrixXd both = MatrixXd::Zero(2 * n, n);
  both.topRows(n) = triangle_;
  both.bottomRows(n).diagonal().setConstant(std::sqrt(damping));
  VectorXd right = VectorXd::Zero(2 * n);
  right.head(n) = right_;
  const Eigen::HouseholderQR<MatrixXd> decomposition(both);
  Damped damped;
  damped.triangle = decomposition.matrixQR().topRows(n).triangularView<Eigen::Upper>();
  right.applyOnTheLeft(decomposition.householderQ().adjoint());
  damped.step = damped.triangle.triangularView<Eigen::Upper>().solve(right.head(n));
  return damped;
}

DampedStep DampedSteps::within(double bound, double damping) const {
  const auto made = [&](const VectorXd& step, double with) {
    return DampedStep{step, with, (triangle_.triangularView<Eigen::Upper>() * step).stableNorm()};
  };
  double excess = undamped_.stableNorm() - bound;
  if (excess <= near_bound * bound) return made(undamped_, 0.0);

  // Newton's method for 1 / |z| = 1 / bound, which is nearly linear in the damping, within what is known of it.
  const auto newton = [&](const VectorXd& slope) { return excess / bound / slope.squaredNorm(); };
  double least = full_rank_ ? newton(undamped_slope_) : 0.0;
  const double slope_norm = (triangle_.transpose() * right_).stableNorm();
  double most = slope_norm / bound;
  if (most == 0.0) most = std::numeric_limits<double>::min() / std::min(bound, near_bound);
  damping = std::min(std::max(damping, least), most);
  if (damping == 0.0) damping = slope_norm / (excess + bound);
  for (int tries = 1;; ++tries) {
    if (damping == 0.0) damping = std::max(std::numeric_limits<double>::min(), least_part * most);
    const Damped damped = solve(damping);
    const double length = damped.step.stableNorm();
    const double excess_before = std::exchange(excess, length - bound);
    const bool stays_short = least == 0.0 && excess <= excess_before && excess_before < 0.0;
    if (std::fabs(excess) <= near_bound * bound || stays_short || tries == most_tries)
      return made(damped.step, damping);
    (excess > 0.0 ? least : most) = damping;
    const VectorXd slope = solve_transposed(damped.triangle, damped.step / length);
    damping = std::max(least, damping + newton(slope));
  }
}

Uncertainty::Uncertainty(const Eigen::Ref<const MatrixXd>& triangle, std::size_t rows) {
  const Eigen::Index n = triangle.cols();
  VectorXd scale = triangle.colwise().stableNorm();
  for (double& s : scale) s = s == 0.0 ? 1.0 : s;
  const Eigen::ColPivHouseholderQR<MatrixXd> decomposition =
      decomposed(triangle * scale.cwiseInverse().asDiagonal(), rows);
  rank_ = static_cast<std::size_t>(decomposition.rank());
  inverse_ = MatrixXd::Constant(n, n, std::numeric_limits<double>::quiet_NaN());
  if (decomposition.rank() < n) return;
  const MatrixXd root = scale.cwiseInverse().asDiagonal() *
                        (decomposition.colsPermutation() *
                         decomposition.matrixR().triangularView<Eigen::Upper>().solve(MatrixXd::Identity(n, n)));
  inverse_ = root * root.transpose();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
