// The version of Tapeloom, by semver.org. The build takes it from here.
#pragma once

#if __cplusplus < 202002L
#error "Tapeloom needs C++20 (-std=c++20)"
#endif

#define TAPELOOM_VERSION_MAJOR 0
#define TAPELOOM_VERSION_MINOR 1
#define TAPELOOM_VERSION_PATCH 0

/// One number, to be compared: 10203 is version 1.2.3.
#define TAPELOOM_VERSION (TAPELOOM_VERSION_MAJOR * 10000 + TAPELOOM_VERSION_MINOR * 100 + TAPELOOM_VERSION_PATCH)

/// Everything is in an inline namespace of this name that users never write. It changes whenever programs have to be
/// compiled anew: until 1.0 with each minor version, then with each major one. Two such versions can live in one
/// process.
#define TAPELOOM_ABI v0_1

namespace tapeloom::inline TAPELOOM_ABI {

/// The version of the library that is linked or loaded, such as "0.1.0"; TAPELOOM_VERSION is that of the headers.
__attribute__((visibility("default"))) const char* version() noexcept;

}  // namespace tapeloom::inline TAPELOOM_ABI
