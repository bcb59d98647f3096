// docs/getting-started.md, "With Eigen".
#include <cstdio>

#include <tapeloom/eigen.h>
#include <tapeloom/tapeloom.h>

using namespace tapeloom;

int main() {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = tape.input(0.0, "y");
  const std::vector<Value> w = {tape.parameter(0.0, "w[0]"), tape.parameter(0.0, "w[1]")};
  const Value prediction = dot(w, x);
  Executor<double> executor(compile(batch_mean(squared_error(prediction, y)), {.outputs = {prediction}}));

  Eigen::MatrixXd samples(2, 4);  // a column a sample
  samples << 1, 0, 2, -1,         //
      0, 1, 1, 3;
  const Eigen::VectorXd targets = samples.transpose() * Eigen::Vector2d(2, -1);
  eigen::bind(executor, "x", samples);
  eigen::bind(executor, "y", targets);
  for (int i = 0; i < 200; ++i) {
    executor.step();
    eigen::parameters(executor) -= 0.1 * eigen::gradients(executor);
  }
  const auto weights = eigen::parameters(executor);
  std::printf("w = (%.3f, %.3f), of the first sample %.3f\n", weights[0], weights[1], eigen::outputs(executor)(0, 0));
}
