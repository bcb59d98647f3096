// Whole files written at once: whoever reads meanwhile, and whatever ends the process, sees the old one or the new one.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

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
