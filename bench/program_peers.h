// Other libraries whose users write scalars, at work on the programs of scalar_programs.h.
#pragma once

#include <cstddef>

namespace tapeloom::bench {

struct ProgramPeer {
  const char* name;
  void* (*open)(std::size_t program, const double* x, std::size_t count);
  /// Gradients by all of x.
  void (*step)(void* opened, const double* x, double* gradients);
  void (*close)(void* opened);
};

}  // namespace tapeloom::bench

extern "C" const tapeloom::bench::ProgramPeer* tapeloom_bench_program_peers(std::size_t* count);
