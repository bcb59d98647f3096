// In tests every program is checked that is compiled or that an executor is made of, in release builds as well.
#include "tapeloom/core/base/check.h"

namespace {

[[maybe_unused]] const bool checked = [] {
  tapeloom::set_development_checks(true);
  return tapeloom::development_checks();
}();

}  // namespace
