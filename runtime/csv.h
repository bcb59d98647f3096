// Tables of numbers from comma-separated text, plain or gzipped.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/export.h"

namespace tapeloom::inline v0_1 {

/// Rows of one length, row-major.
struct Table {
  std::vector<double> values;
  std::size_t columns = 0;

  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  std::span<const double> row(std::size_t i) const { return {values.data() + i * columns, columns}; }
  double at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
};

struct CsvOptions {
  char separator = ',';
  /// Lines to leave out at the start, such as a line of names.
  std::size_t skip_lines = 0;
};

/// Reads finite decimal numbers (as in 1, -2.5, 3e-4) whatever the locale, with blanks around them or not; lines end
/// with LF or CRLF, the last one with or without. Empty lines are allowed at the end only. A gzipped file is recognised
/// by its content. Throws DataError with the file, line and column (the number of the field, from 1) for a field that
/// is no such number and for a line with more or fewer fields than the first; and with the file for one that is
/// missing, empty, cut short or damaged.
TAPELOOM_API Table read_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace tapeloom::inline v0_1
