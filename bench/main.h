// What the main functions of all benchmarks do.
#pragma once

#include <cstdio>
#include <exception>

namespace tapeloom::bench {

/// What `run` returns, as the program's exit code; `failed`, after a line on the standard error stream, if it throws.
template <class Run>
int run_program(const char* name, Run run, int failed = 1) {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return failed;
  }
}

}  // namespace tapeloom::bench
