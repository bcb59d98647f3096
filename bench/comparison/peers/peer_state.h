// What the adapters share: how their objects become the functions of peer.h. Each is compiled into a library of its
// own.
#pragma once

#include <cstdio>
#include <exception>
#include <limits>
#include <memory>
#include <string>

#include "bench/comparison/peers/peer.h"
#include "bench/scalar_expression.h"

namespace tapeloom::bench::peers {

inline std::string& last_error() {
  static std::string error;
  return error;
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// What `function` returns, or `failed` if it throws.
template <class F, class R>
R without_exceptions(F function, R failed) {
  try {
    return function();
  } catch (const std::exception& error) {
    last_error() = error.what();
  } catch (...) {
    last_error() = "an exception of no known type";
  }
  std::fprintf(stderr, "%s\n", last_error().c_str());
  return failed;
}

/// A P for a net, made of (const Net&, bool), where Net is tapeloom_bench_net or tapeloom_bench_layers.
template <class P, class Net>
tapeloom_bench_peer_state make_net(const Net* net, bool in_float) {
  tapeloom_bench_peer_state peer{};
  peer.trace_seconds = not_a_number;
  return without_exceptions(
      [&] {
        auto made = std::make_unique<P>(*net, in_float);
        peer.trace_seconds = made->trace_seconds();
        peer.step = [](void* state, double rate) {
          return without_exceptions([&] { return static_cast<P*>(state)->step(rate); }, not_a_number);
        };
        peer.read_parameters = [](void* state, double* parameters) {
          static_cast<P*>(state)->read_parameters(parameters);
        };
        if constexpr (requires(P p, const float* const* x, const float* y) { p.set_rows(x, y); }) {
          peer.set_rows = [](void* state, const float* const* x, const float* y) {
            return without_exceptions([&] { return static_cast<P*>(state)->set_rows(x, y), true; }, false);
          };
        }
        peer.destroy = [](void* state) { delete static_cast<P*>(state); };
        peer.state = made.release();
        return peer;
      },
      peer);
}

/// A P for an expression, made of (const tapeloom_bench_expression&, bool).
template <class P>
tapeloom_bench_peer_state make_expression(const tapeloom_bench_expression* expression, bool in_float) {
  tapeloom_bench_peer_state peer{};
  peer.trace_seconds = not_a_number;
  return without_exceptions(
      [&] {
        auto made = std::make_unique<P>(*expression, in_float);
        peer.trace_seconds = made->trace_seconds();
        peer.evaluate = [](void* state, const double* parameters, double* gradients) {
          return without_exceptions([&] { return static_cast<P*>(state)->evaluate(parameters, gradients); },
                                    not_a_number);
        };
        peer.destroy = [](void* state) { delete static_cast<P*>(state); };
        peer.state = made.release();
        return peer;
      },
      peer);
}

/// The expression as the other benchmarks have it.
inline ScalarExpression expression_of(const tapeloom_bench_expression& e) {
  ScalarExpression expression{e.inputs, {e.start, e.start + e.parameters}, {}};
  for (std::size_t i = 0; i < e.operations; ++i) {
    expression.steps.push_back({static_cast<ScalarOp>(e.list[i].op), e.list[i].x, e.list[i].y});
  }
  return expression;
}

}  // namespace tapeloom::bench::peers
