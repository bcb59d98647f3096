#include "tapeloom/runtime/files/numbers.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <system_error>
#include <vector>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

static_assert(std::endian::native == std::endian::little);

/// A half as it lies in a file.
struct Half {
  std::uint16_t bits;
  operator float() const { return float_of_half(bits); }
};

template <class Number, class T>
void convert(const char* bytes, bool big_endian, std::size_t count, T* out) {
  for (std::size_t i = 0; i < count; ++i) {
    char one[sizeof(Number)];
    std::memcpy(one, bytes + i * sizeof(Number), sizeof(Number));
    if (sizeof(Number) > 1 && big_endian) std::reverse(one, one + sizeof(Number));
    Number number;
    std::memcpy(&number, one, sizeof(Number));
    out[i] = static_cast<T>(number);
  }
}

/// How numbers of a type lie in a file, and become numbers of type T.
template <class T>
struct Conversion {
  std::size_t bytes;
  void (*convert)(const char* bytes, bool big_endian, std::size_t count, T* out);
};
template <class Number, class T>
constexpr Conversion<T> conversion = {sizeof(Number), convert<Number, T>};
/// In the order of NumberType.
template <class T>
constexpr Conversion<T> conversions[] = {
    conversion<std::uint8_t, T>,  conversion<std::uint16_t, T>, conversion<std::uint32_t, T>,
    conversion<std::uint64_t, T>, conversion<std::int8_t, T>,   conversion<std::int16_t, T>,
    conversion<std::int32_t, T>,  conversion<std::int64_t, T>,  conversion<Half, T>,
    conversion<float, T>,         conversion<double, T>};
static_assert(std::size(conversions<double>) == static_cast<std::size_t>(NumberType::f8) + 1);

}  // namespace

std::size_t bytes_of(NumberType type) { return conversions<double>[static_cast<std::size_t>(type)].bytes; }

float float_of_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  const float magnitude = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                          : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                          : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float float_of_bfloat(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::size_t NumberReader::fill(char* buffer, std::size_t count) {
  std::size_t held = 0;
  while (held < count) {
    const std::size_t more = source_->read(buffer + held, count - held);
    if (more == 0) break;
    held += more;
  }
  offset_ += held;
  return held;
}

std::string NumberReader::bytes(std::size_t count) {
  std::string bytes(count, '\0');
  bytes.resize(fill(bytes.data(), count));
  return bytes;
}

template <class T>
std::vector<T> NumberReader::numbers(NumberType type, bool big_endian, std::size_t count) {
  constexpr std::size_t some = 1U << 16;
  const auto [width, convert] = conversions<T>[static_cast<std::size_t>(type)];
  std::vector<T> numbers;
  // Where the file says how much there is; what else grows as it is read.
  numbers.reserve(std::min(count, source_->size() / width));
  std::vector<char> buffer(some * width);
  while (numbers.size() < count) {
    const std::size_t now = std::min(some, count - numbers.size());
    const std::size_t held = fill(buffer.data(), now * width) / width;
    const std::size_t before = numbers.size();
    numbers.resize(before + held);
    convert(buffer.data(), big_endian, held, numbers.data() + before);
    if (held < now) {
      fail(offset_, "the file is cut short: " + std::to_string(numbers.size()) + " of " + std::to_string(count) +
                        " numbers are there");
    }
  }
  return numbers;
}

void NumberReader::end() {
  char more = 0;
  const std::size_t here = offset_;
  if (fill(&more, 1) != 0) fail(here, "the file goes on behind its last number");
}

std::optional<std::size_t> element_count(std::span<const std::size_t> shape) {
  std::size_t count = 1;
  for (std::size_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) return std::nullopt;
  }
  if (count > PTRDIFF_MAX / sizeof(double)) return std::nullopt;
  return count;
}

std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

template std::vector<float> NumberReader::numbers(NumberType, bool, std::size_t);
template std::vector<double> NumberReader::numbers(NumberType, bool, std::size_t);

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
    if (text[signs] == '0') return {};  // nobody groups "0,123", which is a fraction of another format
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
  constexpr std::size_t longest = 1 << 20;  // a line of many numbers; a dozen copies are made of it below
  if (text.size() > longest) return {};
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
