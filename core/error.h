// What can go wrong: Error and its kinds are the user's mistakes, thrown; TAPELOOM_CHECK is ours, and aborts.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace tapeloom {

/// Base of everything this library throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Values used in a way a recording cannot hold: two tapes mixed, a plain number without a tape, an empty list.
class RecordingError : public Error {
 public:
  using Error::Error;
};

/// A handle whose node was dropped by Tape::rewind or Tape::clear.
class StaleValueError : public RecordingError {
 public:
  using RecordingError::RecordingError;
};

/// A recording that cannot be compiled as asked, such as a loss that varies per sample.
class CompileError : public Error {
 public:
  using Error::Error;
};

/// Data or options that do not fit the program: wrong lengths, unknown names, an empty batch, non-finite numbers.
class BindError : public Error {
 public:
  using Error::Error;
};

/// A recorded comparison came out the other way, so the recorded branch is not the one this step needs.
class GuardError : public Error {
 public:
  /// `guard` as Tape::describe_guard puts it.
  GuardError(const std::string& description, std::size_t guard, std::size_t sample);
  /// Index of the guard in recorded order.
  std::size_t guard() const { return guard_; }
  /// Position in the batch of the first sample that failed it.
  std::size_t sample() const { return sample_; }

 private:
  std::size_t guard_;
  std::size_t sample_;
};

/// A data file that cannot be read. Line and column count from 1; 0 where they do not apply.
class DataError : public Error {
 public:
  DataError(const std::string& file, std::size_t line, std::size_t column, const std::string& what);
  std::size_t line() const { return line_; }
  std::size_t column() const { return column_; }

 private:
  std::size_t line_;
  std::size_t column_;
};

/// Prints the message with its place and aborts. For broken promises inside the library, never for input.
[[noreturn]] void fail_check(const char* condition, const char* file, int line);

}  // namespace tapeloom

#define TAPELOOM_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tapeloom::fail_check(#condition, __FILE__, __LINE__))
