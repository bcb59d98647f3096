// Levenberg-Marquardt on NIST's certified fits, on problems of MINPACK's, and on linear ones against Eigen.
#include "tapeloom/runtime/train/least_squares.h"

#include <Eigen/Core>
#include <Eigen/LU>
#include <Eigen/QR>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "against_evaluate.h"
#include "nist.h"
#include "tapeloom/compiler/compile_residuals.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

struct NistFit {
  LeastSquaresResult result;
  std::vector<double> parameters;
};

NistFit fit(const NistModel& model, const NistData& data, int start) {
  Tape tape;
  Values b;
  for (const double number : data.starts[start]) b.push_back(tape.parameter(number));
  const Value y = tape.input(1.0, "y");
  std::vector<double> eager(model.predictors, 1.0);
  const Values x = tape.inputs("x", eager);
  Executor<double> executor(compile_residuals((model.of_logarithm ? log(y) : y) - model.predict(b, x)));
  NistFit made{least_squares(executor, DataView(data.rows)), {}};
  made.parameters.assign(executor.parameters().begin(), executor.parameters().end());
  return made;
}

/// Certified parameters to 6 digits, what is certified of their errors to 5.
void check_certified(const NistModel& model, const NistData& data, int start) {
  const NistFit made = fit(model, data, start);
  const LeastSquaresResult& result = made.result;
  INFO(model.name << " from start " << start + 1 << ": " << to_string(result.end) << " after " << result.iterations
                  << " iterations, " << result.evaluations << " evaluations");
  CHECK(converged(result.end));
  const std::size_t observations = data.rows.size() / (1 + model.predictors), count = data.parameters.size();
  CHECK(result.residuals == observations);
  CHECK(result.rank == count);
  CHECK(result.degrees_of_freedom == observations - count);
  REQUIRE(made.parameters.size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(made.parameters[i] == Approx(data.parameters[i]).epsilon(1e-6).margin(0.0));
  }
  // The residuals of Lanczos1 are what rounding leaves of them: about 1e-13.
  if (model.name == "Lanczos1") {
    CHECK(result.sum_of_squares < 2e-25);
    return;
  }
  CHECK(result.sum_of_squares == Approx(data.sum_of_squares).epsilon(1e-8).margin(0.0));
  const double deviation = std::sqrt(data.sum_of_squares / static_cast<double>(observations - count));
  CHECK(result.residual_standard_deviation == Approx(deviation).epsilon(1e-8).margin(0.0));
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(result.standard_errors[i] == Approx(data.standard_deviations[i]).epsilon(1e-5).margin(0.0));
    CHECK(std::sqrt(result.covariance[i * count + i]) == result.standard_errors[i]);
  }
}

/// Of the sets in a folder; returns how many there were. BoxBOD's first start is the only one from which a set is not
/// solved, nor by MINPACK: the first step makes b2 so large that the model is the mean of what was observed.
std::size_t check_folder(const std::string& folder) {
  std::size_t sets = 0;
  for (const NistModel& model : nist::models()) {
    const NistData data = nist::read(folder + "/" + model.name + ".dat");
    if (data.rows.empty()) continue;
    ++sets;
    check_certified(model, data, 1);
    if (model.name != "BoxBOD") check_certified(model, data, 0);
  }
  return sets;
}

}  // namespace

TEST_CASE("least squares: the certified values of NIST's shorter sets") {
  CHECK(check_folder(TAPELOOM_SOURCE_DIR "/tests/nist") == 16);
}

TEST_CASE("least squares: the certified values of all of NIST's sets", "[nist]") {
  const char* folder = std::getenv("TAPELOOM_NIST");
  if (folder == nullptr) {
    SKIP_CASE("TAPELOOM_NIST names no folder with NIST's 27 files for nonlinear regression (Misra1a.dat and others)");
  }
  CHECK(check_folder(folder) == 27);
}

TEST_CASE("least squares: BoxBOD from afar ends where b2 does not matter any more, and its standard error says so") {
  const NistModel& model = nist::models()[21];
  REQUIRE(model.name == "BoxBOD");
  const NistFit made = fit(model, nist::read(TAPELOOM_SOURCE_DIR "/tests/nist/BoxBOD.dat"), 0);
  CHECK(made.result.sum_of_squares == Approx(9771.5));  // that of the mean
  CHECK(made.result.standard_errors[1] > 1e6 * made.parameters[1]);
}

namespace {

/// From Moré, Garbow & Hillstrom, "Testing unconstrained optimization software", 1981.
struct MinpackProblem {
  std::vector<double> start;
  std::function<Values(const Values&)> residuals;
  /// Of the residuals, that lmder takes by MINPACK's own tests with their tolerances, from that start and from ten
  /// times it.
  std::size_t evaluations[2];
};

Value turns(Value x, Value y) { return atan2(y, x) / (2.0 * std::numbers::pi); }

const MinpackProblem rosenbrock{{-1.2, 1.0},
                                [](const Values& x) {
                                  return Values{10.0 * (x[1] - square(x[0])), 1.0 - x[0]};
                                },
                                {21, 8}};
const MinpackProblem helical_valley{
    {-1.0, 0.0, 0.0},
    [](const Values& x) {
      return Values{10.0 * (x[2] - 10.0 * turns(x[0], x[1])), 10.0 * (hypot(x[0], x[1]) - 1.0), x[2]};
    },
    {11, 20}};
const MinpackProblem freudenstein_roth{{0.5, -2.0},
                                       [](const Values& x) {
                                         return Values{-13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1],
                                                       -29.0 + x[0] + ((1.0 + x[1]) * x[1] - 14.0) * x[1]};
                                       },
                                       {14, 19}};

}  // namespace

TEST_CASE("least squares: as many evaluations as MINPACK takes") {
  const double tolerance = std::sqrt(std::numeric_limits<double>::epsilon());
  for (const MinpackProblem& problem : {rosenbrock, helical_valley, freudenstein_roth}) {
    for (const int far : {0, 1}) {
      Tape tape;
      Values x;
      for (const double number : problem.start) x.push_back(tape.parameter(far == 0 ? number : 10.0 * number));
      Executor<double> executor(compile_residuals(problem.residuals(x)));
      const LeastSquaresResult result = least_squares(
          executor, {}, {.decrease_tolerance = tolerance, .step_tolerance = tolerance, .gradient_tolerance = 0.0});
      CHECK(converged(result.end));
      CHECK(result.evaluations == problem.evaluations[far]);
    }
  }
}

namespace {

/// Two residuals a sample, linear in three parameters, the second half as reliable: rows of two x and two y.
struct Linear {
  Tape tape;
  Values b = {tape.parameter(0.3, "b0"), tape.parameter(-2.0, "b1"), tape.parameter(1.0, "b2")};
  Values x = tape.inputs("x", 2), y = tape.inputs("y", 2);
  Values residuals = {y[0] - (b[0] + b[1] * x[0] + b[2] * x[1]), 0.5 * (y[1] - (b[1] * x[1] - b[2]))};
};

struct LinearAnswer {
  Eigen::VectorXd parameters;
  Eigen::MatrixXd covariance;
  double sum_of_squares;
};

LinearAnswer by_eigen(const std::vector<double>& rows) {
  const auto samples = static_cast<Eigen::Index>(rows.size() / 4);
  Eigen::MatrixXd design(2 * samples, 3);
  Eigen::VectorXd right(2 * samples);
  for (Eigen::Index i = 0; i < samples; ++i) {
    const double* row = rows.data() + 4 * i;
    design.row(2 * i) << 1.0, row[0], row[1];
    design.row(2 * i + 1) << 0.0, 0.5 * row[1], -0.5;
    right[2 * i] = row[2];
    right[2 * i + 1] = 0.5 * row[3];
  }
  LinearAnswer answer;
  answer.parameters = design.colPivHouseholderQr().solve(right);
  answer.sum_of_squares = (right - design * answer.parameters).squaredNorm();
  const double variance = answer.sum_of_squares / static_cast<double>(2 * samples - 3);
  answer.covariance = variance * (design.transpose() * design).inverse();
  return answer;
}

}  // namespace

TEST_CASE("least squares: a linear fit of many rows, by pieces, is Eigen's, covariance and all") {
  Linear model;
  const std::size_t nodes = model.tape.size();
  const Program program = compile_residuals(model.residuals);
  CHECK(model.tape.size() == nodes);
  for (const std::size_t samples : {2, 7, 1025, 3000}) {
    const std::vector<double> rows = some_numbers(4 * samples, samples);
    const LinearAnswer right = by_eigen(rows);
    std::vector<double> first;
    for (const std::size_t most : {1024, 1024, 4000}) {  // samples in a step
      Executor<double> executor(program, {.max_samples = most});
      const LeastSquaresResult result = least_squares(executor, DataView(rows));
      INFO(samples << " samples, " << most << " at a time: " << to_string(result.end));
      CHECK(converged(result.end));
      CHECK(result.iterations <= 3);
      CHECK(result.residuals == 2 * samples);
      CHECK(result.degrees_of_freedom == 2 * samples - 3);
      CHECK(result.sum_of_squares == Approx(right.sum_of_squares).epsilon(1e-10));
      for (Eigen::Index i = 0; i < 3; ++i) {
        CHECK(executor.parameters()[static_cast<std::size_t>(i)] == Approx(right.parameters[i]).epsilon(1e-10));
        for (Eigen::Index j = 0; j < 3; ++j) {
          const double covariance = result.covariance[static_cast<std::size_t>(3 * i + j)];
          CHECK(covariance == Approx(right.covariance(i, j)).epsilon(1e-8).margin(1e-12));
        }
      }
      const std::vector<double> got(executor.parameters().begin(), executor.parameters().end());
      if (first.empty()) first = got;
      if (most == 1024) CHECK(got == first);
    }
  }
}

TEST_CASE("least squares: samples recorded one after another are residuals beside each other") {
  const NistModel& model = nist::models()[0];
  const NistData data = nist::read(TAPELOOM_SOURCE_DIR "/tests/nist/Misra1a.dat");
  Tape tape;
  const Values b = {tape.parameter(250.0), tape.parameter(0.0005)};
  Values residuals;
  for (std::size_t i = 0; i < data.rows.size(); i += 2) {
    residuals.push_back(data.rows[i] - model.predict(b, {tape.constant(data.rows[i + 1])}));
  }
  for (const bool fold : {true, false}) {
    Executor<double> executor(compile_residuals(residuals, {.fold_samples = fold}));
    const LeastSquaresResult result = least_squares(executor);
    CHECK(converged(result.end));
    CHECK(result.residuals == 14);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(executor.parameters()[i] == Approx(data.parameters[i]).epsilon(1e-8));
      CHECK(result.standard_errors[i] == Approx(data.standard_deviations[i]).epsilon(1e-8));
    }
  }
}

TEST_CASE("least squares: frozen parameters are given numbers, without an error") {
  Linear model;
  model.tape.set_frozen(model.b[1]);
  const std::vector<double> rows = some_numbers(4 * 50, 3);
  Executor<double> executor(compile_residuals(model.residuals));
  const LeastSquaresResult result = least_squares(executor, DataView(rows));
  CHECK(executor.parameters()[1] == -2.0);
  CHECK(result.rank == 2);
  CHECK(result.degrees_of_freedom == 98);
  // With b1 known, y - b1 x is fitted by the other two.
  std::vector<double> known = rows;
  for (std::size_t i = 0; i < 50; ++i) {
    known[4 * i + 2] += 2.0 * rows[4 * i];
    known[4 * i + 3] += 2.0 * rows[4 * i + 1];
  }
  double sum = 0.0, squares = 0.0, weighted = 0.0, weights = 0.0;  // of b0 alone where b2 is right
  const double b2 = executor.parameters()[2];
  for (std::size_t i = 0; i < 50; ++i) {
    const double first = known[4 * i + 2] - b2 * rows[4 * i + 1];
    sum += first;
    weighted += rows[4 * i + 1] * (first - executor.parameters()[0]) - 0.25 * (known[4 * i + 3] + b2);
    squares += rows[4 * i + 1] * rows[4 * i + 1], weights += rows[4 * i + 1];
  }
  CHECK(executor.parameters()[0] == Approx(sum / 50.0));
  CHECK(weighted == Approx(0.0).margin(1e-10));
  const double variance = result.sum_of_squares / 98.0;
  const double determinant = 50.0 * (squares + 0.25 * 50.0) - weights * weights;
  CHECK(result.standard_errors[0] == Approx(std::sqrt(variance * (squares + 12.5) / determinant)));
  CHECK(result.standard_errors[1] == 0.0);
  CHECK(result.covariance[0 * 3 + 2] == Approx(-variance * weights / determinant));
  CHECK(result.covariance[1 * 3 + 2] == 0.0);
}

TEST_CASE("least squares: what the residuals do not determine has no error") {
  Tape tape;
  const Value a = tape.parameter(1.0), b = tape.parameter(1.0), unused = tape.parameter(4.0);
  const Value x = tape.input(0.0, "x");
  const std::vector<double> rows = some_numbers(9, 8);
  Executor<double> executor(compile_residuals(x - (a + b)));
  const LeastSquaresResult result = least_squares(executor, DataView(rows));
  CHECK(converged(result.end));
  CHECK(result.rank == 1);
  CHECK(result.degrees_of_freedom == 8);
  double mean = 0.0;
  for (const double row : rows) mean += row / 9.0;
  CHECK(executor.parameters()[0] + executor.parameters()[1] == Approx(mean));
  CHECK(executor.parameters()[2] == unused.data());
  for (const double error : result.standard_errors) CHECK(std::isnan(error));

  // As many residuals as parameters: a fit without an error.
  Executor<double> exact(compile_residuals({a - 2.0, b * a - 3.0, unused - x}));
  const LeastSquaresResult interpolated = least_squares(exact, DataView(std::span<const double>(rows).first(1)));
  CHECK(interpolated.degrees_of_freedom == 0);
  CHECK(interpolated.sum_of_squares == Approx(0.0).margin(1e-20));
  CHECK(exact.parameters()[1] == Approx(1.5));
  CHECK(std::isnan(interpolated.residual_standard_deviation));
  CHECK(std::isnan(interpolated.standard_errors[0]));
}

TEST_CASE("least squares: what is not determined is told from rounding, of few rows and many") {
  Tape tape;
  const Values b = {tape.parameter(0.3), tape.parameter(0.1), tape.parameter(-0.2)};
  const Values x = tape.inputs("x", 3);
  const Program program = compile_residuals(x[2] - (b[0] * x[0] + b[1] * x[1] + b[2] * (0.7 * x[0] - 1.3 * x[1])));
  const Program both = compile_residuals(x[2] - (b[0] * x[0] + b[1] * x[0] + b[2] * x[1]));
  const auto check = [](const Program& of, std::size_t samples, std::size_t most) {
    const std::vector<double> rows = some_numbers(3 * samples, samples);
    Executor<double> executor(of, {.max_samples = most});
    const LeastSquaresResult result = least_squares(executor, DataView(rows));
    INFO(samples << " samples, " << most << " at a time: " << to_string(result.end));
    CHECK(result.rank == 2);
    CHECK(result.degrees_of_freedom == samples - 2);
    for (const double error : result.standard_errors) CHECK(std::isnan(error));
  };
  for (const std::size_t samples : {40, 1000, 20000}) {
    for (const std::size_t most : {1, 7, 1024}) check(program, samples, most), check(both, samples, most);
  }
}

TEST_CASE("least squares: from nearly nothing, and in any units, a fit ends at its minimum") {
  for (const double start : {0.0, 1e-12, 1e-20, 1e-100}) {
    for (const double unit : {1e-300, 1e-200, 1e-100, 1e-20, 1.0, 1e14, 1e100, 1e200, 1e300}) {
      Tape tape;
      const Value p = tape.parameter(start), q = tape.parameter(0.0);
      Executor<double> executor(compile_residuals({unit * (p - 3.0), unit * (p + q - 1.0), unit * (2.0 * q - 6.0)}));
      const LeastSquaresResult result = least_squares(executor);
      INFO("from " << start << ", unit " << unit << ": " << to_string(result.end));
      CHECK(converged(result.end));
      CHECK(executor.parameters()[0] == Approx(7.0 / 9.0).epsilon(1e-6));
      CHECK(executor.parameters()[1] == Approx(22.0 / 9.0).epsilon(1e-6));
      CHECK(result.rank == 2);
      CHECK(result.residual_standard_deviation / unit == Approx(10.0 / 3.0).epsilon(1e-6));
      CHECK(result.standard_errors[0] == Approx(10.0 / 3.0 * std::sqrt(5.0) / 3.0).epsilon(1e-6));
    }
  }
}

TEST_CASE("least squares: steps to where a residual is not finite or a guard fails are taken back") {
  Tape tape;
  const Value b = tape.parameter(0.01), x = tape.input(1.0, "x");
  // From 0.01 a full step leads to below 0.
  const std::vector<double> rows = {0.5, 1.0, 1.5, 2.0};
  Executor<double> executor(compile_residuals(log(b) - log(x)));
  const LeastSquaresResult result = least_squares(executor, DataView(rows));
  CHECK(converged(result.end));
  CHECK(executor.parameters()[0] == Approx(std::pow(1.5, 0.25)));

  Tape guarded;
  const Value c = guarded.parameter(20.0);
  const bool positive = c > 0.0;
  CHECK(positive);
  Executor<double> with_guard(compile_residuals({10.0 / c - 2.0, 0.1 * c}));  // a full step is to below 0
  CHECK(converged(least_squares(with_guard, {}).end));
  const double at = with_guard.parameters()[0];
  CHECK(at > 0.0);
  CHECK(-10.0 / (at * at) * (10.0 / at - 2.0) + 0.01 * at == Approx(0.0).margin(1e-7));
  with_guard.parameters()[0] = -1.0;
  CHECK_THROWS_AS(least_squares(with_guard, {}), GuardError);
}

TEST_CASE("least squares: stops for what it was told, with the parameters of the best iteration") {
  const NistModel& model = nist::models()[0];
  const NistData data = nist::read(TAPELOOM_SOURCE_DIR "/tests/nist/Misra1a.dat");
  Tape tape;
  const Values b = {tape.parameter(500.0), tape.parameter(0.0001)};
  const Value y = tape.input(0.0, "y");
  const Program program = compile_residuals(y - model.predict(b, tape.inputs("x", 1)));
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t most = 1; most < 12; ++most) {
    Executor<double> executor(program);
    const LeastSquaresResult result = least_squares(executor, DataView(data.rows), {.max_evaluations = most});
    CHECK(result.end == SolverEnd::evaluations);
    CHECK(result.sum_of_squares <= lowest);
    lowest = result.sum_of_squares;
    double sum = 0.0;
    for (std::size_t i = 0; i < data.rows.size(); i += 2) {
      const double at = executor.parameters()[0] * (1.0 - std::exp(-executor.parameters()[1] * data.rows[i + 1]));
      sum += (data.rows[i] - at) * (data.rows[i] - at);
    }
    CHECK(result.sum_of_squares == Approx(sum));
  }
  Executor<double> executor(program);
  const LeastSquaresResult moved_little =
      least_squares(executor, DataView(data.rows), {.decrease_tolerance = 0.0, .step_tolerance = 1e-3});
  CHECK(moved_little.end == SolverEnd::step);
  CHECK(to_string(moved_little.end) == "step");
  for (std::size_t i = 0; i < 2; ++i) CHECK(executor.parameters()[i] == Approx(data.parameters[i]).epsilon(0.01));
  executor.set_parameters(std::vector{500.0, 0.0001});
  CHECK(least_squares(executor, DataView(data.rows), {.max_iterations = 2}).end == SolverEnd::iterations);
  LeastSquaresOptions options;
  std::size_t reports = 0;
  options.on_iteration = [&](const SolverReport& report) { return report.iteration == ++reports && reports < 2; };
  CHECK(least_squares(executor, DataView(data.rows), options).end == SolverEnd::callback);
  CHECK(reports == 2);
}

TEST_CASE("least squares: what cannot be fitted is refused") {
  Linear model;
  std::vector<double> rows = some_numbers(4 * 2000, 4);
  Executor<double> executor(compile_residuals(model.residuals));
  const auto fit_rows = [&](std::size_t samples, const LeastSquaresOptions& options = {}) {
    return least_squares(executor, DataView(std::span<const double>(rows).first(4 * samples)), options);
  };
  CHECK_THROWS_SAYING(BindError, "2 residuals for 3 parameters", fit_rows(1));
  CHECK_THROWS_SAYING(BindError, "the program reads inputs", least_squares(executor));
  CHECK_THROWS_SAYING(BindError, "LeastSquaresOptions::first_step", fit_rows(9, {.first_step = 0.0}));
  CHECK_THROWS_SAYING(BindError, "LeastSquaresOptions::step_tolerance", fit_rows(9, {.step_tolerance = -1.0}));
  rows[4 * 1500 + 3] = std::nan("");
  CHECK_THROWS_SAYING(BindError, "residual 1 of sample 1500 is nan at the start", fit_rows(2000));
  Executor<double> other(compile_inference({model.residuals[0], model.b[0], model.b[1], model.b[2]}));
  CHECK_THROWS_SAYING(BindError, "a program of compile_residuals", least_squares(other, DataView(rows)));

  Tape tape;
  const Value b = tape.parameter(0.0, "slope"), x = tape.input(1.0, "x");
  CHECK_THROWS_SAYING(CompileError, "no residual", compile_residuals({Value(1.0)}));
  const std::vector<double> one = {2.0, 3.0};
  Executor<double> steep(compile_residuals(sqrt(b) - x));
  CHECK_THROWS_SAYING(BindError,
                      "the derivative of residual 0 of sample 0 by parameter 0, \"slope\", is inf at the start",
                      least_squares(steep, DataView(one)));
  const std::size_t nodes = tape.size();
  CHECK_THROWS_AS(compile_residuals(b * x - batch_mean(b * x)), RecordingError);
  CHECK_THROWS_AS(compile_residuals(x, {.outputs = {b}}), CompileError);
  CHECK(tape.size() >= nodes);
  tape.set_frozen(b);
  CHECK_THROWS_SAYING(CompileError, "no parameter", compile_residuals(b * x));
}
