// The reference: what a recording means, in strict double precision and recorded order. Everything compiled is held
// against it; exact mode equals it bit for bit.
//
// Definition for a batch. Uniform nodes are computed once, varying ones for one sample after another, within each in
// recorded order. A batch reduction adds its operand's samples in order; what depends on its result comes after, so
// the nodes fall into phases
//
//     U0 V0 U1 V1 ...    Uk: uniform nodes behind k reductions, Vk: varying nodes behind k reductions
//
// The reverse sweep takes the phases, and the nodes within each, in the opposite order, over the nodes from which the
// root is reached. An adjoint's first contribution is assigned, later ones are added. What the nodes of one Vk
// contribute to a uniform node is completed for each sample, added up in sample order, and the total is one
// contribution. Constants have no adjoint. Of where(tape.training(), a, b) the branch that is chosen stands for it.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The numbers for one evaluation.
struct Batch {
  /// samples x inputs, row-major, the inputs of all groups in recorded order, those of Tape::randoms among them. Empty
  /// if the tape has no inputs.
  std::span<const double> rows;
  std::size_t samples = 1;
  /// In recorded order; empty: their eager values.
  std::span<const double> uniform_inputs = {};
  /// In recorded order; empty: the numbers on the tape.
  std::span<const double> parameters = {};
  /// See CompileOptions::branches_from.
  Tape::Mark branches_from = {};
};

struct Evaluation {
  /// One number if the root is uniform, else one a sample.
  std::vector<double> root;
  /// In recorded order of the parameters; zero for frozen ones.
  std::vector<double> gradients;
  /// samples x inputs, row-major.
  std::vector<double> input_gradients;
  /// samples x outputs, row-major; a uniform output is repeated.
  std::vector<double> outputs;
};

/// Forward and reverse sweep of `root` over a batch. Of a root that varies, the sum over the samples is differentiated.
/// Throws BindError for spans of the wrong length or an empty batch, GuardError where a branch that was taken on the
/// tape before this call goes the other way, whatever it chose. Changes nothing on the tape.
TAPELOOM_API Evaluation evaluate(Value root, const Batch& batch, std::span<const Value> outputs = {},
                                 double seed = 1.0);

/// The value of a scalar op of the table.
TAPELOOM_API double forward_op(Op op, std::array<double, 3> x);
/// The contributions to its operands' adjoints.
TAPELOOM_API std::array<double, 3> reverse_op(Op op, std::array<double, 3> x, double y, double adjoint);
/// Bit i is set if the op's operand i has a derivative that is not zero everywhere.
TAPELOOM_API unsigned differentiable_operands(Op op);

}  // namespace tapeloom::inline TAPELOOM_ABI
