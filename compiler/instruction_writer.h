#pragma once

#include <map>
#include <span>

#include "tapeloom/compiler/graph.h"
#include "tapeloom/core/program.h"

namespace tapeloom::inline v0_1::compiler {

/// Writes instructions for blocks into a program, once the slots of their operands are known.
class InstructionWriter {
 public:
  /// `slot` is each block's first slot, or UINT32_MAX; all three must outlive the writer.
  InstructionWriter(const Graph& graph, const LargeVector<std::uint32_t>& slot, Program& program)
      : g_(graph), slot_(slot), p_(program) {}

  /// The index of a shape among the program's, where it is entered if need be.
  std::uint32_t shape(const Shape& wanted);
  /// Sets operand k of an instruction to a view's rows.
  void set_operand(Instruction& instruction, Shape& shape, std::size_t k, const View& x) const;
  /// An elementwise block of one row, as most are where nothing rolls.
  void add_scalar(BlockId id, std::uint32_t out);
  /// All rows of a concat block by one instruction.
  void add_gather(BlockId id, std::uint32_t out);
  /// Adds those operands of an assemble block to its rows by one instruction.
  void add_rows(BlockId id, std::span<const std::size_t> operands, std::uint32_t out);

  static Shape of_matrix(const Matrix& matrix);
  static Shape of_weights(const Weights& weights);

 private:
  std::uint32_t first_slot(const View& x) const;
  std::uint32_t index_of(BlockId user, const View& x, std::uint32_t r) const;

  const Graph& g_;
  const LargeVector<std::uint32_t>& slot_;
  Program& p_;
  std::map<Shape, std::uint32_t> shapes_;
};

}  // namespace tapeloom::inline v0_1::compiler
