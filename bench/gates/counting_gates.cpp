// The two gates that count and so need no quiet machine: structure, and instructions executed.
#include <gnu/libc-version.h>

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "bench/gates/figures.h"
#include "bench/gates/gates.h"
#include "bench/machine.h"
#include "tapeloom/runtime/files/file.h"

namespace tapeloom::bench {

namespace {

int report(const char* gate, const Verdict& verdict, const std::string& file) {
  for (const std::string& line : verdict.better) std::printf("better  %s\n", line.c_str());
  for (const std::string& line : verdict.worse) std::printf("WORSE   %s\n", line.c_str());
  if (!verdict.worse.empty()) {
    std::printf("%s gate: FAILED against %s. If that is meant: scripts/gates.sh --accept, and commit the file.\n", gate,
                file.c_str());
    return failed;
  }
  std::printf("%s gate: passed%s\n", gate,
              verdict.better.empty() ? "" : ", and better than before: scripts/gates.sh --accept tightens the file");
  return passed;
}

Figures read_if_there(const std::string& path) {
  return std::filesystem::exists(path) ? read_figures(path) : Figures{};
}

/// "workload <tab> figure <tab> number" a line.
Figures parse_structure(const std::string& lines) {
  Figures figures;
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);) {
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    if (second == std::string::npos) throw std::runtime_error("not a figure: " + line);
    figures.put(line.substr(0, first), line.substr(first + 1, second - first - 1), std::stoull(line.substr(second)));
  }
  return figures;
}

/// What a step of each workload executed, from the parts "10:name" and "20:name" of callgrind's file.
FigureRow parse_callgrind(const std::string& path) {
  FigureRow row;
  std::ifstream file(path);
  std::string label;
  std::uint64_t ten = 0;
  const std::string trigger = "desc: Trigger: Client Request: ", total = "totals: ";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(trigger)) label = line.substr(trigger.size());
    if (!line.starts_with(total) || label.empty()) continue;
    const std::uint64_t count = std::stoull(line.substr(total.size()));
    if (label.starts_with("20:")) {
      if (count <= ten) throw std::runtime_error("callgrind counts no more for 20 steps than for 10: " + label);
      row.numbers.emplace_back(label.substr(3), (count - ten + 5) / 10);
    }
    ten = count;
    label.clear();
  }
  return row;
}

int say_inconclusive(const std::string& why) {
  std::printf("instruction gate: INCONCLUSIVE, NOTHING WAS CHECKED: %s\n", why.c_str());
  return inconclusive;
}

/// What the number of instructions depends on besides the sources.
std::string figure_key() {
  std::string valgrind = output_of("valgrind --version");  // "valgrind-3.19.0" and a newline
  valgrind = valgrind.substr(0, valgrind.find('\n'));
  return compiler_name() + " " + TAPELOOM_BENCH_FLAGS + ", glibc " + gnu_get_libc_version() + ", " + valgrind;
}

FigureRow count_instructions(const GateOptions& options) {
  const std::string file = options.scratch + "/callgrind.out";
  std::filesystem::create_directories(options.scratch);
  std::filesystem::remove(file);
  output_of(
      "TAPELOOM_ISA=avx2 valgrind -q --tool=callgrind --instr-atstart=no --combine-dumps=yes "
      "--callgrind-out-file=" +
      quoted(file) + " " + quoted(options.measure) + " steps " + quoted(options.workload) + " 2>&1");
  FigureRow row = parse_callgrind(file);
  if (row.numbers.empty()) throw std::runtime_error("callgrind counted nothing");
  return row;
}

}  // namespace

int structure_gate(const GateOptions& options) {
  const Figures measured =
      parse_structure(output_of(quoted(options.measure) + " structure " + quoted(options.workload)));
  const Figures committed = read_if_there(options.figures);
  if (options.accept) {
    Figures next = options.workload.empty() ? Figures{} : committed;
    for (const FigureRow& row : measured.rows) next.put(row);
    runtime::write_file(options.figures, to_json(next));
    std::printf("structure gate: wrote %s\n", options.figures.c_str());
    return passed;
  }
  const Verdict verdict = judge_structure(committed, measured, options.workload.empty());
  return report("structure", verdict, options.figures);
}

int instruction_gate(const GateOptions& options) {
  if (std::system("valgrind --version > /dev/null 2>&1") != 0) {
    return say_inconclusive("valgrind is not installed (scripts/bootstrap.sh does it)");
  }
  if (!__builtin_cpu_supports("avx2")) return say_inconclusive("this processor has no AVX2");
  const std::string key = figure_key();

  const FigureRow measured = count_instructions(options);
  Figures committed = read_if_there(options.figures);
  if (options.accept) {
    if (options.workload.empty()) committed.put({key, {}});
    for (const auto& [workload, count] : measured.numbers) committed.put(key, workload, count);
    runtime::write_file(options.figures, to_json(committed));
    std::printf("instruction gate: wrote %s for %s\n", options.figures.c_str(), key.c_str());
    return passed;
  }
  const FigureRow* old = committed.find(key);
  if (old != nullptr) {
    std::printf("%s\n", key.c_str());
    return report("instruction", judge_instructions(*old, measured, options.workload.empty()), options.figures);
  }
  for (const auto& [workload, count] : measured.numbers) {
    std::printf("measured  %-42s %12" PRIu64 "\n", workload.c_str(), count);
  }
  for (const FigureRow& row : committed.rows) std::printf("committed for  %s\n", row.name.c_str());
  return say_inconclusive("no figures are committed for " + key +
                          ". On a state that is known to be good, scripts/gates.sh --accept adds them.");
}

}  // namespace tapeloom::bench
