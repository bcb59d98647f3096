// Profiles: how often each instruction ran, that the times add up to the steps', that taking them changes no result,
// and what the table says of made-up times.
#include <random>

#include "catch.h"
#include "compare.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"

using namespace tapeloom;

namespace {

/// 8-32-32-1 with a loss of two stages: the logarithm needs the whole batch first.
struct Net {
  Tape tape;
  std::mt19937_64 random{3};
  MLP model{tape, 8, {{32, tapeloom::tanh}, {32, tapeloom::tanh}, {1}}, glorot(random)};
  Value loss = log(batch_mean(square(model(tape.inputs("x", 8))[0]) + 1.0));
};

std::vector<double> some_rows(std::size_t samples) {
  std::mt19937_64 random(4);
  std::vector<double> rows(8 * samples);
  for (double& x : rows) x = 2.0 * random_unit(random) - 1.0;
  return rows;
}

}  // namespace

TEST_CASE("profile: each instruction runs once a step or once a tile") {
  Net net;
  CompileOptions options;
  options.exact = true;  // then a batch is one group of tiles
  constexpr std::size_t samples = 5000, steps = 3;
  const std::vector<double> rows = some_rows(samples);
  Executor<double> executor(compile(net.loss, options), {.max_samples = samples, .threads = 1, .profile = true});
  executor.bind(rows);
  CHECK(executor.profile().steps == 0);
  for (std::size_t i = 0; i < steps; ++i) executor.step();
  CHECK_THROWS_AS(executor.step(samples, 1), BindError);  // not a step

  const std::size_t tiles = (samples + executor.tile_samples() - 1) / executor.tile_samples();
  REQUIRE(tiles > 1);
  const Profile profile = executor.profile();
  const Program& program = executor.program();
  REQUIRE(profile.instructions.size() == program.instructions.size());
  std::size_t sweeps = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) {
      CHECK(profile.instructions[i].runs == steps);
    }
    for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) {
      CHECK(profile.instructions[i].runs == steps * tiles);
    }
    sweeps += stage.tile.size() > 0 ? 1 : 0;
  }
  CHECK(sweeps > 1);
  CHECK(profile.loads.runs == steps * tiles * sweeps);
  CHECK(profile.steps == steps);
  CHECK(profile.samples == steps * samples);
  CHECK(profile.number_size == sizeof(double));
}

TEST_CASE("profile: totals that the next instruction computes, too, have no runs of their own") {
  Tape tape;
  std::mt19937_64 random(1);
  const MLP model(tape, 3, {{4, tapeloom::tanh}, {1}}, glorot(random));
  Executor<float> executor(compile(batch_mean(square(model(tape.inputs("x", 3))[0]))),
                           {.max_samples = 4, .threads = 1, .profile = true});
  const std::vector<double> rows = some_rows(4);
  executor.bind(rows, 8);  // more numbers than it reads
  executor.step();
  const Profile profile = executor.profile();
  const auto& instructions = executor.program().instructions;
  std::size_t without = 0;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    if (profile.instructions[i].runs == 1) continue;
    CHECK(profile.instructions[i].runs == 0);
    CHECK(instructions[i].kind == InstructionKind::reduce);
    REQUIRE(i + 1 < instructions.size());
    CHECK(instructions[i + 1].kind == InstructionKind::reduce_outer);
    ++without;
  }
  CHECK(without == 1);
  CHECK(explain(executor.program(), profile).find("total, in the next") != std::string::npos);
}

TEST_CASE("profile: the times of one thread add up to the steps'") {
  Net net;
  constexpr std::size_t samples = 256;
  const std::vector<double> rows = some_rows(samples);
  Executor<float> executor(compile(net.loss), {.max_samples = samples, .threads = 1, .profile = true});
  executor.bind(rows);
  for (int i = 0; i < 200; ++i) executor.step();
  const Profile profile = executor.profile();
  double sum = profile.loads.seconds;
  for (const InstructionTime& time : profile.instructions) {
    CHECK(time.seconds > 0.0);
    sum += time.seconds;
  }
  INFO(explain(executor.program(), profile));
  CHECK(sum <= profile.step_seconds);
  CHECK(sum >= 0.6 * profile.step_seconds);
}

TEMPLATE_TEST_CASE("profile: taking times changes nothing", "", float, double) {
  Net net;
  constexpr std::size_t samples = 3000;
  const std::vector<double> rows = some_rows(samples);
  const Program program = compile(net.loss);
  std::vector<TestType> losses, gradients;
  std::vector<std::uint64_t> runs;
  for (const bool profiled : {false, true}) {
    for (const std::size_t threads : {1, 2}) {
      Executor<TestType> executor(program, {.max_samples = samples, .threads = threads, .profile = profiled});
      executor.bind(rows);
      losses.push_back(executor.step());
      if (gradients.empty()) gradients.assign(executor.gradients().begin(), executor.gradients().end());
      const std::vector<TestType> same(executor.gradients().begin(), executor.gradients().end());
      CHECK(same == gradients);
      CHECK(losses.back() == losses.front());
      if (profiled) {
        const Profile profile = executor.profile();
        for (const InstructionTime& time : profile.instructions) runs.push_back(time.runs);
      } else {
        CHECK_THROWS_SAYING(BindError, "ExecutorOptions::profile", executor.profile());
      }
    }
  }
  const auto half = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
  REQUIRE(!runs.empty());
  CHECK(std::vector(runs.begin(), half) == std::vector(half, runs.end()));  // of one thread and of two
}

TEST_CASE("profile: the table") {
  Tape tape;
  const Value a = tape.parameter(2.0, "a"), x = tape.input(0.0, "x");
  const Program program = compile(batch_sum(a * x), {.gradients = false});
  REQUIRE(program.instructions.size() == 2);  // a product of one row and one term, or an elementwise one; a total
  Profile profile;
  profile.instructions = {{6e-6, 4}, {2e-6, 4}};
  profile.loads = {8e-6, 4};
  profile.step_seconds = 20e-6;
  profile.steps = 2;
  profile.samples = 2000;
  profile.number_size = 4;
  const std::string table = explain(program, profile, 1e9);
  INFO(table);
  // 2000 additions in 2 us are 1 GFLOP/s; each reads 4 bytes.
  CHECK(contains(table, "      1.00    12.5%         2.0        1 x 1              1.00   100.0%     4.00  total\n"));
  CHECK(contains(table, "      4.00    50.0%         2.0" + std::string(51, ' ') + "reading rows\n"));
  CHECK(contains(table,
                 "\n      8.00 us of all threads in instructions and reading rows; a step of 1000.0 samples takes "
                 "10.00 us: "));
  CHECK(!contains(explain(program, profile), "of peak"));
}
