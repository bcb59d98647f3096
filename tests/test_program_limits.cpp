// What programs in files may ask for at most, and how long it takes to look at them.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "files.h"
#include "processor_time.h"
#include "random_net.h"
#include "some_program.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/program_check.h"
#include "tapeloom/runtime/execute/tile_plan.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// A program of one input, and these instructions for each tile.
Program tile_program(const std::vector<std::pair<Instruction, Shape>>& instructions) {
  Program program;
  program.input_groups = {{"x", InputId(0), 1, true}};
  program.input_count = 1;
  program.loads = {{InputId(0), 1, 0}};
  program.tile_slots = 8;
  program.uniform_slots = program.first_computed();
  for (auto [instruction, shape] : instructions) {
    instruction.shape = static_cast<std::uint32_t>(program.shapes.size());
    program.shapes.push_back(shape);
    program.instructions.push_back(instruction);
  }
  program.stages = {{{}, {0, static_cast<std::uint32_t>(program.instructions.size())}, {0, 1}, {}}};
  return program;
}

/// Expects the default options to refuse it, naming the option, and larger ones not to.
void check_asks_for_too_much(const Program& program, const std::string& option) {
  save_program("much.tapeloom", program);
  INFO(message_of<DataError>([] { load_program("much.tapeloom"); }));
  CHECK(std::filesystem::file_size("much.tapeloom") < 2000);
  CHECK(find_fault(program) == "");
  CHECK_THROWS_SAYING(DataError, ", more than LoadOptions::" + option + " = ", load_program("much.tapeloom"));
  CHECK_THROWS_SAYING(DataError, "much.tapeloom: the program's step of 1024 samples (LoadOptions::max_samples) ",
                      load_program("much.tapeloom"));
  const LoadOptions all{.max_operations = UINT64_MAX, .max_bytes = UINT64_MAX};
  CHECK(hash(load_program("much.tapeloom", all)) == hash(program));
}

}  // namespace

TEST_CASE("program file: a small file that asks for hours of work is refused, and the error names the option") {
  const std::uint32_t rows = 1u << 30;
  std::vector<std::pair<Instruction, Shape>> sums;
  for (std::uint32_t n = 0; n < 4; ++n) {
    sums.push_back({{.kind = InstructionKind::row_sum, .out = n + 1}, {.rows = rows}});
  }
  check_asks_for_too_much(tile_program(sums), "max_operations");
  // A step of fewer samples is another matter.
  const Program program = tile_program({sums[0]});
  save_program("much.tapeloom", program);
  CHECK_THROWS_SAYING(DataError,
                      "takes operations: 1099511628800, more than LoadOptions::max_operations = 1000000000000",
                      load_program("much.tapeloom"));
  CHECK(load_program("much.tapeloom", {.max_samples = 100}).instructions.size() == 1);
  CHECK_THROWS_SAYING(DataError, "max_operations = 1000000 ",
                      load_program("much.tapeloom", {.max_samples = 1, .max_operations = 1'000'000}));
}

TEST_CASE("program file: a small file that asks for much memory is refused, and the error names the option") {
  const std::uint32_t many = 1u << 22;
  Program tiles = tile_program({{{.kind = InstructionKind::copy, .out = 1}, {.rows = 64 * many}}});
  tiles.tile_slots = 64 * many + 1;
  check_asks_for_too_much(tiles, "max_bytes");
  Program batch = tile_program({{{.kind = InstructionKind::spill, .out = 0}, {.rows = many}}});
  batch.batch_slots = many;
  check_asks_for_too_much(batch, "max_bytes");
  Program totals = tile_program({{{.kind = InstructionKind::reduce, .out = 0}, {.rows = 32 * many}}});
  totals.total_count = 1;
  totals.uniform_slots = totals.first_computed();
  totals.stages[0].totals = {0, 1};
  check_asks_for_too_much(totals, "max_bytes");
  totals.instructions[0].kind = InstructionKind::reduce_outer;
  totals.shapes[1] = {.rows = many, .terms = 1};  // room to bring so many numbers of each sample side by side
  check_asks_for_too_much(totals, "max_bytes");
  totals.shapes[1] = {.places = 4 * many};  // a call for each place
  check_asks_for_too_much(totals, "max_bytes");
  Program once = tile_program({{{.kind = InstructionKind::zero, .out = 0}, {.rows = 256 * many}}});
  once.stages[0] = {{0, 1}, {1, 1}, {0, 1}, {}};
  once.uniform_slots = 256 * many + 1024;
  once.instructions[0].out = once.first_computed();
  check_asks_for_too_much(once, "max_bytes");
  // Half a gigabyte of slots, and calls for as many sums; then a copy of a matrix in whole vectors.
  const std::uint32_t first = once.first_computed();
  once.uniform_slots = 16 * many + 1024;
  once.shapes = {{}, {.rows = 16 * many}, {.rows = 1, .terms = 16 * many, .step = {1, 0, 0}}};
  once.instructions.push_back({.kind = InstructionKind::row_sum, .shape = 2, .out = first, .x = {first}});
  once.stages[0] = {{0, 2}, {2, 2}, {0, 1}, {}};
  check_asks_for_too_much(once, "max_bytes");
  once.shapes[2] = {.rows = 2, .terms = 8 * many - 1, .row_step = 2, .term_step = 2, .places = 4};
  once.instructions[1] = {.kind = InstructionKind::dense, .shape = 2, .out = first, .x = {first, first}};
  check_asks_for_too_much(once, "max_bytes");
  // A product with a vector is a sum of products for each row.
  once.shapes[2] = {.rows = 16 * many, .term_step = 1, .step = {0, 1, 0}};
  check_asks_for_too_much(once, "max_bytes");
  save_program("much.tapeloom", some_program());
  CHECK_THROWS_SAYING(DataError, "the bytes of the file are ", load_program("much.tapeloom", {.max_bytes = 1000}));
  // What is none is not read to its end.
  CHECK_THROWS_SAYING(DataError, "/dev/zero: byte 0: a saved program begins with TAPELOOM", load_program("/dev/zero"));
}

TEST_CASE("program file: what steps of one sample ask for is limited, too") {
  Program whole = tile_program({}), one = whole;
  one.one_row = true;
  one.loads.clear(), one.tile_slots = 0;
  const std::uint32_t rows = 1u << 30;
  one.shapes = {{}, {.rows = rows}};
  one.instructions = {{.kind = InstructionKind::zero, .shape = 1, .out = one.first_computed()}};
  one.stages = {{{0, 1}, {1, 1}, {}, {}}};
  one.uniform_slots = one.first_computed() + rows;
  whole.of_one_sample = std::make_shared<const Program>(one);
  check_asks_for_too_much(whole, "max_bytes");
  one.instructions[0].kind = InstructionKind::row_sum;  // of one number, again and again
  one.uniform_slots = one.first_computed() + 1;
  whole.of_one_sample = std::make_shared<const Program>(one);
  save_program("much.tapeloom", whole);
  CHECK(hash(load_program("much.tapeloom")) == hash(whole));
  CHECK_THROWS_SAYING(DataError, "max_operations = 1000000 ",
                      load_program("much.tapeloom", {.max_operations = 1'000'000}));
}

TEST_CASE("program file: programs as they are compiled are far below the limits") {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 784);
  const MLP network(tape, 784, {{128, relu}, {10}}, glorot(random));
  const Program program = compile(batch_mean(softmax_cross_entropy(network(x), tape.input(0.0, "y"))));
  save_program("digits.tapeloom", program);
  const LoadOptions options{.max_operations = LoadOptions{}.max_operations / 500,
                            .max_bytes = LoadOptions{}.max_bytes / 200};
  CHECK(hash(load_program("digits.tapeloom", options)) == hash(program));
  CHECK_THROWS_SAYING(DataError, "max_operations", load_program("digits.tapeloom", {.max_operations = 200'000'000}));
  // 2 x 784 x 128 multiplications and additions forward and for the gradients, and little else.
  const double operations = runtime::cost_of(program, 1000).operations / 1000.0;
  CHECK(operations > 4.0 * 784 * 128);
  CHECK(operations < 6.0 * 784 * 128);
}

TEST_CASE("program file: the memory that is estimated is what an executor takes") {
  Random random(7);
  for (std::uint64_t n = 0; n < 40; ++n) {
    INFO("net " << n);
    Net net;
    NetWriter(random, net).write();
    const Program program = compile(net.problem.loss, {.outputs = net.problem.outputs, .input_gradients = true});
    const double taken = static_cast<double>(Executor<double>(program, {.threads = 1}).arena_bytes());
    const double estimated = runtime::cost_of(program, 1024).bytes;
    CHECK(estimated > 0.8 * taken - 4096.0);
    CHECK(estimated < 3.0 * taken + 1e6);
  }
}

TEST_CASE("program file: 160,000 groups of one input load in a time in proportion to their number") {
  // Each load is looked up among the groups; going through them all takes 17 s instead of one or less.
  constexpr std::uint32_t count = 160'000;
  Program program;
  for (std::uint32_t g = 0; g < count; ++g) {
    program.input_groups.push_back({"input" + std::to_string(g), InputId(g), 1, true});
    program.loads.push_back({InputId(g), 1, g});
  }
  program.input_count = program.tile_slots = count;
  program.uniform_slots = program.first_computed();
  program.stages = {{{}, {}, {0, count}, {}}};
  save_program("groups.tapeloom", program);
  const ProcessorTime time;
  const Program loaded = load_program("groups.tapeloom");
  CHECK(time.seconds() < 5.0);
  CHECK(loaded.loads.size() == count);
  CHECK(loaded.input_groups[count - 1].name == "input159999");
}

TEST_CASE("program file: checking takes a time in proportion to the file, whatever its instructions share") {
  // 20,000 instructions that read the same 200,000 rows one by one, or claim the same lists.
  constexpr std::uint32_t rows = 200'000;
  Program program = tile_program({});
  program.indices.assign(rows, 0);
  program.tile_slots = rows + 1;
  program.shapes.push_back({.rows = rows, .step = {Shape::by_index, 0, 0}});
  program.instructions.assign(20'000, {.kind = InstructionKind::elementwise, .op = Op::tanh, .shape = 1, .out = 1});
  program.stages[0].tile = {0, 20'000};
  const ProcessorTime time;
  CHECK(find_fault(program) == "");
  program.indices[rows / 2] = rows + 1;
  CHECK(find_fault(program) == "an operand outside the slots");
  program.indices.assign(rows, Program::last_slot);
  for (Instruction& i : program.instructions)
    i = {.kind = InstructionKind::gather, .shape = 1, .out = 1, .x = {0, rows}};
  program.shapes[1].step = {};
  CHECK(find_fault(program) == "lists that several instructions share");
  program.instructions.resize(1);
  program.stages[0].tile = {0, 1};
  CHECK(find_fault(program) == "");
  CHECK(time.seconds() < 2.0);
}
