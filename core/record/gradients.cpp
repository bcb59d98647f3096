#include "tapeloom/core/record/gradients.h"

#include <algorithm>
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

void Gradients::make_room(const Tape& tape) {
  const std::size_t capacity = tape.capacity();
  if (capacity > sums_.capacity()) sums_.set_capacity(capacity);
  set_.make_room(capacity);
  const auto size = static_cast<std::uint32_t>(tape.size());
  if (begun_ >= size) return;
  std::fill(sums_.data() + begun_, sums_.data() + size, -0.0);
  begun_ = size;
}

void Gradients::set(const Tape& tape, NodeId node, double gradient) {
  make_room(tape);
  set_.add(node.index);
  sums_[node.index] = gradient;
}

void Gradients::add(const Tape& tape, NodeId node, double gradient) {
  make_room(tape);
  set_.add(node.index);
  sums_[node.index] += gradient;
}

void Gradients::drop_from(std::uint32_t first) {
  set_.take_words(first, [&](std::uint32_t at, std::uint64_t bits) {
    for (; bits != 0; bits &= bits - 1)
      sums_[std::size_t{at} * 64 + static_cast<std::size_t>(std::countr_zero(bits))] = -0.0;
  });
}

IndexSet& Gradients::nodes_ahead(const Tape& tape) {
  ahead_.clear();  // an earlier sweep may have run out of memory
  ahead_.make_room(tape.capacity());
  return ahead_;
}

/// From the last node to the first: when it comes to a node, all that use it have contributed to its adjoint.
void Gradients::sweep(const Tape& tape, NodeId root, double seed) {
  make_room(tape);
  const std::size_t capacity = tape.capacity();
  if (capacity > adjoints_.capacity()) adjoints_.set_capacity(capacity);
  nodes_ahead(tape).add(root.index);
  adjoints_[root.index] = seed;
  ahead_.take_all(
      [&](std::uint32_t node, auto&& add_ahead) {
        const double adjoint = adjoints_[node];
        sums_[node] += adjoint;
        each_contribution(tape, NodeId(std::size_t{node}), adjoint, [&](NodeId operand, double amount) {
          double& sum = adjoints_[operand.index];
          sum = add_ahead(operand.index) ? amount : sum + amount;
        });
      },
      [&](std::uint32_t at, std::uint64_t bits) { set_.add_word(at, bits); });
}

void Gradients::micrograd_sweep(const Tape& tape, NodeId root) {
  set(tape, root, 1.0);
  nodes_ahead(tape).add(root.index);
  ahead_.take_all(
      [&](std::uint32_t number, auto&& add_ahead) {
        const NodeId node{std::size_t{number}};
        const double gradient = sums_[number];
        if (gradient == 0.0) {  // what is behind it may have a gradient from before
          sums_[number] = 0.0;  // and not -0
          for (NodeId operand : tape.operands(node)) add_ahead(operand.index);
          return;
        }
        each_contribution<Constants::included>(tape, node, gradient, [&](NodeId operand, double amount) {
          add_ahead(operand.index);
          sums_[operand.index] += amount;
        });
      },
      [&](std::uint32_t at, std::uint64_t bits) { set_.add_word(at, bits); });
}

void Gradients::move(std::span<const std::uint32_t> places) {
  IndexSet moved;
  moved.make_room(places.size());
  std::uint32_t begun = 0;
  each_run(places.first(std::min<std::size_t>(places.size(), begun_)),
           [&](std::uint32_t from, std::uint32_t to, std::uint32_t count) {
             std::copy_n(sums_.data() + from, count, sums_.data() + to);
             begun = to + count;
             while (count > 0) {
               const std::uint32_t shift = to % 64, taken = std::min(64 - shift, count);
               const std::uint64_t bits = set_.word_from(from) & (~std::uint64_t{0} >> (64 - taken));
               if (bits != 0) moved.add_word(to / 64, bits << shift);
               from += taken;
               to += taken;
               count -= taken;
             }
           });
  begun_ = begun;
  set_ = std::move(moved);
}

double Tape::grad(NodeId node) const { return (*gradients_)[node]; }
void Tape::set_grad(NodeId node, double grad) { gradients_->set(*this, node, grad); }
void Tape::add_grad(NodeId node, double grad) { gradients_->add(*this, node, grad); }
void Tape::zero_grad() { gradients_->clear(); }

void Tape::micrograd_backward(NodeId root) { gradients_->micrograd_sweep(*this, root); }

void Tape::micrograd_backward_step(NodeId node) {
  each_contribution<Constants::included>(*this, node, grad(node),
                                         [&](NodeId operand, double amount) { add_grad(operand, amount); });
}

void Value::backward(double seed) const {
  const NodeId root = id();
  tape_->gradients_->sweep(*tape_, root, seed);
}

void Value::backward_step() const {
  each_contribution(*tape_, id(), grad(), [&](NodeId operand, double amount) { tape_->add_grad(operand, amount); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI
