// TAPELOOM_API marks what a program that links the library may call. Everything else is compiled with hidden visibility
// and stays inside the library, whether that is an archive or a shared object.
#pragma once

#define TAPELOOM_API __attribute__((visibility("default")))

/// Of what stands inside a marked class and is nobody's business.
#define TAPELOOM_INTERNAL __attribute__((visibility("hidden")))
