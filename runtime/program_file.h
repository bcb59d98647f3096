// Compiled programs in files, so that an application can ship one without the code that recorded it.
#pragma once

#include <string>

#include "tapeloom/core/export.h"
#include "tapeloom/core/program.h"
#include "tapeloom/runtime/executor.h"

namespace tapeloom::inline v0_1 {

/// Writes the program; its parameters have the numbers they had on the tape. Throws DataError if the file cannot be
/// written; an older one of that name is still there then.
TAPELOOM_API void save_program(const std::string& path, const Program& program);

/// Writes the executor's program with the numbers that its parameters have now.
template <class T>
TAPELOOM_API void save_program(const std::string& path, const Executor<T>& executor);

/// Reads a program again. Throws DataError for a file that is no program, of another version of the format, cut short
/// or damaged (there is a checksum), or whose program would make an executor read or write where it must not: a file
/// from a stranger may give wrong numbers and ask for much memory, but nothing worse.
TAPELOOM_API Program load_program(const std::string& path);

extern template void save_program(const std::string&, const Executor<float>&);
extern template void save_program(const std::string&, const Executor<double>&);

}  // namespace tapeloom::inline v0_1
