#include "bench/xsmm_product.h"

#include <libxsmm.h>

#include <stdexcept>
#include <type_traits>

namespace tapeloom::bench {

const char* xsmm_target() {
  libxsmm_init();
  return libxsmm_get_target_arch();
}

void force_xsmm_avx2() {
  libxsmm_init();
  libxsmm_set_target_archid(LIBXSMM_X86_AVX2);
}

template <class T>
XsmmProduct<T>::XsmmProduct(const XsmmShape& shape) {
  // Its matrices are stored by columns, so ours are the transposes of them: C' = B' A'.
  const auto as_int = [](std::size_t number) { return static_cast<libxsmm_blasint>(number); };
  const libxsmm_blasint lda = as_int(shape.b_stride), ldb = as_int(shape.a_stride), ldc = as_int(shape.c_stride);
  const T alpha = 1, beta = shape.accumulate ? T(1) : T(0);
  const int flags = shape.a_transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
  const int prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  const auto dispatch = [&](auto function) {
    return function(as_int(shape.n), as_int(shape.m), as_int(shape.k), &lda, &ldb, &ldc, &alpha, &beta, &flags,
                    &prefetch);
  };
  if constexpr (std::is_same_v<T, float>) {
    kernel_ = dispatch(libxsmm_smmdispatch);
  } else {
    kernel_ = dispatch(libxsmm_dmmdispatch);
  }
  if (kernel_ == nullptr) throw std::runtime_error("LIBXSMM makes no code for this product");
}

template class XsmmProduct<float>;
template class XsmmProduct<double>;

}  // namespace tapeloom::bench
