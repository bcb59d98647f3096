// Random nets: data, one piece after another, a loss and what is read.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "random_pieces.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::test {

/// A recording with everything that a check needs. Its tape stays where it is.
struct Net {
  Tape tape;
  Problem problem{};
  std::string story;  ///< what it is made of, for messages
};

/// Records one net.
class NetWriter : PieceWriter {
 public:
  NetWriter(Random& random, Net& net) : PieceWriter(random, net.tape), net_(net) {}

  void write() {
    net_.problem.tape = &tape_;
    small_ = chance(random_, 0.4);
    batched_ = chance(random_, 0.6);
    for (std::size_t i = below(random_, 3); i-- > 0;) uniforms_.push_back(tape_.uniform_input(number(0.5, 2.0)));
    batched_ ? write_batched() : write_recorded();
    add_penalties();
    if (chance(random_, 0.1)) loss_ = log(square(loss_) + 1.5);
    if (chance(random_, 0.05)) loss_ = loss_ + uniform();
    loss_ = loss_.on(tape_);
    freeze();
    choose_outputs();
    net_.problem.loss = loss_;
    net_.story = story_;
  }

 private:
  // --- data
  // -----------------------------------------------------------------------------------------------------------

  void write_batched() {
    Values x, targets;
    for (std::size_t group = 1 + below(random_, 2); group-- > 0;) {
      const Values more = tape_.inputs("x" + std::to_string(group), width());
      x.insert(x.end(), more.begin(), more.end());
    }
    targets = tape_.inputs("t", width());
    Value weight = chance(random_, 0.3) ? tape_.input(0.5, "weight") : Value(1.0);
    tell("batched, " + std::to_string(x.size()) + " inputs");
    make_pieces(x.size(), targets.size());
    const Values out = forward(x);
    maybe_guard(out);
    Value each = loss_of(out, targets, weight);
    if (!each.varying()) {
      loss_ = each + batch_mean(x[0] * 0.1);
    } else if (!weight.is_plain() && chance(random_, 0.5)) {
      loss_ = batch_sum(each) / (batch_sum(weight * weight) + 1.0);
    } else {
      loss_ = chance(random_, 0.7) ? batch_mean(each) : batch_sum(each) * 0.01;
    }
    const std::size_t most = 1 + 100000 / (tape_.size() + 1);
    const std::size_t limit = chance(random_, 0.1) ? 1500 : chance(random_, 0.4) ? 200 : 20;
    const std::size_t samples = 1 + below(random_, limit);
    net_.problem.samples = std::min(samples, most);
    net_.problem.rows.resize(net_.problem.samples * tape_.input_nodes().size());
    for (double& entry : net_.problem.rows) entry = number(-1.5, 1.5);
    if (chance(random_, 0.1)) std::fill_n(net_.problem.rows.begin(), tape_.input_nodes().size(), 0.0);
  }

  /// The notebooks' way: no inputs, every sample recorded, with its data as constants.
  void write_recorded() {
    const std::size_t features = small_ ? 1 + below(random_, 3) : width(),
                      samples = 1 + below(random_, small_ ? 5 : 12);
    tell(std::to_string(samples) + " recorded samples of " + std::to_string(features));
    const std::size_t targets = 1 + below(random_, 3);
    make_pieces(features, targets);
    const bool shared = chance(random_, 0.3), odd = chance(random_, 0.5), running = chance(random_, 0.5);
    Values row, losses;
    const Value one = shared ? tape_.constant(1.0) : Value(1.0);
    for (std::size_t s = 0; s < samples; ++s) {
      if (s == 0 || !chance(random_, odd ? 0.2 : 0.0)) {
        row.clear();
        for (std::size_t i = 0; i < features; ++i) {
          const double other[] = {0.0, 1.0, -1.0, 2.0};
          row.push_back(odd && chance(random_, 0.5) ? any(other) : number(-1.5, 1.5));
          if (chance(random_, 0.1)) row.back() = one;
          if (chance(random_, shared ? 0.8 : 0.1)) row.back() = row.back().on(tape_);
        }
      }
      Values expected;
      for (std::size_t i = 0; i < targets; ++i) expected.push_back(chance(random_, 0.5) ? 1.0 : -1.0);
      losses.push_back(loss_of(forward(row), expected, 1.0));
    }
    if (running) {
      for (Value l : losses) loss_ = loss_ + l;
      if (chance(random_, 0.5)) loss_ = loss_ / static_cast<double>(samples);
    } else {
      loss_ = chance(random_, 0.5) ? sum(losses) : mean(losses);
    }
  }

  Values forward(const Values& x) {
    Flow flow{x, {}};
    for (const Piece& piece : pieces_) {
      flow.before.push_back(flow.now);
      piece(flow);
    }
    middle_.insert(middle_.end(), flow.before.begin(), flow.before.end());
    middle_.push_back(flow.now);
    return flow.now;
  }

  // --- losses
  // ---------------------------------------------------------------------------------------------------------

  Value loss_of(Values out, Values targets, Value weight) {
    const std::size_t n = std::min(out.size(), targets.size());
    out.resize(n), targets.resize(n);
    if (loss_kind_ == 0) loss_kind_ = 1 + below(random_, 8), tell("loss " + std::to_string(loss_kind_));
    const Value w = weight.is_plain() ? weight : square(weight) + 0.1;
    Value total = 0.0;
    switch (loss_kind_) {
      case 1:
        return w * squared_error_sum(out, targets);
      case 2:
        for (std::size_t i = 0; i < n; ++i) total += hinge(out[i], targets[i], w);
        return total;
      case 3:
        for (std::size_t i = 0; i < n; ++i) total += binary_cross_entropy(out[i], targets[i], w);
        return total / static_cast<double>(n);
      case 4:
        return softmax_cross_entropy(out, targets, w);
      case 5:
        for (std::size_t i = 0; i < n; ++i) total += w * abs(out[i] - targets[i]);
        return total;
      case 6:
        for (std::size_t i = 0; i < n; ++i) total += pow(out[i] + targets[i] * -1.0, 2.0);
        return total * w;
      case 7:
        return sum(out) * w * 0.1;
      default:
        return squared_error(out[0], targets[0], w) + 0.3 * squared_error_sum(out, targets);
    }
  }

  void add_penalties() {
    if (parameters_.empty() || !chance(random_, 0.5)) return;
    tell("penalty");
    Values some = parameters_;
    if (chance(random_, 0.5)) some.resize(1 + below(random_, some.size()));
    const std::size_t way = below(random_, 4);
    Value penalty = 0.0;
    for (Value p : some) {
      penalty += way == 0 ? p * p : way == 1 ? square(p) : way == 2 ? pow(p, 2.0) : abs(p);
    }
    loss_ = loss_ + 0.01 * penalty;
  }

  // --- what is read
  // ---------------------------------------------------------------------------------------------------

  void maybe_guard(const Values& out) {
    if (!chance(random_, 0.1)) return;
    tell("guard");
    const double limit = chance(random_, 0.8) ? -1e6 : 0.0;
    if (out[0].is_plain()) return;
    static_cast<void>(bool(out[0] > limit));
  }

  void freeze() {
    if (!chance(random_, 0.3)) return;
    tell("frozen");
    for (Value p : parameters_) {
      if (chance(random_, 0.4)) tape_.set_frozen(p);
    }
  }

  void choose_outputs() {
    for (std::size_t i = below(random_, 6); i-- > 0;) {
      const Values& from = chance(random_, 0.2) && !parameters_.empty() ? parameters_ : any(middle_);
      if (!from.empty()) net_.problem.outputs.push_back(any(from).on(tape_));
    }
    if (chance(random_, 0.5)) {
      for (Value x : any(middle_)) net_.problem.outputs.push_back(x.on(tape_));
    }
  }

  Net& net_;
  bool batched_ = false;
  std::vector<Values> middle_;
  std::size_t loss_kind_ = 0;
  Value loss_ = 0.0;
};

}  // namespace tapeloom::test
