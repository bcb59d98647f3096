#include "tapeloom/core/base/export.h"

#define TAPELOOM_TEXT_OF(number) #number
#define TAPELOOM_TEXT(number) TAPELOOM_TEXT_OF(number)

namespace tapeloom::inline TAPELOOM_ABI {

const char* version() noexcept {
  return TAPELOOM_TEXT(TAPELOOM_VERSION_MAJOR) "." TAPELOOM_TEXT(TAPELOOM_VERSION_MINOR) "." TAPELOOM_TEXT(
      TAPELOOM_VERSION_PATCH);
}

const char TAPELOOM_CONTAINERS = 1, TAPELOOM_STRINGS = 1;

}  // namespace tapeloom::inline TAPELOOM_ABI
