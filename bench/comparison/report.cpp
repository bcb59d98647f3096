#include "bench/comparison/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <map>

#include "tapeloom/runtime/files/json.h"

namespace tapeloom::bench {
namespace {

using runtime::json_string;

std::string format_number(const char* pattern, double number) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), pattern, number);
  return text.data();
}

/// JSON has no numbers that are not finite.
std::string json_number(double number) { return std::isfinite(number) ? format_number("%.9g", number) : "null"; }

const Measurement* closures_of(const std::vector<Measurement>& all, const Measurement& m) {
  for (const Measurement& other : all) {
    if (other.variant == "closures" && other.chart == m.chart && other.work == m.work) return &other;
  }
  return nullptr;
}

std::string unless_unknown(double number, const std::string& text) { return std::isnan(number) ? "" : text; }

const std::vector<std::string> columns = {
    "time",    "quartiles",      "repetitions", "closures / this",        "record",
    "compile", "pays off after", "peak memory", "in a process of its own"};

/// One for each of the columns, after the variant's title.
std::vector<std::string> cells_of(const std::vector<Measurement>& all, const Measurement& m) {
  std::string against_closures;
  if (const Measurement* closures = closures_of(all, m); closures != nullptr && closures != &m) {
    const double ratio = closures->median_seconds() / m.median_seconds();
    against_closures = format_number(ratio < 10.0 ? "%.2g" : "%.0f", ratio);
  }
  const std::string steps = format_number("%.0f", std::ceil(m.break_even_steps));
  return {variant_of(m.variant).title,
          format_seconds(m.median_seconds()),
          format_number("-%.0f%%", 100.0 * (1.0 - m.quantile(0.25) / m.median_seconds())) +
              format_number(" +%.0f%%", 100.0 * (m.quantile(0.75) / m.median_seconds() - 1.0)),
          std::to_string(m.seconds.size()),
          against_closures,
          unless_unknown(m.record_seconds, format_seconds(m.record_seconds)),
          unless_unknown(m.compile_seconds, format_seconds(m.compile_seconds)),
          std::isinf(m.break_even_steps) ? "never" : unless_unknown(m.break_even_steps, steps),
          unless_unknown(m.peak_bytes, format_number("%.1f MB", 1e-6 * m.peak_bytes)),
          format_seconds(m.alone_seconds)};
}

void remove_empty_columns(Table& table) {
  for (std::size_t column = table.head.size(); column-- > 0;) {
    const auto has_none = [column](const std::vector<std::string>& row) { return row[column].empty(); };
    if (!std::all_of(table.rows.begin(), table.rows.end(), has_none)) continue;
    const auto at = static_cast<std::ptrdiff_t>(column);
    table.head.erase(table.head.begin() + at);
    for (std::vector<std::string>& row : table.rows) row.erase(row.begin() + at);
  }
}

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string json_entry(const Circumstances& circumstances, const Measurement& m, const std::string& name,
                       const std::string& more, double real, double cpu) {
  std::string text = "    {\"name\": " + json_string(name) + ", \"run_name\": " + json_string(m.work + "/" + m.variant);
  const std::size_t threads = variant_of(m.variant).all_threads ? circumstances.cores : 1;
  text += ", " + more + ", \"threads\": " + std::to_string(threads);
  text += ", \"iterations\": " + std::to_string(m.calls);
  text += ", \"real_time\": " + json_number(1e9 * real) + ", \"cpu_time\": " + json_number(1e9 * cpu);
  text += ", \"time_unit\": \"ns\", \"chart\": " + json_string(m.chart) + ", \"work\": " + json_string(m.work);
  text += ", \"variant\": " + json_string(m.variant);
  return text;
}

std::string json_counters(const Measurement& m) {
  std::string text;
  const auto add = [&text](const char* name, double number) {
    if (!std::isnan(number)) text += std::string(", \"") + name + "\": " + json_number(number);
  };
  add("x", m.x);
  add("record_ns", 1e9 * m.record_seconds);
  add("compile_ns", 1e9 * m.compile_seconds);
  add("break_even_steps", m.break_even_steps);  // null: never
  add("peak_resident_bytes", m.peak_bytes);
  add("alone_ns", 1e9 * m.alone_seconds);
  if (m.nodes > 0) add("nodes", static_cast<double>(m.nodes));
  if (!m.remark.empty()) text += ", \"remark\": " + json_string(m.remark);
  return text;
}

double median_of(std::vector<double> numbers) {
  Measurement m;
  m.seconds = std::move(numbers);
  return m.median_seconds();
}

double deviation_of(const std::vector<double>& numbers) {
  double mean = 0.0, squares = 0.0;
  for (const double x : numbers) mean += x / static_cast<double>(numbers.size());
  for (const double x : numbers) squares += (x - mean) * (x - mean);
  return numbers.size() < 2 ? 0.0 : std::sqrt(squares / static_cast<double>(numbers.size() - 1));
}

std::string json_entries(const Circumstances& circumstances, const Measurement& m) {
  const std::string name = m.work + "/" + m.variant, count = std::to_string(m.seconds.size());
  std::string text;
  for (std::size_t i = 0; i < m.seconds.size(); ++i) {
    text += json_entry(circumstances, m, name,
                       "\"run_type\": \"iteration\", \"repetitions\": " + count +
                           ", \"repetition_index\": " + std::to_string(i),
                       m.seconds[i], m.cpu_seconds[i]) +
            "},\n";
  }
  const auto aggregate = [&](const char* kind) {
    return std::string("\"run_type\": \"aggregate\", \"repetitions\": ") + count + ", \"aggregate_name\": \"" + kind +
           "\"";
  };
  text += json_entry(circumstances, m, name + "_median", aggregate("median"), m.median_seconds(),
                     median_of(m.cpu_seconds)) +
          json_counters(m) + "},\n";
  return text +
         json_entry(circumstances, m, name + "_stddev", aggregate("stddev"), deviation_of(m.seconds),
                    deviation_of(m.cpu_seconds)) +
         "}";
}

}  // namespace

std::string format_seconds(double seconds) {
  if (std::isnan(seconds)) return "";
  constexpr std::array<std::pair<double, const char*>, 4> units = {
      {{1.0, "s"}, {1e-3, "ms"}, {1e-6, "µs"}, {1e-9, "ns"}}};
  for (const auto& [size, name] : units) {
    if (seconds < 0.9995 * size && size > 2e-9) continue;
    const double number = seconds / size;
    return format_number(number < 9.995 && std::fabs(number - std::round(number)) > 1e-9   ? "%.2f"
                         : number < 99.95 && std::fabs(number - std::round(number)) > 1e-9 ? "%.1f"
                                                                                           : "%.0f",
                         number) +
           " " + name;
  }
  return "";
}

std::vector<Table> tables_of(const std::vector<Measurement>& all) {
  std::vector<Table> tables;
  std::string work;
  double shortest = 0.0;
  for (const Measurement& m : all) {
    if (tables.empty() || m.chart + m.work != work) {
      work = m.chart + m.work;
      tables.emplace_back().head = {m.work};
      tables.back().head.insert(tables.back().head.end(), columns.begin(), columns.end());
    }
    Table& table = tables.back();
    if (table.rows.empty() || m.median_seconds() < shortest) {
      shortest = m.median_seconds();
      table.fastest = table.rows.size();
    }
    table.rows.push_back(cells_of(all, m));
    if (!m.remark.empty()) table.remarks.push_back(table.rows.back()[0] + ": " + m.remark + ".");
  }
  for (Table& table : tables) remove_empty_columns(table);
  return tables;
}

std::string table_text(const std::vector<Measurement>& all) {
  std::string text;
  for (const Table& table : tables_of(all)) {
    text += "\n" + markdown_row(table.head) + markdown_row(std::vector<std::string>(table.head.size(), "---"));
    for (const std::vector<std::string>& row : table.rows) text += markdown_row(row);
    for (const std::string& remark : table.remarks) text += "\n" + remark + "\n";
  }
  return text;
}

std::string json_text(const Circumstances& circumstances, const std::vector<Measurement>& all) {
  std::array<char, 64> date{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::strftime(date.data(), date.size(), "%FT%T%z", localtime_r(&now, &parts));
  std::string text = "{\n  \"context\": {\n    \"date\": " + json_string(date.data());
  text += ",\n    \"executable\": " + json_string(circumstances.executable);
  text += ",\n    \"num_cpus\": " + std::to_string(circumstances.cores);
#ifdef NDEBUG
  text += ",\n    \"library_build_type\": \"release\"";
#else
  text += ",\n    \"library_build_type\": \"debug\"";
#endif
  for (const auto& [name, fact] : circumstances.facts) {
    text += ",\n    " + json_string(name) + ": " + json_string(fact);
  }
  text += "\n  },\n  \"benchmarks\": [\n";
  for (std::size_t i = 0; i < all.size(); ++i)
    text += json_entries(circumstances, all[i]) + (i + 1 < all.size() ? ",\n" : "\n");
  return text + "  ]\n}\n";
}

}  // namespace tapeloom::bench
