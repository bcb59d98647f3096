// The format is written out here byte by byte, as its specification has it.
#include "tapeloom/runtime/files/safetensors.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "catch.h"
#include "compare.h"
#include "files.h"
#include "random_numbers.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::string file_of(const std::string& header, const std::string& data = {}) {
  return write_bytes("tensors.safetensors", little_endian(header.size(), 8) + header + data);
}

void check_refused(const std::string& header, const std::string& data, const std::string& what) {
  INFO(header);
  const std::string path = file_of(header, data);
  CHECK_THROWS_SAYING(DataError, what, read_safetensors(path));
  CHECK_THROWS_SAYING(DataError, path + ": byte ", read_safetensors(path));
}

/// A tensor of the header, of F32 unless said otherwise.
std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& type = "F32") {
  return "\"" + name + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

const std::string one_float = little_endian(0x3f800000, 4);  // 1.0f

}  // namespace

TEST_CASE("safetensors: what is written is what the specification says") {
  TensorFile file;
  file.tensors.push_back({"a\"b", {2}, std::vector<float>{1.0f, -2.0f}});
  file.tensors.push_back({"d", {1, 1}, std::vector<double>{0.5}});
  file.metadata = {{"k", "tab\tnew"}};
  write_safetensors("written.safetensors", file);
  std::string header = R"({"__metadata__":{"k":"tab\u0009new"},"d":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]},)"
                       R"("a\"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})";
  while (header.size() % 8 != 0) header += ' ';
  CHECK(read_bytes("written.safetensors") == little_endian(header.size(), 8) + header +
                                                 little_endian(0x3fe0000000000000, 8) + little_endian(0x3f800000, 4) +
                                                 little_endian(0xc0000000, 4));
}

TEST_CASE("safetensors: what was written is read again, bit for bit") {
  TensorFile file;
  file.tensors.push_back({"", {}, std::vector<double>{-0.0}});
  file.tensors.push_back({"no numbers", {3, 0, 2}, std::vector<double>{}});
  file.tensors.push_back({"e\xcc\x81 \xf0\x9f\xa7\xb5", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6e-40f}});
  file.tensors.push_back({"odd", {1}, std::vector<double>{std::numeric_limits<double>::infinity()}});
  file.metadata = {{"", ""}, {"\\\"\n", "\x7f/\xc3\xa4"}};
  write_safetensors("again.safetensors", file);
  const TensorFile read = read_safetensors("again.safetensors");
  CHECK(read.metadata == file.metadata);
  REQUIRE(read.tensors.size() == 4);
  for (const Tensor& tensor : file.tensors) {
    const Tensor* found = read.find(tensor.name);
    REQUIRE(found != nullptr);
    CHECK(found->shape == tensor.shape);
    CHECK(found->numbers == tensor.numbers);
  }
  CHECK(std::signbit(read.find("")->at(0)));
  CHECK(read.find("nothing") == nullptr);
  write_safetensors("empty.safetensors", {});
  CHECK(read_bytes("empty.safetensors") == little_endian(8, 8) + "{}      ");
  CHECK(read_safetensors("empty.safetensors").tensors.empty());
}

TEST_CASE("safetensors: another order, blanks, escapes and unknown members are read") {
  const TensorFile file = read_safetensors(
      file_of("{ \"b\\u00e4\\ud83e\\uddf5\\/\" :\n{\"shape\" : [ 1 , 2 ],\t\"data_offsets\":[4,12],\"dtype\":\"F32\","
              "\"more\":[{\"x\":-1.5e3},true,null,\"\"]},\r\n" +
                  entry("a", "[]", "[0,4]") + " }   ",
              one_float + one_float + little_endian(0x40490fdb, 4)));
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].name == "a");
  CHECK(file.tensors[0].shape.empty());
  CHECK(file.tensors[0].at(0) == 1.0);
  CHECK(file.tensors[1].name == "b\xc3\xa4\xf0\x9f\xa7\xb5/");
  CHECK(file.tensors[1].shape == std::vector<std::size_t>{1, 2});
  CHECK(file.tensors[1].at(1) == 3.14159274101257324);
}

TEST_CASE("safetensors: halves and bfloats are read as floats") {
  std::string data;
  for (const unsigned bits : {0x3c00u, 0xc500u, 0x7bffu, 0x0001u, 0x83ffu, 0x0400u, 0xfc00u, 0x7e01u, 0x8000u}) {
    data += little_endian(bits, 2);
  }
  for (const unsigned bits : {0x3f80u, 0xc049u, 0xff80u}) data += little_endian(bits, 2);
  const TensorFile file = read_safetensors(
      file_of("{" + entry("h", "[9]", "[0,18]", "F16") + "," + entry("b", "[3]", "[18,24]", "BF16") + "}", data));
  const Tensor& h = *file.find("h");
  const double expected[] = {1.0, -5.0, 65504.0, 0x1p-24, -0x3ffp-24, 0x1p-14, -inf};
  for (std::size_t i = 0; i < 7; ++i) CHECK(h.at(i) == expected[i]);
  CHECK(std::isnan(h.at(7)));
  CHECK((h.at(8) == 0.0 && std::signbit(h.at(8))));
  const Tensor& b = *file.find("b");
  CHECK(b.at(0) == 1.0);
  CHECK(b.at(1) == -3.140625);
  CHECK(b.at(2) == -inf);
}

TEST_CASE("safetensors: a tensor of another type leaves the rest readable, and is an error once it is asked for") {
  const std::string types[] = {"I64",  "U64", "C64", "I32",     "U32",     "I16",    "U16",
                               "BOOL", "U8",  "I8",  "F8_E4M3", "F8_E5M2", "F8_E8M0"};
  const std::size_t bytes[] = {8, 8, 8, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1};
  std::string header = "{" + entry("w", "[1]", "[0,4]"), data = one_float;
  const auto add = [&](const std::string& name, const std::string& type, const std::string& shape, std::size_t size) {
    const std::string end = std::to_string(data.size() + size);
    header += "," + entry(name, shape, "[" + std::to_string(data.size()) + "," + end + "]", type);
    for (std::size_t i = 0; i < size; ++i) data += static_cast<char>('a' + data.size() % 26);
  };
  for (std::size_t t = 0; t < std::size(types); ++t) add("of " + types[t], types[t], "[3]", 3 * bytes[t]);
  add("four bits", "F4", "[3]", 2);  // newer than this library
  add("none", "BOOL", "[0]", 0);
  const TensorFile file = read_safetensors(file_of(header + "}", data));
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.find("w")->at(0) == 1.0);
  REQUIRE(file.others.size() == std::size(types) + 2);
  for (const OtherTensor& tensor : file.others) {
    CHECK_THROWS_SAYING(
        BindError, "tensor \"" + tensor.name + "\" is of type \"" + tensor.type + "\"; F64, F32, F16 and BF16 are read",
        file.find(tensor.name));
  }
  CHECK(file.find("nothing") == nullptr);

  // What is read and written again has lost nothing.
  write_safetensors("others.safetensors", file);
  const TensorFile again = read_safetensors("others.safetensors");
  CHECK(again.tensors.size() == 1);
  REQUIRE(again.others.size() == file.others.size());
  for (const OtherTensor& tensor : file.others) {
    const auto found = std::find_if(again.others.begin(), again.others.end(),
                                    [&](const OtherTensor& other) { return other.name == tensor.name; });
    REQUIRE(found != again.others.end());
    CHECK(found->type == tensor.type);
    CHECK(found->shape == tensor.shape);
    CHECK(found->bytes == tensor.bytes);
  }
  CHECK_THROWS_SAYING(BindError, "another one has that name",
                      write_safetensors("no", {file.tensors, {}, {{"w", "I64", {1}, std::string(8, 'x')}}}));
  CHECK_THROWS_SAYING(BindError, "has 1 numbers", write_safetensors("no", {{}, {}, {{"i", "I64", {1}, "123456789"}}}));
  CHECK_THROWS_SAYING(BindError, "type is not UTF-8", write_safetensors("no", {{}, {}, {{"i", "\xff", {1}, "1"}}}));
}

TEST_CASE("safetensors: headers that are wrong are refused") {
  const std::string a = entry("a", "[1]", "[0,4]");
  check_refused("", "", "begins with '{'");
  check_refused(" {}", "", "begins with '{'");
  check_refused("[]", "", "begins with '{'");
  check_refused("{", "", "'\"' is missing");
  check_refused("{}{}", "", "more than one value");
  check_refused("{" + a, one_float, "'}' is missing");
  check_refused("{" + a + ",}", one_float, "'\"' is missing");
  check_refused("{" + a + "," + a + "}", one_float, "the key \"a\" is there twice");
  check_refused(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", one_float, "twice");
  check_refused(R"({"__metadata__":{"k":"1","k":"1"}})", "", "twice");
  check_refused(R"({"__metadata__":{"k":1}})", "", "'\"' is missing");
  check_refused(R"({"__metadata__":[]})", "", "'{' is missing");
  check_refused(R"({"a":{"dtype":"F32","shape":[1]}})", one_float, "lacks");
  check_refused(R"({"a":{}})", one_float, "lacks");
  check_refused("{" + entry("a", "[1]", "[0,4]", "I64") + "}", one_float, "do not fit its shape and type");
  check_refused("{" + entry("a", "[1]", "[0,4]", "BOOL") + "}", one_float, "do not fit its shape and type");
  check_refused("{" + entry("a", "[1]", "[4,0]", "new") + "}", one_float, "do not fit its shape and type");
  check_refused("{" + entry("a", "[1]", "[0,4]", "F64") + "}", one_float, "do not fit its shape and type");
  check_refused("{" + entry("a", "[2]", "[0,4]") + "}", one_float, "do not fit its shape and type");
  check_refused("{" + entry("a", "[1]", "[4,0]") + "}", one_float, "do not fit");
  check_refused("{" + entry("a", "[4294967296,4294967296]", "[0,0]") + "}", "", "do not fit");
  check_refused("{" + entry("a", "[4611686018427387904]", "[0,0]") + "}", "", "do not fit");
  check_refused("{" + entry("a", "[-1]", "[0,4]") + "}", one_float, "zero or more, is missing");
  check_refused("{" + entry("a", "[1.0]", "[0,4]") + "}", one_float, "not whole");
  check_refused("{" + entry("a", "[1e0]", "[0,4]") + "}", one_float, "not whole");
  check_refused("{" + entry("a", "[01]", "[0,4]") + "}", one_float, "leading zero");
  check_refused("{" + entry("a", "[99999999999999999999]", "[0,4]") + "}", one_float, "too large");
  check_refused("{" + entry("a", "[1]", "[0]") + "}", one_float, "are two numbers");
  check_refused("{" + entry("a", "[1]", "[0,4,8]") + "}", one_float, "are two numbers");
  check_refused("{" + entry("a\xff", "[1]", "[0,4]") + "}", one_float, "not UTF-8");
  check_refused("{" + entry("a\xc0\x80", "[1]", "[0,4]") + "}", one_float, "not UTF-8");
  check_refused("{" + entry("a\xed\xa0\x80", "[1]", "[0,4]") + "}", one_float, "not UTF-8");
  check_refused("{" + entry("a\n", "[1]", "[0,4]") + "}", one_float, "control character");
  check_refused("{" + entry("\\x", "[1]", "[0,4]") + "}", one_float, "unknown escape");
  check_refused("{" + entry("\\u12", "[1]", "[0,4]") + "}", one_float, "four hexadecimal digits");
  check_refused("{" + entry("\\ud800", "[1]", "[0,4]") + "}", one_float, "half a surrogate");
  check_refused("{" + entry("\\udc00", "[1]", "[0,4]") + "}", one_float, "half a surrogate");
  check_refused(R"({"a)", "", "not closed");
  check_refused(R"({"a\)", "", "unknown escape");
  check_refused(R"({"a\u0)", "", "not closed");
  const std::string deep(1'000'000, '[');
  check_refused(R"({"a":{"x":)" + deep + "}}", "", "nested deeper");
  check_refused(R"({"a":{"x":nul}})", "", "a value is missing");
  check_refused(R"({"a":{"x":-}})", "", "a value is missing");
}

TEST_CASE("safetensors: data that overlap, leave gaps or go on are refused") {
  const std::string two = one_float + one_float, a = entry("a", "[1]", "[0,4]");
  check_refused("{" + a + "," + entry("b", "[1]", "[0,4]") + "}", one_float, "of tensor \"b\" overlap");
  check_refused("{" + entry("b", "[2]", "[0,8]") + "," + entry("a", "[1]", "[2,6]") + "}", two, "\"a\" overlap");
  check_refused("{" + entry("a", "[1]", "[4,8]") + "}", two, "a gap before");
  check_refused("{" + a + "," + entry("b", "[1]", "[8,12]") + "}", two + one_float, "a gap before the data of");
  check_refused("{" + a + "," + entry("b", "[1]", "[4,8]") + "}", one_float, "cut short: the data of tensor \"b\"");
  check_refused("{" + entry("a", "[1]", "[18446744073709551608,18446744073709551612]") + "}", one_float, "a gap");
  check_refused("{" + a + "}", two, "more than the tensors' data");
  check_refused("{}", one_float, "more than the tensors' data");
}

TEST_CASE("safetensors: files that are too short are refused") {
  CHECK_THROWS_SAYING(DataError, "none.safetensors: cannot open: No such file", read_safetensors("none.safetensors"));
  std::filesystem::create_directory("directory.safetensors");
  CHECK_THROWS_SAYING(DataError, "cannot read: Is a directory", read_safetensors("directory.safetensors"));
  CHECK_THROWS_SAYING(DataError, "byte 0: the file is cut short", read_safetensors(write_bytes("short", "")));
  CHECK_THROWS_SAYING(DataError, "byte 3: the file is cut short", read_safetensors(write_bytes("short", "abc")));
  const auto with_length = [](std::uint64_t length) { return write_bytes("long", little_endian(length, 8) + "{}"); };
  CHECK_THROWS_SAYING(DataError, "a header of 3 bytes is longer than the file", read_safetensors(with_length(3)));
  CHECK_THROWS_SAYING(DataError, "longer than the format allows", read_safetensors(with_length(UINT64_MAX)));
  CHECK_THROWS_SAYING(DataError, "longer than the format allows", read_safetensors(with_length(100'000'001)));
  CHECK_THROWS_SAYING(DataError, "the format allows; this is a ZIP archive (.npz of NumPy: read_npz; .pt of PyTorch)",
                      read_safetensors(write_bytes("long", "PK\x03\x04 whatever")));
  // A device without an end is not read to its end.
  CHECK_THROWS_SAYING(DataError, "a header begins with '{'", read_safetensors("/dev/zero"));
}

TEST_CASE("safetensors: a file cut anywhere is refused, and one changed anywhere never does harm") {
  TensorFile file;
  file.tensors.push_back({"layers.0.weight", {2, 2}, std::vector<float>{1, 2, 3, 4}});
  file.tensors.push_back({"layers.0.bias", {2}, std::vector<double>{5, 6}});
  file.metadata = {{"format", "pt"}};
  write_safetensors("whole.safetensors", file);
  const std::string whole = read_bytes("whole.safetensors");
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    INFO("the first " << kept << " bytes");
    CHECK_THROWS_SAYING(DataError, "cut.safetensors: byte ",
                        read_safetensors(write_bytes("cut.safetensors", whole.substr(0, kept))));
  }
  Random random(1);
  std::size_t refused = 0;
  for (int i = 0; i < 1500; ++i) {
    write_bytes("spoiled.safetensors", spoiled(whole, random));
    try {
      read_safetensors("spoiled.safetensors");
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused > 900);  // the data and the text of the metadata may be anything
}

TEST_CASE("safetensors: what cannot be written is refused, and an older file stays") {
  const auto refused = [](const std::string& what, std::vector<Tensor> tensors) {
    CHECK_THROWS_SAYING(BindError, what, write_safetensors("refused.safetensors", {std::move(tensors), {}}));
    CHECK_FALSE(std::filesystem::exists("refused.safetensors"));
  };
  const Tensor good{"a", {1}, std::vector<float>{1}};
  refused("another one has that name", {good, good});
  refused("another one has that name", {{"__metadata__", {1}, std::vector<float>{1}}});
  refused("not UTF-8", {{"\xff", {1}, std::vector<float>{1}}});
  refused("has 1 numbers", {{"a", {2}, std::vector<float>{1}}});
  refused("has 0 numbers", {{"a", {}, std::vector<float>{}}});
  CHECK_THROWS_SAYING(DataError, "cannot write: No such file", write_safetensors("no/such/directory", {{good}, {}}));
  write_safetensors("kept.safetensors", {{good}, {}});
  CHECK_THROWS_SAYING(BindError, "another one", write_safetensors("kept.safetensors", {{good, good}, {}}));
  CHECK(read_safetensors("kept.safetensors").tensors.size() == 1);
}
