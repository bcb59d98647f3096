// Windows of images, which overlap within a row of places, are read where they lie, and compute what evaluate() does.
#include <algorithm>
#include <string>

#include "against_evaluate.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/runtime/execute/row_runner.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

struct Size {
  std::size_t height, width;
};

struct Filter {
  std::size_t channels;
  Size image, kernel;
  std::size_t outputs;
  Size stride = {1, 1}, padding = {0, 0};
  bool channels_side_by_side = false;  ///< of a place; else the places of a channel
  bool shuffled = false;               ///< weights in any order
  bool columns_first = false;          ///< places are recorded column by column
  bool infinite = false;               ///< a weight is, which the first place does not have
  bool runs = true;                    ///< whether windows are expected to be read where they lie
};

std::string name_of(const Filter& f) {
  const auto text = [](const Size& s) { return std::to_string(s.height) + " x " + std::to_string(s.width); };
  return std::to_string(f.channels) + " channels of " + text(f.image) + ", kernel " + text(f.kernel) + ", stride " +
         text(f.stride) + ", padding " + text(f.padding) + ", outputs " + std::to_string(f.outputs) +
         (f.channels_side_by_side ? ", channels side by side" : "") + (f.shuffled ? ", shuffled" : "") +
         (f.columns_first ? ", columns first" : "");
}

/// Two layers, of which the second reads what the first computes, with as many channels.
struct Filtered {
  Tape tape;
  Value loss;
  std::vector<Value> outputs;
  std::size_t columns;

  explicit Filtered(const Filter& f) : columns(f.channels * f.image.height * f.image.width) {
    const std::vector<Value> x = tape.inputs("x", columns);
    Value sum = 0.0;
    outputs = layer(f, x, 5);
    for (const Value& y : outputs) sum += square(tanh(y));
    if (f.channels == f.outputs && f.padding.height * 2 + 1 == f.kernel.height &&
        f.padding.width * 2 + 1 == f.kernel.width && f.stride.height == 1 && f.stride.width == 1) {
      std::vector<Value> bent;
      for (const Value& y : outputs) bent.push_back(tanh(y));
      for (const Value& y : layer(f, bent, 9)) sum += square(y);
    }
    loss = batch_mean(sum);
  }

 private:
  std::vector<Value> layer(const Filter& f, const std::vector<Value>& x, std::size_t seed) {
    const auto at = [&](std::size_t c, std::size_t row, std::size_t column) {
      const std::size_t place = row * f.image.width + column;
      return x[f.channels_side_by_side ? place * f.channels + c : c * f.image.height * f.image.width + place];
    };
    const std::size_t area = f.kernel.height * f.kernel.width, terms = f.channels * area;
    std::vector<Value> w;
    for (const double number : some_numbers(f.outputs * terms, seed)) w.push_back(tape.parameter(number));
    std::vector<std::size_t> order(terms);
    for (std::size_t t = 0; t < terms; ++t) order[t] = t;
    Random random(seed);
    if (f.shuffled) std::ranges::shuffle(order, random);
    const Size places = {(f.image.height + 2 * f.padding.height - f.kernel.height) / f.stride.height + 1,
                         (f.image.width + 2 * f.padding.width - f.kernel.width) / f.stride.width + 1};
    std::vector<Value> result(places.height * places.width * f.outputs);
    for (std::size_t p = 0; p < places.height * places.width; ++p) {
      const std::size_t i = f.columns_first ? p % places.height : p / places.width;
      const std::size_t j = f.columns_first ? p / places.height : p % places.width;
      for (std::size_t o = 0; o < f.outputs; ++o) {
        Value y = 0.0;
        for (std::size_t t = 0; t < terms; ++t) {
          const std::size_t row = i * f.stride.height + t % area / f.kernel.width - f.padding.height;
          const std::size_t column = j * f.stride.width + t % f.kernel.width - f.padding.width;  // wraps around below 0
          if (row < f.image.height && column < f.image.width) y += w[o * terms + order[t]] * at(t / area, row, column);
        }
        const std::size_t place = i * places.width + j;
        result[f.channels_side_by_side ? place * f.outputs + o : o * places.height * places.width + place] = y;
      }
    }
    return result;
  }
};

std::size_t count_runs(const Program& program) {
  return static_cast<std::size_t>(std::ranges::count_if(
      program.instructions, [&](const Instruction& i) { return program.shapes[i.shape].windows.run > 0; }));
}

const Filter filters[] = {
    {.channels = 1, .image = {7, 9}, .kernel = {3, 3}, .outputs = 3},
    {.channels = 2, .image = {9, 6}, .kernel = {2, 3}, .outputs = 4, .channels_side_by_side = true},
    {.channels = 3, .image = {6, 8}, .kernel = {3, 3}, .outputs = 3, .padding = {1, 1}},
    {.channels = 3, .image = {6, 8}, .kernel = {3, 3}, .outputs = 3, .padding = {1, 1}, .channels_side_by_side = true},
    {.channels = 2, .image = {6, 6}, .kernel = {3, 3}, .outputs = 2, .padding = {1, 1}, .shuffled = true},
    {.channels = 2, .image = {7, 5}, .kernel = {3, 3}, .outputs = 2, .padding = {1, 1}, .columns_first = true},
    {.channels = 2, .image = {11, 9}, .kernel = {5, 3}, .outputs = 3, .stride = {2, 1}, .padding = {2, 1}},
    {.channels = 2,
     .image = {9, 11},
     .kernel = {3, 5},
     .outputs = 3,
     .stride = {1, 2},
     .padding = {1, 2},
     .channels_side_by_side = true},
    {.channels = 1, .image = {9, 9}, .kernel = {4, 4}, .outputs = 2, .stride = {2, 2}, .padding = {1, 1}},
    {.channels = 2, .image = {6, 7}, .kernel = {2, 2}, .outputs = 2, .padding = {1, 1}, .runs = false},
    {.channels = 2, .image = {8, 8}, .kernel = {2, 2}, .outputs = 3, .stride = {2, 2}, .runs = false},
    {.channels = 2, .image = {5, 12}, .kernel = {3, 1}, .outputs = 3, .padding = {1, 0}, .runs = false},
};

}  // namespace

TEST_CASE("image windows: filters of all kinds") {
  for (const Filter& f : filters) {
    INFO(name_of(f));
    const Filtered net(f);
    if (f.runs) CHECK(count_runs(compile(net.loss)) >= 2);  // values, and gradients of weights
    for (const std::size_t samples : {1, 2, 7, 9, 33, 130}) {
      expect_programs_like_evaluate(net.loss, net.outputs, some_numbers(net.columns * samples, samples), samples, 400);
    }
  }
}

TEST_CASE("image windows: with rows as the lanes of vectors") {
  const runtime::ByRowsAlways always;
  for (const Filter& f : filters) {
    INFO(name_of(f));
    const Filtered net(f);
    for (const std::size_t samples : {1, 2, 5, 8}) {
      expect_programs_like_evaluate(net.loss, net.outputs, some_numbers(net.columns * samples, samples), samples, 400);
    }
  }
}

TEST_CASE("image windows: rows that the places of a row share are transposed for some of them together") {
  const Filtered net({.channels = 16, .image = {8, 10}, .kernel = {3, 3}, .outputs = 16, .padding = {1, 1}});
  CHECK(count_runs(compile(net.loss)) == 4);
  for (const std::size_t samples : {32, 45}) {
    expect_programs_like_evaluate(net.loss, {}, some_numbers(net.columns * samples, samples), samples, 4000);
  }
}

TEST_CASE("image windows: zeros around an image do not meet weights that are infinite") {
  const Filter f{.channels = 2, .image = {5, 6}, .kernel = {3, 3}, .outputs = 2, .padding = {1, 1}};
  const Filtered net(f);
  const Program program = compile(net.loss, {.outputs = net.outputs});
  CHECK(count_runs(program) >= 2);
  Executor<double> executor(program, {.max_samples = 9});
  executor.parameters()[0] = std::numeric_limits<double>::infinity();  // of what the first row and column do not have
  const std::vector<double> rows = some_numbers(net.columns * 9);
  executor.bind(rows, net.columns);
  executor.step();
  const std::vector<double> parameters(executor.parameters().begin(), executor.parameters().end());
  const Evaluation expected = evaluate(net.loss, {.rows = rows, .samples = 9, .parameters = parameters}, net.outputs);
  for (std::size_t i = 0; i < expected.outputs.size(); ++i) {
    const double got = executor.outputs()[i], right = expected.outputs[i];
    if (std::isfinite(right) ? !(std::fabs(got - right) < 1e-12) : !same_bits(got, right)) FAIL("output " << i);
  }
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    const double got = executor.gradients()[i], right = expected.gradients[i];
    if (std::isfinite(right) ? !(std::fabs(got - right) < 1e-9) : !same_bits(got, right)) FAIL("gradient " << i);
  }
}

TEST_CASE("image windows: as many instructions for any size, and the same bits for any number of threads") {
  const auto program_of = [](std::size_t size) {
    const Filtered net({.channels = 3, .image = {size, size + 1}, .kernel = {3, 3}, .outputs = 3, .padding = {1, 1}});
    return compile(net.loss);
  };
  const Program program = program_of(9);
  CHECK(program.instructions.size() == program_of(5).instructions.size());
  const std::vector<double> rows = some_numbers(program.input_count * 300);
  std::vector<float> expected;
  for (const std::size_t threads : {1, 2, 3}) {
    Executor<float> executor(program, {.max_samples = 300, .threads = threads});
    executor.bind(rows, program.input_count);
    executor.step();
    std::vector<float> gradients(executor.gradients().begin(), executor.gradients().end());
    if (expected.empty()) expected = gradients;
    CHECK(gradients == expected);
  }
}

TEST_CASE("image windows: texts and files") {
  const Filtered net({.channels = 2, .image = {6, 7}, .kernel = {3, 3}, .outputs = 2, .padding = {1, 1}});
  const Program program = compile(net.loss);
  CHECK(to_string(program).find("at 42 places 6 rows apart, in runs of 7 54 apart") != std::string::npos);
  const std::string path = "image_windows.tapeloom";
  save_program(path, program);
  const Program loaded = load_program(path);
  CHECK(to_string(loaded) == to_string(program));
  CHECK(loaded.shapes == program.shapes);
}
