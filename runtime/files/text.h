// Text in files: its lines, whatever their encoding and their ends, the fields of lines, as RFC 4180 has them, UTF-8,
// and what error messages show of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/runtime/files/file.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Reads lines one after another. A line ends with LF, CRLF or a lone CR; the last one may do without. Files are
/// gzipped or not, and in UTF-8, with or without a byte order mark, or any encoding that is like it in ASCII
/// characters; with a mark also in UTF-16, which becomes UTF-8. Throws DataError for a file that is damaged, and for
/// UTF-16 without a mark, UTF-32 and some formats that are no text, with what they are.
class TextLines {
 public:
  /// `path` must stay alive.
  explicit TextLines(const std::string& path);

  /// Goes to the next line. False: there is none.
  bool next();
  /// The line without its end, and its end. They stay until next().
  std::string_view text() const { return std::string_view(buffer_).substr(begin_, end_ - begin_); }
  std::string_view line_end() const { return std::string_view(buffer_).substr(end_, next_ - end_); }
  /// From 1.
  std::size_t number() const { return number_; }

 private:
  enum class Encoding : std::uint8_t { bytes, utf16_little, utf16_big };

  void recognise(std::string_view beginning);
  bool fill();
  void append_utf16();

  const std::string& path_;
  GzipReader file_;
  Encoding encoding_ = Encoding::bytes;
  std::string raw_;         // of UTF-16, what is not a whole character yet
  std::size_t offset_ = 0;  // of raw_ in the file
  std::string buffer_;      // the line, and what has been read behind it
  std::size_t begin_ = 0, end_ = 0, next_ = 0, number_ = 0;
  std::size_t line_feed_ = 0;  // the first one behind, so that many lines that end with CR do not each look for it
};

/// Cuts the lines of a row into fields. The blanks around a field are left out, spaces and tabs but for the separator;
/// those within quotes belong to it.
class CsvFields {
 public:
  /// `path` must stay alive. A separator of 0: one or more blanks, and those at the ends of a line are none.
  CsvFields(const std::string& path, char separator) : path_(path), separator_(separator) {}

  /// Whether the line is nothing but blanks.
  bool empty_line(std::string_view text) const;
  /// The next line: the beginning of a row, or the rest of a quoted field with a line end in it. False if another one
  /// follows. Throws DataError with the row's first line and the field if anything but blanks stands behind quotes.
  bool split(std::string_view text, std::string_view line_end, std::size_t line);
  /// Amid a row.
  bool open() const { return open_; }

  // Of the row that is complete. Texts stay until the next line.
  std::size_t size() const { return fields_.size(); }
  std::string_view operator[](std::size_t i) const { return text_of(fields_[i]); }
  std::size_t line() const { return line_; }

 private:
  struct Field {
    std::size_t begin, end;  // in characters_
  };

  bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != separator_; }
  std::string_view text_of(const Field& field) const {
    return {characters_.data() + field.begin, field.end - field.begin};
  }
  Field cut(bool& more);
  bool close_quotes(Field& field);

  const std::string& path_;
  char separator_;
  std::string characters_;  // of the row's lines, those of quoted fields moved together
  std::size_t at_ = 0;      // how far they are fields
  std::vector<Field> fields_;
  std::size_t line_ = 0;
  bool open_ = false;
};

/// Whether it is UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

/// A code point up to U+10FFFF, in UTF-8.
void append_utf8(std::string& to, std::uint32_t code);

/// In quotes, short, and without control characters.
std::string shown(std::string_view text);

/// The same for a list of them, between commas; a long one is cut off.
std::string shown(std::span<const std::string> texts);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
