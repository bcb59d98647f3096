// TAPELOOM_API marks what a program that links the library may call. Everything else is compiled with hidden visibility
// and stays inside the library, whether that is an archive or a shared object.
#pragma once

#include <cstddef>  // and with it the standard library's macros

#include "tapeloom/version.h"

#define TAPELOOM_API __attribute__((visibility("default")))

/// Of what stands inside a marked class and is nobody's business.
#define TAPELOOM_INTERNAL __attribute__((visibility("hidden")))

// Programs and the library hand each other strings, vectors and other types of the standard library, which have another
// layout under some flags, and with another standard library. Each source of a program asks for a symbol that is named
// after its own strings and containers, and only a library that was compiled with the same has it: what differs does
// not link, instead of failing while it runs.
#ifdef _GLIBCXX_DEBUG
#define TAPELOOM_CONTAINERS library_compiled_with_GLIBCXX_DEBUG
#else
#define TAPELOOM_CONTAINERS library_compiled_without_GLIBCXX_DEBUG
#endif
#if defined(_LIBCPP_VERSION)
#define TAPELOOM_STRINGS library_compiled_with_libcxx
#elif _GLIBCXX_USE_CXX11_ABI
#define TAPELOOM_STRINGS library_compiled_with_GLIBCXX_USE_CXX11_ABI
#else
#define TAPELOOM_STRINGS library_compiled_without_GLIBCXX_USE_CXX11_ABI
#endif

// Kept by linkers that leave out what nothing refers to (--gc-sections), where they know how.
#if __has_cpp_attribute(gnu::retain)
#define TAPELOOM_KEPT [[gnu::used, gnu::retain]]
#else
#define TAPELOOM_KEPT [[gnu::used]]
#endif

namespace tapeloom::inline TAPELOOM_ABI {

TAPELOOM_API extern const char TAPELOOM_CONTAINERS, TAPELOOM_STRINGS;

namespace {
TAPELOOM_KEPT const char* const same_types[] = {&TAPELOOM_CONTAINERS, &TAPELOOM_STRINGS};
}

namespace detail {
struct UsualLayout {
  char first;
  double second;
};
}  // namespace detail
static_assert(alignof(detail::UsualLayout) == alignof(double),
              "structures are packed here (-fpack-struct, #pragma pack) and those of the library are not");

}  // namespace tapeloom::inline TAPELOOM_ABI
