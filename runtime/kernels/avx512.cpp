// The kernels for AVX-512.
#define TAPELOOM_KERNELS avx512
#define TAPELOOM_VECTOR_BYTES 64
#ifdef TAPELOOM_HAVE_MVEC
#define TAPELOOM_MVEC e
#endif
#include "tapeloom/runtime/kernels/implementation.h"
