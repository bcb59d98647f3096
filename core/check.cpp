#include "tapeloom/core/check.h"

#include <cstdio>
#include <cstdlib>

namespace tapeloom::inline v0_1 {

void fail_check(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "tapeloom: internal check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace tapeloom::inline v0_1
