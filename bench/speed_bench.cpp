// The table of speed: one training step (forward, loss, backward, plain gradient descent) of five nets by Tapeloom, by
// hand-written Eigen and in the closure design, by turns and in one thread; Eigen in the same process, closures in one
// with Tapeloom for each net, with a tidy heap (bench/tidy_heap.h), and again with what the C library does by default.
//
//   speed_bench [--net NAME]... [--no-closures | --closures] [--default-malloc] [--check]
//
// --closures does nothing but to print their seconds a step, and over those of Tapeloom in float, for each net;
// --default-malloc leaves the heap as the C library has it.
// Before anything is timed, what a step of each design does to the parameters is compared. --check does nothing else,
// and gives the closure design, which takes seconds for a step of the largest net, fewer samples.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>

#include "bench/cases.h"
#include "bench/eigen_nets.h"
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/measure_peak.h"
#include "bench/nets.h"
#include "bench/tidy_heap.h"
#include "bench/turns.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::bench {
namespace {

// Small, so that the numbers stay what they are at the start however long a net is timed.
constexpr double timed_rate = 1e-6;
// A power of two, so large that what a step does to a parameter is its gradient but for a rounding.
constexpr double checked_rate = 1024.0;

constexpr std::size_t rounds = 21;
constexpr double slice_seconds = 0.01;

// --- comparing -------------------------------------------------------------------------------------------------------

/// A step's loss, and what it did to the parameters, divided by minus the rate.
struct Outcome {
  double loss;
  std::vector<double> gradients;
};

template <class Step, class Trainer>
Outcome outcome_of(std::span<const double> start, const Trainer& trainer, Step step) {
  const double loss = static_cast<double>(step());
  std::vector<double> gradients = trainer.parameters();
  for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = (start[i] - gradients[i]) / checked_rate;
  return {loss, std::move(gradients)};
}

/// What is compared with the others; the closure design if `closure_seconds` is not null, and then how long its step
/// took is put there; otherwise Eigen in double.
Outcome reference(const Net& net, const Data& data, std::span<const double> start, double* closure_seconds) {
  if (closure_seconds == nullptr) {
    EigenTrainer<double> eigen(ByHand::tuned, net.name, start, data.x, data.y, data.samples);
    return outcome_of(start, eigen, [&] { return eigen.step(checked_rate); });
  }
  ClosureTrainer closures(net, start);
  const auto step = [&] {
    double loss = 0.0;
    auto timed = [&] { loss = closures.step(data, checked_rate); };
    *closure_seconds = time_calls(timed, 1);
    return loss;
  };
  return outcome_of(start, closures, step);
}

/// Throws std::runtime_error if two designs compute different things.
void check(const Net& net, std::size_t samples, double* closure_seconds) {
  const Data data = make_random_data(net, samples, 2);
  // Rounded to float, so that all start at the same numbers.
  std::vector<double> start = initial_parameters(net, 1);
  for (double& number : start) number = static_cast<double>(static_cast<float>(number));

  const Outcome expected = reference(net, data, start, closure_seconds);
  const auto compare = [&](const char* design, const Outcome& outcome, double epsilon) {
    const std::string what = net.name + ", " + (closure_seconds != nullptr ? "closures" : "Eigen double") +
                             " against " + design + ", " + std::to_string(samples) + " samples";
    require_equal(what, expected.loss, expected.gradients, outcome.loss, outcome.gradients,
                  tolerance(net, samples, epsilon));
  };
  const auto check_eigen = [&]<class T>(const char* design, T epsilon, ByHand how) {
    EigenTrainer<T> trainer(how, net.name, start, data.x, data.y, samples);
    compare(design, outcome_of(start, trainer, [&] { return trainer.step(static_cast<T>(checked_rate)); }), epsilon);
  };
  const auto check_tapeloom = [&]<class T>(const char* design, T epsilon, bool exact) {
    TapeloomTrainer<T> trainer(net, start, data, exact);
    compare(design, outcome_of(start, trainer, [&] { return trainer.step(checked_rate); }), epsilon);
  };
  check_eigen("Eigen double", std::numeric_limits<double>::epsilon(), ByHand::tuned);
  check_eigen("Eigen float", std::numeric_limits<float>::epsilon(), ByHand::tuned);
  check_eigen("plain Eigen double", std::numeric_limits<double>::epsilon(), ByHand::plain);
  check_eigen("plain Eigen float", std::numeric_limits<float>::epsilon(), ByHand::plain);
  check_tapeloom("Tapeloom double", std::numeric_limits<double>::epsilon(), false);
  check_tapeloom("Tapeloom float", std::numeric_limits<float>::epsilon(), false);
  if (closure_seconds != nullptr) check_tapeloom("Tapeloom exact", std::numeric_limits<double>::epsilon(), true);
}

// --- timing ----------------------------------------------------------------------------------------------------------

/// A row of the table. Times are seconds a step.
struct Row {
  std::string name;
  double eigen_float, eigen_double, tapeloom_float, tapeloom_double;
  double against_eigen_float, against_eigen_double;
  double plain_float, plain_double, against_plain_float, against_plain_double;
  double peak_fraction;
  double peak_float, peak_double;  ///< flop/s
  /// Closures with the heap that is better for them, over Tapeloom in float, and with the other one.
  std::optional<double> closures, against, closures_otherwise;
};

/// Seconds a step, and over those of Tapeloom in float.
struct ClosureTime {
  double seconds, ratio;
};

/// Compares and times the closure design, by turns with Tapeloom in float, after so many steps that the heap is what it
/// stays, or twenty seconds of them. A step that takes more than a second is timed once.
ClosureTime time_closures(const Case& c) {
  double checked_seconds = 0.0;
  check(c.net, c.samples, &checked_seconds);
  const Data data = make_random_data(c.net, c.samples, 2);
  const std::vector<double> start = initial_parameters(c.net, 1);
  TapeloomTrainer<float> trainer(c.net, start, data, false);
  const auto step = [&trainer] { trainer.step(timed_rate); };
  ClosureTrainer trained(c.net, start);
  auto closures = [&] { trained.step(data, timed_rate); };
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 12 && seconds_since(begin) < 20.0; ++i) closures();
  if (checked_seconds > 1.0) {
    Contestant tapeloom("Tapeloom", step);
    measure_by_turns({&tapeloom}, 1, slice_seconds);
    const double seconds = time_calls(closures, 1);
    return {seconds, seconds / tapeloom.median_seconds()};
  }
  const RatioOptions options = {checked_seconds > 0.05 ? std::size_t{3} : std::size_t{15}, slice_seconds};
  const Ratio ratio = measure_ratio(closures, step, options);
  return {ratio.median_seconds_a, ratio.median};
}

/// In a process of its own, which this program is asked for by --closures: what was allocated and freed before would
/// decide how the C library's heap serves the nodes of a graph.
ClosureTime time_closures_apart(const Case& c, bool default_malloc) {
  const std::string command = "/proc/" + std::to_string(getpid()) + "/exe --closures --net '" + c.net.name + "'" +
                              (default_malloc ? " --default-malloc" : "");
  std::FILE* output = popen(command.c_str(), "r");
  ClosureTime time{};
  const bool read = output != nullptr && std::fscanf(output, "%lf %lf", &time.seconds, &time.ratio) == 2;
  if (output == nullptr || pclose(output) != 0 || !read) throw std::runtime_error("cannot time closures: " + command);
  return time;
}

Row time_case(const Case& c) {
  const Data data = make_random_data(c.net, c.samples, 2);
  const std::vector<double> start = initial_parameters(c.net, 1);
  EigenTrainer<float> plain_float(ByHand::plain, c.net.name, start, data.x, data.y, c.samples);
  EigenTrainer<double> plain_double(ByHand::plain, c.net.name, start, data.x, data.y, c.samples);
  EigenTrainer<float> eigen_float(ByHand::tuned, c.net.name, start, data.x, data.y, c.samples);
  EigenTrainer<double> eigen_double(ByHand::tuned, c.net.name, start, data.x, data.y, c.samples);
  TapeloomTrainer<float> tapeloom_float(c.net, start, data, false);
  TapeloomTrainer<double> tapeloom_double(c.net, start, data, false);

  const double peak_flops_float = run_peak<float>(), peak_flops_double = run_peak<double>();
  Contestant ef("Eigen float", [&] { eigen_float.step(static_cast<float>(timed_rate)); });
  Contestant ed("Eigen double", [&] { eigen_double.step(timed_rate); });
  Contestant nf("plain Eigen float", [&] { plain_float.step(static_cast<float>(timed_rate)); });
  Contestant nd("plain Eigen double", [&] { plain_double.step(timed_rate); });
  Contestant tf("Tapeloom float", [&] { tapeloom_float.step(timed_rate); });
  Contestant td("Tapeloom double", [&] { tapeloom_double.step(timed_rate); });
  Contestant pf("peak float", [] { run_peak<float>(); });
  Contestant pd("peak double", [] { run_peak<double>(); });
  measure_by_turns({&ef, &ed, &nf, &nd, &tf, &td, &pf, &pd}, rounds, slice_seconds);

  return {c.name(),
          ef.median_seconds(),
          ed.median_seconds(),
          tf.median_seconds(),
          td.median_seconds(),
          median_ratio(ef, tf),
          median_ratio(ed, td),
          nf.median_seconds(),
          nd.median_seconds(),
          median_ratio(nf, tf),
          median_ratio(nd, td),
          c.flops() / peak_flops_float * median_ratio(pf, tf),
          peak_flops_float / pf.median_seconds(),
          peak_flops_double / pd.median_seconds(),
          {},
          {},
          {}};
}

// --- printing --------------------------------------------------------------------------------------------------------

void print_table(const std::vector<Row>& rows) {
  std::printf(
      "| net / samples | Tapeloom, us | Eigen, us | ratio | double: Tapeloom, us | Eigen, us | ratio "
      "| of peak | closures, us | ratio | other heap, us |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    std::printf("| %s | %.3g | %.3g | %.2f | %.3g | %.3g | %.2f | %.1f%% |", row.name.c_str(), 1e6 * row.tapeloom_float,
                1e6 * row.eigen_float, row.against_eigen_float, 1e6 * row.tapeloom_double, 1e6 * row.eigen_double,
                row.against_eigen_double, 100.0 * row.peak_fraction);
    if (row.closures) {
      std::printf(" %.0f | %.0f | %.0f |\n", 1e6 * *row.closures, *row.against, 1e6 * *row.closures_otherwise);
    } else {
      std::printf(" | | |\n");
    }
  }
}

void print_plain_table(const std::vector<Row>& rows) {
  std::printf(
      "\nAgainst Eigen as it is usually written: the default layout, a pass for each statement, gradients stored "
      "before they\nare subtracted.\n\n"
      "| net / samples | plain Eigen, us | ratio | double: plain Eigen, us | ratio |\n|---|---|---|---|---|\n");
  for (const Row& row : rows) {
    std::printf("| %s | %.3g | %.2f | %.3g | %.2f |\n", row.name.c_str(), 1e6 * row.plain_float,
                row.against_plain_float, 1e6 * row.plain_double, row.against_plain_double);
  }
}

void print_description(const std::vector<Row>& rows) {
  std::vector<double> peaks_float, peaks_double;
  for (const Row& row : rows) {
    peaks_float.push_back(row.peak_float);
    peaks_double.push_back(row.peak_double);
  }
  std::printf(
      "One training step: forward, loss, backward, plain gradient descent; one thread; medians over %zu rounds "
      "by turns.\nFloat, but for the columns of double and the closures, which are in double and in processes of their "
      "own.\nEigen by hand, tuned for each net. Closures run with a tidy heap and with the "
      "C\nlibrary's usual one; the better is quoted, and the last column has the other.\n\n",
      rounds);
  print_machine();
  std::printf("- Tapeloom's kernels: %s\n", runtime::kernels<float>().name);
  std::printf("- Eigen %s, -O3 -march=native\n", tapeloom_bench_eigen_version());
  std::printf("- peak of one core: %.0f GFLOP/s float, %.0f double (FMAs on registers, %zu-byte vectors)\n\n",
              1e-9 * median(peaks_float), 1e-9 * median(peaks_double), tapeloom_bench_peak_vector_bytes());
}

int run(int argc, char** argv) {
  bool only_check = false, only_closures = false, closures = true, default_malloc = false;
  std::vector<Case> cases = all_cases(), chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--check") {
      only_check = true;
    } else if (argument == "--closures") {
      only_closures = true;
    } else if (argument == "--no-closures") {
      closures = false;
    } else if (argument == "--default-malloc") {
      default_malloc = true;
    } else if (argument == "--net" && i + 1 < argc) {
      const auto has_name = [name = argv[++i]](const Case& c) { return c.net.name.find(name) != std::string::npos; };
      const std::size_t before = chosen.size();
      std::copy_if(cases.begin(), cases.end(), std::back_inserter(chosen), has_name);
      if (chosen.size() == before)
        throw std::invalid_argument("no net has \"" + std::string(argv[i]) + "\" in its name");
    } else {
      throw std::invalid_argument(
          "usage: speed_bench [--net PART_OF_NAME]... [--no-closures | --closures] [--default-malloc] [--check]");
    }
  }
  if (chosen.empty()) chosen = std::move(cases);
  if (!default_malloc) tidy_heap();
  if (only_closures) {
    for (const Case& c : chosen) {
      const ClosureTime time = time_closures(c);
      std::printf("%.17g %.17g\n", time.seconds, time.ratio);
    }
    return 0;
  }

  for (const Case& c : chosen) {
    double seconds = 0.0;
    check(c.net, c.closure_check_samples, &seconds);
    check(c.net, c.samples, nullptr);
  }
  if (only_check) {
    std::printf("what a step does is the same in all designs, for %zu nets\n", chosen.size());
    return 0;
  }

  std::vector<Row> rows;
  for (const Case& c : chosen) {
    std::fprintf(stderr, "%s\n", c.name().c_str());
    rows.push_back(time_case(c));
  }
  for (std::size_t i = 0; closures && i < chosen.size(); ++i) {
    std::fprintf(stderr, "%s, closures\n", chosen[i].name().c_str());
    const ClosureTime tidy = time_closures_apart(chosen[i], false), usual = time_closures_apart(chosen[i], true);
    const ClosureTime& best = tidy.seconds < usual.seconds ? tidy : usual;
    rows[i].closures = best.seconds, rows[i].against = best.ratio;
    rows[i].closures_otherwise = std::max(tidy.seconds, usual.seconds);
  }
  print_description(rows);
  print_table(rows);
  print_plain_table(rows);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("speed_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
