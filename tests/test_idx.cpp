#include "tapeloom/runtime/files/number_array.h"

#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "catch.h"
#include "files.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

const std::string path = "numbers.idx";

/// The memory that the process may ask for beyond what it has.
class MemoryLimit {
 public:
  explicit MemoryLimit(std::size_t bytes) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + bytes, before_.rlim_max};
    setrlimit(RLIMIT_AS, &limit);
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
  ~MemoryLimit() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

/// The header of `type` and these sizes, and the bytes.
std::string idx_of(unsigned type, const std::vector<std::uint32_t>& sizes, const std::string& bytes) {
  std::string file = std::string(2, '\0') + static_cast<char>(type) + static_cast<char>(sizes.size());
  for (std::uint32_t size : sizes) file += big_endian(size, 4);
  return file + bytes;
}

void check_refused(const std::string& bytes, const std::string& what, const std::vector<std::size_t>& shape = {}) {
  write_bytes(path, bytes);
  CHECK_THROWS_SAYING(DataError, path + ": " + what, read_idx<float>(path, shape));
}

}  // namespace

TEMPLATE_TEST_CASE("idx: bytes with two dimensions", "", float, double) {
  write_bytes(path, idx_of(0x08, {2, 3}, std::string("\x00\x01\x02\x7f\x80\xff", 6)));
  const NumberArray<TestType> array = read_idx<TestType>(path, {0, 3});
  CHECK(array.shape == std::vector<std::size_t>{2, 3});
  CHECK(array.values == std::vector<TestType>{0, 1, 2, 127, 128, 255});
  CHECK(array.rows() == 2);
  CHECK(array.columns() == 3);
  CHECK(array.row(1)[2] == 255);
}

TEST_CASE("idx: every type of numbers") {
  const auto values = [](unsigned type, const std::string& bytes, std::uint32_t count) {
    write_bytes(path, idx_of(type, {count}, bytes));
    return read_idx<double>(path).values;
  };
  using Values = std::vector<double>;
  CHECK(values(0x09, "\x7f\x80\xff", 3) == Values{127, -128, -1});
  CHECK(values(0x0b, std::string("\x01\x02\xff\xfe", 4), 2) == Values{258, -2});
  CHECK(values(0x0c, big_endian(70000, 4) + big_endian(0xffffffff, 4), 2) == Values{70000, -1});
  CHECK(values(0x0d, big_endian(0x3f800000, 4) + big_endian(0xc0490fdb, 4), 2) == Values{1, -3.14159274101257324});
  CHECK(values(0x0e, big_endian(0x400921fb54442d18, 8), 1) == Values{3.141592653589793});
}

TEST_CASE("idx: a gzipped file, longer than one piece of reading") {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i % 251);
  const std::string whole = idx_of(0x08, {100, 10, 100}, bytes);
  gzFile file = gzopen("numbers.idx.gz", "wb");
  REQUIRE(gzwrite(file, whole.data(), static_cast<unsigned>(whole.size())) == static_cast<int>(whole.size()));
  REQUIRE(gzclose(file) == Z_OK);
  const auto array = read_idx<float>("numbers.idx.gz", {0, 10, 100});
  REQUIRE(array.values.size() == 100'000);
  CHECK(array.rows() == 100);
  CHECK(array.columns() == 1000);
  bool good = true;
  for (std::size_t i = 0; i < 100'000; ++i) good = good && array.values[i] == static_cast<float>(i % 251);
  CHECK(good);
  const std::string packed = read_bytes("numbers.idx.gz");
  write_bytes("cut.idx.gz", packed.substr(0, packed.size() / 2));
  CHECK_THROWS_SAYING(DataError, "cut.idx.gz: the gzipped file is cut short", read_idx<float>("cut.idx.gz"));
}

TEST_CASE("idx: gzipped files of several members are read; damaged ones and what stands behind them are refused") {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i % 251);
  const std::string whole = idx_of(0x08, {1000}, bytes);
  const auto packed = [](const std::string& part) {
    gzFile file = gzopen("part.gz", "wb");
    REQUIRE(gzwrite(file, part.data(), static_cast<unsigned>(part.size())) == static_cast<int>(part.size()));
    REQUIRE(gzclose(file) == Z_OK);
    return read_bytes("part.gz");
  };
  const std::string first = packed(whole.substr(0, 500)), second = packed(whole.substr(500));
  const auto read = [](const std::string& file) { return read_idx<float>(write_bytes("members.gz", file)); };
  const auto refused = [&](const std::string& file, const std::string& what) {
    CHECK_THROWS_SAYING(DataError, "members.gz: " + what, read(file));
  };
  gzFile empty = gzopen("part.gz", "wb");
  REQUIRE(gzclose(empty) == Z_OK);
  const std::string nothing = read_bytes("part.gz");
  for (const std::string& file : {packed(whole), first + second, nothing + first + nothing + second + nothing,
                                  first + second + std::string(700, '\0')}) {
    const auto array = read(file);
    REQUIRE(array.values.size() == 1000);
    CHECK(array.values[999] == static_cast<float>(999 % 251));
  }
  refused(first + second + "x", "the gzipped file is damaged: it goes on with something that is not gzipped");
  refused(first + second + second, "byte 1008: the file goes on behind its last number");
  refused(first + second.substr(0, second.size() - 1), "the gzipped file is cut short");
  refused(first + "\x1f", "the gzipped file is cut short");
  refused(first.substr(0, 2), "the gzipped file is cut short");
  refused(first, "byte 500: the file is cut short: 492 of 1000 numbers");
  // A second member that is damaged is not taken for the end of the first.
  std::string spoiled = first + second;
  spoiled[first.size()] = 'x';
  refused(spoiled, "the gzipped file is damaged");
  std::size_t wrong = 0;
  const std::string good = packed(whole);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    try {
      wrong += read(bad).values != read(good).values;
    } catch (const DataError&) {
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("idx: what is none is refused, with the byte") {
  check_refused("", "byte 0: the file is cut short: no IDX header");
  check_refused(std::string(3, '\0'), "byte 3: the file is cut short: no IDX header");
  check_refused("a,b,c\n1,2,3\n", "byte 0: an IDX file begins with two zero bytes");
  check_refused(idx_of(0x0a, {1}, "x"), "byte 2: 10 is not the code of a type");
  check_refused(idx_of(0x08, {1, 2}, "").substr(0, 10), "byte 10: the file is cut short: a size is missing");
  check_refused(idx_of(0x08, {2, 3}, "12345"), "byte 17: the file is cut short: 5 of 6 numbers");
  check_refused(idx_of(0x0c, {2}, "1234567"), "byte 15: the file is cut short: 1 of 2 numbers");
  check_refused(idx_of(0x08, {2}, "123"), "byte 10: the file goes on behind its last number");
  check_refused(idx_of(0x08, {0}, "1"), "byte 8: the file goes on");
  check_refused(idx_of(0x08, {2, 3}, "123456"), "byte 3: the numbers have the shape [2, 3], but [any, 4] is needed",
                {0, 4});
  check_refused(idx_of(0x08, {2, 3}, "123456"), "byte 3: the numbers have the shape [2, 3], but [any] is needed", {0});
  CHECK_THROWS_SAYING(DataError, "none.idx: cannot open: No such file", read_idx<float>("none.idx"));
}

TEST_CASE("idx: a file changed or cut anywhere does no harm") {
  const std::string plain = idx_of(0x0c, {3, 2}, std::string(24, '\x3f'));
  gzFile file = gzopen("whole.gz", "wb");
  REQUIRE(gzwrite(file, plain.data(), static_cast<unsigned>(plain.size())) > 0);
  REQUIRE(gzclose(file) == Z_OK);
  Random random(1);
  for (const std::string& whole : {plain, read_bytes("whole.gz")}) {
    std::size_t refused = 0;
    const auto read = [&](const std::string& bytes) {
      std::size_t count = 0;
      try {
        count = read_idx<double>(write_bytes("spoiled.idx", bytes)).values.size();
      } catch (const DataError&) {
        ++refused;
      }
      CHECK(count < 1000);
    };
    for (std::size_t kept = 0; kept < whole.size(); ++kept) read(whole.substr(0, kept));
    CHECK(refused == whole.size());
    for (int i = 0; i < 1000; ++i) read(spoiled(whole, random));
    CHECK(refused > whole.size() + 300);
  }
}

TEST_CASE("idx: sizes that are not true take no memory") {
  check_refused(idx_of(0x08, {0xffffffff}, "123"), "byte 11: the file is cut short: 3 of 4294967295 numbers");
  {
    // 13 bytes, gzipped or not, do not ask for the 512 MiB or more that they claim.
    const MemoryLimit limit(std::size_t{64} << 20);
    check_refused(idx_of(0x0e, {0x7fffffff}, "12345"), "byte 13: the file is cut short: 0 of 2147483647 numbers");
    gzFile file = gzopen(path.c_str(), "wb");
    const std::string header = idx_of(0x0e, {0x7fffffff}, "12345");
    REQUIRE(gzwrite(file, header.data(), static_cast<unsigned>(header.size())) > 0);
    REQUIRE(gzclose(file) == Z_OK);
    CHECK_THROWS_SAYING(DataError, "cut short: 0 of 2147483647 numbers", read_idx<float>(path));
  }
  check_refused(idx_of(0x0e, {0xffffffff, 0xffffffff, 2}, ""), "byte 4: a shape of more numbers than there can be");
  check_refused(idx_of(0x08, std::vector<std::uint32_t>(255, 0xffffffff), ""), "byte 4: a shape of more numbers");
}

TEST_CASE("idx: Fashion-MNIST as Debian has it", "[fashion_mnist]") {
  const std::string directory = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(directory)) {
    SKIP_CASE("the data set is not installed (Debian: apt install dataset-fashion-mnist)");
  }
  const auto labels = read_idx<float>(directory + "t10k-labels-idx1-ubyte.gz", {10'000});
  std::vector<int> counts(10);
  for (float label : labels.values) ++counts.at(static_cast<std::size_t>(label));
  CHECK(counts == std::vector<int>(10, 1000));
  CHECK(labels.values[0] == 9);
  const auto images = read_idx<float>(directory + "t10k-images-idx3-ubyte.gz", {0, 28, 28});
  CHECK(images.rows() == 10'000);
  CHECK(images.columns() == 784);
}
