// Products whose windows overlap read them where they lie, in place of copies, and compute what evaluate() does.
#include <algorithm>
#include <string>

#include "against_evaluate.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/lists.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/runtime/execute/row_runner.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

struct Filter {
  std::size_t channels, length, kernel, stride, outputs;
  std::size_t padding = 0;
  bool channels_side_by_side = false;  ///< of a place; else the places of a channel
  bool shuffled = false;               ///< weights in any order
  bool parameters = false;             ///< the list is of parameters, so that nothing varies
};

struct Filtered {
  Tape tape;
  Value loss;
  std::vector<Value> outputs;
  std::size_t columns;

  explicit Filtered(const Filter& f) : columns(f.parameters ? 0 : f.channels * f.length) {
    Random random(f.channels * 100 + f.kernel);
    std::vector<Value> x;
    if (f.parameters) {
      for (const double number : some_numbers(f.channels * f.length, 3)) x.push_back(tape.parameter(number));
    } else {
      x = tape.inputs("x", columns);
    }
    const auto at = [&](std::size_t c, std::size_t place) {
      return x[f.channels_side_by_side ? place * f.channels + c : c * f.length + place];
    };
    const std::size_t terms = f.channels * f.kernel;
    std::vector<Value> w;
    for (const double number : some_numbers(f.outputs * terms, 5)) w.push_back(tape.parameter(number));
    std::vector<std::size_t> order(terms);
    for (std::size_t t = 0; t < terms; ++t) order[t] = t;
    if (f.shuffled) std::ranges::shuffle(order, random);
    Value sum = 0.0;
    for (std::size_t place = 0; place + f.kernel <= f.length + 2 * f.padding; place += f.stride) {
      for (std::size_t o = 0; o < f.outputs; ++o) {
        Value y = 0.0;
        for (std::size_t c = 0; c < f.channels; ++c) {
          for (std::size_t k = 0; k < f.kernel; ++k) {
            const std::size_t row = place + k - f.padding;  // wraps around below 0
            if (row < f.length) y += w[o * terms + order[c * f.kernel + k]] * at(c, row);
          }
        }
        outputs.push_back(y);
        sum += square(tanh(y));
      }
    }
    loss = f.parameters ? sum : batch_mean(sum);
  }
};

std::size_t count_windows(const Program& program) {
  return static_cast<std::size_t>(std::ranges::count_if(
      program.instructions, [&](const Instruction& i) { return program.shapes[i.shape].windows.step > 0; }));
}

std::string name_of(const Filter& f) {
  return std::to_string(f.channels) + " channels of " + std::to_string(f.length) + ", kernel " +
         std::to_string(f.kernel) + ", stride " + std::to_string(f.stride) + ", outputs " + std::to_string(f.outputs) +
         ", padding " + std::to_string(f.padding) + (f.channels_side_by_side ? ", channels side by side" : "") +
         (f.shuffled ? ", shuffled" : "") + (f.parameters ? ", parameters" : "");
}

const Filter filters[] = {
    {1, 40, 5, 1, 3},
    {1, 40, 6, 2, 3},
    {1, 61, 7, 1, 1},
    {2, 40, 5, 1, 3},
    {2, 40, 7, 3, 2},
    {5, 33, 6, 1, 4, 0, true},
    {5, 33, 6, 2, 4, 0, true},
    {3, 40, 5, 1, 3, 2},
    {3, 40, 5, 2, 3, 2, true},
    {3, 40, 5, 1, 3, 0, false, true},
    {3, 40, 5, 1, 3, 2, true, true},
    {2, 60, 9, 1, 2, 0, false, false, true},
    {2, 60, 9, 1, 2, 0, true, true, true},
};

}  // namespace

TEST_CASE("windows: filters of all kinds") {
  for (const Filter& f : filters) {
    INFO(name_of(f));
    const Filtered net(f);
    CHECK(count_windows(compile(net.loss)) >= 2);  // values, and gradients of weights
    for (const std::size_t samples : {1, 2, 7, 8, 9, 33, 150}) {
      if (f.parameters && samples > 1) continue;
      expect_programs_like_evaluate(net.loss, net.outputs, some_numbers(net.columns * samples, samples), samples, 400);
    }
  }
}

TEST_CASE("windows: with rows as the lanes of vectors") {
  const runtime::ByRowsAlways always;
  for (const Filter& f : filters) {
    if (f.parameters) continue;
    INFO(name_of(f));
    const Filtered net(f);
    for (const std::size_t samples : {1, 2, 3, 5, 8}) {
      expect_programs_like_evaluate(net.loss, net.outputs, some_numbers(net.columns * samples, samples), samples, 400);
    }
  }
}

TEST_CASE("windows: what is added up for the list between two layers lies side by side") {
  constexpr std::size_t channels = 16, length = 64, kernel = 5, places = length - kernel + 1;
  Tape tape;
  std::mt19937_64 random(1);
  const Conv1dOptions options{.kernel = kernel, .activation = tanh};
  const Conv1d first(tape, 2, channels, options, glorot(random)),
      second(tape, channels, channels, options, glorot(random));
  Value each = 0.0;
  for (const Value& y : second(first(Signal{2, length, tape.inputs("x", 2 * length)})).values) each += square(y);
  const Program program = compile(batch_mean(each));
  std::size_t runs = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      const Shape& s = program.shapes[i.shape];
      if (i.kind != InstructionKind::gather || s.rows != channels * places) continue;
      const auto found = instructions::find_list_runs(i, s, program.indices.data());
      CHECK(instructions::are_in_tile(found, program.indices.data()));
      runs += found.size();
    }
  }
  CHECK(runs == places);
  const runtime::ByRowsAlways always;
  for (const std::size_t samples : {1, 3, 8, 33}) {
    expect_programs_like_evaluate(batch_mean(each), {}, some_numbers(2 * length * samples), samples, 4000);
  }
}

TEST_CASE("windows: rows that places share are transposed for some of them together") {
  // So many sums of products that matrix products are faster, for which samples lie side by side.
  for (const bool side_by_side : {false, true}) {
    const Filtered net({16, 48, 5, 1, 16, 0, side_by_side});
    CHECK(count_windows(compile(net.loss)) == 2);
    for (const std::size_t samples : {32, 45}) {
      expect_programs_like_evaluate(net.loss, {}, some_numbers(net.columns * samples, samples), samples, 400);
    }
  }
}

TEST_CASE("windows: nothing is copied where they lie side by side, and each number once elsewhere") {
  const auto rows_copied = [](const Filter& f) {
    const Filtered net(f);
    const Program program = compile(net.loss, {.gradients = false});
    std::uint64_t rows = 0;
    for (const Stage& stage : program.stages) {
      for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
        const Instruction& i = program.instructions[at];
        const bool copies = i.kind == InstructionKind::gather || i.kind == InstructionKind::copy;
        if (copies && program.shapes[i.shape].rows > 1) rows += program.shapes[i.shape].rows;
      }
    }
    return rows;
  };
  CHECK(rows_copied({1, 40, 5, 1, 3}) == 0);
  CHECK(rows_copied({5, 33, 6, 1, 4, 0, true}) == 0);
  CHECK(rows_copied({2, 40, 5, 1, 3}) == 2 * 40);
  CHECK(rows_copied({3, 40, 5, 1, 3, 2}) == 3 * 44);
}

TEST_CASE("windows: as many instructions for any length, and the same bits for any number of threads") {
  const auto conv = [](Tape& tape, std::size_t length) {
    Random random(3);
    const Initializer initial = uniform_initializer(random, -0.5, 0.5);
    Signal s{4, length, tape.inputs("x", 4 * length)};
    for (int layer = 0; layer < 3; ++layer) s = Conv1d(tape, 4, 4, {.kernel = 5, .activation = relu}, initial)(s);
    Value sum = 0.0;
    for (const Value& y : s.values) sum += y * y;
    return batch_mean(sum);
  };
  Tape small, large;
  const Value loss = conv(large, 80);
  const Program program = compile(loss);
  CHECK(count_windows(program) == 6);
  CHECK(compile(conv(small, 40)).instructions.size() == program.instructions.size());
  const std::vector<double> rows = some_numbers(4 * 80 * 300);
  std::vector<float> expected;
  for (const std::size_t threads : {1, 2, 3}) {
    Executor<float> executor(program, {.max_samples = 300, .threads = threads});
    executor.bind(rows, 4 * 80);
    executor.step();
    std::vector<float> gradients(executor.gradients().begin(), executor.gradients().end());
    if (expected.empty()) expected = gradients;
    CHECK(gradients == expected);
  }
}

TEST_CASE("windows: zeros around a list do not meet weights that are infinite") {
  const Filtered net({2, 30, 5, 1, 2, 2});
  Executor<double> executor(compile(net.loss, {.outputs = net.outputs}), {.max_samples = 9});
  executor.parameters()[0] = std::numeric_limits<double>::infinity();  // of what the first place does not have
  const std::vector<double> rows = some_numbers(60 * 9);
  executor.bind(rows, 60);
  executor.step();
  const std::vector<double> parameters(executor.parameters().begin(), executor.parameters().end());
  const Evaluation expected = evaluate(net.loss, {.rows = rows, .samples = 9, .parameters = parameters}, net.outputs);
  for (std::size_t i = 0; i < expected.outputs.size(); ++i) {
    const double got = executor.outputs()[i], right = expected.outputs[i];
    if (std::isfinite(right) ? !(std::fabs(got - right) < 1e-12) : !same_bits(got, right)) FAIL("output " << i);
  }
}

TEST_CASE("windows: texts and files") {
  const Filtered net({5, 33, 6, 2, 4, 0, true});
  const Program program = compile(net.loss);
  CHECK(to_string(program).find("at 14 places 10 rows apart") != std::string::npos);
  const std::string path = "windows.tapeloom";
  save_program(path, program);
  const Program loaded = load_program(path);
  CHECK(to_string(loaded) == to_string(program));
  CHECK(count_windows(loaded) == count_windows(program));
}
