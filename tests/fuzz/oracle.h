// What a script should give: its statements run in long double for every sample, and a reverse sweep of its own.
// Nothing here comes from core/ops/ops.h, core/evaluate or the compiler; the ops are tests/op_oracle.h.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "fuzz/bounded.h"
#include "fuzz/decisions.h"
#include "fuzz/interpreter.h"
#include "fuzz/script.h"

namespace tapeloom::test::fuzz {

/// The numbers that a program runs on.
struct Data {
  std::vector<double> rows;  ///< samples x columns
  std::size_t samples = 1;
  bool later = false;  ///< parameters and uniform inputs have their later numbers
};

struct Expected {
  Bounded loss;
  std::vector<Bounded> gradients;        ///< of the parameters, in order
  std::vector<Bounded> outputs;          ///< samples x outputs
  std::vector<Bounded> input_gradients;  ///< samples x columns
  std::vector<Bounded> values;           ///< of every statement, of the first sample
  std::vector<Bounded> uniform_gradients;

  /// For certain the data contradict a recorded decision: first of all of this sample.
  bool contradicted = false;
  /// By rounding they might.
  bool doubtful = false;
  std::vector<bool> may_contradict;  ///< by sample
  /// An adjoint of zero met a factor that is not finite.
  bool masked = false;
  /// All numbers and adjoints are, by far.
  bool finite = true;

  Arithmetic arithmetic;
};

/// By the decisions that were recorded: those of each sample for a script recorded one by one, else of the first.
Expected expect(const Script& script, const Data& data, const Decisions& recorded, const Arithmetic& arithmetic);

}  // namespace tapeloom::test::fuzz
