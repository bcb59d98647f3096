// The border of the C interface: exceptions become statuses with messages, arguments and options are looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "tapeloom/c.h"
#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// A mistake that only C can make.
class MisuseError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// The status of the exception that is being handled, whose message this thread remembers.
tapeloom_status caught() noexcept;

/// Calls, and lets nothing that it throws out.
template <class F>
tapeloom_status status_of(F call) noexcept {
  try {
    call();
    return TAPELOOM_OK;
  } catch (...) {
    return caught();
  }
}

/// What an argument points to. Throws MisuseError for NULL.
template <class T>
T& at(T* pointer, const char* argument) {
  if (pointer == nullptr) throw MisuseError(std::string(argument) + " is NULL");
  return *pointer;
}

/// NULL until the call that makes what it points to has succeeded.
template <class Handle>
Handle*& result_at(Handle** pointer, const char* argument) {
  Handle*& result = at(pointer, argument);
  result = nullptr;
  return result;
}

/// Throws MisuseError for an array that is NULL, unless it is empty.
template <class T>
const T* array_at(const T* numbers, std::size_t count, const char* argument) {
  if (count > 0) static_cast<void>(at(numbers, argument));
  return numbers;
}

// --- structs of the caller's ---------------------------------------------------------------------------------------
// They grow at their end. None has grown yet, so the first version of each is all of it, and smaller ones are none.

/// Throws MisuseError unless a struct that has `known` bytes here may have that size in a caller's header.
void check_size(std::size_t size, std::size_t known, const char* argument);
/// Throws MisuseError unless the bytes [begin, end) are zero.
void check_zero(const void* given, std::size_t begin, std::size_t end);
/// Throws MisuseError for a field without a meaning that is not zero.
void check_reserved(std::int32_t field);

/// Fills a struct that has `size` bytes, with zeros behind what is known here. Throws MisuseError.
template <class Struct>
void fill(Struct* given, std::size_t size, const Struct& with, const char* argument) {
  static_cast<void>(at(given, argument));
  check_size(size, sizeof(Struct), argument);
  std::memset(static_cast<void*>(given), 0, size);
  *given = with;
}

/// Fills options with the defaults.
template <class Options>
void init(Options* options, std::size_t size, Options defaults) {
  defaults.size = size;
  fill(options, size, defaults, "options");
}

/// The caller's options, or the defaults for NULL. Throws MisuseError for options that were not initialised, and for
/// fields that are set and not known here.
template <class Options>
Options options_at(const Options* given, const Options& defaults) {
  if (given == nullptr) return defaults;
  check_size(given->size, sizeof(Options), "options");
  check_zero(given, sizeof(Options), given->size);
  return *given;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
