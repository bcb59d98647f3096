// Program: what the compiler makes and the executor replays. Immutable plain data; may be shared between threads.
//
// Numbers live in three places. A *uniform slot* holds one number for the whole step. A *tile slot* holds one number
// for each sample of the tile that is being swept. A *batch slot* holds one number for each sample of the batch, for
// values that cross stages. A value of several rows has as many slots, side by side. The uniform slots are
//
//     parameters | constants | uniform inputs | number of samples | totals | computed ...
//
// A step runs the stages in order. A stage runs its uniform instructions once, then its tile instructions for one tile
// of samples after another; its totals add up over all tiles and are there for the stages after it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/ops/op.h"
#include "tapeloom/core/program/window_steps.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Their equations are in instructions.def, and what else is known of them in instructions.h.
enum class InstructionKind : std::uint8_t {
#define TAPELOOM_INSTRUCTION(name, Struct) name,
#include "tapeloom/core/program/instructions.def"
};

inline constexpr const char* instruction_names[] = {
#define TAPELOOM_INSTRUCTION(name, Struct) #name,
#include "tapeloom/core/program/instructions.def"
};

/// How many rows an instruction works on and how they lie: see the struct of its kind. Most scalars share shape 0.
struct Shape {
  static constexpr std::uint32_t by_index = UINT32_MAX;  ///< a step: see instructions.def
  static constexpr std::uint32_t no_gaps = UINT32_MAX;

  std::uint32_t rows = 1;
  std::uint32_t terms = 1;
  std::uint32_t row_step = 0;
  std::uint32_t term_step = 0;
  std::array<std::uint32_t, 3> step = {};  ///< of each operand
  std::uint32_t places = 1;
  std::uint32_t place_step = 0;
  WindowSteps windows = {};  ///< of the rows of x1 of a dense, outer or reduce_outer instruction
  /// Where the bits of a product's gaps begin among Program::indices, or no_gaps: see instructions::Gaps.
  std::uint32_t gaps = no_gaps;

  friend bool operator==(const Shape&, const Shape&) = default;
  friend auto operator<=>(const Shape&, const Shape&) = default;
};

struct Instruction {
  InstructionKind kind = InstructionKind::elementwise;
  /// Of an elementwise instruction, or max or min of a row_extreme. A product p of a tile is finished to then(op(x2(r),
  /// p)), row by row; either may be left out.
  Op op = no_op;
  Op then = no_op;
  std::uint8_t uniform_mask : 3 = 0;  ///< bit k: operand k is in uniform slots, not in tile slots
  /// A total goes on with what an earlier instruction of the stage has begun; rows are added to what is there.
  bool accumulates : 1 = false;
  bool follows_row_sums : 1 = false;  ///< see instructions::ReduceOuter
  bool exact_rows : 1 = false;        ///< see instructions::Elementwise
  std::uint32_t shape = 0;            ///< index into Program::shapes
  std::uint32_t out = 0;
  std::array<std::uint32_t, 3> x = {};
  std::uint32_t nodes = 0;  ///< how many recorded nodes it stands for, for reports

  bool is_uniform(std::size_t k) const { return (uniform_mask >> k & 1) != 0; }
  void set_uniform(std::size_t k) { uniform_mask = (uniform_mask | 1u << k) & 7u; }

  friend bool operator==(const Instruction&, const Instruction&) = default;
};
static_assert(sizeof(Instruction) == 28, "there may be millions of them");

/// Indices [begin, end).
struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t size() const { return end - begin; }
  friend bool operator==(Range, Range) = default;
};

/// Adds an index that comes after all those of ranges which ascend: to the last one, if no more than `most_between` are
/// between them.
inline void add_index(std::vector<Range>& ranges, std::uint32_t index, std::uint32_t most_between = 0) {
  if (ranges.empty() || index - ranges.back().end > most_between) ranges.push_back({index, index});
  ranges.back().end = index + 1;
}

struct Stage {
  Range uniform;  ///< instructions that run once
  Range tile;     ///< instructions that run for each tile
  Range inputs;   ///< of Program::loads: what is read from the bound rows at the start of each tile
  Range totals;   ///< of the numbers that are added up over the tiles
};

/// Bound columns that a stage reads into neighbouring tile slots.
struct Load {
  InputId first;
  std::uint32_t count;
  std::uint32_t slot;
};

/// Where the derivatives of the loss by neighbouring parameters are.
struct GradientPiece {
  ParameterId first;
  std::uint32_t count;
  std::uint32_t slot;  ///< uniform
  friend bool operator==(const GradientPiece&, const GradientPiece&) = default;
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

/// A frozen parameter that the slot's number is put into with each update of an optimizer: see Tape::assign.
struct ProgramAssignment {
  ParameterId parameter;
  std::uint32_t slot;  ///< uniform
  friend bool operator==(const ProgramAssignment&, const ProgramAssignment&) = default;
};

struct ProgramUniformInput {
  std::string name;
  double initial;
};

/// In the order in which instructions check them, row by row; of recorded samples that were folded, each row has one
/// for every sample.
struct ProgramGuard {
  std::string description;
  std::uint32_t number;  ///< among the tape's guards: of those that fail in a step, the first one is reported
  bool expected;
};

struct ProgramOutput {
  std::string label;
  bool varying;
  std::uint32_t slot;        ///< of a uniform output
  std::uint32_t sample = 0;  ///< of a program with recorded samples: whose value it is
};

struct Program {
  static constexpr std::uint32_t no_slot = UINT32_MAX;
  /// Of a slot in a list of a gather instruction: it is uniform, in a tile; and it is the last of its list.
  static constexpr std::uint32_t uniform_slot = 1u << 31, last_slot = 1u << 30;
  /// Likewise, in a tile: the next word is a slot of the tile whose number it is multiplied with.
  static constexpr std::uint32_t times_next = 1u << 29;
  /// Alone in a list, last_slot apart: the list is empty, and its sum is zero.
  static constexpr std::uint32_t empty_list = times_next - 1;
  static constexpr std::uint32_t slot_of(std::uint32_t word) { return word & (times_next - 1); }

  // The leaves, in recorded order.
  std::vector<ProgramParameter> parameters;
  std::vector<ProgramInputGroup> input_groups;
  std::uint32_t input_count = 0;
  /// Columns of random numbers, which follow those of the inputs: see Tape::randoms.
  std::uint32_t random_count = 0;
  std::vector<ProgramUniformInput> uniform_inputs;
  std::vector<double> constants;

  std::vector<ProgramGuard> guards;
  std::vector<ProgramOutput> outputs;
  std::uint32_t loss_slot = no_slot;     ///< uniform; no_slot: inference alone
  std::vector<Range> trained;            ///< the parameters that are not frozen
  std::vector<GradientPiece> gradients;  ///< of parameters that are not in any, the gradient is zero
  std::vector<ProgramAssignment> assignments;
  bool has_gradients = false;  ///< false: compiled for inference, or not differentiated
  bool has_input_gradients = false;
  bool exact = false;
  /// It computes something else than a program of the same values for inference: see CompileOptions::training.
  bool is_of_training = false;
  /// It was recorded with where(), so an adjoint of zero may meet a factor that is infinite or NaN; or products have
  /// gaps. A step whose gradients have a NaN is run again, with products that are zero for an adjoint of zero, and
  /// leave gaps out.
  bool repeats_for_nan = false;

  std::vector<Instruction> instructions;
  std::vector<Shape> shapes = {Shape{}};
  /// Slots that instructions read one by one: of a gather x1 words from x0 on, list after list. And gaps.
  std::vector<std::uint32_t> indices;
  std::vector<Stage> stages;
  std::vector<Load> loads;
  std::uint32_t total_count = 0;  ///< numbers added up over the tiles

  std::uint32_t uniform_slots = 0;
  std::uint32_t tile_slots = 0;
  std::uint32_t batch_slots = 0;

  /// It is for steps of one sample alone: all loads are of its row, into uniform slots, before the first stage.
  bool one_row = false;
  /// And a step of several has the mean of their losses and derivatives, and the outputs of each.
  bool is_mean_over_samples = false;
  /// The same for such steps, where the numbers of a sample are computed side by side in less time; or null.
  std::shared_ptr<const Program> of_one_sample = nullptr;

  // Samples that were recorded one after another, with constants as data, and folded into a batch: the program always
  // computes on them. 0: samples are bound.
  std::uint32_t recorded_samples = 0;
  std::vector<double> recorded_rows;  ///< samples x inputs, row-major

  /// Tells whose parameters these are: programs with the same number, which is not 0, were compiled from one tape on
  /// which no parameter was set or dropped in between, so they begin with the same numbers. 0: not known, as of a
  /// program from a file.
  std::uint64_t recording = 0;
  /// When it was compiled, as Tape::Mark says it: what became of the tape's parameters since is asked there. 0 tells no
  /// tape, as of a program from a file.
  std::uint64_t tape = 0;
  std::uint32_t generation = 0;

  // What it was made from, for reports.
  std::uint64_t recorded_nodes = 0;
  std::uint64_t live_nodes = 0;  ///< those that the loss and the outputs depend on
  std::uint64_t leaf_nodes = 0;  ///< of them: parameters, inputs and constants

  std::uint32_t first_constant() const { return static_cast<std::uint32_t>(parameters.size()); }
  std::uint32_t first_uniform_input() const { return first_constant() + static_cast<std::uint32_t>(constants.size()); }
  std::uint32_t samples_slot() const {
    return first_uniform_input() + static_cast<std::uint32_t>(uniform_inputs.size());
  }
  std::uint32_t first_total() const { return samples_slot() + 1; }
  std::uint32_t first_computed() const { return first_total() + total_count; }
};

/// A hash of everything that decides what the program computes; the same in every run.
TAPELOOM_API std::uint64_t hash(const Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI
