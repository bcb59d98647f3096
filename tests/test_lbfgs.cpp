// L-BFGS on functions whose minima are known, and against Newton's method and Eigen's solvers.
#include "tapeloom/runtime/train/lbfgs.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

/// A function of parameters alone.
struct Problem {
  std::vector<double> start;
  std::function<Value(const Values&)> function;

  Program program() const {
    Tape tape;
    Values x;
    for (const double number : start) x.push_back(tape.parameter(number));
    return compile(function(x));
  }
};

Value rosenbrock(Value x, Value y) { return 100.0 * square(y - square(x)) + square(1.0 - x); }

// The functions and starts of Moré, Garbow & Hillstrom, "Testing unconstrained optimization software", 1981.
Problem extended_rosenbrock(std::size_t unknowns) {
  Problem problem{{}, [](const Values& x) {
                    Value sum = 0.0;
                    for (std::size_t i = 0; i < x.size(); i += 2) sum += rosenbrock(x[i], x[i + 1]);
                    return sum;
                  }};
  for (std::size_t i = 0; i < unknowns; i += 2) problem.start.insert(problem.start.end(), {-1.2, 1.0});
  return problem;
}
const Problem beale{{1.0, 1.0}, [](const Values& x) {
                      return square(1.5 - x[0] * (1.0 - x[1])) + square(2.25 - x[0] * (1.0 - square(x[1]))) +
                             square(2.625 - x[0] * (1.0 - x[1] * x[1] * x[1]));
                    }};
const Problem wood{{-3.0, -1.0, -3.0, -1.0}, [](const Values& x) {
                     return rosenbrock(x[0], x[1]) + 90.0 * square(x[3] - square(x[2])) + square(1.0 - x[2]) +
                            10.0 * square(x[1] + x[3] - 2.0) + 0.1 * square(x[1] - x[3]);
                   }};
const Problem powell_singular{{3.0, -1.0, 0.0, 1.0}, [](const Values& x) {
                                return square(x[0] + 10.0 * x[1]) + 5.0 * square(x[2] - x[3]) +
                                       square(square(x[1] - 2.0 * x[2])) + 10.0 * square(square(x[0] - x[3]));
                              }};

/// Ends at these parameters.
template <class T>
LbfgsResult expect_minimum(const Problem& problem, const std::vector<double>& minimum, double error) {
  // Wood's function has a saddle with gradients of a millionth of those at the start.
  const LbfgsOptions options{.gradient_tolerance = sizeof(T) == 8 ? 1e-12 : 1e-8, .loss_tolerance = 0.0};
  Executor<T> executor(problem.program());
  const LbfgsResult result = lbfgs(executor, {}, options);
  INFO(to_string(result.end) << " after " << result.iterations << " iterations, " << result.evaluations
                             << " evaluations: loss " << result.loss << ", gradient " << result.gradient);
  CHECK((result.end == SolverEnd::gradient || (sizeof(T) == 4 && result.end == SolverEnd::no_decrease)));
  for (std::size_t i = 0; i < minimum.size(); ++i) {
    INFO("x[" << i << "] = " << executor.parameters()[i]);
    CHECK(std::fabs(static_cast<double>(executor.parameters()[i]) - minimum[i]) <= error);
  }
  CHECK(static_cast<double>(executor.loss()) == result.loss);
  return result;
}

}  // namespace

TEST_CASE("lbfgs: minima of Rosenbrock's, Beale's, Wood's and Powell's functions") {
  expect_minimum<double>(extended_rosenbrock(2), {1.0, 1.0}, 1e-9);
  expect_minimum<double>(extended_rosenbrock(100), std::vector<double>(100, 1.0), 1e-9);
  expect_minimum<double>(beale, {3.0, 0.5}, 1e-9);
  expect_minimum<double>(wood, std::vector<double>(4, 1.0), 1e-9);
  // Its Hessian is singular at the minimum, so that the error is the fourth root of the loss.
  const LbfgsResult singular = expect_minimum<double>(powell_singular, std::vector<double>(4, 0.0), 1e-2);
  CHECK(singular.loss <= 1e-9);
}

TEST_CASE("lbfgs: the same in float, to float's rounding") {
  expect_minimum<float>(extended_rosenbrock(2), {1.0, 1.0}, 1e-3);
  expect_minimum<float>(extended_rosenbrock(100), std::vector<double>(100, 1.0), 1e-3);
  expect_minimum<float>(beale, {3.0, 0.5}, 1e-3);
  expect_minimum<float>(wood, std::vector<double>(4, 1.0), 1e-2);
}

// Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989, tell of 36 iterations and some
// 45 evaluations for the extended Rosenbrock function, for other numbers of unknowns, which are pairs that do not know
// of each other. SciPy's manual tells of 25 iterations and 30 evaluations by BFGS for the chained function of five.
TEST_CASE("lbfgs: as many iterations as are published") {
  Executor<double> pairs(extended_rosenbrock(100).program());
  const LbfgsResult of_pairs = lbfgs(pairs, {}, {.history = 5});
  INFO(of_pairs.iterations << " iterations, " << of_pairs.evaluations << " evaluations");
  CHECK(of_pairs.end == SolverEnd::gradient);
  CHECK(of_pairs.iterations <= 40);
  CHECK(of_pairs.evaluations <= 50);

  const Problem chain{{1.3, 0.7, 0.8, 1.9, 1.2}, [](const Values& x) {
                        Value sum = 0.0;
                        for (std::size_t i = 0; i + 1 < x.size(); ++i) sum += rosenbrock(x[i], x[i + 1]);
                        return sum;
                      }};
  Executor<double> chained(chain.program());
  const LbfgsResult of_chain = lbfgs(chained, {}, {.gradient_tolerance = 1e-7});
  INFO(of_chain.iterations << " iterations, " << of_chain.evaluations << " evaluations");
  CHECK(of_chain.iterations <= 30);
  CHECK(of_chain.evaluations <= 40);
  for (const double x : chained.parameters()) CHECK(x == Approx(1.0).margin(1e-5));
}

TEST_CASE("lbfgs: an ill-conditioned quadratic has its minimum where Eigen says") {
  constexpr std::size_t n = 30;
  Eigen::MatrixXd root = Eigen::Map<const Eigen::MatrixXd>(some_numbers(n * n, 5).data(), n, n);
  for (std::size_t j = 0; j < n; ++j)
    root.col(static_cast<Eigen::Index>(j)) *= std::pow(10.0, -2.0 * static_cast<double>(j) / n);
  const Eigen::MatrixXd hessian = root.transpose() * root + 1e-3 * Eigen::MatrixXd::Identity(n, n);
  const std::vector<double> right = some_numbers(n, 6);
  const Eigen::VectorXd minimum = hessian.ldlt().solve(Eigen::Map<const Eigen::VectorXd>(right.data(), n));

  Tape tape;
  Values x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(tape.parameter(0.0));
  Value loss = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    Value row = 0.0;
    for (std::size_t j = 0; j < n; ++j) row += hessian(i, j) * x[j];
    loss += x[i] * (0.5 * row - right[i]);
  }
  Executor<double> executor(compile(loss));
  const LbfgsResult result = lbfgs(executor, {}, {.history = 30, .gradient_tolerance = 1e-8, .loss_tolerance = 0.0});
  INFO(to_string(result.end) << " after " << result.iterations << " iterations: gradient " << result.gradient);
  CHECK(result.end == SolverEnd::gradient);
  const Eigen::Map<const Eigen::VectorXd> got(executor.parameters().data(), n);
  CHECK((got - minimum).norm() <= 1e-6 * minimum.norm());
}

namespace {

constexpr std::size_t samples = 3000;

/// Logistic regression by three features and a constant, on rows of the features and 0 or 1.
struct Logistic {
  Tape tape;
  Values w;
  Value loss;

  Logistic() {
    for (const char* label : {"w0", "w1", "w2", "bias"}) w.push_back(tape.parameter(0.0, label));
    const Values x = tape.inputs("x", 3);
    const Value y = tape.input(0.0, "y");
    const Value z = dot(std::span(w).first(3), x) + w[3];
    loss = batch_mean(softplus((1.0 - 2.0 * y) * z));
  }

  static std::vector<double> rows() {
    std::vector<double> numbers = some_numbers(4 * samples, 11);
    for (std::size_t i = 0; i < samples; ++i) {
      double* row = numbers.data() + 4 * i;
      row[3] = 2.0 * row[0] - row[1] + 0.5 + 2.0 * row[3] > 0.0 ? 1.0 : 0.0;
    }
    return numbers;
  }

  /// By Newton's method.
  static Eigen::Vector4d minimum(const std::vector<double>& rows) {
    Eigen::Vector4d w = Eigen::Vector4d::Zero();
    for (int k = 0; k < 20; ++k) {
      Eigen::Vector4d gradient = Eigen::Vector4d::Zero();
      Eigen::Matrix4d hessian = Eigen::Matrix4d::Zero();
      for (std::size_t i = 0; i < samples; ++i) {
        const Eigen::Vector4d x(rows[4 * i], rows[4 * i + 1], rows[4 * i + 2], 1.0);
        const double p = 1.0 / (1.0 + std::exp(-w.dot(x)));
        gradient += (p - rows[4 * i + 3]) * x;
        hessian += p * (1.0 - p) * x * x.transpose();
      }
      w -= hessian.ldlt().solve(gradient);
    }
    return w;
  }
};

template <class T>
void check_logistic(double error) {
  Logistic model;
  const std::vector<double> rows = Logistic::rows();
  const Eigen::Vector4d minimum = Logistic::minimum(rows);
  Executor<T> executor(compile(model.loss), {.max_samples = samples});
  REQUIRE(executor.tile_samples() < samples);
  const LbfgsResult result = lbfgs(executor, DataView(rows));
  INFO(to_string(result.end) << " after " << result.iterations << " iterations, " << result.evaluations);
  CHECK(converged(result.end));
  CHECK(result.iterations <= 20);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(static_cast<double>(executor.parameters()[i]) ==
          Approx(minimum[static_cast<Eigen::Index>(i)]).epsilon(error));
  }
}

}  // namespace

TEST_CASE("lbfgs: logistic regression over many tiles, against Newton's method") {
  check_logistic<double>(1e-4);  // as the tolerance for the loss leaves it
  check_logistic<float>(1e-2);

  Logistic model;
  const std::vector<double> rows = Logistic::rows();
  std::vector<double> first;
  for (const std::size_t threads : {1, 2, 2}) {
    Executor<double> executor(compile(model.loss), {.max_samples = samples, .threads = threads});
    lbfgs(executor, DataView(rows), {.gradient_tolerance = 1e-10, .loss_tolerance = 0.0});
    const std::vector<double> got(executor.parameters().begin(), executor.parameters().end());
    if (first.empty()) first = got;
    CHECK(got == first);
    CHECK((Eigen::Map<const Eigen::Vector4d>(got.data()) - Logistic::minimum(rows)).norm() <= 1e-8);
  }
}

TEST_CASE("lbfgs: the units of a loss make no difference but rounding") {
  for (const double unit : {1e-300, 1e-200, 1e-20, 1e-3, 1e20, 1e200, 1e300}) {
    const Problem scaled{wood.start, [unit](const Values& x) { return unit * wood.function(x); }};
    Executor<double> executor(scaled.program());
    const LbfgsResult result = lbfgs(executor, {}, {.loss_tolerance = 0.0});
    INFO("unit " << unit << ": " << to_string(result.end) << " after " << result.iterations << " iterations");
    CHECK(result.end == SolverEnd::gradient);
    CHECK(result.iterations <= 100);
    for (const double x : executor.parameters()) CHECK(x == Approx(1.0).epsilon(1e-4));
  }
}

namespace {

/// From a start at which a step of the size of the gradients changes no digit of the loss.
template <class T>
void expect_minimum_in_units(double of_loss, double of_parameters) {
  Tape tape;
  const Value x = tape.parameter(0.0), y = tape.parameter(5.0 * of_parameters);
  const Value p = x / of_parameters, q = y / of_parameters;
  Executor<T> executor(compile(of_loss * (square(p - 3.0) + 10.0 * square(q - 1.0 - p))));
  const LbfgsResult result = lbfgs(executor);
  INFO("units " << of_loss << " and " << of_parameters << ": " << to_string(result.end));
  CHECK(converged(result.end));
  CHECK(executor.parameters()[0] / of_parameters == Approx(3.0).epsilon(1e-3));
  CHECK(executor.parameters()[1] / of_parameters == Approx(4.0).epsilon(1e-3));
}

}  // namespace

TEST_CASE("lbfgs: gradients that are small in their units are no minimum") {
  for (const double unit : {1e-40, 1e-20, 1e-10, 1.0}) expect_minimum_in_units<double>(unit, 1.0);
  for (const double unit : {1e5, 1e10, 1e20}) expect_minimum_in_units<double>(1.0, unit);
  for (const double unit : {1e-15, 1e-10, 1e-5, 1.0}) expect_minimum_in_units<float>(unit, 1.0);
  for (const double unit : {1e3, 1e6, 1e9}) expect_minimum_in_units<float>(1.0, unit);
}

TEST_CASE("lbfgs: gradients whose squares are infinite at the start, and zero at the end") {
  Tape tape;
  const Value x = tape.parameter(700.0), y = tape.parameter(-600.0);
  Executor<double> executor(compile(exp(x) + exp(-x) + 1e-200 * square(y - x)));
  const LbfgsResult result = lbfgs(executor, {}, {.gradient_tolerance = 0.0, .loss_tolerance = 0.0});
  INFO(to_string(result.end) << " after " << result.iterations << " iterations");
  CHECK(result.gradient <= 1e-14);
  CHECK(result.loss == Approx(2.0));
  CHECK(std::fabs(executor.parameters()[0]) <= 1e-7);
}

TEST_CASE("lbfgs: frozen parameters stay, and the others find their minimum beside them") {
  Tape tape;
  const Value a = tape.parameter(3.0), b = tape.parameter(5.0), c = tape.parameter(-4.0), d = tape.parameter(1.0);
  tape.set_frozen(d);
  const Value loss = square(a - b) + square(b - 2.0 * c) + square(c - d) + square(square(a));
  Executor<double> executor(compile(loss));
  executor.set_frozen(std::vector{ParameterId{1}});
  const LbfgsResult result = lbfgs(executor, {}, {.gradient_tolerance = 1e-12, .loss_tolerance = 0.0});
  CHECK(result.end == SolverEnd::gradient);
  CHECK(executor.parameters()[1] == 5.0);
  CHECK(executor.parameters()[3] == 1.0);
  const double x = executor.parameters()[0];
  CHECK(2.0 * (x - 5.0) + 4.0 * x * x * x == Approx(0.0).margin(1e-9));
  CHECK(executor.parameters()[2] == Approx((2.0 * 5.0 + 1.0) / 5.0));
}

TEST_CASE("lbfgs: steps to where the loss is not finite or a guard fails are taken back") {
  Tape tape;
  const Value x = tape.parameter(0.0);
  Executor<double> barrier(compile(-x - 0.001 * log(1.0 - x)));  // the first step is to the pole
  CHECK(converged(lbfgs(barrier).end));
  CHECK(barrier.parameters()[0] == Approx(0.999).epsilon(1e-6));

  const Value y = tape.parameter(-0.4);
  const bool below = y < 0.5;  // the first step is to 0.6
  CHECK(below);
  Executor<double> guarded(compile(10.0 * square(y - 0.2)));
  CHECK(converged(lbfgs(guarded).end));
  CHECK(guarded.parameters()[1] == Approx(0.2).epsilon(1e-6));

  guarded.parameters()[1] = 0.7;
  CHECK_THROWS_AS(lbfgs(guarded), GuardError);
}

TEST_CASE("lbfgs: a start that is not finite is explained, and nothing is moved") {
  Logistic model;
  Executor<double> executor(compile(model.loss));
  std::vector<double> rows = Logistic::rows();
  rows.resize(40);
  rows[4 * 7 + 1] = std::numeric_limits<double>::infinity();
  const LbfgsResult result = lbfgs(executor, DataView(rows));
  CHECK(result.end == SolverEnd::diverged);
  CHECK(result.iterations == 0);
  REQUIRE(result.divergence);
  CHECK(result.divergence->row == 7u);
  CHECK(contains(result.divergence->what, "at the start the loss is nan. Row 7 has a number that is not finite"));
  for (const double w : executor.parameters()) CHECK(w == 0.0);
  CHECK(std::isnan(executor.loss()));
}

TEST_CASE("lbfgs: stops for what it was told, with the last iteration's parameters and results") {
  const Program program = extended_rosenbrock(2).program();
  double lowest = std::numeric_limits<double>::infinity();
  const auto run = [&](const LbfgsOptions& options) {
    Executor<double> executor(program);
    const LbfgsResult result = lbfgs(executor, {}, options);
    CHECK(executor.loss() == result.loss);
    CHECK(result.loss <= lowest);
    const double x = executor.parameters()[0], y = executor.parameters()[1];
    CHECK(result.loss == Approx(100.0 * (y - x * x) * (y - x * x) + (1.0 - x) * (1.0 - x)));
    return result;
  };
  CHECK(run({.max_iterations = 0}).iterations == 0);
  CHECK(run({.max_iterations = 5}).iterations == 5);
  CHECK(run({.max_iterations = 5}).end == SolverEnd::iterations);
  for (std::size_t most = 1; most < 45; ++most) {  // wherever in a line search that is
    const LbfgsResult result = run({.max_evaluations = most});
    CHECK(result.end == SolverEnd::evaluations);
    CHECK(result.evaluations <= most + 1);  // one more for the results
    lowest = std::min(lowest, result.loss);
  }
  std::vector<SolverReport> reports;
  LbfgsOptions options;
  options.on_iteration = [&](const SolverReport& report) {
    reports.push_back(report);
    return report.iteration < 3;
  };
  lowest = std::numeric_limits<double>::infinity();
  const LbfgsResult stopped = run(options);
  CHECK(stopped.end == SolverEnd::callback);
  REQUIRE(reports.size() == 3);
  CHECK(reports[2].loss == stopped.loss);
  CHECK(reports[2].evaluations == stopped.evaluations);
  CHECK(reports[0].loss > reports[1].loss);
}

TEST_CASE("lbfgs: a loss that rounding or a kink leaves no way down") {
  Tape tape;
  const Value x = tape.parameter(1.0), y = tape.parameter(0.7);
  Executor<double> kink(compile(max(x, -0.5 * x) + 1.0));
  const LbfgsResult at_kink = lbfgs(kink, {}, {.loss_tolerance = 0.0});
  CHECK(at_kink.end == SolverEnd::no_decrease);
  CHECK_FALSE(converged(at_kink.end));
  CHECK(at_kink.loss == Approx(1.0).margin(1e-6));

  Executor<double> flat(compile(0.0 * y + 3.0));
  CHECK(lbfgs(flat).end == SolverEnd::gradient);
}

TEST_CASE("lbfgs: what cannot be minimised is refused") {
  Logistic model;
  const std::vector<double> rows = Logistic::rows();
  Executor<double> executor(compile(model.loss));
  CHECK_THROWS_SAYING(BindError, "more than ExecutorOptions::max_samples", lbfgs(executor, DataView(rows)));
  CHECK_THROWS_SAYING(BindError, "the program reads inputs", lbfgs(executor));
  Executor<double> inference(compile(model.loss, {.gradients = false}));
  CHECK_THROWS_SAYING(BindError, "no gradients", lbfgs(inference, DataView(rows)));
  const DataView few(std::span<const double>(rows).first(40));
  CHECK_THROWS_SAYING(BindError, "LbfgsOptions::history is 0", lbfgs(executor, few, {.history = 0}));
  CHECK_THROWS_SAYING(BindError, "LbfgsOptions::loss_tolerance", lbfgs(executor, few, {.loss_tolerance = -1.0}));
  CHECK_THROWS_SAYING(BindError, "LbfgsOptions::gradient_tolerance",
                      lbfgs(executor, few, {.gradient_tolerance = std::nan("")}));
}
