// The kernels for any processor of the architecture.
#define TAPELOOM_KERNELS baseline
#define TAPELOOM_VECTOR_BYTES 16
#ifdef TAPELOOM_HAVE_MVEC
#define TAPELOOM_MVEC b
#endif
#include "tapeloom/runtime/kernels/implementation.h"
