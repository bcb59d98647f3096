// How texts become rows of fields: every combination of separator, quote, blank and line end, held against a reader
// that is written in another way; and encodings.
#include <array>
#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "catch.h"
#include "files.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/csv.h"

using namespace tapeloom;
using tapeloom::test::write_bytes;

namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Result {
  Rows rows;
  std::optional<std::size_t> bad_line, bad_column;  // none: it was read
  friend bool operator==(const Result&, const Result&) = default;
};

std::ostream& operator<<(std::ostream& out, const Result& result) {
  for (const auto& row : result.rows) {
    for (const std::string& field : row) out << '[' << field << ']';
    out << '\n';
  }
  if (result.bad_line) out << "bad at " << *result.bad_line << ":" << *result.bad_column << '\n';
  return out;
}

/// Reads character by character, over line ends, where read_csv goes line by line.
class PlainReader {
 public:
  PlainReader(std::string text, char separator) : text_(std::move(text)), separator_(separator) {}

  Result read() {
    std::size_t empty_line = 0;
    while (at_ < text_.size() && !result_.bad_line) {
      const std::size_t line = line_, from = at_;
      skip_blanks();
      if (at_line_end() || at_ == text_.size()) {
        if (empty_line == 0) empty_line = line;
        skip_line_end();
        continue;
      }
      at_ = from;
      if (empty_line != 0) return bad(empty_line, 0);
      row(line);
    }
    if (result_.rows.empty() && !result_.bad_line) bad(0, 0);
    return result_;
  }

 private:
  Result bad(std::size_t line, std::size_t column) {
    result_.bad_line = line;
    result_.bad_column = column;
    return result_;
  }
  bool is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool blank() const { return separator_ != ' ' && is(' ') ? true : separator_ != '\t' && is('\t'); }
  bool at_line_end() const { return is('\n') || is('\r'); }
  bool at_separator() const { return separator_ == blank_runs ? is(' ') || is('\t') : is(separator_); }
  void skip_blanks() {
    while (blank()) ++at_;
  }
  void skip_line_end() {
    if (at_ == text_.size()) return;
    const bool cr = is('\r');
    ++at_;
    if (cr && is('\n')) ++at_;
    ++line_;
  }

  void row(std::size_t line) {
    std::vector<std::string> fields;
    for (bool more = true; more;) {
      skip_blanks();
      const bool ended = at_ == text_.size() || at_line_end();
      if (ended && separator_ == blank_runs) break;
      fields.emplace_back();
      if (is('"')) {
        if (!quoted(fields.back())) return void(bad(line, 0));
        if (separator_ != blank_runs) skip_blanks();
        if (at_ < text_.size() && !at_line_end() && !at_separator()) return void(bad(line, fields.size()));
      } else {
        while (at_ < text_.size() && !at_line_end() && !at_separator()) fields.back() += text_[at_++];
        while (!fields.back().empty() && (fields.back().back() == ' ' || fields.back().back() == '\t')) {
          fields.back().pop_back();
        }
      }
      more = at_separator();
      if (more) ++at_;
    }
    skip_line_end();
    const std::size_t columns = result_.rows.empty() ? fields.size() : result_.rows[0].size();
    if (fields.size() > columns) return void(bad(line, columns + 1));
    if (fields.size() < columns) return void(bad(line, fields.size()));
    result_.rows.push_back(std::move(fields));
  }

  bool quoted(std::string& field) {
    for (++at_; at_ < text_.size();) {
      if (is('"')) {
        ++at_;
        if (!is('"')) return true;
        field += text_[at_++];
      } else if (at_line_end()) {
        const std::size_t from = at_;
        skip_line_end();
        field += text_.substr(from, at_ - from);
      } else {
        field += text_[at_++];
      }
    }
    return false;
  }

  std::string text_;
  char separator_;
  std::size_t at_ = 0, line_ = 1;
  Result result_;
};

/// What read_csv makes of it; all of the `columns` are texts.
Result read_texts(const std::string& file, char separator, std::size_t columns) {
  CsvOptions options;
  options.separator = separator;
  options.missing = {};
  for (std::size_t c = 0; c < columns; ++c) options.categories.emplace_back(c);
  Result result;
  try {
    const Table table = read_csv(file, options);
    for (std::size_t i = 0; i < table.rows(); ++i) {
      result.rows.emplace_back();
      for (std::size_t c = 0; c < table.columns; ++c) {
        result.rows.back().push_back(table.categories.at(c)[static_cast<std::size_t>(table.at(i, c))]);
      }
    }
  } catch (const DataError& error) {
    result.bad_line = error.line();
    result.bad_column = error.column();
  }
  return result;
}

void compare(const std::string& text, char separator) {
  Result expected = PlainReader(text, separator).read();
  const std::size_t columns = expected.rows.empty() ? 0 : expected.rows[0].size();
  if (expected.bad_line) expected.rows.clear();
  const Result got = read_texts(write_bytes("fields.csv", text), separator, columns);
  if (got == expected) return;
  std::string shown;
  for (const char c : text) {
    shown += c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : c == '"' ? "\\\"" : std::string(1, c);
  }
  FAIL("\"" << shown << "\", separator " << static_cast<int>(separator) << "\nread:\n"
            << got << "expected:\n"
            << expected);
}

std::string utf16(const std::u16string& text, bool big_endian) {
  std::string bytes;
  for (const char16_t unit : text) {
    bytes += tapeloom::test::little_endian(unit, 2);
    if (big_endian) std::swap(bytes[bytes.size() - 2], bytes[bytes.size() - 1]);
  }
  return bytes;
}

const double none = std::nan("");

/// The numbers of a file; missing ones are NaN.
void check_numbers(const std::string& text, char separator, const std::vector<double>& expected, std::size_t columns) {
  const Table table = read_csv(write_bytes("numbers.csv", text), {.separator = separator, .allow_missing = true});
  CHECK(table.columns == columns);
  REQUIRE(table.values.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("number " << i);
    CHECK((std::isnan(expected[i]) ? std::isnan(table.values[i]) : table.values[i] == expected[i]));
  }
}

}  // namespace

TEST_CASE("An empty field before a quoted one is a missing value, whatever the separator") {
  for (const std::string separator : {"\t", " ", ",", ";", "|"}) {
    INFO("separator '" << separator << "'");
    const std::string row = "\"1\"" + separator + separator + "\"3\"\n";
    check_numbers(row + "4" + separator + "5" + separator + "6\n", separator[0], {1, none, 3, 4, 5, 6}, 3);
    check_numbers(row + separator + separator + "\"9\"\n", separator[0], {1, none, 3, none, none, 9}, 3);
  }
}

TEST_CASE("A line of separators alone is a row of missing values") {
  for (const std::string separator : {"\t", " ", ",", ";"}) {
    INFO("separator '" << separator << "'");
    const std::string row = "1" + separator + "2" + separator + "3\n", empty = separator + separator + "\n";
    check_numbers(row + empty + row, separator[0], {1, 2, 3, none, none, none, 1, 2, 3}, 3);
    check_numbers(row + empty, separator[0], {1, 2, 3, none, none, none}, 3);
    check_numbers(empty + row, separator[0], {none, none, none, 1, 2, 3}, 3);
    CHECK_THROWS_SAYING(DataError, "rows.csv:2:1: a value is missing",
                        read_csv(write_bytes("rows.csv", row + empty), {.separator = separator[0]}));
  }
}

TEST_CASE("Blanks around fields are left out unless they are the separator") {
  check_numbers(" 1\t,\t2 , \"3\" \n", ',', {1, 2, 3}, 3);
  check_numbers(" 1 \t 2\t \"3\" \t\n", '\t', {1, 2, 3, none}, 4);
  check_numbers("1\t \"2\"\t\n", ' ', {1, 2}, 2);
  check_numbers("1  2\n", ' ', {1, none, 2}, 3);
  CHECK_THROWS_SAYING(DataError,
                      "blanks.csv:1:2: a value is missing: \"\"; CsvOptions::allow_missing reads it as NaN, "
                      "the separator blank_runs takes several blanks for one",
                      read_csv(write_bytes("blanks.csv", "1  2\n"), {.separator = ' '}));
}

TEST_CASE("Runs of blanks separate fields") {
  check_numbers("  1   2\t3\n10  20 \t 30 \n\n", blank_runs, {1, 2, 3, 10, 20, 30}, 3);
  check_numbers("\"1\" \"\"  3\n", blank_runs, {1, none, 3}, 3);
  CHECK_THROWS_SAYING(DataError, ":2:1: \"x\" behind a quoted field",
                      read_csv(write_bytes("runs.csv", "1 2\n\"3\"x 4\n"), {.separator = blank_runs}));
}

TEST_CASE("A lone CR ends a line, and the last one may do without") {
  const std::string text = GENERATE("1,2\r3,4\r", "1,2\r3,4", "1,2\r\n3,4\r", "1,2\n3,4\r\r");
  CHECK(read_csv(write_bytes("cr.csv", text)).values == std::vector<double>{1, 2, 3, 4});
  CHECK_THROWS_SAYING(DataError, "cr.csv:3:2: \"x\"", read_csv(write_bytes("cr.csv", "1,2\r\n3,4\r5,x\r")));
}

TEST_CASE("Line ends within quotes are kept as they are") {
  const Table table =
      read_csv(write_bytes("ends.csv", "\"a\r\nb\",1\r\n\"a\nb\",2\r\n\"a\rb\",3\r\n"), {.categories = {0}});
  CHECK(table.categories.at(0).texts() == std::vector<std::string>{"a\nb", "a\r\nb", "a\rb"});
  CHECK(table.values == std::vector<double>{1, 1, 0, 2, 2, 3});
}

TEST_CASE("Texts of separators, quotes, blanks and line ends are read as another reader reads them") {
  std::mt19937_64 random(13);
  for (const char separator : {',', ';', ' ', '\t', blank_runs}) {
    const std::string own(1, separator == blank_runs ? ' ' : separator);
    // What is likely to go wrong comes as a whole, and often.
    const std::vector<std::string> pieces = {own, own,  own,  "\"", "\"",   "\"\"", "a",     "b",
                                             " ", "\t", "\n", "\n", "\r\n", "\r",   "\"a\"", own + own};
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (std::uint64_t length = random() % 12; length > 0; --length) text += pieces[random() % pieces.size()];
      compare(text, separator);
    }
    // Rows that are alike, so that more than the first is read.
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t columns = 1 + random() % 4;
      std::string text;
      for (std::uint64_t row = 1 + random() % 4; row > 0; --row) {
        for (std::uint64_t c = 0; c < columns; ++c) {
          const char* const fields[] = {"",        " ",      "a",        " a ",        "\"\"",   "\"a\"",
                                        " \"a\" ", "\"\n\"", "\"\"\"\"", "\"a\r\nb\"", "\"\r\"", "\t"};
          text += (c == 0 ? "" : own) + fields[random() % std::size(fields)];
        }
        const char* const ends[] = {"\n", "\r\n", "\r"};
        text += ends[random() % 3];
      }
      compare(text, separator);
    }
  }
}

TEST_CASE("Line ends and quotes at the end of what is read at a time") {
  for (const std::string piece : {"\r\n", "\r", "\n", "\"b\r\nb\"\r\n", "\"\"\"\"\r", "\r\n\r\n\r\n"}) {
    for (std::size_t before = (1U << 16) - 8; before < (1U << 16) + 2; ++before) {
      compare(std::string(before, 'a') + piece + (piece[0] == '\r' || piece[0] == '\n' ? "a\r\n" : "\r\n"), ',');
    }
  }
}

TEST_CASE("Text in UTF-16 with a byte order mark is read as UTF-8") {
  const std::u16string text = u"Größe,\"𝄞 kind\"\r\n1.5,ä\r\n2,\"x\r\n😀\"\r\n";
  for (const bool big_endian : {false, true}) {
    const std::string bytes = utf16(u"\uFEFF" + text, big_endian);
    const Table table = read_csv(write_bytes("utf16.csv", bytes), {.header = true, .categories = {"𝄞 kind"}});
    CHECK(table.names == std::vector<std::string>{"Größe", "𝄞 kind"});
    CHECK(table.categories.at(1).texts() == std::vector<std::string>{"x\r\n😀", "ä"});
    CHECK(table.values == std::vector<double>{1.5, 1, 2, 0});

    CHECK_THROWS_SAYING(
        DataError, "the text in UTF-16 ends amid a character",
        read_csv(write_bytes("cut.csv", bytes.substr(0, bytes.size() - 1)), {.header = true, .categories = {1}}));
    CHECK_THROWS_SAYING(DataError, "byte 4: half a character",
                        read_csv(write_bytes("half.csv", utf16(u"\uFEFFa\xD834z", big_endian))));
    CHECK_THROWS_SAYING(DataError, "byte 2: half a character",
                        read_csv(write_bytes("half.csv", utf16(u"\uFEFF\xDC34z", big_endian))));
    CHECK_THROWS_SAYING(DataError, "which is read with a byte order mark only",
                        read_csv(write_bytes("unmarked.csv", utf16(text.substr(6), big_endian))));
  }
  // Characters of all lengths across the ends of pieces of 64 KiB.
  std::u16string wide = u"\uFEFF";
  std::string expected;
  for (int i = 0; i < 30'000; ++i) {
    wide += std::array{u"😀", u"ä", u"€", u"a"}[i % 4];
    expected += std::array{"😀", "ä", "€", "a"}[i % 4];
  }
  const Table table = read_csv(write_bytes("wide.csv", utf16(wide + u",1", false)), {.categories = {0}});
  CHECK(table.categories.at(0).texts() == std::vector<std::string>{expected});
}

TEST_CASE("Files that are no text are named for what they are") {
  using namespace std::string_literals;
  const auto check = [](const std::string& bytes, const char* what) {
    CHECK_THROWS_SAYING(DataError, "other.csv: the file is "s + what, read_csv(write_bytes("other.csv", bytes)));
  };
  check("\xFF\xFE\0\0"s + "1\0\0\0"s, "a text in UTF-32");
  check("\0\0\xFE\xFF\0\0\0"s + "1", "a text in UTF-32");
  check("PK\3\4 and so on", "a ZIP archive");
  check("BZh91AY&SY\1", "a file packed by bzip2");
  check("\xFD"s + "7zXZ\0"s, "a file packed by xz");
  check("\x28\xB5\x2F\xFD\4", "a file packed by zstd");
  check("\x93NUMPY\1\0", "a NumPy");
  check("\xD0\xCF\x11\xE0\1", "an old Office document");
  // Names that begin like some of them.
  CHECK(read_csv(write_bytes("names.csv", "PAR1,BZh\n1,2\n"), {.header = true}).names[0] == "PAR1");
}
