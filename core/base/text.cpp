// What the library says of numbers and of itself.
#include <charconv>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/number_text.h"

#define TAPELOOM_TEXT_OF(number) #number
#define TAPELOOM_TEXT(number) TAPELOOM_TEXT_OF(number)

namespace tapeloom::inline TAPELOOM_ABI {

std::string number_text(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return number != number ? "nan" : std::string(text, end);
}

const char* version() noexcept {
  return TAPELOOM_TEXT(TAPELOOM_VERSION_MAJOR) "." TAPELOOM_TEXT(TAPELOOM_VERSION_MINOR) "." TAPELOOM_TEXT(
      TAPELOOM_VERSION_PATCH);
}

const char TAPELOOM_CONTAINERS = 1, TAPELOOM_STRINGS = 1;

}  // namespace tapeloom::inline TAPELOOM_ABI
