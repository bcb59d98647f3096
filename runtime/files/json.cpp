#include "tapeloom/runtime/files/json.h"

#include <charconv>
#include <set>

#include "tapeloom/runtime/files/file.h"
#include "tapeloom/runtime/files/text.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr int deepest = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string json_string(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += "\\u00";
      json += digits[static_cast<unsigned char>(c) >> 4];
      json += digits[static_cast<unsigned char>(c) & 0xf];
    } else {
      json += c;
    }
  }
  return json + "\"";
}

void JsonReader::fail(const std::string& what) const { fail_at(path_, offset_ + at_, what); }

void JsonReader::blanks() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

char JsonReader::peek() {
  blanks();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonReader::accept(char c) {
  if (peek() != c || at_ == text_.size()) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!accept(c)) fail(std::string("'") + c + "' is missing here");
}

void JsonReader::end() {
  blanks();
  if (at_ != text_.size()) fail("there is more than one value");
}

void JsonReader::object(const std::function<void(const std::string& key)>& member) {
  expect('{');
  if (accept('}')) return;
  std::set<std::string> keys;
  do {
    const std::string key = string();
    if (!keys.insert(key).second) fail("the key " + json_string(key) + " is there twice");
    expect(':');
    member(key);
  } while (accept(','));
  expect('}');
}

void JsonReader::array(const std::function<void()>& element) {
  expect('[');
  if (accept(']')) return;
  do {
    element();
  } while (accept(','));
  expect(']');
}

std::uint32_t JsonReader::hexadecimal() {
  std::uint32_t code = 0;
  const char* const begin = text_.data() + at_;
  const char* const end = text_.data() + text_.size();
  if (end - begin < 4) fail("a text is not closed");
  const auto [stop, error] = std::from_chars(begin, begin + 4, code, 16);
  if (error != std::errc() || stop != begin + 4) fail("\\u needs four hexadecimal digits");
  at_ += 4;
  return code;
}

void JsonReader::escape(std::string& to) {
  constexpr std::string_view signs = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  const char sign = at_ < text_.size() ? text_[at_] : '\0';
  ++at_;
  if (const std::size_t i = signs.find(sign); i != signs.npos) {
    to += meanings[i];
    return;
  }
  if (sign != 'u') fail("an unknown escape");
  std::uint32_t code = hexadecimal();
  if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
    at_ += 2;
    const std::uint32_t low = hexadecimal();
    if (low >= 0xdc00 && low < 0xe000) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code >= 0xd800 && code < 0xe000) fail("half a surrogate pair");
  append_utf8(to, code);
}

std::string JsonReader::string() {
  expect('"');
  std::string text;
  for (;;) {
    if (at_ == text_.size()) fail("a text is not closed");
    const char c = text_[at_++];
    if (c == '"') break;
    if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a text");
    if (c == '\\') {
      escape(text);
    } else {
      text += c;
    }
  }
  if (!is_utf8(text)) fail("a text that is not UTF-8");
  return text;
}

std::uint64_t JsonReader::unsigned_number() {
  if (!is_digit(peek())) fail("a whole number, zero or more, is missing here");
  std::uint64_t number = 0;
  const char* const begin = text_.data() + at_;
  const auto [stop, error] = std::from_chars(begin, text_.data() + text_.size(), number);
  const auto length = static_cast<std::size_t>(stop - begin);
  if (error != std::errc()) fail("a number that is too large");
  if (*begin == '0' && length > 1) fail("a number with a leading zero");
  at_ += length;
  const char next = at_ < text_.size() ? text_[at_] : ' ';
  if (next == '.' || next == 'e' || next == 'E') fail("a number that is not whole");
  return number;
}

void JsonReader::skip(int depth) {
  if (depth > deepest) fail("values are nested deeper than " + std::to_string(deepest) + " levels");
  const char c = peek();
  if (c == '{') return object([&](const std::string&) { skip(depth + 1); });
  if (c == '[') return array([&] { skip(depth + 1); });
  if (c == '"') return static_cast<void>(string());
  for (const std::string_view word : {"true", "false", "null"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return;
  }
  double number = 0.0;
  const auto [stop, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
  if ((c != '-' && !is_digit(c)) || (error != std::errc() && error != std::errc::result_out_of_range)) {
    fail("a value is missing here");
  }
  at_ = static_cast<std::size_t>(stop - text_.data());
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
