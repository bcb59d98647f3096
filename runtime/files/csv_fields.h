// Lines of text cut into fields, as RFC 4180 has them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
