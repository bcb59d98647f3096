// Files that tests write and spoil.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "random_numbers.h"

namespace tapeloom::test {

/// Writes a file in the working directory and returns its name.
inline std::string write_bytes(const std::string& name, std::string_view bytes) {
  std::remove(name.c_str());  // some file systems write at once what replaces a file's content
  std::ofstream(name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return name;
}

inline std::string read_bytes(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A number's low-order byte first, in `count` bytes.
inline std::string little_endian(std::uint64_t number, std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(number >> 8 * i & 0xff);
  return bytes;
}

inline std::string big_endian(std::uint64_t number, std::size_t count) {
  const std::string bytes = little_endian(number, count);
  return {bytes.rbegin(), bytes.rend()};
}

/// The bytes with one to three of them changed.
inline std::string spoiled(std::string bytes, Random& random) {
  for (std::uint64_t n = 1 + random() % 3; n > 0; --n) {
    bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
  }
  return bytes;
}

}  // namespace tapeloom::test
