// Catch2, version 2 (Debian 12) or 3, whichever is installed. Tests use what both have.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <exception>
#include <string>

/// How many cases said that they cannot run here. If nothing failed, main() ends with skip_code then, which CTest is
/// told to show as "Skipped".
inline int skipped_cases = 0;
inline constexpr int skip_code = 77;

/// Says why a case, or a part of it, cannot run here, and what would let it.
inline void note_skipped(const std::string& why) {
  ++skipped_cases;
  std::printf("SKIPPED: %s\n", why.c_str());
}

/// Ends a case that cannot run here. Such a case has a tag of its own, and a row in tests/CMakeLists.txt that makes it
/// a test of CTest's by itself, so that one that is skipped does not hide others that ran.
#define SKIP_CASE(why)   \
  do {                   \
    note_skipped((why)); \
    return;              \
  } while (false)

/// The message of the E that `call` throws, or a text beginning with "<" that says what happened instead.
template <class E, class F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("<another exception: ") + error.what() + ">";
  }
  return "<nothing thrown>";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Expects an exception of type E whose message has `part` in it.
#define CHECK_THROWS_SAYING(E, part, ...)                                             \
  do {                                                                                \
    const std::string said_ = message_of<E>([&] { static_cast<void>(__VA_ARGS__); }); \
    INFO("said: " << said_ << "; expected: " << (part));                              \
    CHECK((!said_.starts_with("<") && contains(said_, (part))));                      \
  } while (false)
