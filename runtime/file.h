// Whole files in and out, with errors that say which file and why.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct gzFile_s;

namespace tapeloom::inline v0_1::runtime {

/// Throws DataError "<path>: byte <offset>: <what>".
[[noreturn]] void fail_at(const std::string& path, std::size_t offset, const std::string& what);

/// All bytes of a file. Throws DataError.
std::string read_file(const std::string& path);

/// Writes the file under another name beside it first and then moves it, so that whatever happens meanwhile, the file
/// is the old one or the new one. Throws DataError; then the old one is still there.
void write_file(const std::string& path, std::string_view bytes);

/// Reads gzipped and plain files alike, as their content says; says what went wrong where zlib notices.
class GzipReader {
 public:
  /// `path` must stay alive. Throws DataError.
  explicit GzipReader(const std::string& path);
  /// The number of bytes read, zero at the end. Throws DataError for a file that is damaged or cut short.
  std::size_t read(void* buffer, std::size_t size);

 private:
  struct Close {
    void operator()(gzFile_s* file) const;
  };
  const std::string& path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

}  // namespace tapeloom::inline v0_1::runtime
