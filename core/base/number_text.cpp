#include "tapeloom/core/base/number_text.h"

#include <charconv>

namespace tapeloom::inline TAPELOOM_ABI {

std::string number_text(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return number != number ? "nan" : std::string(text, end);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
