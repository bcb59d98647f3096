// What a table of times says about the machine and the build.
#pragma once

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

namespace tapeloom::bench {

/// The first line of that name in /proc/cpuinfo; "unknown" where there is none.
inline std::string cpu_property(const std::string& name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, name.size(), name) != 0) continue;
    if (line.find_first_not_of(" \t", name.size()) != colon) continue;
    return line.substr(std::min(colon + 2, line.size()));
  }
  return "unknown";
}

/// Such as "g++ 12.2.0".
inline std::string compiler_name() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  return "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#else
  return "another compiler";
#endif
}

inline const char* build_kind() {
#ifdef NDEBUG
  return "without assertions";
#else
  return "WITH ASSERTIONS, which cost time";
#endif
}

/// Lines of a Markdown list.
inline void print_machine() {
  std::printf("- %s (family %s, model %s), %u cores\n", cpu_property("model name").c_str(),
              cpu_property("cpu family").c_str(), cpu_property("model").c_str(), std::thread::hardware_concurrency());
  std::printf("- built by %s, %s\n", compiler_name().c_str(), build_kind());
}

}  // namespace tapeloom::bench
