// Holds a recording that a test has made against the oracle; what fails is shrunk and printed as C++.
#pragma once

#include <optional>
#include <string>

#include "fuzz/check.h"
#include "fuzz/generator.h"
#include "fuzz/import.h"
#include "fuzz/print.h"
#include "fuzz/shrink.h"
#include "random_checks.h"

namespace tapeloom::test::fuzz {

/// With `descends` by an executor of one sample, whose gradients are what it takes from the parameters, if the samples
/// are not recorded.
inline void expect_right(const std::string& name, const Problem& problem, Random& random, Statistics& statistics,
                         bool descends = false) {
  Case it{script_of(*problem.tape, problem.loss, problem.outputs, problem.rows, problem.samples), {}};
  it.drawn = draw_configuration(random, it.script);
  if (descends && !it.script.recorded && it.script.columns() > 0) {
    it.drawn.one_sample = it.drawn.descends = true;
    it.drawn.inference = it.drawn.by_rows = false;
    it.drawn.rows = {0};
  }
  const std::optional<Failure> failure = check(it, statistics);
  if (!failure) return;
  const Case small = shrink(it, [&](const Case& smaller) {
    Statistics ignored;
    const std::optional<Failure> now = check(smaller, ignored);
    return now && now->stage == failure->stage;
  });
  FAIL_CHECK(name << "\n" << failure->stage << ": " << failure->what << "\n" << as_cpp(small));
}

}  // namespace tapeloom::test::fuzz
