// Dropout, under PyTorch's names and with its defaults.
#pragma once

#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// In training each x is, sample by sample, 0 with probability p, or else x / (1 - p); in inference it is x (see
/// Tape::training). Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout: a simple way to prevent neural
/// networks from overfitting", JMLR 15, 2014. What is dropped is said by Tape::randoms. Throws RecordingError for p
/// outside [0, 1] and for plain numbers alone.
TAPELOOM_API std::vector<Value> dropout(std::span<const Value> x, double p = 0.5);

/// The same as a layer.
class Dropout {
 public:
  explicit Dropout(double p = 0.5) : p_(p) {}
  std::vector<Value> operator()(std::span<const Value> x) const { return dropout(x, p_); }

 private:
  double p_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
