// Just enough JSON for the headers of safetensors files: RFC 8259, read from memory, any text refused with a message.
//
// Measured beside nlohmann-json 3.11.2 (its parser with callbacks, the same entries made, by turns in one process): a
// header of 11 MB, which has 100,000 tensors, takes that 1.8 times as long, and its lexer alone as long as all of this.
// It also asks the C library's locale for the decimal point, which nothing else here does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Walks through a text value by value. Every function skips blanks first and throws DataError, with the byte, where
/// the text is something else.
class JsonReader {
 public:
  /// `offset` is where in the file the text begins, for messages. All arguments must stay alive.
  JsonReader(std::string_view text, const std::string& path, std::size_t offset)
      : text_(text), path_(path), offset_(offset) {}

  /// Calls member(key) for each member; it must read the value. A key that comes twice is refused.
  void object(const std::function<void(const std::string& key)>& member);
  /// Calls element() for each element; it must read it.
  void array(const std::function<void()>& element);
  std::string string();
  /// A number without sign, fraction and exponent.
  std::uint64_t unsigned_number();
  /// Any value, which is not looked at. Deep nesting is refused.
  void skip() { skip(0); }
  /// The end of the text.
  void end();

  [[noreturn]] void fail(const std::string& what) const;

 private:
  void skip(int depth);
  void blanks();
  /// The next character that is no blank, or 0 at the end.
  char peek();
  void expect(char c);
  bool accept(char c);
  std::uint32_t hexadecimal();
  void escape(std::string& to);

  std::string_view text_;
  const std::string& path_;
  std::size_t offset_;
  std::size_t at_ = 0;
};

/// The text in quotes, with escapes.
std::string json_string(std::string_view text);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
