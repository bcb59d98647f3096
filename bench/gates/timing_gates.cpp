// The two gates that take times: closures against compiled, and one build against another.
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "bench/cases.h"
#include "bench/gates/figures.h"
#include "bench/gates/gates.h"
#include "bench/gates/statistics.h"
#include "bench/ratio.h"
#include "bench/tidy_heap.h"

namespace tapeloom::bench {

namespace {

const char promised_column[] = "times as fast as closures";

// So small that the numbers stay what they are at the start however long a net is timed.
constexpr double rate = 1e-6;

/// Calls both in the order A B, B A, A B, ... and returns time(a) / time(b) of each pair, as logarithms.
template <class A, class B>
std::vector<double> log_ratios(A& a, std::size_t calls_a, B& b, std::size_t calls_b, std::size_t pairs) {
  std::vector<double> logs;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    double seconds_a = 0.0, seconds_b = 0.0;
    if (pair % 2 == 0) seconds_a = time_calls(a, calls_a);
    seconds_b = time_calls(b, calls_b);
    if (pair % 2 == 1) seconds_a = time_calls(a, calls_a);
    logs.push_back(std::log(seconds_a / seconds_b));
  }
  return logs;
}

void require_same_gradients(const Case& c) {
  const Data data = make_random_data(c.net, c.closure_check_samples, 2);
  const std::vector<double> start = initial_parameters(c.net, 1);
  ClosureTrainer closures(c.net, start);
  TapeloomTrainer<float> compiled(c.net, start, data, false);
  const double loss = closures.step(data, rate);
  const auto compiled_loss = static_cast<double>(compiled.step(rate));
  require_equal(c.name() + ", closures against compiled", loss, closures.gradients(), compiled_loss,
                compiled.gradients(), tolerance(c.net, data.samples, std::numeric_limits<float>::epsilon()));
}

/// Prints a line. True if the promise is kept.
bool check_ratio(const Case& c, double promised) {
  constexpr double slice_seconds = 0.01;
  require_same_gradients(c);
  const Data data = make_random_data(c.net, c.samples, 2);
  const std::vector<double> start = initial_parameters(c.net, 1);
  ClosureTrainer closure_trainer(c.net, start);
  TapeloomTrainer<float> compiled_trainer(c.net, start, data, false);
  auto closures = [&] { closure_trainer.step(data, rate); };
  auto compiled = [&] { compiled_trainer.step(rate); };

  const double first = time_calls(closures, 1);
  const bool slow = first > 1.0;
  const std::size_t calls = slow ? 1 : calls_lasting(closures, slice_seconds);
  const std::vector<double> logs =
      log_ratios(closures, calls, compiled, calls_lasting(compiled, slice_seconds), slow ? 3 : 31);
  const Interval interval = bootstrap_median(logs);
  const bool kept = std::exp(interval.high) >= promised;
  std::printf("%s  %-24s %6.0f times as fast as closures, %.0f to %.0f by %zu pairs; promised %.0f\n",
              kept ? "kept  " : "BROKEN", c.name().c_str(), std::exp(exact_median(logs)), std::exp(interval.low),
              std::exp(interval.high), logs.size(), promised);
  std::fflush(stdout);
  return kept;
}

/// Nanoseconds a step of each workload, in the program's order.
std::vector<std::pair<std::string, double>> run_times(const std::string& program, const std::string& workload) {
  std::vector<std::pair<std::string, double>> times;
  std::istringstream lines(output_of(quoted(program) + " time " + quoted(workload)));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) throw std::runtime_error("not a time: " + line);
    times.emplace_back(line.substr(0, tab), std::stod(line.substr(tab + 1)));
  }
  return times;
}

}  // namespace

int ratio_gate(const GateOptions& options) {
  tidy_heap();
  const Figures promises = read_figures(options.figures);
  bool kept = true, any = false;
  for (const Case& c : all_cases()) {
    const FigureRow* row = promises.find(c.name());
    const std::uint64_t* promised = row == nullptr ? nullptr : row->find(promised_column);
    if (promised == nullptr) throw std::runtime_error(options.figures + " promises nothing for " + c.name());
    if (c.name().find(options.workload) == std::string::npos) continue;
    any = true;
    kept = check_ratio(c, static_cast<double>(*promised)) && kept;
  }
  if (!any) throw std::runtime_error("no net has \"" + options.workload + "\" in its name");
  std::printf("ratio gate: %s %s\n", kept ? "passed," : "FAILED against", options.figures.c_str());
  return kept ? passed : failed;
}

void print_promises(const std::string& path) {
  std::printf("| net / samples a step | %s, at least |\n|---|---|\n", promised_column);
  for (const FigureRow& row : read_figures(path).rows) {
    const std::uint64_t* promised = row.find(promised_column);
    if (promised == nullptr) throw std::runtime_error(path + " promises nothing for " + row.name);
    std::printf("| %s | %llu |\n", row.name.c_str(), static_cast<unsigned long long>(*promised));
  }
}

int two_builds_gate(const std::string& now, const std::string& other, std::size_t pairs, const std::string& workload) {
  constexpr double noticeable = 0.02;  // two processes of one build may differ by as much, by where their memory lies
  std::map<std::string, std::vector<double>> logs;
  std::vector<std::pair<std::string, double>> last;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const bool now_first = pair % 2 == 0;
    const auto first = run_times(now_first ? now : other, workload);
    const auto second = run_times(now_first ? other : now, workload);
    last = now_first ? first : second;
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (i >= second.size() || first[i].first != second[i].first) throw std::runtime_error("different workloads");
      const double log = std::log(first[i].second / second[i].second);
      logs[first[i].first].push_back(now_first ? log : -log);
    }
    std::fprintf(stderr, "\rpair %zu of %zu", pair + 1, pairs);
  }
  std::fprintf(stderr, "\n");

  bool slower = false;
  for (const auto& [name, nanoseconds] : last) {
    const std::vector<double>& of = logs[name];
    std::size_t wins = 0, losses = 0;
    for (const double log : of) log<0.0 ? ++wins : losses += log> 0.0 ? 1 : 0;
    const double p = sign_test(wins, losses), ratio = std::exp(exact_median(of));
    // So that of all workloads one is called different by chance in a hundred comparisons.
    const bool differs = p < 0.01 / static_cast<double>(last.size()) && std::fabs(std::log(ratio)) > noticeable;
    const char* verdict = !differs ? "even  " : ratio > 1.0 ? "SLOWER" : "faster";
    slower = slower || (differs && ratio > 1.0);
    std::printf("%s  %-40s %+6.1f%%  slower in %zu of %zu, p = %.2g\n", verdict, name.c_str(), 100.0 * (ratio - 1.0),
                losses, of.size(), p);
  }
  std::printf("two builds: this one is %s\n", slower ? "SLOWER" : "not slower");
  return slower ? failed : passed;
}

}  // namespace tapeloom::bench
