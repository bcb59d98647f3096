// Tape::compact: what is alive stays as it is, the rest goes; and micrograd's own way to sweep.
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;

namespace {

NodeId at(const Compaction& to, NodeId node) {
  REQUIRE(to.nodes[node.index] != Compaction::dropped);
  return NodeId(std::size_t{to.nodes[node.index]});
}

}  // namespace

TEST_CASE("compact: what roots are computed from slides down with its facts, the rest is gone") {
  Tape tape;
  const Value unused = tape.parameter(1.0, "unused");
  const Value w = tape.parameter(2.0, "w");
  tape.inputs("old", 3);
  const std::vector<Value> x = tape.inputs("x", std::vector{0.5, 1.5});
  const Value gone = tape.uniform_input(4.0, "gone"), u = tape.uniform_input(5.0, "u");
  tape.set_frozen(tape.parameter(3.0, "v"));
  const Value v = tape.value(tape.parameters()[2].node);
  const Value dead = (unused * gone).set_label("dead");
  const Value y = where(x[1] > u, w * v, w - 7.0).set_label("y");
  (dead * 2.0).backward();
  y.backward();
  const double y_data = y.data(), w_grad = w.grad();
  const NodeId y_node = y.id(), w_node = w.id();
  const Tape::Mark mark = tape.mark();

  const Compaction to = tape.compact(std::vector{y_node});
  CHECK(to.nodes[0] == Compaction::dropped);
  CHECK_THROWS_AS(y.data(), StaleValueError);
  CHECK_THROWS_AS(tape.first_guard(mark), RecordingError);
  CHECK(tape.size() == 10);
  CHECK(tape.parameters().size() == 2);
  CHECK(tape.parameters()[1].frozen);
  CHECK(tape.label(tape.parameters()[1].node) == "v");
  REQUIRE(tape.input_groups().size() == 1);
  CHECK(tape.input_groups()[0].name == "x");
  CHECK(tape.input_groups()[0].first == InputId(0));
  CHECK(tape.input_nodes().size() == 2);
  CHECK(tape.label(tape.input_nodes()[1]) == "x[1]");
  CHECK(tape.uniform_inputs().size() == 1);
  CHECK(tape.label(tape.uniform_inputs()[0].node) == "u");
  const Value y2 = tape.value(at(to, y_node)), w2 = tape.value(at(to, w_node));
  CHECK(y2.data() == y_data);
  CHECK(y2.label() == "y");
  CHECK(w2.grad() == w_grad);
  CHECK(w2.label() == "w");
  // -5 = 2 - 7, since 1.5 is not more than 5; with 6 and 2 * 3 it is the product.
  CHECK(y_data == -5.0);
  const Evaluation other = evaluate(y2, {.rows = std::vector{0.0, 6.0}});
  CHECK(other.root == std::vector{6.0});
  CHECK(other.gradients == std::vector{3.0, 0.0});
  // Names are free again, and those of what is there are not.
  CHECK_NOTHROW(tape.inputs("old", 1));
  CHECK_THROWS_AS(tape.inputs("x", 1), RecordingError);
}

TEST_CASE("compact: random recordings mean what they did") {
  std::mt19937 random(17);
  for (int round = 0; round < 200; ++round) {
    Tape tape;
    std::vector<NodeId> nodes;
    std::vector<NodeId> parameters;
    for (int i = 0; i < 6; ++i) {
      parameters.push_back(tape.parameter(0.25 * (i + 1)).id());
      nodes.push_back(parameters.back());
    }
    for (const Value& x : tape.inputs("x", 4)) nodes.push_back(x.id());
    NodeId x0 = nodes[6];
    std::vector<NodeId> roots;
    for (int step = 0; step < 5; ++step) {
      const auto pick = [&] { return tape.value(nodes[random() % nodes.size()]); };
      for (int i = 0; i < 30; ++i) {
        const Value a = pick(), b = pick(), c = pick();
        switch (random() % 6) {
          case 0:
            nodes.push_back((a + b).id());
            break;
          case 1:
            nodes.push_back((a * 0.5 - b).id());
            break;
          case 2:
            nodes.push_back(where(a < b, b, c).id());
            break;
          case 3:
            nodes.push_back(tanh(a * b).id());
            break;
          case 4:
            nodes.push_back(max(a, sin(c)).id());
            break;
          case 5:
            nodes.push_back(tape.parameter(0.125).id());
            break;
        }
      }
      const std::vector<double> rows = {0.5, -1.0, 2.0, 0.25, 1.5, 0.75, -0.5, 1.0};
      const NodeId root = nodes.back();
      const Evaluation before = evaluate(tape.value(root), {.rows = rows, .samples = 2});
      std::vector<double> gradients;  // of parameters that stay
      roots = {nodes[random() % nodes.size()], root, x0, parameters[0]};
      std::vector<double> data;
      for (const NodeId node : roots) data.push_back(tape.data(node));
      tape.zero_grad();
      std::vector<double> sums(tape.size(), 0.0);
      std::vector<std::string> labels(tape.size());
      for (std::size_t i = 0; i < tape.size(); ++i) {
        if (random() % 3 == 0) tape.set_grad(NodeId(i), sums[i] = static_cast<double>(i + 1));
        if (random() % 8 == 0) tape.set_label(NodeId(i), "n" + std::to_string(step) + "_" + std::to_string(i));
        labels[i] = tape.label(NodeId(i));
      }
      const std::vector<ParameterRecord> old(tape.parameters().begin(), tape.parameters().end());
      const Compaction to = tape.compact(roots);
      for (std::size_t i = 0; i < old.size(); ++i) {
        if (to.nodes[old[i].node.index] != Compaction::dropped)
          gradients.push_back(before.gradients[i]);
        else
          REQUIRE(before.gradients[i] == 0.0);
      }
      for (std::size_t i = 0; i < roots.size(); ++i) REQUIRE(tape.data(at(to, roots[i])) == data[i]);
      for (std::size_t i = 0; i < sums.size(); ++i) {
        if (to.nodes[i] == Compaction::dropped) continue;
        const NodeId node = at(to, NodeId(i));
        REQUIRE(tape.grad(node) == sums[i]);
        REQUIRE(tape.label(node) == labels[i]);
      }
      const Evaluation after = evaluate(tape.value(at(to, root)), {.rows = rows, .samples = 2});
      REQUIRE(after.root == before.root);
      REQUIRE(after.gradients == gradients);
      REQUIRE(after.input_gradients == before.input_gradients);
      std::vector<NodeId> kept;
      for (const NodeId node : nodes) {
        if (to.nodes[node.index] != Compaction::dropped) kept.push_back(at(to, node));
      }
      nodes = kept;
      parameters[0] = at(to, parameters[0]);
      x0 = at(to, x0);
    }
  }
}

TEST_CASE("compact: guards stay as long as their leaves are alive, equal ones once") {
  Tape tape;
  std::vector<NodeId> alive = {tape.parameter(1.0, "p").id(), tape.parameter(2.0, "q").id()};
  for (int step = 0; step < 100; ++step) {
    const Value p = tape.value(alive[0]), q = tape.value(alive[1]);
    const Value least = p * p < q ? p : q;
    (least * 3.0).backward();
    const Compaction to = tape.compact(alive);
    for (NodeId& node : alive) node = at(to, node);
    REQUIRE(tape.size() == 4);
    REQUIRE(tape.guards().size() == 1);
  }
  CHECK(tape.lost_guards() == 0);
  const Value p = tape.value(alive[0]);
  CHECK(evaluate(p * 3.0, {}).root == std::vector{3.0});
  CHECK_THROWS_AS(evaluate(p * 3.0, {.rows = {}, .parameters = std::vector{2.0, 2.0}}), GuardError);
  Executor<double> executor(compile(p * 3.0));
  CHECK(executor.step() == 3.0);
  executor.parameters()[0] = 2.0;
  CHECK_THROWS_SAYING(GuardError, "less", executor.step());
}

TEST_CASE("compact: what may depend on a guard that was lost is refused, but for marks taken since") {
  Tape tape;
  NodeId p = tape.parameter(1.0, "p").id();
  Tape::Mark before = {};
  {
    before = tape.mark();
    const Value data = tape.constant(5.0);
    if (tape.value(p) < data) tape.value(p).backward();
  }
  p = at(tape.compact(std::vector{p}), p);
  CHECK(tape.guards().empty());
  CHECK(tape.lost_guards() == 1);
  CHECK_THROWS_AS(tape.first_guard(before), RecordingError);
  const Value y = tape.value(p) * 2.0;
  CHECK_THROWS_SAYING(RecordingError, "1 branches were decided", compile(y));
  CHECK_THROWS_SAYING(RecordingError, "1 branches were decided", evaluate(y, {}));
  CHECK_THROWS_SAYING(RecordingError, "1 branches were decided", recompute(tape));
  const Tape::Mark mark = tape.mark();
  CHECK_NOTHROW(compile(y, {.branches_from = mark}));
  CHECK(evaluate(y, {.rows = {}, .branches_from = mark}).root == std::vector{2.0});
}

TEST_CASE("compact: a mark of the empty tape does not hide a guard that was lost") {
  Tape tape;
  const Tape::Mark start = tape.mark();
  const Value a = tape.constant(1.0), p = tape.parameter(2.0);
  if (a < p) tape.constant(3.0);
  const NodeId kept = p.id();
  const Compaction to = tape.compact(std::vector{kept});
  CHECK(tape.lost_guards() == 1);
  CHECK_THROWS_AS(compile(tape.value(at(to, kept)) * 2.0, {.branches_from = start}), RecordingError);

  // Nor does it hide one from a mark that was taken when all was gone.
  tape.compact({});
  const Tape::Mark empty = tape.mark();
  const Value q = tape.parameter(2.0);
  const NodeId product = (q < exp(q) ? q * 5.0 : q).id();
  const Compaction again = tape.compact(std::vector{product});
  Executor<double> executor(compile(tape.value(at(again, product)), {.branches_from = empty}));
  CHECK(executor.step() == 10.0);
}

TEST_CASE("compact: a root that is not there is refused, and nothing is changed") {
  Tape tape;
  const Value p = tape.parameter(1.0);
  CHECK_THROWS_AS(tape.compact(std::vector{NodeId(std::size_t{5})}), StaleValueError);
  CHECK(p.data() == 1.0);
  tape.compact({});
  CHECK(tape.size() == 0);
  CHECK(tape.parameters().empty());
}

TEST_CASE("micrograd's backward passes on what nodes already have") {
  Tape tape;
  const Value a = tape.constant(2.0), b = tape.constant(-3.0), one = tape.constant(1.0);
  const Value e = a * b, d = e + one, root = d * d;
  // d = -5: root' by d is -10, by e and one too, by a -10 * -3, by b -10 * 2.
  tape.micrograd_backward(root.id());
  CHECK(root.grad() == 1.0);
  CHECK(d.grad() == -10.0);
  CHECK(e.grad() == -10.0);
  CHECK(one.grad() == -10.0);
  CHECK(a.grad() == 30.0);
  CHECK(b.grad() == -20.0);
  // Again, without setting them to zero: d has -20, e -10 - 20, a 30 + 90, b -20 - 60.
  tape.micrograd_backward(root.id());
  CHECK(root.grad() == 1.0);
  CHECK(d.grad() == -20.0);
  CHECK(e.grad() == -30.0);
  CHECK(one.grad() == -30.0);
  CHECK(a.grad() == 120.0);
  CHECK(b.grad() == -80.0);
}

TEST_CASE("micrograd's backward passes on a gradient that comes to a node with zero") {
  Tape tape;
  const Value a = tape.constant(2.0), zero = tape.constant(0.0);
  const Value inner = a * 3.0, root = inner * zero;
  tape.set_grad(inner.id(), 7.0);  // the product adds 0 to it
  tape.micrograd_backward(root.id());
  CHECK(inner.grad() == 7.0);
  CHECK(a.grad() == 21.0);
  CHECK(zero.grad() == 6.0);
  const Value idle = tape.constant(1.0), behind = idle * zero;
  tape.micrograd_backward((behind * zero).id());
  CHECK(idle.grad() == 0.0);
  CHECK_FALSE(std::signbit(idle.grad()));
}

TEST_CASE("micrograd's backward by hand, with a number changed in between") {
  Tape tape;
  const Value x = tape.constant(2.0), w = tape.constant(-3.0);
  const Value xw = x * w, o = tanh(xw);
  tape.override_data(xw.id(), 0.5);  // seen by what is recorded from now on
  const Value again = exp(xw);
  CHECK(again.data() == std::exp(0.5));
  tape.set_grad(o.id(), 1.0);
  tape.micrograd_backward_step(o.id());
  CHECK(xw.grad() == 1.0 - o.data() * o.data());
  tape.micrograd_backward_step(xw.id());
  CHECK(x.grad() == -3.0 * xw.grad());
  CHECK(w.grad() == 2.0 * xw.grad());
  tape.micrograd_backward_step(x.id());
}
