// What comes out of the C interface in place of exceptions, and what threads have in common.
#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "catch.h"
#include "some_program.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/runtime/c/status.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::runtime;
using namespace tapeloom::test;

namespace {

template <class E>
tapeloom_status status_of_thrown(const E& thrown) {
  return status_of([&] { throw thrown; });
}

}  // namespace

TEST_CASE("C status: each kind of Error has its own, and its message") {
  const auto check = [](const auto& thrown, tapeloom_status expected) {
    CHECK(status_of_thrown(thrown) == expected);
    CHECK(std::string(tapeloom_last_error()) == thrown.what());
  };
  check(Error("an error"), TAPELOOM_ERROR);
  check(RecordingError("a recording"), TAPELOOM_RECORDING_ERROR);
  check(StaleValueError("a value"), TAPELOOM_STALE_VALUE_ERROR);
  check(CompileError("a loss"), TAPELOOM_COMPILE_ERROR);
  check(BindError("a binding"), TAPELOOM_BIND_ERROR);
  check(GuardError("guard", 3, 7), TAPELOOM_GUARD_ERROR);
  check(DataError("file", 1, 2, "what"), TAPELOOM_DATA_ERROR);
  check(MisuseError("NULL"), TAPELOOM_MISUSE);
}

TEST_CASE("C status: what is no Error comes out as a status, too") {
  CHECK(status_of_thrown(std::bad_alloc()) == TAPELOOM_OUT_OF_MEMORY);
  CHECK(contains(tapeloom_last_error(), "memory"));
  CHECK(status_of_thrown(std::bad_array_new_length()) == TAPELOOM_OUT_OF_MEMORY);
  CHECK(status_of_thrown(std::logic_error("ours")) == TAPELOOM_INTERNAL_ERROR);
  CHECK(std::string(tapeloom_last_error()) == "ours");
  CHECK(status_of_thrown(42) == TAPELOOM_INTERNAL_ERROR);
  CHECK(contains(tapeloom_last_error(), "no std::exception"));
}

TEST_CASE("C status: names are those of the header") {
  for (tapeloom_status status = TAPELOOM_OK; status <= TAPELOOM_DATA_ERROR; ++status) {
    CHECK(std::string(tapeloom_status_name(status)).starts_with("TAPELOOM_"));
  }
  CHECK(std::string(tapeloom_status_name(TAPELOOM_GUARD_ERROR)) == "TAPELOOM_GUARD_ERROR");
  CHECK(std::string(tapeloom_status_name(TAPELOOM_DATA_ERROR + 1)) == "an unknown tapeloom_status");
}

TEST_CASE("C status: the last failure is the thread's own, and successes leave it alone") {
  CHECK(status_of_thrown(GuardError("guard", 3, 7)) == TAPELOOM_GUARD_ERROR);
  std::string message;
  int guards = 1;
  std::thread([&] {
    message = tapeloom_last_error();
    guards = tapeloom_last_guard(nullptr, nullptr);
    status_of_thrown(BindError("another"));
  }).join();
  CHECK(message.empty());
  CHECK(guards == 0);
  CHECK(status_of([] {}) == TAPELOOM_OK);
  CHECK(contains(tapeloom_last_error(), "sample 7"));
  std::size_t guard = 0, sample = 0;
  CHECK(tapeloom_last_guard(&guard, &sample) == 1);
  CHECK(guard == 3);
  CHECK(sample == 7);
  CHECK(status_of_thrown(BindError("another")) == TAPELOOM_BIND_ERROR);
  CHECK(tapeloom_last_guard(&guard, &sample) == 0);
}

TEST_CASE("C interface: several threads ask one program and run executors of it") {
  save_program("program.tapeloom", some_program());
  tapeloom_program* program = nullptr;
  REQUIRE(tapeloom_program_load("program.tapeloom", nullptr, &program) == TAPELOOM_OK);
  const std::array<float, 8> rows = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F};
  std::array<const char*, 4> texts = {};
  std::array<double, 4> losses = {};
  std::array<std::thread, 4> threads;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i] = std::thread([&, i] {
      tapeloom_executor* executor = nullptr;
      tapeloom_program_explain(program, &texts[i]);
      tapeloom_executor_create(program, TAPELOOM_FLOAT, nullptr, &executor);
      tapeloom_executor_bind_float(executor, nullptr, rows.data(), rows.size(), 0);
      tapeloom_executor_step(executor, &losses[i]);
      tapeloom_executor_free(executor);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(std::count(texts.begin(), texts.end(), texts[0]) == 4);
  CHECK(texts[0] == explain(some_program()));
  CHECK(losses[0] != 0.0);
  CHECK(std::count(losses.begin(), losses.end(), losses[0]) == 4);
  tapeloom_program_free(program);
}
