// What tests of random recordings share: a recording with its data, and options drawn at random.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "random_numbers.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::test {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// A recording, its data, and what to look at.
struct Problem {
  Tape* tape;
  Value loss;
  std::vector<Value> outputs;
  std::vector<double> rows;  ///< samples x inputs
  std::size_t samples = 1;
};

inline CompileOptions random_options(Random& random) {
  CompileOptions options;
  options.roll = chance(random, 0.7);
  options.fold_constants = chance(random, 0.7);
  options.common_subexpressions = chance(random, 0.7);
  options.simplify = chance(random, 0.7);
  options.idioms = chance(random, 0.7);
  options.fuse = chance(random, 0.7);
  options.reuse_slots = chance(random, 0.8);
  options.verify = true;
  return options;
}

}  // namespace tapeloom::test
