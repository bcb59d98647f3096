// Texts have the same numbers in every file.
#include "tapeloom/runtime/files/csv.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "files.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using tapeloom::test::write_bytes;

namespace {

Table training() {
  const std::string file = write_bytes("training.csv", "length,kind\n1,oak\n2,birch\n3,willow\n");
  return read_csv(file, {.header = true, .categories = {"kind"}});
}

}  // namespace

TEST_CASE("categories: a text has the same number in the file of the test as in that of the training") {
  const Table table = training();
  const Categories kinds = table.categories.at(1);
  CHECK(kinds.texts() == std::vector<std::string>{"birch", "oak", "willow"});
  CHECK(table.values == std::vector<double>{1, 1, 2, 0, 3, 2});

  const std::string test = write_bytes("test.csv", "length,kind\n4,oak\n5,oak\n6,willow\n");
  const Table read = read_csv(test, {.header = true, .categories = {{"kind", kinds}}});
  CHECK(read.values == std::vector<double>{4, 1, 5, 1, 6, 2});
  CHECK(read.categories.at(1) == kinds);
  // Where the column is another one, its name leads to it; and a number leads to it without names.
  write_bytes("test.csv", "kind,length\noak,4\n");
  CHECK(read_csv(test, {.header = true, .categories = {{"kind", kinds}}}).values == std::vector<double>{1, 4});
  CHECK(read_csv(test, {.skip_lines = 1, .categories = {{0, kinds}}}).values == std::vector<double>{1, 4});
  // An order of one's own, and several columns.
  write_bytes("test.csv", "low,oak\nhigh,birch\n");
  const Table ordered = read_csv(test, {.categories = {{0, {"low", "middle", "high"}}, 1}});
  CHECK(ordered.values == std::vector<double>{0, 1, 2, 0});
  CHECK(ordered.categories.at(0)[2] == "high");
}

TEST_CASE("categories: an unknown text is refused with file, line, column and the known ones") {
  const Categories kinds = training().categories.at(1);
  const std::string test = write_bytes("test.csv", "length,kind\n4,oak\n5,maple\n");
  const CsvOptions options{.header = true, .categories = {{"kind", kinds}}};
  try {
    read_csv(test, options);
    FAIL("nothing thrown");
  } catch (const DataError& error) {
    CHECK(error.what() ==
          std::string("test.csv:3:2: \"maple\" is none of the known categories \"birch\", \"oak\", \"willow\""));
    CHECK(error.line() == 3);
    CHECK(error.column() == 2);
  }
  write_bytes("test.csv", "length,kind\n4,Oak\n");  // as it is written
  CHECK_THROWS_SAYING(DataError, "test.csv:2:2: \"Oak\" is none", read_csv(test, options));
  CHECK_THROWS_SAYING(BindError, "\"maple\" is none of the categories \"birch\", \"oak\", \"willow\"",
                      kinds.index("maple"));
  CHECK_THROWS_SAYING(BindError, "there is no category 3 but only 3", kinds[3]);
  CHECK_THROWS_SAYING(BindError, "\"a\" comes twice", Categories{"a", "b", "a"});
  CHECK(kinds.index("oak") == 1);
  CHECK(!kinds.find("maple"));
}

TEST_CASE("categories: missing ones stay missing, unless they are known") {
  const std::string test = write_bytes("test.csv", "oak,1\n,2\nNA,3\n");
  const Table table = read_csv(test, {.categories = {{0, {"birch", "oak"}}}, .allow_missing = true});
  CHECK(table.at(0, 0) == 1.0);
  CHECK(std::isnan(table.at(1, 0)));
  CHECK(std::isnan(table.at(2, 0)));
  const Table known = read_csv(test, {.categories = {{0, {"NA", "oak"}}}, .allow_missing = true});  // Namibia's
  CHECK(known.at(2, 0) == 0.0);
  CHECK(known.missing.size() == 1);
}

TEST_CASE("categories: saved with a model and read again") {
  const Categories kinds = training().categories.at(1);
  const Categories odd{"", "two\r\nlines", "\xE4 in Latin-1", "\xC3\xA4", std::string(10'000, 'x')};
  TensorFile file{kinds.tensors("kinds"), {}};
  for (const Categories& more : {odd, Categories()}) {
    for (const Tensor& tensor : more.tensors(more.size() == 0 ? "none" : "odd")) file.tensors.push_back(tensor);
  }
  write_safetensors("categories.safetensors", file);
  const TensorFile read = read_safetensors("categories.safetensors");
  CHECK(Categories::from(read, "kinds") == kinds);
  CHECK(Categories::from(read, "kinds").index("willow") == 2);
  CHECK(Categories::from(read, "odd") == odd);
  CHECK(Categories::from(read, "none") == Categories());
  CHECK(std::get<std::vector<float>>(Categories{"a", "bc"}.tensors("t")[0].numbers) ==
        std::vector<float>{97, 0, 98, 99, 0});

  CHECK_THROWS_SAYING(BindError, "there is no tensor \"x\" in the file", Categories::from(read, "x"));
  CHECK_THROWS_SAYING(BindError, "has a zero in it", Categories{std::string("a\0b", 3)}.tensors("t"));
  const auto of = [](const std::vector<double>& numbers) { return TensorFile{{{"t", {numbers.size()}, numbers}}, {}}; };
  for (const double bad : {-1.0, 0.5, 256.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_SAYING(BindError, "a number is no byte", Categories::from(of({97, bad, 0}), "t"));
  }
  CHECK_THROWS_SAYING(BindError, "the last byte is not zero", Categories::from(of({97, 0, 98}), "t"));
  CHECK_THROWS_SAYING(BindError, "comes twice", Categories::from(of({97, 0, 97, 0}), "t"));
}
