// Runs a script with numbers of any kind: Values that record, or the oracle's. C++'s own control flow and algorithms
// decide by the numbers' comparisons, as they would in a user's program.
//
// A Host makes the numbers:
//
//   void enter(statement, sample)        what follows belongs to that statement
//   Number leaf(statement, sample)       a parameter, uniform input, input or constant
//   Number apply(op, operands)           an op of the table
//   Number list(statement, operands)     a sum, mean or product of lists
//   Number loss(statement, operands, s)  a loss
//   Number derivative(statement, operands) one of the kinds of derivatives
//   Number batch(statement, samples)     a reduction over all samples, or of the one that stands for them
//   bool decide(op, a, b)                a comparison that decides; also behind a < b
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "fuzz/script.h"

namespace tapeloom::test::fuzz {

template <class Number, class Host>
class Interpreter {
 public:
  /// each_sample: every sample is computed; otherwise one stands for all.
  Interpreter(const Script& script, Host& host, bool each_sample)
      : script_(script), host_(host), inside_(script.inside()), samples_(each_sample ? script.samples : 1) {
    values_.resize(script.statements.size());
    for (std::size_t begin = 0; begin < script.statements.size();) {
      std::size_t end = begin;
      while (end < script.statements.size() && script.statements[end].kind != Kind::batch) ++end;
      if (each_sample) {
        run_part(begin, end);
      } else {
        for (std::size_t i = begin; i < end; ++i) values_[i] = {run(i, 0)};
      }
      if (end < script.statements.size()) {
        host_.enter(end, 0);
        values_[end] = {host_.batch(script.statements[end], values_[script.statements[end].x[0]])};
        ++end;
      }
      begin = end;
    }
  }

  /// Of a statement: one number, or one for each sample.
  const std::vector<Number>& operator[](std::size_t statement) const { return values_[statement]; }

 private:
  /// What all samples share, then one sample after another.
  void run_part(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (!inside_[i]) values_[i] = {run(i, 0)};
    }
    for (std::size_t s = 0; s < samples_; ++s) {
      for (std::size_t i = begin; i < end; ++i) {
        if (inside_[i]) values_[i].push_back(run(i, s));
      }
    }
  }

  const Number& value(std::uint32_t statement, std::size_t sample) const {
    const std::vector<Number>& list = values_[statement];
    return list[list.size() > sample ? sample : 0];
  }

  Number run(std::size_t statement, std::size_t sample) {
    const Statement& s = script_.statements[statement];
    host_.enter(statement, sample);
    std::vector<Number> x;
    for (std::uint32_t operand : s.x) x.push_back(value(operand, sample));
    switch (s.kind) {
      case Kind::parameter:
      case Kind::uniform_input:
      case Kind::input:
      case Kind::constant:
      case Kind::number:
        return host_.leaf(statement, sample);
      case Kind::apply:
        return host_.apply(s.op, x);
      case Kind::sum:
      case Kind::mean:
      case Kind::dot:
        return host_.list(s, x);
      case Kind::guard: {
        static_cast<void>(host_.decide(x[0]));
        return x[0];
      }
      case Kind::branch: {
        Number v = x[3];
        if (host_.decide(s.op, x[0], x[1])) v = x[2];
        return v;
      }
      case Kind::std_max:
        return std::max(x[0], x[1]);
      case Kind::std_min:
        return std::min(x[0], x[1]);
      case Kind::std_clamp:
        return std::min(std::max(x[0], x[1]), x[2]);
      case Kind::std_sort: {
        std::sort(x.begin(), x.end());
        return x[s.k];
      }
      case Kind::halving: {
        Number v = x[0];
        for (int i = 0; i < 3 && host_.decide(Op::greater, v, x[1]); ++i) v = host_.halved(v);
        return v;
      }
      case Kind::gradient:
      case Kind::derivative:
      case Kind::hessian_vector:
        return host_.derivative(s, x);
      case Kind::squared_error:
      case Kind::hinge:
      case Kind::binary_cross_entropy:
      case Kind::softmax_targets:
      case Kind::softmax_class:
      case Kind::softmax_label:
        return host_.loss(s, x, sample);
      case Kind::batch:
        break;
    }
    return x.at(0);
  }

  const Script& script_;
  Host& host_;
  std::vector<bool> inside_;
  std::size_t samples_;
  std::vector<std::vector<Number>> values_;
};

}  // namespace tapeloom::test::fuzz
