// Programs as bytes, for pickle: what program files hold.
#pragma once

#include <string>

#include "executor.h"

namespace tapeloom::python {

/// Throws BindError as save_program does.
std::string bytes_of(const Program& program);
/// With the numbers that the executor's parameters have now.
template <class T>
std::string bytes_of(const Executor<T>& executor);
/// Throws DataError for bytes that are no program. What a pickle may ask for is not limited: unpickling runs whatever
/// it says anyway.
CompiledProgram program_of_bytes(const std::string& bytes);

}  // namespace tapeloom::python
