// Numbers of all sizes in files, and decimal ones in texts.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapeloom/runtime/files/file.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

enum class NumberType : std::uint8_t { u1, u2, u4, u8, i1, i2, i4, i8, f2, f4, f8 };

std::size_t bytes_of(NumberType type);

/// Of those that lie in a file as they do in memory.
template <class Number>
Number number_at(std::string_view bytes, std::size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

/// What 16 bits stand for in IEEE 754's half precision, and in bfloat16.
float float_of_half(std::uint16_t bits);
float float_of_bfloat(std::uint16_t bits);

/// A file that is read from its beginning to its end; knows where it is.
class NumberReader {
 public:
  /// `path` must stay alive.
  explicit NumberReader(const std::string& path) : path_(path), source_(std::make_unique<GzipReader>(path)) {}
  /// What messages call `path` is read from somewhere else.
  NumberReader(const std::string& path, std::unique_ptr<ByteSource> source) : path_(path), source_(std::move(source)) {}

  /// The next bytes, fewer at the end of the file.
  std::string bytes(std::size_t count);
  /// The next numbers, rounded to T where it cannot hold them. Throws DataError with the byte if they are not there;
  /// what is there decides how much memory is taken, not `count`.
  template <class T>
  std::vector<T> numbers(NumberType type, bool big_endian, std::size_t count);
  /// Throws DataError unless nothing is left.
  void end();

  std::size_t offset() const { return offset_; }
  [[noreturn]] void fail(std::size_t offset, const std::string& what) const { fail_at(path_, offset, what); }

 private:
  std::size_t fill(char* buffer, std::size_t count);

  const std::string& path_;
  std::unique_ptr<ByteSource> source_;
  std::size_t offset_ = 0;
};

/// The product of all sizes, if a vector could be that long.
std::optional<std::size_t> element_count(std::span<const std::size_t> shape);

/// [2, 3]
std::string shape_text(std::span<const std::size_t> shape);

/// How numbers are written.
struct DecimalFormat {
  char mark = '.';        ///< between the whole and its fraction: . or ,
  char thousands = '\0';  ///< between groups of three digits of the whole; 0: nothing
};

/// The double next to a number as in 1, +2, -2.5, .5, 3e-4: zero for what is below 2.5e-324. Groups of digits are all
/// separated, or none. Nothing for other texts, for what is no finite number and for what is too large for a double.
std::optional<double> read_decimal(std::string_view text, const DecimalFormat& format);

/// Of a text that read_decimal does not read: what it is ("has a decimal comma"), and which of CsvOptions reads it.
/// Empty for what is no number in any way.
std::string describe_no_decimal(std::string_view text, const DecimalFormat& format);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
