// A product, or sums, cut into kernel calls once and run many times.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "tapeloom/runtime/execute/skip_zeros.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
class PlannedCalls {
 public:
  PlannedCalls() = default;
  explicit PlannedCalls(const KernelTable<T>& kernels) : kernels_(&kernels) {}
  /// Of this product, for a start.
  PlannedCalls(const KernelTable<T>& kernels, const Product<T>& product) : kernels_(&kernels) {
    make_room(product);
    plan(product);
  }

  /// For all products that have at most as many columns, and at most as large a k. Returns how many calls that are.
  std::size_t make_room(const Product<T>& largest) { return make_room(2 * plan_into(largest, nullptr)); }
  /// For these sums over any number of samples; likewise.
  std::size_t make_room(const Sums& sums) { return make_room(plan_into(sums, nullptr)); }

  /// Both allocate nothing if there is room.
  void plan(const Product<T>& product) { count_ = plan_into(product, calls_.data()); }
  void plan(const Sums& sums) { count_ = plan_into(sums, calls_.data()); }

  std::span<const KernelCall<T>> calls() const { return {calls_.data(), count_}; }

  void run(const T* a, const T* b, T* c, bool accumulate = false) const {
    for (const KernelCall<T>& call : calls()) call(a, b, c, accumulate);
  }

 private:
  std::size_t plan_into(const Product<T>& product, KernelCall<T>* calls) const {
    return product.adjoints == Adjoints::none ? kernels_->plan(product, calls) : plan_skipping_zeros(product, calls);
  }
  std::size_t plan_into(const Sums& sums, KernelCall<T>* calls) const {
    return sums.adjoints == Adjoints::none ? kernels_->plan_sums(sums, calls) : plan_skipping_zeros<T>(sums, calls);
  }
  std::size_t make_room(std::size_t calls) {
    calls_.resize(std::max(calls_.size(), calls));
    return calls;
  }

  const KernelTable<T>* kernels_ = nullptr;
  std::vector<KernelCall<T>> calls_;
  std::size_t count_ = 0;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
