// Whatever allocation of a load or a save fails, the next one finds everything as it was: each of them fails in turn.
#include <zlib.h>

#include <filesystem>

#include "against_evaluate.h"
#include "bench/allocation_counter.h"
#include "files.h"
#include "some_program.h"
#include "tapeloom/c.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/runtime/files/csv.h"
#include "tapeloom/runtime/files/number_array.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/train/checkpoint.h"
#include "tapeloom/runtime/train/preprocess.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// What came of a call: a result, or one of the two errors that there may be.
enum class Outcome : std::uint8_t { done, refused, out_of_memory };

template <class F>
Outcome with_failing(std::size_t n, F& call) {
  Outcome outcome = Outcome::done;
  failing_allocation = allocations + n;
  try {
    call();
  } catch (const Error&) {
    outcome = Outcome::refused;
  } catch (const std::bad_alloc&) {
    outcome = Outcome::out_of_memory;
  }
  failing_allocation = 0;
  return outcome;
}

/// Calls with the first allocation failing, then with the second, ..., and `unchanged` after each failure, until none
/// fails. Returns how many there were. `reset` brings back what was before the call, as some can do without theirs.
template <class F, class G, class H>
std::size_t fail_each(F call, G unchanged, H reset) {
  constexpr std::size_t most = 100'000;
  std::size_t failures = 0;
  for (std::size_t n = 1; n < most; ++n) {
    const std::size_t before = allocations;
    const Outcome outcome = with_failing(n, call);
    const bool was_reached = allocations >= before + n;
    if (outcome == Outcome::done && !was_reached) return failures;
    if (outcome == Outcome::done) {
      reset();
      continue;
    }
    ++failures;
    INFO("allocation " << n);
    if (!unchanged()) {
      FAIL("something has changed");
    }
  }
  FAIL("it never succeeds");
  return 0;
}

template <class F>
std::size_t fail_each(F call) {
  return fail_each(
      call, [] { return true; }, [] {});
}

const std::vector<double>& rows() {
  static const std::vector<double> numbers = some_numbers(4 * 23, 3);
  return numbers;
}

template <class T>
bool same(const TrainerState<T>& a, const TrainerState<T>& b) {
  bool epochs = a.epochs.size() == b.epochs.size();
  for (std::size_t i = 0; epochs && i < a.epochs.size(); ++i) {
    epochs = a.epochs[i].steps == b.epochs[i].steps && a.epochs[i].loss == b.epochs[i].loss;
  }
  return epochs && a.parameters == b.parameters && a.optimizer.steps == b.optimizer.steps &&
         a.optimizer.learning_rate == b.optimizer.learning_rate && a.optimizer.moments == b.optimizer.moments &&
         a.epoch == b.epoch && a.position == b.position && a.loss_sum == b.loss_sum && a.spare == b.spare &&
         a.restored == b.restored && a.best == b.best && a.best_epoch == b.best_epoch;
}

}  // namespace

TEMPLATE_TEST_CASE("out of memory: a checkpoint that fails to load changes nothing of a trainer", "", float, double) {
  FitOptions options{.epochs = 3, .batch = 3, .seed = 11, .validation_fraction = 0.26, .patience = 2};
  options.optimizer = AdamOptions{.learning_rate = 0.05};
  if (GENERATE(false, true)) options.optimizer = SgdOptions{.learning_rate = 0.05, .momentum = 0.9};
  SmallNet net;
  const Program program = compile(net.loss, {.outputs = {net.prediction}});
  Executor<TestType> executor(program), other(program);
  Trainer<TestType> saved(executor, DataView(rows()), options), trainer(other, DataView(rows()), options);
  for (int i = 0; i < 14; ++i) saved.step();
  save_checkpoint("run.safetensors", saved);
  for (int i = 0; i < 8; ++i) trainer.step();
  const TrainerState<TestType> before = trainer.state();
  const std::size_t failures =
      fail_each([&] { load_checkpoint("run.safetensors", trainer); }, [&] { return same(trainer.state(), before); },
                [&] { trainer.restore(before); });
  CHECK(failures > 100);
  CHECK(same(trainer.state(), saved.state()));
}

TEST_CASE("out of memory: weights are all imported or none") {
  SmallNet net;
  Executor<double> executor(compile(net.loss));
  TensorFile file{export_weights(executor), {}};
  for (Tensor& tensor : file.tensors) std::get<1>(tensor.numbers).assign(tensor.size(), 9.0);
  const std::vector<double> before(executor.parameters().begin(), executor.parameters().end());
  const std::size_t failures =
      fail_each([&] { import_weights(executor, file); },
                [&] { return std::equal(before.begin(), before.end(), executor.parameters().begin()); },
                [&] { executor.set_parameters(before); });
  CHECK(failures > 10);
  CHECK(executor.parameters()[0] == 9.0);
}

TEST_CASE("out of memory: files that are read") {
  const std::vector<double> numbers = some_numbers(120, 1);
  write_npy<double>("numbers.npy", numbers, {12, 10}, {.fortran_order = true});
  write_safetensors(
      "tensors.safetensors",
      {{{"a", {3}, std::vector<float>{1, 2, 3}}}, {{"k", "v"}}, {{"i", "I64", {1}, std::string(8, 'x')}}});
  write_bytes("table.csv", "a,b\n1,x\n2,\"y\"\n");
  gzFile packed = gzopen("bytes.idx.gz", "wb");
  const std::string idx = std::string("\0\0\x08\1", 4) + big_endian(5, 4) + "abcde";
  REQUIRE(gzwrite(packed, idx.data(), static_cast<unsigned>(idx.size())) > 0);
  REQUIRE(gzclose(packed) == Z_OK);
  save_program("program.tapeloom", some_program());

  NumberArray<double> array;
  CHECK(fail_each([&] { array = read_npy<double>("numbers.npy"); }) > 3);
  CHECK(array.values == numbers);
  NumberArray<float> bytes;
  CHECK(fail_each([&] { bytes = read_idx<float>("bytes.idx.gz"); }) > 3);
  CHECK(bytes.values == std::vector<float>{'a', 'b', 'c', 'd', 'e'});
  TensorFile tensors;
  CHECK(fail_each([&] { tensors = read_safetensors("tensors.safetensors"); }) > 3);
  CHECK(tensors.find("a")->at(2) == 3.0);
  Table table;
  CHECK(fail_each([&] { table = read_csv("table.csv", {.header = true, .categories = {"b"}}); }) > 3);
  CHECK(table.at(1, 1) == 1.0);
  Program program;
  CHECK(fail_each([&] { program = load_program("program.tapeloom"); }) > 50);
  CHECK(hash(program) == hash(some_program()));
}

TEST_CASE("out of memory: a file that there is not enough memory for is named by every reader") {
  write_npy<double>("long-name-of-numbers.npy", some_numbers(12, 1), {12});
  write_safetensors("long-name-of-tensors.safetensors", {{{"a", {3}, std::vector<float>{1, 2, 3}}}, {}, {}});
  write_bytes("long-name-of-a-table.csv", "a,b\n1,x\n2,\"y\"\n");
  write_bytes("long-name-of-bytes.idx", std::string("\0\0\x08\1", 4) + big_endian(5, 4) + "abcde");
  save_program("long-name-of-a-program.tapeloom", some_program());
  const auto named = [](const std::string& path, const auto& read) {
    INFO(path);
    constexpr std::size_t most = 100'000;
    std::size_t failures = 0;
    for (std::size_t n = 1; n < most; ++n) {
      std::string message;
      const std::size_t before = allocations;
      failing_allocation = allocations + n;
      try {
        read(path);
      } catch (const DataError& error) {
        failing_allocation = 0;
        message = error.what();
      } catch (const std::bad_alloc&) {
        failing_allocation = 0;
        message = "std::bad_alloc";
      }
      failing_allocation = 0;
      if (message.empty() && allocations < before + n) break;
      if (message.empty()) continue;
      ++failures;
      if (message != path + ": there is not enough memory for it") FAIL("allocation " << n << ": " << message);
    }
    CHECK(failures > 3);
  };
  const CsvOptions options{.header = true, .categories = {"b"}};
  named("long-name-of-a-table.csv", [&](const std::string& path) { read_csv(path, options); });
  named("long-name-of-numbers.npy", [](const std::string& path) { read_npy<double>(path); });
  named("long-name-of-bytes.idx", [](const std::string& path) { read_idx<float>(path); });
  named("long-name-of-tensors.safetensors", [](const std::string& path) { read_safetensors(path); });
  named("long-name-of-a-program.tapeloom", [](const std::string& path) { load_program(path); });
}

TEST_CASE("out of memory: files that are written are the old or the new ones, and nothing is beside them") {
  std::filesystem::remove_all("written");
  std::filesystem::create_directory("written");
  const std::vector<double> numbers = some_numbers(120, 1);
  const Program program = some_program();
  const TensorFile file{{{"a", {120}, numbers}}, {{"k", "v"}}};
  const auto alone = [] {
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("written")) ++entries;
    return entries == 1 && read_bytes("written/file") == "old";
  };
  const auto check = [&](auto write) {
    const auto reset = [] { write_bytes("written/file", "old"); };
    reset();
    CHECK(fail_each(write, alone, reset) > 0);
    CHECK(read_bytes("written/file") != "old");
  };
  check([&] { write_npy<double>("written/file", numbers, {12, 10}, {.fortran_order = true}); });
  check([&] { write_safetensors("written/file", file); });
  check([&] { save_program("written/file", program); });
}

namespace {

/// What a program in C may do from beginning to end, until something fails.
tapeloom_status use_from_c(tapeloom_program*& program, tapeloom_executor*& executor, tapeloom_optimizer*& adam) {
  tapeloom_status status = tapeloom_program_load("program.tapeloom", nullptr, &program);
  if (status == TAPELOOM_OK) status = tapeloom_executor_create(program, TAPELOOM_FLOAT, nullptr, &executor);
  if (status == TAPELOOM_OK) status = tapeloom_executor_bind_double(executor, nullptr, rows().data(), 4 * 23, 0);
  if (status == TAPELOOM_OK) status = tapeloom_executor_step(executor, nullptr);
  if (status == TAPELOOM_OK) status = tapeloom_adam_create(TAPELOOM_FLOAT, nullptr, &adam);
  if (status == TAPELOOM_OK) status = tapeloom_optimizer_update(adam, executor, nullptr);
  const char* text = nullptr;
  if (status == TAPELOOM_OK) status = tapeloom_program_explain(program, &text);
  if (status == TAPELOOM_OK) status = tapeloom_executor_save_weights(executor, "weights.safetensors");
  if (status == TAPELOOM_OK) status = tapeloom_executor_load_weights(executor, "weights.safetensors");
  return status;
}

}  // namespace

TEST_CASE("out of memory: every failure comes out of the C interface as a status, and the next call is as before") {
  save_program("program.tapeloom", some_program());
  std::size_t refused = 0, out_of_memory = 0;
  const auto call = [&] {
    tapeloom_program* program = nullptr;
    tapeloom_executor* executor = nullptr;
    tapeloom_optimizer* adam = nullptr;
    const tapeloom_status status = use_from_c(program, executor, adam);
    failing_allocation = 0;
    tapeloom_optimizer_free(adam);
    tapeloom_executor_free(executor);
    tapeloom_program_free(program);
    if (status == TAPELOOM_OK) return;
    if (std::string(tapeloom_last_error()).empty()) throw std::logic_error("a failure without a message");
    if (status == TAPELOOM_OUT_OF_MEMORY) {
      ++out_of_memory;
      throw std::bad_alloc();
    }
    // A file that there is not enough memory for; buffers that are too large for it.
    if (status != TAPELOOM_DATA_ERROR && status != TAPELOOM_BIND_ERROR) throw std::logic_error("another status");
    ++refused;
    throw Error("refused");
  };
  CHECK(fail_each(call) > 100);
  CHECK(refused > 30);
  CHECK(out_of_memory > 10);
}
