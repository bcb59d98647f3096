// What the instructions of a tile come down to where its samples are few: each sample has the tile's slots side by
// side, in a row of its own, and the rows of a block are the lanes. Vectors are full then, and a matrix meets all
// samples while it goes through the registers once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "tapeloom/core/program/lists.h"
#include "tapeloom/core/program/matrix.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/calls.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Where what is planned finds its numbers: slot s of sample n is slots.tile[n * apart + s].
template <class T>
struct SampleSlots {
  TileView<T> slots;  ///< of the first sample
  std::size_t apart;  ///< from a sample's slots to the next's
  T* totals;
  T* transposed;  ///< room for RowPlanner::transposed_numbers()
};

/// An instruction that is no product, or what finishes one.
template <class T>
struct RowStep {
  enum class Kind : std::uint8_t {
    vectors,   ///< one kernel call for the rows of a sample
    gathered,  ///< likewise, of operands that are brought side by side first
    copy,      ///< of rows that lie side by side
    runs,      ///< sums of rows that lie side by side
    total,     ///< adds them to totals
    products,  ///< adds their products to totals, one by one
    lists,     ///< sums of numbers one by one
    once,      ///< what is the same for all samples
    other,     ///< a sample at a time
  };

  Kind kind;
  std::uint32_t at;        ///< the instruction's index
  std::uint32_t rows = 1;  ///< of a sample
  Elementwise<T> run = nullptr;
  T* out = nullptr;  ///< of the first sample; or the totals
  std::array<const T*, 3> x = {};
  std::array<std::size_t, 3> apart = {};  ///< from a sample to the next; 0 where all have the same
  std::array<std::size_t, 3> lane = {};   ///< from a lane to the next: 0 or 1
  /// Of what is gathered, from a row to the next; or Shape::by_index.
  std::array<std::uint32_t, 3> row_step = {};
  std::vector<instructions::ListRun> runs = {};
};

template <class T>
class RowPlanner {
 public:
  /// The program and the kernels must outlive it.
  RowPlanner(const Program& program, const KernelTable<T>& kernels);

  std::size_t transposed_numbers() const { return transposed_numbers_; }
  /// From here on there may be plans. The slots must stay where they are.
  void bind(const SampleSlots<T>& at);
  /// Works the calls out for so many samples. Of Kind::rows, `at` and `end` are steps().
  void plan(std::size_t samples, CallList<T>& calls);
  /// Nothing planned yet, with room for any of these numbers of samples.
  CallList<T> make_room(std::span<const std::size_t> samples);

  const std::vector<RowStep<T>>& steps() const { return steps_; }

 private:
  struct Transpose {
    std::size_t begin;             ///< among the transposed numbers
    std::size_t uses = 0;          ///< products that may read it
    std::size_t stage = SIZE_MAX;  ///< in which it was made last, while a plan is made
  };
  /// Of a product, the steps that finish it where its kernel does not.
  struct Finishing {
    std::uint32_t begin, end;
  };

  /// Of a product that is finished with uniform numbers that lie apart: these, as a matrix of one column.
  static Matrix operand_of(const Instruction& here, const Shape& s);
  void find_transposes(const Instruction& i);
  bool may_transpose(const Matrix& w) const;
  void bind_instruction(std::uint32_t at);
  void bind_finish(std::uint32_t at);
  void bind_lists(std::uint32_t at);
  RowStep<T> elementwise(std::uint32_t at) const;
  RowStep<T> rows_of(std::uint32_t at) const;

  void plan_instruction(std::uint32_t at, std::size_t samples, std::size_t stage);
  void plan_product(std::uint32_t at, std::size_t samples, std::size_t stage);
  void plan_dots(std::uint32_t at, const Instruction& here, const Shape& s, const Product<T>& product,
                 std::size_t samples);
  void plan_columns(std::uint32_t at, const Instruction& here, const Shape& s, const Product<T>& of_samples,
                    std::size_t samples);
  void plan_transpose(std::uint32_t at, const Matrix& w, Transpose& transpose, std::size_t stage);
  bool finishes(std::uint32_t at, const Instruction& here, const Shape& s, std::size_t stage, Product<T>& product);
  bool are_dots(const Product<T>& product, const Matrix& w) const;
  void plan_total(std::uint32_t at, std::size_t samples);
  void plan_row_sums(std::uint32_t at, std::size_t samples);
  void add_steps(std::uint32_t begin, std::uint32_t end);
  /// Of a product, or sums.
  template <class Work>
  const PlannedCalls<T>& planned(const Work& work) {
    planned_.make_room(work);
    planned_.plan(work);
    return planned_;
  }
  void add_calls(std::uint32_t at, const PlannedCalls<T>& planned, const T* a, const T* b, T* c, bool adds);
  void add(const Call<T>& call);

  const Program& program_;
  const KernelTable<T>& kernels_;
  SampleSlots<T> at_{};
  std::vector<RowStep<T>> steps_;
  std::vector<Finishing> finishing_;  // of each product, in the order of their instructions
  std::map<Matrix, Transpose> transposes_;
  std::size_t transposed_numbers_ = 0;
  PlannedCalls<T> planned_;
  // While a plan is made:
  CallList<T>* calls_ = nullptr;
  bool goes_on_ = false;     // the last call is of steps, up to step_
  std::uint32_t step_ = 0;   // the next
  std::size_t product_ = 0;  // the next
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
