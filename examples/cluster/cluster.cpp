// A force field: a net learns the energy of a cluster of Lennard-Jones atoms from examples of energies and forces,
// which are minus the gradient of what it says, in its loss as in its use. Such forces belong to an energy whatever the
// net has learned, so that atoms moved by them keep their energy. Prints the errors on configurations it has not seen,
// and how far the energy drifts in a run; draws the run's energies.
//
//   cluster [epochs, by default 1000 [directory for the picture, by default the current one]]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "examples/plot.h"

namespace tapeloom::examples {
namespace {

constexpr std::size_t atoms = 5, coordinates = 3 * atoms;

/// The energy as a sum over pairs of atoms, of a function of their distance: it does not change when the cluster is
/// moved, turned or its atoms are exchanged.
template <class Pair>
Value energy_of_pairs(const std::vector<Value>& x, Pair&& pair) {
  Value energy = 0.0;
  for (std::size_t i = 0; i < atoms; ++i) {
    for (std::size_t j = i + 1; j < atoms; ++j) {
      Value squared = 0.0;
      for (std::size_t k = 0; k < 3; ++k) squared += square(x[3 * i + k] - x[3 * j + k]);
      energy += pair(sqrt(squared));
    }
  }
  return energy;
}

/// In units of the well's depth and of the distance at which the energy is 0.
Value lennard_jones(Value r) {
  const Value sixth = 1.0 / pow(r, 6.0);
  return 4.0 * (square(sixth) - sixth);
}

std::vector<Value> energy_and_forces(Value energy, const std::vector<Value>& x) {
  std::vector<Value> all = {energy};
  for (const Value& slope : gradient(energy, x)) all.push_back(-slope);
  return all;
}

/// Computes energies, the first number of each sample, and forces, of configurations.
class Potential {
 public:
  explicit Potential(Program program, std::size_t most = 1) : executor_(std::move(program), {.max_samples = most}) {}
  Potential(Program program, const Executor<double>& trained, std::size_t most = 1)
      : executor_(std::move(program), trained, {.max_samples = most}) {}

  std::span<const double> operator()(std::span<const double> positions) {
    executor_.bind("x", positions);
    executor_.step(0, positions.size() / coordinates);
    return executor_.outputs();
  }

 private:
  Executor<double> executor_;
};

/// Two triangles' tips on either side of one: the cluster of least energy, nearly.
std::vector<double> bipyramid() {
  const double r = 1.12, h = r * std::sqrt(2.0 / 3.0), d = r / std::sqrt(3.0);
  return {d, 0, 0, -d / 2, r / 2, 0, -d / 2, -r / 2, 0, 0, 0, h, 0, 0, -h};
}

/// Copies of it, each atom moved at random along each axis.
std::vector<double> configurations(std::size_t count, double distance, std::mt19937_64& random) {
  std::vector<double> all;
  for (std::size_t i = 0; i < count; ++i) {
    for (double at : bipyramid()) all.push_back(at + distance * (2.0 * random_unit(random) - 1.0));
  }
  return all;
}

struct Model {
  explicit Model(std::mt19937_64& random) {
    x = tape.inputs("x", coordinates);
    const std::vector<Value> right = tape.inputs("right", 1 + coordinates);
    const MLP net(tape, 1, {{16, tanh}, {16, tanh}, {1}}, glorot(random));
    const Value scale = tape.parameter(10.0, "scale");
    predicted = energy_and_forces(energy_of_pairs(x, [&](Value r) { return scale * net({{1.0 / r}})[0]; }), x);
    Value loss_of_sample = square(predicted[0] - right[0]) / static_cast<double>(atoms);
    for (std::size_t i = 1; i <= coordinates; ++i) loss_of_sample += square(predicted[i] - right[i]);
    loss = batch_mean(loss_of_sample);
  }
  Tape tape;
  std::vector<Value> x, predicted;
  Value loss;
};

/// Positions and velocities, moved by Newton's law; masses are 1.
class Motion {
 public:
  Motion(std::vector<double> positions, std::vector<double> velocities, Potential& potential)
      : x_(std::move(positions)), v_(std::move(velocities)), potential_(potential), now_(potential(x_)) {}

  std::span<const double> positions() const { return x_; }
  double potential() const { return now_[0]; }
  double kinetic() const {
    double sum = 0.0;
    for (double each : v_) sum += 0.5 * each * each;
    return sum;
  }
  /// Velocity Verlet (Swope et al., Journal of Chemical Physics 76, 1982).
  void step(double dt) {
    kick(0.5 * dt);
    for (std::size_t i = 0; i < coordinates; ++i) x_[i] += dt * v_[i];
    now_ = potential_(x_);
    kick(0.5 * dt);
  }

 private:
  void kick(double dt) {
    for (std::size_t i = 0; i < coordinates; ++i) v_[i] += dt * now_[1 + i];
  }

  std::vector<double> x_, v_;
  Potential& potential_;
  std::span<const double> now_;  // energy and forces at x_
};

/// At random, with the cluster's centre at rest.
std::vector<double> velocities(double largest, std::mt19937_64& random) {
  std::vector<double> v(coordinates);
  for (double& each : v) each = largest * (2.0 * random_unit(random) - 1.0);
  for (std::size_t k = 0; k < 3; ++k) {
    double mean = 0.0;
    for (std::size_t i = k; i < coordinates; i += 3) mean += v[i] / static_cast<double>(atoms);
    for (std::size_t i = k; i < coordinates; i += 3) v[i] -= mean;
  }
  return v;
}

void train(Executor<double>& executor, std::uint64_t samples, std::uint64_t epochs) {
  constexpr std::uint64_t batch = 50;
  const std::uint64_t steps = epochs * samples / batch;
  Adam<double> adam;
  for (std::uint64_t step = 0; step < steps; ++step) {
    executor.step(step * batch % samples, batch);
    adam.set_learning_rate(cosine_decay(0.01, 0.0, steps, step));
    adam.update(executor);
  }
}

/// Prints the errors of energies and forces in the root mean square, and the forces'.
void compare(std::span<const double> got, std::span<const double> right) {
  double energies = 0.0, forces = 0.0, all = 0.0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    const bool energy = i % (1 + coordinates) == 0;
    (energy ? energies : forces) += std::pow(got[i] - right[i], 2.0);
    if (!energy) all += right[i] * right[i];
  }
  const double samples = static_cast<double>(right.size() / (1 + coordinates)), numbers = samples * coordinates;
  std::printf("held out: energy to %.1e, forces to %.1e of %.2f\n", std::sqrt(energies / samples),
              std::sqrt(forces / numbers), std::sqrt(all / numbers));
}

/// Lets the cluster move, and prints how far its energy gets from what it was.
void move(Potential& learned, Potential& exact, std::mt19937_64& random, const std::string& path) {
  constexpr double dt = 0.005;
  constexpr int steps = 4000;
  Motion motion(bipyramid(), velocities(0.5, random), learned);
  const double before = motion.potential() + motion.kinetic();
  double drift = 0.0, kinetic = 0.0, wrong = 0.0;
  std::vector<Point> potentials, totals, exacts;
  for (int i = 1; i <= steps; ++i) {
    motion.step(dt);
    const double total = motion.potential() + motion.kinetic(), right = exact(motion.positions())[0];
    drift = std::max(drift, std::fabs(total - before));
    wrong = std::max(wrong, std::fabs(motion.potential() - right));
    kinetic += motion.kinetic() / steps;
    if (i % 10 != 0) continue;
    potentials.push_back({i * dt, motion.potential()}), totals.push_back({i * dt, total});
    exacts.push_back({i * dt, right});
  }
  std::printf("run: energy kept to %.1e of its kinetic part, %.3f; largest error of the energy %.1e\n", drift / kinetic,
              kinetic, wrong);
  Plot plot("Five atoms, moved by a net's forces", {0.0, steps * dt, "time"}, {-9.4, -7.4, "energy"}, 720, 420);
  plot.grid();
  plot.line(totals, {30, 30, 30}, "total");
  plot.line(exacts, {178, 24, 43}, "potential, exact", 3);
  plot.line(potentials, {33, 102, 172}, "potential, learned", 1);
  plot.write(path);
}

void run(std::uint64_t epochs, const std::filesystem::path& directory) {
  constexpr std::size_t samples = 1000, held_out = 200;
  std::mt19937_64 random(1);
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", coordinates);
  const Program program = compile_inference(energy_and_forces(energy_of_pairs(x, lennard_jones), x));
  const std::vector<double> positions = configurations(samples, 0.08, random);
  Potential examples(program, samples);
  const std::span<const double> right = examples(positions);

  Model model(random);
  Executor<double> executor(compile(model.loss));
  executor.bind("x", positions);
  executor.bind("right", right);
  train(executor, samples, epochs);

  const Program learned = compile_inference(model.predicted);
  const std::vector<double> others = configurations(held_out, 0.08, random);
  Potential exact(program, held_out), net(learned, executor, held_out);
  compare(net(others), exact(others));
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "cluster.svg").string();
  move(net, exact, random, path);
  std::printf("wrote %s\n", path.c_str());
}

}  // namespace
}  // namespace tapeloom::examples

int main(int argc, char** argv) {
  try {
    tapeloom::examples::run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000, argc > 2 ? argv[2] : ".");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cluster: %s\n", error.what());
    return 1;
  }
}
