#include <zlib.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "catch.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/csv.h"

using tapeloom::CsvOptions;
using tapeloom::DataError;
using tapeloom::read_csv;
using tapeloom::Table;

namespace {

/// Writes a file in the working directory and returns its name.
std::string file_of(const std::string& content, const std::string& name = "table.csv") {
  std::ofstream(name, std::ios::binary) << content;
  return name;
}

std::string gzip_of(const std::string& content) {
  const std::string name = "table.csv.gz";
  gzFile file = gzopen(name.c_str(), "wb9");
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) == static_cast<int>(content.size()));
  REQUIRE(gzclose(file) == Z_OK);
  return name;
}

std::string bytes_of(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string no_number = " is not a finite number; for texts, there is CsvOptions::categories";
const std::string no_number_at_first =
    " is not a finite number; for a line of names, there is CsvOptions::header, for texts CsvOptions::categories";
const std::string is_missing = "; CsvOptions::allow_missing reads it as NaN";

struct Failure {
  std::string message;
  std::size_t line, column;
};

Failure failure_of(const std::string& path, const CsvOptions& options = {}) {
  try {
    read_csv(path, options);
  } catch (const DataError& error) {
    return {error.what(), error.line(), error.column()};
  }
  FAIL("no DataError for " << path);
  return {};
}

void check_failure(const std::string& path, const std::string& message, std::size_t line, std::size_t column) {
  const Failure failure = failure_of(path);
  CHECK(failure.message == path + message);
  CHECK(failure.line == line);
  CHECK(failure.column == column);
}

}  // namespace

TEST_CASE("A table is read row by row") {
  const Table table = read_csv(file_of("1,2.5,-3\n4e2,.5,1e-3\n"));
  CHECK(table.columns == 3);
  CHECK(table.rows() == 2);
  CHECK(table.values == std::vector<double>{1, 2.5, -3, 400, 0.5, 0.001});
  CHECK(table.at(1, 0) == 400);
  CHECK(table.row(1)[2] == 0.001);
}

TEST_CASE("Line ends, blanks, a byte order mark and empty lines at the end change nothing") {
  const std::vector<double> expected = {1, 2, 3, 4};
  const std::string text =
      GENERATE("1,2\n3,4", "1,2\r\n3,4\r\n", "1,2\r\n3,4\r", " 1 ,\t2\n3,4 \n", "1,2\n3,4\n\n\r\n \n",
               "\xEF\xBB\xBF"
               "1,2\n3,4\n");
  const Table table = read_csv(file_of(text));
  CHECK(table.values == expected);
  CHECK(table.columns == 2);
}

TEST_CASE("Another separator and skipped lines") {
  CsvOptions options;
  options.separator = ';';
  options.skip_lines = 2;
  const Table table = read_csv(file_of("width;height\n\n1;2\n"), options);
  CHECK(table.values == std::vector<double>{1, 2});
  options.skip_lines = 1;
  CHECK(failure_of("table.csv", options).line == 2);
}

TEST_CASE("A field that is no finite number is named by line and column") {
  check_failure(file_of("1,2\n3,x4\n"), ":2:2: \"x4\"" + no_number, 2, 2);
  check_failure(
      file_of("1,2\n3,4 5\n"),
      ":2:2: \"4 5\" is several numbers between spaces; there is CsvOptions::separator, which may be blank_runs", 2, 2);
  check_failure(file_of("1,\n"), ":1:2: a value is missing: \"\"" + is_missing, 1, 2);
  check_failure(file_of("1,2\n\n\n,4"), ":2: an empty line between rows", 2, 0);
  check_failure(file_of("1,nan\n"), ":1:2: a value is missing: \"nan\"" + is_missing, 1, 2);
  check_failure(file_of("1,0x10\n"), ":1:2: \"0x10\"" + no_number_at_first, 1, 2);
  check_failure(file_of("-inf\n"), ":1:1: \"-inf\"" + no_number_at_first, 1, 1);
  check_failure(file_of("1e999\n"), ":1:1: \"1e999\" does not fit into a double", 1, 1);
  check_failure(file_of("1\n\x01z\n"), ":2:1: \"?z\"" + no_number, 2, 1);
  check_failure(file_of(std::string("1\n2\0\n", 5)), ":2:1: \"2?\"" + no_number, 2, 1);
  check_failure(file_of(std::string(50, 'a')), ":1:1: \"" + std::string(40, 'a') + "...\"" + no_number_at_first, 1, 1);
}

TEST_CASE("Numbers may have a plus, and are 0 where no double is as small") {
  const Table table = read_csv(file_of("+1,+.5,+1e+3,1e+2\n+0,-1e-310,1e-400,-1e-400\n"));
  CHECK(table.values == std::vector<double>{1, 0.5, 1000, 100, 0, -1e-310, 0, 0});
  CHECK(std::signbit(table.at(1, 3)));
  const std::string zeros(400, '0');
  const Table tiny =
      read_csv(file_of("0." + zeros + "1,1" + zeros + "e-800,1e-99999999999999999999\n2e-324,0e999,3e-324\n"));
  CHECK(tiny.values == std::vector<double>{0, 0, 0, 0, 0, 5e-324});
  CHECK(read_csv(file_of("0." + zeros + "15e401,25" + zeros + "e-400\n")).values == std::vector<double>{1.5, 25});
  for (const char* text : {"1e309", "-1e309", "+1e309", "1e99999999999999999999", "0.1e310", "1000e306"}) {
    check_failure(file_of(text), ":1:1: \"" + std::string(text) + "\" does not fit into a double", 1, 1);
  }
  check_failure(file_of("0." + zeros + "1e900"),
                ":1:1: \"0." + zeros.substr(2, 38) + "...\" does not fit into a double", 1, 1);
  for (const char* text : {"+-1", "++1", "+", "+inf", "1e-400x", "1e", "-+1"}) {
    check_failure(file_of(text), ":1:1: \"" + std::string(text) + "\"" + no_number_at_first, 1, 1);
  }
}

TEST_CASE("A ragged line is named") {
  check_failure(file_of("1,2\n3\n"), ":2:1: this line has fewer fields than the 2 of the first", 2, 1);
  check_failure(file_of("1,2\r\n3,4\r\n5,6,7"), ":3:3: this line has more fields than the 2 of the first", 3, 3);
}

TEST_CASE("A file without rows is refused") {
  check_failure(file_of(""), ": no rows", 0, 0);
  check_failure(file_of("\n\n"), ": no rows", 0, 0);
  CsvOptions options;
  options.skip_lines = 3;
  CHECK(failure_of(file_of("a\nb\n"), options).message == "table.csv: no rows");
}

TEST_CASE("A missing file and a directory are refused") {
  check_failure("no_such_file.csv", ": cannot open: No such file or directory", 0, 0);
  std::filesystem::create_directory("directory.csv");
  check_failure("directory.csv", ": cannot read: Is a directory", 0, 0);
}

TEST_CASE("Gzipped and plain files hold the same numbers") {
  // More than the reader's buffer of 64 KiB, with lines that cross its end; and one line longer than the buffer.
  std::string text;
  std::vector<double> expected;
  for (int i = 0; i < 40'000; ++i) {
    text += std::to_string(i) + "," + std::to_string(i % 7) + ".25\n";
    expected.push_back(i);
    expected.push_back(i % 7 + 0.25);
  }
  CHECK(read_csv(file_of(text)).values == expected);
  CHECK(read_csv(gzip_of(text)).values == expected);

  std::string line;
  for (int i = 0; i < 40'000; ++i) line += std::to_string(i) + ",";
  const Table wide = read_csv(gzip_of(line + "1\n" + line + "2\n"));
  CHECK(wide.columns == 40'001);
  CHECK(wide.rows() == 2);
  CHECK(wide.at(1, 39'999) == 39'999);
  CHECK(wide.at(1, 40'000) == 2);
}

TEST_CASE("A gzipped file that is cut short or damaged is refused") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919 % 10'007) + "\n";
  const std::string whole = bytes_of(gzip_of(text));
  REQUIRE(whole.size() > 1'000);

  for (const std::size_t kept : {std::size_t{12}, whole.size() / 2, whole.size() - 9, whole.size() - 1}) {
    INFO("the first " << kept << " of " << whole.size() << " bytes");
    CHECK(failure_of(file_of(whole.substr(0, kept), "cut.gz")).message == "cut.gz: the gzipped file is cut short");
  }
  std::string damaged = whole;
  damaged[whole.size() / 2] = static_cast<char>(~damaged[whole.size() / 2]);
  const Failure failure = failure_of(file_of(damaged, "damaged.gz"));
  CHECK(failure.message.find("damaged.gz") == 0);
  std::string wrong_sum = whole;
  wrong_sum[whole.size() - 8] = static_cast<char>(~wrong_sum[whole.size() - 8]);  // the CRC-32 stands before the length
  CHECK(failure_of(file_of(wrong_sum, "sum.gz")).message.find("sum.gz: the gzipped file is damaged: ") == 0);
}

TEST_CASE("A line of names") {
  const Table table =
      read_csv(file_of("\n# a note\n width ,\"the \"\"height\"\"\"\n1,2\n3,4\n"), {.skip_lines = 2, .header = true});
  CHECK(table.names == std::vector<std::string>{"width", "the \"height\""});
  CHECK(table.values == std::vector<double>{1, 2, 3, 4});
  CHECK(table.column("width") == 0);
  CHECK(table.column("the \"height\"") == 1);
  CHECK_THROWS_SAYING(tapeloom::BindError, "no column \"depth\"", table.column("depth"));
  CHECK(failure_of(file_of("a,b\n1\n"), {.header = true}).message ==
        "table.csv:2:1: this line has fewer fields than the 2 of the first");
  CHECK(failure_of(file_of("a,b\n"), {.header = true}).message == "table.csv: no rows");
  CHECK(failure_of(file_of("width,height\n1,2\n")).message == "table.csv:1:1: \"width\"" + no_number_at_first);
}

TEST_CASE("Quoted fields hold separators, quotes and line ends") {
  CsvOptions options;
  options.categories = {1};
  const Table table =
      read_csv(file_of("\"1\" , \"b, and \"\"c\"\"\"\n 2,\"two\r\n\n lines\" \n\"3\",\"\"\"\"\n4,plain"), options);
  CHECK(table.columns == 2);
  CHECK(table.categories.at(1).texts() == std::vector<std::string>{"\"", "b, and \"c\"", "plain", "two\r\n\n lines"});
  CHECK(table.values == std::vector<double>{1, 1, 2, 3, 3, 0, 4, 2});

  check_failure(file_of("1,2\n3,\"4\n5,6\n"), ":2: a quoted field is not closed", 2, 0);
  check_failure(file_of("1,2\n\"3\"x,4\n"), ":2:1: \"x\" behind a quoted field", 2, 1);
  check_failure(file_of("1,2\n3,4\"5\"\n"), ":2:2: \"4\"5\"\"" + no_number, 2, 2);
  // The line of a row of several is its first; those after it count on.
  options.categories = {0};
  CHECK(failure_of(file_of("a,2\n\"3\n\",x\n"), options).message == "table.csv:2:2: \"x\"" + no_number);
  CHECK(failure_of(file_of("a,2\n\"3\n\",4\nb,x\n"), options).message == "table.csv:4:2: \"x\"" + no_number);
}

TEST_CASE("A quoted field of many lines takes time in proportion to its length") {
  std::string text, file = "\"";
  for (int i = 0; i < 100'000; ++i) text += "line \"" + std::to_string(i) + "\"\n";
  for (const char c : text) file += c == '"' ? "\"\"" : std::string(1, c);
  const Table table = read_csv(file_of(file + "\",7\n"), {.categories = {0}});
  CHECK(table.categories.at(0)[0] == text);
  CHECK(table.values == std::vector<double>{0, 7});
}

TEST_CASE("Texts become numbers in alphabetical order") {
  CsvOptions options;
  options.header = true;
  options.categories = {"kind", 0};
  const Table table = read_csv(file_of("who,size,kind\nzoe,1.5,red\nadam,2,green\nzoe,3,blue\neve,4,red\n"), options);
  CHECK(table.values == std::vector<double>{2, 1.5, 2, 0, 2, 1, 2, 3, 0, 1, 4, 2});
  CHECK(table.categories.size() == 2);
  CHECK(table.categories.at(0).texts() == std::vector<std::string>{"adam", "eve", "zoe"});
  CHECK(table.categories.at(2).texts() == std::vector<std::string>{"blue", "green", "red"});
  options.categories = {"colour"};
  CHECK(failure_of("table.csv", options).message ==
        "table.csv:1: there is no column \"colour\", as in CsvOptions::categories, but columns 0 to 2, \"who\", "
        "\"size\", \"kind\"");
  options.categories = {3};
  CHECK(failure_of("table.csv", options).message ==
        "table.csv:1: there is no column 3, as in CsvOptions::categories, but columns 0 to 2, \"who\", \"size\", "
        "\"kind\"");
  options.categories = {-1};
  options.header = false;
  CHECK(failure_of("table.csv", options).message ==
        "table.csv:1: there is no column -1, as in CsvOptions::categories, but columns 0 to 2; for names in the first "
        "line, "
        "there is CsvOptions::header");
}

TEST_CASE("Missing values are errors, or NaN and listed") {
  CsvOptions options;
  options.header = true;
  options.categories = {2};
  const std::string text = "a,b,c\n1,2,x\n,\"NA\",y\n3,?,\n";
  CHECK(failure_of(file_of(text), options).message == "table.csv:3:1: a value is missing: \"\"" + is_missing);
  options.allow_missing = true;
  const Table table = read_csv("table.csv", options);
  REQUIRE(table.missing.size() == 4);
  const std::size_t expected[4][3] = {{1, 0, 3}, {1, 1, 3}, {2, 1, 4}, {2, 2, 4}};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(table.missing[i].row == expected[i][0]);
    CHECK(table.missing[i].column == expected[i][1]);
    CHECK(table.missing[i].line == expected[i][2]);
    CHECK(std::isnan(table.at(expected[i][0], expected[i][1])));
  }
  CHECK(table.at(2, 0) == 3);
  CHECK(table.at(1, 2) == 1);
  CHECK(table.categories.at(2).texts() == std::vector<std::string>{"x", "y"});
  options.missing = {"-"};
  CHECK(failure_of("table.csv", options).message == "table.csv:3:1: \"\"" + no_number);
  CHECK(read_csv(file_of("a,b,c\n-,2,x\n"), options).missing.size() == 1);
}

TEST_CASE("Decimal commas and thousands separators are read where options say so") {
  CsvOptions comma;
  comma.separator = ';';
  comma.decimal = ',';
  CHECK(read_csv(file_of("1,5;-,5;2,;1e3;+1,25e-2\n"), comma).values ==
        std::vector<double>{1.5, -0.5, 2, 1000, 0.0125});
  CHECK(failure_of(file_of("1;1.5\n"), comma).message ==
        "table.csv:1:2: \"1.5\" has a decimal point; there is CsvOptions::decimal");
  CsvOptions english;
  english.thousands = ',';
  CHECK(read_csv(file_of("\"1,234.5\",\"-12,345,678\",\"+123,456e-3\",1234,0.125\n"), english).values ==
        std::vector<double>{1234.5, -12345678, 123.456, 1234, 0.125});
  // Where groups are not of three digits, nothing is read that was not written.
  for (const char* text :
       {"12,34", "1234,567", "1,2345", "1,,234", ",123", "1,234,", "1,234,56", "1.234,567", "1,23a"}) {
    CHECK(failure_of(file_of("\"" + std::string(text) + "\""), english)
              .message.find("table.csv:1:1: \"" + std::string(text)) == 0);
  }
  // Zeros are not grouped: this is a fraction of another format, a thousandth of what it would be read as.
  for (const char* text : {"0,125", "-0,125", "00,125", "012,345"}) {
    CHECK(failure_of(file_of("\"" + std::string(text) + "\""), english).message ==
          "table.csv:1:1: \"" + std::string(text) + "\" has a decimal comma; there is CsvOptions::decimal");
  }
  CsvOptions german = comma;
  german.thousands = '.';
  CHECK(read_csv(file_of("1.234,5;-1.234.567;1234,5\n"), german).values ==
        std::vector<double>{1234.5, -1234567, 1234.5});
  CsvOptions french = comma;
  french.thousands = ' ';
  CHECK(read_csv(file_of("1 234,5;1\xC2\xA0"
                         "234;1\xE2\x80\xAF"
                         "234\xE2\x80\xAF"
                         "567\n"),
                 french)
            .values == std::vector<double>{1234.5, 1234, 1234567});
  CsvOptions swiss;
  swiss.thousands = '\'';
  CHECK(read_csv(file_of("1'234'567.5\n"), swiss).values == std::vector<double>{1234567.5});
  // The quotes of fields and the separator may be the same sign: these fields are in quotes.
  comma.separator = ',';
  CHECK(read_csv(file_of("\"1,5\",\"2,5\"\n"), comma).values == std::vector<double>{1.5, 2.5});
}

TEST_CASE("Numbers in another format are named for what they are") {
  const auto check = [](const std::string& text, const std::string& what, char separator = ';') {
    CsvOptions options;
    options.separator = separator;
    const Failure failure = failure_of(file_of("1\n" + text + "\n"), options);
    CHECK(failure.message == "table.csv:2:1: " + what);
    CHECK(failure.line == 2);
    CHECK(failure.column == 1);
  };
  check("1,5", "\"1,5\" has a decimal comma; there is CsvOptions::decimal");
  check("-0,1234e5", "\"-0,1234e5\" has a decimal comma; there is CsvOptions::decimal");
  check("1,234",
        "\"1,234\" has a decimal comma or thousands separators; CsvOptions::decimal or CsvOptions::thousands tells "
        "which");
  check("0,234", "\"0,234\" has a decimal comma; there is CsvOptions::decimal");
  check("1,234,567", "\"1,234,567\" has thousands separators; there is CsvOptions::thousands");
  check("1,234.5", "\"1,234.5\" has thousands separators; there is CsvOptions::thousands");
  check("1'234", "\"1'234\" has thousands separators; there is CsvOptions::thousands");
  check("1_234", "\"1_234\" has thousands separators; there is CsvOptions::thousands");
  check("1 234 567", "\"1 234 567\" has thousands separators; there is CsvOptions::thousands");
  check(
      "1\xC2\xA0"
      "234",
      "\"1\xC2\xA0"
      "234\" has thousands separators; there is CsvOptions::thousands");
  check("1.234,5",
        "\"1.234,5\" has thousands separators and a decimal comma; there is CsvOptions::thousands and "
        "CsvOptions::decimal");
  check(
      "\"1,234\"",
      "\"1,234\" has a decimal comma or thousands separators; CsvOptions::decimal or CsvOptions::thousands tells which",
      ',');
  check("1;2", "\"1;2\" is several numbers between ';'; there is CsvOptions::separator", ',');
  check("1\t2", "\"1?2\" is several numbers between tabs; there is CsvOptions::separator, which may be blank_runs",
        ',');
  check("1   2.5 3",
        "\"1   2.5 3\" is several numbers between spaces; there is CsvOptions::separator, which may be blank_runs",
        ',');
  check("1;x", "\"1;x\"" + no_number, ',');
  check("5%", "\"5%\"" + no_number, ',');
  check("\xE4", "\"?\"" + no_number);
}

TEST_CASE("Options that make no sense are refused") {
  file_of("1\n");
  for (const char separator : {'"', '\n', '\r'})
    CHECK_THROWS_AS(read_csv("table.csv", {.separator = separator}), tapeloom::BindError);
  for (const char decimal : {'\0', ' ', ';', '0'})
    CHECK_THROWS_AS(read_csv("table.csv", {.decimal = decimal}), tapeloom::BindError);
  for (const char thousands : {'.', '-', 'e', '0', '"', '\n'})
    CHECK_THROWS_AS(read_csv("table.csv", {.thousands = thousands}), tapeloom::BindError);
  CHECK_THROWS_SAYING(tapeloom::BindError, "has column \"a\" twice",
                      read_csv(file_of("a,b\n1,2\n"), {.header = true, .categories = {0, "a"}}));
  // An empty name is the column's that has none, and not the first one's.
  const Table table = read_csv(file_of("a,\n1,x\n"), {.header = true, .categories = {""}});
  CHECK(table.categories.count(1) == 1);
}

// g++ 12 cannot compile every default of an option there.
TEMPLATE_TEST_CASE("Options may be written in a template", "", float, double) {
  const Table table = read_csv(file_of("a\nNULL\n"), {.header = true, .allow_missing = true});
  CHECK(static_cast<TestType>(table.missing.size()) == TestType(1));
}

TEST_CASE("The digits are what their README says") {
  const Table digits = read_csv(TAPELOOM_SOURCE_DIR "/examples/digits/digits.csv.gz");
  CHECK(digits.rows() == 1797);
  REQUIRE(digits.columns == 65);
  bool in_range = true;
  std::vector<int> counts(10);
  for (std::size_t i = 0; i < digits.rows(); ++i) {
    for (std::size_t k = 0; k < 64; ++k) in_range = in_range && digits.at(i, k) >= 0 && digits.at(i, k) <= 16;
    ++counts.at(static_cast<std::size_t>(digits.at(i, 64)));
  }
  CHECK(in_range);
  // The class counts that optdigits.names gives for its test part.
  CHECK(counts == std::vector<int>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180});
}
