// What a table of times says about the machine and the build.
#pragma once

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>
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

/// Bytes that this process may still take: what the kernel says is available, or what its control group leaves if that
/// is less. Infinite where nothing is known.
inline double available_memory() {
  constexpr double unlimited = std::numeric_limits<double>::infinity();
  double bytes = unlimited;
  std::ifstream lines("/proc/meminfo");
  for (std::string name, rest; lines >> name; std::getline(lines, rest)) {
    if (name == "MemAvailable:" && lines >> bytes) bytes *= 1024.0;
  }
  const auto number_in = [](const std::string& path, double otherwise) {
    double number = 0.0;
    return std::ifstream(path) >> number ? number : otherwise;  // a group without a limit says "max"
  };
  const auto limit = [&](const std::string& most, const std::string& used) {
    bytes = std::min(bytes, std::max(0.0, number_in(most, unlimited) - number_in(used, 0.0)));
  };
  const std::string root = "/sys/fs/cgroup";
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // such as "0::/name", or of version 1 "4:memory:/name"
    const std::size_t name = line.find(":/");
    if (name == std::string::npos) continue;
    const std::string group = line.substr(name + 1);
    for (const std::string& at : {std::string("/"), group}) {
      if (line.starts_with("0::")) limit(root + at + "/memory.max", root + at + "/memory.current");
      if (line.find(":memory:") == std::string::npos) continue;
      limit(root + "/memory" + at + "/memory.limit_in_bytes", root + "/memory" + at + "/memory.usage_in_bytes");
    }
  }
  return bytes;
}

/// Lines of a Markdown list.
inline void print_machine() {
  std::printf("- %s (family %s, model %s), %u cores\n", cpu_property("model name").c_str(),
              cpu_property("cpu family").c_str(), cpu_property("model").c_str(), std::thread::hardware_concurrency());
  std::printf("- built by %s, %s\n", compiler_name().c_str(), build_kind());
}

}  // namespace tapeloom::bench
