// TAPELOOM_API marks what a program that links the library may call. Everything else is compiled with hidden visibility
// and stays inside the library, whether that is an archive or a shared object.
#pragma once

#define TAPELOOM_API __attribute__((visibility("default")))

/// Of what stands inside a marked class and is nobody's business.
#define TAPELOOM_INTERNAL __attribute__((visibility("hidden")))

#ifdef _GLIBCXX_DEBUG
namespace tapeloom::inline v0_1 {

/// Is there in a library that was itself compiled with -D_GLIBCXX_DEBUG. Others have other containers: programs that
/// ask for those do not link, instead of failing while they run.
TAPELOOM_API extern const char library_compiled_with_GLIBCXX_DEBUG;

namespace {
[[gnu::used]] const char* const same_containers = &library_compiled_with_GLIBCXX_DEBUG;
}

}  // namespace tapeloom::inline v0_1
#endif
