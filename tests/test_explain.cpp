// What explain() says: exact numbers of a net that rolls and of a graph that does not, and that the nodes that
// instructions stand for add up to the recording.
#include "catch.h"
#include "random_net.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/print.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::uint64_t nodes_of_instructions(const Program& program) {
  std::uint64_t nodes = 0;
  for (const Instruction& instruction : program.instructions) nodes += instruction.nodes;
  return nodes;
}

/// The nodes of all instructions of a kind.
std::uint64_t nodes_of(const Program& program, InstructionKind kind, Op op = no_op) {
  std::uint64_t nodes = 0;
  for (const Instruction& i : program.instructions) nodes += i.kind == kind && i.op == op ? i.nodes : 0;
  return nodes;
}

}  // namespace

TEST_CASE("explain: a perceptron of two layers, line by line") {
  Tape tape;
  double next = 0.0;
  const MLP model(tape, 3, {{4, tapeloom::tanh}, {2}}, [&](const Fan&) { return next += 0.125; });
  const std::vector<Value> x = tape.inputs("x", 3), y = tape.inputs("y", 2);
  const Program program = compile(batch_mean(squared_error_sum(model(x), y)), {.gradients = false});
  // 31 leaves: 4 * 4 + 2 * 5 parameters and 5 inputs. 50 others: a neuron of n inputs has n products, n - 1 additions
  // and the bias's, which makes 4 * (6 + tanh) and 2 * 8; then come 2 * 2 for the errors, their sum and the mean.
  CHECK(explain(program) ==
        "runs each        rows x terms         flops         bytes         nodes    share  instruction\n"
        "sample            4 x 3                  32            28            28    34.6%  dense, add, tanh\n"
        "sample            2 x 4                  18            24            16    19.8%  dense, add\n"
        "sample            2 x 1                   2            24             2     2.5%  sub\n"
        "sample            1 x 1                   3            20             3     3.7%  gather\n"
        "sample            1 x 1                   1             4             -        -  total\n"
        "step              1 x 1                   1            12             1     1.2%  div\n"
        "6 instructions; each sample takes 56 flops, 89.3% of them dense\n"
        "81 live nodes: 54.3% dense, 2.5% in other instructions of several rows, 4.9% single, 38.3% leaves, 0.0% "
        "folded or simplified away\n");
}

TEST_CASE("explain: a chain does not roll, and derivatives stand for no recorded node") {
  Tape tape;
  const Value w = tape.parameter(0.9), x = tape.input(0.5, "x");
  Value v = x;
  for (int i = 0; i < 30; ++i) v = tanh(w * v);
  const Program program = compile(batch_mean(v));
  CHECK(program.live_nodes == 63);
  CHECK(program.leaf_nodes == 2);
  CHECK(nodes_of(program, InstructionKind::elementwise, Op::tanh) == 30);
  CHECK(nodes_of_instructions(program) == 61);
  const std::string text = explain(program);
  CHECK(contains(text,
                 "63 live nodes: 0.0% dense, 0.0% in other instructions of several rows, 96.8% "
                 "single, 3.2% leaves, 0.0% folded or simplified away\n"));
  CHECK(contains(text, std::to_string(program.instructions.size()) + " instructions; each sample takes"));
}

TEST_CASE("explain: what is simplified away is stood for by what made it so") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0);
  // a / b as some notebooks write it: one division of three nodes, of which one is the constant -1.
  const Program division = compile(a * pow(b, -1.0), {.gradients = false});
  REQUIRE(division.instructions.size() == 1);
  CHECK(division.instructions[0].op == Op::div);
  CHECK(division.instructions[0].nodes == 2);
  CHECK(division.live_nodes == 5);
  CHECK(division.leaf_nodes == 3);
  // Twice the same, once.
  const Program twice = compile(tanh(a * b) / tanh(a * b), {.gradients = false});
  REQUIRE(twice.instructions.size() == 3);
  CHECK(twice.instructions[0].nodes == 2);
  CHECK(twice.instructions[1].nodes == 2);
  CHECK(twice.instructions[2].nodes == 1);
  // A product of two constants has no instruction.
  const Program folded = compile(a * exp(tape.constant(1.0)), {.gradients = false});
  CHECK(nodes_of_instructions(folded) == 1);
  CHECK(contains(explain(folded), "25.0% single, 50.0% leaves, 25.0% folded or simplified away\n"));
}

TEST_CASE("explain: a program without instructions, and one of recorded samples") {
  Tape tape;
  const Value w = tape.parameter(2.0);
  CHECK(contains(explain(compile(w, {.gradients = false})), "0 instructions; each sample takes 0 flops"));
  Value loss = 0.0;
  for (int i = 0; i < 5; ++i) loss += square(w * (0.5 * i) - 1.0);
  const Program program = compile(loss, {.gradients = false});
  REQUIRE(program.recorded_samples == 5);
  CHECK(nodes_of(program, InstructionKind::elementwise, Op::square) == 1);
}

TEST_CASE("explain: without simplification every live node of random nets is a leaf or in some instruction") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    Net net;
    NetWriter(random, net).write();
    INFO("seed " << seed << ": " << net.story);
    CompileOptions options{.outputs = net.problem.outputs};
    const Program simplified = compile(net.problem.loss, options);
    CHECK(nodes_of_instructions(simplified) + simplified.leaf_nodes <= simplified.live_nodes);
    options.fold_constants = options.simplify = false;
    for (const bool roll : {true, false}) {
      options.roll = roll;
      const Program program = compile(net.problem.loss, options);
      CHECK(nodes_of_instructions(program) + program.leaf_nodes == program.live_nodes);
    }
  }
}
