// Programs as bytes: what program files have between their header and their checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// To be increased whenever something else is written than before, or something in a program gets another meaning.
inline constexpr std::uint32_t program_format_version = 13;

/// Ops and kinds of instructions are numbers in lists of the names that the program uses, which stand in front, so that
/// new ones need no new version.
std::string archive_of(const Program& program);

/// Reads what that gave from byte `at` of a file on, to its end. Throws DataError, naming `path` and the byte, for what
/// is no program; what it says is not looked at.
Program read_archive(std::string_view bytes, const std::string& path, std::size_t at);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
