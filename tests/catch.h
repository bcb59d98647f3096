// Catch2, version 2 (Debian 12) or 3, whichever is installed. Tests use what both have.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <exception>
#include <string>

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
