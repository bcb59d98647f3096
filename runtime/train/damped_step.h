// The linear algebra of Levenberg-Marquardt, on the triangle of a QR decomposition. Nothing here squares the condition.
#pragma once

#include <Eigen/Core>
#include <Eigen/QR>
#include <cstddef>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

struct DampedStep {
  Eigen::VectorXd scaled;
  double damping = 0.0;
  double image_norm = 0.0;  ///< of the triangle times the step: what the linear model changes
};

/// Steps z that minimise |R z - right|^2 within a bound for |z|; R is an upper triangle.
class DampedSteps {
 public:
  /// `rows` is how many were folded into the triangle.
  DampedSteps(Eigen::MatrixXd triangle, Eigen::VectorXd right, std::size_t rows);

  /// By the damping p of |R z - right|^2 + p |z|^2 at which |z| is within a tenth of the bound, or 0 where the undamped
  /// step is: Moré 1978, section 5. `damping` is where the search begins.
  DampedStep within(double bound, double damping) const;

 private:
  struct Damped;
  Damped solve(double damping) const;

  Eigen::MatrixXd triangle_;
  Eigen::VectorXd right_;
  bool full_rank_ = false;
  Eigen::VectorXd undamped_;
  Eigen::VectorXd undamped_slope_;  // see Damped::slope
};

/// The inverse of J^T J for an upper triangle J, whose columns may be of very different sizes.
class Uncertainty {
 public:
  /// `rows` is how many were folded into the triangle.
  Uncertainty(const Eigen::Ref<const Eigen::MatrixXd>& triangle, std::size_t rows);
  std::size_t rank() const { return rank_; }
  /// NaN if the rank is less than the columns.
  const Eigen::MatrixXd& inverse() const { return inverse_; }

 private:
  std::size_t rank_ = 0;
  Eigen::MatrixXd inverse_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
