// The lines of a text file, whatever its encoding and its line ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
