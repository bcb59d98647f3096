// A generated program as data: a list of statements, so that it can be recorded with Values, run by the oracle, printed
// as C++ and made smaller by leaving statements, operands and samples out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tapeloom/core/ops/op.h"

namespace tapeloom::test::fuzz {

/// What a statement does. Each gives one value; `x` names the statements whose values it takes.
enum class Kind : std::uint8_t {
  parameter,             ///< starts at `number`, later `later`; perhaps frozen
  uniform_input,         ///< likewise
  input,                 ///< column `k` of the data
  constant,              ///< tape.constant(number)
  number,                ///< a plain number
  apply,                 ///< `op` of the table
  sum,                   ///< sum(x)
  mean,                  ///< mean(x)
  dot,                   ///< dot(first half of x, second half)
  batch,                 ///< `op`, batch_sum or batch_mean, over the samples; recorded one by one, a sum in way `k`
  guard,                 ///< if (x0) {}: gives x0
  branch,                ///< x3; if (x0 op x1) it is x2
  std_max,               ///< std::max(x0, x1)
  std_min,               ///< std::min(x0, x1)
  std_clamp,             ///< std::min(std::max(x0, x1), x2)
  std_sort,              ///< the element `k` of x, sorted by std::sort
  halving,               ///< x0, halved while it is above x1, at most three times
  gradient,              ///< gradient(x0, {x1})
  derivative,            ///< derivative(x0, x1, x2), along x2
  hessian_vector,        ///< element `k`: of x0, by the first half of the others, times the second
  squared_error,         ///< of x0 and x1 with the weight x2
  hinge,                 ///< likewise
  binary_cross_entropy,  ///< likewise
  softmax_targets,       ///< cross-entropy of logits, then as many targets, then a weight
  softmax_class,         ///< of logits, then the number of a class, then a weight
  softmax_label,         ///< of logits, then a weight; the class is the number in column `k`, known while recording
};

struct Statement {
  Kind kind = Kind::number;
  Op op = Op::constant;
  std::vector<std::uint32_t> x = {};
  double number = 0.0, later = 0.0;
  std::uint32_t k = 0;
  bool frozen = false;

  friend bool operator==(const Statement&, const Statement&) = default;
};

/// A value to be read; recorded one by one, of that sample.
struct Output {
  std::uint32_t statement = 0, sample = 0;
  friend bool operator==(const Output&, const Output&) = default;
};

struct Script {
  std::vector<Statement> statements;
  std::uint32_t loss = 0;
  std::vector<Output> outputs;

  std::vector<std::uint32_t> groups;  ///< numbers of columns
  bool random_group = false;          ///< the last one is Tape::randoms, and products are for training alone
  std::size_t samples = 1;
  std::vector<double> rows;   ///< samples x columns
  std::vector<double> eager;  ///< the row that it is recorded with

  bool recorded = false;        ///< every sample is recorded, its data as numbers
  bool data_on_tape = false;    ///< ... which are tape.constant(number)
  bool repeat_uniform = false;  ///< ... and what all samples share is recorded for each again, where possible

  std::size_t columns() const;
  std::size_t random_columns() const { return random_group ? groups.back() : 0; }
  bool leaf(std::size_t statement) const { return statements[statement].kind <= Kind::number; }
  /// Which statements differ from sample to sample.
  std::vector<bool> varying() const;
  /// Which statements are recorded for each sample.
  std::vector<bool> inside() const;
  /// What makes it no program, or an empty text.
  std::string fault() const;
  bool has(Kind kind) const;

  friend bool operator==(const Script&, const Script&) = default;
};

/// Leaves out what neither the loss nor an output nor a guard needs, and columns that nothing reads.
Script without_dead(const Script& script);

/// True for statements that may record guards.
bool decides(Kind kind);

}  // namespace tapeloom::test::fuzz
