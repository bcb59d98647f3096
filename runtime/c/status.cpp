#include "tapeloom/runtime/c/status.h"

#include <algorithm>
#include <exception>
#include <new>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Of a thread.
struct LastError {
  const char* message = "";
  std::string text;  // what `message` points to, if there was memory for it
  tapeloom_status status = TAPELOOM_OK;
  std::size_t guard = 0, sample = 0;
};
thread_local LastError last;

tapeloom_status remember(tapeloom_status status, const char* message) noexcept {
  last.status = status;
  try {
    last.text = message;
    last.message = last.text.c_str();
  } catch (...) {
    last.message = "there is no memory left for the message";
  }
  return status;
}

/// No struct of options will ever be larger, so a larger size was not initialised.
constexpr std::size_t largest_struct = 4096;

}  // namespace

// One after another: an Error's kinds before itself.
tapeloom_status caught() noexcept {
  try {
    throw;
  } catch (const MisuseError& error) {
    return remember(TAPELOOM_MISUSE, error.what());
  } catch (const std::bad_alloc&) {
    return remember(TAPELOOM_OUT_OF_MEMORY, "there is not enough memory");
  } catch (const StaleValueError& error) {
    return remember(TAPELOOM_STALE_VALUE_ERROR, error.what());
  } catch (const RecordingError& error) {
    return remember(TAPELOOM_RECORDING_ERROR, error.what());
  } catch (const CompileError& error) {
    return remember(TAPELOOM_COMPILE_ERROR, error.what());
  } catch (const BindError& error) {
    return remember(TAPELOOM_BIND_ERROR, error.what());
  } catch (const GuardError& error) {
    last.guard = error.guard();
    last.sample = error.sample();
    return remember(TAPELOOM_GUARD_ERROR, error.what());
  } catch (const DataError& error) {
    return remember(TAPELOOM_DATA_ERROR, error.what());
  } catch (const Error& error) {
    return remember(TAPELOOM_ERROR, error.what());
  } catch (const std::exception& error) {
    return remember(TAPELOOM_INTERNAL_ERROR, error.what());
  } catch (...) {
    return remember(TAPELOOM_INTERNAL_ERROR, "something was thrown that is no std::exception");
  }
}

void check_size(std::size_t size, std::size_t known, const char* argument) {
  if (size >= known && size <= largest_struct) return;
  throw MisuseError("the size of " + std::string(argument) + " is " + std::to_string(size) + ", and should be " +
                    std::to_string(known) +
                    " or, of a newer header, more; tapeloom_..._init(&options, sizeof options) " +
                    "sets the size of options");
}

namespace {

[[noreturn]] void refuse_unknown_fields() {
  throw MisuseError("options have fields set that this library, of TAPELOOM_C_VERSION " +
                    std::to_string(TAPELOOM_C_VERSION) + ", does not know");
}

}  // namespace

void check_zero(const void* given, std::size_t begin, std::size_t end) {
  const char* bytes = static_cast<const char*>(given);
  if (!std::all_of(bytes + begin, bytes + end, [](char byte) { return byte == 0; })) refuse_unknown_fields();
}

void check_reserved(std::int32_t field) {
  if (field != 0) refuse_unknown_fields();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime

using namespace tapeloom::runtime;

uint32_t tapeloom_c_version() { return TAPELOOM_C_VERSION; }

const char* tapeloom_version() { return tapeloom::version(); }

const char* tapeloom_status_name(tapeloom_status status) {
#define TAPELOOM_NAMED(status) \
  case status:                 \
    return #status
  switch (status) {
    TAPELOOM_NAMED(TAPELOOM_OK);
    TAPELOOM_NAMED(TAPELOOM_MISUSE);
    TAPELOOM_NAMED(TAPELOOM_OUT_OF_MEMORY);
    TAPELOOM_NAMED(TAPELOOM_INTERNAL_ERROR);
    TAPELOOM_NAMED(TAPELOOM_ERROR);
    TAPELOOM_NAMED(TAPELOOM_RECORDING_ERROR);
    TAPELOOM_NAMED(TAPELOOM_STALE_VALUE_ERROR);
    TAPELOOM_NAMED(TAPELOOM_COMPILE_ERROR);
    TAPELOOM_NAMED(TAPELOOM_BIND_ERROR);
    TAPELOOM_NAMED(TAPELOOM_GUARD_ERROR);
    TAPELOOM_NAMED(TAPELOOM_DATA_ERROR);
  }
#undef TAPELOOM_NAMED
  return "an unknown tapeloom_status";
}

const char* tapeloom_last_error() { return last.message; }

int32_t tapeloom_last_guard(size_t* guard, size_t* sample) {
  if (last.status != TAPELOOM_GUARD_ERROR) return 0;
  if (guard != nullptr) *guard = last.guard;
  if (sample != nullptr) *sample = last.sample;
  return 1;
}
