// Memory of arrays that grow: what is in them is kept wherever they are moved, and large pages are asked for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "tapeloom/core/base/memory.h"

using namespace tapeloom;

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

/// What the kernel says of the mapping that the address is in, in two letters each; empty where it says nothing.
std::string mapping_flags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream text(line);
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    if (text >> std::hex >> begin >> dash >> end && dash == '-') inside = begin <= wanted && wanted < end;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return {};
}

}  // namespace

TEST_CASE("large pages: blocks keep what is in them, however they grow and shrink") {
  const std::size_t sizes[] = {1,        4096, 3 * mebibyte, 3 * mebibyte + 1, 40 * mebibyte, 9 * mebibyte,
                               mebibyte, 5,    8 * mebibyte};
  unsigned char* block = nullptr;
  std::size_t size = 0;
  const auto expected = [](std::size_t i) { return static_cast<unsigned char>(i * 2654435761u >> 13); };
  std::vector<void*> others;  // in the way of growing in place
  for (std::size_t next : sizes) {
    block = static_cast<unsigned char*>(reallocate_block(block, size, next));
    CHECK(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t) == 0);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < std::min(size, next); ++i) wrong += block[i] != expected(i);
    CHECK(wrong == 0);
    for (std::size_t i = 0; i < next; ++i) block[i] = expected(i);
    size = next;
    others.push_back(allocate_block(2 * mebibyte));
  }
  free_block(block, size);
  for (void* other : others) free_block(other, 2 * mebibyte);
}

TEST_CASE("large pages: vectors grow past every boundary, are moved and shrunk") {
  constexpr std::uint32_t count = 3'000'000;
  GrowingVector<std::uint32_t> grown;
  LargeVector<std::uint32_t> vector;
  LargeVector<bool> bits;
  for (std::uint32_t i = 0; i < count; ++i) grown.push_back(i), vector.push_back(i), bits.push_back(i % 3 == 0);
  GrowingVector<std::uint32_t> moved;
  moved.push_back(7);
  moved = std::move(grown);
  CHECK(grown.size() == 0);
  REQUIRE(moved.size() == count);
  grown.push_back(5);  // what was moved from can be used again
  CHECK(grown.back() == 5);
  const std::uint64_t sum = std::uint64_t{count} * (count - 1) / 2;
  CHECK(std::accumulate(moved.begin(), moved.end(), std::uint64_t{0}) == sum);
  CHECK(std::accumulate(vector.begin(), vector.end(), std::uint64_t{0}) == sum);
  CHECK(std::count(bits.begin(), bits.end(), true) == count / 3);
  moved.shrink(10);
  REQUIRE(moved.size() == 10);
  CHECK(std::accumulate(moved.begin(), moved.end(), 0u) == 45);
}

TEST_CASE("large pages: they are asked for, for large blocks alone, and after blocks have been moved",
          "[large_pages]") {
  constexpr std::size_t large = 8 * mebibyte;
  void* block = allocate_block(large);
  void* const other = allocate_block(large);
  const std::string flags = mapping_flags(block);
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").good() || flags.empty()) {
    free_block(block, large);
    free_block(other, large);
    SKIP_CASE("this system has no large pages, or does not tell where they are");
  }
  CHECK(flags.find(" hg ") != std::string::npos);
  block = reallocate_block(block, large, 8 * large);
  CHECK(mapping_flags(block).find(" hg ") != std::string::npos);
  void* const small = allocate_block(mebibyte);
  CHECK(mapping_flags(small).find(" hg ") == std::string::npos);
  free_block(small, mebibyte);
  // For somebody else's memory, and only within it.
  char* const others = static_cast<char*>(std::malloc(large));
  use_large_pages(others, large);
  CHECK(mapping_flags(others + large / 2).find(" hg ") != std::string::npos);
  CHECK(mapping_flags(others).find(" hg ") == std::string::npos);
  std::free(others);
  free_block(block, 8 * large);
  free_block(other, large);
}
