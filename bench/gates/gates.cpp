// The gates against lost performance; scripts/gates.sh builds and calls them.
//
//   gates structure     --measure PROGRAM --figures FILE [--workload PART] [--accept]
//   gates instructions  --measure PROGRAM --figures FILE --scratch DIRECTORY [--workload PART] [--accept]
//   gates ratio         --figures FILE [--workload PART]
//   gates promises      --figures FILE
//   gates compare       --measure PROGRAM --other PROGRAM [--workload PART] [--pairs NUMBER]
//
// Exit code 0: passed, 1: failed, 77: inconclusive, 2: could not be run.
#include "bench/gates/gates.h"

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bench/main.h"

namespace tapeloom::bench {

std::string quoted(const std::string& text) {
  std::string shell = "'";
  for (const char c : text) shell += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return shell + "'";
}

std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("could not start: " + command);
  std::string output;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) output.append(buffer.data(), n);
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command + "\n" + output);
  return output;
}

namespace {

int run(const std::vector<std::string>& arguments) {
  GateOptions options;
  std::string other;
  std::size_t pairs = 15;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto takes = [&](const char* name, std::string& value) {
      if (arguments[i] != name || i + 1 == arguments.size()) return false;
      value = arguments[++i];
      return true;
    };
    std::string number;
    if (arguments[i] == "--accept") {
      options.accept = true;
    } else if (takes("--pairs", number)) {
      pairs = std::stoul(number);
    } else if (!takes("--measure", options.measure) && !takes("--figures", options.figures) &&
               !takes("--workload", options.workload) && !takes("--scratch", options.scratch) &&
               !takes("--other", other)) {
      throw std::invalid_argument("what is " + arguments[i] + "? The first lines of bench/gates/gates.cpp tell");
    }
  }
  const std::string gate = arguments.empty() ? "" : arguments[0];
  if (gate == "structure") return structure_gate(options);
  if (gate == "instructions") return instruction_gate(options);
  if (gate == "ratio") return ratio_gate(options);
  if (gate == "compare") return two_builds_gate(options.measure, other, pairs, options.workload);
  if (gate == "promises") return print_promises(options.figures), passed;
  throw std::invalid_argument("no gate is called \"" + gate + "\"");
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program(
      "gates",
      [&] {
        return tapeloom::bench::run({argv + 1, argv + argc});
      },
      2);
}
