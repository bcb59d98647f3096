#include "tapeloom/core/base/error.h"

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

}  // namespace tapeloom::inline TAPELOOM_ABI
