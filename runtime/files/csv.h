// Tables of numbers from comma-separated text, plain or gzipped, and the numbers that stand for its texts.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/files/safetensors.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Texts, each once; the first one has the number 0, the next 1, and so on.
class TAPELOOM_API Categories {
 public:
  Categories() = default;
  /// Throws BindError for a text that comes twice.
  Categories(std::vector<std::string> texts);
  Categories(std::initializer_list<std::string> texts) : Categories(std::vector<std::string>(texts)) {}

  std::size_t size() const { return texts_.size(); }
  const std::vector<std::string>& texts() const& { return texts_; }
  std::vector<std::string> texts() && { return std::move(texts_); }
  /// The text of that number. Throws BindError for a number that is none's.
  const std::string& operator[](std::size_t number) const&;
  std::string operator[](std::size_t number) && { return std::as_const(*this)[number]; }
  /// The number of a text; none for an unknown one.
  std::optional<std::size_t> find(std::string_view text) const;
  /// The same, or a BindError that names the known ones.
  std::size_t index(std::string_view text) const;

  /// As one tensor of that name: the bytes of all texts, each with a zero behind it. `from` makes them texts again.
  /// Both throw BindError, for a text with a zero in it and for a tensor that is missing or something else.
  std::vector<Tensor> tensors(std::string_view name) const;
  static Categories from(const TensorFile& file, std::string_view name);

  friend bool operator==(const Categories& a, const Categories& b) { return a.texts_ == b.texts_; }

 private:
  std::vector<std::string> texts_;
  std::map<std::string, std::size_t, std::less<>> numbers_;
};

/// A value that was missing in a file of rows; its number is NaN.
struct MissingValue {
  std::size_t row, column;  ///< from 0
  std::size_t line;         ///< of the file, from 1
};

/// Rows of one length, row-major.
struct TAPELOOM_API Table {
  std::vector<double> values;
  std::size_t columns = 0;
  std::vector<std::string> names;  ///< of the columns; none without a line of them
  /// Of each column of texts: what its numbers stand for.
  std::map<std::size_t, Categories> categories;
  std::vector<MissingValue> missing;

  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  std::span<const double> row(std::size_t i) const& { return {values.data() + i * columns, columns}; }
  std::span<const double> row(std::size_t i) const&& = delete;  // of a table that is gone after the statement
  double at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
  /// The column of that name, the first of several. Throws BindError if there is none.
  std::size_t column(std::string_view name) const;
};

/// A column by its number, from 0, or by its name, the first of several alike; and which texts it may hold.
class CsvColumn {
 public:
  template <std::integral Integer>
  CsvColumn(Integer number) : place_(static_cast<std::ptrdiff_t>(number)) {}
  CsvColumn(const char* name) : place_(name) {}
  CsvColumn(std::string name) : place_(std::move(name)) {}
  /// Its texts get their numbers from here, and any other text is an error.
  template <class Place>
  CsvColumn(Place place, Categories known) : CsvColumn(std::move(place)) {
    known_ = std::move(known);
  }

  /// `name` is null where there is no line of names.
  bool is(std::size_t number, const std::string_view* name) const {
    if (const std::string* wanted = std::get_if<std::string>(&place_)) return name != nullptr && *wanted == *name;
    return std::get<std::ptrdiff_t>(place_) == static_cast<std::ptrdiff_t>(number);
  }
  std::string text() const {
    if (const std::string* name = std::get_if<std::string>(&place_)) return "\"" + *name + "\"";
    return std::to_string(std::get<std::ptrdiff_t>(place_));
  }
  const std::optional<Categories>& known() const { return known_; }

 private:
  std::variant<std::ptrdiff_t, std::string> place_;
  std::optional<Categories> known_;
};

/// As CsvOptions::separator: one or more spaces and tabs between fields, and any number of them at the ends of a line.
inline constexpr char blank_runs = '\0';

/// What usually stands for a missing value: "", "NA", "N/A", "NaN", "nan", "NULL", "null" and "?".
TAPELOOM_API std::vector<std::string> usual_missing_texts();

struct CsvOptions {
  /// Between fields: any character but quotes and line ends, or blank_runs.
  char separator = ',';
  /// In numbers, between the whole and its fraction: . or ,
  char decimal = '.';
  /// In numbers, between groups of three digits, as in "1,234.5" (in quotes where it is the separator, too), but not in
  /// those that begin with 0; 0: nothing. A space stands for no-break, narrow no-break and thin spaces, too.
  char thousands = '\0';
  /// Lines to leave out at the start.
  std::size_t skip_lines = 0;
  /// Whether the first line after them holds the names of the columns.
  bool header = false;
  /// Columns of texts, such as the names of classes; they become numbers, see Table::categories. A column "kind" has
  /// its texts numbered in alphabetical order (of their bytes), {"kind", known} as they are known from another file:
  /// those of a training are reused for the data of a test, Categories::tensors saves them with the model.
  std::vector<CsvColumn> categories = {};
  /// Fields that stand for a missing value. (A list in braces here is more than g++ 12 understands in a template.)
  std::vector<std::string> missing = usual_missing_texts();
  /// True: missing values are NaN and listed in Table::missing. False: the first one is an error.
  bool allow_missing = false;
};

/// Reads finite decimal numbers (as in 1, +2, -2.5, 3e-4) whatever the locale, each as the double next to it: 0 for
/// what is below 2.5e-324. Lines end with LF, CRLF or a lone CR, the last one with or without. Spaces and tabs around
/// fields are left out, unless they are the separator: then an empty field is between any two of them. A line of
/// separators alone is a row of missing values. Empty lines, or lines of such blanks alone, are allowed at the end
/// only. Fields may stand in double quotes, with "" for a quote, and then hold separators, blanks and line ends just as
/// they are (RFC 4180). A gzipped file is recognised by its content, and so is UTF-16 by its byte order mark; it is
/// read as UTF-8.
///
/// Throws DataError with the file, line and column (the number of the field, from 1) for a field that is missing, no
/// such number, too large for a double, or a text that is not among the known ones, and for a line with more or fewer
/// fields than the first; and with the file for one that is missing, empty, cut short, damaged or no text, and for a
/// column of `categories` that it does not have. Throws BindError for options that make no sense or contradict each
/// other.
TAPELOOM_API Table read_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
