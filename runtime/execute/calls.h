// What instructions come down to: lists of kernel calls, worked out before they run, of what runs once a step and of
// what runs for all tiles of one size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/matrix.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/chains.h"
#include "tapeloom/runtime/execute/loads_in_place.h"
#include "tapeloom/runtime/execute/tile_plan.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

using instructions::is_product;
using instructions::Matrix;

inline constexpr std::uint32_t no_load = instructions::ReduceOuter::no_load;

/// So few neighbours are added in less time one by one than a vector's lanes. Of a matrix of 2 to 4 columns, a sum of
/// products for each row took 1.1 to 1.3 times as long as one product; of 8 to 24 columns, 0.95 to 0.5 times.
inline constexpr std::uint32_t few_terms = 4;

/// An operand of an instruction: its first number, and how far apart its rows and its lanes are. What runs once a step
/// reads parameters where they really are.
template <class T>
struct OperandRows {
  const T* data;
  std::size_t step, lane_step;

  OperandRows(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t k = 0) {
    const bool one_for_all = view.once() ? shape.step[k] == 0 : i.is_uniform(k);
    data = one_for_all || view.once() ? view.uniform_slot(i.x[k]) : view.tile + i.x[k] * view.stride;
    step = one_for_all ? shape.step[k] : shape.step[k] * view.stride;
    lane_step = one_for_all ? 0 : 1;
  }
  const T* row(std::size_t r) const { return data + r * step; }
};

/// Rows that are multiplied with others, how far apart their results are, and how far apart the rows of neighbouring
/// places.
template <class T>
struct Side {
  OperandRows<T> of;
  std::size_t rows, result_step, place_step;
};
/// Those of an outer product.
template <class T>
struct Sides {
  Side<T> y, x;

  Sides(const TileView<T>& view, const Instruction& i, const Shape& s)
      : y{{view, i, s, 0}, s.rows, s.row_step, 0}, x{{view, i, s, 1}, s.terms, s.term_step, 0} {
    y.place_step = y.rows * y.of.step, x.place_step = instructions::window_step(i, s) * x.of.step;
  }
};

/// Cuts products and sums into calls, one after another. Products of so few columns that a vector would not be half
/// full are computed by kernels of vectors half as long, which take half the time where a processor does long ones in
/// halves.
template <class T>
class PlannedCalls {
 public:
  explicit PlannedCalls(const KernelTable<T>& kernels) : kernels_(kernels), narrow_(shorter(kernels)) {}

  /// Of the vectors of a product of so many columns.
  std::size_t lanes_of(std::size_t columns) const {
    return columns <= narrow_.vector_lanes ? narrow_.vector_lanes : kernels_.vector_lanes;
  }
  /// Those of shorter vectors, if there are any.
  const KernelTable<T>& narrow() const { return narrow_; }

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
  static const KernelTable<T>& shorter(const KernelTable<T>& kernels) {
    const KernelTable<T>& narrow = runtime::kernels<T>(1);
    return narrow.vector_lanes < kernels.vector_lanes ? narrow : kernels;
  }
  std::size_t plan_into(const Product<T>& product, KernelCall<T>* calls) const {
    const bool plain = product.adjoints == Adjoints::none && product.gaps == nullptr;
    if (!plain) return plan_skipping(product, calls);
    const bool is_narrow = product.n <= narrow_.vector_lanes && !product.sums_rows;
    return (is_narrow ? narrow_ : kernels_).plan(product, calls);
  }
  std::size_t plan_into(const Sums& sums, KernelCall<T>* calls) const {
    const bool plain = sums.adjoints == Adjoints::none && sums.gaps == nullptr;
    return plain ? kernels_.plan_sums(sums, calls) : plan_skipping<T>(sums, calls);
  }
  std::size_t make_room(std::size_t calls) {
    calls_.resize(std::max(calls_.size(), calls));
    return calls;
  }

  const KernelTable<T>&kernels_, &narrow_;
  std::vector<KernelCall<T>> calls_;
  std::size_t count_ = 0;
};

/// A matrix whose transpose is brought to where its rows lie side by side: entry (r, c), at from[r * row_step + c *
/// column_step], goes to to[c * stride + r].
template <class T>
struct Transposed {
  const T* from;
  std::size_t row_step, column_step, rows, columns;
  T* to;
  std::size_t stride;

  void run(const KernelTable<T>& kernels) const {
    if (column_step == 1) return kernels.transpose(rows, columns, from, row_step, to, stride);
    for (std::size_t c = 0; c < columns; ++c) {
      kernels.transpose(rows, 1, from + c * column_step, row_step, to + c * stride, stride);
    }
  }
};

/// A product of an instruction, at one of its places or at all of them. In a tile its columns are the lanes.
template <class T>
struct BoundProduct {
  std::uint32_t at;  ///< the instruction's index
  Product<T> product;
  const T* a;
  const T* b;
  T* c;
  /// Other than 1, B is copied to where its columns lie side by side; its rows are b_row_step apart.
  std::size_t b_column_step = 1, b_row_step = 0;
  T* b_copy = nullptr;  ///< of a copy that others read, too; if null, it is where all those are which are read once
  /// C's columns that do not lie side by side are as many products, so far apart.
  std::size_t times = 1, b_step = 0, c_step = 0;
};

/// Sums of an instruction, at one of its places, or at all if those are added up: over the samples of a tile, or of
/// rows that lie side by side. Those of products of rows may be one matrix product, whose k are the samples, if that is
/// faster for a tile's samples.
template <class T>
struct BoundSums {
  std::uint32_t at;  ///< the instruction's index
  Sums sums;
  const T* a;
  const T* b = nullptr;  ///< of products of rows
  T* c;                  ///< of the first group
  bool begins = false;   ///< no instruction of the stage has added to these totals before
  // As a matrix product. The terms of a sample lie side by side in its B: these are bound rows, or it is a transpose.
  bool may_multiply = false;
  bool follows_row_sums = false;  ///< the totals before are the sums of A's rows, and lie in column n of C
  Product<T> product = {};
  const T* product_a = nullptr;
  const T* rows = nullptr;  ///< of B's transpose
  std::size_t rows_step = 0;
  std::uint32_t load = no_load;  ///< whose rows they are, if any; then B is where they were bound
  std::uint32_t load_column = 0;
  std::size_t product_a_place = 0, rows_place = 0, load_place = 0;  ///< so far apart are these from place to place

  /// The same, of the rows that are transposed, in rows.
  std::size_t rows_apart() const { return rows_step == 0 ? 0 : rows_place / rows_step; }
  /// How many of them so many neighbouring places have.
  std::size_t rows_of(std::size_t places) const { return (places - 1) * rows_apart() + product.n; }
  /// Places that are transposed together, since they share rows.
  std::size_t places_together() const {
    return rows_apart() < product.n ? std::min(sums.places, places_transposed_together) : 1;
  }
};

/// A dense instruction that reads a load where it was bound: sums of products of the samples' rows with the matrix's.
template <class T>
struct BoundDots {
  std::uint32_t at, load, load_column;
  Sums sums;  ///< A's rows are the samples'
  const T* w;
  T* out;
  Product<T> finish;  ///< of no terms
};

/// An instruction that is no product, no sums and no link. Once a step, some that add a product each to the same rows
/// are one call, and the rows stay in registers.
template <class T>
struct RowCall {
  T* to = nullptr;
  const T* from = nullptr;  ///< to which the products are added
  std::uint32_t product_count = 0, product_rows = 0;
  const RowProduct<T>* products = nullptr;               ///< for as many instructions as there are
  std::span<const instructions::AlikeLists> alike = {};  ///< of a gather in a tile
};

/// One call, or what is done in its place.
template <class T>
struct Call {
  enum class Kind : std::uint8_t {
    product,       ///< runs `kernel`
    sums,          ///< runs it with result c in the first group's totals, those of another lie elsewhere
    rows,          ///< instructions [at, end), which are no products and no sums
    sums_of_load,  ///< sums with b in the rows of a load where they were bound
    dots_of_load,  ///< runs `kernel` with a there
    chains,        ///< instructions [at, end), which are links
    products,      ///< runs `kernel` for as many columns, b_offset and c_offset apart
    transpose,     ///< of what later calls read
    runs,          ///< of a gather: from rows at a to those at c
    adds,          ///< `end` numbers at a to those at c
    check,         ///< that `end` results at a are finite: else an infinite number may have met a gap
  };

  Kind kind;
  bool adds = false;       ///< to what is in these totals: an instruction of the stage has been there before
  std::uint32_t at;        ///< the instruction's index
  std::uint32_t end = 0;   ///< of instructions; or how many columns, runs or results
  std::uint32_t load = 0;  ///< of sums_of_load and dots_of_load
  const T* a = nullptr;    ///< of the kernel; so are b and c
  const T* b = nullptr;
  T* c = nullptr;
  union {
    KernelCall<T> kernel;
    Transposed<T> transposed;
    const RowCall<T>* rows;
    Chains<T> chains;
    const instructions::ListRun* runs;
  };
};

/// For tiles of so many samples, with slots and the loads' rows so far apart; or for what runs once.
template <class T>
struct CallList {
  std::size_t samples = 0;
  std::size_t stride = 0;
  bool whole = false;  ///< the stride is that of the lanes
  std::vector<std::size_t> load_strides;
  std::vector<Link<T>> links;             ///< of calls
  std::vector<Call<T>> calls;             ///< of all stages
  std::vector<std::size_t> stage_begins;  ///< and the end

  std::span<const Call<T>> of_stage(std::size_t stage) const {
    return std::span(calls).subspan(stage_begins[stage], stage_begins[stage + 1] - stage_begins[stage]);
  }
};

template <class T>
class CallPlanner {
 public:
  /// For all instructions that run in tiles of that view, or once if it is of that. In smaller tiles slots are nearer
  /// to one another. `totals` are the first group's, and `scratch` has scratch_numbers(...). These, the view's slots
  /// and the program stay where they are. Loads that are `in_place` are not in the slots. With `skip_zeros` an adjoint
  /// of zero contributes nothing to products and sums, and neither do their gaps. If `profiled`, a chain is one
  /// instruction.
  CallPlanner(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view, LoadsInPlace in_place,
              T* totals, T* scratch, bool profiled, bool skip_zeros);
  /// The same of what runs once, which has no loads and no totals.
  CallPlanner(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view, bool profiled,
              bool skip_zeros);

  /// Nothing planned yet, with room for everything.
  CallList<T> make_room() const;
  /// From a slot to the next in tiles of so many samples.
  std::size_t stride_of(std::size_t samples) const;
  /// Works the calls out. Allocates nothing where there is room.
  void plan(std::size_t samples, std::span<const SampleRows<T>> loaded_rows, CallList<T>& calls);

 private:
  /// What an instruction comes down to. Rows of a tile that are links lie like one long row each where the lanes are
  /// the stride.
  enum class Way : std::uint8_t { product, sums, dots_of_load, rows, links, links_if_whole, runs };

  Range instructions_of(const Stage& stage) const { return view_.once() ? stage.uniform : stage.tile; }
  Way way_of(const Stage& stage, std::uint32_t at) const;
  void find_transposed();
  void find_lists(std::uint32_t at);
  void bind_all();
  void bind(const Stage& stage, std::uint32_t at);
  void bind_rows(std::uint32_t at, bool goes_on);
  void bind_product(std::uint32_t at, bool goes_on);
  bool adds_product(std::uint32_t at) const;
  bool goes_on_adding(std::uint32_t at) const;
  bool is_link(std::uint32_t at, bool whole) const {
    return ways_[at] == Way::links || (whole && ways_[at] == Way::links_if_whole);
  }
  // Of links.cpp.
  bool is_small(const Stage& stage, std::uint32_t at) const;
  bool are_links_of_numbers(const Instruction& i, const Shape& s) const;
  const KernelTable<T>& table_of_rows(const Shape& s) const;
  Link<T> link_of_rows(const Instruction& i, const Shape& s) const;
  Link<T> link_in_tile(const Instruction& i, const Shape& s) const;
  std::size_t count_links(const Instruction& i, const Shape& s) const;
  void add_links(const Instruction& i, const Shape& s, ChainBuilder<T>& chains) const;
  void bind_links(bool whole, std::vector<Link<T>>& links) const;
  // Of products.cpp.
  void bind_products(std::uint32_t at);
  void bind_addend(std::uint32_t at, bool in_kernel, BoundProduct<T>& bound);
  void add_afterwards(std::uint32_t at);
  BoundProduct<T> bound_lanes(const Instruction& i, const Shape& s) const;
  BoundProduct<T> bound_places(const Instruction& i, const Shape& s) const;
  BoundProduct<T> bound_outer(const Instruction& i, const Shape& s) const;
  void bind_dots_of_load(std::uint32_t at);
  bool has_gaps(const Shape& s) const { return skip_zeros_ && s.gaps != Shape::no_gaps; }
  ProductGaps gaps_of(const Shape& s, std::uint32_t place) const {
    return {.words = program_.indices.data() + s.gaps, .first = std::size_t{place} * s.terms};
  }
  void leave_gaps_out(const Shape& s, std::uint32_t place, bool outer, bool rows_are_places);
  void bind_sums(std::uint32_t at);
  BoundSums<T> bound_sums(const Instruction& i, const Shape& s) const;
  BoundSums<T> bound_outer_sums(const Instruction& i, const Shape& s) const;
  bool are_dots(const Instruction& i, const Shape& s) const;
  BoundSums<T> bound_dots(const Instruction& i, const Shape& s) const;

  static const T* matrix_of(const BoundProduct<T>& bound) { return bound.b_copy == nullptr ? bound.b : bound.b_copy; }
  void count_reads();
  bool reads_from_end(const T* matrix);
  std::size_t parts_of(const BoundProduct<T>& bound) const;
  void add_runs(std::uint32_t at, CallList<T>& calls) const;
  void add_addend(std::uint32_t at, CallList<T>& calls) const;
  bool is_checked(std::uint32_t at) const;
  void add_check(std::uint32_t at, CallList<T>& calls) const;
  void add_product(BoundProduct<T>& bound, CallList<T>& calls);
  void add_dots_of_load(BoundDots<T>& bound, CallList<T>& calls);
  void add_sums(BoundSums<T>& bound, CallList<T>& calls);
  std::size_t panel_columns(const BoundSums<T>& bound) const;
  void add_product_of_sums(BoundSums<T>& bound, CallList<T>& calls);
  bool multiplies(const BoundSums<T>& bound, std::size_t samples) const;
  bool may_sum_rows(const BoundSums<T>& bound, std::size_t samples) const;
  bool sums_rows(const BoundSums<T>& bound, std::size_t samples) const;

  const Program& program_;
  const KernelTable<T>& kernels_;
  TileView<T> view_;
  LoadsInPlace in_place_;
  T* totals_;
  T* scratch_;
  bool skip_zeros_;
  SlotStride slot_stride_;
  std::size_t most_stride_;
  std::vector<BoundProduct<T>> products_;  // in the order of their instructions; so are these
  std::vector<BoundSums<T>> sums_;
  std::vector<BoundDots<T>> dots_;
  std::vector<RowCall<T>> rows_;
  std::vector<RowProduct<T>> row_products_;
  std::size_t products_at_ = 0;  // the latest of rows_ that adds products
  std::vector<Way> ways_;        // of each instruction
  std::size_t longest_chain_;
  std::size_t most_links_ = 0;
  std::map<Matrix, T*> transposed_;  // matrices that are read once a step as their transposes, and where these are
  std::vector<T> transposes_;
  struct Reads {
    std::uint32_t count = 0, turn = 0;
  };
  std::map<const T*, Reads> reads_;                                   // of what runs once: by matrix
  std::set<const T*> copied_;                                         // of these, those that a call has made already
  std::map<std::uint32_t, std::vector<instructions::ListRun>> runs_;  // of gathers that run once a step
  std::set<std::uint32_t> adds_;                                      // products to which their operand is added then
  std::map<std::uint32_t, std::vector<instructions::AlikeLists>> alike_;  // of gathers in a tile
  std::deque<ProductGaps> gaps_;                                          // which calls point to
  PlannedCalls<T> planned_;                                               // of one product or some sums
  bool has_room_ = false;                                                 // for the calls of all tiles
  std::size_t most_calls_ = 0;
  std::vector<T> copy_;  // of B, of what runs once; the products take turns
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
