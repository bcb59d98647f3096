// Just enough JSON for the headers of safetensors files: RFC 8259, read from memory, any text refused with a message.
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

/// Whether it is UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

/// A code point up to U+10FFFF, in UTF-8.
void append_utf8(std::string& to, std::uint32_t code);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
