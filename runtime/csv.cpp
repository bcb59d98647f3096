#include "tapeloom/runtime/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
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

struct Field {
  std::string_view text;
  bool quoted;
};

/// Cuts lines into fields.
class Splitter {
 public:
  Splitter(const std::string& path, char separator) : path_(path), separator_(separator) {}

  /// False if a quoted field goes on in the next line. The text must stay while the fields are used.
  bool split(std::string_view text, std::size_t line) {
    fields_.clear();
    unquoted_.clear();
    for (bool more = true; more;) {
      if (!trimmed(text).starts_with('"')) {
        fields_.push_back({cut(text, more), false});
      } else if (!quoted_field(text, line, more)) {
        return false;
      }
    }
    return true;
  }
  std::span<const Field> fields() const { return fields_; }

 private:
  /// Takes everything up to the next separator off the text.
  std::string_view cut(std::string_view& text, bool& more) const {
    const std::size_t end = std::min(text.find(separator_), text.size());
    const std::string_view field = trimmed(text.substr(0, end));
    more = end < text.size();
    text.remove_prefix(more ? end + 1 : end);
    return field;
  }

  bool quoted_field(std::string_view& text, std::size_t line, bool& more) {
    std::string& field = unquoted_.emplace_back();
    for (std::size_t at = text.find('"') + 1;;) {
      const std::size_t quote = text.find('"', at);
      if (quote == text.npos) return false;
      field += text.substr(at, quote - at);
      at = quote + 2;
      if (text.substr(quote + 1, 1) == "\"") {
        field += '"';
        continue;
      }
      text.remove_prefix(quote + 1);
      break;
    }
    fields_.push_back({field, true});
    const std::string_view behind = cut(text, more);
    if (!behind.empty()) throw DataError(path_, line, fields_.size(), quoted(behind) + " behind a quoted field");
    return true;
  }

  const std::string& path_;
  char separator_;
  std::vector<Field> fields_;
  std::deque<std::string> unquoted_;  // what fields_ points at
};

/// Turns lines into rows of a Table.
class Parser {
 public:
  Parser(const std::string& path, const CsvOptions& options, Table& table)
      : path_(path), options_(options), table_(table), splitter_(path, options.separator) {}

  void line(std::string_view text) {
    ++line_;
    if (line_ <= options_.skip_lines) return;
    // The byte order mark that some editors write.
    if (line_ == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (open_) return go_on(text);
    first_line_ = line_;
    if (trimmed(text).empty()) {
      if (first_empty_line_ == 0) first_empty_line_ = line_;
      return;
    }
    if (first_empty_line_ != 0) throw DataError(path_, first_empty_line_, 0, "an empty line between rows");
    if (splitter_.split(text, first_line_)) return record();
    held_ = text;
    open_ = true;
  }

  void end() {
    if (open_) throw DataError(path_, first_line_, 0, "a quoted field is not closed");
    if (table_.values.empty()) throw DataError(path_, 0, 0, "no rows");
    sort_categories();
  }

 private:
  /// Whether a quoted field that is open where the line begins ends in it.
  static bool closes(std::string_view text) {
    for (std::size_t at = 0; (at = text.find('"', at)) != text.npos; at += 2) {
      if (text.substr(at + 1, 1) != "\"") return true;
    }
    return false;
  }

  /// Another line of a quoted field. Its lines are looked at together once it ends: time stays linear in its length.
  void go_on(std::string_view text) {
    held_ += '\n';
    held_ += text;
    if (!closes(text) || !splitter_.split(held_, first_line_)) return;
    open_ = false;
    record();
  }

  void record() {
    const std::span<const Field> fields = splitter_.fields();
    if (table_.columns == 0) begin(fields);
    if (fields.size() > table_.columns) ragged(table_.columns + 1, "more");
    if (fields.size() < table_.columns) ragged(fields.size(), "fewer");
    if (options_.header && !named_) {
      named_ = true;
      return;
    }
    for (std::size_t c = 0; c < fields.size(); ++c) table_.values.push_back(number(fields[c], c));
  }

  void begin(std::span<const Field> fields) {
    table_.columns = fields.size();
    if (options_.header) {
      for (const Field& field : fields) table_.names.emplace_back(field.text);
    }
    for (const CsvColumn& wanted : options_.categories) {
      std::size_t c = 0;
      while (c < fields.size() && !wanted.is(c, options_.header ? fields[c].text : std::string_view())) ++c;
      if (c == fields.size()) no_column(wanted);
      categories_[c];
    }
  }

  double number(const Field& field, std::size_t column) {
    const auto& marks = options_.missing;
    if (std::find(marks.begin(), marks.end(), field.text) != marks.end()) return missing(field, column);
    if (const auto found = categories_.find(column); found != categories_.end()) {
      return static_cast<double>(
          found->second.try_emplace(std::string(field.text), found->second.size()).first->second);
    }
    const std::string_view text = trimmed(field.text);
    std::string_view digits = text;
    if (digits.starts_with('+') && !digits.substr(1).starts_with('-')) digits.remove_prefix(1);
    const char* const end = digits.data() + digits.size();
    double result = 0.0;
    const auto [stop, error] = std::from_chars(digits.data(), end, result);
    if (stop == end && error == std::errc::result_out_of_range) {
      if (is_tiny(digits)) return digits.starts_with('-') ? -0.0 : 0.0;
      throw DataError(path_, first_line_, column + 1, quoted(text) + " does not fit into a double");
    }
    if (error != std::errc() || stop != end || !std::isfinite(result)) {
      // Where the first row already fails, it may be none.
      const char* const hint = table_.values.size() < table_.columns && !options_.header
                                   ? "a line of names, there is CsvOptions::header, for texts CsvOptions::categories"
                                   : "texts, there is CsvOptions::categories";
      throw DataError(path_, first_line_, column + 1, quoted(text) + " is not a finite number; for " + hint);
    }
    return result;
  }

  double missing(const Field& field, std::size_t column) {
    if (!options_.allow_missing) {
      throw DataError(path_, first_line_, column + 1,
                      "a value is missing: " + quoted(field.text) + "; CsvOptions::allow_missing reads it as NaN");
    }
    table_.missing.push_back({table_.values.size() / table_.columns, column, first_line_});
    return std::numeric_limits<double>::quiet_NaN();
  }

  /// So far texts have numbers in the order in which they came.
  void sort_categories() {
    for (const auto& [column, numbers] : categories_) {
      std::vector<std::string>& names = table_.categories[column];
      std::vector<double> sorted(numbers.size());
      for (const auto& [text, number] : numbers) {
        sorted[number] = static_cast<double>(names.size());
        names.push_back(text);
      }
      for (std::size_t i = column; i < table_.values.size(); i += table_.columns) {
        double& value = table_.values[i];
        if (!std::isnan(value)) value = sorted[static_cast<std::size_t>(value)];
      }
    }
  }

  [[noreturn]] void no_column(const CsvColumn& wanted) const {
    std::string there = "columns 0 to " + std::to_string(table_.columns - 1);
    for (const std::string& name : table_.names) there += ", " + quoted(name);
    if (!options_.header) there += "; for names in the first line, there is CsvOptions::header";
    throw DataError(path_, first_line_, 0,
                    "there is no column " + wanted.text() + ", as in CsvOptions::categories, but " + there);
  }

  [[noreturn]] void ragged(std::size_t column, const char* how) const {
    throw DataError(
        path_, first_line_, column,
        std::string("this line has ") + how + " fields than the " + std::to_string(table_.columns) + " of the first");
  }

  const std::string& path_;
  const CsvOptions& options_;
  Table& table_;
  Splitter splitter_;
  std::size_t line_ = 0;
  std::size_t first_line_ = 0;  // of the row; it may have several
  std::size_t first_empty_line_ = 0;
  bool named_ = false;  // the line of names was there
  bool open_ = false;   // a quoted field goes on
  std::string held_;    // the lines of it so far
  std::map<std::size_t, std::map<std::string, std::size_t>> categories_;
};

}  // namespace

std::vector<std::string> usual_missing_texts() { return {"", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"}; }

std::size_t Table::column(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw BindError("there is no column \"" + std::string(name) + "\" in the table");
  return static_cast<std::size_t>(found - names.begin());
}

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
      parser.end();
      break;
    }
    for (std::size_t end = text.find('\n', seen); end != text.npos; end = text.find('\n')) {
      parser.line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    held = text.size();
    std::memmove(buffer.data(), text.data(), held);
  }
  return table;
}

}  // namespace tapeloom::inline v0_1
