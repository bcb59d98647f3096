#include "tapeloom/runtime/files/decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>
#include <vector>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// True if a decimal number that no double comes near is too small for one, and not too large: if its first digit that
/// is not 0 stands behind the point, once the exponent has moved that.
bool is_tiny(std::string_view digits) {
  const std::size_t end = std::min(digits.find_first_of("eE"), digits.size());
  const std::size_t point = std::min(digits.find('.'), end), first = digits.find_first_of("123456789");
  std::string_view exponent = digits.substr(std::min(end + 1, digits.size()));
  if (exponent.starts_with('+')) exponent.remove_prefix(1);
  std::int64_t moved = 0;
  const auto [stop, error] = std::from_chars(exponent.data(), exponent.data() + exponent.size(), moved);
  if (error == std::errc::result_out_of_range) return exponent.starts_with('-');
  const auto places = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  return moved < (first < point ? 1 - places : -places);
}

struct Parsed {
  std::optional<double> number;
  bool too_large = false;
};

/// As C writes numbers.
Parsed parse(std::string_view digits) {
  if (digits.starts_with('+') && !digits.substr(1).starts_with('-')) digits.remove_prefix(1);
  const char* const end = digits.data() + digits.size();
  double result = 0.0;
  const auto [stop, error] = std::from_chars(digits.data(), end, result);
  if (stop != end) return {};
  if (error == std::errc::result_out_of_range) {
    if (!is_tiny(digits)) return {std::nullopt, true};
    return {digits.starts_with('-') ? -0.0 : 0.0, false};
  }
  if (error != std::errc() || !std::isfinite(result)) return {};
  return {result, false};
}

/// A number of that format as C writes it; empty for what cannot be one.
std::string as_in_c(std::string_view text, const DecimalFormat& format) {
  const std::size_t signs = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  const std::size_t whole_end = std::min(text.find_first_not_of("0123456789", signs), text.size());
  std::string number(text.substr(0, whole_end));
  std::size_t at = whole_end;
  if (format.thousands != '\0' && at < text.size() && text[at] == format.thousands) {
    if (at == signs || at > signs + 3) return {};
    while (at < text.size() && text[at] == format.thousands) {
      const std::string_view group = text.substr(at + 1, 3);
      if (group.size() < 3 || !std::all_of(group.begin(), group.end(), is_digit)) return {};
      number += group;
      at += 4;
    }
    if (at < text.size() && is_digit(text[at])) return {};
  }
  if (at < text.size() && text[at] == format.mark) {
    number += '.';
    ++at;
  }
  const std::string_view rest = text.substr(at);
  if (rest.find_first_of(".,") != rest.npos) return {};
  return number.append(rest);
}

/// The text with the blanks that some languages have between thousands (no-break, narrow no-break and thin) as spaces.
std::string with_spaces(std::string_view text) {
  std::string plain(text);
  for (const std::string_view blank : {"\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89"}) {
    for (std::size_t at = 0; (at = plain.find(blank, at)) != plain.npos;) plain.replace(at, blank.size(), " ");
  }
  return plain;
}

Parsed parse(std::string_view text, const DecimalFormat& format) {
  if (format.mark == '.' && format.thousands == '\0') return parse(text);
  return parse(format.thousands == ' ' ? as_in_c(with_spaces(text), format) : as_in_c(text, format));
}

/// The formats that people use and that read it.
std::vector<DecimalFormat> formats_of(std::string_view text) {
  std::vector<DecimalFormat> formats;
  for (const char mark : {'.', ','}) {
    for (const char thousands : {'\0', ',', '.', '\'', ' ', '_'}) {
      if (thousands != '\0' && (thousands == mark || text.find(thousands) == text.npos)) continue;
      if (read_decimal(text, {mark, thousands})) formats.push_back({mark, thousands});
    }
  }
  return formats;
}

/// The separator that cuts the text into numbers, or 0.
char separator_of(std::string_view text, const DecimalFormat& format) {
  for (const char separator : {';', '\t', '|', ',', ':', ' '}) {
    std::size_t numbers = 0;
    bool all = true;
    for (std::string_view rest = text;;) {
      const std::size_t end = std::min(rest.find(separator), rest.size());
      if (end > 0) {
        all = all && parse(rest.substr(0, end), format).number;
        ++numbers;
      }
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
    if (all && numbers > 1) return separator;
  }
  return '\0';
}

}  // namespace

std::optional<double> read_decimal(std::string_view text, const DecimalFormat& format) {
  if (format.mark == '.' && format.thousands == '\0') {  // as nearly all are
    double number = 0.0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (stop == end && error == std::errc() && std::isfinite(number)) return number;
  }
  return parse(text, format).number;
}

std::string describe_no_decimal(std::string_view text, const DecimalFormat& format) {
  if (parse(text, format).too_large) return "does not fit into a double";
  const std::string spaced = with_spaces(text);
  bool always_grouped = true, always_marked = true;
  const std::vector<DecimalFormat> formats = formats_of(spaced);
  for (const DecimalFormat& f : formats) {
    always_grouped = always_grouped && f.thousands != '\0';
    always_marked = always_marked && f.mark != format.mark && spaced.find(f.mark) != spaced.npos;
  }
  const std::string mark = format.mark == '.' ? "a decimal comma" : "a decimal point", groups = "thousands separators";
  if (!formats.empty() && always_grouped && always_marked) {
    return "has " + groups + " and " + mark + "; there is CsvOptions::thousands and CsvOptions::decimal";
  }
  if (!formats.empty() && always_grouped) return "has " + groups + "; there is CsvOptions::thousands";
  if (!formats.empty() && always_marked) return "has " + mark + "; there is CsvOptions::decimal";
  if (!formats.empty()) {
    return "has " + mark + " or " + groups + "; CsvOptions::decimal or CsvOptions::thousands tells which";
  }
  if (const char separator = separator_of(text, format)) {
    const std::string name = separator == '\t'  ? "tabs"
                             : separator == ' ' ? "spaces"
                                                : std::string("'") + separator + "'";
    return "is several numbers between " + name + "; there is CsvOptions::separator" +
           (separator == ' ' || separator == '\t' ? ", which may be blank_runs" : "");
  }
  return {};
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
