// The gates: each prints what it found and returns the program's exit code.
#pragma once

#include <string>

namespace tapeloom::bench {

/// 77 is what CTest is told to show as skipped.
enum GateResult : int { passed = 0, failed = 1, inconclusive = 77 };

/// What the command line says.
struct GateOptions {
  std::string measure;   ///< the program gate_measure
  std::string figures;   ///< the JSON file with what is committed
  std::string workload;  ///< only those with this in their name
  bool accept = false;   ///< write what was measured into the file
  std::string scratch;   ///< where callgrind may write a file
};

/// Structure: any figure that grew fails.
int structure_gate(const GateOptions& options);

/// Instructions executed a step, (Ir(20 steps) - Ir(10 steps)) / 10 under callgrind with the kernels for AVX2, against
/// the figures committed for the same compiler, flags, C library and valgrind; inconclusive if there are none.
int instruction_gate(const GateOptions& options);

/// Closures against compiled, pair by pair in one process, against the promised factors in options.figures.
int ratio_gate(const GateOptions& options);

/// Two programs gate_measure by turns, a sign test for each workload; fails if one says that `now` is slower.
int two_builds_gate(const std::string& now, const std::string& other, std::size_t pairs, const std::string& workload);

/// The promised factors as a table in Markdown.
void print_promises(const std::string& path);

/// What a program writes to its standard output. Throws std::runtime_error if it fails.
std::string output_of(const std::string& command);
/// For a shell.
std::string quoted(const std::string& text);

}  // namespace tapeloom::bench
