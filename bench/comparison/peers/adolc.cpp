// ADOL-C: the loss over all samples is traced once, with the parameters as its independents, and replayed in every
// step: zos_forward, which keeps the values, and fos_reverse, of which its own driver gradient() consists. The buffers
// are so large that nothing goes to files, as its manual advises. Inputs are recorded as variables, because a product
// of two variables that is added to a third is a single operation then: replaying takes half as long.
#include <adolc/adolc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "bench/comparison/peers/peer_state.h"

// Where evaluate_expression finds them. fmax is no faster, and takes other derivatives where its operands are equal.
static adouble relu(const adouble& x) {
  adouble y = 0.0;
  condassign(y, x, x);
  return y;
}
static adouble max(const adouble& x, const adouble& y) {
  adouble z = x;
  condassign(z, y - x, y);
  return z;
}

namespace {

using tapeloom::bench::peers::expression_of;

/// A trace of a number that depends on others, under a number of its own.
class Trace {
 public:
  /// `record` computes the dependent of adoubles that are the independents. `operations` is how many at most, about.
  template <class F>
  Trace(std::size_t independents, const double* start, std::size_t operations, F record)
      : values_(start, start + independents), gradients_(independents) {
    const auto begin = std::chrono::steady_clock::now();
    // Changing the type of its store, to and fro, makes it a new one. In one that was used before, variables may lie
    // anywhere, and a replay goes through all of it.
    setStoreManagerType(ADOLC_LOCATION_SINGLETONS);
    setStoreManagerType(ADOLC_LOCATION_BLOCKS);
    // An operation has three places and a result at most. Memory that is not needed is never touched.
    const std::size_t buffer = operations + 2 * independents + 10000;
    if (4 * buffer > 0xffffffffU) throw std::length_error("ADOL-C: too much to trace");
    const auto n = static_cast<unsigned>(buffer);
    trace_on(tag_, 0, n, 4 * n, n, n);
    {
      std::vector<adouble> x(independents);
      for (std::size_t i = 0; i < independents; ++i) x[i] <<= start[i];
      adouble y = record(x);
      double value = 0.0;
      y >>= value;
    }
    trace_off();
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace() {
    removeTape(tag_, ADOLC_REMOVE_COMPLETELY);
    free_tags().push_back(tag_);
  }

  double seconds() const { return seconds_; }
  std::vector<double>& values() { return values_; }
  const std::vector<double>& gradients() const { return gradients_; }

  double replay() {
    double y = 0.0;
    double one = 1.0;
    const int n = static_cast<int>(values_.size());
    if (zos_forward(tag_, 1, n, 1, values_.data(), &y) < 0 || fos_reverse(tag_, 1, n, &one, gradients_.data()) < 0) {
      throw std::runtime_error("ADOL-C: a branch of the trace goes another way");
    }
    return y;
  }

 private:
  static std::vector<short>& free_tags() {
    static std::vector<short> tags;
    return tags;
  }
  static short next_tag() {
    static short last = 0;
    if (free_tags().empty()) return ++last;
    const short tag = free_tags().back();
    free_tags().pop_back();
    return tag;
  }

  short tag_ = next_tag();
  std::vector<double> values_, gradients_;
  double seconds_ = 0.0;
};

class AdolcNet {
 public:
  AdolcNet(const tapeloom_bench_net& net, bool)
      : trace_(parameter_count(net), net.parameters, operations(net),
               [&net](const std::vector<adouble>& p) { return loss(net, p); }) {}

  double trace_seconds() const { return trace_.seconds(); }

  double step(double rate) {
    const double loss = trace_.replay();
    for (std::size_t i = 0; i < trace_.values().size(); ++i) trace_.values()[i] -= rate * trace_.gradients()[i];
    return loss;
  }
  void read_parameters(double* numbers) { std::copy(trace_.values().begin(), trace_.values().end(), numbers); }

 private:
  static std::size_t parameter_count(const tapeloom_bench_net& net) {
    std::size_t count = 0, fan_in = net.inputs;
    for (std::size_t i = 0; i < net.layers; ++i) {
      count += net.widths[i] * (fan_in + 1);
      fan_in = net.widths[i];
    }
    return count;
  }
  /// One for each weight, and for each neuron and input some more.
  static std::size_t operations(const tapeloom_bench_net& net) {
    std::size_t units = net.inputs;
    for (std::size_t i = 0; i < net.layers; ++i) units += net.widths[i];
    return net.samples * (parameter_count(net) + 16 * units) + 4 * parameter_count(net);
  }

  static adouble loss(const tapeloom_bench_net& net, const std::vector<adouble>& p) {
    adouble total = 0.0;
    for (std::size_t i = 0; i < net.samples; ++i) {
      const double* row = net.x + i * net.inputs;
      total += sample_loss(net, outputs(net, p, std::vector<adouble>(row, row + net.inputs)), net.y + i * net.targets);
    }
    total /= static_cast<double>(net.samples);
    if (net.l2 > 0.0) {
      adouble squares = 0.0;
      for (const adouble& number : p) squares += number * number;
      total += net.l2 * squares;
    }
    return total;
  }

  static std::vector<adouble> outputs(const tapeloom_bench_net& net, const std::vector<adouble>& p,
                                      std::vector<adouble> h) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < net.layers; ++i) {
      std::vector<adouble> units(net.widths[i]);
      const tapeloom_bench_activation activation = i + 1 < net.layers ? net.hidden : net.last;
      for (adouble& unit : units) {
        unit = p[next + h.size()];
        for (const adouble& number : h) unit += p[next++] * number;
        ++next;
        if (activation == tapeloom_bench_tanh) unit = tanh(unit);
        if (activation == tapeloom_bench_relu) unit = relu(unit);
      }
      h = std::move(units);
    }
    return h;
  }

  static adouble sample_loss(const tapeloom_bench_net& net, const std::vector<adouble>& h, const double* target) {
    adouble total = 0.0;
    switch (net.loss) {
      case tapeloom_bench_squared:
        for (std::size_t k = 0; k < h.size(); ++k) {
          const adouble error = h[k] - target[k];
          total += error * error;
        }
        break;
      case tapeloom_bench_hinge:
        total = relu(1.0 - target[0] * h[0]);
        break;
      case tapeloom_bench_cross_entropy: {
        adouble largest = h[0];
        for (const adouble& output : h) largest = max(largest, output);
        for (const adouble& output : h) total += exp(output - largest);
        total = log(total) - (h[static_cast<std::size_t>(target[0])] - largest);
        break;
      }
      case tapeloom_bench_equation:
        throw std::invalid_argument("ADOL-C: no loss with derivatives in it is written for it");
    }
    return total;
  }

  Trace trace_;
};

class AdolcExpression {
 public:
  AdolcExpression(const tapeloom_bench_expression& e, bool)
      : trace_(e.parameters, e.start, e.samples * (2 * e.inputs + 4 * e.operations), [&e](const auto& parameters) {
          const tapeloom::bench::ScalarExpression expression = expression_of(e);
          adouble total = 0.0;
          for (std::size_t i = 0; i < e.samples; ++i) {
            const double* row = e.rows + i * e.inputs;
            std::vector<adouble> numbers(row, row + e.inputs);
            numbers.insert(numbers.end(), parameters.begin(), parameters.end());
            total += evaluate_expression(expression, std::move(numbers));
          }
          return adouble(total / static_cast<double>(e.samples));
        }) {}

  double trace_seconds() const { return trace_.seconds(); }

  double evaluate(const double* parameters, double* gradients) {
    if (parameters != nullptr) std::copy_n(parameters, trace_.values().size(), trace_.values().begin());
    const double value = trace_.replay();
    if (gradients != nullptr) std::copy(trace_.gradients().begin(), trace_.gradients().end(), gradients);
    return value;
  }

 private:
  Trace trace_;
};

}  // namespace

tapeloom_bench_peer_state tapeloom_bench_make_net(const tapeloom_bench_net* net, bool in_float) {
  return tapeloom::bench::peers::make_net<AdolcNet>(net, in_float);
}

tapeloom_bench_peer_state tapeloom_bench_make_expression(const tapeloom_bench_expression* expression, bool in_float) {
  return tapeloom::bench::peers::make_expression<AdolcExpression>(expression, in_float);
}

const char* tapeloom_bench_peer_version() { return TAPELOOM_BENCH_ADOLC_VERSION; }

const char* tapeloom_bench_peer_error() { return tapeloom::bench::peers::last_error().c_str(); }
