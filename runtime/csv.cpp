#include "tapeloom/runtime/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>
#include <system_error>

#include "tapeloom/core/error.h"
#include "tapeloom/runtime/file.h"

namespace tapeloom::inline v0_1 {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// A field as an error message shows it: short and printable.
std::string quoted(std::string_view field) {
  constexpr std::size_t longest = 40;
  std::string text = "\"";
  for (const char c : field.substr(0, longest)) text += c >= ' ' && c <= '~' ? c : '?';
  return text + (field.size() > longest ? "...\"" : "\"");
}

/// Turns lines into rows of a Table.
class Parser {
 public:
  Parser(const std::string& path, const CsvOptions& options, Table& table)
      : path_(path), options_(options), table_(table) {}

  void line(std::string_view text) {
    ++line_;
    if (line_ <= options_.skip_lines) return;
    // The byte order mark that some editors write.
    if (line_ == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (trimmed(text).empty()) {
      if (first_empty_line_ == 0) first_empty_line_ = line_;
      return;
    }
    if (first_empty_line_ != 0) throw DataError(path_, first_empty_line_, 0, "an empty line between rows");
    std::size_t column = 0;
    for (bool more = true; more;) {
      const std::size_t end = std::min(text.find(options_.separator), text.size());
      more = end < text.size();
      ++column;
      if (table_.columns != 0 && column > table_.columns) ragged(column, "more");
      table_.values.push_back(number(text.substr(0, end), column));
      text.remove_prefix(more ? end + 1 : end);
    }
    if (table_.columns == 0) table_.columns = column;
    if (column < table_.columns) ragged(column, "fewer");
  }

 private:
  double number(std::string_view field, std::size_t column) const {
    const std::string_view digits = trimmed(field);
    const char* const end = digits.data() + digits.size();
    double result = 0.0;
    const auto [stop, error] = std::from_chars(digits.data(), end, result);
    if (error == std::errc::result_out_of_range) {
      throw DataError(path_, line_, column, quoted(digits) + " does not fit into a double");
    }
    if (error != std::errc() || stop != end || !std::isfinite(result)) {
      throw DataError(path_, line_, column, quoted(digits) + " is not a finite number");
    }
    return result;
  }

  [[noreturn]] void ragged(std::size_t column, const char* how) const {
    throw DataError(
        path_, line_, column,
        std::string("this line has ") + how + " fields than the " + std::to_string(table_.columns) + " of the first");
  }

  const std::string& path_;
  const CsvOptions& options_;
  Table& table_;
  std::size_t line_ = 0;
  std::size_t first_empty_line_ = 0;
};

}  // namespace

Table read_csv(const std::string& path, const CsvOptions& options) {
  Table table;
  Parser parser(path, options, table);
  runtime::GzipReader reader(path);
  std::string buffer(1U << 16, '\0');
  std::size_t held = 0;  // bytes of an unfinished line at the start of the buffer
  while (true) {
    if (held == buffer.size()) buffer.resize(2 * buffer.size());
    const std::size_t count = reader.read(buffer.data() + held, buffer.size() - held);
    std::string_view text(buffer.data(), held + count);
    const std::size_t seen = held;
    if (count == 0) {
      if (!text.empty()) parser.line(text);
      break;
    }
    for (std::size_t end = text.find('\n', seen); end != text.npos; end = text.find('\n')) {
      parser.line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    held = text.size();
    std::memmove(buffer.data(), text.data(), held);
  }
  if (table.values.empty()) throw DataError(path, 0, 0, "no rows");
  return table;
}

}  // namespace tapeloom::inline v0_1
