// What can go wrong: Error and its kinds are the user's mistakes, thrown. Ours are in check.h.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Base of everything this library throws, but for std::bad_alloc where there is no memory left. What a function of the
/// user's throws, such as a callback or an initializer, goes through.
class TAPELOOM_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Values used in a way a recording cannot hold: two tapes mixed, a plain number without a tape, an empty list.
class TAPELOOM_API RecordingError : public Error {
 public:
  using Error::Error;
};

/// A handle whose node was dropped by Tape::rewind or Tape::clear.
class TAPELOOM_API StaleValueError : public RecordingError {
 public:
  using RecordingError::RecordingError;
};

/// A recording that cannot be compiled as asked, such as a loss that varies per sample.
class TAPELOOM_API CompileError : public Error {
 public:
  using Error::Error;
};

/// Data or options that do not fit the program: wrong lengths, unknown names, an empty batch, non-finite numbers.
class TAPELOOM_API BindError : public Error {
 public:
  using Error::Error;
};

/// A recorded comparison came out the other way, so the recorded branch is not the one this step needs.
class TAPELOOM_API GuardError : public Error {
 public:
  /// `guard` as Tape::describe_guard puts it.
  GuardError(const std::string& description, std::size_t guard, std::size_t sample);
  /// Which of the tape's guards it is, in recorded order.
  std::size_t guard() const { return guard_; }
  /// Position in the batch of the first sample that failed it.
  std::size_t sample() const { return sample_; }

 private:
  std::size_t guard_;
  std::size_t sample_;
};

/// A data file that cannot be read. Line and column count from 1; 0 where they do not apply.
class TAPELOOM_API DataError : public Error {
 public:
  DataError(const std::string& file, std::size_t line, std::size_t column, const std::string& what);
  std::size_t line() const { return line_; }
  std::size_t column() const { return column_; }

 private:
  std::size_t line_;
  std::size_t column_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
