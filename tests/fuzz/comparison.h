// Compares what a run gives with what the oracle expects.
#pragma once

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "compare.h"
#include "fuzz/check.h"
#include "fuzz/oracle.h"

namespace tapeloom::test::fuzz {

/// All numbers of a run, or the sample that was refused.
struct Outcome {
  std::vector<double> loss, gradients, outputs, input_gradients;
  std::optional<std::size_t> refused;
  std::string refusal;  ///< in words, with the guard
};

/// Compares numbers with what is expected, and keeps the first that is wrong.
class Comparison {
 public:
  Comparison(std::string stage, const Arithmetic& arithmetic, Statistics& statistics)
      : stage_(std::move(stage)), arithmetic_(arithmetic), statistics_(statistics) {}

  void number(const std::string& name, double computed, const Bounded& expected) {
    const long double bound = expected.error(arithmetic_), at = expected.value;
    ++statistics_.numbers;
    if (!expected.known()) return void(++statistics_.unknown);
    if (std::isnan(at) ? std::isnan(computed) : at == computed) return;
    if (std::isfinite(at) && std::isfinite(computed)) {
      const double ratio = static_cast<double>(std::fabs(computed - at) / bound);
      if (ratio <= 1.0) {
        statistics_.largest_ratio = std::fmax(statistics_.largest_ratio, ratio);
        return;
      }
    }
    fail(name + " is " + text(computed) + ", right is " + text(static_cast<double>(at)) + " (to " +
         text(static_cast<double>(bound)) + ")");
  }

  /// Of two ways to compute a number in long double.
  void agree(const std::string& name, const Bounded& a, const Bounded& b) {
    ++statistics_.numbers;
    if (!a.known() || !b.known()) return void(++statistics_.unknown);
    if (std::isnan(a.value) ? std::isnan(b.value) : a.value == b.value) return;
    if (std::fabs(a.value - b.value) <= a.error(arithmetic_) + b.error(arithmetic_)) return;
    fail(name + " is " + text(static_cast<double>(a.value)) + ", right is " + text(static_cast<double>(b.value)));
  }

  void numbers(const std::string& name, const std::vector<double>& computed, const std::vector<Bounded>& expected) {
    if (computed.size() != expected.size()) {
      return fail(std::to_string(computed.size()) + " " + name + ", right are " + std::to_string(expected.size()));
    }
    for (std::size_t i = 0; i < computed.size(); ++i) number(name + " " + std::to_string(i), computed[i], expected[i]);
  }

  void outcome(const Outcome& computed, const Expected& expected, bool batched, bool outputs_alone = false) {
    statistics_.doubtful += expected.doubtful ? 1 : 0;
    if (computed.refused) {
      ++statistics_.refused;
      const std::size_t sample = *computed.refused;
      if (!expected.contradicted && !expected.doubtful) {
        fail("GuardError at sample " + std::to_string(sample) + ", but the data agree with every branch");
      } else if (batched && (sample >= expected.may_contradict.size() || !expected.may_contradict[sample])) {
        fail("GuardError at sample " + std::to_string(sample) + ", which agrees with every branch");
      }
      return;
    }
    if (expected.contradicted) return fail("no GuardError, though the data contradict a branch");
    numbers("output", computed.outputs, expected.outputs);
    if (outputs_alone) return;
    for (double loss : computed.loss) number("loss", loss, expected.loss);
    numbers("gradient", computed.gradients, expected.gradients);
    numbers("input gradient", computed.input_gradients, expected.input_gradients);
  }

  void same(const Outcome& a, const Outcome& b) {
    if (a.refused.has_value() != b.refused.has_value())
      return fail(a.refused ? "refused, but not by evaluate" : "refused by evaluate alone");
    if (a.refused) return same_refusal(a, b);
    const auto all = [&](const char* name, const std::vector<double>& x, const std::vector<double>& y) {
      if (x.size() != y.size()) return fail("another number of " + std::string(name));
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (!same_bits(x[i], y[i]))
          fail(std::string(name) + " " + std::to_string(i) + " is " + text(x[i]) + ", by evaluate " + text(y[i]));
      }
    };
    all("loss", a.loss, b.loss), all("gradient", a.gradients, b.gradients);
    all("output", a.outputs, b.outputs), all("input gradient", a.input_gradients, b.input_gradients);
  }

  /// Of steps on the same data, the same guard and sample.
  void same_refusal(const Outcome& a, const Outcome& b) {
    if (a.refusal != b.refusal) fail("refused by \"" + a.refusal + "\", by evaluate by \"" + b.refusal + "\"");
  }

  void fail(const std::string& what) {
    if (!failure_) failure_ = Failure{stage_, what};
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  static std::string text(double number) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.17g", number);
    return buffer;
  }

  std::string stage_;
  Arithmetic arithmetic_;
  Statistics& statistics_;
  std::optional<Failure> failure_;
};

}  // namespace tapeloom::test::fuzz
