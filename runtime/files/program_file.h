// Compiled programs in files, so that an application can ship one without the code that recorded it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Writes the executor's program with the numbers that its parameters have now. Throws DataError if the file cannot be
/// written; an older one of that name is still there then. Throws BindError if those are the recording's while another
/// executor for the same tape has trained its own.
template <class T>
TAPELOOM_API void save_program(const std::string& path, const Executor<T>& executor);

/// Writes a program by itself, before training: its parameters have the numbers they had on the tape. Throws BindError
/// while an executor is there that has trained others, as in save_program(path, executor.program()).
TAPELOOM_API void save_program(const std::string& path, const Program& program);

/// What a program from a file may ask for at most. A file of a few hundred bytes can hold a program that runs for
/// years, or in all of the memory.
struct LoadOptions {
  /// The limits are about steps of so many samples, or of as many as were recorded with their data.
  std::size_t max_samples = 1024;
  /// Numbers read and written in a step, and operations on them: a billion for each of 1024 samples take some minutes
  /// at the worst, and are a thousand times more than a layer of 784 inputs and 128 outputs takes.
  std::uint64_t max_operations = 1'000'000'000'000;
  /// Of the file, and of the buffers of an Executor<double> with one thread.
  std::uint64_t max_bytes = std::uint64_t{4} << 30;
};

/// Reads a program again. Throws DataError for a file that is no program, of another version of the format, cut short
/// or damaged (there is a checksum), whose program asks for more than the options allow, naming the option, or would
/// make an executor read or write where it must not: a file from a stranger may give wrong numbers, but nothing worse.
TAPELOOM_API Program load_program(const std::string& path, const LoadOptions& options = {});
/// The same from the bytes of such a file.
TAPELOOM_API Program load_program(std::span<const std::byte> bytes, const LoadOptions& options = {});

extern template void save_program(const std::string&, const Executor<float>&);
extern template void save_program(const std::string&, const Executor<double>&);

}  // namespace tapeloom::inline TAPELOOM_ABI
