// Derivatives as Values: in a loss, of higher order, of energies, and rows of Jacobians.
#include <cmath>
#include <cstdio>
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

namespace {

void show_gradients() {
  Tape tape;
  const Value x = tape.parameter(2.0, "x"), y = tape.parameter(3.0, "y");
  const Value z = x * x * y + exp(y - 3.0);
  const std::vector<Value> first = gradient(z, {x, y});
  const Value mixed = gradient(first[0], {y})[0];
  std::printf("%g %g, mixed %g\n", first[0].data(), first[1].data(), mixed.data());
  const std::vector<Value> h = hessian(z, {x, y});  // a row after another: xx, xy, yx, yy
  std::printf("hessian %g %g %g %g, laplacian %g\n", h[0].data(), h[1].data(), h[2].data(), h[3].data(),
              laplacian(z, {x, y}).data());
  const std::vector<Value> along = {1.0, -2.0}, variables = {x, y};
  std::printf("along (1, -2): %g\n", derivative(z, variables, along).data());
  std::printf("hessian times (1, -2): %g\n", hessian_vector(z, variables, along)[0].data());
}

void solve_equation() {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> t = tape.inputs("t", 1);
  const MLP net(tape, 1, {{16, tanh}, {16, tanh}, {1}}, glorot(random));
  const Value u = t[0] + square(t[0]) * net(t)[0];  // u(0) = 0 and u'(0) = 1, whatever the net is
  const Value u_t = derivative(u, t[0]);
  const Value u_tt = gradient(u_t, t)[0];
  const Value loss = batch_mean(square(u_tt + u));  // u'' = -u
  std::vector<double> points;
  for (int i = 0; i <= 64; ++i) points.push_back(i * 3.0 / 64.0);
  Executor<double> executor(compile(loss, {.outputs = {u}}));
  executor.bind(points);
  Adam<double> adam({.learning_rate = 0.01});
  for (int i = 0; i < 2000; ++i) executor.step(), adam.update(executor);
  double error = 0.0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    error = std::max(error, std::fabs(executor.outputs()[i] - std::sin(points[i])));
  }
  std::printf("u is sin(t): %s\n", error < 0.01 ? "yes" : "no");
}

void show_forces() {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value stiffness = tape.parameter(2.0, "stiffness");
  const Value energy = 0.5 * stiffness * square(hypot(x[0], x[1]) - 1.0);
  std::vector<Value> forces;
  for (const Value& slope : gradient(energy, x)) forces.push_back(-slope);
  const std::vector<double> positions = {2.0, 0.0, 0.0, 0.5};
  Executor<double> executor(compile_inference(forces));
  executor.bind(positions);
  executor.step();
  for (std::size_t s = 0; s < 2; ++s) {
    std::printf("force %g %g\n", executor.outputs()[2 * s] + 0.0, executor.outputs()[2 * s + 1] + 0.0);
  }
}

void show_jacobian() {
  Tape tape;
  const Value a = tape.uniform_input(2.0, "a"), b = tape.uniform_input(3.0, "b");
  const std::vector<Value> y = {a * b, square(a), sin(b) * a}, x = {a, b};
  Executor<double> executor(compile_vector_jacobian(y, x));
  const std::vector<double> unit_vectors = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  executor.bind(unit_vectors);
  executor.step();
  for (std::size_t i = 0; i < y.size(); ++i) {
    std::printf("row %zu: %.3f %.3f\n", i, executor.outputs()[2 * i], executor.outputs()[2 * i + 1]);
  }
}

void show_hessian_vector() {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 2);
  const MLP net(tape, 2, {{8, tanh}, {1}}, glorot(random));
  const Value loss = batch_mean(square(net(x)[0] - x[0] * x[1]));
  std::vector<Value> vector;
  for (std::size_t i = 0; i < net.parameters().size(); ++i) {
    vector.push_back(tape.uniform_input(0.0, "v" + std::to_string(i)));
  }
  Executor<double> executor(compile(derivative(loss, net.parameters(), vector)));
  const std::vector<double> rows = {0.5, 0.25, -0.5, 1.0};
  executor.bind(rows);
  executor.set_uniform_input("v0", 1.0);
  executor.step();  // gradients() are now the first column of the Hessian
  std::printf("%zu numbers\n", executor.gradients().size());
}

void clip_by_sample() {
  Tape tape;
  const Value x = tape.input(0.0, "x"), y = tape.input(0.0, "y");
  const std::vector<Value> parameters = {tape.parameter(0.0, "slope"), tape.parameter(0.0, "offset")};
  const Value loss = square(parameters[0] * x + parameters[1] - y);  // of one sample
  const std::vector<Value> slopes = gradient(loss, parameters);
  Value squares = 0.0;
  for (const Value& slope : slopes) squares += square(slope);
  const Value norm = sqrt(squares);
  const Value scale = stop_gradient(min(1.0, 1.0 / norm));  // to a norm of 1 at most
  Executor<double> executor(compile(batch_mean(scale * loss), {.outputs = {norm}}));
  const std::vector<double> rows = {0.75, 2.0, 0.0, 0.25};
  executor.bind(rows, 2);
  executor.step();
  std::printf("norms %.2f %.2f\n", executor.outputs()[0], executor.outputs()[1]);
  std::printf("clipped mean %.2f %.2f\n", executor.gradients()[0], executor.gradients()[1]);
  Sgd<double> sgd({.learning_rate = 1.0});
  sgd.update(executor);
  std::printf("trained to %.2f %.2f\n", executor.parameters()[0], executor.parameters()[1]);
}

}  // namespace

int main() {
  show_gradients();
  solve_equation();
  show_forces();
  show_jacobian();
  show_hessian_vector();
  clip_by_sample();
}
