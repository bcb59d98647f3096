// Program: what the compiler makes and the executor replays. Immutable plain data; may be shared between threads.
//
// Numbers live in three places. A *uniform slot* holds one number for the whole step. A *tile slot* holds one number
// for each sample of the tile that is being swept. A *batch slot* holds one number for each sample of the batch, for
// values that cross stages. The uniform slots begin with the leaves:
//
//     parameters | constants | uniform inputs | number of samples | computed ...
//
// A step runs the stages in order. A stage runs its uniform instructions once, then its tile instructions for one tile
// of samples after another; its reductions add up over all tiles, and each total is a uniform slot of later stages.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tapeloom/core/ids.h"
#include "tapeloom/core/op.h"

namespace tapeloom {

enum class InstructionKind : std::uint8_t {
  elementwise,           ///< out = op(x0, x1, x2)
  reduce,                ///< reduction[out] += sum over the samples of x0
  guard,                 ///< guard[out] holds where x0 is not zero (or zero, as it was recorded)
  spill,                 ///< batch slot out = x0
  reload,                ///< out = batch slot x0
  store_output,          ///< outputs[sample][out] = x0
  store_input_gradient,  ///< input gradients[sample][out] = x0
};

struct Instruction {
  InstructionKind kind = InstructionKind::elementwise;
  Op op = Op::constant;           ///< of an elementwise instruction
  std::uint8_t uniform_mask = 0;  ///< bit i: operand i is a uniform slot, not a tile slot
  std::uint32_t out = 0;
  std::array<std::uint32_t, 3> x = {};

  friend bool operator==(const Instruction&, const Instruction&) = default;
};

/// Indices [begin, end).
struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t size() const { return end - begin; }
  friend bool operator==(Range, Range) = default;
};

struct Stage {
  Range uniform;     ///< instructions that run once
  Range tile;        ///< instructions that run for each tile
  Range inputs;      ///< of Program::loads: what is read from the bound rows at the start of each tile
  Range reductions;  ///< of Program::reductions
};

/// A bound column that a stage reads into a tile slot.
struct Load {
  InputId input;
  std::uint32_t slot;
};

struct ProgramParameter {
  std::string label;
  double initial;
  bool frozen;
  NodeId node;  ///< on the tape it was recorded on
};

struct ProgramInputGroup {
  std::string name;
  InputId first;
  std::uint32_t count;
  bool used;  ///< false: nothing that is computed reads it, so it need not be bound
};

struct ProgramUniformInput {
  std::string name;
  double initial;
};

struct ProgramGuard {
  std::string description;
  bool expected;
};

struct ProgramOutput {
  std::string label;
  bool varying;
  std::uint32_t slot;  ///< of a uniform output
};

struct Program {
  static constexpr std::uint32_t no_slot = UINT32_MAX;

  // The leaves, in recorded order.
  std::vector<ProgramParameter> parameters;
  std::vector<ProgramInputGroup> input_groups;
  std::uint32_t input_count = 0;
  std::vector<ProgramUniformInput> uniform_inputs;
  std::vector<double> constants;

  std::vector<ProgramGuard> guards;
  std::vector<ProgramOutput> outputs;
  std::uint32_t loss_slot = no_slot;          ///< uniform; no_slot: inference alone
  std::vector<std::uint32_t> gradient_slots;  ///< uniform, one a parameter; no_slot: the gradient is zero
  bool has_input_gradients = false;
  bool exact = false;

  std::vector<Instruction> instructions;
  std::vector<Stage> stages;
  std::vector<Load> loads;
  std::vector<std::uint32_t> reductions;  ///< the uniform slot each total goes to

  std::uint32_t uniform_slots = 0;
  std::uint32_t tile_slots = 0;
  std::uint32_t batch_slots = 0;

  // What it was made from, for reports.
  std::uint64_t recorded_nodes = 0;
  std::uint64_t live_nodes = 0;

  std::uint32_t first_constant() const { return static_cast<std::uint32_t>(parameters.size()); }
  std::uint32_t first_uniform_input() const { return first_constant() + static_cast<std::uint32_t>(constants.size()); }
  std::uint32_t samples_slot() const { return first_uniform_input() + static_cast<std::uint32_t>(uniform_inputs.size()); }
  std::uint32_t first_computed() const { return samples_slot() + 1; }
};

/// A hash of everything that decides what the program computes; the same in every run.
std::uint64_t hash(const Program& program);

}  // namespace tapeloom
