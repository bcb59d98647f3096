#include "tapeloom/compiler/instruction_writer.h"

#include "tapeloom/core/check.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

std::uint32_t count(const auto& list) { return static_cast<std::uint32_t>(list.size()); }

}  // namespace

std::uint32_t InstructionWriter::shape(const Shape& wanted) {
  if (wanted == Shape{}) return 0;
  const auto [at, is_new] = shapes_.try_emplace(wanted, count(p_.shapes));
  if (is_new) p_.shapes.push_back(wanted);
  return at->second;
}

std::uint32_t InstructionWriter::first_slot(const View& x) const {
  const std::uint32_t slot = slot_[x.block.index];
  TAPELOOM_CHECK(slot != UINT32_MAX);
  return slot + x.row;
}

void InstructionWriter::set_operand(Instruction& instruction, Shape& shape, std::size_t k, const View& x) const {
  instruction.x[k] = first_slot(x);
  shape.step[k] = x.rows == 1 ? 0 : x.step;
  if (!g_.varying(x)) instruction.uniform_mask = static_cast<std::uint8_t>(instruction.uniform_mask | 1u << k);
}

void InstructionWriter::add_scalar(BlockId id, std::uint32_t out) {
  const Block& block = g_[id];
  Instruction instruction{.kind = InstructionKind::elementwise, .op = block.op, .out = out, .nodes = block.nodes};
  std::size_t k = 0;
  for (const View& x : g_.operands(id)) {
    instruction.x[k] = first_slot(x);
    if (!g_.varying(x)) instruction.uniform_mask = static_cast<std::uint8_t>(instruction.uniform_mask | 1u << k);
    ++k;
  }
  p_.instructions.push_back(instruction);
}

/// Where row r of an operand of a block is.
std::uint32_t InstructionWriter::index_of(BlockId user, const View& x, std::uint32_t r) const {
  const bool marked = g_[user].varying && !g_.varying(x);
  return (first_slot(x) + r * x.step) | (marked ? Program::uniform_slot : 0);
}

void InstructionWriter::add_gather(BlockId id, std::uint32_t out) {
  Instruction gather{.kind = InstructionKind::gather, .out = out, .x = {count(p_.indices)}, .nodes = g_[id].nodes};
  for (const View& part : g_.operands(id)) {
    for (std::uint32_t r = 0; r < part.rows; ++r) p_.indices.push_back(index_of(id, part, r));
  }
  gather.shape = shape({.rows = g_[id].rows});
  p_.instructions.push_back(gather);
}

void InstructionWriter::add_rows(BlockId id, std::span<const std::size_t> operands, std::uint32_t out) {
  Instruction instruction{.kind = InstructionKind::add_rows, .out = out, .x = {count(p_.indices), g_[id].rows}};
  for (std::size_t k : operands) {
    const View x = g_.operand(id, k);
    const auto& [row, to] = g_.destination(id, k);
    for (std::uint32_t r = 0; r < x.rows; ++r) {
      p_.indices.push_back(row + r / to.terms * to.row_step + r % to.terms * to.term_step);
      p_.indices.push_back(index_of(id, x, r));
    }
  }
  instruction.shape = shape({.rows = (count(p_.indices) - instruction.x[0]) / 2});
  p_.instructions.push_back(instruction);
}

Shape InstructionWriter::of_matrix(const Matrix& m) { return {m.rows, m.terms, m.row_step, m.term_step, {}}; }

Shape InstructionWriter::of_weights(const Weights& w) {
  Shape shape = of_matrix(w.matrix);
  shape.places = w.places, shape.place_step = w.place_step();
  return shape;
}

}  // namespace tapeloom::inline v0_1::compiler
