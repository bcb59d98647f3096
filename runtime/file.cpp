#include "tapeloom/runtime/file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "tapeloom/core/check.h"
#include "tapeloom/core/error.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

std::string reason(int error) { return std::generic_category().message(error != 0 ? error : EIO); }

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw DataError(path, 0, 0, what + (": " + reason(error)));
}

/// A file descriptor that is closed whatever happens.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }
  /// Whether all that was written has arrived.
  bool close_well() { return close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

}  // namespace

void fail_at(const std::string& path, std::size_t offset, const std::string& what) {
  throw DataError(path, 0, 0, "byte " + std::to_string(offset) + ": " + what);
}

std::string read_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) fail(path, "cannot open", errno);
  std::string bytes;
  std::size_t held = 0;
  for (;;) {
    if (held == bytes.size()) bytes.resize(std::max<std::size_t>(1U << 16, 2 * held));
    const ssize_t count = read(file.number(), bytes.data() + held, bytes.size() - held);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot read", errno);
    if (count == 0) break;
    held += static_cast<std::size_t>(count);
  }
  bytes.resize(held);
  return bytes;
}

void write_file(const std::string& path, std::string_view bytes) {
  const std::string part = path + ".part";
  Descriptor file(open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.number() < 0) fail(part, "cannot write", errno);
  const auto give_up = [&] {
    const int error = errno;
    unlink(part.c_str());
    fail(path, "cannot write", error);
  };
  while (!bytes.empty()) {
    const ssize_t count = write(file.number(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) give_up();
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  if (fsync(file.number()) != 0 && errno != EINVAL) give_up();
  if (!file.close_well() || std::rename(part.c_str(), path.c_str()) != 0) give_up();
}

void GzipReader::Close::operator()(gzFile_s* file) const { gzclose_r(file); }

GzipReader::GzipReader(const std::string& path) : path_(path) {
  errno = 0;
  file_.reset(gzopen(path.c_str(), "rb"));
  if (!file_) fail(path, "cannot open", errno != 0 ? errno : ENOMEM);
  gzbuffer(file_.get(), 1U << 17);
}

std::size_t GzipReader::read(void* buffer, std::size_t size) {
  const int count = gzread(file_.get(), buffer, static_cast<unsigned>(std::min<std::size_t>(size, 1U << 30)));
  int error = Z_OK;
  const char* message = gzerror(file_.get(), &error);
  if (error == Z_ERRNO) fail(path_, "cannot read", errno);
  // At a premature end zlib hands out what there is and leaves Z_BUF_ERROR behind.
  if (error == Z_BUF_ERROR) throw DataError(path_, 0, 0, "the gzipped file is cut short");
  if (error != Z_OK && error != Z_STREAM_END) {
    throw DataError(path_, 0, 0, std::string("the gzipped file is damaged: ") + message);
  }
  TAPELOOM_CHECK(count >= 0);
  return static_cast<std::size_t>(count);
}

}  // namespace tapeloom::inline v0_1::runtime
