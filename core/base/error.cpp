#include "tapeloom/core/base/error.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

std::string place(const std::string& file, std::size_t line, std::size_t column) {
  std::string text = file;
  if (line != 0) text.append(":").append(std::to_string(line));
  if (column != 0) text.append(":").append(std::to_string(column));
  return text;
}

}  // namespace

DataError::DataError(const std::string& file, std::size_t line, std::size_t column, const std::string& what)
    : Error(place(file, line, column) + ": " + what), line_(line), column_(column) {}

GuardError::GuardError(const std::string& description, std::size_t guard, std::size_t sample)
    : Error(description + ", came out the other way for sample " + std::to_string(sample) +
            " of the batch, so the recorded branch does not hold; nothing was updated. Use where() for a choice that "
            "depends on the data, or record again"),
      guard_(guard),
      sample_(sample) {}

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
