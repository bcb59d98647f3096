// Writes instructions, their shapes and their lists of slots into a program.
#pragma once

#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "tapeloom/compiler/emit/load_parts.h"
#include "tapeloom/compiler/emit/placed_parts.h"
#include "tapeloom/compiler/emit/sinks.h"
#include "tapeloom/compiler/emit/totals.h"
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// No fewer than the blocks' instructions, and not many more.
std::size_t most_instructions(const Graph& graph, bool exact);

/// Writes instructions for blocks into a program, once the slots of their operands are known.
class InstructionWriter {
 public:
  /// `slot` is each block's first slot, or UINT32_MAX; all three must outlive the writer.
  InstructionWriter(const Graph& graph, const LargeVector<std::uint32_t>& slot, Program& program)
      : g_(graph), load_parts_(graph), slot_(slot), p_(program) {}

  /// The index of a shape among the program's, where it is entered if need be.
  std::uint32_t shape(const Shape& wanted);
  /// Sets operand k of an instruction to a view's rows, which are listed for elementwise ones alone.
  void set_operand(Instruction& instruction, Shape& shape, std::size_t k, const View& x);
  /// An elementwise block of one row, as most are where nothing rolls.
  void add_scalar(BlockId id, std::uint32_t out);
  /// Readers of a concat block will read its rows one by one, where they are now.
  void list_rows(BlockId id);
  /// Those of a block of products row by row will be added up.
  void list_products(BlockId id);
  bool is_listed(BlockId block) const { return !lists_.empty() && lists_.contains(block.index); }
  bool is_listed(const View& x) const { return is_listed(x.block); }
  /// How many recorded nodes an instruction for a block stands for, with those of the listed rows that it is the first
  /// to read.
  std::uint32_t nodes_of(BlockId id);
  /// Whether a concat block takes one instruction for all rows, and not a copy for each part: if there are many, or if
  /// the rows of one are listed, which copies cannot read.
  bool gathers(BlockId id) const;
  /// All rows of a concat block by one instruction.
  void add_gather(BlockId id, std::uint32_t out);
  /// The sums of as many rows each of a row_sum block whose operand is listed.
  void add_sums(BlockId id, std::uint32_t out);
  /// Whether operands of an assemble block that is computed once a step are better added row by row than one after
  /// another, where rows side by side are added as such: if there are some, and lists are not estimated to take much
  /// longer; without `by_cost`, also if there are many.
  bool better_as_lists(BlockId assemble, std::span<const std::size_t> operands, bool by_cost) const;
  /// Zeros for all rows of a block.
  void add_zeros(BlockId id, std::uint32_t out);
  /// Operand k of an assemble block, added to the rows that it belongs to, or put there.
  void add_part(BlockId id, std::size_t k, bool add, std::uint32_t out);
  /// An elementwise block computed there, among the rows of an assemble block, or added to them: as products and
  /// negative numbers may be.
  void add_elementwise_part(BlockId id, const PlacedParts::Part& part);
  /// Those operands of an assemble block added up by one instruction; with `onto`, added to what its rows are.
  void add_assembled(BlockId id, std::span<const std::size_t> operands, bool onto, std::uint32_t out);

  /// Reads an input block into tile slots, for the instructions of one stage.
  void add_load(BlockId input, std::uint32_t slot);
  /// That adds up a total at its place, right after `before`, if that is not null, in the same tile; `goes_on`:
  /// something has been added to it before.
  Instruction of_total(const Sink& sink, const TotalSlots& slots, bool goes_on, const Instruction* before);
  Instruction of_sink(const Sink& sink);

  static Shape of_matrix(const Matrix& matrix);
  static Shape of_weights(const Weights& weights);
  /// With the gaps of what a product reads beside them.
  Shape of_terms(const Weights& weights);

 private:
  void set_gaps(Shape& shape, const Weights& weights);
  std::uint32_t first_slot(BlockId block, std::uint32_t row) const;
  std::uint32_t first_slot(const View& x) const { return first_slot(x.block, x.row); }
  std::uint32_t word_of(BlockId user, const View& x, std::uint32_t r) const;
  void set_words(Instruction& instruction, Shape& shape, std::size_t k, std::span<const std::uint32_t> words,
                 std::uint32_t at);
  void set_listed(Instruction& instruction, Shape& shape, std::size_t k, const View& x);
  std::size_t term_of(BlockId user, const View& x, std::uint32_t r, std::uint32_t (&words)[2]) const;
  Instruction start_gather(BlockId id, std::uint32_t out);
  std::uint32_t take_nodes(const View& x);
  void finish_gather(Instruction gather, std::uint32_t rows);
  void set_outer_operand(Instruction& instruction, Shape& shape, const View& x);
  bool are_row_sums(const Instruction& sums, const Instruction& outer, const Shape& shape) const;

  const Graph& g_;
  const LoadParts load_parts_;
  const LargeVector<std::uint32_t>& slot_;
  Program& p_;
  std::map<Shape, std::uint32_t> shapes_;
  struct List {
    std::vector<std::uint32_t> words, factors;
    std::uint32_t nodes = 0;        // that no instruction stands for yet
    std::uint32_t at = UINT32_MAX;  // among the program's indices, once an instruction reads them there
  };
  // Of blocks; looked up, never walked.
  std::unordered_map<std::uint32_t, List> lists_;
  std::unordered_map<std::uint32_t, std::uint32_t> loads_;  // the latest of an input block of several rows
  std::unordered_map<const void*, std::uint32_t> gaps_;     // where among the program's indices, by Weights::gaps
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
