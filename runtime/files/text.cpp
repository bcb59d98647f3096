#include "tapeloom/runtime/files/text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr std::size_t piece = 1U << 16;  // bytes that are read at a time

constexpr std::string_view utf8_mark = "\xEF\xBB\xBF", utf16_little_mark = "\xFF\xFE", utf16_big_mark = "\xFE\xFF";

/// Whether a file that begins so is text: one that does not has characters that no text has. "BZh" may be a name.
bool has_control_characters(std::string_view beginning) {
  return std::any_of(beginning.begin(), beginning.begin() + std::min<std::ptrdiff_t>(std::ssize(beginning), 1024),
                     [](char c) { return c >= 0 && c < ' ' && c != '\t' && c != '\r' && c != '\n'; });
}

bool is_high_surrogate(std::uint32_t unit) { return (unit & 0xfc00) == 0xd800; }
bool is_low_surrogate(std::uint32_t unit) { return (unit & 0xfc00) == 0xdc00; }

}  // namespace

TextLines::TextLines(const std::string& path) : path_(path), file_(path) {
  raw_.resize(piece);
  std::size_t held = 0;
  for (std::size_t count = 1; count > 0; held += count) count = file_.read(raw_.data() + held, piece - held);
  raw_.resize(held);
  recognise(raw_);
  if (encoding_ == Encoding::bytes) {
    buffer_ = std::exchange(raw_, {});
    if (buffer_.starts_with(utf8_mark)) buffer_.erase(0, utf8_mark.size());
  } else {
    raw_.erase(0, utf16_little_mark.size());
    offset_ = utf16_little_mark.size();
    append_utf16();
  }
}

void TextLines::recognise(std::string_view beginning) {
  const std::string format = has_control_characters(beginning) ? format_of(beginning) : "";
  if (!format.empty() && format != format_of(utf16_little_mark)) {
    throw DataError(path_, 0, 0, "the file is " + format + "; text in UTF-8 and UTF-16 is read, gzipped or not");
  }
  if (beginning.starts_with(utf16_little_mark)) encoding_ = Encoding::utf16_little;
  if (beginning.starts_with(utf16_big_mark)) encoding_ = Encoding::utf16_big;
  if (beginning.size() >= 2 && (beginning[0] == '\0') != (beginning[1] == '\0')) {
    throw DataError(
        path_, 0, 0,
        "the file has a zero among its first two bytes: it is text in UTF-16, which is read with a byte order "
        "mark only, or no text");
  }
}

bool TextLines::next() {
  begin_ = next_;
  for (std::size_t at = begin_;;) {
    if (line_feed_ <= at) line_feed_ = std::min(buffer_.find('\n', at), buffer_.size());
    at += std::min(std::string_view(buffer_).substr(at, line_feed_ - at).find('\r'), line_feed_ - at);
    // What follows a CR decides whether it is the whole line end.
    const bool known = at < buffer_.size() && (buffer_[at] == '\n' || at + 1 < buffer_.size());
    const std::size_t read = at - begin_;
    const bool whole = known || !fill();  // which moves the line to the front
    at = begin_ + read;
    if (whole) {
      end_ = at;
      next_ = at == buffer_.size() ? at : at + (buffer_.compare(at, 2, "\r\n") == 0 ? 2 : 1);
      break;
    }
  }
  if (next_ == begin_) return false;
  ++number_;
  return true;
}

/// Reads on; false at the end of the file. Of the buffer, the line from begin_ on is kept.
bool TextLines::fill() {
  buffer_.erase(0, begin_);
  begin_ = line_feed_ = 0;
  std::string& to = encoding_ == Encoding::bytes ? buffer_ : raw_;
  const std::size_t held = to.size();
  to.resize(held + piece);
  const std::size_t count = file_.read(to.data() + held, piece);
  to.resize(held + count);
  if (encoding_ == Encoding::bytes) return count > 0;
  if (count == 0 && held > 0) fail_at(path_, offset_, "the text in UTF-16 ends amid a character");
  append_utf16();
  return count > 0;
}

/// Moves whole characters from raw_ to the buffer.
void TextLines::append_utf16() {
  const auto unit = [&](std::size_t at) -> std::uint32_t {
    const auto first = static_cast<unsigned char>(raw_[at]), second = static_cast<unsigned char>(raw_[at + 1]);
    return encoding_ == Encoding::utf16_big ? first << 8 | second : second << 8 | first;
  };
  std::size_t at = 0;
  while (at + 2 <= raw_.size()) {
    std::uint32_t code = unit(at);
    std::size_t bytes = 2;
    if (is_high_surrogate(code)) {
      if (at + 4 > raw_.size()) break;
      if (is_low_surrogate(unit(at + 2))) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (unit(at + 2) & 0x3ff);
        bytes = 4;
      }
    }
    if (bytes == 2 && (is_high_surrogate(code) || is_low_surrogate(code))) {
      fail_at(path_, offset_ + at, "half a character: the text is no UTF-16, or damaged");
    }
    append_utf8(buffer_, code);
    at += bytes;
  }
  raw_.erase(0, at);
  offset_ += at;
}

bool CsvFields::empty_line(std::string_view text) const {
  return std::all_of(text.begin(), text.end(), [this](char c) { return is_blank(c); });
}

bool CsvFields::split(std::string_view text, std::string_view line_end, std::size_t line) {
  if (!open_) {
    characters_.clear();
    fields_.clear();
    line_ = line;
  }
  at_ = characters_.size();
  characters_ += text;
  for (bool more = true; more;) {
    if (!open_) {
      while (at_ < characters_.size() && is_blank(characters_[at_])) ++at_;
      if (separator_ == '\0' && at_ == characters_.size()) return true;
      if (at_ == characters_.size() || characters_[at_] != '"') {
        fields_.push_back(cut(more));
        continue;
      }
      ++at_;
      fields_.push_back({at_, at_});
    }
    open_ = !close_quotes(fields_.back());
    if (open_) {
      characters_.resize(fields_.back().end);
      characters_ += line_end;
      fields_.back().end = characters_.size();
      return false;
    }
    if (const Field behind = cut(more); behind.begin != behind.end) {
      throw DataError(path_, line_, fields_.size(), shown(text_of(behind)) + " behind a quoted field");
    }
  }
  return true;
}

/// Everything up to the next separator, without blanks at its ends; goes behind that.
CsvFields::Field CsvFields::cut(bool& more) {
  const std::size_t found =
      separator_ == '\0' ? characters_.find_first_of(" \t", at_) : characters_.find(separator_, at_);
  Field field{at_, std::min(found, characters_.size())};
  more = field.end < characters_.size();
  at_ = field.end + (more ? 1 : 0);
  while (field.begin < field.end && is_blank(characters_[field.begin])) ++field.begin;
  while (field.begin < field.end && is_blank(characters_[field.end - 1])) --field.end;
  return field;
}

/// Adds what is within quotes to the field, moved to its end, and goes behind them; false if the line ends first.
bool CsvFields::close_quotes(Field& field) {
  for (;;) {
    const std::size_t quote = std::min(characters_.find('"', at_), characters_.size());
    std::copy(characters_.begin() + static_cast<std::ptrdiff_t>(at_),
              characters_.begin() + static_cast<std::ptrdiff_t>(quote),
              characters_.begin() + static_cast<std::ptrdiff_t>(field.end));
    field.end += quote - at_;
    at_ = quote;
    if (at_ == characters_.size()) return false;
    ++at_;
    if (at_ == characters_.size() || characters_[at_] != '"') return true;
    characters_[field.end++] = '"';
    ++at_;
  }
}

void append_utf8(std::string& to, std::uint32_t code) {
  const auto byte = [&](std::uint32_t bits) { to += static_cast<char>(bits); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) return byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f));
  if (code < 0x10000) {
    byte(0xe0 | code >> 12);
  } else {
    byte(0xf0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3f));
  }
  byte(0x80 | (code >> 6 & 0x3f));
  byte(0x80 | (code & 0x3f));
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i++]);
    if (first < 0x80) continue;
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - i < static_cast<std::size_t>(more)) return false;
    std::uint32_t code = first & (0x3fu >> more);
    for (int k = 0; k < more; ++k) {
      const auto next = static_cast<unsigned char>(text[i++]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    constexpr std::array<std::uint32_t, 4> least = {0, 0x80, 0x800, 0x10000};
    if (code < least[static_cast<std::size_t>(more)] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return false;
    }
  }
  return true;
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::size_t size = std::min(text.size(), longest);
  const bool utf8 = is_utf8(text);
  while (utf8 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  std::string quoted = "\"";
  for (const char c : text.substr(0, size)) {
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    quoted += (ascii ? c >= ' ' && c <= '~' : utf8) ? c : '?';
  }
  return quoted + (size < text.size() ? "...\"" : "\"");
}

std::string shown(std::span<const std::string> texts) {
  constexpr std::size_t most = 20;
  std::string list;
  for (const std::string& text : texts.first(std::min(texts.size(), most)))
    list += (list.empty() ? "" : ", ") + shown(text);
  return texts.size() > most ? list + ", ..." : list;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
