// A check with the kernels of every instruction set that this machine and build have.
#pragma once

#include <string>

#include "catch.h"
#include "forced_isa.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::test {

/// Calls check(kernels) for each.
template <class T, class Check>
void each_instruction_set(Check&& check) {
  for (const std::string& name : instruction_sets()) {
    const runtime::KernelTable<T>* table = nullptr;
    {
      const ForcedIsa isa(name);
      table = &runtime::kernels<T>();
    }
    INFO(name);
    check(*table);
  }
}

/// Calls check() with each of them chosen for the executors that it makes.
template <class Check>
void with_each_instruction_set(Check&& check) {
  for (const std::string& name : instruction_sets()) {
    const ForcedIsa isa(name);
    INFO(name);
    check();
  }
}

}  // namespace tapeloom::test
