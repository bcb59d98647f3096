// Drawings of recordings: the Graphviz text exactly, and the SVG that `dot` makes of it where it is installed.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/print.h"

using namespace tapeloom;

namespace {

std::string file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Sets PATH while it lives.
class SearchPath {
 public:
  explicit SearchPath(const std::string& path) : before_(std::getenv("PATH")) { setenv("PATH", path.c_str(), 1); }
  ~SearchPath() { setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

bool dot_is_installed() { return std::system("dot -V >/dev/null 2>&1") == 0; }

/// A directory with a `dot` of our own making in it.
std::string directory_with_dot(const std::string& script) {
  const std::string directory = std::filesystem::absolute("fake_dot");
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/dot") << "#!/bin/sh\n" << script << "\n";
  chmod((directory + "/dot").c_str(), 0755);
  return directory;
}

}  // namespace

TEST_CASE("the notebooks' expression is drawn with labels, data, gradients and signs") {
  Tape tape;
  const Value a = tape.parameter(2.0, "a"), b = tape.parameter(-3.0, "b");
  tape.parameter(99.0, "elsewhere");
  const Value e = (a * b).set_label("e");
  const Value L = tanh(e + a).set_label("L");
  exp(L);
  e.backward();
  CHECK(draw_dot(L) ==
        "digraph {\n"
        "  graph [rankdir=LR];\n"
        "  n0 [shape=record, label=\"{ a | data 2.0000 | grad -3.0000 }\"];\n"
        "  n1 [shape=record, label=\"{ b | data -3.0000 | grad 2.0000 }\"];\n"
        "  n3 [shape=record, label=\"{ e | data -6.0000 | grad 1.0000 }\"];\n"
        "  op3 [label=\"*\"];\n"
        "  n4 [shape=record, label=\"{  | data -4.0000 | grad 0.0000 }\"];\n"
        "  op4 [label=\"+\"];\n"
        "  n5 [shape=record, label=\"{ L | data -0.9993 | grad 0.0000 }\"];\n"
        "  op5 [label=\"tanh\"];\n"
        "  n0 -> op3;\n"
        "  n1 -> op3;\n"
        "  op3 -> n3;\n"
        "  n3 -> op4;\n"
        "  n0 -> op4;\n"
        "  op4 -> n4;\n"
        "  n4 -> op5;\n"
        "  op5 -> n5;\n"
        "}\n");
}

TEST_CASE("a value used twice has two arrows, a leaf none") {
  Tape tape;
  const Value a = tape.parameter(3.0);
  const std::string text = draw_dot(a + a);
  const std::string arrow = "  n0 -> op1;\n";
  CHECK(contains(text, arrow + arrow));
  CHECK_FALSE(contains(draw_dot(a), "->"));
  CHECK(contains(draw_dot(a), "n0 ["));
  CHECK_THROWS_AS(draw_dot(1.0), RecordingError);
}

TEST_CASE("all operators show their sign, functions their name") {
  Tape tape;
  const Value a = tape.input(1.0, "a"), b = tape.input(2.0, "b");
  CHECK(contains(draw_dot(a - b), "label=\"-\""));
  CHECK(contains(draw_dot(a / b), "label=\"/\""));
  CHECK(contains(draw_dot(a <= b), "label=\"<=\""));
  CHECK(contains(draw_dot(a != b), "label=\"!=\""));
  CHECK(contains(draw_dot(-a), "label=\"neg\""));
  CHECK(contains(draw_dot(where(a, b, a)), "label=\"where\""));
  CHECK(contains(draw_dot(batch_mean(a)), "label=\"batch_mean\""));
}

TEST_CASE("labels cannot break out of their box") {
  Tape tape;
  const Value a = tape.parameter(1.0, "x{1}|<y> \"z\" \\ \n");
  CHECK(contains(draw_dot(a), "{ x\\{1\\}\\|\\<y\\>\\ \\\"z\\\"\\ \\\\\\ \\  | data"));
  const Value infinite = tape.constant(1e308, "big") * 10.0;
  CHECK(contains(draw_dot(infinite), "data inf"));
  CHECK(contains(draw_dot(infinite), "{ big | data 10000000000000000"));
}

TEST_CASE("a long chain is drawn without recursion") {
  Tape tape;
  Value x = tape.parameter(1.0);
  for (int i = 0; i < 200000; ++i) x = -x;
  const std::string text = draw_dot(x);
  CHECK(contains(text, "n200000 ["));
}

TEST_CASE("an SVG is written if dot is installed", "[graphviz]") {
  if (!dot_is_installed()) SKIP_CASE("Graphviz' dot was not found (Debian: apt install graphviz)");
  Tape tape;
  const Value a = tape.parameter(2.0, "weight {1} | \"<é>\" \\N"), root = a * a + 1.0;
  const std::string path = "drawing of a.svg";
  std::filesystem::remove(path);
  write_svg(root, path);
  const std::string svg = file_content(path);
  CHECK(contains(svg, "<svg"));
  CHECK(contains(svg, "</svg>"));
  CHECK(contains(svg, "data 5.0000"));
  CHECK(contains(svg, "&quot;&lt;é&gt;&quot;"));
  CHECK_THROWS_SAYING(Error, "no/such/directory/x.svg cannot be written", write_svg(root, "no/such/directory/x.svg"));
  CHECK_THROWS_SAYING(Error, "a NUL in the path", write_svg(root, std::string("x.svg\0y", 7)));
}

TEST_CASE("without dot the error says what to install") {
  Tape tape;
  const Value root = tape.parameter(2.0) * 3.0;
  std::filesystem::create_directories("empty");
  const SearchPath search(std::filesystem::absolute("empty"));
  CHECK_THROWS_SAYING(Error, "install graphviz", write_svg(root, "missing.svg"));
  CHECK_FALSE(std::filesystem::exists("missing.svg"));
}

TEST_CASE("if dot fails its message is passed on and no file is left") {
  Tape tape;
  const Value root = tape.parameter(2.0) * 3.0;
  std::filesystem::remove("failed.svg");
  {
    const SearchPath search(directory_with_dot("echo 'out of ink' >&2; exit 3"));
    CHECK_THROWS_SAYING(Error, "out of ink", write_svg(root, "failed.svg"));
  }
  {
    const SearchPath search(directory_with_dot("kill -9 $$"));
    CHECK_THROWS_SAYING(Error, "failed", write_svg(root, "failed.svg"));
  }
  {
    const SearchPath search(directory_with_dot("exit 0"));
    CHECK_THROWS_SAYING(Error, "failed", write_svg(root, "failed.svg"));
  }
  CHECK_FALSE(std::filesystem::exists("failed.svg"));
}

TEST_CASE("a dot that does not read its input and writes much does not block") {
  Tape tape;
  Value x = tape.parameter(1.0);
  for (int i = 0; i < 5000; ++i) x = -x;
  const SearchPath search(
      directory_with_dot("i=0; while [ $i -lt 3000 ]; do "
                         "echo 'a line of sixty characters or so, many times the size of a pipe'; "
                         "i=$((i + 1)); done"));
  write_svg(x, "long.svg");
  CHECK(std::filesystem::file_size("long.svg") > 150000);
}
