// Writing whole files at once: see file.h.
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "tapeloom/runtime/files/file.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

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
