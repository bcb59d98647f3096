// Derivatives as Values: recorded on the tape by the op table's own formulas, so that they can be compiled,
// differentiated again, drawn, labelled and mixed with anything.
#pragma once

#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

// The functions below record nodes behind everything else and change nothing that is there. Values to differentiate by
// may be leaves of any kind, frozen or not, or computed ones, of which all that is computed from them counts. All throw
// RecordingError for plain numbers to differentiate by and for Values of several tapes, StaleValueError for dropped
// ones; a plain number to be differentiated is a constant. What throws leaves no new node.
//
// In a batch, the derivative of a Value that differs from sample to sample is taken for each sample on its own: by an
// input, by that input of the sample; by what all samples share, for that sample alone. That of a Value which all
// share, such as a loss, counts all samples: by an input it is a number for each sample, by a parameter their sum.
//
// Derivatives are written as is cheapest, that of tanh with its result. So the derivative of a derivative by a Value
// that lies in between, on the way from x to y, is one of how it was written; by leaves it has one meaning.

/// The derivatives of y by each x, by a reverse sweep from y. If y does not depend on x, the constant 0. A Value in the
/// list twice gets its derivative twice. Throws RecordingError if y differs from sample to sample and depends on x by
/// way of a batch reduction: its derivatives would be a number for each pair of samples. (Differentiate batch_sum(y),
/// or use derivative().)
TAPELOOM_API std::vector<Value> gradient(Value y, ValueSpan x);

/// The derivative of each y along a direction, sum_i dy/dx_i direction_i, by one forward sweep: the product of the
/// Jacobian and a vector. An input moves in all samples at once, each as far as the direction says for it, also for
/// what depends on other samples by way of a batch reduction. As many directions as x, or RecordingError.
TAPELOOM_API std::vector<Value> derivative(ValueSpan y, ValueSpan x, ValueSpan direction);
TAPELOOM_API Value derivative(Value y, ValueSpan x, ValueSpan direction);
TAPELOOM_API Value derivative(Value y, Value x, Value direction = 1.0);

/// The y.size() x x.size() derivatives, row-major: those of y[i] begin at i * x.size(). By a reverse sweep for each y,
/// or, where there are fewer x and no batch reduction in between, a forward sweep for each x.
TAPELOOM_API std::vector<Value> jacobian(ValueSpan y, ValueSpan x);

/// The x.size() x x.size() second derivatives of y, row-major; symmetric up to rounding unless an x is computed from
/// another.
TAPELOOM_API std::vector<Value> hessian(Value y, ValueSpan x);

/// The product of the Hessian of y and a vector, of x.size() numbers each, at the cost of some gradients: the
/// derivative of the gradient along the vector, which is taken as it is, also where it is computed from x.
TAPELOOM_API std::vector<Value> hessian_vector(Value y, ValueSpan x, ValueSpan vector);

/// sum_i d^2 y / dx_i^2, of which no other second derivatives are recorded.
TAPELOOM_API Value laplacian(Value y, ValueSpan x);

}  // namespace tapeloom::inline TAPELOOM_ABI
