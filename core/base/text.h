// Numbers, names and columns of texts that people read: the same in every locale, as number_text (number_text.h) is.
// Standard functions that follow the C locale or that of streams are used nowhere in the library;
// tests/locale_symbols.cmake checks that.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The number rounded to so many decimals, 20 at most; "inf", "-inf" and "nan".
inline std::string fixed_text(double number, int decimals) {
  char text[340];  // the largest double has 309 digits before the point
  const auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, decimals).ptr;
  return number != number ? "nan" : std::string(text, end);
}

/// As messages name things: "x".
inline std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

/// The text at the right end of a column of this width, or alone if it is wider.
inline std::string right(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}
std::string right(std::integral auto number, std::size_t width) { return right(std::to_string(number), width); }

/// The same at the left end.
inline std::string left(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}
std::string left(std::integral auto number, std::size_t width) { return left(std::to_string(number), width); }

/// Behind what has the label.
inline std::string label_text(const std::string& label) { return label.empty() ? std::string() : " \"" + label + "\""; }

/// "1 node", "3 nodes"
inline std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace tapeloom::inline TAPELOOM_ABI
