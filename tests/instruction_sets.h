// The kernels of every instruction set that this machine and build have.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "catch.h"
#include "tapeloom/core/error.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::test {

/// Their names, as TAPELOOM_ISA takes them.
inline std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const char* name : {"baseline", "avx2", "avx512"}) {
    setenv("TAPELOOM_ISA", name, 1);
    try {
      runtime::kernels<float>();
      names.push_back(name);
    } catch (const BindError&) {
      std::printf("%s is not tested, this machine or build does not have it\n", name);
    }
  }
  unsetenv("TAPELOOM_ISA");
  return names;
}

/// Calls check(kernels) for each.
template <class T, class Check>
void each_instruction_set(Check&& check) {
  for (const std::string& name : instruction_sets()) {
    setenv("TAPELOOM_ISA", name.c_str(), 1);
    const runtime::KernelTable<T>& table = runtime::kernels<T>();
    unsetenv("TAPELOOM_ISA");
    INFO(name);
    check(table);
  }
}

/// Calls check() with each of them chosen for the executors that it makes.
template <class Check>
void with_each_instruction_set(Check&& check) {
  each_instruction_set<float>([&](const runtime::KernelTable<float>& table) {
    setenv("TAPELOOM_ISA", table.name, 1);
    check();
    unsetenv("TAPELOOM_ISA");
  });
}

}  // namespace tapeloom::test
