// Programs for products with a Jacobian, against Jacobians written out by hand.
#include "tapeloom/compiler/compile_products.h"

#include <array>
#include <cmath>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;

namespace {

/// Three results of two numbers, and of one that they are not differentiated by.
struct Results {
  Value a, b, factor;
  std::vector<Value> y = {a * b * factor, square(a), sin(b) * a, 7.0};
  std::vector<Value> x = {a, b};
};
/// dy_i/dx_j at i * 2 + j.
std::array<double, 8> jacobian_of(double a, double b, double factor) {
  return {b * factor, a * factor, 2.0 * a, 0.0, std::sin(b), std::cos(b) * a, 0.0, 0.0};
}

std::vector<double> drawn(std::size_t count) {
  std::vector<double> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = std::sin(1.7 * static_cast<double>(i) + 0.3);
  return numbers;
}

/// vector times Jacobian, of y.size() numbers, or Jacobian times vector.
std::array<double, 2> rows_added(const std::array<double, 8>& jacobian, const double* vector) {
  std::array<double, 2> sum = {};
  for (std::size_t i = 0; i < 4; ++i) sum[0] += vector[i] * jacobian[2 * i], sum[1] += vector[i] * jacobian[2 * i + 1];
  return sum;
}
std::array<double, 4> columns_added(const std::array<double, 8>& jacobian, const double* vector) {
  std::array<double, 4> sum = {};
  for (std::size_t i = 0; i < 4; ++i) sum[i] = vector[0] * jacobian[2 * i] + vector[1] * jacobian[2 * i + 1];
  return sum;
}

}  // namespace

TEST_CASE("jacobian products: of numbers that all rows share, a row of the Jacobian for each vector") {
  Tape tape;
  const Results of = {tape.uniform_input(0.0, "a"), tape.parameter(0.5), 3.0};
  const std::size_t recorded = tape.size();
  Executor<double> rows(compile_vector_jacobian(of.y, of.x));
  Executor<double> columns(compile_jacobian_vector(of.y, of.x));
  CHECK(tape.size() == recorded);
  CHECK(tape.input_groups().empty());
  for (const double a : {0.0, 1.25, -2.0}) {
    const std::array<double, 8> expected = jacobian_of(a, 0.5, 3.0);
    for (const std::size_t samples : {1u, 4u, 17u, 100u}) {
      INFO("a " << a << ", " << samples << " vectors");
      const std::vector<double> seeds = drawn(samples * 4), directions = drawn(samples * 2);
      rows.bind(seeds), columns.bind(directions);
      rows.set_uniform_input("a", a), columns.set_uniform_input("a", a);
      rows.step(), columns.step();
      for (std::size_t s = 0; s < samples; ++s) {
        const std::array<double, 2> row = rows_added(expected, &seeds[4 * s]);
        const std::array<double, 4> column = columns_added(expected, &directions[2 * s]);
        for (std::size_t j = 0; j < 2; ++j) CHECK(close(rows.outputs()[2 * s + j], row[j], 1e-14));
        for (std::size_t i = 0; i < 4; ++i) CHECK(close(columns.outputs()[4 * s + i], column[i], 1e-14));
      }
    }
  }
}

TEST_CASE("jacobian products: of samples, the Jacobian of each, and what else is asked for") {
  Tape tape;
  const std::vector<Value> inputs = tape.inputs("sample", 2);
  const Results of = {inputs[0], tape.parameter(0.5), inputs[1]};
  Executor<double> rows(compile_vector_jacobian(of.y, of.x, {.outputs = {of.y[1], of.a}}));
  Executor<double> columns(compile_jacobian_vector(of.y, of.x, {.outputs = {of.y[0]}}));
  CHECK(tape.input_groups().size() == 1);
  for (const std::size_t samples : {1u, 3u, 33u}) {
    INFO(samples << " samples");
    const std::vector<double> by_row = drawn(samples * 6), by_column = drawn(samples * 4);
    rows.bind(by_row), columns.bind(by_column);
    rows.step(), columns.step();
    for (std::size_t s = 0; s < samples; ++s) {
      const double *at = &by_row[6 * s], *too = &by_column[4 * s];
      const std::array<double, 2> row = rows_added(jacobian_of(at[0], 0.5, at[1]), at + 2);
      const std::array<double, 4> column = columns_added(jacobian_of(too[0], 0.5, too[1]), too + 2);
      for (std::size_t j = 0; j < 2; ++j) CHECK(close(rows.outputs()[4 * s + j], row[j], 1e-14));
      CHECK(close(rows.outputs()[4 * s + 2], at[0] * at[0], 1e-15));
      CHECK(rows.outputs()[4 * s + 3] == at[0]);
      for (std::size_t i = 0; i < 4; ++i) CHECK(close(columns.outputs()[5 * s + i], column[i], 1e-14));
      CHECK(close(columns.outputs()[5 * s + 4], too[0] * 0.5 * too[1], 1e-15));
    }
  }
}

TEST_CASE("jacobian products: rows have a place for vectors that do not matter") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0);
  Executor<double> rows(compile_vector_jacobian({b * b, 4.0 * b}, {a}));
  Executor<double> columns(compile_jacobian_vector({b * b, 4.0 * b}, {a, b}));
  const std::vector<double> vectors = {1.0, 0.0, 0.0, 1.0};
  rows.bind(vectors), columns.bind(vectors);
  rows.step(), columns.step();
  CHECK(rows.outputs()[0] == 0.0);
  CHECK(rows.outputs()[1] == 0.0);
  const std::vector<double> expected = {0.0, 0.0, 6.0, 4.0};
  CHECK(std::vector<double>(columns.outputs().begin(), columns.outputs().end()) == expected);
}

TEST_CASE("jacobian products: no reduction over the samples mixes the vectors of rows") {
  Tape tape;
  const Value a = tape.parameter(2.0), x = tape.input(0.0, "x"), mean = batch_mean(square(a * x));
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", compile_vector_jacobian({a, mean}, {a}));
  const Value chosen = where(tape.training(), mean, a * 5.0);
  const std::size_t recorded = tape.size();
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", compile_jacobian_vector({a, mean}, {a}));
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", compile_jacobian_vector({a * x - mean}, {x, a}));
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", compile_jacobian_vector({chosen}, {a}, {.training = true}));
  CHECK(tape.size() == recorded + 2);  // a * x - mean
  // By inputs, all samples move at once; and a y may be computed from a mean that x is no part of.
  Executor<double> executor(compile_jacobian_vector({mean}, {x}));
  const std::vector<double> rows = {1.0, 0.5, 3.0, -0.25};  // x and its direction
  executor.bind(rows);
  executor.step();
  CHECK(close(executor.outputs()[0], (8.0 * 1.0 * 0.5 + 8.0 * 3.0 * -0.25) / 2.0, 1e-15));
  const Value b = tape.parameter(3.0);
  Executor<double> scaled(compile_jacobian_vector({b * mean}, {b}));
  scaled.bind(rows);
  scaled.step();
  CHECK(close(scaled.outputs()[1], 4.0 * (1.0 + 9.0) / 2.0 * -0.25, 1e-15));
  Executor<double> trained(compile_jacobian_vector({chosen}, {a}));
  const std::vector<double> directions = {0.5, -0.25};
  trained.bind("direction", directions);
  trained.step();
  CHECK(trained.outputs()[0] == 2.5);
  CHECK(trained.outputs()[1] == -1.25);
}

TEST_CASE("jacobian products: refusals leave the tape as it was") {
  Tape tape, other;
  const Value a = tape.parameter(2.0), x = tape.input(0.0, "seeds");
  const std::vector<Value> none;
  const std::size_t recorded = tape.size();
  CHECK_THROWS_SAYING(CompileError, "no y", compile_vector_jacobian(none, std::vector<Value>{a}));
  CHECK_THROWS_SAYING(CompileError, "no x", compile_jacobian_vector(std::vector<Value>{a}, none));
  CHECK_THROWS_SAYING(RecordingError, "numbers", compile_jacobian_vector({a}, {Value(1.0)}));
  CHECK_THROWS_SAYING(RecordingError, "seeds", compile_vector_jacobian({a * x}, {a}));
  CHECK_THROWS_AS(compile_jacobian_vector({a}, {other.parameter(1.0)}), RecordingError);
  CHECK_THROWS_AS(compile_jacobian_vector({a}, {a}, {.input_gradients = true}), CompileError);
  CHECK_THROWS_AS(compile_jacobian_vector({a}, {a}, {.outputs = {other.parameter(1.0)}}), RecordingError);
  CHECK(tape.size() == recorded + 1);  // a * x
  CHECK(tape.input_groups().size() == 1);
}
