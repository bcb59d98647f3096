// The comparison's results for reading: a table, a JSON file and a page.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/comparison/measurement.h"

namespace tapeloom::bench {

/// How and where it was measured.
struct Circumstances {
  /// Names and texts: machine, compiler, flags, versions, peak, ...
  std::vector<std::pair<std::string, std::string>> facts;
  std::string executable;
  std::size_t cores = 0;
};

/// Such as "12.3 us".
std::string format_seconds(double seconds);

/// The figures of one piece of work, as texts.
struct Table {
  std::vector<std::string> head;  ///< columns that nobody has a figure for are left out
  std::vector<std::vector<std::string>> rows;
  std::size_t fastest = 0;  ///< which row
  std::vector<std::string> remarks;
};
std::vector<Table> tables_of(const std::vector<Measurement>& all);

/// The tables in Markdown.
std::string table_text(const std::vector<Measurement>& all);

/// As Google Benchmark writes it: an entry for each repetition, and its aggregates. Times are nanoseconds a unit.
std::string json_text(const Circumstances& circumstances, const std::vector<Measurement>& all);

/// One file that needs nothing else.
std::string page_text(const Circumstances& circumstances, const std::vector<Measurement>& all);

}  // namespace tapeloom::bench
