// How the outputs of a program for least squares lie: compile_residuals writes them so, and least_squares reads them.
#pragma once

#include <cstddef>
#include <string>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

// The residuals of a sample come first, then for each of them its derivatives by the trained parameters, in recorded
// order. These have labels that nothing else has, so that another program is not taken for one.

/// The label of the derivative by the parameter with this index.
inline std::string residual_derivative_label(std::size_t residual, std::size_t parameter) {
  return "d residual " + std::to_string(residual) + " / d parameter " + std::to_string(parameter);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
