#include "tapeloom/core/nets/dropout.h"

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/record/functions.h"

namespace tapeloom::inline TAPELOOM_ABI {

std::vector<Value> dropout(std::span<const Value> x, double p) {
  if (!(p >= 0.0 && p <= 1.0)) {
    throw RecordingError("dropout: the probability must be in [0, 1]; it is " + number_text(p));
  }
  std::vector<Value> y(x.begin(), x.end());
  if (y.empty() || p == 0.0) return y;
  Tape* tape = nullptr;
  for (const Value& each : x) tape = each.is_plain() ? tape : each.tape();
  if (tape == nullptr) throw RecordingError("dropout of plain numbers alone, which are on no tape");
  const Value training = tape->training();
  const std::vector<Value> random = tape->randoms(x.size());
  // Of p = 1 everything is dropped, and nothing is divided by zero.
  const double scale = p < 1.0 ? 1.0 / (1.0 - p) : 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Value kept = (random[i] >= p) * scale;
    y[i] = where(training, y[i] * kept, y[i]);
  }
  return y;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
