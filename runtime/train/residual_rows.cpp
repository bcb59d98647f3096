#include "tapeloom/runtime/train/residual_rows.h"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"
#include "tapeloom/core/program/residuals.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Rows folded at a time are at least so many, and at least as many as the triangle has, which is paid for each time.
constexpr std::size_t least_rows = 256;

/// Between these, squares of residuals and derivatives, and sums of them, are normal numbers.
constexpr double small_number = 0x1p-300, large_number = 0x1p300;

std::size_t residuals_a_sample(const Program& program, const std::vector<std::size_t>& fitted) {
  const std::size_t width = fitted.size() + 1;
  const std::size_t count = program.outputs.size() / width;
  bool good = !fitted.empty() && count > 0 && program.outputs.size() == count * width;
  for (std::size_t k = 0; good && k < count * fitted.size(); ++k) {
    const std::string label = residual_derivative_label(k / fitted.size(), fitted[k % fitted.size()]);
    good = program.outputs[count + k].label == label;
  }
  if (!good)
    throw BindError("least_squares needs a program of compile_residuals, for the derivatives of each residual");
  return count;
}

}  // namespace

ResidualRows::ResidualRows(Executor<double>& executor) : executor_(executor) {
  for (const Range range : executor.program().trained) {
    for (std::uint32_t i = range.begin; i < range.end; ++i) fitted_.push_back(i);
  }
  per_sample_ = residuals_a_sample(executor.program(), fitted_);
  samples_ = executor.bound_rows();
  if (residuals() < fitted_.size()) {
    throw BindError("least_squares: " + std::to_string(residuals()) + " residuals for " +
                    std::to_string(fitted_.size()) + " parameters; there must be as many at least");
  }
  const auto width = static_cast<Eigen::Index>(fitted_.size() + 1);
  const std::size_t rows = std::min(residuals(), std::max(least_rows, fitted_.size() + 1));
  work_.resize(width + static_cast<Eigen::Index>(rows), width);
}

Eigen::VectorXd ResidualRows::parameters() const {
  Eigen::VectorXd numbers(static_cast<Eigen::Index>(fitted_.size()));
  const std::span<const double> all = std::as_const(executor_).parameters();
  for (std::size_t i = 0; i < fitted_.size(); ++i) numbers[static_cast<Eigen::Index>(i)] = all[fitted_[i]];
  return numbers;
}

void ResidualRows::set_parameters(const Eigen::VectorXd& numbers) {
  const std::span<double> all = executor_.parameters();
  for (std::size_t i = 0; i < fitted_.size(); ++i) all[fitted_[i]] = numbers[static_cast<Eigen::Index>(i)];
}

bool ResidualRows::evaluate() {
  if (!std::exchange(evaluated_, true)) return compute_in_unit();
  try {
    return compute_in_unit();
  } catch (const GuardError&) {
    return false;
  }
}

bool ResidualRows::compute_in_unit() {
  unit_ = 1.0;
  if (!compute()) return false;
  if (largest_ == 0.0 || (largest_ >= small_number && largest_ <= large_number)) return true;
  constexpr int most = 1000;  // 2^-most is a normal number
  unit_ = std::ldexp(1.0, std::clamp(-std::ilogb(largest_), -most, most));
  return compute();
}

bool ResidualRows::compute() {
  const auto width = work_.cols();
  triangle_ = Eigen::MatrixXd::Zero(width, width);
  norm_ = largest_ = 0.0;
  filled_ = 0;
  if (executor_.program().input_groups.empty() || executor_.program().recorded_samples > 0) {
    executor_.step();
    if (!fold(executor_.outputs(), 0)) return false;
  } else {
    for (std::size_t first = 0; first < samples_; first += executor_.max_samples()) {
      executor_.step(first, std::min(executor_.max_samples(), samples_ - first));
      if (!fold(executor_.outputs(), first)) return false;
    }
  }
  if (filled_ > 0) decompose();
  return true;
}

/// `outputs` as core/program/residuals.h has them, sample after sample. How many samples a step has makes no difference
/// to what is folded at a time.
bool ResidualRows::fold(std::span<const double> outputs, std::size_t first_sample) {
  const std::size_t count = fitted_.size(), outputs_a_sample = per_sample_ * (count + 1);
  const std::size_t rows = outputs.size() / (count + 1);
  const auto width = work_.cols();
  Eigen::RowVectorXd numbers(width);
  for (std::size_t row = 0; row < rows; ++row) {
    const double* sample = outputs.data() + row / per_sample_ * outputs_a_sample;
    const std::size_t residual = row % per_sample_;
    const double* derivatives = sample + per_sample_ + residual * count;
    for (std::size_t j = 0; j < count; ++j) numbers[static_cast<Eigen::Index>(j)] = derivatives[j];
    numbers[width - 1] = sample[residual];
    if (!numbers.allFinite()) {
      find_fault(numbers, first_sample * per_sample_ + row);
      return false;
    }
    largest_ = std::max(largest_, numbers.cwiseAbs().maxCoeff());
    work_.row(width + filled_) = unit_ * numbers;
    if (width + ++filled_ == work_.rows()) decompose();
  }
  return true;
}

void ResidualRows::decompose() {
  const auto width = work_.cols(), rows = std::exchange(filled_, 0);
  norm_ = std::hypot(norm_, work_.col(width - 1).segment(width, rows).stableNorm());
  work_.topRows(width) = triangle_;
  Eigen::Ref<Eigen::MatrixXd> all = work_.topRows(width + rows);
  const Eigen::HouseholderQR<Eigen::Ref<Eigen::MatrixXd>> in_place(all);
  triangle_ = work_.topRows(width).triangularView<Eigen::Upper>();
}

void ResidualRows::find_fault(const Eigen::RowVectorXd& numbers, std::size_t row) {
  // The residual before its derivatives.
  for (Eigen::Index k = 0; k < numbers.size(); ++k) {
    const Eigen::Index column = k == 0 ? numbers.size() - 1 : k - 1;
    if (std::isfinite(numbers[column])) continue;
    fault_ = {row, static_cast<std::size_t>(column), numbers[column]};
    return;
  }
}

std::string ResidualRows::fault() const {
  const std::string residual =
      "residual " + std::to_string(fault_.row % per_sample_) + " of sample " + std::to_string(fault_.row / per_sample_);
  if (fault_.column == fitted_.size()) return "least_squares: " + residual + " is " + number_text(fault_.number);
  const std::size_t parameter = fitted_[fault_.column];
  const std::string& label = executor_.program().parameters[parameter].label;
  return "least_squares: the derivative of " + residual + " by parameter " + std::to_string(parameter) +
         (label.empty() ? "" : ", " + quoted(label) + ",") + " is " + number_text(fault_.number);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
