// What each instruction is: a struct for each row of instructions.def, with all that is known of it but how it is run.
//
// A struct names what the numbers of Instruction and Shape mean to its kind, and says
//
//   rules       where it may stand, whether in exact programs, and what its op is
//   title()     what reports call it
//   operands()  what it reads, in the order of Instruction::x
//   result()    what it writes, from Instruction::out on
//   flops()     additions, multiplications and ops, for each sample where it runs for each
//   text(x)     the right side of its equation, as dumps show it, with the texts of its operands
//
// A row without one of them does not compile.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::instructions {

/// Where an instruction may stand: among those that run once a step, those that run for each tile, or both.
enum class Runs : std::uint8_t { once, in_tiles, both };

/// Which exact programs may have it: their kernels know no sums of rows, and their sums are in recorded order.
enum class InExact : std::uint8_t { yes, once_a_step, no };

/// What Instruction::op and Instruction::then are.
enum class OpUse : std::uint8_t {
  none,
  scalar,   ///< op is a function of the operands
  extreme,  ///< op is max or min
  finish,   ///< see Instruction
};

/// What an operand is.
enum class Source : std::uint8_t {
  numbers,  ///< rows, uniform or of the tile
  mixed,    ///< rows like these, but in a tile not all of the instruction's operands are uniform
  lanes,    ///< rows, in a tile of the tile
  matrix,   ///< uniform
  lists,    ///< Instruction::x[1] words among the program's indices
  batch,    ///< batch slots
};

struct Operand {
  Source source = Source::numbers;
  std::uint64_t count = 1;       ///< of rows, of a matrix's entries at all places, or of words
  bool may_be_by_index = false;  ///< see Shape::by_index
};

/// At most three.
class Operands {
 public:
  Operands(std::initializer_list<Operand> all) {
    for (const Operand& operand : all) list_[size_++] = operand;
  }
  Operands(std::size_t size, const Operand& each) : size_(size) { list_.fill(each); }

  std::size_t size() const { return size_; }
  const Operand& operator[](std::size_t k) const { return list_[k]; }
  const Operand* begin() const { return list_.data(); }
  const Operand* end() const { return begin() + size_; }

 private:
  std::array<Operand, 3> list_;
  std::size_t size_ = 0;
};

/// What Instruction::out counts from.
enum class Target : std::uint8_t {
  rows,            ///< slots side by side, of the step or the tile
  entries,         ///< uniform slots, row_step and term_step apart
  total_rows,      ///< totals, row_step apart
  total_entries,   ///< totals, row_step and term_step apart
  guard,           ///< guards
  batch,           ///< batch slots
  output,          ///< outputs
  input_gradient,  ///< inputs
};

struct Result {
  Target target;
  std::uint64_t count = 1;  ///< of rows, or of entries at all places
  bool adds = false;        ///< to what is there
};

struct Rules {
  Runs runs;
  InExact in_exact = InExact::yes;
  OpUse ops = OpUse::none;
  const char* refused = "";  ///< what exact programs may not have, in words
};

/// op(x0, x1, x2), with operators where there are some.
std::string expression(Op op, const std::string* x);

/// As dumps show them.
using Texts = std::array<std::string, 3>;

struct View {
  const Instruction& i;
  const Shape& s;
};

/// Of what works row by row.
struct Rows : View {
  static constexpr bool matrix_product = false;
  std::uint32_t rows() const { return s.rows; }
  /// Rows x terms, in reports.
  std::array<std::uint64_t, 2> extent() const { return {rows(), 1}; }
};

/// Of what computes nothing: rows go from one place to another.
struct Moves : Rows {
  std::uint64_t flops() const { return 0; }
  std::string text(const Texts& x) const { return x[0]; }
};

/// Of what folds neighbouring rows to one result each.
struct Folds : View {
  /// So many results of as many terms each.
  static Shape shape(std::uint32_t results, std::uint32_t all_terms) {
    return {.rows = all_terms / results, .terms = results};
  }
  static constexpr bool matrix_product = false;
  std::uint32_t results() const { return s.terms; }
  /// Of each result.
  std::uint32_t terms() const { return s.rows; }
  std::uint64_t all_terms() const { return std::uint64_t{results()} * terms(); }
  std::array<std::uint64_t, 2> extent() const { return {all_terms(), 1}; }
  std::uint64_t flops() const { return all_terms() - results(); }
};

/// Which terms products at places do not have: bit place * terms + term of neighbouring words.
struct Gaps {
  static constexpr std::uint32_t bits_a_word = 32;
  static std::uint64_t words(std::uint64_t places, std::uint64_t terms) {
    return (places * terms + bits_a_word - 1) / bits_a_word;
  }
  static bool at(const std::uint32_t* words, std::uint64_t bit) {
    return (words[bit / bits_a_word] >> bit % bits_a_word & 1) != 0;
  }
};

/// Of what has the entries of a matrix at each of some places.
struct Entries : View {
  std::uint32_t rows() const { return s.rows; }
  std::uint32_t columns() const { return s.terms; }
  std::uint32_t places() const { return s.places; }
  std::uint64_t all_rows() const { return std::uint64_t{places()} * rows(); }
  std::uint64_t all_columns() const { return std::uint64_t{places()} * columns(); }
  /// The rows of x1, of which places may share some.
  std::uint64_t window_rows() const { return s.windows.rows(places(), columns()); }
  std::uint64_t all_entries() const { return all_rows() * columns(); }
  std::array<std::uint64_t, 2> extent() const { return {all_rows(), columns()}; }
};

/// Kernels write whole vectors, so what runs once a step writes beyond its last row, where nothing is. With
/// Instruction::exact_rows, which it alone may have, other numbers are there and stay.
struct Elementwise : Rows {
  static constexpr Rules rules{.runs = Runs::both, .ops = OpUse::scalar};
  std::string title() const { return op_name(i.op); }
  Operands operands() const { return {op_arity(i.op), {Source::mixed, rows(), true}}; }
  Result result() const { return {Target::rows, rows()}; }
  std::uint64_t flops() const { return std::uint64_t{rows()} * (op_kind(i.op) == OpKind::fused ? 2 : 1); }
  std::string text(const Texts& x) const { return expression(i.op, x.data()); }
};

struct RowSum : Folds {
  static constexpr Rules rules{Runs::both, InExact::once_a_step, OpUse::none, "a sum of rows"};
  std::string title() const { return "row sum"; }
  Operands operands() const { return {{Source::lanes, all_terms()}}; }
  Result result() const { return {Target::rows, results()}; }
  std::string text(const Texts& x) const { return "row sum of " + x[0]; }
};

struct RowExtreme : Folds {
  static constexpr Rules rules{Runs::both, InExact::once_a_step, OpUse::extreme, "a choice of rows"};
  std::string title() const { return std::string("row ") + op_name(i.op); }
  Operands operands() const { return {{Source::mixed, all_terms()}}; }
  Result result() const { return {Target::rows, results()}; }
  std::string text(const Texts& x) const { return title() + " of " + x[0]; }
};

struct RowExtremeReverse : Folds {
  static constexpr Rules rules = RowExtreme::rules;
  std::string title() const { return std::string("row ") + op_name(i.op) + " reverse"; }
  Operands operands() const { return {{Source::mixed, all_terms()}, {Source::mixed, results()}}; }
  Result result() const { return {Target::rows, all_terms()}; }
  std::string text(const Texts& x) const { return x[1] + " at the row " + op_name(i.op) + " of " + x[0]; }
};

struct Copy : Moves {
  static constexpr Rules rules{.runs = Runs::both};
  std::string title() const { return "copy"; }
  Operands operands() const { return {{Source::numbers, rows()}}; }
  Result result() const { return {Target::rows, rows()}; }
};

struct Zero : Moves {
  static constexpr Rules rules{.runs = Runs::once};
  std::string title() const { return "zero"; }
  Operands operands() const { return {}; }
  Result result() const { return {Target::rows, rows()}; }
  std::string text(const Texts&) const { return "0"; }
};

/// Where it does not accumulate, rows are put where they are added else.
struct AddAt : Entries {
  static constexpr bool matrix_product = false;
  static constexpr Rules rules{.runs = Runs::once};
  std::string title() const { return i.accumulates ? "add at" : "put at"; }
  std::uint64_t entries() const { return std::uint64_t{rows()} * columns(); }  // at one place
  Operands operands() const { return {{Source::numbers, entries()}}; }
  Result result() const { return {Target::entries, entries(), i.accumulates}; }
  std::uint64_t flops() const { return i.accumulates ? entries() : 0; }
  std::string text(const Texts& x) const { return x[0]; }
};

struct Gather : Rows {
  static constexpr Rules rules{Runs::both, InExact::no, OpUse::none, "rows one by one"};
  std::uint32_t words() const { return i.x[1]; }
  std::string title() const { return "gather"; }
  Operands operands() const { return {{Source::lists, words()}}; }
  Result result() const { return {Target::rows, rows()}; }
  std::uint64_t flops() const { return words() - rows(); }
  std::string text(const Texts& x) const { return x[0]; }
};

struct MatrixProduct : Entries {
  static constexpr bool matrix_product = true;
  static constexpr const char* refused = "a matrix product";
};

/// A product of W, or of its transpose, with a vector: `results` sums of `terms` products at each place.
struct FinishedProduct : MatrixProduct {
  static constexpr Rules rules{Runs::both, InExact::no, OpUse::finish, refused};
  bool has_op() const { return i.op != no_op; }
  bool has_then() const { return i.then != no_op; }
  /// What `name` is finished with follows it.
  std::string finished_title(std::string name) const;
  /// `product`, finished with the operand.
  std::string finished(const std::string& product, const std::string& operand) const;

 protected:
  Operands operands_of(std::uint64_t results, std::uint64_t terms) const;
};

struct Dense : FinishedProduct {
  std::string title() const { return finished_title("dense"); }
  Operands operands() const { return operands_of(all_rows(), window_rows()); }
  Result result() const { return {Target::rows, all_rows()}; }
  std::uint64_t flops() const { return 2 * all_entries() + all_rows() * (has_op() + has_then()); }
  std::string text(const Texts& x) const { return finished(x[0] + " * " + x[1], x[2]); }
};

struct DenseReverse : FinishedProduct {
  std::string title() const { return finished_title("dense reverse"); }
  Operands operands() const { return operands_of(all_columns(), all_rows()); }
  Result result() const { return {Target::rows, all_columns()}; }
  std::uint64_t flops() const { return 2 * all_entries() + all_columns() * (has_op() + has_then()); }
  std::string text(const Texts& x) const { return finished(x[0] + " transposed * " + x[1], x[2]); }
};

struct Outer : MatrixProduct {
  static constexpr Rules rules{Runs::once, InExact::no, OpUse::none, refused};
  std::string title() const { return "outer"; }
  Operands operands() const { return {{Source::numbers, all_rows()}, {Source::numbers, window_rows()}}; }
  Result result() const { return {Target::entries, all_entries()}; }
  std::uint64_t flops() const { return all_entries(); }
  std::string text(const Texts& x) const { return x[0] + " outer " + x[1]; }
};

struct Reduce : Rows {
  static constexpr Rules rules{.runs = Runs::in_tiles};
  std::string title() const { return "total"; }
  Operands operands() const { return {{Source::numbers, rows()}}; }
  Result result() const { return {Target::total_rows, rows(), true}; }
  std::uint64_t flops() const { return rows(); }
  std::string text(const Texts& x) const { return x[0]; }
};

struct ReduceProducts : Rows {
  static constexpr Rules rules{Runs::in_tiles, InExact::no, OpUse::none, "a product of rows"};
  std::string title() const { return "total of products"; }
  Operands operands() const { return {2, {Source::lanes, rows(), true}}; }
  Result result() const { return {Target::total_rows, rows(), true}; }
  std::uint64_t flops() const { return 2 * std::uint64_t{rows()}; }
  std::string text(const Texts& x) const { return x[0] + " * " + x[1]; }
};

/// Where Instruction::follows_row_sums, the instruction before is a reduce of the rows x0, whose totals lie behind
/// those of the product's columns, as those of a layer's biases behind its weights': one more column of the same
/// product.
struct ReduceOuter : MatrixProduct {
  static constexpr std::uint32_t no_load = UINT32_MAX;
  /// Among the program's loads: the one whose columns x1 is, side by side, if any.
  std::uint32_t load() const { return i.x[2] - 1; }
  static void set_load(Instruction& i, std::uint32_t load) { i.x[2] = load + 1; }
  /// As a product over the samples, whose columns are x1's rows: then that load may be read where it was bound.
  bool may_read_load() const { return load() != no_load && (columns() == 1 || s.term_step == 1); }
  static constexpr Rules rules{Runs::in_tiles, InExact::no, OpUse::none, refused};
  std::string title() const { return "total outer"; }
  Operands operands() const { return {{Source::lanes, all_rows()}, {Source::lanes, window_rows()}}; }
  Result result() const { return {Target::total_entries, all_entries(), true}; }
  std::uint64_t flops() const { return 2 * all_entries(); }
  std::string text(const Texts& x) const { return x[0] + " outer " + x[1]; }
};

struct Guard : Moves {
  static constexpr Rules rules{.runs = Runs::both};
  std::string title() const { return "guard"; }
  Operands operands() const { return {{Source::numbers, rows()}}; }
  Result result() const { return {Target::guard, rows()}; }
  /// As many guards for each row.
  std::uint64_t guards_a_row(const Program& program, bool in_tile) const {
    return in_tile && !i.is_uniform(0) ? std::max(program.recorded_samples, 1u) : 1;
  }
};

struct Spill : Moves {
  static constexpr Rules rules{.runs = Runs::in_tiles};
  std::string title() const { return "spill"; }
  Operands operands() const { return {{Source::lanes, rows()}}; }
  Result result() const { return {Target::batch, rows()}; }
};

struct Reload : Moves {
  static constexpr Rules rules{.runs = Runs::in_tiles};
  std::string title() const { return "reload"; }
  Operands operands() const { return {{Source::batch, rows()}}; }
  Result result() const { return {Target::rows, rows()}; }
};

struct StoreOutput : Moves {
  static constexpr Rules rules{.runs = Runs::in_tiles};
  std::string title() const { return "store output"; }
  Operands operands() const { return {{Source::numbers, rows()}}; }
  Result result() const { return {Target::output, rows()}; }
};

struct StoreSample : Moves {
  static constexpr Rules rules{.runs = Runs::in_tiles};
  std::uint32_t sample() const { return i.x[1]; }
  std::string title() const { return "store output"; }
  Operands operands() const { return {{Source::lanes}}; }
  Result result() const { return {Target::output}; }
  std::string text(const Texts& x) const { return x[0] + " of sample " + std::to_string(sample()); }
};

struct StoreInputGradient : Moves {
  static constexpr Rules rules{.runs = Runs::in_tiles};
  std::string title() const { return "store input gradient"; }
  Operands operands() const { return {{Source::numbers, rows()}}; }
  Result result() const { return {Target::input_gradient, rows()}; }
};

/// What the struct of an instruction's kind says, for those that treat all kinds alike.
struct Facts {
  Rules rules;
  Operands operands;
  Result result;
  std::array<std::uint64_t, 2> extent;  ///< rows x terms, in reports
  std::uint64_t flops;
  bool matrix_product;
};

Facts facts_of(const Instruction& i, const Shape& shape);
std::string title_of(const Instruction& i, const Shape& shape);
/// The right side of its equation.
std::string text_of(const Instruction& i, const Shape& shape, const Texts& x);

/// Calls f(which, instruction, its shape) for all that run once a step, &Stage::uniform, or for each tile,
/// &Stage::tile.
template <class F>
void each(const Program& program, Range Stage::*part, F&& f) {
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = (stage.*part).begin; at < (stage.*part).end; ++at) {
      f(at, program.instructions[at], program.shapes[program.instructions[at].shape]);
    }
  }
}

/// The rows of x1 that a product reads at one place, and how far from them those at the next place of a run are.
std::uint32_t window_rows(const Instruction& i, const Shape& shape);
std::uint32_t window_step(const Instruction& i, const Shape& shape);
/// That of a product at the places of one run: see WindowSteps.
Shape run_of_places(Shape shape);
/// A product at one of its places.
Instruction at_place(Instruction i, const Shape& shape, std::uint32_t place);

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
