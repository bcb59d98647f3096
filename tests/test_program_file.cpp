#include "tapeloom/runtime/files/program_file.h"

#include <cmath>
#include <filesystem>
#include <new>

#include "files.h"
#include "processor_time.h"
#include "random_net.h"
#include "some_program.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/program/program_check.h"
#include "tapeloom/runtime/execute/tile_plan.h"
#include "tapeloom/runtime/train/optimizer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

const std::string path = "saved.tapeloom";

Program saved_and_loaded(const Program& program) {
  save_program(path, program);
  return load_program(path);
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

TEST_CASE("program file: the bytes of a file in memory are read as the file is") {
  const Program program = some_program();
  save_program(path, program);
  std::string bytes = read_bytes(path);
  const auto in_memory = [&] { return std::as_bytes(std::span(bytes)); };
  CHECK(to_string(load_program(in_memory())) == to_string(program));
  CHECK_THROWS_SAYING(DataError, "max_bytes = 30", load_program(in_memory(), {.max_bytes = 30}));
  CHECK_THROWS_SAYING(DataError, "cut short", load_program(in_memory().first(19)));
  CHECK_THROWS_SAYING(DataError, "cut short", load_program(std::span<const std::byte>()));
  bytes[bytes.size() / 2] ^= 1;
  CHECK_THROWS_SAYING(DataError, "a program in memory: byte", load_program(in_memory()));
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
    CHECK(find_fault(program) == "");
    if (n % 10 == 0) {
      const Program loaded = saved_and_loaded(program);
      CHECK(hash(loaded) == hash(program));
      CHECK(to_string(loaded) == to_string(program));
    }
    if (!problem.outputs.empty()) CHECK(find_fault(compile_inference(problem.outputs)) == "");
    CHECK(find_fault(compile(problem.loss, {.outputs = problem.outputs, .exact = true})) == "");
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
  CHECK(whole.starts_with("TAPELOOM" + little_endian(7, 4)));
  check_refused("", "byte 0: the file is cut short: no header");
  check_refused("TAPE", "byte 0: the file is cut short: no header");
  check_refused("PK\x03\x04 something else", "byte 0: a saved program begins with TAPELOOM; this is a ZIP archive");
  check_refused("something else", "byte 0: a saved program begins with TAPELOOM; this is none");
  check_refused("TAPELOOM" + little_endian(2, 4) + whole.substr(12),
                "byte 8: a program in version 2 of the format; this library reads version 7");
  check_refused(whole + "x", "byte " + std::to_string(whole.size()) + ": the file goes on behind the program");
  for (std::size_t kept = 20; kept < whole.size(); kept += 1 + kept / 50) {
    check_refused(whole.substr(0, kept), "byte " + std::to_string(kept) + ": the file is cut short");
  }
  for (std::size_t at = 20; at < whole.size(); at += 1 + at / 50) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    check_refused(damaged, "byte " + std::to_string(whole.size() - 8) + ": the file is damaged");
  }
  check_refused("TAPELOOM" + little_endian(7, 4) + little_endian(UINT64_MAX, 8) + whole.substr(20),
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
        const Program program = load_program(
            "spoiled.tapeloom", {.max_samples = 20, .max_operations = 10'000'000, .max_bytes = 10'000'000});
        if (program.input_count > 1000) continue;  // its rows would be many
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
  save_program("much.tapeloom", some_program());
  CHECK_THROWS_SAYING(DataError, "the bytes of the file are ", load_program("much.tapeloom", {.max_bytes = 1000}));
  CHECK_THROWS_SAYING(DataError, "more than LoadOptions::max_bytes = 1000 ",
                      load_program("/dev/zero", {.max_bytes = 1000}));
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
