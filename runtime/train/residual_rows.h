// The residuals of all rows and their derivatives, folded into a triangle as they come from an executor.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

class ResidualRows {
 public:
  /// Throws BindError for a program that is not one of compile_residuals, and for fewer residuals than parameters.
  explicit ResidualRows(Executor<double>& executor);

  /// Which of the program's parameters are fitted, ascending.
  const std::vector<std::size_t>& fitted() const { return fitted_; }
  std::size_t residuals() const { return per_sample_ * samples_; }
  /// Of those that are fitted.
  Eigen::VectorXd parameters() const;
  void set_parameters(const Eigen::VectorXd& numbers);

  /// Computes all rows. False if something is not finite, or a guard fails after the first time: then there are no
  /// results.
  bool evaluate();
  /// R of the QR decomposition of [derivatives | residuals], times unit().
  const Eigen::MatrixXd& triangle() const { return triangle_; }
  /// Of the residuals, times unit().
  double norm() const { return norm_; }
  /// A power of two: 1, unless what was evaluated is so large or small that its squares are no numbers.
  double unit() const { return unit_; }
  /// What was not finite.
  std::string fault() const;

 private:
  bool compute();
  bool compute_in_unit();
  bool fold(std::span<const double> outputs, std::size_t first_sample);
  void find_fault(const Eigen::RowVectorXd& numbers, std::size_t row);
  void decompose();

  Executor<double>& executor_;
  std::vector<std::size_t> fitted_;
  std::size_t per_sample_ = 0, samples_ = 0;
  Eigen::MatrixXd triangle_, work_;  // below the triangle, work_ has rows that are not folded yet
  Eigen::Index filled_ = 0;          // of them
  double norm_ = 0.0, unit_ = 1.0;
  double largest_ = 0.0;  // of all residuals and derivatives
  bool evaluated_ = false;
  struct Fault {
    std::size_t row = 0, column = 0;
    double number = 0.0;
  } fault_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
