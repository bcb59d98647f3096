// Programs for products with a Jacobian: of many results, by many numbers.
#pragma once

#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

// Both add a group of inputs behind those that were recorded, and leave the tape as it was. Where y and x do not differ
// from sample to sample, y is computed once a step, and each bound row gets a product of its own: unit vectors give the
// Jacobian, side by side in vectors. Where they do, a row has the sample's inputs and its vector, and the Jacobian is
// that of the sample. Values among the options' outputs, such as y, follow the products. By leaves of any kind, frozen
// or not, and by computed Values, as of gradient() and derivative(), whose conventions hold.
//
// They throw CompileError where there is no y or no x, and for input_gradients; RecordingError for Values of several
// tapes, for numbers among x, where a group of inputs has the name already, where a y depends by way of a batch
// reduction on an x, of Jacobian-vector products one that all samples share, and what gradient() and derivative()
// throw.

/// Vector-Jacobian products, sum_i seeds_i dy_i/dx_j for each x_j, by one reverse sweep. The inputs "seeds" are as many
/// as y.
TAPELOOM_API Program compile_vector_jacobian(ValueSpan y, ValueSpan x, CompileOptions options = {});

/// Jacobian-vector products, sum_j dy_i/dx_j direction_j for each y_i, by one forward sweep. The inputs "direction" are
/// as many as x. Inputs move in all samples at once, also for what depends on others by way of a batch reduction.
TAPELOOM_API Program compile_jacobian_vector(ValueSpan y, ValueSpan x, CompileOptions options = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
