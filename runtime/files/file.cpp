#include "tapeloom/runtime/files/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <new>
#include <system_error>

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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
