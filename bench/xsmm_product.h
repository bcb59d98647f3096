// Matrix products by LIBXSMM, which makes machine code for each shape when it is asked for, to compare ours with.
#pragma once

#include <cstddef>

namespace tapeloom::bench {

/// The instruction set LIBXSMM generates code for, in its own words.
const char* xsmm_target();
/// Makes it generate AVX2 code in place of what the processor has; to be called first.
void force_xsmm_avx2();

/// C (m x n) = A (m x k) B (k x n), added to C if `accumulate`. Rows of B and C lie b_stride and c_stride numbers
/// apart, rows (or, if `a_transposed`, columns) of A a_stride.
struct XsmmShape {
  std::size_t m, n, k, a_stride, b_stride, c_stride;
  bool a_transposed = false, accumulate = false;
};

template <class T>
class XsmmProduct {
 public:
  /// Throws std::runtime_error if LIBXSMM makes no code for the shape.
  explicit XsmmProduct(const XsmmShape& shape);
  void operator()(const T* a, const T* b, T* c) const { kernel_(b, a, c); }

 private:
  using Kernel = void (*)(const T*, const T*, T*, ...);
  Kernel kernel_;
};

}  // namespace tapeloom::bench
