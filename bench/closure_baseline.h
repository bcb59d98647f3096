// The naive design, for comparison: the notebooks' micrograd put faithfully into C++, with the standard library alone.
//
//   - Every number is a node object of its own, shared by whoever uses it.
//   - Every operation stores a closure in its result that adds to the gradients of its operands.
//   - backward() sorts the graph topologically, by recursion over a set of visited nodes, and calls the closures from
//     the root on.
//   - The graph is built again for every sample of every step.
//   - Subtraction, negation and division are written with +, * and pow, and tanh is (exp(2x) - 1) / (exp(2x) + 1),
//     node for node as the notebooks have them.
//
// The recursion is as deep as the graph, both in backward() and where a graph is destroyed: a property of the design,
// kept on purpose. A chain of some hundred thousand operations overflows the usual 8 MiB stack.
//
// One thing differs. The notebooks keep a node's operands in a set, which orders them by address; here they are kept in
// the order written (an operand used twice once), so that sums of gradients come out the same in every run.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace closure {

/// One number of the graph.
struct Node {
  double data = 0.0;
  double grad = 0.0;
  std::function<void()> backward = [] {};
  std::vector<std::shared_ptr<Node>> previous;  ///< the operands
  const char* op = "";                          ///< empty for a leaf
  std::string label;
};

/// A handle on a shared node. Copies mean the same number.
class Value {
 public:
  Value(double data = 0.0, std::string label = {}) : node_(std::make_shared<Node>()) {  // NOLINT: 2 * x should work
    node_->data = data;
    node_->label = std::move(label);
  }

  double data() const { return node_->data; }
  double grad() const { return node_->grad; }
  void set_data(double data) const { node_->data = data; }
  void set_grad(double grad) const { node_->grad = grad; }
  Node& node() const { return *node_; }

  /// Adds d(this)/d(node) to the gradient of every node this one was computed from, after setting its own to 1.
  void backward() const {
    std::vector<Node*> order;
    std::unordered_set<const Node*> visited;
    sort(node_.get(), visited, order);
    node_->grad = 1.0;
    for (auto node = order.rbegin(); node != order.rend(); ++node) (*node)->backward();
  }

  friend Value operator+(const Value& a, const Value& b) {
    return binary(a, b, a.data() + b.data(), "+", [](Node& x, Node& y, const Node& out) {
      x.grad += 1.0 * out.grad;
      y.grad += 1.0 * out.grad;
    });
  }

  friend Value operator*(const Value& a, const Value& b) {
    return binary(a, b, a.data() * b.data(), "*", [](Node& x, Node& y, const Node& out) {
      x.grad += y.data * out.grad;
      y.grad += x.data * out.grad;
    });
  }

  /// The exponent is a plain number, without a gradient.
  friend Value pow(const Value& a, double exponent) {
    return unary(a, std::pow(a.data(), exponent), "pow", [exponent](Node& x, const Node& out) {
      x.grad += exponent * std::pow(x.data, exponent - 1.0) * out.grad;
    });
  }

  friend Value operator-(const Value& a) { return a * -1.0; }
  friend Value operator-(const Value& a, const Value& b) { return a + (-b); }
  friend Value operator/(const Value& a, const Value& b) { return a * pow(b, -1.0); }

  friend Value exp(const Value& a) {
    return unary(a, std::exp(a.data()), "exp", [](Node& x, const Node& out) { x.grad += out.data * out.grad; });
  }

  friend Value log(const Value& a) {
    return unary(a, std::log(a.data()), "log", [](Node& x, const Node& out) { x.grad += out.grad / x.data; });
  }

  /// Not a number where exp(2x) overflows, beyond x = 354.
  friend Value tanh(const Value& a) {
    const double x = a.data();
    const double t = (std::exp(2.0 * x) - 1.0) / (std::exp(2.0 * x) + 1.0);
    return unary(a, t, "tanh", [t](Node& operand, const Node& out) { operand.grad += (1.0 - t * t) * out.grad; });
  }

  friend Value relu(const Value& a) {
    return unary(a, a.data() < 0.0 ? 0.0 : a.data(), "relu",
                 [](Node& x, const Node& out) { x.grad += (out.data > 0.0 ? 1.0 : 0.0) * out.grad; });
  }

 private:
  // The closures hold plain pointers: to the operands, which `previous` keeps alive, and to the node that owns them.
  // A shared pointer to the owner would be a cycle, and nothing would ever be freed.

  template <class F>
  static Value unary(const Value& a, double data, const char* op, F rule) {
    Value out(data);
    out.node_->op = op;
    out.node_->previous.push_back(a.node_);
    out.node_->backward = [rule, x = a.node_.get(), self = out.node_.get()] { rule(*x, *self); };
    return out;
  }

  template <class F>
  static Value binary(const Value& a, const Value& b, double data, const char* op, F rule) {
    Value out(data);
    out.node_->op = op;
    out.node_->previous.reserve(2);
    out.node_->previous.push_back(a.node_);
    if (b.node_ != a.node_) out.node_->previous.push_back(b.node_);
    out.node_->backward = [rule, x = a.node_.get(), y = b.node_.get(), self = out.node_.get()] { rule(*x, *y, *self); };
    return out;
  }

  static void sort(Node* node, std::unordered_set<const Node*>& visited, std::vector<Node*>& order) {
    if (!visited.insert(node).second) return;
    for (const std::shared_ptr<Node>& operand : node->previous) sort(operand.get(), visited, order);
    order.push_back(node);
  }

  std::shared_ptr<Node> node_;
};

/// What is applied to a neuron's weighted sum.
enum class Activation { linear, tanh, relu };

inline Value activate(Activation activation, const Value& x) {
  switch (activation) {
    case Activation::tanh:
      return tanh(x);
    case Activation::relu:
      return relu(x);
    case Activation::linear:
      break;
  }
  return x;
}

/// Where initial weights and biases come from, one call each, weights before the bias.
using Generator = std::function<double()>;

class Neuron {
 public:
  Neuron(std::size_t inputs, Activation activation, const Generator& generator) : activation_(activation) {
    for (std::size_t i = 0; i < inputs; ++i) weights_.emplace_back(generator());
    bias_ = Value(generator());
  }

  /// activation(bias + w[0] x[0] + w[1] x[1] + ...), summed in this order.
  Value operator()(const std::vector<Value>& x) const {
    Value sum = bias_;
    for (std::size_t i = 0; i < weights_.size(); ++i) sum = sum + weights_[i] * x[i];
    return activate(activation_, sum);
  }

  /// The weights, then the bias.
  std::vector<Value> parameters() const {
    std::vector<Value> all = weights_;
    all.push_back(bias_);
    return all;
  }

 private:
  std::vector<Value> weights_;
  Value bias_;
  Activation activation_;
};

class Layer {
 public:
  Layer(std::size_t inputs, std::size_t outputs, Activation activation, const Generator& generator) {
    for (std::size_t i = 0; i < outputs; ++i) neurons_.emplace_back(inputs, activation, generator);
  }

  std::vector<Value> operator()(const std::vector<Value>& x) const {
    std::vector<Value> outputs;
    for (const Neuron& neuron : neurons_) outputs.push_back(neuron(x));
    return outputs;
  }

  std::vector<Value> parameters() const {
    std::vector<Value> all;
    for (const Neuron& neuron : neurons_) {
      for (const Value& parameter : neuron.parameters()) all.push_back(parameter);
    }
    return all;
  }

 private:
  std::vector<Neuron> neurons_;
};

class Mlp {
 public:
  /// `widths` are the numbers of neurons of the layers; `last` is the activation of the last one.
  Mlp(std::size_t inputs, const std::vector<std::size_t>& widths, Activation activation, Activation last,
      const Generator& generator) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      layers_.emplace_back(inputs, widths[i], i + 1 == widths.size() ? last : activation, generator);
      inputs = widths[i];
    }
  }

  /// A row of plain numbers becomes a fresh leaf each, which the neurons share, as in micrograd's own demo; the
  /// notebooks make one for every product, which costs more.
  std::vector<Value> operator()(const std::vector<double>& row) const {
    std::vector<Value> x(row.begin(), row.end());
    for (const Layer& layer : layers_) x = layer(x);
    return x;
  }

  std::vector<Value> parameters() const {
    std::vector<Value> all;
    for (const Layer& layer : layers_) {
      for (const Value& parameter : layer.parameters()) all.push_back(parameter);
    }
    return all;
  }

 private:
  std::vector<Layer> layers_;
};

}  // namespace closure
