// Tables of numbers from comma-separated text, plain or gzipped.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapeloom/core/export.h"

namespace tapeloom::inline v0_1 {

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
  /// Of a column of texts: what its numbers 0, 1, ... stand for, in alphabetical order.
  std::map<std::size_t, std::vector<std::string>> categories;
  std::vector<MissingValue> missing;

  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  std::span<const double> row(std::size_t i) const& { return {values.data() + i * columns, columns}; }
  std::span<const double> row(std::size_t i) const&& = delete;  // of a table that is gone after the statement
  double at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
  /// The column of that name, the first of several. Throws BindError if there is none.
  std::size_t column(std::string_view name) const;
};

/// A column by its number, from 0, or by its name. A negative number is no column's.
class CsvColumn {
 public:
  CsvColumn(int number) : number_(number) {}
  CsvColumn(std::size_t number) : number_(static_cast<std::ptrdiff_t>(number)) {}
  CsvColumn(const char* name) : name_(name) {}
  CsvColumn(std::string name) : name_(std::move(name)) {}
  bool is(std::size_t number, std::string_view name) const {
    return name_.empty() ? number_ == static_cast<std::ptrdiff_t>(number) : name_ == name;
  }
  std::string text() const { return name_.empty() ? std::to_string(number_) : "\"" + name_ + "\""; }

 private:
  std::string name_;
  std::ptrdiff_t number_ = 0;
};

/// What usually stands for a missing value: "", "NA", "N/A", "NaN", "nan", "NULL", "null" and "?".
TAPELOOM_API std::vector<std::string> usual_missing_texts();

struct CsvOptions {
  char separator = ',';
  /// Lines to leave out at the start.
  std::size_t skip_lines = 0;
  /// Whether the first line after them holds the names of the columns.
  bool header = false;
  /// Columns of texts, such as the names of classes; they get numbers, see Table::categories.
  std::vector<CsvColumn> categories = {};
  /// Fields that stand for a missing value. (A list in braces here is more than g++ 12 understands in a template.)
  std::vector<std::string> missing = usual_missing_texts();
  /// True: missing values are NaN and listed in Table::missing. False: the first one is an error.
  bool allow_missing = false;
};

/// Reads finite decimal numbers (as in 1, +2, -2.5, 3e-4) whatever the locale, with blanks around them or not, each as
/// the double next to it: 0 for what is below 2.5e-324. Lines end with LF or CRLF, the last one with or without. Empty
/// lines are allowed at the end only. Fields may stand in double quotes, with "" for a quote, and then hold separators
/// and line ends too (RFC 4180). A gzipped file is recognised by its content. Throws DataError with the file, line and
/// column (the number of the field, from 1) for a field that is missing, no such number or too large for a double, and
/// for a line with more or fewer fields than the first; and with the file for one that is missing, empty, cut short or
/// damaged, and for a column of `categories` that it does not have.
TAPELOOM_API Table read_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace tapeloom::inline v0_1
