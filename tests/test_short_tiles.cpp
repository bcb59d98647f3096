// Tiles of fewer samples than the largest have slots nearer to one another: the same results in any order of sizes.
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "executor_results.h"
#include "instruction_sets.h"
#include "ring_and_net.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/execute/calls.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"

using namespace tapeloom;
using namespace tapeloom::test;
using namespace tapeloom::runtime;

namespace {

constexpr std::size_t largest = 300;

template <class T>
struct Results {
  T loss;
  std::vector<T> gradients, outputs;
  friend bool operator==(const Results&, const Results&) = default;
};

template <class T>
Results<T> step(Executor<T>& executor, std::size_t first, std::size_t samples) {
  executor.step(first, samples);
  return {executor.loss(), copied(executor.gradients()), copied(executor.outputs())};
}

template <class T>
Results<T> expected(const Recorded& recorded, std::span<const double> rows, std::size_t samples) {
  const Evaluation all =
      evaluate(recorded.loss, {.rows = rows.first(2 * samples), .samples = samples}, recorded.outputs);
  Results<T> results;
  results.loss = static_cast<T>(all.root[0]);
  results.outputs.assign(all.outputs.begin(), all.outputs.end());
  return results;
}

}  // namespace

TEMPLATE_TEST_CASE("short tiles: steps of all sizes by turns", "", float, double) {
  void (*const recorders[])(Recorded&) = {record_ring, record_net};
  for (const auto record : recorders) {
    Recorded recorded;
    record(recorded);
    const Program program = compile(recorded.loss, {.outputs = recorded.outputs, .verify = true});
    const std::vector<double> rows = some_numbers(2 * largest, 7);
    for (const std::size_t threads : {1, 2}) {
      Executor<TestType> executor(program, {.max_samples = largest, .threads = threads});
      executor.bind(rows, 2);
      std::vector<Results<TestType>> before;
      // More sizes than plans are kept of; 128 doubles and 256 floats are 1 KiB.
      const std::size_t sizes[] = {9, 300, 17, 40, 128, 33, 2, 256, 12, 1, 64};
      for (const std::size_t samples : sizes) {
        INFO(samples << " samples");
        before.push_back(step(executor, 0, samples));
        const Results<TestType> right = expected<TestType>(recorded, rows, samples);
        CHECK(before.back().loss == Approx(right.loss).epsilon(1e-5));
        REQUIRE(before.back().outputs.size() == right.outputs.size());
        for (std::size_t i = 0; i < right.outputs.size(); ++i) {
          REQUIRE(before.back().outputs[i] == Approx(right.outputs[i]).epsilon(1e-4).margin(1e-5));
        }
        // As if nothing else had run; an executor for few samples may have other kernels.
        Executor<TestType> made_for_it(program, {.max_samples = std::max<std::size_t>(samples, 20), .threads = 1});
        made_for_it.bind(rows, 2);
        if (samples > 16) CHECK(step(made_for_it, 0, samples) == before.back());
      }
      for (std::size_t i = std::size(sizes); i-- > 0;) CHECK(step(executor, 0, sizes[i]) == before[i]);
    }
  }
}

TEST_CASE("short tiles: their rows are links, as in whole ones") {
  Recorded ring;
  record_ring(ring);
  const Program program = compile(ring.loss);
  std::vector<double> slots(program.tile_slots * (largest + 4)), uniform(program.uniform_slots);
  using Kind = Call<double>::Kind;
  each_instruction_set<double>([&](const KernelTable<double>& table) {
    const TileView<double> view{.tile = slots.data(), .uniform = uniform.data(), .stride = largest + 4, .lanes = 0};
    CallPlanner<double> planner(program, table, view, {}, uniform.data(), nullptr, false, false);
    CallList<double> calls = planner.make_room();
    const std::vector<SampleRows<double>> loads(program.loads.size());
    const auto rows_of = [&](std::size_t samples) {
      planner.plan(samples, loads, calls);
      std::size_t rows = 0;
      for (const Call<double>& call : calls.calls) rows += call.kind == Kind::rows ? call.end - call.at : 0;
      return rows;
    };
    const std::size_t least = rows_of(largest);
    CHECK(least < program.instructions.size() / 2);
    for (const std::size_t samples : {9, 24, 128}) CHECK(rows_of(samples) == least);
  });
}

TEST_CASE("short tiles: guards and profiles") {
  Recorded ring;
  record_ring(ring);
  const Program program = compile(ring.loss);
  REQUIRE(program.guards.size() == 1);
  Executor<double> executor(program, {.max_samples = largest, .threads = 1, .profile = true});
  std::vector<double> rows = some_numbers(2 * largest, 7);
  executor.bind(rows, 2);
  for (int i = 0; i < 3; ++i) executor.step(0, 20);
  for (int i = 0; i < 2; ++i) executor.step(0, 30);
  rows[2 * 13] = 101.0;
  CHECK_THROWS_SAYING(GuardError, "sample 13", executor.step(0, 30));
  rows[2 * 13] = 1.0;
  executor.step(0, 30);
  for (const InstructionTime& time : executor.profile().instructions) CHECK(time.runs >= 7);
}
