#include "tapeloom/runtime/files/zip_file.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <new>
#include <string_view>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/numbers.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

constexpr std::size_t end_bytes = 22, longest_comment = UINT16_MAX;
constexpr std::size_t locator_bytes = 20, end64_bytes = 56;
constexpr std::size_t entry_bytes = 46, header_bytes = 30;
constexpr unsigned stored = 0, deflated = 8, encrypted = 1;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw DataError(path, 0, 0, "the ZIP archive is damaged: " + what);
}

/// Throws DataError if they are not all there.
std::string bytes_at(InputFile& file, std::uint64_t offset, std::uint64_t count) {
  if (offset > file.size() || count > file.size() - offset) {
    fail(file.path(), "it points behind the end of the file");
  }
  std::string bytes;
  file.seek(offset);
  append_bytes(file, count, bytes);
  if (bytes.size() < count) fail(file.path(), "the file has become shorter");
  return bytes;
}

struct Directory {
  std::uint64_t offset = 0, bytes = 0, entries = 0;
};

/// Says what the file is, if that is known. A directory of the file system fails here, too, as it cannot be read.
[[noreturn]] void fail_without_directory(InputFile& file) {
  char start[16];
  file.seek(0);
  const std::string_view beginning(start, file.read(start, sizeof start));
  if (beginning.starts_with("PK") || beginning.empty()) {
    fail(file.path(), "its directory is not there; the file is cut short or no archive");
  }
  fail_at(file.path(), 0, "an archive of NumPy (.npz) begins with PK" + but_it_is(beginning));
}

/// From the record at the end, behind which there may be a comment; in large archives from another one before it.
Directory find_directory(InputFile& file) {
  const std::size_t tail = std::min(file.size(), end_bytes + longest_comment);
  const std::string end = bytes_at(file, file.size() - tail, tail);
  const std::string_view signature = "PK\x05\x06";
  std::size_t at = tail < end_bytes ? end.npos : end.rfind(signature, tail - end_bytes);
  while (at != end.npos && at + end_bytes + number_at<std::uint16_t>(end, at + 20) != tail) {
    at = at == 0 ? end.npos : end.rfind(signature, at - 1);
  }
  if (at == end.npos) fail_without_directory(file);
  Directory directory{number_at<std::uint32_t>(end, at + 16), number_at<std::uint32_t>(end, at + 12),
                      number_at<std::uint16_t>(end, at + 10)};
  if (directory.offset == UINT32_MAX || directory.bytes == UINT32_MAX || directory.entries == UINT16_MAX) {
    const std::uint64_t here = file.size() - tail + at;
    if (here < locator_bytes) fail(file.path(), "its second directory record is not there");
    const std::string locator = bytes_at(file, here - locator_bytes, locator_bytes);
    if (!locator.starts_with("PK\x06\x07")) return directory;  // then these are the numbers
    const std::string end64 = bytes_at(file, number_at<std::uint64_t>(locator, 8), end64_bytes);
    if (!end64.starts_with("PK\x06\x06")) fail(file.path(), "its second directory record is not there");
    directory = {number_at<std::uint64_t>(end64, 48), number_at<std::uint64_t>(end64, 40),
                 number_at<std::uint64_t>(end64, 32)};
  }
  return directory;
}

/// Numbers that have no room in 32 bits stand in an extra field of kind 1, in this order.
void read_wide_numbers(const std::string& path, std::string_view extra, ZipEntry& entry) {
  std::uint64_t* const wide[] = {&entry.bytes, &entry.packed_bytes, &entry.offset};
  while (extra.size() >= 4) {
    const auto kind = number_at<std::uint16_t>(extra, 0), size = number_at<std::uint16_t>(extra, 2);
    if (size > extra.size() - 4) fail(path, "an extra field goes on behind its entry");
    std::string_view field = extra.substr(4, size);
    extra.remove_prefix(4 + std::size_t{size});
    if (kind != 1) continue;
    for (std::uint64_t* number : wide) {
      if (*number != UINT32_MAX) continue;
      if (field.size() < 8) fail(path, "an extra field is too short");
      *number = number_at<std::uint64_t>(field, 0);
      field.remove_prefix(8);
    }
  }
}

/// Content as it is, or packed by deflate.
class ZipContent final : public ByteSource {
 public:
  ZipContent(const std::string& path, const ZipEntry& entry) : file_(path), entry_(entry) {
    if ((entry.flags & encrypted) != 0) throw DataError(path, 0, 0, entry.name + " is encrypted");
    if (entry.method != stored && entry.method != deflated) {
      throw DataError(path, 0, 0,
                      entry.name + " is packed by method " + std::to_string(entry.method) +
                          " of ZIP; stored and deflated files are read");
    }
    if (entry.method == stored && entry.packed_bytes != entry.bytes) fail("its two lengths differ");
    const std::string header = bytes_at(file_, entry.offset, header_bytes);
    if (!header.starts_with("PK\x03\x04")) fail("its header is not there");
    const std::uint64_t begin =
        entry.offset + header_bytes + number_at<std::uint16_t>(header, 26) + number_at<std::uint16_t>(header, 28);
    if (begin > file_.size() || entry.packed_bytes > file_.size() - begin) fail("it goes on behind the archive");
    file_.seek(begin);
    packed_left_ = entry.packed_bytes;
    if (entry.method == stored) return;
    buffer_.resize(std::size_t{1} << 16);
    if (inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    inflates_ = true;
  }
  ZipContent(const ZipContent&) = delete;
  ZipContent& operator=(const ZipContent&) = delete;
  ~ZipContent() override {
    if (inflates_) inflateEnd(&stream_);
  }

  std::size_t read(void* buffer, std::size_t size) override {
    size = std::min<std::size_t>(size, UINT_MAX);
    const std::size_t count = size == 0 ? 0 : inflates_ ? inflate_some(buffer, size) : take(buffer, size);
    read_ += count;
    crc_ = crc32(crc_, static_cast<const Bytef*>(buffer), static_cast<uInt>(count));
    if (count == 0 && size > 0) check_end();
    return count;
  }
  std::size_t size() const override { return inflates_ ? 0 : entry_.bytes; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    runtime::fail(file_.path(), "in " + entry_.name + ", " + what);
  }
  /// The next bytes of the archive.
  std::size_t take(void* buffer, std::size_t size) {
    const std::size_t count = file_.read(buffer, static_cast<std::size_t>(std::min<std::uint64_t>(size, packed_left_)));
    packed_left_ -= count;
    return count;
  }
  std::size_t inflate_some(void* buffer, std::size_t size) {
    stream_.next_out = static_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size && !ended_) {
      if (stream_.avail_in == 0) {
        stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
        stream_.avail_in = static_cast<uInt>(take(buffer_.data(), buffer_.size()));
        if (stream_.avail_in == 0) fail("the packed bytes end too early");
      }
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        fail(stream_.msg != nullptr ? stream_.msg : "there is no deflated file");
      }
      ended_ = result == Z_STREAM_END;
    }
    return size - stream_.avail_out;
  }
  void check_end() const {
    if (read_ != entry_.bytes || packed_left_ != 0 || stream_.avail_in != 0) fail("the length is another one");
    if (crc_ != entry_.crc) fail("the checksum is another one");
  }

  InputFile file_;
  ZipEntry entry_;
  std::uint64_t packed_left_ = 0, read_ = 0;
  std::vector<char> buffer_;
  z_stream stream_ = {};
  bool inflates_ = false, ended_ = false;
  uLong crc_ = crc32(0, nullptr, 0);
};

}  // namespace

std::vector<ZipEntry> read_zip_directory(const std::string& path) {
  InputFile file(path);
  const Directory directory = find_directory(file);
  const std::string bytes = bytes_at(file, directory.offset, directory.bytes);
  std::string_view rest = bytes;
  std::vector<ZipEntry> entries;
  while (!rest.empty()) {
    if (rest.size() < entry_bytes || !rest.starts_with("PK\x01\x02"))
      fail(path, "its directory has no entry where one is due");
    const std::size_t name = number_at<std::uint16_t>(rest, 28), extra = number_at<std::uint16_t>(rest, 30);
    const std::size_t size = entry_bytes + name + extra + number_at<std::uint16_t>(rest, 32);
    if (size > rest.size()) fail(path, "its directory ends within an entry");
    ZipEntry entry{.name = std::string(rest.substr(entry_bytes, name)),
                   .flags = number_at<std::uint16_t>(rest, 8),
                   .method = number_at<std::uint16_t>(rest, 10),
                   .crc = number_at<std::uint32_t>(rest, 16),
                   .packed_bytes = number_at<std::uint32_t>(rest, 20),
                   .bytes = number_at<std::uint32_t>(rest, 24),
                   .offset = number_at<std::uint32_t>(rest, 42)};
    read_wide_numbers(path, rest.substr(entry_bytes + name, extra), entry);
    entries.push_back(std::move(entry));
    rest.remove_prefix(size);
  }
  if (entries.size() != directory.entries) fail(path, "its directory has another number of entries");
  return entries;
}

std::unique_ptr<ByteSource> open_zip_entry(const std::string& path, const ZipEntry& entry) {
  return std::make_unique<ZipContent>(path, entry);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
