// Records a script with Values, as a user's program would.
#pragma once

#include <memory>
#include <vector>

#include "fuzz/decisions.h"
#include "fuzz/script.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::test::fuzz {

/// What may be planted into a recording, to see whether the comparison notices.
enum class RecordingFault : std::uint8_t {
  none,
  tie_to_second,     ///< max and min with their operands swapped
  dropped_guard,     ///< a branch is decided by a number that leaves no guard
  swapped_operands,  ///< b - a for a - b
  lost_term,         ///< the last term of a list
  lost_factor_two,   ///< x * data for square(x)
  stale_weight,      ///< a parameter's number in its place
  kept_sample,       ///< the first sample's data for the second
  mean_for_sum,      ///< batch_mean for batch_sum
  lost_weight,       ///< a loss without its weight
  other_label,       ///< the next class
  relu_for_leaky,    ///< a slope that is lost
  neighbour,         ///< the column beside it
  stale_derivative,  ///< a derivative's number in its place
  other_sign,        ///< of a derivative
};

/// A derivative that was recorded: of y along the direction, or by the one x if there is none.
struct Differentiated {
  Value y;
  std::vector<Value> x, direction;
  Value result;
  std::uint32_t first = 0;  ///< how many nodes there were before it
};

struct Recording {
  std::unique_ptr<Tape> tape = std::make_unique<Tape>();
  std::vector<std::vector<Value>> values;  ///< of every statement
  Value loss;
  std::vector<Value> outputs;
  std::vector<Value> parameters, uniform_inputs;
  std::vector<std::vector<Value>> columns;  ///< of each group
  Decisions decisions;
  std::vector<Differentiated> derivatives;
  bool has_where = false;
  bool planted = false;  ///< there was a place for the fault
};

Recording record(const Script& script, RecordingFault fault = RecordingFault::none);

}  // namespace tapeloom::test::fuzz
