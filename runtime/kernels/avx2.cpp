// The kernels for AVX2.
#define TAPELOOM_KERNELS avx2
#define TAPELOOM_VECTOR_BYTES 32
#ifdef TAPELOOM_HAVE_MVEC
#define TAPELOOM_MVEC d
#endif
#include "tapeloom/runtime/kernels/implementation.h"
