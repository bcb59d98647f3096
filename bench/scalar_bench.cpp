// What an operation costs that rolls into nothing: a thousand of them, and ten thousand, over 1,024 samples, forward
// and backward, against the reference evaluator. Results are compared first; --check does nothing else.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bench/machine.h"
#include "bench/main.h"
#include "bench/nets.h"
#include "bench/scalar_work.h"
#include "bench/turns.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::bench {
namespace {

constexpr std::size_t samples = 1024;
constexpr std::size_t rounds = 15;
constexpr double slice_seconds = 0.02;

template <class T>
class Runner {
 public:
  Runner(Value loss, const std::vector<double>& rows)
      : executor_(compile(loss), one_thread(samples)), rows_(rows.begin(), rows.end()) {
    executor_.bind("x", rows_);
  }
  void step() { executor_.step(); }

  /// `tolerance`: as many roundings as there are operations, each magnified as the gradients are; see require_equal.
  void check(const Evaluation& expected, double tolerance) {
    step();
    const std::vector<double> gradients(executor_.gradients().begin(), executor_.gradients().end());
    require_equal("the evaluator against Tapeloom", expected.root[0], expected.gradients,
                  static_cast<double>(executor_.loss()), gradients, tolerance);
  }
  std::size_t instructions() const { return executor_.program().instructions.size(); }

 private:
  Executor<T> executor_;
  std::vector<T> rows_;
};

/// A row of the table for each contestant, or, if only checked, a line on the expression.
void compare(std::size_t operations, bool only_check) {
  const ScalarExpression expression = ScalarExpressionMaker().make(operations);
  const std::vector<double> rows = random_rows(expression, samples);
  Tape tape;
  const Value loss = record_expression(tape, expression);
  const Batch batch = {.rows = rows, .samples = samples};
  const Evaluation expected = evaluate(loss, batch);
  Runner<float> in_float(loss, rows);
  Runner<double> in_double(loss, rows);
  const double roundings = static_cast<double>(operations);
  in_double.check(expected, roundings * std::numeric_limits<double>::epsilon());
  in_float.check(expected, roundings * static_cast<double>(std::numeric_limits<float>::epsilon()));
  if (only_check) {
    std::printf("%zu ops in %zu instructions forward and backward; loss %.3f, gradients to %.3g\n", operations,
                in_float.instructions(), expected.root[0], *std::ranges::max_element(expected.gradients));
    return;
  }
  Contestant f("Tapeloom, float", [&] { in_float.step(); });
  Contestant d("Tapeloom, double", [&] { in_double.step(); });
  Contestant e("the evaluator, double", [&] { evaluate(loss, batch); });
  measure_by_turns({&f, &d, &e}, rounds, slice_seconds);
  for (const Contestant* c : {&f, &d, &e}) {
    const double work = static_cast<double>(operations * samples);
    std::printf("| %zu: %s | %zu | %.3g | %.3g |\n", operations, c->name().c_str(), in_float.instructions(),
                1e9 * c->median_seconds() / work, median_ratio(e, *c));
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  const bool only_check = argc == 2 && std::strcmp(argv[1], "--check") == 0;
  if (argc > 1 && !only_check) throw std::invalid_argument("usage: scalar_bench [--check]");
  if (!only_check) {
    print_machine();
    std::printf("- Tapeloom's kernels: %s\n\n", runtime::kernels<float>().name);
    std::printf(
        "| irregular ops / %zu samples | instructions | ns an op and sample, forward and backward | times the "
        "evaluator |\n|---|---|---|---|\n",
        samples);
  }
  for (const std::size_t operations : {1000, 10000}) compare(operations, only_check);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("scalar_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
