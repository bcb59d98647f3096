// Text dumps, exactly as they are read.
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/record/print.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/value.h"

using namespace tapeloom;

TEST_CASE("numbers read back as themselves") {
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(-0.0) == "-0");
  CHECK(number_text(1.0) == "1");
  CHECK(number_text(1e300) == "1e+300");
  CHECK(number_text(HUGE_VAL) == "inf");
  CHECK(number_text(-HUGE_VAL) == "-inf");
  CHECK(number_text(std::nan("")) == "nan");
  CHECK(number_text(-std::nan("")) == "nan");
  for (double x : {1.0 / 3.0, std::nextafter(1.0, 2.0), 5e-324, 1.7976931348623157e308}) {
    CHECK(std::strtod(number_text(x).c_str(), nullptr) == x);
  }
}

TEST_CASE("a tape is printed a node a line") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w");
  tape.set_frozen(tape.parameter(0.25));
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value u = tape.uniform_input(2.0, "temperature");
  const Value y = (w * x[1] + 3.0).set_label("y");
  if (y > u) {  // one statement a node: the order in which a call's arguments are recorded is the compiler's choice
    const Value mean = batch_mean(y);
    const Condition positive = y > 0.0;
    where(positive, mean, u);
  }
  CHECK(to_string(tape) ==
        "tape of 13 nodes, 2 parameters, 2 inputs, 1 uniform input, 1 guard\n"
        "%0 = parameter 0  # 0.5 \"w\"\n"
        "%1 = parameter 1 frozen  # 0.25\n"
        "%2 = input 0  # 0 varying \"x[0]\"\n"
        "%3 = input 1  # 0 varying \"x[1]\"\n"
        "%4 = uniform_input 0  # 2 \"temperature\"\n"
        "%5 = mul %0 %3  # 0 varying\n"
        "%6 = constant  # 3\n"
        "%7 = add %5 %6  # 3 varying \"y\"\n"
        "%8 = greater %7 %4  # 1 varying\n"
        "%9 = batch_mean %7  # 3\n"
        "%10 = constant  # 0\n"
        "%11 = greater %7 %10  # 1 varying\n"
        "%12 = where %11 %9 %4  # 3 varying\n"
        "input group \"x\": inputs 0 to 1\n"
        "guard 0: %8 is true\n");
  CHECK(to_string(Tape()) == "tape of 0 nodes, 0 parameters, 0 inputs, 0 uniform inputs, 0 guards\n");
}

TEST_CASE("a program is printed as equations, stage by stage") {
  // Made by hand, with an instruction of each kind; it computes nothing sensible.
  Program program;
  program.parameters = {{"w", 0.5, false, NodeId(0)}, {"", 1.0, true, NodeId(1)}};
  program.constants = {2.0};
  program.uniform_inputs = {{"scale", 3.0}};
  program.input_groups = {{"x", InputId(0), 2, true}, {"t", InputId(2), 1, false}};
  program.input_count = 3;
  program.guards = {{"guard 0: less", 0, true}, {"guard 1: less", 1, false}, {"guard 5: less", 5, true}};
  program.outputs = {{"y", true, 0}, {"", false, 5}};
  program.loss_slot = 7;
  program.gradients = {{ParameterId(0), 1, 5}};
  program.exact = true;
  using enum InstructionKind;
  program.shapes = {
      Shape{},
      Shape{.rows = 2, .step = {1, 0, 0}},
      Shape{3, 2, 4, 1, {0, 1, 0}},
      Shape{.rows = 2, .terms = 3, .step = {1, 0, 0}},
      Shape{.rows = 1, .terms = 2, .row_step = 2, .term_step = 1, .step = {0, 1, 0}, .places = 3, .place_step = 2},
      Shape{.rows = 2, .step = {Shape::by_index, 1, 0}}};
  constexpr std::uint32_t uniform = Program::uniform_slot, last = Program::last_slot;
  program.indices = {5, 2 | uniform | last, Program::empty_list | last, 1, 2, 3 | last, 6, 4};
  const auto of = [](InstructionKind kind, Op op, Op then, std::uint8_t mask, std::uint32_t shape, std::uint32_t out,
                     std::array<std::uint32_t, 3> x) {
    Instruction i{.kind = kind, .op = op, .then = then, .shape = shape, .out = out, .x = x};
    i.uniform_mask = mask & 7u;
    return i;
  };
  Instruction added = of(add_at, no_op, no_op, 0, 2, 8, {4});
  added.accumulates = true;
  program.instructions = {
      of(elementwise, Op::sub, no_op, 0b11, 0, 6, {0, 2}),
      of(guard, no_op, no_op, 0b1, 0, 1, {6}),
      of(elementwise, Op::mul, no_op, 0b01, 0, 1, {0, 0}),
      of(elementwise, Op::where, no_op, 0b010, 0, 2, {1, 2, 0}),
      of(elementwise, Op::less_equal, no_op, 0b10, 0, 3, {1, 2}),
      of(guard, no_op, no_op, 0, 0, 0, {3}),
      of(guard, no_op, no_op, 0, 1, 1, {4}),
      of(spill, no_op, no_op, 0, 0, 4, {2}),
      of(store_output, no_op, no_op, 0, 0, 0, {2}),
      of(elementwise, Op::mul, no_op, 0b10, 1, 8, {4, 2}),
      of(row_sum, no_op, no_op, 0, 1, 8, {4}),
      of(row_extreme, Op::max, no_op, 0, 1, 8, {4}),
      of(row_extreme_reverse, Op::min, no_op, 0b10, 1, 8, {4, 2}),
      of(copy, no_op, no_op, 0, 1, 8, {4}),
      of(zero, no_op, no_op, 0, 1, 8, {}),
      of(add_at, no_op, no_op, 0, 2, 8, {4}),
      added,
      of(gather, no_op, no_op, 0, 3, 8, {0, 6}),
      of(elementwise, Op::mul, no_op, 0, 5, 8, {6, 2}),
      of(row_sum, no_op, no_op, 0, 3, 8, {4}),
      of(dense, no_op, no_op, 0b1, 4, 8, {0, 4}),
      of(dense, Op::add, Op::relu, 0b101, 2, 8, {0, 4, 2}),
      of(dense_reverse, Op::tanh_adjoint, no_op, 0b1, 2, 8, {0, 4, 6}),
      of(reduce_outer, no_op, no_op, 0, 2, 0, {4, 8}),
      of(reduce, no_op, no_op, 0, 0, 0, {2}),
      of(reduce_products, no_op, no_op, 0, 5, 0, {6, 2}),
      of(elementwise, Op::log, no_op, 0b1, 0, 7, {5}),
      of(outer, no_op, no_op, 0b11, 2, 8, {5, 6}),
      of(reload, no_op, no_op, 0, 0, 0, {4}),
      of(store_input_gradient, no_op, no_op, 0, 0, 1, {0}),
      of(store_output, no_op, no_op, 0b1, 0, 1, {5}),
      of(store_sample, no_op, no_op, 0, 0, 1, {0, 7}),
  };
  for (std::size_t kind = 0; kind < std::size(instruction_names); ++kind) {
    INFO(instruction_names[kind]);
    CHECK(std::ranges::count(program.instructions, static_cast<InstructionKind>(kind), &Instruction::kind) > 0);
  }
  program.loads = {{InputId(1), 1, 0}, {InputId(0), 2, 4}};
  program.total_count = 1;
  program.stages = {{{0, 2}, {2, 26}, {0, 2}, {0, 1}}, {{26, 28}, {28, 32}, {2, 2}, {1, 1}}};
  program.uniform_slots = 8;
  program.tile_slots = 4;
  program.batch_slots = 5;
  program.recorded_nodes = 20;
  program.live_nodes = 12;
  CHECK(to_string(program) ==
        "program of 32 instructions in 2 stages, from 20 nodes recorded, 12 live, exact\n"
        "slots: 8 uniform, 4 tile, 5 batch\n"
        "leaves\n"
        "  u0 = parameter \"w\", initially 0.5\n"
        "  u1 = parameter frozen, initially 1\n"
        "  u2 = constant 2\n"
        "  u3 = uniform input \"scale\", initially 3\n"
        "  u4 = number of samples\n"
        "  input group \"x\": columns 0 to 1\n"
        "  input group \"t\": columns 2 to 2, unused\n"
        "stage 0\n"
        "  u6 = u0 - u2\n"
        "  guard 1 holds where not u6\n"
        "  for each tile\n"
        "    t0 = column 1\n"
        "    t4:+2 = column 0 to 1\n"
        "    t1 = u0 * t0\n"
        "    t2 = where(t1, u2, t0)\n"
        "    t3 = t1 <= u2\n"
        "    guard 0 holds where t3\n"
        "    guards 1 to 2 come out as recorded: t4:+2\n"
        "    b4 = t2\n"
        "    output[0] = t2\n"
        "    t8:+2 = t4:+2 * u2\n"
        "    t8 = row sum of t4:+2\n"
        "    t8 = row max of t4:+2\n"
        "    t8:+2 = u2 at the row min of t4:+2\n"
        "    t8:+2 = t4:+2\n"
        "    t8:+2 = 0\n"
        "    t8 (3 x 2, steps 4 1) = t4\n"
        "    t8 (3 x 2, steps 4 1) += t4\n"
        "    t8:+2 = t5+u2 0\n"
        "    t8:+2 = (t6 t4) * t2:+2\n"
        "    t8:+3 = row sum of t4:+6\n"
        "    t8:+3 = u0 (1 x 2) at 3 places by 2 * t4:+6\n"
        "    t8:+3 = relu(u0 (3 x 2, steps 4 1) * t4:+2 + u2)\n"
        "    t8:+2 = tanh_adjoint(t6, u0 (3 x 2, steps 4 1) transposed * t4:+3)\n"
        "    total u5 (3 x 2, steps 4 1) += t4 outer t8:+2\n"
        "    total u5 += t2\n"
        "    total u5:+2 by 0 += (t6 t4) * t2:+2\n"
        "stage 1\n"
        "  u7 = log(u5)\n"
        "  u8 (3 x 2, steps 4 1) = u5 outer u6:+2\n"
        "  for each tile\n"
        "    t0 = b4\n"
        "    input_gradient[1] = t0\n"
        "    output[1] = u5\n"
        "    output[1] = t0 of sample 7\n"
        "loss = u7\n"
        "gradient[0] = u5\n"
        "output[0] \"y\" = one a sample\n"
        "output[1] = u5\n"
        "guard 0: less\n"
        "guard 1: less\n"
        "guard 5: less\n");
}

TEST_CASE("a compiled program prints the same text each time") {
  const auto compiled = [] {
    Tape tape;
    const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x");
    return to_string(compile(batch_mean(square(w * x - 1.0))));
  };
  const std::string text = compiled();
  CHECK(text == compiled());
  CHECK(contains(text, "parameter \"w\", initially 0.5"));
  CHECK(contains(text, "= column 0"));
  CHECK(contains(text, "gradient[0] = u"));
}
