#include "tapeloom/core/base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace tapeloom::inline TAPELOOM_ABI {

void fail_check(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "tapeloom: internal check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

namespace {

#ifdef NDEBUG
std::atomic<bool> checked_in_development = false;
#else
std::atomic<bool> checked_in_development = true;
#endif

}  // namespace

bool development_checks() { return checked_in_development; }
void set_development_checks(bool checked) { checked_in_development = checked; }

}  // namespace tapeloom::inline TAPELOOM_ABI
