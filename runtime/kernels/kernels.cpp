#include "tapeloom/runtime/kernels/kernels.h"

#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

#define TAPELOOM_DECLARE_TABLES(isa)               \
  namespace isa {                                  \
  extern const KernelTable<float> float_kernels;   \
  extern const KernelTable<double> double_kernels; \
  }
TAPELOOM_DECLARE_TABLES(baseline)
#ifdef TAPELOOM_HAVE_X86_KERNELS
TAPELOOM_DECLARE_TABLES(avx2)
TAPELOOM_DECLARE_TABLES(avx512)
#endif

namespace {

struct Choice {
  std::string_view name;
  bool supported;
  const KernelTable<float>* of_float;
  const KernelTable<double>* of_double;
};

/// The fastest first. `number_size` in bytes.
const Choice* find_choice(std::size_t most_samples, std::size_t number_size) {
  static const Choice choices[] = {
#ifdef TAPELOOM_HAVE_X86_KERNELS
      {"avx512",
       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl"),
       &avx512::float_kernels, &avx512::double_kernels},
      {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), &avx2::float_kernels,
       &avx2::double_kernels},
#endif
      {"baseline", true, &baseline::float_kernels, &baseline::double_kernels},
  };
  const char* forced = std::getenv("TAPELOOM_ISA");
  std::string names;
  const bool is_forced = forced != nullptr && *forced != '\0';
  const bool half_full = most_samples <= 64 / number_size / 2;
  for (const Choice& choice : choices) {
    if (!choice.supported) continue;
    if (is_forced ? choice.name == forced : choice.name != "avx512" || !half_full) return &choice;
    names += names.empty() ? "" : ", ";
    names += choice.name;
  }
  throw BindError("TAPELOOM_ISA=" + std::string(forced) + " cannot run here; this processor and build have " + names);
}

}  // namespace

template <class T>
const KernelTable<T>& kernels(std::size_t most_samples) {
  const Choice* choice = find_choice(most_samples, sizeof(T));
  if constexpr (std::is_same_v<T, float>) {
    return *choice->of_float;
  } else {
    return *choice->of_double;
  }
}

template const KernelTable<float>& kernels<float>(std::size_t);
template const KernelTable<double>& kernels<double>(std::size_t);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
