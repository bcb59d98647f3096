// Decimal numbers in texts, whatever the locale, and what texts are that are none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// How numbers are written.
struct DecimalFormat {
  char mark = '.';        ///< between the whole and its fraction: . or ,
  char thousands = '\0';  ///< between groups of three digits of the whole; 0: nothing
};

/// The double next to a number as in 1, +2, -2.5, .5, 3e-4: zero for what is below 2.5e-324. Groups of digits are all
/// separated, or none. Nothing for other texts, for what is no finite number and for what is too large for a double.
std::optional<double> read_decimal(std::string_view text, const DecimalFormat& format);

/// Of a text that read_decimal does not read: what it is ("has a decimal comma"), and which of CsvOptions reads it.
/// Empty for what is no number in any way.
std::string describe_no_decimal(std::string_view text, const DecimalFormat& format);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
