#include "tapeloom/runtime/files/csv.h"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/numbers.h"
#include "tapeloom/runtime/files/text.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

void check_options(const CsvOptions& options) {
  const auto is_any_of = [](char c, std::string_view of) { return of.find(c) != of.npos; };
  if (is_any_of(options.separator, "\"\r\n")) throw BindError("CsvOptions::separator is a quote or a line end");
  if (!is_any_of(options.decimal, ".,")) throw BindError("CsvOptions::decimal is neither . nor ,");
  if (options.thousands == options.decimal || is_any_of(options.thousands, "+-eE\"\r\n0123456789")) {
    throw BindError("CsvOptions::thousands is a part of numbers, a quote or a line end");
  }
}

/// Zero of an empty text.
std::size_t first_byte(std::string_view text) { return text.empty() ? 0 : static_cast<unsigned char>(text[0]); }

/// Turns rows of fields into rows of a Table.
class Parser {
 public:
  Parser(const std::string& path, const CsvOptions& options, Table& table)
      : path_(path), options_(options), format_{options.decimal, options.thousands}, table_(table) {
    for (const std::string& mark : options.missing) marks_begin_.set(first_byte(mark));
  }

  void row(const runtime::CsvFields& fields) {
    line_ = fields.line();
    if (table_.columns == 0) begin(fields);
    if (fields.size() > table_.columns) ragged(table_.columns + 1, "more");
    if (fields.size() < table_.columns) ragged(fields.size(), "fewer");
    if (options_.header && !named_) {
      named_ = true;
      return;
    }
    for (std::size_t c = 0; c < fields.size(); ++c) table_.values.push_back(number(fields[c], c));
  }

  void end() {
    if (table_.values.empty()) throw DataError(path_, 0, 0, "no rows");
    number_categories();
  }

 private:
  /// A column of texts. Those that are not known beforehand have numbers in the order in which they came, at first.
  struct Texts {
    const Categories* known = nullptr;
    std::map<std::string, std::size_t, std::less<>> numbers = {};
  };

  void begin(const runtime::CsvFields& fields) {
    table_.columns = fields.size();
    if (options_.header) {
      for (std::size_t c = 0; c < fields.size(); ++c) table_.names.emplace_back(fields[c]);
    }
    for (const CsvColumn& wanted : options_.categories) {
      std::size_t c = 0;
      const auto found = [&] {
        const std::string_view name = fields[c];
        return wanted.is(c, options_.header ? &name : nullptr);
      };
      while (c < fields.size() && !found()) ++c;
      if (c == fields.size()) no_column(wanted);
      const Categories* const known = wanted.known() ? &*wanted.known() : nullptr;
      if (!texts_.try_emplace(c, Texts{known}).second) {
        throw BindError("CsvOptions::categories has column " + wanted.text() + " twice");
      }
    }
  }

  bool is_missing(std::string_view field) const {
    const auto& marks = options_.missing;
    return marks_begin_[first_byte(field)] && std::find(marks.begin(), marks.end(), field) != marks.end();
  }

  double number(std::string_view field, std::size_t column) {
    const auto texts = texts_.find(column);
    if (texts != texts_.end() && texts->second.known != nullptr) {
      if (const auto known = texts->second.known->find(field)) return static_cast<double>(*known);
    }
    if (is_missing(field)) return missing(field, column);
    if (texts != texts_.end()) return text(field, column, texts->second);
    while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
    while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
    if (const std::optional<double> read = runtime::read_decimal(field, format_)) return *read;
    no_number(field, column);
  }

  double text(std::string_view field, std::size_t column, Texts& texts) {
    if (texts.known != nullptr) {
      throw DataError(
          path_, line_, column + 1,
          runtime::shown(field) + " is none of the known categories " + runtime::shown(texts.known->texts()));
    }
    auto found = texts.numbers.find(field);
    if (found == texts.numbers.end()) found = texts.numbers.emplace(field, texts.numbers.size()).first;
    return static_cast<double>(found->second);
  }

  double missing(std::string_view field, std::size_t column) {
    if (!options_.allow_missing) {
      const bool between_blanks = field.empty() && (options_.separator == ' ' || options_.separator == '\t');
      throw DataError(path_, line_, column + 1,
                      "a value is missing: " + runtime::shown(field) + "; CsvOptions::allow_missing reads it as NaN" +
                          (between_blanks ? ", the separator blank_runs takes several blanks for one" : ""));
    }
    table_.missing.push_back({table_.values.size() / table_.columns, column, line_});
    return std::numeric_limits<double>::quiet_NaN();
  }

  void number_categories() {
    for (const auto& [column, texts] : texts_) {
      if (texts.known != nullptr) {
        table_.categories[column] = *texts.known;
        continue;
      }
      std::vector<std::string> names;
      std::vector<double> sorted(texts.numbers.size());
      for (const auto& [text, number] : texts.numbers) {
        sorted[number] = static_cast<double>(names.size());
        names.push_back(text);
      }
      table_.categories[column] = std::move(names);
      for (std::size_t i = column; i < table_.values.size(); i += table_.columns) {
        double& value = table_.values[i];
        if (!std::isnan(value)) value = sorted[static_cast<std::size_t>(value)];
      }
    }
  }

  [[noreturn]] void no_number(std::string_view field, std::size_t column) const {
    std::string why = runtime::describe_no_decimal(field, format_);
    if (why.empty()) {
      // Where the first row already fails, it may be none.
      why = table_.values.size() < table_.columns && !options_.header
                ? "is not a finite number; for a line of names, there is CsvOptions::header, for texts "
                  "CsvOptions::categories"
                : "is not a finite number; for texts, there is CsvOptions::categories";
    }
    throw DataError(path_, line_, column + 1, runtime::shown(field) + " " + why);
  }

  [[noreturn]] void no_column(const CsvColumn& wanted) const {
    std::string there = "columns 0 to " + std::to_string(table_.columns - 1);
    if (options_.header) there += ", " + runtime::shown(table_.names);
    if (!options_.header) there += "; for names in the first line, there is CsvOptions::header";
    throw DataError(path_, line_, 0,
                    "there is no column " + wanted.text() + ", as in CsvOptions::categories, but " + there);
  }

  [[noreturn]] void ragged(std::size_t column, const char* how) const {
    throw DataError(
        path_, line_, column,
        std::string("this line has ") + how + " fields than the " + std::to_string(table_.columns) + " of the first");
  }

  const std::string& path_;
  const CsvOptions& options_;
  const runtime::DecimalFormat format_;
  std::bitset<256> marks_begin_;  // the first bytes of CsvOptions::missing, so that few fields are compared with all
  Table& table_;
  std::size_t line_ = 0;  // the first one of the row
  bool named_ = false;    // the line of names was there
  std::map<std::size_t, Texts> texts_;
};

}  // namespace

std::vector<std::string> usual_missing_texts() { return {"", "NA", "N/A", "NaN", "nan", "NULL", "null", "?"}; }

std::size_t Table::column(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw BindError("there is no column \"" + std::string(name) + "\" in the table");
  return static_cast<std::size_t>(found - names.begin());
}

namespace {

Table read(const std::string& path, const CsvOptions& options) {
  check_options(options);
  Table table;
  Parser parser(path, options, table);
  runtime::TextLines lines(path);
  runtime::CsvFields fields(path, options.separator);
  std::size_t empty_line = 0;  // the first one
  while (lines.next()) {
    if (lines.number() <= options.skip_lines) continue;
    if (!fields.open() && fields.empty_line(lines.text())) {
      if (empty_line == 0) empty_line = lines.number();
      continue;
    }
    if (empty_line != 0) throw DataError(path, empty_line, 0, "an empty line between rows");
    if (fields.split(lines.text(), lines.line_end(), lines.number())) parser.row(fields);
  }
  if (fields.open()) throw DataError(path, fields.line(), 0, "a quoted field is not closed");
  parser.end();
  return table;
}

}  // namespace

Table read_csv(const std::string& path, const CsvOptions& options) {
  return runtime::with_memory_for(path, [&] { return read(path, options); });
}

Categories::Categories(std::vector<std::string> texts) : texts_(std::move(texts)) {
  for (const std::string& text : texts_) {
    if (!numbers_.try_emplace(text, numbers_.size()).second) {
      throw BindError("categories: " + runtime::shown(text) + " comes twice");
    }
  }
}

const std::string& Categories::operator[](std::size_t number) const& {
  if (number >= size()) {
    throw BindError("there is no category " + std::to_string(number) + " but only " + std::to_string(size()));
  }
  return texts_[number];
}

std::optional<std::size_t> Categories::find(std::string_view text) const {
  const auto found = numbers_.find(text);
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

std::size_t Categories::index(std::string_view text) const {
  if (const auto number = find(text)) return *number;
  throw BindError(runtime::shown(text) + " is none of the categories " + runtime::shown(texts_));
}

std::vector<Tensor> Categories::tensors(std::string_view name) const {
  std::vector<float> bytes;
  for (const std::string& text : texts_) {
    if (text.find('\0') != text.npos) throw BindError("category " + runtime::shown(text) + " has a zero in it");
    for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
    bytes.push_back(0.0F);
  }
  return {{std::string(name), {bytes.size()}, std::move(bytes)}};
}

Categories Categories::from(const TensorFile& file, std::string_view name) {
  const std::string what = "tensor \"" + std::string(name) + "\"";
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) throw BindError("there is no " + what + " in the file");
  std::vector<std::string> texts;
  std::string text;
  bool whole = true;
  for (std::size_t i = 0; i < tensor->size(); ++i) {
    const double byte = tensor->at(i);
    if (!(byte >= 0.0 && byte <= 255.0) || byte != static_cast<double>(static_cast<int>(byte))) {
      throw BindError(what + " holds no categories: a number is no byte");
    }
    whole = byte == 0.0;
    if (whole) {
      texts.push_back(std::exchange(text, {}));
    } else {
      text += static_cast<char>(static_cast<unsigned char>(byte));
    }
  }
  if (!whole) throw BindError(what + " holds no categories: the last byte is not zero");
  return texts;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
