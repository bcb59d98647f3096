// Burgers' equation, u_t + u u_x = nu u_xx with nu = 0.01 / pi, solved by a net that sees no solution: it is trained on
// how far it is from the equation at points of x in [-1, 1] and t in [0, 1] (Raissi, Perdikaris & Karniadakis, Journal
// of Computational Physics 378, 2019). At t = 0, u is -sin(pi x); it steepens into a front at x = 0. Prints the error
// against the exact solution, and draws both.
//
//   burgers [steps by Adam, and a twentieth as many by L-BFGS, by default 20000 [directory for the picture]]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <numbers>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "examples/plot.h"

namespace tapeloom::examples {
namespace {

constexpr double pi = std::numbers::pi, nu = 0.01 / pi;
constexpr std::size_t points = 8192, batch = 512;

/// The net is in a place where it can do no harm at t = 0 and x = -1, 1: there u is right whatever it says.
struct Problem {
  explicit Problem(std::mt19937_64& random)
      : place(tape.inputs("x_t", 2)), net(tape, 2, {{24, tanh}, {24, tanh}, {24, tanh}, {1}}, glorot(random)) {
    const Value x = place[0], t = place[1];
    u = -sin(pi * x) + t * (1.0 - square(x)) * net(place)[0];
    const std::vector<Value> first = gradient(u, place);
    const Value u_x = first[0], u_t = first[1], u_xx = gradient(u_x, {x})[0];
    loss = batch_mean(square(u_t + u * u_x - nu * u_xx));
  }
  Tape tape;
  std::vector<Value> place;
  MLP net;
  Value u, loss;
};

/// By the transformation of Cole (Quarterly of Applied Mathematics 9, 1951) and Hopf: a quotient of two integrals over
/// the line. The trapezoidal rule's error for such falls exponentially with the number of points.
double exact(double x, double t) {
  if (t == 0.0) return -std::sin(pi * x);
  double numerator = 0.0, denominator = 0.0;
  for (int i = -400; i <= 400; ++i) {
    const double z = i / 40.0, y = x - z * std::sqrt(4.0 * nu * t);
    const double weight = std::exp(-std::cos(pi * y) / (2.0 * pi * nu) - z * z);
    numerator -= std::sin(pi * y) * weight;
    denominator += weight;
  }
  return numerator / denominator;
}

/// All over: multiples of two irrational numbers are spread evenly.
std::vector<float> collocation_points() {
  std::vector<float> rows;
  for (std::size_t i = 0; i < points; ++i) {
    const double a = std::fmod(0.7548776662 * static_cast<double>(i), 1.0);
    const double b = std::fmod(0.5698402910 * static_cast<double>(i), 1.0);
    rows.insert(rows.end(), {static_cast<float>(2.0 * a - 1.0), static_cast<float>(b)});
  }
  return rows;
}

struct Grid {
  static constexpr std::size_t columns = 160, rows = 100;
  Plot plot{"Burgers' equation, by a net", {0.0, 1.0, "t"}, {-1.0, 1.0, "x"}, 720, 420};
  Field net{columns, rows, {}}, exact{columns, rows, {}};
};

/// The relative error in the mean square, over a grid.
double compare(Value u, const Executor<double>& trained, Grid& grid) {
  std::vector<double> rows;
  for (std::size_t row = 0; row < Grid::rows; ++row) {
    for (std::size_t column = 0; column < Grid::columns; ++column) {
      const Point p = grid.plot.cell(column, row, Grid::columns, Grid::rows);
      rows.insert(rows.end(), {p.y, p.x});
      grid.exact.numbers.push_back(exact(p.y, p.x));
    }
  }
  Executor<double> inference(compile_inference({{u}}), trained, {.max_samples = Grid::columns * Grid::rows});
  inference.bind(rows);
  inference.step();
  grid.net.numbers.assign(inference.outputs().begin(), inference.outputs().end());
  double error = 0.0, all = 0.0;
  for (std::size_t i = 0; i < grid.net.numbers.size(); ++i) {
    error += std::pow(grid.net.numbers[i] - grid.exact.numbers[i], 2.0);
    all += std::pow(grid.exact.numbers[i], 2.0);
  }
  return std::sqrt(error / all);
}

void draw(Grid& grid, const std::string& path) {
  constexpr Colour blue = {33, 102, 172}, red = {178, 24, 43}, white = {250, 250, 250};
  grid.plot.field(grid.net, [&](double number) { return mix(white, number < 0.0 ? blue : red, std::fabs(number)); });
  for (int i = -3; i <= 3; ++i) {
    grid.plot.contour(grid.exact, 0.25 * i, {30, 30, 30}, 1);
    grid.plot.contour(grid.net, 0.25 * i, {120, 120, 120}, 1);
  }
  grid.plot.write(path);
}

void report(const char* what, std::size_t number, double loss) {
  std::printf("%-9s %5zu  residual %.2e\n", what, number, std::sqrt(loss));
}

/// In float and in mini-batches, to come near.
void train_by_adam(Executor<float>& executor, std::span<const float> rows, std::uint64_t steps) {
  executor.bind(rows);
  Adam<float> adam;
  for (std::uint64_t step = 0; step < steps; ++step) {
    executor.step(step * batch % points, batch);
    adam.set_learning_rate(cosine_decay(0.01, 0.0, steps, step));
    adam.update(executor);
    if (step % (steps / 4 + 1) == 0) report("step", step, executor.loss());
  }
}

/// In double and over all points, to go on from there.
void train_by_lbfgs(Executor<double>& executor, std::span<const float> rows, std::size_t iterations) {
  const std::vector<double> wide(rows.begin(), rows.end());
  DataView data;
  data.add("x_t", wide);
  lbfgs(executor, data, {.max_iterations = iterations, .on_iteration = [&](const SolverReport& at) {
                           if (at.iteration % (iterations / 4 + 1) == 1) report("iteration", at.iteration, at.loss);
                           return true;
                         }});
}

void run(std::uint64_t steps, const std::filesystem::path& directory) {
  std::mt19937_64 random(1);
  Problem problem(random);
  const std::vector<float> rows = collocation_points();
  const Program program = compile(problem.loss);
  Executor<float> coarse(program, {.max_samples = batch});
  train_by_adam(coarse, rows, steps);
  Executor<double> executor(program, {.max_samples = points});
  executor.set_parameters(std::vector<double>(coarse.parameters().begin(), coarse.parameters().end()));
  train_by_lbfgs(executor, rows, static_cast<std::size_t>(steps / 20));
  Grid grid;
  std::printf("relative error %.1e\n", compare(problem.u, executor, grid));
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "burgers.svg").string();
  draw(grid, path);
  std::printf("wrote %s\n", path.c_str());
}

}  // namespace
}  // namespace tapeloom::examples

int main(int argc, char** argv) {
  try {
    tapeloom::examples::run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20000, argc > 2 ? argv[2] : ".");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "burgers: %s\n", error.what());
    return 1;
  }
}
