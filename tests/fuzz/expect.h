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

inline void expect_right(const std::string& name, const Problem& problem, Random& random, Statistics& statistics) {
  Case it{script_of(*problem.tape, problem.loss, problem.outputs, problem.rows, problem.samples), {}};
  it.drawn = draw_configuration(random, it.script);
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
