// Files to read, gzipped or not, with errors that say which file, where and why; and to write: whole ones at once, so
// that whoever reads meanwhile, and whatever ends the process, sees the old one or the new one.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/version.h"

struct z_stream_s;

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Throws DataError "<path>: byte <offset>: <what>".
[[noreturn]] void fail_at(const std::string& path, std::size_t offset, const std::string& what);
/// Throws DataError "<path>: <what>: <the system's words for errno's number>".
[[noreturn]] void fail_by_system(const std::string& path, const char* what, int error);

/// Throws DataError for a path that the system would take for another, shorter one: with a NUL in it.
void check_path(const std::string& path);

/// What a file that begins like this is, such as "a ZIP archive (.npz, .pt)"; empty if that is not known. For messages
/// to those who give a file to the wrong function.
std::string format_of(std::string_view start);
/// The same as the end of a sentence: "; this is a ZIP archive (.npz, .pt)", or "; this is none".
std::string but_it_is(std::string_view start);

/// Throws DataError that says so.
[[noreturn]] void fail_without_memory(const std::string& path);
/// What `read` gives; where the memory for a file does not suffice, throws DataError.
template <class F>
auto with_memory_for(const std::string& path, F read) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  fail_without_memory(path);
}

/// A file descriptor that is closed whatever happens.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  int number() const { return number_; }
  /// Whether all that was written has arrived.
  bool close_well();

 private:
  int number_;
};

/// What is read from its beginning to its end.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// The number of bytes read, zero at the end.
  virtual std::size_t read(void* buffer, std::size_t size) = 0;
  /// How many there are; 0 if that is not known before they are read.
  virtual std::size_t size() const = 0;
};

/// A file that is read as it is.
class InputFile {
 public:
  /// `path` must stay alive. Throws DataError.
  explicit InputFile(const std::string& path);
  /// The number of bytes read, as many as asked for but at the end of the file. Throws DataError.
  std::size_t read(void* buffer, std::size_t size);
  /// From that byte on, of a regular file.
  void seek(std::size_t offset);
  /// The bytes of a regular file; 0 of others, which end when they do.
  std::size_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  const std::string& path_;
  Descriptor file_;
  std::size_t size_ = 0;
};

/// All bytes of a file. Throws DataError.
std::string read_file(const std::string& path);

/// Appends up to `count` bytes, fewer at the end of the file. What is there decides how much memory is taken, not
/// `count`.
void append_bytes(InputFile& file, std::size_t count, std::string& to);

/// Reads gzipped and plain files alike, as their content says.
class GzipReader final : public ByteSource {
 public:
  /// `path` must stay alive. Throws DataError.
  explicit GzipReader(const std::string& path);
  GzipReader(GzipReader&&) = delete;
  ~GzipReader() override;
  /// The number of bytes read, zero at the end. Throws DataError for a file that is cut short, damaged, or goes on with
  /// something else behind what is gzipped.
  std::size_t read(void* buffer, std::size_t size) override;
  /// The bytes of a regular file that is not gzipped.
  std::size_t size() const override { return stream_ == nullptr ? file_.size() : 0; }

 private:
  bool begins_member();
  std::size_t fill();

  InputFile file_;
  std::unique_ptr<z_stream_s> stream_;  // null: the file is plain
  std::vector<char> buffer_;            // bytes of the file; of a plain one, the first
  std::size_t begin_ = 0, end_ = 0;     // of those not used yet
  bool between_members_ = true;         // a gzipped file consists of one or more
};

/// Writes a new file of a random name, ".tapeloom-" and 16 digits, in the same directory and moves it to its place; a
/// process that is killed meanwhile can leave that behind, nothing else. Several may write one path at the same time:
/// the last one stays. An existing file is replaced by one of the same mode and, where that is allowed, owner and
/// group; other hard links keep the old content. Through a symbolic link it is the file behind that is written. What is
/// no regular file, such as a pipe or /dev/stdout, is written to directly. Throws DataError; then an old file is still
/// there, and nothing else is.
void write_file(const std::string& path, std::string_view bytes);
/// The same with pieces one after another.
void write_file(const std::string& path, std::span<const std::string_view> pieces);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
