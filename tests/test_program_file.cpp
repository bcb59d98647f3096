#include "tapeloom/runtime/files/program_file.h"

#include <cmath>
#include <new>

#include "files.h"
#include "random_net.h"
#include "some_program.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/program/program_check.h"
#include "tapeloom/runtime/train/optimizer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

const std::string path = "saved.tapeloom";

Program saved_and_loaded(const Program& program) {
  save_program(path, program);
  return load_program(path);
}

/// All numbers of a step of 20 samples, or of fewer.
template <class T>
std::vector<T> step_of(const Program& program, std::size_t samples = 20) {
  Executor<T> executor(program, {.max_samples = samples});
  std::vector<double> rows(samples * program.input_count);
  Random random(3);
  for (double& number : rows) number = between(random, -1.0, 1.0);
  const bool has_inputs = program.recorded_samples == 0 && program.input_count > 0;
  if (has_inputs) executor.bind(std::span<const double>(rows));
  std::vector<T> numbers;
  const T loss = has_inputs ? executor.step(0, samples) : executor.step();
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

/// With instructions of their own for steps of one sample.
Program some_program_of_one_sample() {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value u = tape.uniform_input(0.5, "u");
  const MLP network(tape, 3, {{5, tanh}, {2}}, glorot(random));
  network.set_labels("net.");
  const std::vector<Value> y = network(x);
  Value loss = batch_mean(square(y[0] * u - 1.0) + where(y[1] > 0.0, y[1], square(y[1])));
  if (x[0] < 100.0) loss = loss + square(network.parameters()[2]);
  const Program program =
      compiler::compile_in_way(loss, {.outputs = {y[0], x[1]}, .input_gradients = true}, {.one_sample = true});
  REQUIRE(program.of_one_sample != nullptr);
  return program;
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
  CHECK(whole.starts_with("TAPELOOM" + little_endian(13, 4)));
  check_refused("", "byte 0: the file is cut short: no header");
  check_refused("TAPE", "byte 0: the file is cut short: no header");
  check_refused("PK\x03\x04 something else", "byte 0: a saved program begins with TAPELOOM; this is a ZIP archive");
  check_refused("something else", "byte 0: a saved program begins with TAPELOOM; this is none");
  check_refused("TAPELOOM" + little_endian(2, 4) + whole.substr(12),
                "byte 8: a program in version 2 of the format; this library reads version 13");
  check_refused(whole + "x", "byte " + std::to_string(whole.size()) + ": the file goes on behind the program");
  for (std::size_t kept = 20; kept < whole.size(); kept += 1 + kept / 50) {
    check_refused(whole.substr(0, kept), "byte " + std::to_string(kept) + ": the file is cut short");
  }
  for (std::size_t at = 20; at < whole.size(); at += 1 + at / 50) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    check_refused(damaged, "byte " + std::to_string(whole.size() - 8) + ": the file is damaged");
  }
  check_refused("TAPELOOM" + little_endian(13, 4) + little_endian(UINT64_MAX, 8) + whole.substr(20),
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
  for (const Program& good : {some_program(), some_program(true), some_program_of_one_sample()}) {
    save_program(path, good);
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
        if (program.of_one_sample != nullptr) step_of<double>(program, 1), step_of<float>(program, 1);
      } catch (const DataError&) {
        ++refused;
      } catch (const Error&) {  // a guard, or an option that does not go with the program
      }
    }
  }
  CHECK(refused > 450);
  CHECK(ran > 450);
}
