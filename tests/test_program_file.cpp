#include "tapeloom/runtime/program_file.h"

#include <cmath>
#include <filesystem>
#include <new>

#include "files.h"
#include "random_net.h"
#include "tapeloom/core/nn.h"
#include "tapeloom/core/print.h"
#include "tapeloom/runtime/optimizer.h"
#include "tapeloom/runtime/program_check.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

const std::string path = "saved.tapeloom";

Program saved_and_loaded(const Program& program) {
  save_program(path, program);
  return load_program(path);
}

/// A network with about everything in it: layers, a guard, statistics of the batch, a uniform input, outputs.
Program some_program(bool exact = false) {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value y = tape.input(0.0, "y"), u = tape.uniform_input(0.5, "u");
  const MLP network(tape, 3, {{4, tanh}, {2}}, glorot(random));
  network.set_labels("net.");
  tape.set_frozen(network.parameters()[3]);
  const std::vector<Value> scores = network(x);
  const Value mean = batch_mean(scores[0]);
  Value loss = batch_mean(square((scores[0] - mean) * u - y) + scores[1] * scores[1]) + log(batch_mean(exp(scores[1])));
  if (x[0] < 100.0) loss = loss + square(mean);
  return compile(
      loss, {.outputs = {scores[0], scores[1].set_label("second"), mean}, .input_gradients = true, .exact = exact});
}

/// All numbers of a step of 20 samples.
template <class T>
std::vector<T> step_of(const Program& program) {
  Executor<T> executor(program, {.max_samples = 20});
  std::vector<double> rows(20 * program.input_count);
  Random random(3);
  for (double& number : rows) number = between(random, -1.0, 1.0);
  const bool has_inputs = program.recorded_samples == 0 && program.input_count > 0;
  if (has_inputs) executor.bind(std::span<const double>(rows));
  std::vector<T> numbers;
  const T loss = has_inputs ? executor.step(0, 20) : executor.step();
  if (program.loss_slot != Program::no_slot) numbers.push_back(loss);
  const auto append = [&](std::span<const T> more) { numbers.insert(numbers.end(), more.begin(), more.end()); };
  append(executor.outputs());
  if (program.has_gradients) append(executor.gradients());
  if (program.has_input_gradients) append(executor.input_gradients());
  return numbers;
}

/// Puts right the length and checksum of a file that was changed on purpose.
std::string framed(std::string bytes) {
  const std::size_t header = 8 + 4 + 8;
  bytes.resize(bytes.size() - 8);
  bytes.replace(12, 8, little_endian(bytes.size() - header, 8));
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const char byte : bytes) sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return bytes + little_endian(sum, 8);
}

void check_refused(const std::string& bytes, const std::string& what) {
  write_bytes("spoiled.tapeloom", bytes);
  CHECK_THROWS_SAYING(DataError, "spoiled.tapeloom: " + what, load_program("spoiled.tapeloom"));
}

}  // namespace

TEST_CASE("program file: a program that was saved is the same when loaded") {
  const Program program = some_program(), loaded = saved_and_loaded(program);
  CHECK(hash(loaded) == hash(program));
  CHECK(to_string(loaded) == to_string(program));
  CHECK(step_of<float>(loaded) == step_of<float>(program));
  CHECK(step_of<double>(loaded) == step_of<double>(program));
  REQUIRE(loaded.parameters.size() == program.parameters.size());
  for (std::size_t i = 0; i < program.parameters.size(); ++i) {
    CHECK(loaded.parameters[i].label == program.parameters[i].label);
    CHECK(loaded.parameters[i].node == program.parameters[i].node);
    CHECK(loaded.parameters[i].frozen == (i == 3));
  }
  CHECK(loaded.trained == program.trained);
  CHECK(loaded.outputs[1].label == "second");
  CHECK(loaded.guards.size() == 1);
  CHECK(loaded.guards[0].description == program.guards[0].description);
  CHECK(loaded.recorded_nodes == program.recorded_nodes);
  CHECK(loaded.live_nodes == program.live_nodes);
  const Program exact = some_program(true);
  CHECK(step_of<double>(saved_and_loaded(exact)) == step_of<double>(exact));
}

TEMPLATE_TEST_CASE("program file: an executor's program is saved with its numbers", "", float, double) {
  Executor<TestType> executor(some_program(), {.max_samples = 20});
  const std::vector<double> rows(80, 0.25);
  executor.bind(std::span<const double>(rows));
  Sgd<TestType> sgd({.learning_rate = 0.1});
  for (int i = 0; i < 3; ++i) executor.step(), sgd.update(executor);
  executor.step();
  save_program(path, executor);
  Executor<TestType> shipped(load_program(path), {.max_samples = 20});
  CHECK(std::equal(executor.parameters().begin(), executor.parameters().end(), shipped.parameters().begin()));
  shipped.bind(std::span<const double>(rows));
  CHECK(shipped.step() == executor.loss());
}

TEST_CASE("program file: random nets and inference are found good and run alike") {
  Random random(5);
  for (std::uint64_t n = 0; n < 150; ++n) {
    INFO("net " << n);
    Net net;
    NetWriter(random, net).write();
    const Problem& problem = net.problem;
    const Program program = compile(problem.loss, random_options(random));
    CHECK(runtime::find_fault(program) == "");
    if (n % 10 == 0) {
      const Program loaded = saved_and_loaded(program);
      CHECK(hash(loaded) == hash(program));
      CHECK(to_string(loaded) == to_string(program));
    }
    if (!problem.outputs.empty()) CHECK(runtime::find_fault(compile_inference(problem.outputs)) == "");
    CHECK(runtime::find_fault(compile(problem.loss, {.outputs = problem.outputs, .exact = true})) == "");
  }
}

TEST_CASE("program file: recorded samples that are all alike have no inputs") {
  Tape tape;
  const Value w = tape.parameter(0.5);
  Value loss = 0.0;
  for (int s = 0; s < 3; ++s) loss = loss + square(tanh(w * 2.0) - 1.0);
  const Program program = compile(loss);
  CHECK(program.recorded_samples == 3);
  CHECK(program.input_count == 0);
  Executor<double> executor(saved_and_loaded(program));
  CHECK(std::fabs(executor.step() - 3.0 * std::pow(std::tanh(1.0) - 1.0, 2.0)) < 1e-15);
}

TEST_CASE("program file: the frame is checked") {
  save_program(path, some_program());
  const std::string whole = read_bytes(path);
  CHECK(whole.starts_with("TAPELOOM" + little_endian(3, 4)));
  check_refused("", "byte 0: the file is cut short: no header");
  check_refused("TAPE", "byte 0: the file is cut short: no header");
  check_refused("PK\x03\x04 something else", "byte 0: this is no saved program");
  check_refused("TAPELOOM" + little_endian(2, 4) + whole.substr(12),
                "byte 8: a program in version 2 of the format; this library reads version 3");
  check_refused(whole + "x", "byte " + std::to_string(whole.size()) + ": the file goes on behind the program");
  for (std::size_t kept = 20; kept < whole.size(); kept += 1 + kept / 50) {
    check_refused(whole.substr(0, kept), "byte " + std::to_string(kept) + ": the file is cut short");
  }
  for (std::size_t at = 20; at < whole.size(); at += 1 + at / 50) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    check_refused(damaged, "byte " + std::to_string(whole.size() - 8) + ": the file is damaged");
  }
  check_refused("TAPELOOM" + little_endian(3, 4) + little_endian(UINT64_MAX, 8) + whole.substr(20),
                "byte " + std::to_string(whole.size()) + ": the file is cut short");
  CHECK_THROWS_SAYING(DataError, "none.tapeloom: cannot open", load_program("none.tapeloom"));
  CHECK_THROWS_SAYING(DataError, "cannot write", save_program("no/such/directory", some_program()));
}

TEST_CASE("program file: contents that are wrong under a good checksum are refused") {
  save_program(path, some_program());
  const std::string whole = read_bytes(path);
  check_refused(framed(whole.substr(0, whole.size() - 9) + std::string(8, ' ')), "byte ");
  check_refused(framed(whole.substr(0, whole.size() - 8) + "?" + std::string(8, ' ')), "byte ");
  // The list of kinds comes first: its length, the first name's length, the first name.
  std::string renamed = whole;
  const std::size_t kind = whole.find("dense_reverse");
  REQUIRE(kind != whole.npos);
  renamed[kind] = 'D';
  write_bytes("renamed.tapeloom", framed(renamed));
  CHECK_THROWS_SAYING(DataError, "a kind of instruction that this library does not know",
                      load_program("renamed.tapeloom"));
  renamed = whole;
  renamed[whole.find("square")] = 'S';
  write_bytes("renamed.tapeloom", framed(renamed));
  CHECK_THROWS_SAYING(DataError, "an op that this library does not know", load_program("renamed.tapeloom"));
  std::string longer = whole;
  longer.replace(20, 8, little_endian(UINT64_MAX / 2, 8));
  check_refused(framed(longer), "byte 28: a list that is longer than the file");
  longer = whole;
  longer.replace(28, 8, little_endian(UINT64_MAX, 8));
  check_refused(framed(longer), "byte 36: a text that is longer than the file");
}

namespace {

/// Expects a fault once `spoil` has changed the program.
template <class F>
void check_fault(const std::string& what, F spoil, Program program = some_program()) {
  REQUIRE(runtime::find_fault(program) == "");
  spoil(program);
  INFO(what << ": " << runtime::find_fault(program));
  CHECK(contains(runtime::find_fault(program), what));
  save_program("fault.tapeloom", program);
  CHECK_THROWS_SAYING(DataError, "fault.tapeloom: the program cannot be run: ", load_program("fault.tapeloom"));
}

/// The first instruction of a kind, which must be there.
Instruction& first_of(Program& program, InstructionKind kind) {
  for (Instruction& i : program.instructions) {
    if (i.kind == kind) return i;
  }
  FAIL("no such instruction");
  return program.instructions[0];
}

/// Gives an instruction a shape of its own.
Shape& shape_of(Program& program, Instruction& i) {
  program.shapes.push_back(program.shapes[i.shape]);
  i.shape = static_cast<std::uint32_t>(program.shapes.size() - 1);
  return program.shapes.back();
}

constexpr std::uint32_t far = 1U << 31;

}  // namespace

TEST_CASE("program file: what would be read or written outside is found") {
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
  check_fault("gradients of no", [](Program& p) { p.gradients[0].first = ParameterId(far); });
  check_fault("gradients outside", [](Program& p) { p.gradients[0].slot = p.uniform_slots; });
  check_fault("no size", [](Program& p) { p.shapes[0].rows = 0; });
  check_fault("no size", [](Program& p) { p.shapes[0].terms = 0; });
  check_fault("no size", [](Program& p) { p.shapes[0].places = 0; });
  check_fault("no size", [](Program& p) { p.shapes[0].rows = p.shapes[0].terms = UINT32_MAX; });
  check_fault("a load outside", [](Program& p) { p.loads[0].slot = p.tile_slots; });
  check_fault("of one group", [](Program& p) {
    p.loads[0].count = 4;
    p.tile_slots += 4;
  });
  check_fault("of one group", [](Program& p) { p.loads[0].first = InputId(far); });
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
}

TEST_CASE("program file: instructions that reach outside are found") {
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
        if (i.kind == Kind::dense && i.op != Op::constant && i.then != Op::constant) return spoil(p, i);
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
    fault("a total by an op", kind, [](Program&, Instruction& i) { i.op = Op::mul; });
    fault("a total by an op", kind, [](Program&, Instruction& i) { i.op = Op::batch_sum; });
    fault("a total by an op", kind, [](Program&, Instruction& i) { i.then = Op::tanh; });
    fault("a total that goes on", kind, [](Program&, Instruction& i) { i.op = Op::add; });
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
           .uniform_mask = mask,
           .shape = static_cast<std::uint32_t>(p.shapes.size()),
           .x = {0, static_cast<std::uint32_t>(p.indices.size())}};
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
           .uniform_mask = mask,
           .shape = static_cast<std::uint32_t>(p.shapes.size()),
           .out = out,
           .x = {x, static_cast<std::uint32_t>(p.indices.size())}};
      p.shapes.push_back({.rows = 2, .row_step = 1, .step = {1, Shape::by_index, 0}});
      p.indices.insert(p.indices.end(), {0, x});
    });
  };
  products("an operand outside", 0, 0, outside);
  products("not of the tile", 1, 0, 0);
  products("where there are none", 2, 0, 0);
  products("a total that is not there", 0, outside, 0);
  fault("an operand outside", Kind::reduce, [](Program& p, Instruction& i) {
    p.shapes.push_back({.rows = 2, .step = {Shape::by_index, 0, 0}});
    i.shape = static_cast<std::uint32_t>(p.shapes.size() - 1);
  });
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
  once("a guard on a tile", [](Program&, Instruction& i) { i.kind = Kind::guard, i.uniform_mask = 0; });
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
      i.kind = kind;
      shape_of(p, i) = {.rows = 1000, .terms = 1000, .row_step = 1000, .term_step = 1, .step = {1, 1, 1}};
    });
  }
}

TEST_CASE("program file: exact programs have no rows in their tiles") {
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

TEST_CASE("program file: whatever is in a file, it is refused or runs without harm") {
  // The sanitizers' builds see what this one may not.
  Random random(number_from("TAPELOOM_TEST_SEED", 20261124));
  std::size_t refused = 0, ran = 0;
  for (const bool exact : {false, true}) {
    save_program(path, some_program(exact));
    const std::string whole = read_bytes(path);
    const std::size_t body = whole.find("net.layer0") - 100;
    for (int n = 0; n < 1500; ++n) {
      std::string spoiled = whole;
      for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
        const std::size_t at = body + random() % (spoiled.size() - 8 - body);
        // Mostly small numbers: they are the ones that may pass.
        spoiled[at] = static_cast<char>(random() % 4 == 0 ? random() % 256 : random() % 16);
      }
      write_bytes("spoiled.tapeloom", framed(spoiled));
      try {
        const Program program = load_program("spoiled.tapeloom");
        if (program.uniform_slots > 100'000 || program.tile_slots > 1000 || program.batch_slots > 1000 ||
            program.input_count > 1000) {
          continue;  // it would take long
        }
        ++ran;
        step_of<double>(program);
        if (!program.exact) step_of<float>(program);
      } catch (const DataError&) {
        ++refused;
      } catch (const Error&) {  // a guard, or an option that does not go with the program
      }
    }
  }
  CHECK(refused > 300);
  CHECK(ran > 300);
}
