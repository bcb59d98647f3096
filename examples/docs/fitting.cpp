// Minima of losses by L-BFGS, and least squares with standard errors by Levenberg-Marquardt.
#include <cmath>
#include <cstdio>
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

namespace {

void fit_curve() {
  const std::vector<double> rows = {10.07, 77.6,  14.73, 114.9, 17.94, 141.1, 23.93, 190.8, 29.61, 239.9,
                                    35.18, 289.0, 40.02, 332.8, 44.82, 378.4, 50.76, 434.8, 55.05, 477.3,
                                    61.01, 536.8, 66.40, 593.1, 75.47, 689.1, 81.78, 760.0};
  Tape tape;
  const Value a = tape.parameter(500.0, "a"), b = tape.parameter(0.0001, "b");
  const Value volume = tape.input(0.0, "volume"), pressure = tape.input(0.0, "pressure");
  Executor<double> model(compile_residuals(volume - a * (1.0 - exp(-b * pressure))));
  const LeastSquaresResult fitted = least_squares(model, DataView(rows));
  std::printf("a = %.3f +- %.3f\n", model.parameters()[0], fitted.standard_errors[0]);
  std::printf("b = %.3e +- %.3e\n", model.parameters()[1], fitted.standard_errors[1]);
  std::printf("residual standard deviation %.5f with %zu degrees of freedom\n", fitted.residual_standard_deviation,
              fitted.degrees_of_freedom);

  const std::size_t count = model.parameters().size();
  const double correlation = fitted.covariance[0 * count + 1] / (fitted.standard_errors[0] * fitted.standard_errors[1]);
  std::printf("correlation %.3f\n", correlation);
}

void minimise() {
  Tape tape;
  const Value x = tape.parameter(-1.2, "x"), y = tape.parameter(1.0, "y");
  Executor<double> rosenbrock(compile(100.0 * square(y - square(x)) + square(1.0 - x)));
  const LbfgsResult result = lbfgs(rosenbrock);
  std::printf("%.6f %.6f, ended by %s\n", rosenbrock.parameters()[0], rosenbrock.parameters()[1],
              to_string(result.end).c_str());
}

void finish_net() {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> t = tape.inputs("t", 1);
  const MLP net(tape, 1, {{16, tanh}, {16, tanh}, {1}}, glorot(random));
  const Value u = t[0] + square(t[0]) * net(t)[0];  // u(0) = 0 and u'(0) = 1
  const Value u_tt = hessian(u, t)[0];
  const Value loss = batch_mean(square(u_tt + u));  // u'' = -u
  std::vector<double> points;
  for (int i = 0; i <= 64; ++i) points.push_back(i * 3.0 / 64.0);
  Executor<double> model(compile(loss, {.outputs = {u}}));
  const DataView data(points);
  const auto error = [&] {
    model.bind(points);
    model.step();
    double largest = 0.0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      largest = std::max(largest, std::fabs(model.outputs()[i] - std::sin(points[i])));
    }
    return largest;
  };

  fit(model, data, {.epochs = 200, .batch = 65, .optimizer = AdamOptions{.learning_rate = 0.01}});
  const double by_adam = error();
  lbfgs(model, data, {.max_iterations = 1000});
  std::printf("a hundredth of Adam's error: %s\n", error() < 0.01 * by_adam ? "yes" : "no");
}

}  // namespace

int main() {
  fit_curve();
  minimise();
  finish_net();
}
