// ZIP archives, as far as NumPy writes them: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tapeloom/runtime/files/file.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// A file in an archive, as the directory at the archive's end has it.
struct ZipEntry {
  std::string name;
  unsigned flags = 0, method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0, bytes = 0;
  std::uint64_t offset = 0;  ///< of its own header
};

/// The directory, in its order. Throws DataError for what is no archive, or one whose directory is damaged.
std::vector<ZipEntry> read_zip_directory(const std::string& path);

/// The entry's content. Reading it throws DataError where it is damaged: its checksum and length are checked at its
/// end. `path` must stay alive. Throws DataError for one that is encrypted or packed in another way than by deflate.
std::unique_ptr<ByteSource> open_zip_entry(const std::string& path, const ZipEntry& entry);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
