// Tables of whole numbers in JSON files, {"row": {"column": number, ...}, ...}, and what a gate says of new numbers
// against committed ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tapeloom::bench {

struct FigureRow {
  std::string name;
  std::vector<std::pair<std::string, std::uint64_t>> numbers;

  const std::uint64_t* find(const std::string& column) const;
  friend bool operator==(const FigureRow&, const FigureRow&) = default;
};

/// In the file's order.
struct Figures {
  std::vector<FigureRow> rows;

  const FigureRow* find(const std::string& name) const;
  /// Replaces the row of that name, or appends it.
  void put(FigureRow row);
  /// Replaces the number, or appends it.
  void put(const std::string& row, const std::string& column, std::uint64_t number);
  friend bool operator==(const Figures&, const Figures&) = default;
};

/// Throws DataError, with the place, for anything else than such a table.
Figures read_figures(const std::string& path);
std::string to_json(const Figures& figures);

/// Lines for people. `worse` is what the gate fails for.
struct Verdict {
  std::vector<std::string> worse, better;
};

/// Any number above the committed one is worse. A row that is on one side alone is worse, too, but committed rows that
/// nobody measured are not if `measured_all` is false.
Verdict judge_structure(const Figures& committed, const Figures& measured, bool measured_all = true);

/// Instructions executed a step, a column a workload. Worse is more than 1% above in one of them, or 0.3% in the
/// geometric mean; better, as much below. What is on one side alone counts as above.
Verdict judge_instructions(const FigureRow& committed, const FigureRow& measured, bool measured_all = true);

}  // namespace tapeloom::bench
