// Products of matrices that are computed once a step, such as weights that are products of others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/planned_calls.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Of an instruction that runs once a step.
inline bool is_uniform_product(const Instruction& i) {
  return i.kind == InstructionKind::dense || i.kind == InstructionKind::dense_reverse ||
         i.kind == InstructionKind::outer;
}

template <class T>
class UniformProducts {
 public:
  /// Plans the dense, dense_reverse and outer instructions that run once a step. The slots stay where they are. With
  /// `skip_zeros` an adjoint of zero contributes nothing.
  UniformProducts(const Program& program, const KernelTable<T>& kernels, T* slots, bool skip_zeros);

  /// Runs one of them, by its index in the program. Allocates nothing.
  void run(std::uint32_t instruction);

 private:
  /// A product of a m x k matrix A with a k x n matrix B at each of some places, which are `step` numbers apart.
  struct Planned {
    std::uint32_t instruction;  ///< its index
    Product<T> product;         ///< Product::adjoints says on which side there may be some
    const T* a;
    const T* b;
    T* c;
    std::size_t b_row_step, b_column_step;  ///< the latter is 1, or B is copied to where its rows are side by side
    std::size_t places = 1, a_step = 0, b_step = 0, c_step = 0;
    std::size_t entries = 1, b_entry_step = 0, c_entry_step = 0;  ///< columns of C that do not lie side by side
    PlannedCalls<T> calls = {};
  };

  Planned dense(const Instruction& i, const Shape& s, T* slots) const;
  Planned outer(const Instruction& i, const Shape& s, T* slots) const;
  const T* copied(const Planned& planned, const T* b);

  const KernelTable<T>& kernels_;
  std::size_t most_entries_;       // of a matrix that is copied
  std::vector<Planned> products_;  // in the order of their instructions
  std::vector<T> rows_;            // of B; the products take turns
};

extern template class UniformProducts<float>;
extern template class UniformProducts<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
