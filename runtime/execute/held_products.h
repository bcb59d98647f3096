// Gradients that nobody may ask for: products of vectors at the end of a step of one sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/calls.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// An instruction that runs once a step and is not read by others, whose operands stay what they are until the next
/// step: the product of two vectors, or the sum of some, which is the gradient of a matrix of parameters.
struct HeldProduct {
  std::uint32_t at;         ///< the instruction's index
  std::uint32_t parameter;  ///< that of its first entry
  std::ptrdiff_t shift;     ///< from its entries' slots to their parameters
  std::uint32_t row_step;   ///< of two vectors, whose rows lie side by side: from a row to the next; otherwise 0
};

/// How many numbers the vectors of kernels hold, and those of products of few columns.
struct VectorLanes {
  std::size_t wide = 1, narrow = 1;
};

/// Those of a program of one sample, if they are large. To form them takes about as long as everything else then, and
/// gradient descent needs no more than to add them to the parameters.
std::vector<HeldProduct> find_held_products(const Program& program, const VectorLanes& lanes = {});

/// While one lives, for tests, small ones are, too, in executors that are made in its thread.
class HoldAlways {
 public:
  HoldAlways() { ++living(); }
  HoldAlways(const HoldAlways&) = delete;
  ~HoldAlways() { --living(); }
  static int& living();
};

/// What forms them, and what descends by them.
template <class T>
class HeldProducts {
 public:
  /// `calls` form the products, in their order.
  HeldProducts(const Program& program, const KernelTable<T>& kernels, std::vector<HeldProduct> products,
               std::vector<Call<T>> calls, T* uniform);

  /// Puts the gradients to their slots.
  void form() const;
  /// parameters -= rate * gradients, of all of them; those that are not held must have been formed.
  void descend(T rate, T* parameters);
  /// Whether what they are made of is finite.
  bool all_finite() const;

 private:
  /// Parameters that are trained and whose gradients are not held, `step` apart, as the slots of these are.
  struct Formed {
    std::uint32_t parameter, slot, count, step;
  };
  struct Factor {
    const T* numbers;
    std::size_t count;
  };

  const KernelTable<T>& kernels_;
  std::vector<HeldProduct> products_;
  std::vector<Call<T>> calls_;
  std::vector<Formed> formed_;
  std::vector<Factor> factors_;  // two of each product: A and B
  std::vector<T> scaled_;        // A, times the rate
  T* uniform_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
