// The instruction sets that this machine and build have, and how a test asks for one.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::test {

/// Forces an instruction set, for the executors made while it lives; none if the name is empty.
class ForcedIsa {
 public:
  explicit ForcedIsa(const std::string& isa) : name(isa) {
    if (const char* before = std::getenv("TAPELOOM_ISA")) before_ = before;
    if (!name.empty()) setenv("TAPELOOM_ISA", name.c_str(), 1);
  }
  ~ForcedIsa() { before_.empty() ? unsetenv("TAPELOOM_ISA") : setenv("TAPELOOM_ISA", before_.c_str(), 1); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;
  const std::string name;

 private:
  std::string before_;
};

/// All there are for this kind of processor, as TAPELOOM_ISA takes them.
inline constexpr const char* all_instruction_sets[] = {"baseline", "avx2", "avx512"};

/// Those that this machine and build have.
inline const std::vector<std::string>& instruction_sets() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> there;
    for (const char* name : all_instruction_sets) {
      const ForcedIsa isa(name);
      try {
        runtime::kernels<float>();
        there.push_back(name);
      } catch (const BindError&) {
        std::printf("%s is not tested, this machine or build does not have it\n", name);
      }
    }
    return there;
  }();
  return names;
}

}  // namespace tapeloom::test
