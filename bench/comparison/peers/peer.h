// What a library that Tapeloom is compared with has to offer: the functions below, of a shared library of its own that
// exports nothing else and is loaded when first wanted, so that neither its flags nor its memory are anybody else's.
#pragma once

#include <cstddef>

extern "C" {

enum tapeloom_bench_activation : int {
  tapeloom_bench_linear,
  tapeloom_bench_tanh,
  tapeloom_bench_relu,
};

/// As LossKind in bench/nets.h.
enum tapeloom_bench_loss : int {
  tapeloom_bench_squared,
  tapeloom_bench_hinge,
  tapeloom_bench_cross_entropy,
  tapeloom_bench_equation,
};

/// A net with the rows of a step, as Net, Data and initial_parameters() in bench/nets.h have them.
struct tapeloom_bench_net {
  std::size_t inputs, layers;
  const std::size_t* widths;
  tapeloom_bench_activation hidden, last;
  tapeloom_bench_loss loss;
  double l2;
  std::size_t samples, targets;
  const double *x, *y;
  const double* parameters;
};

/// A net of bench/eigen_layers.h, by its name there, with the rows of a step.
struct tapeloom_bench_layers {
  const char* name;
  std::size_t samples;
  const double *x, *y;
  const double* parameters;  ///< those of PyTorch's layers, in its order
};

/// Operands are numbered as in bench/scalar_expression.h: inputs, parameters, results.
struct tapeloom_bench_operation {
  int op;  ///< ScalarOp as a number
  std::size_t x, y;
};

/// The mean over the samples of the last result.
struct tapeloom_bench_expression {
  std::size_t inputs, parameters, operations, samples;
  const tapeloom_bench_operation* list;
  const double* rows;   ///< samples x inputs
  const double* start;  ///< the parameters
};

/// A net in training, or an expression. No function throws; the numbers are NaN if the library failed.
struct tapeloom_bench_peer_state {
  void* state;           ///< null: see tapeloom_bench_peer_error
  double trace_seconds;  ///< what was done once before the first step; NaN if there is no such thing

  /// Of a net: parameters -= learning_rate * gradient. Returns the loss before.
  double (*step)(void* state, double learning_rate);
  void (*read_parameters)(void* state, double* parameters);
  /// Of a net: other rows to go on with, as many as before; null if the library cannot.
  bool (*set_rows)(void* state, const float* const* x, const float* y);
  /// Of an expression: its value, with its derivatives by the parameters.
  double (*evaluate)(void* state, const double* parameters, double* gradients);

  void (*destroy)(void* state);
};

tapeloom_bench_peer_state tapeloom_bench_make_net(const tapeloom_bench_net* net, bool in_float);
/// Not every library has it.
tapeloom_bench_peer_state tapeloom_bench_make_layers(const tapeloom_bench_layers* net, bool in_float);
tapeloom_bench_peer_state tapeloom_bench_make_expression(const tapeloom_bench_expression* expression, bool in_float);

/// Version, and what else its speed depends on.
const char* tapeloom_bench_peer_version();
/// What went wrong last.
const char* tapeloom_bench_peer_error();
}
