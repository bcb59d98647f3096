#include "tapeloom/runtime/train/solver.h"

namespace tapeloom::inline TAPELOOM_ABI {

std::string to_string(SolverEnd end) {
  switch (end) {
    case SolverEnd::gradient:
      return "gradient";
    case SolverEnd::decrease:
      return "decrease";
    case SolverEnd::step:
      return "step";
    case SolverEnd::no_decrease:
      return "no decrease";
    case SolverEnd::iterations:
      return "iterations";
    case SolverEnd::evaluations:
      return "evaluations";
    case SolverEnd::callback:
      return "callback";
    case SolverEnd::diverged:
      return "diverged";
  }
  return "unknown";
}

}  // namespace tapeloom::inline TAPELOOM_ABI
