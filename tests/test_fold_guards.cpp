// Guards inside of recorded samples. What must be refused, and which guard is named, says evaluate().
#include <array>
#include <optional>

#include "bench/branches.h"
#include "refusals.h"
#include "tapeloom/runtime/execute/row_runner.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// A program of some number of samples: how many instructions it has, and that it does and refuses what is right.
template <class Record>
std::size_t instructions_of(const std::vector<double>& parameters, std::optional<std::uint32_t> samples,
                            const Record& record) {
  Tape tape;
  const std::vector<Value> values = parameters_of(tape, parameters);
  const Value loss = record(std::span<const Value>(values));
  const std::vector<std::vector<double>> steps = moved(parameters);
  const std::size_t refused = compare_steps(loss, {}, steps, samples);
  CHECK(refused > 0);
  CHECK(refused < steps.size());
  CHECK(compare_steps(loss, {.exact = true}, steps, {}) == refused);
  CHECK(compare_steps(loss, {.fold_samples = false}, steps, {}) == refused);
  return compile(loss).instructions.size();
}

}  // namespace

TEST_CASE("fold guards: samples that each choose the nearest of some centres are rows of one") {
  const auto instructions = [](std::size_t samples) {
    const bench::BranchingWork work = bench::kmeans_work(samples, 6, 5);
    return instructions_of(work.parameters, static_cast<std::uint32_t>(samples),
                           [&](std::span<const Value> centres) { return bench::kmeans<Value>(work, centres); });
  };
  const std::size_t few = instructions(40);
  CHECK(instructions(90) == few);
  CHECK(few < 60);
}

TEST_CASE("fold guards: each of many samples, in tiles and by threads, is held to its own decision") {
  constexpr std::size_t samples = 5000;
  Tape tape;
  const Value w = tape.parameter(1.0), v = tape.parameter(0.0);
  std::vector<double> data = some_numbers(samples);
  for (double& x : data) x += x < 0.0 ? -0.5 : 0.5;
  Value loss = 0.0;
  for (std::size_t s = 0; s < samples; ++s) {
    const Value y = w * data[s] + v * static_cast<double>(s);
    static_cast<void>(bool(y > 0.0));
    loss = loss + square(y);
  }
  for (const std::size_t threads : {1, 2}) {
    Executor<double> executor(compile(loss), {.max_samples = 1, .threads = threads});
    REQUIRE(executor.program().recorded_samples == samples);
    CHECK(executor.tile_samples() < samples);
    for (const double by : {0.0, 1e-5, -1e-5, 1e-4 + 1e-7, -2e-4, 1e-3, 0.1}) {
      const std::vector<double> parameters = {1.0, by};
      executor.set_parameters(parameters);
      expect_same_refusal(refusal_of([&] { executor.step(); }),
                          refusal_of([&] { evaluate(loss, {.rows = {}, .parameters = parameters}); }));
    }
  }
}

TEST_CASE("fold guards: a mixture of Gaussians whose log-sum-exp takes std::max") {
  const auto instructions = [](std::size_t samples) {
    const bench::BranchingWork work = bench::mixture_work(samples, 4, 3);
    return instructions_of(work.parameters, static_cast<std::uint32_t>(samples),
                           [&](std::span<const Value> p) { return bench::mixture<Value>(work, p); });
  };
  const std::size_t few = instructions(40);
  CHECK(instructions(90) == few);
}

TEST_CASE("fold guards: branches on what samples share are guards once") {
  const bench::BundleWork work = bench::bundle_work(2, 3, 30);
  Tape tape;
  const std::vector<Value> values = parameters_of(tape, work.parameters);
  const Value loss = bench::bundle<Value>(work, values);
  REQUIRE(tape.guards().size() == 30);
  CHECK(compile(loss).guards.size() == 2);  // of each camera
  std::vector<std::vector<double>> steps = {work.parameters, work.parameters};
  for (std::size_t k = 0; k < 3; ++k) steps[1][bench::BundleWork::camera_size + k] = 0.0;
  CHECK(compare_steps(loss, {}, steps, {}) == 1);
}

TEST_CASE("fold guards: branches with what they choose, that expect something else of each sample") {
  // The smaller or the larger of two, whichever the data say: in each sample another one.
  Tape tape;
  const std::vector<double> start = {0.3, -0.6, 0.2};
  const std::vector<Value> p = parameters_of(tape, start);
  const std::vector<double> data = some_numbers(60);
  Value loss = 0.0;
  std::vector<Value> outputs;
  for (std::size_t s = 0; s < 20; ++s) {
    const Value a = tanh(p[0] * data[3 * s] + p[2]), b = tanh(p[1] * data[3 * s + 1] + p[2]);
    const Value c = a < b ? a : b, d = b > p[2] * data[3 * s + 2] ? a : c;
    loss = loss + square(c - data[3 * s + 2]) + exp(d);
    if (s % 7 == 0) outputs.push_back(d);
  }
  const std::vector<std::vector<double>> steps = moved(start);
  const std::size_t refused = compare_steps(loss, {.outputs = outputs}, steps, 20);
  CHECK(refused > 0);
  CHECK(refused < steps.size());
  CHECK(compare_steps(loss, {.outputs = outputs, .exact = true}, steps, 0) == refused);
}

TEST_CASE("fold guards: whichever sample fails, the first guard as recorded is named") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), v = tape.parameter(1.0, "v");
  const double data[] = {3.0, -1.0, 2.0, -4.0, 0.5};
  Value loss = 0.0;
  for (const double x : data) {
    const Value a = w * x, b = v * x + 1.0;
    const bool first = a > 0.0, second = b > 0.25;
    loss = loss + square(a - b);
    CHECK(first == (x > 0.0));
    CHECK(second == (x + 1.0 > 0.25));
  }
  REQUIRE(tape.guards().size() == 10);
  std::optional<runtime::ByRowsAlways> by_rows;
  if (GENERATE(false, true)) by_rows.emplace();
  Executor<double> executor(compile(loss));
  REQUIRE(executor.program().recorded_samples == 5);
  REQUIRE(executor.program().guards.size() == 10);
  const auto guard_of = [&](double by_w, double by_v) -> std::size_t {
    executor.set_parameters(std::vector<double>{by_w, by_v});
    const auto error = refusal_of([&] { executor.step(); });
    expect_same_refusal(error, refusal_of([&] {
                          evaluate(loss, {.rows = {}, .parameters = std::vector<double>{by_w, by_v}});
                        }));
    return error ? error->guard() : 99;
  };
  CHECK(guard_of(1.0, 1.0) == 99);
  CHECK(guard_of(-1.0, 1.0) == 0);
  CHECK(guard_of(1.0, -0.5) == 1);  // b of the first sample is negative
  CHECK(guard_of(1.0, 0.5) == 3);   // that of the second is not any more
  CHECK(guard_of(1.0, 0.1) == 3);
  CHECK(guard_of(1.0, 1.6) == 99);
  CHECK(guard_of(-1.0, 0.5) == 0);
}

TEST_CASE("fold guards: what no sample has alone, or not every sample, is left as it is") {
  const std::vector<double> data = some_numbers(24), start = {0.4, 0.7};
  const auto compare = [&](std::optional<std::uint32_t> samples, const auto& record) {
    Tape tape;
    const std::vector<Value> p = parameters_of(tape, start);
    const Value loss = record(p);
    compare_steps(loss, {}, moved(start), samples);
  };
  // Each sample is compared with the one before.
  compare(0, [&](const std::vector<Value>& p) {
    Value loss = 0.0, before = 0.0;
    for (const double x : data) {
      const Value a = tanh(p[0] * x + p[1]);
      loss = loss + (a > before ? square(a) : square(a));
      before = a;
    }
    return loss;
  });
  // A branch that only some samples come to.
  compare({}, [&](const std::vector<Value>& p) {
    Value loss = 0.0;
    for (std::size_t s = 0; s < data.size(); ++s) {
      const Value a = tanh(p[0] * data[s] + p[1]);
      if (s % 3 == 0 && a > 0.9) loss = loss + 1.0;
      loss = loss + square(a);
    }
    return loss;
  });
  // Samples that all compute the condition, of which some decide by it.
  compare(0, [&](const std::vector<Value>& p) {
    Value loss = 0.0;
    for (std::size_t s = 0; s < data.size(); ++s) {
      const Value a = tanh(p[0] * data[s] + p[1]);
      const Condition large = a > 0.5;
      if (s % 3 == 0) static_cast<void>(bool(large));
      loss = loss + where(large, square(a), a);
    }
    return loss;
  });
  // A branch on the total.
  compare(24, [&](const std::vector<Value>& p) {
    Value loss = 0.0;
    for (const double x : data) loss = loss + square(tanh(p[0] * x + p[1]));
    return loss > 0.25 ? loss * 2.0 : loss;
  });
}

TEST_CASE("fold guards: a choice that was taken after another comparison is not taken for that one's") {
  // The condition of the first guard is computed before the pick that the second condition reads, but decided last.
  Tape tape;
  const std::vector<double> start = {0.4, 0.7};
  const std::vector<Value> p = parameters_of(tape, start);
  const std::vector<double> data = some_numbers(40);
  Value loss = 0.0;
  for (std::size_t s = 0; s < 20; ++s) {
    const Value a = tanh(p[0] * data[2 * s]), b = tanh(p[1] * data[2 * s + 1]);
    const Condition smaller = a < b;
    const Value c = smaller.data() != 0.0 ? a : b;  // not a guard yet
    const bool large = c > 0.1, decided = smaller;
    loss = loss + square(c) + (large == decided ? a : a);
  }
  const std::vector<std::vector<double>> steps = moved(start);
  CHECK(compare_steps(loss, {}, steps, {}) > 0);
}

TEST_CASE("fold guards: what was chosen before a total was known is not told by a branch after it") {
  // Which is the smaller is asked of the numbers first, and by branches once all are added up. What is added up may be
  // that, or what a branch before chose of that and another.
  const std::vector<double> data = some_numbers(80), start = {0.4, 0.7, 0.6};
  for (const bool of_three : {false, true}) {
    for (const bool by_branch : {false, true}) {
      Tape tape;
      const std::vector<Value> p = parameters_of(tape, start);
      std::vector<std::array<Value, 2>> all;
      Value loss = 0.0;
      for (std::size_t s = 0; s < 20; ++s) {
        const Value u = sin(p[0] * data[4 * s]);
        const Value a = tanh(p[0] * u + data[4 * s + 1]), b = tanh(p[1] * u + data[4 * s + 2]);
        const Value c = tanh(p[2] * u + data[4 * s + 3]), chosen = a.data() < b.data() ? a : b;
        all.push_back({a, b});
        loss = loss + (of_three && c < 0.1 ? c : chosen);
      }
      Value others = loss > -3.0 ? loss : -loss;
      for (const auto& [a, b] : all) {
        const bool smaller = a < b;
        if (by_branch) others = others + square(smaller ? a : b);
      }
      loss = loss * loss + others;
      const std::vector<std::vector<double>> steps = moved(start);
      const std::size_t refused = compare_steps(loss, {}, steps, 20);
      CHECK(refused > 0);
      CHECK(refused < steps.size());
    }
  }
}
