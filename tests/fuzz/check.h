// Runs a script in every way there is, and compares with the oracle.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/recorder.h"
#include "fuzz/script.h"
#include "tapeloom/compiler/compile.h"

namespace tapeloom::test::fuzz {

/// One way to compile and run a program.
struct Configuration {
  CompileOptions options = {};
  bool in_float = false;
  std::string isa;  ///< empty: the best there is
  std::size_t threads = 1;
  std::size_t spare = 0;                 ///< by so many the most samples are more than there are
  std::size_t before = 0;                ///< so many samples are run first, which must leave no trace
  bool saved = false;                    ///< through a file
  bool by_group = false;                 ///< data bound group by group
  bool inference = false;                ///< the outputs alone
  bool by_level = false;                 ///< rolled so, whatever is estimated
  bool one_sample = false;               ///< by an executor of one sample alone; there is one row
  bool descends = false;                 ///< gradients are what Executor::descend takes from parameters of zero
  bool by_rows = false;                  ///< steps of few samples with rows as lanes, whatever is estimated
  std::vector<std::uint32_t> rows = {};  ///< of the data; empty: all
};

/// A program and the configuration that was drawn for it.
struct Case {
  Script script;
  Configuration drawn;
};

/// What did not come out right, in which run and how.
struct Failure {
  std::string stage, what;
};

/// How much has been compared, over all programs.
struct Statistics {
  std::size_t programs = 0, numbers = 0, unknown = 0, refused = 0, doubtful = 0, not_recorded = 0;
  std::size_t of_one_sample = 0;    ///< programs that were run by their program of one sample
  std::size_t held = 0;             ///< programs of one sample some of whose gradients were held
  std::size_t windows = 0;          ///< programs whose products read rows that neighbouring places share
  std::size_t by_rows = 0;          ///< programs whose samples were few, with rows as lanes
  std::size_t derivatives = 0;      ///< numbers that were recorded as derivatives
  std::size_t guarded_samples = 0;  ///< programs of recorded samples, folded with guards in them
  double largest_ratio = 0.0;       ///< of a difference to its bound
  static constexpr std::size_t kinds = static_cast<std::size_t>(InstructionKind::store_input_gradient) + 1;
  std::array<std::size_t, kinds> instructions = {};  ///< of each kind, in the programs that were run
};

/// What is planted to see whether the comparison notices; says whether there was a place for it.
struct Planted {
  RecordingFault recording = RecordingFault::none;
  std::function<bool(Program&)> program;  ///< in what the default mode runs
  bool there = false;
};

std::optional<Failure> check(const Case& it, Statistics& statistics, Planted* planted = nullptr);

/// The configuration as the C++ that asks for it.
std::string describe(const Configuration& configuration);

}  // namespace tapeloom::test::fuzz
