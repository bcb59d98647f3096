#include "tapeloom/runtime/files/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <linux/magic.h>
#include <signal.h>
#include <sys/vfs.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr std::size_t some_bytes = 1U << 17;

struct Format {
  std::string_view start, name;
};

// What people have at hand when they look for a file of numbers.
constexpr Format formats[] = {{"\x93NUMPY", "a NumPy array (.npy)"},
                              {"PK\x03\x04", "a ZIP archive (.npz of NumPy: read_npz; .pt of PyTorch)"},
                              {"PK\x05\x06", "an empty ZIP archive"},
                              {"TAPELOOM", "a saved program (load_program)"},
                              {"\x1f\x8b", "a gzipped file"},
                              {"\x89HDF\r\n", "an HDF5 file"},
                              {"\x80\x02", "a Python pickle"},
                              {"\x80\x03", "a Python pickle"},
                              {"\x80\x04", "a Python pickle"},
                              {"\x80\x05", "a Python pickle"},
                              {"GGUF", "a GGUF file"},
                              {"PAR1", "a Parquet file"},
                              {"ARROW1", "an Arrow file"},
                              {"\x28\xb5\x2f\xfd", "a file packed by zstd"},
                              {"\xfd\x37zXZ", "a file packed by xz"},
                              {"BZh", "a file packed by bzip2"},
                              {"%PDF", "a PDF document"},
                              {"\x89PNG", "a PNG picture"},
                              {"\xd0\xcf\x11\xe0", "an old Office document (.xls)"},
                              // Before UTF-16, which begins alike.
                              {{"\xff\xfe\0\0", 4}, "a text in UTF-32"},
                              {{"\0\0\xfe\xff", 4}, "a text in UTF-32"},
                              {"\xff\xfe", "a text in UTF-16"},
                              {"\xfe\xff", "a text in UTF-16"}};

int open_to_read(const std::string& path) {
  check_path(path);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_by_system(path, "cannot open", errno);
  return file;
}

}  // namespace

void fail_at(const std::string& path, std::size_t offset, const std::string& what) {
  throw DataError(path, 0, 0, "byte " + std::to_string(offset) + ": " + what);
}

void fail_by_system(const std::string& path, const char* what, int error) {
  throw DataError(path, 0, 0, what + (": " + std::generic_category().message(error != 0 ? error : EIO)));
}

void fail_without_memory(const std::string& path) { throw DataError(path, 0, 0, "there is not enough memory for it"); }

void check_path(const std::string& path) {
  if (path.find('\0') == path.npos) return;
  std::string shown;
  for (const char c : path) shown += c == '\0' ? std::string("\\0") : std::string(1, c);
  throw DataError(shown, 0, 0, "there is a NUL in this path, where the system would end it");
}

std::string format_of(std::string_view start) {
  for (const Format& format : formats) {
    if (start.starts_with(format.start)) return std::string(format.name);
  }
  constexpr std::size_t length_bytes = 8;  // of a safetensors header, before it
  if (start.size() > length_bytes && start[length_bytes] == '{' && start[length_bytes - 1] == '\0') {
    return "a safetensors file (read_safetensors)";
  }
  return "";
}

std::string but_it_is(std::string_view start) {
  const std::string format = format_of(start);
  return format.empty() ? "; this is none" : "; this is " + format;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

bool Descriptor::close_well() {
  // An interrupted one is closed all the same.
  return close(std::exchange(number_, -1)) == 0 || errno == EINTR;
}

InputFile::InputFile(const std::string& path) : path_(path), file_(open_to_read(path)) {
  struct stat about {};
  if (fstat(file_.number(), &about) == 0 && S_ISREG(about.st_mode)) size_ = static_cast<std::size_t>(about.st_size);
}

std::size_t InputFile::read(void* buffer, std::size_t size) {
  std::size_t held = 0;
  while (held < size) {
    const ssize_t count = ::read(file_.number(), static_cast<char*>(buffer) + held, size - held);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_by_system(path_, "cannot read", errno);
    if (count == 0) break;
    held += static_cast<std::size_t>(count);
  }
  return held;
}

void InputFile::seek(std::size_t offset) {
  if (lseek(file_.number(), static_cast<off_t>(offset), SEEK_SET) < 0) fail_by_system(path_, "cannot read", errno);
}

void append_bytes(InputFile& file, std::size_t count, std::string& to) {
  const std::size_t end = to.size() + std::min(count, to.max_size() - to.size());
  to.reserve(to.size() + std::min(count, file.size()));
  while (to.size() < end) {
    const std::size_t before = to.size(), wanted = std::min(some_bytes, end - before);
    to.resize(before + wanted);
    const std::size_t held = file.read(to.data() + before, wanted);
    to.resize(before + held);
    if (held < wanted) return;
  }
}

std::string read_file(const std::string& path) {
  InputFile file(path);
  std::string bytes;
  append_bytes(file, SIZE_MAX, bytes);
  return bytes;
}

// --- gzip: RFC 1952 --------------------------------------------------------------------------------------------------

GzipReader::GzipReader(const std::string& path) : file_(path), buffer_(some_bytes) {
  end_ = file_.read(buffer_.data(), 2);
  if (end_ < 2 || buffer_[0] != '\x1f' || buffer_[1] != '\x8b') return;
  auto stream = std::make_unique<z_stream_s>();
  constexpr int gzip_alone = 16;
  if (inflateInit2(stream.get(), gzip_alone + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  stream_ = std::move(stream);
}

GzipReader::~GzipReader() {
  if (stream_ != nullptr) inflateEnd(stream_.get());
}

std::size_t GzipReader::fill() {
  begin_ = 0;
  return end_ = file_.read(buffer_.data(), buffer_.size());
}

/// False at the end of the file. Zeros may stand behind a member: tapes and some tools fill blocks with them.
bool GzipReader::begins_member() {
  for (;; ++begin_) {
    if (begin_ == end_ && fill() == 0) return false;
    if (buffer_[begin_] != '\0') break;
  }
  if (buffer_[begin_] != '\x1f') {
    throw DataError(file_.path(), 0, 0, "the gzipped file is damaged: it goes on with something that is not gzipped");
  }
  inflateReset(stream_.get());
  return true;
}

std::size_t GzipReader::read(void* buffer, std::size_t size) {
  if (stream_ == nullptr) {
    const std::size_t count = std::min(size, end_ - begin_);
    if (count > 0) std::memcpy(buffer, buffer_.data() + begin_, count);
    begin_ += count;
    return count + file_.read(static_cast<char*>(buffer) + count, size - count);
  }
  const auto wanted = static_cast<uInt>(std::min<std::size_t>(size, UINT_MAX));
  stream_->next_out = static_cast<Bytef*>(buffer);
  stream_->avail_out = wanted;
  while (stream_->avail_out == wanted && wanted > 0) {
    if (between_members_ && !begins_member()) return 0;
    between_members_ = false;
    if (begin_ == end_ && fill() == 0) throw DataError(file_.path(), 0, 0, "the gzipped file is cut short");
    stream_->next_in = reinterpret_cast<Bytef*>(buffer_.data() + begin_);
    stream_->avail_in = static_cast<uInt>(end_ - begin_);
    const int result = inflate(stream_.get(), Z_NO_FLUSH);
    begin_ = end_ - stream_->avail_in;
    if (result == Z_STREAM_END) {
      between_members_ = true;
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw DataError(
          file_.path(), 0, 0,
          std::string("the gzipped file is damaged: ") + (stream_->msg != nullptr ? stream_->msg : "no gzip"));
    }
  }
  return wanted - stream_->avail_out;
}

namespace {

[[noreturn]] void fail(const std::string& path, int error) { fail_by_system(path, "cannot write", error); }

/// Up to and with the last slash; empty for a name alone.
std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }
const char* or_here(const std::string& directory) { return directory.empty() ? "." : directory.c_str(); }

/// The links of /proc lead to open files, whatever their names say.
bool is_in_proc(const std::string& path) {
  struct statfs about {};
  return statfs(or_here(directory_of(path)), &about) == 0 && about.f_type == PROC_SUPER_MAGIC;
}

/// The path of the file, which may not exist yet, that symbolic links lead to; none if it has no path to rely on.
std::optional<std::string> behind_links(const std::string& path) {
  constexpr int most_links = 40;  // Linux follows no more
  std::string at = path;
  for (int links = 0; links <= most_links; ++links) {
    char target[PATH_MAX];
    const ssize_t length = readlink(at.c_str(), target, sizeof target);
    if (length < 0 && errno != EINVAL && errno != ENOENT) fail(path, errno);
    if (length < 0) return at;
    if (is_in_proc(at)) return std::nullopt;
    const std::string next(target, static_cast<std::size_t>(length));
    at = next.starts_with('/') ? next : directory_of(at) + next;
  }
  fail(path, ELOOP);
}

/// False, with errno, if not all bytes could be written.
bool write_all(int file, std::span<const std::string_view> pieces) {
  for (std::string_view bytes : pieces) {
    while (!bytes.empty()) {
      const ssize_t count = write(file, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) errno = EIO;
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  return true;
}

/// While it lives, writing to a pipe that nobody reads any more is an error like others; the signal that would end the
/// process is taken back.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t pending;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;
  ~NoPipeSignal() {
    const timespec at_once = {};
    while (!was_pending_ && sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
  bool was_pending_ = false;
};

/// What is already there, as it is.
void write_directly(const std::string& path, std::span<const std::string_view> pieces) {
  const NoPipeSignal no_signal;
  Descriptor file(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY));
  if (file.number() < 0 || !write_all(file.number(), pieces) || !file.close_well()) fail(path, errno);
}

/// A new file in a directory that is gone with this object, unless it was moved to a name of its own.
class NewFile {
 public:
  /// Throws DataError naming `path`, what it is for.
  NewFile(int directory, mode_t mode, const std::string& path) : directory_(directory) {
    constexpr int most_tries = 100;  // of 2^64 names; with less luck than that something else is wrong
    for (int tries = 0; file_ < 0; ++tries) {
      std::uint64_t number = 0;
      if (getentropy(&number, sizeof number) != 0) fail(path, errno);
      std::string name = ".tapeloom-";
      for (int digit = 0; digit < 16; ++digit, number >>= 4) name += "0123456789abcdef"[number & 15];
      name.copy(name_, sizeof name_ - 1);
      file_ = openat(directory, name_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
      if (file_ < 0 && (errno != EEXIST || tries == most_tries)) {
        fail_by_system(path, "cannot write a new file into its directory", errno);
      }
    }
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (file_ >= 0) close(file_);
    if (!moved_) unlinkat(directory_, name_, 0);
  }
  int number() const { return file_; }
  /// False, with errno, if what was written has not arrived or cannot be moved.
  bool move_to(const std::string& name) {
    // Otherwise a crash of the system could leave the new name with nothing behind it.
    if (fsync(file_) != 0 && errno != EINVAL) return false;
    if (!Descriptor(std::exchange(file_, -1)).close_well()) return false;
    return moved_ = renameat(directory_, name_, directory_, name.c_str()) == 0;
  }

 private:
  int directory_, file_ = -1;
  char name_[32] = {};
  bool moved_ = false;
};

/// Gives the file whose it is and who may read it like the one it takes the place of. False, with errno.
bool make_alike(int file, const struct stat& old) {
  struct stat own {};
  if (fstat(file, &own) != 0) return false;
  mode_t mode = old.st_mode & 0777;
  const bool same_group = old.st_gid == own.st_gid || fchown(file, static_cast<uid_t>(-1), old.st_gid) == 0;
  // Another group gets no more than everybody.
  if (!same_group) mode &= ~static_cast<mode_t>(0070) | (mode & 0007) << 3;
  if (old.st_uid != own.st_uid && fchown(file, old.st_uid, static_cast<gid_t>(-1)) != 0) errno = 0;  // so it is ours
  return fchmod(file, mode) == 0;
}

/// `path` is no symbolic link; `old` is null if nothing is there.
void replace(const std::string& path, const struct stat* old, std::span<const std::string_view> pieces) {
  const std::string folder = directory_of(path), name = path.substr(folder.size());
  if (name.empty()) fail(path, ENOENT);
  // By the directory, since a path may have no room for a longer name. Some may be written to, but not read.
  Descriptor to_sync(open(or_here(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Descriptor to_write(open(or_here(folder), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (to_write.number() < 0) fail(path, errno);
  // A file that may not be written is not replaced either.
  if (old != nullptr && faccessat(to_write.number(), name.c_str(), W_OK, AT_EACCESS) != 0) fail(path, errno);
  NewFile file(to_write.number(), old != nullptr ? 0600 : 0666, path);
  if ((old != nullptr && !make_alike(file.number(), *old)) || !write_all(file.number(), pieces) ||
      !file.move_to(name)) {
    fail(path, errno);
  }
  if (to_sync.number() >= 0) fsync(to_sync.number());  // it is there in any case; this only makes it last sooner
}

}  // namespace

void write_file(const std::string& path, std::string_view bytes) { write_file(path, std::span(&bytes, 1)); }

void write_file(const std::string& path, std::span<const std::string_view> pieces) {
  check_path(path);
  struct stat there {};
  const bool exists = stat(path.c_str(), &there) == 0;
  if (!exists && errno != ENOENT) fail(path, errno);
  if (exists && !S_ISREG(there.st_mode)) return write_directly(path, pieces);
  const std::optional<std::string> file = behind_links(path);
  if (!file) return write_directly(path, pieces);
  replace(*file, exists ? &there : nullptr, pieces);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
