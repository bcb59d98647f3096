#include "bench/gates/figures.h"

#include <algorithm>
#include <cstdio>

#include "bench/gates/statistics.h"
#include "tapeloom/runtime/files/file.h"
#include "tapeloom/runtime/files/json.h"

namespace tapeloom::bench {

const std::uint64_t* FigureRow::find(const std::string& column) const {
  const auto found = std::find_if(numbers.begin(), numbers.end(), [&](const auto& n) { return n.first == column; });
  return found == numbers.end() ? nullptr : &found->second;
}

const FigureRow* Figures::find(const std::string& name) const {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const FigureRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

void Figures::put(FigureRow row) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const FigureRow& r) { return r.name == row.name; });
  if (found == rows.end()) {
    rows.push_back(std::move(row));
  } else {
    *found = std::move(row);
  }
}

void Figures::put(const std::string& row, const std::string& column, std::uint64_t number) {
  const FigureRow* old = find(row);
  FigureRow next = old == nullptr ? FigureRow{row, {}} : *old;
  std::erase_if(next.numbers, [&](const auto& n) { return n.first == column; });
  next.numbers.emplace_back(column, number);
  put(std::move(next));
}

Figures read_figures(const std::string& path) {
  const std::string text = runtime::read_file(path);
  runtime::JsonReader json(text, path, 0);
  Figures figures;
  json.object([&](const std::string& name) {
    FigureRow row{name, {}};
    json.object([&](const std::string& column) { row.numbers.emplace_back(column, json.unsigned_number()); });
    figures.rows.push_back(std::move(row));
  });
  json.end();
  return figures;
}

std::string to_json(const Figures& figures) {
  std::string text = "{";
  for (std::size_t r = 0; r < figures.rows.size(); ++r) {
    text += (r == 0 ? "\n  " : ",\n  ") + runtime::json_string(figures.rows[r].name) + ": {";
    const auto& numbers = figures.rows[r].numbers;
    for (std::size_t n = 0; n < numbers.size(); ++n) {
      text += (n == 0 ? "\n    " : ",\n    ") + runtime::json_string(numbers[n].first) + ": " +
              std::to_string(numbers[n].second);
    }
    text += "\n  }";
  }
  return text + "\n}\n";
}

namespace {

std::string change(const std::string& row, const std::string& column, std::uint64_t old, std::uint64_t now) {
  const double percent = old == 0 ? 0.0 : 100.0 * (static_cast<double>(now) / static_cast<double>(old) - 1.0);
  char text[160];
  std::snprintf(text, sizeof text, ": %llu -> %llu (%+.2f%%)", static_cast<unsigned long long>(old),
                static_cast<unsigned long long>(now), percent);
  return row + ": " + column + text;
}

}  // namespace

Verdict judge_structure(const Figures& committed, const Figures& measured, bool measured_all) {
  Verdict verdict;
  for (const FigureRow& row : measured.rows) {
    const FigureRow* old = committed.find(row.name);
    for (const auto& [column, number] : row.numbers) {
      const std::uint64_t* old_number = old == nullptr ? nullptr : old->find(column);
      if (old_number == nullptr) {
        verdict.worse.push_back(row.name + ": " + column + ": " + std::to_string(number) + ", and none is committed");
      } else if (number != *old_number) {
        (number > *old_number ? verdict.worse : verdict.better)
            .push_back(change(row.name, column, *old_number, number));
      }
    }
  }
  for (const FigureRow& row : committed.rows) {
    const FigureRow* now = measured.find(row.name);
    if (now == nullptr && !measured_all) continue;
    for (const auto& [column, number] : row.numbers) {
      if (now != nullptr && now->find(column) != nullptr) continue;
      verdict.worse.push_back(row.name + ": " + column + ": " + std::to_string(number) +
                              " is committed, but was not measured");
    }
  }
  return verdict;
}

Verdict judge_instructions(const FigureRow& committed, const FigureRow& measured, bool measured_all) {
  constexpr double one = 0.01, mean = 0.003;
  Verdict verdict;
  std::vector<double> ratios;
  for (const auto& [workload, number] : measured.numbers) {
    const std::uint64_t* old = committed.find(workload);
    if (old == nullptr || *old == 0) {
      verdict.worse.push_back(workload + ": " + std::to_string(number) + ", and none is committed");
      continue;
    }
    ratios.push_back(static_cast<double>(number) / static_cast<double>(*old));
    if (ratios.back() > 1.0 + one) {
      verdict.worse.push_back(change(workload, "instructions executed a step", *old, number));
    } else if (ratios.back() < 1.0 - one) {
      verdict.better.push_back(change(workload, "instructions executed a step", *old, number));
    }
  }
  for (const auto& [workload, number] : committed.numbers) {
    if (!measured_all || measured.find(workload) != nullptr) continue;
    verdict.worse.push_back(workload + ": " + std::to_string(number) + " is committed, but was not measured");
  }
  if (ratios.empty()) return verdict;
  const double all = geometric_mean(ratios);
  char text[120];
  std::snprintf(text, sizeof text, "geometric mean of %zu workloads: %+.2f%%", ratios.size(), 100.0 * (all - 1.0));
  if (all > 1.0 + mean) verdict.worse.push_back(text);
  if (all < 1.0 - mean) verdict.better.push_back(text);
  return verdict;
}

}  // namespace tapeloom::bench
