// Files are written out here as NumPy's manual describes the format; tests/exchange.py lets NumPy itself read and
// write them.
#include "tapeloom/runtime/files/number_array.h"

#include <zlib.h>

#include <cmath>
#include <filesystem>

#include "catch.h"
#include "compare.h"
#include "files.h"
#include "random_numbers.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

const std::string path = "numbers.npy";

std::string npy_of(const std::string& header, const std::string& data, int version = 1) {
  return "\x93NUMPY" + little_endian(static_cast<unsigned>(version), 1) + std::string(1, '\0') +
         little_endian(header.size(), version == 1 ? 2 : 4) + header + data;
}

std::string header_of(const std::string& type, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }   \n";
}

std::vector<double> values_of(const std::string& type, const std::string& data, const std::string& shape) {
  write_bytes(path, npy_of(header_of(type, shape), data));
  return read_npy<double>(path).values;
}

void check_refused(const std::string& bytes, const std::string& what) {
  write_bytes(path, bytes);
  CHECK_THROWS_SAYING(DataError, path + ": byte ", read_npy<float>(path));
  CHECK_THROWS_SAYING(DataError, what, read_npy<float>(path));
}

}  // namespace

TEST_CASE("npy: every type of numbers") {
  using Values = std::vector<double>;
  CHECK(values_of("|u1", "\x01\xff", "(2,)") == Values{1, 255});
  CHECK(values_of("|i1", "\x01\xff", "(2,)") == Values{1, -1});
  CHECK(values_of("|b1", std::string("\x01\x00", 2), "(2,)") == Values{1, 0});
  CHECK(values_of("<u2", little_endian(65535, 2), "(1,)") == Values{65535});
  CHECK(values_of("<i2", little_endian(65535, 2), "(1,)") == Values{-1});
  CHECK(values_of(">i2", big_endian(258, 2), "(1,)") == Values{258});
  CHECK(values_of("<u4", little_endian(4000000000, 4), "(1,)") == Values{4000000000});
  CHECK(values_of("<i4", little_endian(4294967294, 4), "(1,)") == Values{-2});
  CHECK(values_of("<u8", little_endian(UINT64_MAX, 8), "(1,)") == Values{0x1p64});
  CHECK(values_of("=i8", little_endian(UINT64_MAX, 8), "(1,)") == Values{-1});
  CHECK(values_of("<f4", little_endian(0x3f800000, 4), "(1,)") == Values{1});
  CHECK(values_of(">f4", big_endian(0xc0490fdb, 4), "(1,)") == Values{-3.14159274101257324});
  CHECK(values_of("<f8", little_endian(0x400921fb54442d18, 8), "(1,)") == Values{3.141592653589793});
  CHECK(values_of(">f8", big_endian(0x400921fb54442d18, 8), "(1,)") == Values{3.141592653589793});
  // Halves: 1, -5, the largest, the smallest above zero, the smallest that is normal, infinity, NaN, minus zero.
  std::string halves, swapped;
  for (const unsigned bits : {0x3c00u, 0xc500u, 0x7bffu, 0x0001u, 0x0400u, 0xfc00u, 0x7e01u, 0x8000u}) {
    halves += little_endian(bits, 2), swapped += big_endian(bits, 2);
  }
  for (const Values& values : {values_of("<f2", halves, "(8,)"), values_of(">f2", swapped, "(8,)")}) {
    CHECK(Values(values.begin(), values.begin() + 6) == Values{1, -5, 65504, 0x1p-24, 0x1p-14, -inf});
    CHECK(std::isnan(values[6]));
    CHECK((values[7] == 0.0 && std::signbit(values[7])));
  }
  write_bytes(path, npy_of(header_of("<f8", "(1,)"), little_endian(0x3ff199999999999a, 8)));
  CHECK(read_npy<float>(path).values == std::vector<float>{1.1f});
}

TEST_CASE("npy: shapes, orders and versions") {
  using Shape = std::vector<std::size_t>;
  const std::string bytes = "\x01\x02\x03\x04\x05\x06";
  for (const int version : {1, 2, 3}) {
    write_bytes(path, npy_of(header_of("|u1", "(2, 3)"), bytes, version));
    const auto array = read_npy<float>(path);
    CHECK(array.shape == Shape{2, 3});
    CHECK(array.values == std::vector<float>{1, 2, 3, 4, 5, 6});
  }
  write_bytes(path, npy_of(header_of("|u1", "(2, 3)", "True"), bytes));
  CHECK(read_npy<float>(path).values == std::vector<float>{1, 3, 5, 2, 4, 6});
  write_bytes(path, npy_of(header_of("|u1", "(1, 3, 2)", "True"), bytes));
  CHECK(read_npy<float>(path).values == std::vector<float>{1, 4, 2, 5, 3, 6});
  write_bytes(path, npy_of(header_of("|u1", "()"), "\x07"));
  CHECK(read_npy<float>(path).shape.empty());
  CHECK(read_npy<float>(path).values == std::vector<float>{7});
  write_bytes(path, npy_of(header_of("|u1", "(3, 0)", "True"), ""));
  CHECK(read_npy<float>(path).shape == Shape{3, 0});
  // Truths are seen as NumPy sees them, whatever byte is there.
  write_bytes(path, npy_of(header_of("|b1", "(4,)"), std::string("\x01\x00\x02\xff", 4)));
  CHECK(read_npy<float>(path).values == std::vector<float>{1, 0, 1, 1});
  CHECK(read_npy<double>(path).values == std::vector<double>{1, 0, 1, 1});
  // Another order of the members, other quotes and blanks, and Python 2's long numbers.
  write_bytes(path, npy_of("{\"shape\":(2L,),'fortran_order':False , \"descr\" : \"|u1\"}", "\x01\x02"));
  CHECK(read_npy<float>(path).shape == Shape{2});
}

TEST_CASE("npy: what is written is what the manual says") {
  const std::vector<float> numbers = {1, 2, 3, 4, 5, 6};
  write_npy<float>(path, numbers, {2, 3});
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.append(128 - 10 - 1 - header.size(), ' ');
  header += '\n';
  std::string data;
  for (const unsigned bits : {0x3f800000u, 0x40000000u, 0x40400000u, 0x40800000u, 0x40a00000u, 0x40c00000u}) {
    data += little_endian(bits, 4);
  }
  CHECK(read_bytes(path) == npy_of(header, data));
  CHECK((read_bytes(path).size() - data.size()) % 64 == 0);
}

TEST_CASE("npy: what was written is read again") {
  const NumberArray<double> array{{2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0.1}};
  for (const bool fortran : {false, true}) {
    write_npy(path, array, {.fortran_order = fortran});
    const auto read = read_npy<double>(path);
    CHECK(read.shape == array.shape);
    CHECK(read.values == array.values);
    CHECK(contains(read_bytes(path), fortran ? "'fortran_order': True" : "'fortran_order': False"));
  }
  const std::vector<std::int64_t> whole = {-5, 1LL << 40};
  write_npy<std::int64_t>(path, whole, {2});
  CHECK(contains(read_bytes(path), "'<i8', 'fortran_order': False, 'shape': (2,), }"));
  CHECK(read_npy<double>(path).values == std::vector<double>{-5, 0x1p40});
  const std::uint8_t small[] = {255};
  write_npy<std::uint8_t>(path, small, {});
  CHECK(contains(read_bytes(path), "'|u1', 'fortran_order': False, 'shape': (), }"));
  CHECK(read_npy<double>(path).values == std::vector<double>{255});
  const bool truths[] = {true, false, true};
  write_npy<bool>(path, truths, {3});
  CHECK(read_npy<double>(path).values == std::vector<double>{1, 0, 1});
  CHECK_THROWS_SAYING(BindError, "2 numbers for an array of shape [3]", write_npy<std::int64_t>(path, whole, {3}));
  CHECK_THROWS_SAYING(DataError, "cannot write", write_npy<std::int64_t>("no/such/directory", whole, {2}));
}

TEST_CASE("npy: what is none, or damaged, is refused with the byte") {
  const auto header_refused = [](const std::string& header, const std::string& what) {
    INFO(header);
    check_refused(npy_of(header, "\x01\x02"), what);
  };
  check_refused("", "byte 0: a NumPy file begins with");
  check_refused("\x93NUMPY\x01", "byte 0: a NumPy file begins with");
  check_refused("a,b\n1,2\n3,4\n", "byte 0: a NumPy file begins with");
  check_refused(npy_of(header_of("|u1", "(2,)"), "\x01\x02", 4), "byte 6: version 4");
  check_refused("\x93NUMPY" + std::string("\x02\x00\xff\xff\xff\xff{}", 8), "byte 8: a header of 4294967295 bytes");
  check_refused("\x93NUMPY" + std::string("\x01\x00\x10\x00{}", 6), "byte 12: the file is cut short: NumPy's header");
  check_refused("\x93NUMPY" + std::string("\x02\x00\x01", 3), "byte 9: the file is cut short: NumPy's header");
  check_refused(npy_of(header_of("<f4", "(3,)"), "12345678901"), "cut short: 2 of 3 numbers");
  check_refused(npy_of(header_of("|u1", "(2,)"), "123"), "goes on behind its last number");
  check_refused(npy_of(header_of("|u1", "(99999999999,)"), "123"), "cut short: 3 of 99999999999 numbers");
  check_refused(npy_of(header_of("|u1", "(4294967296, 4294967296)"), ""), "more numbers than there can be");
  header_refused(header_of("<c8", "(2,)"), "numbers of type \"<c8\" are not read");
  header_refused(header_of("<f16", "(2,)"), "numbers of type \"<f16\"");
  header_refused(header_of("|f2", "(2,)"), "numbers of type \"|f2\"");
  header_refused(header_of("|f4", "(2,)"), "numbers of type \"|f4\"");
  header_refused(header_of("<U10", "(2,)"), "numbers of type \"<U10\"");
  header_refused("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}", "records are not read");
  header_refused("{'descr': '|u1', 'fortran_order': False}", "descr, fortran_order or shape is missing");
  header_refused("{'descr': '|u1', 'descr': '|u1'}", "there twice");
  header_refused("{'x': 1}", "an unknown member \"x\"");
  header_refused("{'a\x1b[2J': 1}", "an unknown member \"a?[2J\"");
  header_refused("{'" + std::string(5000, 'x') + "': 1}", "an unknown member \"" + std::string(40, 'x') + "...\"");
  header_refused(header_of("<\x1b", "(2,)"), "numbers of type \"<?\"");
  header_refused("{'descr", "a text is not closed");
  header_refused("{descr", "a text in quotes is missing");
  header_refused("['descr']", "'{' is missing");
  header_refused(header_of("|u1", "(2,)", "true"), "True or False is missing");
  header_refused(header_of("|u1", "(-2,)"), "a size is missing here or too large");
  header_refused(header_of("|u1", "(99999999999999999999,)"), "a size is missing here or too large");
  header_refused(header_of("|u1", "(2 3)"), "',' or ')' is missing");
  header_refused(header_of("|u1", "2"), "'(' is missing");
  header_refused(header_of("|u1", "(2,)") + "x", "goes on behind its '}'");
  header_refused("{'descr': '|u1' 'shape': (2,)}", "',' or '}' is missing");
  CHECK_THROWS_SAYING(DataError, "none.npy: cannot open: No such file", read_npy<float>("none.npy"));
}

TEST_CASE("npy: files of other formats are named for what they are") {
  using namespace std::string_literals;
  const auto named = [](const std::string& bytes, const std::string& what) { check_refused(bytes, what); };
  named("PK\x03\x04\x2d\0\0\0\0\0"s, "; this is a ZIP archive (.npz of NumPy: read_npz; .pt of PyTorch)");
  named("\x89HDF\r\n\x1a\n", "; this is an HDF5 file");
  named("\x80\x04\x95 a pickle", "; this is a Python pickle");
  named("TAPELOOM\3\0\0\0"s, "; this is a saved program (load_program)");
  named(little_endian(2, 8) + "{}", "; this is a safetensors file (read_safetensors)");
  named("\xff\xfe" + "1\0,\0"s, "; this is a text in UTF-16");
  named("1,2,3\n", "; this is none");
}

TEST_CASE("npy: a file changed anywhere does no harm") {
  const std::string whole = npy_of(header_of("<f4", "(2, 3)", "True"), std::string(24, '\x3f'));
  Random random(1);
  std::size_t refused = 0;
  for (int i = 0; i < 1500; ++i) {
    write_bytes("spoiled.npy", spoiled(whole, random));
    try {
      read_npy<float>("spoiled.npy");
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused > 900);
}

namespace {

/// A file in an archive as ZIP's specification has it.
struct Member {
  std::string name, content;
  unsigned method = 8;
  bool wide = false;  // with 64-bit lengths, as numpy.savez writes them
};

std::string deflated(const std::string& content) {
  z_stream stream = {};
  REQUIRE(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zip_of(const std::vector<Member>& members, const std::string& comment = {}, bool wide_end = false) {
  std::string file, directory;
  for (const Member& member : members) {
    const std::string packed = member.method == 8 ? deflated(member.content) : member.content;
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(member.content.data()), static_cast<uInt>(member.content.size()));
    const std::string common =
        little_endian(0, 2) + little_endian(member.method, 2) + little_endian(0, 4) + little_endian(crc, 4);
    const std::string sizes = little_endian(packed.size(), 4) + little_endian(member.content.size(), 4);
    const std::string unknown = little_endian(UINT32_MAX, 4) + little_endian(UINT32_MAX, 4);
    const std::string wide_sizes = little_endian(member.content.size(), 8) + little_endian(packed.size(), 8);
    const std::string local = little_endian(1, 2) + little_endian(16, 2) + wide_sizes;
    const std::string central = little_endian(9, 2) + little_endian(1, 2) + "?" + little_endian(1, 2) +
                                little_endian(24, 2) + wide_sizes + little_endian(file.size(), 8);
    directory += "PK\x01\x02" + little_endian(45, 2) + little_endian(45, 2) + common + (member.wide ? unknown : sizes) +
                 little_endian(member.name.size(), 2) + little_endian(member.wide ? central.size() : 0, 2) +
                 std::string(10, '\0') + (member.wide ? little_endian(UINT32_MAX, 4) : little_endian(file.size(), 4)) +
                 member.name + (member.wide ? central : "");
    file += "PK\x03\x04" + little_endian(45, 2) + common + (member.wide ? unknown : sizes) +
            little_endian(member.name.size(), 2) + little_endian(member.wide ? local.size() : 0, 2) + member.name +
            (member.wide ? local : "") + packed;
  }
  const std::size_t begin = file.size(), end = begin + directory.size();
  file += directory;
  if (wide_end) {
    file += "PK\x06\x06" + little_endian(44, 8) + little_endian(45, 2) + little_endian(45, 2) + std::string(8, '\0') +
            little_endian(members.size(), 8) + little_endian(members.size(), 8) + little_endian(directory.size(), 8) +
            little_endian(begin, 8);
    file += "PK\x06\x07" + std::string(4, '\0') + little_endian(end, 8) + little_endian(1, 4);
  }
  const std::uint64_t count = wide_end ? UINT16_MAX : members.size();
  return file + "PK\x05\x06" + std::string(4, '\0') + little_endian(count, 2) + little_endian(count, 2) +
         little_endian(wide_end ? UINT32_MAX : directory.size(), 4) + little_endian(wide_end ? UINT32_MAX : begin, 4) +
         little_endian(comment.size(), 2) + comment;
}

std::vector<Member> some_members() {
  std::string many;
  for (unsigned i = 0; i < 50'000; ++i) many += little_endian(i * i, 4);
  return {{"x.npy", npy_of(header_of("|u1", "(2, 3)"), "\x01\x02\x03\x04\x05\x06"), 0, true},
          {"names.npy", npy_of(header_of("<U10", "(1,)"), std::string(40, 'u')), 0},
          {"many.npy", npy_of(header_of("<u4", "(50000,)"), many), 8},
          {"y.npy", npy_of(header_of("<f4", "(1,)"), little_endian(0x3f800000, 4)), 8, true}};
}

void check_archive_refused(const std::string& bytes, const std::string& name, const std::string& what) {
  write_bytes("spoiled.npz", bytes);
  CHECK_THROWS_SAYING(DataError, "spoiled.npz", read_npz<float>("spoiled.npz", name));
  CHECK_THROWS_SAYING(DataError, what, read_npz<float>("spoiled.npz", name));
}

}  // namespace

TEST_CASE("npz: arrays are read by their names, stored or packed, in small archives and large ones") {
  for (const bool wide : {false, true}) {
    for (const std::string& comment : {std::string(), "PK\x05\x06" + std::string(40, 'c')}) {
      write_bytes("arrays.npz", zip_of(some_members(), comment, wide));
      CHECK(read_npz<float>("arrays.npz", "x").shape == std::vector<std::size_t>{2, 3});
      CHECK(read_npz<float>("arrays.npz", "x").values == std::vector<float>{1, 2, 3, 4, 5, 6});
      CHECK(read_npz<double>("arrays.npz", "y").values == std::vector<double>{1});
      const std::vector<double> many = read_npz<double>("arrays.npz", "many").values;
      REQUIRE(many.size() == 50'000);
      CHECK(many[49'999] == 49'999.0 * 49'999.0);
    }
  }
  // One that cannot be read is an error for those who ask for it.
  CHECK_THROWS_SAYING(DataError,
                      "arrays.npz(names.npy): byte 20: NumPy's header: numbers of type \"<U10\" are not read",
                      read_npz<float>("arrays.npz", "names"));
  CHECK_THROWS_SAYING(DataError,
                      "arrays.npz: there is no array \"z\" in the archive, which has \"x\", \"names\", \"many\", \"y\"",
                      read_npz<float>("arrays.npz", "z"));
  CHECK_THROWS_SAYING(DataError, "this is a ZIP archive (.npz of NumPy: read_npz", read_npy<float>("arrays.npz"));
}

TEST_CASE("npz: archives that are none, or damaged, are refused") {
  const std::vector<Member> members = some_members();
  const std::string whole = zip_of(members);
  check_archive_refused("", "x", "its directory is not there");
  check_archive_refused(npy_of(header_of("|u1", "(1,)"), "1"), "x", "; this is a NumPy array (.npy)");
  check_archive_refused("a,b\n1,2\n", "x", "byte 0: an archive of NumPy (.npz) begins with PK; this is none");
  CHECK_THROWS_SAYING(DataError, "cannot read: Is a directory", read_npz<float>(".", "x"));
  check_archive_refused(whole.substr(0, whole.size() - 1), "x", "its directory is not there");
  check_archive_refused(zip_of({}), "x", "which has none");
  check_archive_refused(zip_of({members[0], members[0]}), "x", "there are two arrays \"x\"");
  check_archive_refused(zip_of({{"x.npy", members[0].content, 12}}), "x", "x.npy is packed by method 12");
  const auto with_bytes = [](std::string bytes, std::size_t at, const std::string& change) {
    return bytes.replace(at, change.size(), change);
  };
  const std::string one = zip_of({{"x.npy", members[0].content, 0}});
  const std::size_t directory = one.rfind("PK\x01\x02");
  check_archive_refused(with_bytes(one, directory + 8, "\x01"), "x", "x.npy is encrypted");
  check_archive_refused(with_bytes(one, directory + 16, "????"), "x", "in x.npy, the checksum is another one");
  check_archive_refused(with_bytes(one, directory + 24, "?"), "x", "in x.npy, its two lengths differ");
  check_archive_refused(with_bytes(one, directory + 42, "?"), "x", "in x.npy, its header is not there");
  check_archive_refused(with_bytes(one, directory + 42, "????"), "x", "points behind the end");
  check_archive_refused(with_bytes(one, directory, "?"), "x", "no entry where one is due");
  check_archive_refused(with_bytes(one, directory + 28, "\xff\xff"), "x", "ends within an entry");
  check_archive_refused(with_bytes(one, one.size() - 12, "\x02"), "x", "another number of entries");
  check_archive_refused(with_bytes(one, 0, "?"), "x", "its header is not there");
  // Something wrong in the array itself is said with its place there.
  check_archive_refused(zip_of({{"x.npy", members[0].content + "7", 8}}), "x",
                        "spoiled.npz(x.npy): byte " + std::to_string(members[0].content.size()) + ": the file goes on");
}

TEST_CASE("npz: an archive changed anywhere gives the same numbers or is refused") {
  const std::string whole = zip_of({some_members()[0], some_members()[3]});
  Random random(1);
  std::size_t refused = 0, wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    write_bytes("spoiled.npz", spoiled(whole, random));
    for (const char* name : {"x", "y"}) {
      try {
        const std::vector<float> values = read_npz<float>("spoiled.npz", name).values;
        wrong += values != (name[0] == 'x' ? std::vector<float>{1, 2, 3, 4, 5, 6} : std::vector<float>{1});
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(refused > 2000);
}
