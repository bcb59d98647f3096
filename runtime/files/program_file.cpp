#include "tapeloom/runtime/files/program_file.h"

#include <algorithm>
#include <bit>
#include <span>
#include <string_view>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/hash.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/program/program_check.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/execute/tile_plan.h"
#include "tapeloom/runtime/files/file.h"
#include "tapeloom/runtime/files/numbers.h"
#include "tapeloom/runtime/files/program_archive.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

// A file is: the magic, the version, the number of bytes that follow before the checksum, those bytes
// (program_archive.h), and FNV-1a's checksum of everything before it. Numbers are little-endian and of fixed sizes.
constexpr std::string_view magic = "TAPELOOM";

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

std::uint64_t checksum(std::string_view bytes) {
  Hash hash;
  hash.add(bytes);
  return hash.value();
}

constexpr std::size_t header_bytes = magic.size() + sizeof(std::uint32_t) + sizeof(std::uint64_t);
constexpr std::size_t checksum_bytes = sizeof(std::uint64_t);

template <class Number>
void add_number(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

[[noreturn]] void fail_without_header(std::string_view bytes, const std::string& path) {
  runtime::fail_at(path, 0,
                   magic.starts_with(bytes.substr(0, magic.size()))
                       ? "the file is cut short: no header"
                       : "a saved program begins with TAPELOOM" + runtime::but_it_is(bytes));
}

/// Throws DataError unless these are a whole file of our version.
void check_frame(std::string_view bytes, const std::string& path) {
  if (bytes.size() < header_bytes || !bytes.starts_with(magic)) fail_without_header(bytes, path);
  const auto version = runtime::number_at<std::uint32_t>(bytes, magic.size());
  if (version != runtime::program_format_version) {
    runtime::fail_at(path, magic.size(),
                     "a program in version " + std::to_string(version) + " of the format; this library reads version " +
                         std::to_string(runtime::program_format_version));
  }
  const auto length = runtime::number_at<std::uint64_t>(bytes, magic.size() + sizeof version);
  const std::size_t there = bytes.size() - header_bytes;
  if (there < checksum_bytes || length > there - checksum_bytes) {
    runtime::fail_at(path, bytes.size(), "the file is cut short");
  }
  if (length < there - checksum_bytes) {
    runtime::fail_at(path, header_bytes + length + checksum_bytes, "the file goes on behind the program");
  }
  const std::size_t end = bytes.size() - checksum_bytes;
  if (checksum(bytes.substr(0, end)) != runtime::number_at<std::uint64_t>(bytes, end)) {
    runtime::fail_at(path, end, "the file is damaged: its checksum is another one");
  }
}

}  // namespace

void save_program(const std::string& path, const Program& program) {
  runtime::check_not_forgotten(program);
  const std::string archive = runtime::archive_of(program);
  std::string file(magic);
  add_number(file, runtime::program_format_version);
  add_number(file, std::uint64_t{archive.size()});
  file += archive;
  add_number(file, checksum(file));
  runtime::write_file(path, file);
}

template <class T>
void save_program(const std::string& path, const Executor<T>& executor) {
  runtime::check_not_forgotten("save_program", executor.program(), *executor.shared_parameters());
  Program program = executor.program();
  program.recording = 0;  // it has the executor's numbers from here on
  const std::span<const T> trained = executor.parameters();
  for (std::size_t i = 0; i < trained.size(); ++i) program.parameters[i].initial = static_cast<double>(trained[i]);
  save_program(path, program);
}

namespace {

void check_limit(const std::string& path, const std::string& what, double number, const char* option,
                 std::uint64_t limit) {
  if (number <= static_cast<double>(limit)) return;
  throw DataError(path, 0, 0,
                  what + " " + number_text(number) + ", more than LoadOptions::" + option + " = " +
                      std::to_string(limit) + " allows; allow more for a file from somebody you trust");
}

/// Of a whole file; `path` is what messages call it.
Program parse(std::string_view bytes, const std::string& path, const LoadOptions& options) {
  check_frame(bytes, path);
  Program program = runtime::read_archive(bytes.substr(0, bytes.size() - checksum_bytes), path, header_bytes);
  if (const std::string fault = find_fault(program); !fault.empty()) {
    throw DataError(path, 0, 0, "the program cannot be run: " + fault);
  }
  const runtime::ProgramCost cost = runtime::cost_of(program, options.max_samples);
  const std::string step =
      "the program's step of " +
      std::to_string(program.recorded_samples > 0 ? program.recorded_samples : options.max_samples) +
      " samples (LoadOptions::max_samples)";
  check_limit(path, step + " takes operations:", cost.operations, "max_operations", options.max_operations);
  check_limit(path, step + " needs bytes:", cost.bytes, "max_bytes", options.max_bytes);
  return program;
}

void check_size(const std::string& path, std::size_t size, const LoadOptions& options) {
  check_limit(path, "the bytes of the file are", static_cast<double>(size), "max_bytes", options.max_bytes);
}

Program load(const std::string& path, const LoadOptions& options) {
  runtime::InputFile in(path);
  std::string bytes;
  // What is no program is not read whole: it may be huge, or a device without an end.
  runtime::append_bytes(in, std::min<std::uint64_t>(options.max_bytes, header_bytes), bytes);
  if (bytes.size() == header_bytes && !bytes.starts_with(magic)) fail_without_header(bytes, path);
  runtime::append_bytes(in, options.max_bytes - bytes.size(), bytes);
  char more = 0;
  if (bytes.size() == options.max_bytes && in.read(&more, 1) == 1) {
    check_size(path, std::max<std::size_t>(in.size(), bytes.size() + 1), options);
  }
  return parse(bytes, path, options);
}

}  // namespace

Program load_program(const std::string& path, const LoadOptions& options) {
  return runtime::with_memory_for(path, [&] { return load(path, options); });
}

Program load_program(std::span<const std::byte> bytes, const LoadOptions& options) {
  const std::string path = "a program in memory";
  check_size(path, bytes.size(), options);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return runtime::with_memory_for(path, [&] { return parse(text, path, options); });
}

template void save_program(const std::string&, const Executor<float>&);
template void save_program(const std::string&, const Executor<double>&);

}  // namespace tapeloom::inline TAPELOOM_ABI
