#include "tapeloom/runtime/tile_rows.h"

#include <algorithm>

#include "tapeloom/core/check.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

template <class T>
class RowMover {
 public:
  RowMover(const Program& program, const Instruction& instruction, const KernelTable<T>& kernels,
           const TileView<T>& view)
      : p_(program), i_(instruction), s_(program.shapes[instruction.shape]), kernels_(kernels), view_(view) {}

  void zero() const {
    for (std::uint32_t r = 0; r < s_.rows; ++r) std::fill_n(result(r), view_.lanes, T(0));
  }
  void copy() const {
    for (std::uint32_t r = 0; r < s_.rows; ++r) set(result(r), operand(r));
  }
  void sum() const {
    if ((i_.uniform_mask & 1) == 0) return kernels_.row_sum(view_, i_, s_);
    for (std::uint32_t n = 0; n < s_.terms; ++n) {
      set(result(n), operand(n * s_.rows));
      for (std::uint32_t r = 1; r < s_.rows; ++r) add(result(n), operand(n * s_.rows + r));
    }
  }
  void add_at() const {
    for (std::uint32_t r = 0; r < s_.rows; ++r) {
      for (std::uint32_t t = 0; t < s_.terms; ++t) {
        add(result(r * s_.row_step + t * s_.term_step), operand(r * s_.terms + t));
      }
    }
  }
  void gather() const {
    const std::uint32_t* index = p_.indices.data() + i_.x[0];
    for (std::uint32_t r = 0; r < s_.rows; ++r) set(result(r), indexed(index[r]));
  }
  void add_rows() const {
    const std::uint32_t* pair = p_.indices.data() + i_.x[0];
    for (std::uint32_t r = 0; r < s_.rows; ++r, pair += 2) add(result(pair[0]), indexed(pair[1]));
  }
  /// One after another.
  void extremes(typename KernelTable<T>::Elementwise kernel, std::uint32_t rows_of_result) const {
    Instruction one = i_;
    for (std::uint32_t n = 0; n < s_.terms; ++n) {
      kernel(view_, one, s_);
      one.out += rows_of_result;
      one.x[0] += s_.rows * s_.step[0], one.x[1] += s_.step[1];
    }
  }

 private:
  /// A number for each lane, or one for all.
  struct Row {
    const T* data;
    bool per_lane;
  };

  T* result(std::size_t row) const { return view_.tile + (i_.out + row) * view_.stride; }
  Row at(std::size_t slot, bool uniform) const {
    return uniform ? Row{view_.uniform_slot(slot), false} : Row{view_.tile + slot * view_.stride, true};
  }
  Row operand(std::size_t row) const { return at(i_.x[0] + row * s_.step[0], (i_.uniform_mask & 1) != 0); }
  Row indexed(std::uint32_t index) const {
    return at(index & ~Program::uniform_slot, (index & Program::uniform_slot) != 0);
  }
  void set(T* to, const Row& from) const {
    from.per_lane ? static_cast<void>(std::copy_n(from.data, view_.lanes, to))
                  : static_cast<void>(std::fill_n(to, view_.lanes, *from.data));
  }
  void add(T* to, const Row& from) const {
    if (from.per_lane) return kernels_.add(to, from.data, view_.lanes);
    for (std::size_t l = 0; l < view_.lanes; ++l) to[l] += *from.data;
  }

  const Program& p_;
  const Instruction& i_;
  const Shape& s_;
  const KernelTable<T>& kernels_;
  const TileView<T>& view_;
};

}  // namespace

template <class T>
void run_rows(const Program& program, const Instruction& i, const KernelTable<T>& kernels, const TileView<T>& view) {
  const RowMover<T> rows(program, i, kernels, view);
  switch (i.kind) {
    case InstructionKind::zero:
      return rows.zero();
    case InstructionKind::copy:
      return rows.copy();
    case InstructionKind::row_sum:
      return rows.sum();
    case InstructionKind::add_at:
      return rows.add_at();
    case InstructionKind::gather:
      return rows.gather();
    case InstructionKind::add_rows:
      return rows.add_rows();
    case InstructionKind::row_extreme:
      return rows.extremes(kernels.row_extreme, 1);
    case InstructionKind::row_extreme_reverse:
      return rows.extremes(kernels.row_extreme_reverse, program.shapes[i.shape].rows);
    case InstructionKind::elementwise:
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
    case InstructionKind::outer:
    case InstructionKind::reduce:
    case InstructionKind::reduce_outer:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      break;
  }
  fail_check("an instruction that moves rows", __FILE__, __LINE__);
}

template void run_rows(const Program&, const Instruction&, const KernelTable<float>&, const TileView<float>&);
template void run_rows(const Program&, const Instruction&, const KernelTable<double>&, const TileView<double>&);

}  // namespace tapeloom::inline v0_1::runtime
