// The kernels of every instruction set that this machine and build have.
#pragma once

#include <cstdlib>

#include "catch.h"
#include "tapeloom/core/error.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::test {

/// Calls check(kernels) for each.
template <class T, class Check>
void each_instruction_set(Check&& check) {
  for (const char* name : {"baseline", "avx2", "avx512"}) {
    setenv("TAPELOOM_ISA", name, 1);
    const runtime::KernelTable<T>* table = nullptr;
    try {
      table = &runtime::kernels<T>();
    } catch (const BindError&) {
    }
    unsetenv("TAPELOOM_ISA");
    if (table == nullptr) continue;
    INFO(name);
    check(*table);
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
