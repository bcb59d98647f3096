// Two moons: an MLP 2-16-16-1 with relu learns to tell two interleaved half circles apart, as in micrograd's demo: the
// max-margin loss and an L2 penalty, 100 steps over all samples, the learning rate falling from 1 to 0.1. Prints loss
// and accuracy, and draws the decision boundary.
//
//   moons [directory for the picture, by default the current one]
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <numbers>
#include <random>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "examples/plot.h"

namespace tapeloom::examples {
namespace {

constexpr std::size_t sample_count = 100;
constexpr double noise = 0.1;   // standard deviation, in both directions
constexpr double alpha = 1e-4;  // of the L2 penalty
constexpr std::uint64_t steps = 100;

struct Moons {
  std::vector<Point> points;
  std::vector<double> labels;  ///< 1 for the upper moon, -1 for the lower

  std::vector<double> rows() const {
    std::vector<double> numbers;
    for (const Point& p : points) numbers.insert(numbers.end(), {p.x, p.y});
    return numbers;
  }
};

/// A normal number of mean 0 and deviation 1. Box & Muller, Annals of Mathematical Statistics 29 (1958): the standard
/// library's distribution differs between its makers.
double normal(std::mt19937_64& generator) {
  const double u = 1.0 - random_unit(generator), v = random_unit(generator);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

/// Half the points on the upper half of the unit circle, half on a lower half circle through its middle, evenly spaced,
/// then moved by noise.
Moons make_moons(std::mt19937_64& generator) {
  Moons moons;
  constexpr std::size_t half = sample_count / 2;
  for (std::size_t i = 0; i < sample_count; ++i) {
    const double angle = std::numbers::pi * static_cast<double>(i % half) / static_cast<double>(half - 1);
    const bool upper = i < half;
    const double x = upper ? std::cos(angle) : 1.0 - std::cos(angle);
    const double y = upper ? std::sin(angle) : 0.5 - std::sin(angle);
    const double dx = noise * normal(generator), dy = noise * normal(generator);
    moons.points.push_back({x + dx, y + dy});
    moons.labels.push_back(upper ? 1.0 : -1.0);
  }
  return moons;
}

/// Per cent of the samples whose score has the label's sign.
double accuracy(std::span<const double> scores, std::span<const double> labels) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) right += (scores[i] > 0.0) == (labels[i] > 0.0);
  return 100.0 * static_cast<double>(right) / static_cast<double>(scores.size());
}

/// The score on a grid over the picture, from an inference program that shares the trained parameters.
Field score_field(Value score, const Executor<double>& trained, const Plot& plot) {
  Field field{180, 130, {}};
  std::vector<double> rows;
  for (std::size_t row = 0; row < field.rows; ++row) {
    for (std::size_t column = 0; column < field.columns; ++column) {
      const Point p = plot.cell(column, row, field.columns, field.rows);
      rows.insert(rows.end(), {p.x, p.y});
    }
  }
  Executor<double> inference(compile_inference({{score}}), trained, {.max_samples = field.columns * field.rows});
  inference.bind("x", rows);
  inference.step();
  field.numbers.assign(inference.outputs().begin(), inference.outputs().end());
  return field;
}

void draw(const Moons& moons, Value score, const Executor<double>& trained, const std::string& path) {
  constexpr Colour blue = {33, 102, 172}, red = {178, 24, 43}, white = {250, 250, 250};
  Plot plot("Two moons: 2-16-16-1, score and decision boundary", {-1.6, 2.6, "x"}, {-1.0, 1.6, "y"}, 720, 500);
  plot.legend_to_the_left();
  const Field field = score_field(score, trained, plot);
  // In steps of 1/8, and paler than the points.
  plot.field(field, [&](double number) {
    const double level = std::round(8.0 * std::clamp(number / 4.0, -1.0, 1.0)) / 8.0;
    return mix(white, level < 0.0 ? red : blue, 0.65 * std::fabs(level));
  });
  for (const double margin : {-1.0, 1.0}) plot.contour(field, margin, {140, 140, 140}, 1);
  plot.contour(field, 0.0, {30, 30, 30}, 2.5);
  for (const bool upper : {true, false}) {
    std::vector<Point> points;
    for (std::size_t i = 0; i < moons.points.size(); ++i) {
      if ((moons.labels[i] > 0.0) == upper) points.push_back(moons.points[i]);
    }
    plot.points(points, upper ? blue : red, upper ? "upper moon" : "lower moon", 4.5);
  }
  plot.write(path);
}

void run(const std::filesystem::path& directory) {
  std::mt19937_64 generator(1337);
  const Moons moons = make_moons(generator);

  Tape tape;
  const MLP model(tape, 2, {{16, relu}, {16, relu}, {1}}, uniform_initializer(generator, -1.0, 1.0));
  const Value score = model(tape.inputs("x", 2))[0];
  const Value label = tape.input(0.0, "label");
  const Value loss = batch_mean(hinge(score, label)) + l2_penalty(model.parameters(), alpha);

  Executor<double> executor(compile(loss, {.outputs = {score}}));
  const std::vector<double> rows = moons.rows();
  executor.bind("x", rows);
  executor.bind("label", moons.labels);
  Sgd<double> sgd;
  for (std::uint64_t step = 0; step < steps; ++step) {
    executor.step();
    if (step % 10 == 0) {
      std::printf("step %3llu  loss %.6f  accuracy %5.1f%%\n", static_cast<unsigned long long>(step), executor.loss(),
                  accuracy(executor.outputs(), moons.labels));
    }
    sgd.set_learning_rate(linear_decay(1.0, 0.1, steps, step));
    sgd.update(executor);
  }
  executor.step();
  std::printf("trained   loss %.6f  accuracy %5.1f%%\n", executor.loss(), accuracy(executor.outputs(), moons.labels));

  std::filesystem::create_directories(directory);
  const std::string path = (directory / "moons.svg").string();
  draw(moons, score, executor, path);
  std::printf("wrote %s\n", path.c_str());
}

}  // namespace
}  // namespace tapeloom::examples

int main(int argc, char** argv) {
  try {
    tapeloom::examples::run(argc > 1 ? argv[1] : ".");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "moons: %s\n", error.what());
    return 1;
  }
}
