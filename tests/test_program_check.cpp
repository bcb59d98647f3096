// Programs that would read or write outside of their slots, or that no kernel can run, are found before they run.
#include "tapeloom/core/program/program_check.h"

#include <algorithm>
#include <string>
#include <utility>

#include "catch.h"
#include "some_program.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::test;
using tapeloom::instructions::ReduceOuter;

namespace {

/// Expects a fault once `spoil` has changed the program.
template <class F>
void check_fault(const std::string& what, F spoil, Program program = some_program()) {
  REQUIRE(find_fault(program) == "");
  spoil(program);
  INFO(what << ": " << find_fault(program));
  CHECK(contains(find_fault(program), what));
  save_program("fault.tapeloom", program);
  CHECK_THROWS_SAYING(DataError, "fault.tapeloom: the program cannot be run: ", load_program("fault.tapeloom"));
  CHECK_THROWS_SAYING(BindError, "a program that cannot be run: ", Executor<double>(program));
}

/// The first instruction of a kind, which must be there.
Instruction& first_of(Program& program, InstructionKind kind) {
  for (Instruction& i : program.instructions) {
    if (i.kind == kind) return i;
  }
  FAIL("no such instruction");
  return program.instructions[0];
}

/// The first total of products that is as wanted.
template <class F>
Instruction& first_product(Program& program, F wanted) {
  for (Instruction& i : program.instructions) {
    if (i.kind == InstructionKind::reduce_outer && wanted(ReduceOuter{i, program.shapes[i.shape]})) return i;
  }
  FAIL("no such product");
  return program.instructions[0];
}

/// Gives an instruction a shape of its own.
Shape& shape_of(Program& program, Instruction& i) {
  program.shapes.push_back(program.shapes[i.shape]);
  i.shape = static_cast<std::uint32_t>(program.shapes.size() - 1);
  return program.shapes.back();
}

constexpr std::uint32_t far = 1U << 31;

/// Of parameters, so that they run once a step.
Program filters_at_1025_places() {
  constexpr std::size_t places = 1025, terms = 9;
  Tape tape;
  std::vector<Value> x, w;
  for (std::size_t i = 0; i < places + terms - 1; ++i) x.push_back(tape.parameter(0.5));
  for (std::size_t i = 0; i < 2 * terms; ++i) w.push_back(tape.parameter(0.5));
  Value sum = 0.0;
  for (std::size_t p = 0; p < places; ++p) {
    const std::span window = std::span(x).subspan(p, terms);
    sum += tanh(dot(std::span(w).first(terms), window)) * tanh(dot(std::span(w).last(terms), window));
  }
  return compile_inference(sum);
}

}  // namespace

TEST_CASE("program check: what would be read or written outside is found") {
  check_fault("input groups", [](Program& p) { p.input_groups[0].count = 0; });
  check_fault("input groups", [](Program& p) { p.input_groups[1].first = InputId(2); });
  check_fault("number of inputs", [](Program& p) { ++p.input_count; });
  check_fault("fewer uniform slots", [](Program& p) { p.uniform_slots = p.first_computed() - 1; });
  check_fault("fewer uniform slots", [](Program& p) { p.total_count = UINT32_MAX; });
  check_fault("trained", [](Program& p) { p.trained.back().end = far; });
  check_fault("trained", [](Program& p) { std::swap(p.trained[0], p.trained[1]); });
  check_fault("recorded samples", [](Program& p) { p.recorded_rows.push_back(1.0); });
  check_fault("recorded rows", [](Program& p) { p.recorded_samples = 5; });
  check_fault("a loss outside", [](Program& p) { p.loss_slot = p.uniform_slots; });
  check_fault("an output outside", [](Program& p) { p.outputs[2].slot = p.uniform_slots; });
  check_fault(
      "exact program whose steps are repeated", [](Program& p) { p.repeats_for_nan = true; }, some_program(true));
  check_fault("several gradients", [](Program& p) {
    const GradientPiece piece = p.gradients[0];
    for (std::size_t i = 0; i <= p.parameters.size(); ++i) p.gradients.push_back(piece);
  });
  check_fault("gradients of no", [](Program& p) { p.gradients[0].first = ParameterId(far); });
  check_fault("gradients outside", [](Program& p) { p.gradients[0].slot = p.uniform_slots; });
  check_fault("no size", [](Program& p) { p.shapes[0].rows = 0; });
  check_fault("no size", [](Program& p) { p.shapes[0].terms = 0; });
  check_fault("no size", [](Program& p) { p.shapes[0].places = 0; });
  check_fault("no size", [](Program& p) { p.shapes[0].rows = p.shapes[0].terms = UINT32_MAX; });
  // Windows of which the last begins 2^64 numbers after the first.
  check_fault(
      "no size",
      [](Program& p) {
        Shape& s = shape_of(p, first_of(p, InstructionKind::dense));
        s.terms = 1, s.windows.step = 1U << 23, s.step[1] = far;
      },
      filters_at_1025_places());
  const auto windows = [](const WindowSteps& steps) {
    return [steps](Program& p) { shape_of(p, first_of(p, InstructionKind::dense)).windows = steps; };
  };
  check_fault("in runs of no size", windows({.step = 1, .run = 7}), filters_at_1025_places());
  check_fault("in runs of no size", windows({.step = 1, .run_step = 5}), filters_at_1025_places());
  check_fault("in runs of no size", windows({.run = 41, .run_step = 41}), filters_at_1025_places());
  check_fault("no size", windows({.step = 1, .run = 41, .run_step = UINT32_MAX}), filters_at_1025_places());
  check_fault("where there are no tiles", windows({.step = 1, .run = 41, .run_step = 41}), filters_at_1025_places());
  check_fault("a load outside", [](Program& p) { p.loads[0].slot = p.tile_slots; });
  check_fault("of one group", [](Program& p) {
    p.loads[0].count = 4;
    p.tile_slots += 4;
  });
  check_fault("random numbers that are not there", [](Program& p) { p.loads[0].first = InputId(far); });
  check_fault("random numbers that are not there", [](Program& p) {
    p.random_count = p.loads[0].count - 1;
    p.loads[0].first = InputId(p.input_count);
  });
  check_fault("too many random numbers", [](Program& p) { p.random_count = UINT32_MAX; });
  check_fault("to no frozen parameter", [](Program& p) { p.assignments.push_back({ParameterId(far), 0}); });
  check_fault("to no frozen parameter", [](Program& p) { p.assignments.push_back({ParameterId(0), 0}); });
  const auto assigns = [](std::uint32_t slot) {
    return [slot](Program& p) {
      p.parameters[1].frozen = true;
      p.assignments.push_back({ParameterId(1), slot == far ? p.uniform_slots : slot});
    };
  };
  check_fault("an assignment from outside", assigns(far));
  check_fault("two assignments", [&](Program& p) { assigns(0)(p), assigns(1)(p); });
  check_fault("unused group", [](Program& p) { p.input_groups[0].used = false; });
  check_fault("a stage", [](Program& p) { p.stages[0].tile.end = far; });
  check_fault("a stage", [](Program& p) { std::swap(p.stages[0].tile.begin, p.stages[0].tile.end); });
  check_fault("a stage", [](Program& p) { p.stages[0].inputs.end = far; });
  check_fault("a stage", [](Program& p) { p.stages[0].totals.end = far; });
  check_fault("overlaps", [](Program& p) { p.stages.push_back(p.stages[0]); });
  check_fault("overlaps", [](Program& p) { p.stages[1].uniform.begin = p.stages[0].tile.begin; });
  check_fault("overlaps", [](Program& p) { p.stages[1].inputs = p.stages[0].inputs; });
  check_fault("overlaps", [](Program& p) { p.stages[0].uniform.end = p.stages[0].tile.end; });
  check_fault("without a shape", [](Program& p) { p.instructions[0].shape = far; });
  check_fault("instructions of no stage", [](Program& p) { --p.stages[0].tile.end; });
  check_fault("instructions of no stage", [](Program& p) { p.stages.resize(1); });
  check_fault("instructions of no stage", [](Program& p) { p.instructions.push_back({.shape = far}); });
  check_fault("loads of no stage", [](Program& p) { p.loads.push_back(p.loads[0]); });
  check_fault("more recorded samples", [](Program& p) {
    p.recorded_samples = static_cast<std::uint32_t>(p.recorded_nodes + 1);
    p.recorded_rows.resize(std::size_t{p.recorded_samples} * p.input_count);
  });
  check_fault("more slots", [](Program& p) { p.uniform_slots = far; });
  check_fault("more slots", [](Program& p) { p.tile_slots = far; });
  check_fault("more slots", [](Program& p) { p.batch_slots = far; });
}

TEST_CASE("program check: instructions that reach outside are found") {
  using Kind = InstructionKind;
  const auto fault = [](const std::string& what, Kind kind, auto spoil) {
    check_fault(what, [&](Program& p) { spoil(p, first_of(p, kind)); });
  };
  for (const Kind kind : {Kind::elementwise, Kind::dense, Kind::dense_reverse}) {
    fault("a result outside", kind, [](Program&, Instruction& i) { i.out = far; });
  }
  for (const Kind kind : {Kind::elementwise, Kind::reduce, Kind::reduce_outer, Kind::spill, Kind::store_output,
                          Kind::store_input_gradient, Kind::guard}) {
    fault("an operand outside", kind, [](Program&, Instruction& i) { i.x[0] = far; });
  }
  for (const Kind kind : {Kind::dense, Kind::dense_reverse, Kind::reduce_outer}) {
    fault("an operand outside", kind, [](Program&, Instruction& i) { i.x[1] = far; });
    fault("not of the tile", kind, [](Program&, Instruction& i) { i.uniform_mask |= 2; });
    fault("outside", kind, [](Program& p, Instruction& i) { shape_of(p, i).step[1] = far; });
  }
  for (const Kind kind : {Kind::dense, Kind::dense_reverse}) {
    fault("a matrix outside", kind, [](Program&, Instruction& i) { i.x[0] = far; });
    fault("a matrix outside", kind, [](Program& p, Instruction& i) { shape_of(p, i).row_step = far; });
    fault("a matrix outside", kind, [](Program& p, Instruction& i) { shape_of(p, i).term_step = UINT32_MAX; });
    fault("a matrix that is not uniform", kind, [](Program&, Instruction& i) { i.uniform_mask = 0; });
    fault("a matrix across", kind,
          [](Program& p, Instruction& i) { i.x[0] = static_cast<std::uint32_t>(p.parameters.size() - 1); });
  }
  // The network's bias and tanh are part of its product.
  const auto finished = [](const std::string& what, auto spoil) {
    check_fault(what, [&](Program& p) {
      for (Instruction& i : p.instructions) {
        if (i.kind == Kind::dense && i.op != no_op && i.then != no_op) return spoil(p, i);
      }
      FAIL("no finished product");
    });
  };
  finished("finished by an op that does not fit", [](Program&, Instruction& i) { i.op = Op::tanh; });
  finished("finished by an op that does not fit", [](Program&, Instruction& i) { i.op = Op::parameter; });
  finished("finished by an op that does not fit", [](Program&, Instruction& i) { i.op = Op::where; });
  finished("finished by an op that does not fit", [](Program&, Instruction& i) { i.then = Op::add; });
  finished("finished by an op that does not fit", [](Program&, Instruction& i) { i.then = Op::batch_sum; });
  finished("an operand outside", [](Program& p, Instruction& i) { i.x[2] = p.uniform_slots; });
  finished("an operand across", [](Program& p, Instruction& i) {
    i.x[2] = static_cast<std::uint32_t>(p.parameters.size() - 1);
    shape_of(p, i).step[2] = 1;
  });
  fault("does not stand", Kind::elementwise, [](Program&, Instruction& i) { i.op = Op::parameter; });
  fault("does not stand", Kind::elementwise, [](Program&, Instruction& i) { i.op = Op::batch_mean; });
  check_fault("nothing of the tile", [](Program& p) {
    Instruction& i = p.instructions[p.stages[0].tile.begin + 1];
    i.kind = Kind::elementwise;
    i.op = Op::tanh;
    i.uniform_mask = 1;
  });
  fault("a total", Kind::reduce, [](Program& p, Instruction& i) { i.out = p.total_count; });
  fault("a total", Kind::reduce_outer, [](Program& p, Instruction& i) { i.out = p.total_count; });
  fault("a total", Kind::reduce_outer, [](Program& p, Instruction& i) { shape_of(p, i).row_step = 1000; });
  fault("on top of", Kind::reduce_outer, [](Program& p, Instruction& i) { shape_of(p, i).term_step = 0; });
  for (const Kind kind : {Kind::reduce, Kind::reduce_outer}) {
    fault("an op that does not fit", kind, [](Program&, Instruction& i) { i.op = Op::mul; });
    fault("an op that does not fit", kind, [](Program&, Instruction& i) { i.op = Op::batch_sum; });
    fault("an op that does not fit", kind, [](Program&, Instruction& i) { i.then = Op::tanh; });
    fault("a total that goes on", kind, [](Program&, Instruction& i) { i.accumulates = true; });
  }
  for (const Kind kind : {Kind::dense, Kind::dense_reverse, Kind::reduce_outer}) {
    fault("outside", kind, [](Program& p, Instruction& i) { shape_of(p, i).places = 1000; });
  }
  for (const Kind kind : {Kind::dense, Kind::dense_reverse}) {
    fault("a matrix outside", kind, [](Program& p, Instruction& i) {
      shape_of(p, i).places = 2, p.shapes[i.shape].place_step = far;
      p.tile_slots += 1000;
    });
  }
  const auto indexed = [&](const std::string& what, std::uint32_t words, std::initializer_list<std::uint32_t> indices) {
    fault(what, Kind::reduce_outer, [&](Program& p, Instruction& i) {
      i = {.kind = Kind::gather, .x = {static_cast<std::uint32_t>(p.indices.size()), words}};
      p.indices.insert(p.indices.end(), indices);
    });
  };
  constexpr std::uint32_t last = Program::last_slot, uniform = Program::uniform_slot, outside = 1u << 20;
  indexed("indices that are not there", 1, {});
  indexed("indices that are not there", UINT32_MAX, {});
  indexed("an operand outside", 1, {outside | last});
  indexed("an operand outside", 1, {outside | uniform | last});
  indexed("an operand outside", 1, {UINT32_MAX});
  indexed("an operand outside", 1, {Program::empty_list});
  indexed("an operand outside", 2, {0, Program::empty_list | last});
  indexed("without its factor", 1, {0 | last | Program::times_next});
  indexed("an operand outside", 2, {0 | last | Program::times_next, 0 | last});
  indexed("another number of lists", 0, {});
  indexed("another number of lists", 1, {0});
  indexed("another number of lists", 2, {0, 0});
  indexed("another number of lists", 2, {0 | last, 0 | last});
  const auto elementwise = [&](const std::string& what, std::uint8_t mask,
                               std::initializer_list<std::uint32_t> indices) {
    fault(what, Kind::reduce_outer, [&](Program& p, Instruction& i) {
      i = {.kind = Kind::elementwise,
           .op = Op::add,
           .shape = static_cast<std::uint32_t>(p.shapes.size()),
           .x = {0, static_cast<std::uint32_t>(p.indices.size())}};
      i.uniform_mask = mask & 7u;
      p.shapes.push_back({.rows = 2, .step = {1, Shape::by_index, 0}});
      p.indices.insert(p.indices.end(), indices);
    });
  };
  elementwise("indices that are not there", 0, {1});
  elementwise("an operand outside", 0, {0, far});
  elementwise("an operand outside", 0, {0 | last, 0});
  elementwise("where there are none", 2, {0, 0});
  const auto products = [&](const std::string& what, std::uint8_t mask, std::uint32_t out, std::uint32_t x) {
    fault(what, Kind::reduce_outer, [&](Program& p, Instruction& i) {
      i = {.kind = Kind::reduce_products,
           .shape = static_cast<std::uint32_t>(p.shapes.size()),
           .out = out,
           .x = {x, static_cast<std::uint32_t>(p.indices.size())}};
      i.uniform_mask = mask & 7u;
      p.shapes.push_back({.rows = 2, .row_step = 1, .step = {1, Shape::by_index, 0}});
      p.indices.insert(p.indices.end(), {0, x});
    });
  };
  products("an operand outside", 0, 0, outside);
  products("not of the tile", 1, 0, 0);
  products("not of the tile", 2, 0, 0);
  products("a total that is not there", 0, outside, 0);
  for (const Kind kind : {Kind::reduce, Kind::spill, Kind::store_output, Kind::guard}) {
    fault("where there are none", kind, [](Program& p, Instruction& i) { shape_of(p, i).step[0] = Shape::by_index; });
  }
  // Nor where a step has no meaning: dumps show all operands.
  for (const Kind kind : {Kind::elementwise, Kind::dense, Kind::dense_reverse, Kind::reduce_outer}) {
    fault("where there are none", kind, [](Program& p, Instruction& i) { shape_of(p, i).step[2] = Shape::by_index; });
  }
  fault("a guard that", Kind::guard, [](Program&, Instruction& i) { i.out = 1; });
  fault("a spill", Kind::spill, [](Program& p, Instruction& i) { i.out = p.batch_slots; });
  fault("not of the tile", Kind::spill, [](Program&, Instruction& i) { i.uniform_mask = 1; });
  fault("a reload", Kind::reload, [](Program& p, Instruction& i) { i.x[0] = p.batch_slots; });
  fault("a result outside", Kind::reload, [](Program& p, Instruction& i) { i.out = p.tile_slots; });
  fault("an output that", Kind::store_output, [](Program&, Instruction& i) { i.out = 3; });
  fault("an output that", Kind::store_output, [](Program&, Instruction& i) { i.kind = Kind::store_sample, i.out = 3; });
  fault("an input gradient", Kind::store_input_gradient,
        [](Program& p, Instruction&) { p.has_input_gradients = false; });
  fault("an input gradient", Kind::store_input_gradient, [](Program& p, Instruction& i) { i.out = p.input_count; });
  for (const Kind kind : {Kind::outer, Kind::zero, Kind::add_at}) {
    fault("of the step in a tile", Kind::reduce_outer, [&](Program&, Instruction& i) { i.kind = kind; });
  }
  // Of the step: nothing of a tile, and no leaf is written.
  const auto once = [](const std::string& what, auto spoil) {
    check_fault(what, [&](Program& p) {
      for (const Stage& stage : p.stages) {
        if (stage.uniform.size() > 0) return spoil(p, p.instructions[stage.uniform.begin]);
      }
      FAIL("no instruction runs once a step");
    });
  };
  once("of a tile outside", [](Program&, Instruction& i) { i.kind = Kind::spill; });
  once("a guard on a tile", [](Program&, Instruction& i) { i = {.kind = Kind::guard}; });
  once("among the leaves", [](Program&, Instruction& i) { i.out = 0; });
  once("outside", [](Program& p, Instruction& i) { i.out = p.uniform_slots; });
  once("outside", [](Program& p, Instruction& i) { i.x[0] = p.uniform_slots; });
  for (const Kind kind : {Kind::row_extreme, Kind::row_extreme_reverse}) {
    once("neither max nor min", [&](Program&, Instruction& i) { i.kind = kind, i.op = Op::add; });
    once("more rows", [&](Program& p, Instruction& i) {
      i.kind = kind, i.op = Op::max, shape_of(p, i) = {.rows = (1u << 24) + 1, .step = {0, 0, 0}};
    });
    once("outside", [&](Program& p, Instruction& i) {
      i.kind = kind, i.op = Op::min, shape_of(p, i) = {.rows = 1000, .step = {1, 0, 0}};
    });
    fault("nothing of the tile", Kind::reduce_outer, [&](Program&, Instruction& i) {
      i.kind = kind, i.op = Op::max, i.uniform_mask = kind == Kind::row_extreme ? 1 : 3;
    });
  }
  for (const Kind kind : {Kind::copy, Kind::zero, Kind::add_at, Kind::outer, Kind::row_sum, Kind::dense}) {
    once("outside", [&](Program& p, Instruction& i) {
      i.kind = kind, i.op = no_op;
      shape_of(p, i) = {.rows = 1000, .terms = 1000, .row_step = 1000, .term_step = 1, .step = {1, 1, 1}};
    });
  }
}

TEST_CASE("program check: a total of products whose columns are not the load's it names is found") {
  const auto fault = [](auto spoil) {
    check_fault("columns that are not those of the load", [&](Program& p) {
      spoil(p, first_product(p, [](const ReduceOuter& outer) { return outer.load() != outer.no_load; }));
    });
  };
  fault([](Program& p, Instruction& i) { ReduceOuter::set_load(i, static_cast<std::uint32_t>(p.loads.size())); });
  fault([](Program& p, Instruction& i) { ReduceOuter::set_load(i, ReduceOuter{i, p.shapes[i.shape]}.load() + 1); });
  fault([](Program&, Instruction& i) { ++i.x[1]; });
  fault([](Program& p, Instruction& i) { shape_of(p, i).step[1] = 0; });
  fault([](Program& p, Instruction& i) {  // something is written there before
    (&i - 2)->out = p.loads[ReduceOuter{i, p.shapes[i.shape]}.load()].slot;
  });
}

TEST_CASE("program check: a total of products that does not follow the sums of its rows is found") {
  const std::string what = "a product that does not follow sums of its rows";
  const auto fault = [&](auto spoil) {
    check_fault(what, [&](Program& p) {
      Instruction& i = first_product(p, [](const ReduceOuter& outer) { return outer.i.follows_row_sums; });
      spoil(p, *(&i - 1), i);
    });
  };
  fault([](Program&, Instruction& sums, Instruction&) { std::swap(sums, *(&sums - 1)); });
  fault([](Program&, Instruction& sums, Instruction&) { --sums.out; });
  fault([](Program&, Instruction& sums, Instruction&) { ++sums.x[0]; });
  fault([](Program& p, Instruction& sums, Instruction&) { --shape_of(p, sums).rows; });
  fault([](Program& p, Instruction& sums, Instruction&) { shape_of(p, sums).step[0] = 0; });
  fault([](Program& p, Instruction& sums, Instruction&) { --shape_of(p, sums).row_step; });
  fault([](Program&, Instruction& sums, Instruction&) { sums.uniform_mask = 1, sums.x[0] = 0; });
}

TEST_CASE("program check: flags that say nothing of their instruction are found") {
  const auto fault = [](InstructionKind kind, auto spoil) {
    check_fault("a flag that does not fit", [&](Program& p) { spoil(first_of(p, kind)); });
  };
  fault(InstructionKind::elementwise, [](Instruction& i) { i.accumulates = true; });
  fault(InstructionKind::dense, [](Instruction& i) { i.accumulates = true; });
  fault(InstructionKind::reduce, [](Instruction& i) { i.follows_row_sums = true; });
}

TEST_CASE("program check: exact programs have no rows in their tiles") {
  const auto fault = [](const std::string& what, auto spoil) {
    check_fault(
        what,
        [&](Program& p) {
          Instruction& i = p.instructions[p.stages[0].tile.begin];
          REQUIRE(i.kind == InstructionKind::elementwise);
          spoil(p, i);
        },
        some_program(true));
  };
  fault("rows in a tile", [](Program& p, Instruction& i) { shape_of(p, i).rows = 2; });
  fault("sum of rows", [](Program&, Instruction& i) { i.kind = InstructionKind::row_sum; });
  fault("of the step", [](Program&, Instruction& i) { i.kind = InstructionKind::add_at; });
  fault("choice of rows", [](Program&, Instruction& i) { i.kind = InstructionKind::row_extreme, i.op = Op::max; });
  fault("rows one by one", [](Program&, Instruction& i) { i.kind = InstructionKind::gather; });
  fault("matrix product", [](Program&, Instruction& i) { i.kind = InstructionKind::dense; });
  fault("matrix product", [](Program&, Instruction& i) { i.kind = InstructionKind::reduce_outer; });
}

TEST_CASE("program check: exact programs have no matrix products") {
  for (const InstructionKind kind : {InstructionKind::dense, InstructionKind::dense_reverse, InstructionKind::outer}) {
    check_fault(
        "a matrix product in an exact program",
        [&](Program& p) {
          const auto once =
              std::find_if(p.stages.begin(), p.stages.end(), [](const Stage& s) { return s.uniform.size() > 0; });
          REQUIRE(once != p.stages.end());
          Instruction& i = p.instructions[once->uniform.begin];
          i = {.kind = kind, .shape = static_cast<std::uint32_t>(p.shapes.size()), .out = i.out};
          p.shapes.push_back({});
        },
        some_program(true));
  }
}

TEST_CASE("program check: every guard of rows, and of recorded samples, is there") {
  Tape bound;
  const Value w = bound.parameter(0.5);
  Value loss = 0.0;
  for (const Value& x : bound.inputs("x", 6)) loss = loss + (w * x < 1.0 ? w * x : w);
  const Program rows = compile(batch_sum(loss));
  REQUIRE(rows.guards.size() == 6);
  check_fault(
      "a guard that is not there", [](Program& p) { p.guards.pop_back(); }, rows);
  check_fault(
      "a guard that is not there", [](Program& p) { ++first_of(p, InstructionKind::guard).out; }, rows);
  check_fault(
      "an operand outside", [](Program& p) { first_of(p, InstructionKind::guard).x[0] = p.tile_slots; }, rows);

  Tape recorded;
  const Value v = recorded.parameter(0.5);
  Value same = 0.0;
  for (const double x : {1.0, 2.0, -3.0, 0.5}) {
    const Value y = v * x;
    static_cast<void>(bool(y < 1.0));
    same = same + square(y);
  }
  const Program folded = compile(same);
  REQUIRE(folded.recorded_samples == 4);
  check_fault(
      "a guard that is not there", [](Program& p) { p.guards.pop_back(); }, folded);
}
