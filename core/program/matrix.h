// The matrices that products of a program read.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::instructions {

inline bool is_product(const Instruction& i) {
  return i.kind == InstructionKind::dense || i.kind == InstructionKind::dense_reverse;
}

/// What such a product multiplies by: the matrix of a dense instruction, or the transpose of that of a dense_reverse
/// one. Entry (r, t), of result r and term t, is the uniform slot `slot` + r * result_step + t * term_step.
struct Matrix {
  std::uint32_t slot, results, terms, result_step, term_step;

  /// One column.
  Matrix(std::uint32_t first, std::uint32_t entries, std::uint32_t step)
      : slot(first), results(entries), terms(1), result_step(step), term_step(1) {}
  Matrix(const Instruction& i, const Shape& s)
      : slot(i.x[0]), results(s.rows), terms(s.terms), result_step(s.row_step), term_step(s.term_step) {
    if (i.kind == InstructionKind::dense_reverse) std::swap(results, terms), std::swap(result_step, term_step);
  }
  /// Whether the results of a term lie side by side.
  bool has_columns() const { return result_step == 1 || results == 1; }
  /// Whether its entries are all its own: others could be larger than what they are copied from.
  bool may_be_copied(const Program& program) const {
    return result_step > 0 && (term_step > 0 || terms == 1) && std::uint64_t{results} * terms <= program.uniform_slots;
  }
  bool is_of_parameters(const Program& program) const {
    return std::uint64_t{slot} + std::uint64_t{results - 1} * result_step + std::uint64_t{terms - 1} * term_step <
           program.parameters.size();
  }
  friend auto operator<=>(const Matrix&, const Matrix&) = default;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
