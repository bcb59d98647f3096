// The functions that record derivatives: by what, what they refuse, what they leave on the tape, and that they agree.
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "derivatives.h"
#include "tapeloom/compiler/compile_products.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/print.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::nested;
using test::numbers;
using test::same_bits;

TEST_CASE("derivatives by leaves of any kind and by computed values") {
  Tape tape;
  const Value p = tape.parameter(2.0), in = tape.input(3.0, "in"), u = tape.uniform_input(5.0, "u"),
              c = tape.constant(7.0);
  tape.set_frozen(p);
  const Value inner = p * in, y = square(inner) * u + c;
  CHECK(numbers(gradient(y, {p, in, u, c, inner, y})) == std::vector<double>{180.0, 120.0, 36.0, 1.0, 60.0, 1.0});
  // Derivatives by a value computed from another one that is also asked for count both ways.
  CHECK(numbers(gradient(inner * p, {p, inner})) == std::vector<double>{12.0, 2.0});
  // The same one twice.
  const std::vector<Value> twice = gradient(y, {in, in});
  CHECK(numbers(twice) == std::vector<double>{120.0, 120.0});
  // Independent, plain, and newer than y.
  const Value other = tape.parameter(1.0);
  const std::vector<Value> none = gradient(y, {other});
  CHECK(none[0].data() == 0.0);
  CHECK(tape.op(none[0].id()) == Op::constant);
  CHECK(numbers(gradient(4.0, {p})) == std::vector<double>{0.0});
  CHECK(numbers(gradient(floor(p), {p})) == std::vector<double>{0.0});
  CHECK(gradient(y, std::span<const Value>()).empty());
  // They vary where what they are computed from does.
  CHECK(gradient(y, {in})[0].varying());
  CHECK_FALSE(gradient(in * p, {in})[0].varying());
  // They can be labelled, drawn and printed like others.
  const Value slope = gradient(y, {in})[0].set_label("slope");
  CHECK(draw_dot(slope).find("slope") != std::string::npos);
  CHECK(to_string(tape).find("slope") != std::string::npos);
}

TEST_CASE("what cannot be differentiated is refused, and leaves the tape as it was") {
  Tape tape, elsewhere;
  const Value p = tape.parameter(2.0), in = tape.input(3.0, "in"), stranger = elsewhere.parameter(1.0);
  const Tape::Mark mark = tape.mark();
  const Value dropped = p * in;
  tape.rewind(mark);
  const Value y = in * p, normalised = y / batch_mean(y), shared = square(batch_mean(square(y)));
  const std::string before = to_string(tape);
  CHECK_THROWS_SAYING(RecordingError, "another tape", gradient(y, {stranger}));
  CHECK_THROWS_SAYING(RecordingError, "another tape", gradient(y, {p, stranger}));
  CHECK_THROWS_SAYING(RecordingError, "another tape", gradient(stranger, {p}));
  CHECK_THROWS_SAYING(RecordingError, "plain number", gradient(y, {p, 1.0}));
  CHECK_THROWS_SAYING(StaleValueError, "dropped by a rewind", gradient(dropped, {p}));
  CHECK_THROWS_SAYING(StaleValueError, "dropped by a rewind", gradient(y, {dropped}));
  CHECK_THROWS_SAYING(RecordingError, "each pair of samples", gradient(normalised, {p}));
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", gradient(normalised, {in}));
  CHECK_THROWS_SAYING(RecordingError, "each pair of samples", hessian(shared, {in}));
  CHECK_THROWS_SAYING(RecordingError, "a direction of 1", derivative(y, {p, in}, {1.0}));
  CHECK_THROWS_SAYING(RecordingError, "another tape", derivative(y, p, stranger));
  CHECK_THROWS_SAYING(RecordingError, "nothing to differentiate by", laplacian(y, std::span<const Value>()));
  CHECK(to_string(tape) == before);
  CHECK(y.data() == 6.0);
}

TEST_CASE("only what lies between x and y is recorded, and depth costs no stack") {
  Tape tape;
  const Value x = tape.parameter(0.5);
  Value apart = tape.parameter(0.25);
  for (int i = 0; i < 100; ++i) apart = tanh(apart) * 1.01;
  const Value y = x * apart + apart;
  const std::size_t before = tape.size();
  CHECK(gradient(y, {x})[0].data() == apart.data());
  CHECK(tape.size() - before == 2);  // the constant 1, and the product with it
  const std::size_t forward = tape.size();
  CHECK(derivative(y, x).data() == apart.data());
  CHECK(tape.size() - forward == 2);

  constexpr std::size_t depth = 1'000'000;
  Value deep = x;
  for (std::size_t i = 0; i < depth; ++i) deep = deep * 1.0000001;
  const std::size_t deepest = tape.size();
  CHECK(close(gradient(deep, {x})[0].data(), std::pow(1.0000001, 1e6), 1e-9));
  CHECK(tape.size() - deepest == depth + 1);
}

TEST_CASE("jacobian, hessian, hessian_vector, laplacian and derivative agree with one another") {
  Tape tape;
  const std::vector<Value> x = {tape.parameter(0.75), tape.parameter(-0.5), tape.parameter(0.3)};
  const Value y = nested(x[0], x[1]) * nested(x[1], x[2]) + x[0] * x[2];
  const std::vector<Value> second = hessian(y, x);
  REQUIRE(second.size() == 9);
  double trace = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    trace += second[i * 3 + i].data();
    for (std::size_t j = 0; j < 3; ++j) CHECK(close(second[i * 3 + j].data(), second[j * 3 + i].data(), 1e-12));
  }
  CHECK(close(laplacian(y, x).data(), trace, 1e-13));
  const std::vector<Value> along = {0.5, tape.parameter(-2.0), 0.0};
  const std::vector<Value> product = hessian_vector(y, x, along);
  for (std::size_t i = 0; i < 3; ++i) {
    double expected = 0.0;
    for (std::size_t j = 0; j < 3; ++j) expected += second[i * 3 + j].data() * along[j].data();
    CHECK(close(product[i].data(), expected, 1e-12));
  }
  // The vector is taken as it is, also where it is computed from x.
  const std::vector<Value> first = gradient(y, x), by_first = hessian_vector(y, x, first);
  for (std::size_t i = 0; i < 3; ++i) {
    double expected = 0.0;
    for (std::size_t j = 0; j < 3; ++j) expected += second[i * 3 + j].data() * first[j].data();
    CHECK(close(by_first[i].data(), expected, 1e-12));
  }
  // A row for each y, whichever mode is taken.
  const std::vector<Value> many = {y, x[0], y * y, x[1] * x[2], exp(y)};
  const std::vector<Value> tall = jacobian(many, x), wide = jacobian(std::span(many).first(2), x);
  REQUIRE(tall.size() == 15);
  REQUIRE(wide.size() == 6);
  for (std::size_t i = 0; i < 5; ++i) {
    const std::vector<Value> row = gradient(many[i], x);
    double along_row = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(close(tall[i * 3 + j].data(), row[j].data(), 1e-12));
      if (i < 2) CHECK(close(wide[i * 3 + j].data(), row[j].data(), 1e-12));
      along_row += row[j].data() * along[j].data();
    }
    CHECK(close(derivative(many[i], x, along).data(), along_row, 1e-12));
  }
  const std::vector<Value> all_along = derivative(many, x, along);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(same_bits(all_along[i].data(), derivative(many[i], x, along).data()));
  }
}

TEST_CASE("lists of y, x and directions may stand in braces, each or together") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0);
  const std::vector<Value> x = {a, b}, y = {a * b, a * a};
  const std::vector<double> rows = {3.0, 2.0, 4.0, 0.0};  // of a b and a^2 by a and b
  CHECK(numbers(jacobian({y[0], y[1]}, {a, b})) == rows);
  CHECK(numbers(jacobian({y[0], y[1]}, x)) == rows);
  CHECK(numbers(jacobian(y, {a, b})) == rows);
  const std::vector<Value> direction = {1.0, 10.0};
  CHECK(derivative(y[0], {a, b}, direction).data() == 23.0);
  CHECK(derivative(y[0], x, {1.0, 10.0}).data() == 23.0);
  const std::vector<double> product = {10.0, 1.0};
  CHECK(numbers(hessian_vector(y[0], {a, b}, {1.0, 10.0})) == product);
  CHECK(numbers(hessian_vector(y[0], {a, b}, direction)) == product);
  CHECK(numbers(hessian_vector(y[0], x, {1.0, 10.0})) == product);

  const auto products = [](Program program) {
    Executor<double> executor(std::move(program));
    const std::vector<double> bound = {1.0, 10.0};
    executor.bind(bound);
    executor.step();
    return std::vector<double>(executor.outputs().begin(), executor.outputs().end());
  };
  const std::vector<double> by_rows = {43.0, 2.0}, by_columns = {23.0, 4.0};
  CHECK(products(compile_vector_jacobian({y[0], y[1]}, x)) == by_rows);
  CHECK(products(compile_vector_jacobian(y, {a, b})) == by_rows);
  CHECK(products(compile_jacobian_vector({y[0], y[1]}, x)) == by_columns);
  CHECK(products(compile_jacobian_vector(y, {a, b})) == by_columns);
}

TEST_CASE("a compaction keeps derivatives, and they can be differentiated after it") {
  Tape tape;
  const Value x = tape.parameter(0.75);
  Value y = tanh(x);
  for (int i = 0; i < 3; ++i) y = exp(where(y > 0.5, 1.0 / y, log(y)));
  const Value slope = gradient(y, {x})[0];
  const double before = slope.data(), second = gradient(slope, {x})[0].data();
  const NodeId roots[] = {slope.id(), x.id()};
  const Compaction moved = tape.compact(roots);
  const Value kept = tape.value(NodeId(std::size_t{moved.nodes[roots[0].index]}));
  const Value kept_x = tape.value(NodeId(std::size_t{moved.nodes[roots[1].index]}));
  CHECK(same_bits(kept.data(), before));
  CHECK(close(gradient(kept, {kept_x})[0].data(), second, 1e-13));
  recompute(tape);
  CHECK(same_bits(kept.data(), before));
}
