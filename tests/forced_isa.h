// The instruction sets that this machine has, and how a test asks for one.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace tapeloom::test {

inline std::vector<std::string> instruction_set_names() {
  std::vector<std::string> names = {"baseline"};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) names.push_back("avx2");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    names.push_back("avx512");
  }
#endif
  return names;
}

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

}  // namespace tapeloom::test
