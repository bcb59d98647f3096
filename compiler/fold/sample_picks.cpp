#include "tapeloom/compiler/fold/sample_picks.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Value SamplePicks::picked(Value label, std::span<const Value> candidates) {
  std::vector<Value> chosen;
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    chosen.push_back(where(label == static_cast<double>(k), candidates[k], 0.0));
  }
  return sum(chosen);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
