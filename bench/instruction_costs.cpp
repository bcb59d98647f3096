// What an instruction costs besides its arithmetic: to start one, a row that is read in place, a row that is read by
// index, a word of a list. Slopes between programs that differ in one number alone, so that whatever else a step does
// drops out. Results are compared first; --check does nothing else.
//
// The costs in core/program/cost.h are from here, and from product_bench.
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>

#include "bench/machine.h"
#include "bench/main.h"
#include "bench/turns.h"

#include <tapeloom/tapeloom.h>

namespace tapeloom::bench {
namespace {

constexpr std::size_t rounds = 31;
constexpr double slice_seconds = 0.002;

/// A number computed from the inputs, by so many instructions of so many rows.
using Work = std::function<Value(const std::vector<Value>& x, std::size_t instructions, std::size_t rows)>;

/// Each needs the one before it, so that no two are alike.
Value chain(const std::vector<Value>& x, std::size_t instructions, std::size_t) {
  Value y = x[0];
  for (std::size_t i = 0; i < instructions; ++i) y = i % 2 == 0 ? max(y, x[i % 7]) : min(y, x[i % 5]);
  return y;
}

/// Layers of as many rows, each over the layer before it as `from` says.
Value layers(const std::vector<Value>& x, std::size_t count, std::size_t rows, const std::vector<std::size_t>& from) {
  std::vector<Value> y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(rows)), next(rows);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < rows; ++r) next[r] = i % 2 == 0 ? max(y[from[r]], x[r]) : min(y[from[r]], x[r]);
    y = next;
  }
  return sum(y);
}

Value in_place(const std::vector<Value>& x, std::size_t count, std::size_t rows) {
  std::vector<std::size_t> from(rows);
  for (std::size_t r = 0; r < rows; ++r) from[r] = r;
  return layers(x, count, rows, from);
}

Value by_index(const std::vector<Value>& x, std::size_t count, std::size_t rows) {
  std::vector<std::size_t> from(rows);
  for (std::size_t r = 0; r < rows; ++r) from[r] = r;
  std::shuffle(from.begin(), from.end(), std::mt19937_64(rows));
  return layers(x, count, rows, from);
}

/// Layers of sums of three numbers each, from anywhere in the layer before.
Value by_list(const std::vector<Value>& x, std::size_t count, std::size_t rows) {
  std::vector<Value> y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(rows)), next(rows);
  std::mt19937_64 generator(rows);
  std::vector<std::size_t> from(3 * rows);
  for (std::size_t& each : from) each = generator() % rows;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < rows; ++r) {
      const Value s = y[from[3 * r]] + y[from[3 * r + 1]] + y[from[3 * r + 2]];
      next[r] = i % 2 == 0 ? max(s, x[r]) : min(s, x[r]);
    }
    y = next;
  }
  return sum(y);
}

/// A work of one size, ready to be stepped.
class Runner {
 public:
  Runner(const Work& work, std::size_t instructions, std::size_t rows, std::size_t samples) {
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", std::max<std::size_t>(rows, 7));
    const Value result = work(x, instructions, rows);
    std::mt19937_64 generator(instructions + rows);
    for (std::size_t i = 0; i < samples * x.size(); ++i) {
      rows_.push_back(static_cast<float>(static_cast<double>(generator() % 256) / 256.0 - 0.5));
    }
    const std::vector<double> numbers(rows_.begin(), rows_.end());
    const Evaluation expected = evaluate(result, {.rows = numbers, .samples = samples});
    program_ = compile_inference(result);
    executor_.emplace(program_, ExecutorOptions{.max_samples = samples, .threads = 1});
    executor_->bind("x", rows_);
    executor_->step();
    for (std::size_t s = 0; s < samples; ++s) {
      const double here = executor_->outputs()[s];
      if (std::abs(here - expected.root[s]) > 1e-4 * (1.0 + std::abs(here))) {
        throw std::runtime_error("a program computes " + std::to_string(here) + " for " +
                                 std::to_string(expected.root[s]));
      }
    }
  }
  void step() { executor_->step(); }
  std::size_t instructions() const { return program_.instructions.size(); }

 private:
  std::vector<float> rows_;
  Program program_;
  std::optional<Executor<float>> executor_;
};

struct Row {
  const char* name;
  Work work;
  std::size_t layers;  ///< and twice as many, of `rows` rows each
  std::size_t rows;    ///< and twice as many; 0 of a work that has none
};

/// Of a step with l layers of r rows, 2 l of r, l of 2 r and 2 l of 2 r, in nanoseconds.
struct Times {
  double few_short, many_short, few_long, many_long;
  std::size_t instructions_a_layer;
};

Times measure(const Row& row, std::size_t samples, bool only_check) {
  Runner a(row.work, row.layers, row.rows, samples), b(row.work, 2 * row.layers, row.rows, samples);
  Runner c(row.work, row.layers, 2 * row.rows, samples), d(row.work, 2 * row.layers, 2 * row.rows, samples);
  Times times{0.0, 0.0, 0.0, 0.0, (b.instructions() - a.instructions()) / row.layers};
  if (only_check) return times;
  Contestant of_a("", [&] { a.step(); }), of_b("", [&] { b.step(); });
  Contestant of_c("", [&] { c.step(); }), of_d("", [&] { d.step(); });
  measure_by_turns({&of_a, &of_b, &of_c, &of_d}, rounds, slice_seconds);
  const auto nanoseconds = [](const Contestant& contestant) { return 1e9 * contestant.median_seconds(); };
  times.few_short = nanoseconds(of_a), times.many_short = nanoseconds(of_b);
  times.few_long = nanoseconds(of_c), times.many_long = nanoseconds(of_d);
  return times;
}

int run(int argc, char** argv) {
  const bool only_check = argc == 2 && std::strcmp(argv[1], "--check") == 0;
  if (argc > 1 && !only_check) throw std::invalid_argument("usage: instruction_costs [--check]");
  const Row table[] = {{"one row", chain, 500, 0},
                       {"rows in place", in_place, 50, 24},
                       {"rows by index", by_index, 50, 24},
                       {"rows of lists, then rows in place", by_list, 50, 24}};
  if (!only_check) {
    print_machine();
    std::printf(
        "\n| float, forward | samples | instructions a layer | ns a layer | ns a row of it |\n|---|---|---|---|---|\n");
  }
  for (const std::size_t samples : {std::size_t{1}, std::size_t{16}, std::size_t{64}, std::size_t{256}}) {
    for (const Row& row : table) {
      const Times t = measure(row, samples, only_check);
      if (only_check) continue;
      const auto layers = static_cast<double>(row.layers), rows = static_cast<double>(row.rows);
      const double a_layer = (t.many_short - t.few_short) / layers;
      std::printf("| %s | %zu | %zu | ", row.name, samples, t.instructions_a_layer);
      if (row.rows == 0) {
        std::printf("%.3g | |\n", a_layer);
      } else {
        const double a_row = (t.many_long - t.few_long - (t.many_short - t.few_short)) / (layers * rows);
        std::printf("%.3g | %.3g |\n", a_layer - a_row * rows, a_row);
      }
      std::fflush(stdout);
    }
  }
  if (only_check) std::printf("every program computes what it should\n");
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("instruction_costs", [&] { return tapeloom::bench::run(argc, argv); });
}
