#include "tapeloom/core/record/gradients.h"

#include <cstddef>
#include <utility>

#include "tapeloom/core/ops/ops.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

enum class Constants { skipped, included };

/// Calls f(operand, amount) for what a node, whose adjoint that is, contributes to those of its operands.
template <Constants constants = Constants::skipped, class F>
void each_contribution(const Tape& tape, NodeId node, double adjoint, F&& f) {
  if (adjoint == 0.0) return;
  const Operands operands = tape.operands(node);
  ops::visit(
      tape.op(node),
      [&]<class Of>() {
        const auto reverse = [&]<std::size_t... k>(std::index_sequence<k...>) {
          return Of::reverse(tape.data(operands.node[k])..., tape.data(node), adjoint);
        };
        const auto amounts = reverse(std::make_index_sequence<Of::arity>());
        for (std::size_t k = 0; k < Of::arity; ++k) {
          const bool differentiable = (Of::differentiable >> k & 1) != 0;
          const bool wanted = constants == Constants::included || tape.op(operands.node[k]) != Op::constant;
          if (differentiable && wanted) f(operands.node[k], amounts[k]);
        }
      },
      [&] {  // a leaf, or a reduction, eagerly over a batch of one
        if (op_kind(tape.op(node)) == OpKind::reduction) f(operands.node[0], adjoint);
      });
}

}  // namespace

void Gradients::make_room(std::size_t capacity) {
  if (capacity > sums_.capacity()) sums_.set_capacity(capacity);
  const std::size_t words = (capacity + 63) / 64;
  if (set_.size() < words) set_.resize(words);
}

void Gradients::add_in_room(std::uint32_t node, double gradient) {
  if (is_set(node)) {
    sums_[node] += gradient;
    return;
  }
  list_.push_back(node);
  set_[node / 64] |= std::uint64_t{1} << (node % 64);
  sums_[node] = gradient;
}

void Gradients::set(NodeId node, double gradient, std::size_t capacity) {
  add(node, 0.0, capacity);
  sums_[node.index] = gradient;
}

void Gradients::add(NodeId node, double gradient, std::size_t capacity) {
  make_room(capacity);
  add_in_room(node.index, gradient);
}

void Gradients::drop_from(std::uint32_t first) {
  std::size_t kept = 0;
  for (const std::uint32_t node : list_) {
    if (node < first) {
      list_[kept++] = node;
    } else {
      set_[node / 64] &= ~(std::uint64_t{1} << (node % 64));
    }
  }
  list_.resize(kept);
}

/// From the last node to the first: when it comes to a node, all that use it have contributed to its adjoint.
void Gradients::sweep(const Tape& tape, NodeId root, double seed, std::size_t capacity) {
  make_room(capacity);
  if (capacity > adjoints_.capacity()) adjoints_.set_capacity(capacity);
  ahead_.clear();  // an earlier sweep may have run out of memory
  ahead_.make_room(capacity);
  const auto contribute = [&](NodeId node, double amount) {
    double& adjoint = adjoints_[node.index];
    adjoint = ahead_.add(node.index) ? amount : adjoint + amount;
  };
  contribute(root, seed);
  while (!ahead_.empty()) {
    const NodeId node{std::size_t{ahead_.take_largest()}};
    const double adjoint = adjoints_[node.index];
    add_in_room(node.index, adjoint);
    each_contribution(tape, node, adjoint, contribute);
  }
}

void Gradients::micrograd_sweep(const Tape& tape, NodeId root, std::size_t capacity) {
  set(root, 1.0, capacity);
  ahead_.clear();  // an earlier sweep may have run out of memory
  ahead_.make_room(capacity);
  ahead_.add(root.index);
  while (!ahead_.empty()) {
    const NodeId node{std::size_t{ahead_.take_largest()}};
    for (NodeId operand : tape.operands(node)) ahead_.add(operand.index);
    each_contribution<Constants::included>(tape, node, (*this)[node],
                                           [&](NodeId operand, double amount) { add_in_room(operand.index, amount); });
  }
}

void Gradients::move(std::span<const std::uint32_t> places) {
  list_.clear();
  const std::size_t words = std::min(set_.size(), (places.size() + 63) / 64);
  for (std::size_t word = 0; word < words; ++word) {
    std::uint64_t left = std::exchange(set_[word], 0);
    for (; left != 0; left &= left - 1) {
      const std::size_t node = word * 64 + static_cast<std::size_t>(std::countr_zero(left));
      if (places[node] == Compaction::dropped) continue;
      if (is_set(places[node])) continue;  // of equal nodes, the first one's
      add_in_room(places[node], sums_[node]);
    }
  }
}

double Tape::grad(NodeId node) const { return (*gradients_)[node]; }
void Tape::set_grad(NodeId node, double grad) { gradients_->set(node, grad, capacity_); }
void Tape::add_grad(NodeId node, double grad) { gradients_->add(node, grad, capacity_); }
void Tape::zero_grad() { gradients_->clear(); }

void Tape::micrograd_backward(NodeId root) { gradients_->micrograd_sweep(*this, root, capacity_); }

void Tape::micrograd_backward_step(NodeId node) {
  each_contribution<Constants::included>(*this, node, grad(node),
                                         [&](NodeId operand, double amount) { add_grad(operand, amount); });
}

void Value::backward(double seed) const {
  const NodeId root = id();
  tape_->gradients_->sweep(*tape_, root, seed, tape_->capacity_);
}

void Value::backward_step() const {
  each_contribution(*tape_, id(), grad(), [&](NodeId operand, double amount) { tape_->add_grad(operand, amount); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI
