// Recording: what a Tape holds after Values were used, and what it refuses.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <tuple>  // std::apply
#include <vector>

#include "catch.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

using namespace tapeloom;

namespace {

/// The op and operand numbers of a node, as text.
std::string node_text(const Tape& tape, NodeId node) {
  std::string text = op_name(tape.op(node));
  for (NodeId operand : tape.operands(node)) text += " " + std::to_string(operand.index);
  return text;
}

std::string node_text(Value value) { return node_text(*value.tape(), value.id()); }

}  // namespace

TEST_CASE("an op is applied to lists of all kinds, and is not mistaken for std::apply") {
  Tape tape;
  std::vector<Value> list = {tape.parameter(6.0), tape.parameter(4.0)};
  const std::vector<Value> constant = list;
  const std::array<Value, 2> array = {list[0], list[1]};
  const Value plain[] = {list[0], list[1]};
  Op op = Op::sub;
  for (const Value& difference :
       {apply(op, list), apply(Op::sub, constant), apply(op, std::vector<Value>(list)), apply(op, array),
        apply(op, plain), apply(op, std::span(list)), apply(Op::sub, std::span<const Value>(list)),
        apply(op, {list[0], list[1]}), apply(op, {list[0], 4.0})}) {
    CHECK(tape.op(difference.id()) == Op::sub);
    CHECK(difference.data() == 2.0);
  }
  CHECK(apply(Op::neg, {list[0]}).data() == -6.0);
  CHECK_THROWS_SAYING(RecordingError, "neg takes 1 operands, not 2", apply(Op::neg, list));
  CHECK_THROWS_SAYING(RecordingError, "not recorded", apply(Op::parameter, std::vector<Value>()));
  CHECK(apply([](double a, double b) { return a - b; }, std::tuple(5.0, 2.0)) == 3.0);
}

TEST_CASE("operators record their op, operands and eager number") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(-3.0), c = tape.parameter(10.0), f = tape.parameter(-2.0);
  const Value e = a * b, d = e + c, L = d * f;
  CHECK(tape.size() == 7);
  CHECK(node_text(a) == "parameter");
  CHECK(node_text(e) == "mul 0 1");
  CHECK(node_text(d) == "add 4 2");
  CHECK(node_text(L) == "mul 5 3");
  CHECK(e.data() == -6.0);
  CHECK(d.data() == 4.0);
  CHECK(L.data() == -8.0);
  CHECK(node_text(a - b) == "sub 0 1");
  CHECK(node_text(a / b) == "div 0 1");
  CHECK(node_text(-a) == "neg 0");
  const Value squared = a.pow(2.0);  // the exponent is recorded just before it
  CHECK(node_text(squared) == "pow 0 " + std::to_string(squared.id().index - 1));
  CHECK(node_text(where(a, b, c)) == "where 0 1 2");
  CHECK((a - b).data() == 5.0);
  CHECK((a / b).data() == 2.0 / -3.0);
  CHECK((+a).id() == a.id());
}

TEST_CASE("plain numbers join the tape they meet, on either side") {
  Tape tape;
  const Value x = tape.parameter(3.0);
  const Value doubled = 2 * x;
  CHECK(node_text(doubled) == "mul 1 0");
  CHECK(tape.op(NodeId(1)) == Op::constant);
  CHECK(tape.data(NodeId(1)) == 2.0);
  CHECK(doubled.data() == 6.0);
  CHECK((x * 2).data() == 6.0);
  CHECK((1 - x).data() == -2.0);
  CHECK((x - 1).data() == 2.0);
  CHECK((1.0 / x).data() == 1.0 / 3.0);
  CHECK((x / 2.0f).data() == 1.5);
  CHECK((x + 1u).data() == 4.0);
  CHECK(max(0.0, x).data() == 3.0);
  CHECK(pow(2.0, x).data() == 8.0);
  CHECK((2.0 < x).data() == 1.0);
  CHECK(where(x > 0.0, 1.0, -1.0).data() == 1.0);
}

TEST_CASE("plain numbers among themselves need no tape") {
  const Value a = 2.0, b = 3.0;
  const Value c = a * b + 1;
  CHECK(c.is_plain());
  CHECK(c.data() == 7.0);
  CHECK(c.tape() == nullptr);
  CHECK_FALSE(c.varying());
  CHECK(exp(Value(0.0)).data() == 1.0);
  CHECK(where(a < b, a, b).data() == 2.0);
  CHECK(static_cast<bool>(a < b));
  CHECK_FALSE(static_cast<bool>(a >= b));
  CHECK(Value().data() == 0.0);
  CHECK(c.label().empty());
  CHECK_THROWS_SAYING(RecordingError, "plain number 7", c.id());
  CHECK_THROWS_AS(c.set_label("c"), RecordingError);
  CHECK_THROWS_AS(c.backward(), RecordingError);
  CHECK_THROWS_AS(c.grad(), RecordingError);
  CHECK_THROWS_AS(c.set_grad(1.0), RecordingError);
  CHECK_THROWS_AS(c.set_data(1.0), RecordingError);
}

TEST_CASE("compound assignment rebinds the handle and leaves the node alone") {
  Tape tape;
  const Value x = tape.parameter(3.0);
  Value y = x;
  y += 1.0;
  CHECK(y.data() == 4.0);
  CHECK(x.data() == 3.0);
  y -= x;
  CHECK(y.data() == 1.0);
  y *= 6.0;
  CHECK(y.data() == 6.0);
  y /= x;
  CHECK(y.data() == 2.0);
  CHECK(node_text(y) == "div " + std::to_string(y.id().index - 1) + " 0");
  Value total;  // starts as the plain number 0
  total += x;
  CHECK(total.tape() == &tape);
  CHECK(total.data() == 3.0);
}

TEST_CASE("sums, means and products of lists go from the first to the last") {
  Tape tape;
  const std::vector<Value> v = tape.inputs("v", std::vector<double>{1.0, 1e100, -1e100});
  CHECK(sum(v).data() == (1.0 + 1e100) - 1e100);
  CHECK(mean(v).data() == 0.0);
  const std::vector<double> w{3.0, 1.0, 1.0};
  CHECK(dot(w, v).data() == (3.0 * 1.0 + 1e100) - 1e100);
  CHECK(dot(v, v).data() == 2e200);
  CHECK(sum(std::vector<Value>{}).data() == 0.0);
  CHECK_THROWS_AS(mean(std::vector<Value>{}), RecordingError);
  CHECK_THROWS_SAYING(RecordingError, "3 and 2", dot(v, std::span(v).first(2)));
}

TEST_CASE("dot makes room for all its nodes at once, after rewinds too, and refuses stale Values") {
  Tape tape;
  std::vector<Value> w;
  for (int i = 0; i < 3000; ++i) w.push_back(tape.parameter(1.0 / (i + 1)));
  const Tape::Mark mark = tape.mark();
  const Value stale = w[0] * w[1];
  tape.rewind(mark);
  const Value product = dot(w, w);
  CHECK(tape.size() == 3000 + 2 * 3000 - 1);
  CHECK(tape.capacity() < 2 * tape.size() - 3000);  // one by one they double it, from 4096 to 16384
  double expected = 1.0;
  for (int i = 1; i < 3000; ++i) expected += 1.0 / (i + 1) * (1.0 / (i + 1));
  CHECK(product.data() == expected);

  tape.rewind(mark);
  std::vector<Value> with_stale = w;
  with_stale.back() = stale;
  CHECK_THROWS_AS(dot(w, with_stale), StaleValueError);
  CHECK_THROWS_AS(dot(with_stale, w), StaleValueError);
  CHECK_THROWS_AS(dot(w, w, stale), StaleValueError);
}

TEST_CASE("what varies from sample to sample is marked") {
  Tape tape;
  const Value p = tape.parameter(1.0), u = tape.uniform_input(2.0, "u"), x = tape.input(3.0), c = tape.constant(4.0);
  CHECK_FALSE(p.varying());
  CHECK_FALSE(u.varying());
  CHECK(x.varying());
  CHECK_FALSE(c.varying());
  CHECK_FALSE((p * u + c).varying());
  CHECK((p * x).varying());
  CHECK((x * p).varying());
  CHECK(exp(x).varying());
  CHECK(where(p, x, c).varying());
  CHECK(where(p, c, x).varying());
  CHECK(where(x, p, c).varying());
  CHECK_FALSE(where(u, p, c).varying());
  CHECK((x < p).varying());
  CHECK_FALSE(batch_mean(x).varying());
  CHECK((batch_sum(x) * x).varying());
  CHECK(tape.op((p * x).id()) == Op::mul);
}

TEST_CASE("reductions take what varies, eagerly a batch of one") {
  Tape tape;
  const Value x = tape.input(3.0, "x"), w = tape.parameter(2.0, "w");
  CHECK(batch_mean(x * w).data() == 6.0);
  CHECK(batch_sum(x).data() == 3.0);
  CHECK_THROWS_SAYING(RecordingError, "\"w\"", batch_sum(w));
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", batch_mean(batch_mean(x)));
  CHECK_THROWS_SAYING(RecordingError, "plain number", batch_mean(1.0));
}

TEST_CASE("labels and descriptions") {
  Tape tape;
  const Value a = tape.parameter(1.0, "a"), b = tape.parameter(2.0);
  const Value c = (a * b).set_label("c");
  CHECK(a.label() == "a");
  CHECK(b.label().empty());
  CHECK(c.label() == "c");
  CHECK(tape.describe(c.id()) == "\"c\", mul (node 2)");
  CHECK(tape.describe(b.id()) == "parameter (node 1)");
  c.set_label("product");
  CHECK(c.label() == "product");
  c.set_label("");
  CHECK(c.label().empty());
  CHECK(tape.constant(1.0, "one").label() == "one");
}

TEST_CASE("input groups name their inputs") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value t = tape.input(0.5, "t");
  const Value nameless = tape.input(1.5);
  const Value temperature = tape.uniform_input(2.0, "temperature"), nameless_uniform = tape.uniform_input(1.0);
  REQUIRE(x.size() == 3);
  CHECK(x[1].label() == "x[1]");
  CHECK(t.label() == "t");
  CHECK(nameless.label() == "input4");
  CHECK(temperature.label() == "temperature");
  CHECK(nameless_uniform.label() == "uniform_input1");
  CHECK(tape.describe(x[2].id()) == "\"x[2]\", input (node 2)");
  x[2].set_label("x2");
  CHECK(x[2].label() == "x2");
  CHECK(x[1].data() == 0.0);
  CHECK(t.data() == 0.5);

  REQUIRE(tape.input_groups().size() == 3);
  CHECK(tape.input_groups()[0].name == "x");
  CHECK(tape.input_groups()[0].count == 3);
  CHECK(tape.input_groups()[1].first == InputId(3));
  CHECK(tape.input_groups()[2].name == "input4");
  CHECK(tape.input_nodes().size() == 5);
  CHECK(tape.input_nodes()[3] == t.id());
  CHECK(tape.leaf_index(t.id()) == 3);
  CHECK(tape.uniform_inputs()[0].name == "temperature");
}

TEST_CASE("two inputs of one name are refused, whatever their kind") {
  Tape tape;
  tape.inputs("x", 2);
  tape.uniform_input(1.0, "scale");
  const std::size_t nodes = tape.size();
  CHECK_THROWS_SAYING(RecordingError, "\"x\"", tape.input(0.0, "x"));
  CHECK_THROWS_AS(tape.inputs("x", 1), RecordingError);
  CHECK_THROWS_AS(tape.inputs("scale", 1), RecordingError);
  CHECK_THROWS_AS(tape.uniform_input(0.0, "x"), RecordingError);
  CHECK_THROWS_AS(tape.inputs("", 1), RecordingError);
  CHECK_THROWS_SAYING(RecordingError, "\"none\"", tape.inputs("none", 0));
  CHECK(tape.size() == nodes);
  CHECK_NOTHROW(tape.parameter(0.0, "x"));  // parameters are not bound by name
}

TEST_CASE("Values of two tapes do not mix") {
  Tape one, two;
  const Value a = one.parameter(1.0, "a"), b = two.parameter(2.0, "b");
  CHECK_THROWS_SAYING(RecordingError, "\"b\"", a + b);
  CHECK_THROWS_AS(b * a, RecordingError);
  CHECK_THROWS_AS(a < b, RecordingError);
  CHECK_THROWS_AS(max(a, b), RecordingError);
  CHECK_THROWS_AS(where(a, a, b), RecordingError);
  CHECK(one.size() == 1);
  CHECK_THROWS_AS(where(1.0, a, b), RecordingError);
  CHECK_THROWS_AS(a.on(two), RecordingError);
  CHECK_THROWS_AS(evaluate(a, {}, std::vector<Value>{b}), RecordingError);
  CHECK_THROWS_AS(two.set_frozen(a), RecordingError);
}

TEST_CASE("comparisons are values; in an if they are guards") {
  Tape tape;
  const Value x = tape.input(2.0, "x"), w = tape.parameter(3.0, "w");
  const Condition smaller = x < w;
  CHECK(smaller.data() == 1.0);
  CHECK((x >= w).data() == 0.0);
  CHECK((x == 2.0).data() == 1.0);
  CHECK((x != 2.0).data() == 0.0);
  CHECK((x <= 2.0).data() == 1.0);
  CHECK((x > 2.0).data() == 0.0);
  CHECK(tape.guards().empty());

  Value y;
  if (smaller) y = x * w;
  REQUIRE(tape.guards().size() == 1);
  CHECK(tape.guards()[0].condition == smaller.id());
  CHECK(tape.guards()[0].expected);
  CHECK(tape.describe_guard(0) ==
        "guard 0: less (node 2) of \"x\", input (node 0) and \"w\", parameter (node 1), recorded as true");
  if (!(w < x)) y += 1.0;
  REQUIRE(tape.guards().size() == 2);
  CHECK(tape.op(tape.guards()[1].condition) == Op::equal);
  CHECK(tape.guards()[1].expected);
  if (w < x) y += 1.0;
  REQUIRE(tape.guards().size() == 3);
  CHECK_FALSE(tape.guards()[2].expected);
  CHECK(contains(tape.describe_guard(2), "recorded as false"));
}

TEST_CASE("generic code and the standard library take Values as they take numbers") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(-3.0);
  const auto norm = [](auto x, auto y) {
    using std::abs, std::max, std::sqrt;
    return sqrt(x * x + y * y) + max(abs(x), abs(y));
  };
  CHECK(norm(a, b).data() == norm(2.0, -3.0));
  CHECK(tape.guards().empty());  // max is the op, not std::max
  std::vector<Value> values = {a, b};
  CHECK(std::accumulate(values.begin(), values.end(), Value()).data() == -1.0);
  CHECK(std::inner_product(values.begin(), values.end(), values.begin(), Value()).data() == 13.0);
  CHECK(std::max(a, b).id() == a.id());
  CHECK(tape.guards().size() == 1);
  std::sort(values.begin(), values.end());
  CHECK(values[0].id() == b.id());
  CHECK(tape.guards().size() > 1);
}

TEST_CASE("conditions combine without guards") {
  Tape tape;
  for (double a : {0.0, 1.0}) {
    for (double b : {0.0, 1.0}) {
      const Condition p = tape.parameter(a) != 0.0, q = tape.parameter(b) != 0.0;
      CHECK((p & q).data() == (a != 0.0 && b != 0.0 ? 1.0 : 0.0));
      CHECK((p | q).data() == (a != 0.0 || b != 0.0 ? 1.0 : 0.0));
      CHECK((!p).data() == (a == 0.0 ? 1.0 : 0.0));
    }
  }
  CHECK(tape.guards().empty());
  const Value x = tape.parameter(0.5);
  CHECK(where((x > 0.0) & (x < 1.0), 1.0, 2.0).data() == 1.0);
}

TEST_CASE("a leaf's number can be set and what depends on it recomputed") {
  Tape tape;
  const Value a = tape.parameter(2.0), x = tape.input(3.0), y = a * x + 1.0, z = batch_mean(where(y > 10.0, y, -y));
  CHECK(z.data() == -7.0);
  a.set_data(5.0);
  CHECK(a.data() == 5.0);
  CHECK(y.data() == 7.0);
  recompute(tape);
  CHECK(y.data() == 16.0);
  CHECK(z.data() == 16.0);
  CHECK_THROWS_SAYING(RecordingError, "only a leaf", y.set_data(1.0));
  CHECK_THROWS_AS(z.set_data(1.0), RecordingError);
  CHECK(y.data() == 16.0);
}

TEST_CASE("only parameters can be frozen") {
  Tape tape;
  const Value w = tape.parameter(1.0), x = tape.input(1.0, "x");
  tape.set_frozen(w);
  CHECK(tape.parameters()[0].frozen);
  tape.set_frozen(w, false);
  CHECK_FALSE(tape.parameters()[0].frozen);
  CHECK_THROWS_SAYING(RecordingError, "\"x\"", tape.set_frozen(x));
  CHECK_THROWS_AS(tape.set_frozen(w * x), RecordingError);
  const std::size_t before = tape.size();
  CHECK_THROWS_SAYING(RecordingError, "a plain number", tape.set_frozen(2.0));
  CHECK(tape.size() == before);
}

TEST_CASE("values keep their numbers while the tape grows") {
  Tape tape;
  Value x = tape.parameter(0.0);
  const Value first = x;
  for (int i = 0; i < 100000; ++i) x += 1.0;
  CHECK(x.data() == 100000.0);
  CHECK(first.data() == 0.0);
  CHECK(tape.size() == 200001);
  x.backward();
  CHECK(first.grad() == 1.0);
}

TEST_CASE("tape: more nodes than ids have bits for are refused before anything is allocated") {
  Tape tape;
  CHECK_THROWS_SAYING(RecordingError, "the tape is full", tape.reserve((std::size_t{1} << 31) + 1));
  CHECK((tape.parameter(2.0) * 3.0).data() == 6.0);
}

TEST_CASE("tape: a recording's number is never another one's, however often parameters are set") {
  Tape first;
  const Value p = first.parameter(1.0);
  const std::uint64_t before = first.recording();
  first.set_data(first.constant(1.0).id(), 2.0);
  CHECK(first.recording() == before);
  // More often than the numbers that a tape takes at a time, while others take theirs.
  std::uint64_t last = before;
  for (int i = 0; i < (1 << 21) + 7; ++i) {
    p.set_data(i);
    if (first.recording() <= last) FAIL("after setting it " << i << " times");
    last = first.recording();
  }
  Tape second;
  const Value q = second.parameter(1.0);
  CHECK(second.recording() > last);
  std::uint64_t of_second = second.recording();
  for (int i = 0; i < (1 << 20); ++i) {
    p.set_data(i);
    q.set_data(i);
    if (first.recording() == second.recording() || second.recording() <= of_second) FAIL("after " << i << " more");
    of_second = second.recording();
  }
}
