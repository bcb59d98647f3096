// TAPELOOM_API marks what a program that links the library may call. Everything else is compiled with hidden visibility
// and stays inside the library, whether that is an archive or a shared object.
#pragma once

#define TAPELOOM_API __attribute__((visibility("default")))
