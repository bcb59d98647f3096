// A product that is cut into its parts once and runs many times.
#pragma once

#include <cstddef>
#include <vector>

#include "tapeloom/runtime/kernels.h"

namespace tapeloom::inline v0_1::runtime {

template <class T>
class PlannedProduct {
 public:
  PlannedProduct() = default;
  /// `largest`: of all that will be planned, the product with the most columns and the largest k.
  PlannedProduct(const KernelTable<T>& kernels, const Product<T>& largest)
      : kernels_(&kernels), parts_(2 * kernels.plan(largest, nullptr)) {
    plan(largest);
  }

  /// Allocates nothing.
  void plan(const Product<T>& product) { count_ = kernels_->plan(product, parts_.data()); }
  void run(const T* a, const T* b, T* c) const {
    const ProductPart<T>* part = parts_.data();
    for (const ProductPart<T>* end = part + count_; part != end; ++part) part->run(*part, a, b, c);
  }

 private:
  const KernelTable<T>* kernels_ = nullptr;
  std::vector<ProductPart<T>> parts_;
  std::size_t count_ = 0;
};

}  // namespace tapeloom::inline v0_1::runtime
