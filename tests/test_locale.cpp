// Nothing that the library writes or reads follows the locale: with a decimal comma, as many countries have it, and
// with groups of thousands, in the C library and in streams. The C library's locale is made here, by localedef.
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <locale>

#include "catch.h"
#include "files.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/record/print.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"
#include "tapeloom/runtime/files/csv.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/train/checkpoint.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/preprocess.h"
#include "tapeloom/runtime/train/shuffle.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

struct DecimalComma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// Compiles such a locale of the C library into the working directory. Everything it takes is written here: the sources
/// of locales are a Debian package of its own.
bool make_c_locale(const std::string& name) {
  std::ofstream charmap("ascii");
  charmap << "<code_set_name> ANSI_X3.4-1968\n<comment_char> %\n<escape_char> /\nCHARMAP\n";
  for (int code = 0; code < 128; ++code) {
    char line[32];
    std::snprintf(line, sizeof line, "<U%04X> /x%02x\n", static_cast<unsigned>(code), static_cast<unsigned>(code));
    charmap << line;
  }
  charmap << "END CHARMAP\n";
  charmap.close();
  write_bytes("comma",
              "comment_char %\nescape_char /\nLC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\n"
              "END LC_NUMERIC\n");
  // Its other categories are not defined, of which it warns; -c goes on.
  const std::string command = "localedef --no-archive -c -i ./comma -f ./ascii ./" + name + " > localedef.out 2>&1";
  return std::system(command.c_str()) >= 0 && std::filesystem::exists(name + "/LC_NUMERIC");
}

/// The locales of the C library and of streams that have a decimal comma, while it lives. Without that of the C library
/// the cases run all the same, and are skipped by name.
class WithDecimalComma {
 public:
  WithDecimalComma() : streams_(std::locale::global(std::locale(std::locale::classic(), new DecimalComma))) {
    setenv("LOCPATH", std::filesystem::current_path().c_str(), 1);
    if (!make_c_locale("decimal_comma") || std::setlocale(LC_ALL, "decimal_comma") == nullptr) {
      SKIP_CASE("a locale with a decimal comma could not be made by localedef (Debian: apt install libc-bin)");
    }
    char text[16];
    std::snprintf(text, sizeof text, "%.2f", 0.5);
    REQUIRE(std::string(text) == "0,50");
  }
  ~WithDecimalComma() {
    std::setlocale(LC_ALL, "C");
    std::locale::global(streams_);
    unsetenv("LOCPATH");
  }
  WithDecimalComma(const WithDecimalComma&) = delete;
  WithDecimalComma& operator=(const WithDecimalComma&) = delete;

 private:
  std::locale streams_;
};

}  // namespace

TEST_CASE("locale: numbers of texts have a point and no groups") {
  const WithDecimalComma comma;
  CHECK(number_text(1234567.5) == "1234567.5");
  CHECK(fixed_text(1234567.5, 4) == "1234567.5000");
  CHECK(fixed_text(-0.00004, 4) == "-0.0000");
  CHECK(fixed_text(2.5, 0) == "2");  // to even
  CHECK(fixed_text(1e300, 1).size() == 301 + 2);
  CHECK(fixed_text(HUGE_VAL, 2) == "inf");
  CHECK(fixed_text(-HUGE_VAL, 2) == "-inf");
  CHECK(fixed_text(-std::nan(""), 2) == "nan");
  CHECK(right(fixed_text(0.5, 1), 6) == "   0.5");
  CHECK(left(1234567, 9) == "1234567  ");
  CHECK(left(1234567, 3) == "1234567");
}

TEST_CASE("locale: drawings, dumps and tables have a decimal point") {
  const WithDecimalComma comma;
  Tape tape;
  const Value a = tape.parameter(0.5, "a"), x = tape.input(1234.5, "x");
  const Value y = a * x;
  y.backward();
  CHECK(contains(draw_dot(y), "[shape=record, label=\"{ a | data 0.5000 | grad 1234.5000 }\"]"));
  CHECK(contains(to_string(tape), "parameter 0  # 0.5"));
  const Value loss = batch_sum(tanh(y));
  const Program program = compile(loss, {.gradients = false});
  CHECK(contains(to_string(program), "parameter \"a\", initially 0.5"));
  CHECK(contains(explain(program),
                 "5 live nodes: 0.0% dense, 0.0% in other instructions of several rows, 60.0% single, "));
  CHECK(contains(explain_passes(batch_sum(y * 0.25)), "0.25"));

  Profile profile;
  profile.instructions.assign(program.instructions.size(), {6e-6, 4});
  profile.loads = {8e-6, 4};
  profile.step_seconds = 3.25e-3;
  profile.steps = 2;
  profile.samples = 2001;
  profile.number_size = 4;
  const std::string table = explain(program, profile, 1e9);
  INFO(table);
  CHECK(contains(table, "a step of 1000.5 samples takes 1625.00 us: "));
  CHECK(contains(table, "      4.00 "));
}

TEST_CASE("locale: errors name numbers with a decimal point") {
  const WithDecimalComma comma;
  CHECK_THROWS_SAYING(RecordingError, "the plain number 0.25 is on no tape", Value(0.25).id());
  CHECK_THROWS_SAYING(BindError, "it is -0.5", Sgd<float>({.learning_rate = -0.5}));
  CHECK_THROWS_SAYING(BindError, "it is 1.25", Adam<float>({.beta1 = 1.25}));
  Tape tape;
  Executor<double> executor(compile(batch_mean(tape.parameter(0.5) * tape.input(0.5, "x"))));
  const std::vector<double> rows = {0.5, 1.5};
  CHECK_THROWS_SAYING(BindError, "it is -0.125",
                      Trainer<double>(executor, DataView(rows), FitOptions{.clip_norm = -0.125}));
  CHECK_THROWS_SAYING(BindError, "it is 1.5", split_rows(10, 1.5, 1));
  CHECK_THROWS_SAYING(BindError, "2.5 is none of the 2 categories", one_hot(std::vector<double>{1.0, 2.0}).index(2.5));
  ConfusionMatrix matrix(2);
  const std::vector<double> scores = {0.1, 0.9}, expected = {0.5};
  CHECK_THROWS_SAYING(BindError, "0.5 is not the number of one of 2 classes",
                      matrix.add(std::span<const double>(scores), std::span<const double>(expected)));
}

TEST_CASE("locale: files are read and written with a decimal point") {
  const WithDecimalComma comma;
  CHECK(read_csv(write_bytes("table.csv", "1.5,2\n1234.25,-0.5e-3\n")).values ==
        std::vector<double>{1.5, 2, 1234.25, -0.5e-3});

  Tape tape;
  const Value w = tape.parameter(0.1, "w"), x = tape.input(0.0, "x");
  const Program program = compile(batch_mean(square(w * x - 1234.5)));
  Executor<double> executor(program);
  save_program("program", program);
  CHECK(to_string(load_program("program")) == to_string(program));
  const std::vector<double> rows = {0.5, 1.5, 2.5, 3.5};
  const FitOptions options = {.epochs = 2, .batch = 2, .optimizer = SgdOptions{.learning_rate = 0.75}};
  Trainer<double> trainer(executor, DataView(rows), options);
  save_checkpoint("checkpoint", trainer);
  CHECK(contains(read_bytes("checkpoint"), "\"tapeloom.optimizer.learning_rate\":\"1.8p-1\""));
  CHECK_NOTHROW(load_checkpoint("checkpoint", trainer));
}
