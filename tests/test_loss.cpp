// Losses against their textbook formulas in long double, their gradients, weights, and wrong use.
#include "tapeloom/core/nets/loss.h"

#include <cmath>
#include <functional>
#include <random>

#include "catch.h"
#include "compare.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::inf;
using test::not_a_number;

namespace {

std::vector<Value> parameters(Tape& tape, const std::vector<double>& numbers) {
  std::vector<Value> values;
  for (double x : numbers) values.push_back(tape.parameter(x));
  return values;
}

std::vector<Value> plain(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

/// Cross-entropy of softmax(z) with targets t, straight from the definition.
long double cross_entropy(const std::vector<double>& z, const std::vector<double>& t) {
  long double total = 0.0L, loss = 0.0L;
  for (double x : z) total += std::exp(static_cast<long double>(x));
  for (std::size_t k = 0; k < z.size(); ++k) loss -= t[k] * std::log(std::exp(static_cast<long double>(z[k])) / total);
  return loss;
}

long double softmax(const std::vector<double>& z, std::size_t k) {
  long double total = 0.0L;
  for (double x : z) total += std::exp(static_cast<long double>(x) - z[k]);
  return 1.0L / total;
}

double as_double(long double x) { return static_cast<double>(x); }

}  // namespace

TEST_CASE("squared errors, summed and averaged") {
  Tape tape;
  const std::vector<Value> y = parameters(tape, {1.0, -2.0, 0.5});
  const std::vector<Value> t = plain({0.5, -1.0, 0.5});
  CHECK(squared_error(y[0], t[0]).data() == 0.25);
  CHECK(squared_error_sum(y, t).data() == 0.25 + 1.0);
  CHECK(squared_error_mean(y, t).data() == 1.25 / 3.0);
  CHECK(squared_error_sum(y, t, plain({2.0, 1.0, 7.0})).data() == 0.5 + 1.0);
  CHECK(squared_error_mean(y, t, plain({2.0, 1.0, 7.0})).data() == 1.5 / 10.0);
  const Evaluation result = evaluate(squared_error_mean(y, t, plain({2.0, 1.0, 7.0})), {});
  CHECK(close(result.gradients[0], 2.0 * 2.0 * 0.5 / 10.0, 1e-15));
  CHECK(close(result.gradients[1], 1.0 * 2.0 * -1.0 / 10.0, 1e-15));
  CHECK(result.gradients[2] == 0.0);
}

TEST_CASE("hinge is zero beyond the margin") {
  Tape tape;
  const std::vector<Value> s = parameters(tape, {0.25, -3.0, 2.0, -2.0, 1.0});
  const std::vector<Value> t = plain({1.0, 1.0, 1.0, -1.0, 1.0});
  CHECK(hinge(s[0], t[0]).data() == 0.75);
  CHECK(hinge(s[1], t[1]).data() == 4.0);
  CHECK(hinge(s[1], -1.0).data() == 0.0);
  CHECK(hinge_sum(s, t).data() == 4.75);
  CHECK(hinge_mean(s, t).data() == 4.75 / 5.0);
  CHECK(hinge_mean(s, t, plain({4.0, 1.0, 1.0, 1.0, 1.0})).data() == 7.0 / 8.0);
  const Evaluation result = evaluate(hinge_sum(s, t), {});
  CHECK(result.gradients == std::vector<double>{-1.0, -1.0, 0.0, 0.0, 0.0});
}

TEST_CASE("binary cross-entropy from logits") {
  for (double z : {-30.0, -3.0, -0.1, 0.0, 0.7, 5.0, 30.0}) {
    for (double t : {0.0, 0.25, 1.0}) {
      INFO("logit " << z << ", target " << t);
      const long double p = 1.0L / (1.0L + std::exp(-static_cast<long double>(z)));
      const long double q = 1.0L / (1.0L + std::exp(static_cast<long double>(z)));
      Tape tape;
      const Evaluation result = evaluate(binary_cross_entropy(tape.parameter(z), t), {});
      CHECK(close(result.root[0], as_double(-(t * std::log(p) + (1.0L - t) * std::log(q))), 1e-13, 1e-14));
      CHECK(close(result.gradients[0], as_double(p - t), 1e-13, 1e-15));
    }
  }
  Tape tape;
  const std::vector<Value> z = parameters(tape, {1000.0, -1000.0, 1000.0, -1000.0});
  const std::vector<Value> t = plain({1.0, 0.0, 0.0, 1.0});
  CHECK(binary_cross_entropy(z[0], t[0]).data() == 0.0);
  CHECK(binary_cross_entropy(z[2], t[2]).data() == 1000.0);
  CHECK(binary_cross_entropy_sum(z, t).data() == 2000.0);
  CHECK(binary_cross_entropy_mean(z, t).data() == 500.0);
  CHECK(evaluate(binary_cross_entropy_sum(z, t), {}).gradients == std::vector<double>{0.0, 0.0, 1.0, -1.0});
}

TEST_CASE("softmax cross-entropy, in all ways to give the target") {
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> logit(-4.0, 4.0);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> z(5), one_hot(5, 0.0), soft{0.1, 0.2, 0.3, 0.4, 0.0};
    for (double& x : z) x = logit(generator);
    const std::size_t k = round % 5;
    one_hot[k] = 1.0;
    Tape tape;
    const std::vector<Value> logits = parameters(tape, z);
    const auto check = [&](Value loss, const std::vector<double>& target) {
      const Evaluation result = evaluate(loss, {});
      CHECK(close(result.root[0], as_double(cross_entropy(z, target)), 1e-13));
      for (std::size_t i = 0; i < z.size(); ++i) {
        CHECK(close(result.gradients[i], as_double(softmax(z, i) - target[i]), 1e-12, 1e-14));
      }
    };
    check(softmax_cross_entropy(logits, plain(one_hot)), one_hot);
    check(softmax_cross_entropy(logits, plain(soft)), soft);
    check(softmax_cross_entropy(logits, k), one_hot);
    check(softmax_cross_entropy(logits, static_cast<int>(k)), one_hot);
    check(softmax_cross_entropy(logits, static_cast<double>(k)), one_hot);
    check(softmax_cross_entropy(logits, tape.uniform_input(static_cast<double>(k))), one_hot);
  }
}

TEST_CASE("softmax cross-entropy of logits of +-1000 is exact") {
  const std::vector<double> z{1000.0, -1000.0, 1000.0, 0.0};
  const double log2 = std::log(2.0);
  Tape tape;
  const std::vector<Value> logits = parameters(tape, z);
  const double losses[] = {log2, 2000.0 + log2, log2, 1000.0 + log2};
  for (std::size_t k = 0; k < 4; ++k) {
    std::vector<double> one_hot(4, 0.0);
    one_hot[k] = 1.0;
    for (const Value& loss : {softmax_cross_entropy(logits, k), softmax_cross_entropy(logits, plain(one_hot)),
                              softmax_cross_entropy(logits, tape.uniform_input(static_cast<double>(k)))}) {
      const Evaluation result = evaluate(loss, {});
      CHECK(close(result.root[0], losses[k], 1e-15));
      for (std::size_t i = 0; i < 4; ++i) {
        const double expected = (i == 0 || i == 2 ? 0.5 : 0.0) - one_hot[i];
        CHECK(close(result.gradients[i], expected, 1e-15, 1e-300));
      }
    }
  }
  // One logit far above the others: the loss is 0, not -0 or a rounding error of 1000.
  CHECK(softmax_cross_entropy(parameters(tape, {1000.0, -1000.0}), 0).data() == 0.0);
  CHECK(softmax_cross_entropy(parameters(tape, {3.0}), 0).data() == 0.0);
}

TEST_CASE("class numbers are checked") {
  Tape tape;
  const std::vector<Value> logits = parameters(tape, {1.0, 2.0, 3.0});
  CHECK_THROWS_SAYING(RecordingError, "no class 3 among 3", softmax_cross_entropy(logits, 3));
  CHECK_THROWS_SAYING(RecordingError, "no class -1", softmax_cross_entropy(logits, -1));
  CHECK_THROWS_AS(softmax_cross_entropy(logits, std::size_t{7}), RecordingError);
  const Value bound = tape.input(0.0, "class");
  const Value loss = softmax_cross_entropy(logits, bound);
  CHECK(loss.varying());
  const std::vector<double> rows{2.0, 3.0, 1.5, -1.0, not_a_number};
  const std::vector<double> losses = evaluate(loss, {.rows = rows, .samples = 5}).root;
  CHECK(close(losses[0], as_double(cross_entropy({1.0, 2.0, 3.0}, {0.0, 0.0, 1.0})), 1e-14));
  for (std::size_t s = 1; s < 5; ++s) CHECK(std::isnan(losses[s]));
}

TEST_CASE("lists of recorded samples have a sum and a mean") {
  Tape tape;
  const std::vector<std::vector<double>> z{{1.0, 2.0, 0.5}, {0.0, 0.0, 3.0}};
  const std::vector<std::vector<Value>> logits{parameters(tape, z[0]), parameters(tape, z[1])};
  const std::vector<std::size_t> classes{1, 0};
  const long double a = cross_entropy(z[0], {0.0, 1.0, 0.0}), b = cross_entropy(z[1], {1.0, 0.0, 0.0});
  CHECK(close(softmax_cross_entropy_sum(logits, classes).data(), as_double(a + b), 1e-14));
  CHECK(close(softmax_cross_entropy_mean(logits, classes).data(), as_double((a + b) / 2), 1e-14));
  const std::vector<Value> weights{tape.constant(3.0), tape.constant(0.5)};
  CHECK(close(softmax_cross_entropy_mean(logits, classes, weights).data(), as_double((3 * a + b / 2) / 3.5L), 1e-14));
}

TEST_CASE("the L2 penalty") {
  Tape tape;
  const std::vector<Value> p = parameters(tape, {1.0, -2.0, 3.0});
  const Evaluation result = evaluate(l2_penalty(p, 0.5), {});
  CHECK(result.root[0] == 7.0);
  CHECK(result.gradients == std::vector<double>{1.0, -2.0, 3.0});
  CHECK(l2_penalty(p, tape.uniform_input(0.25, "strength")).data() == 3.5);
}

TEST_CASE("the plain weight 1 records nothing, the plain weight 0 leaves out") {
  Tape tape;
  const Value y = tape.parameter(2.0), t = tape.input(1.0, "t");
  const std::size_t before = tape.size();
  squared_error(y, t);
  CHECK(tape.size() - before == 2);
  const Value nothing = squared_error(y, t, 0.0);
  CHECK(nothing.is_plain());
  CHECK(nothing.data() == 0.0);
  CHECK(tape.size() - before == 2);
  CHECK(hinge(y, t, 0.0).is_plain());
  CHECK(binary_cross_entropy(y, t, 0.0).is_plain());
  CHECK(softmax_cross_entropy(std::vector<Value>{y, t}, 1, 0.0).is_plain());
  squared_error(y, t, 2.0);
  CHECK(tape.size() - before == 2 + 4);
}

TEST_CASE("a sample of weight 0 contributes nothing, whatever its numbers") {
  using Loss = std::function<Value(Value prediction, Value other, Value target, Value weight)>;
  const Loss losses[] = {
      [](Value p, Value, Value t, Value w) { return squared_error(p, t, w); },
      [](Value p, Value, Value t, Value w) { return hinge(p, t, w); },
      [](Value p, Value, Value t, Value w) { return binary_cross_entropy(p, t, w); },
      [](Value p, Value q, Value t, Value w) {
        return softmax_cross_entropy(std::vector<Value>{p, q}, std::vector<Value>{t, 1.0 - t}, w);
      },
      [](Value p, Value q, Value t, Value w) {
        return softmax_cross_entropy(std::vector<Value>{p, q}, t, w);
      },
      [](Value p, Value q, Value, Value w) {
        return softmax_cross_entropy(std::vector<Value>{p, q}, 1, w);
      },
  };
  for (std::size_t i = 0; i < 2 * std::size(losses); ++i) {
    const bool computed = i >= std::size(losses);  // the weight
    for (double bad : {not_a_number, inf, -inf, 1e200, 7.0}) {
      INFO("loss " << i << ", bad number " << bad);
      Tape tape;
      const Value scale = tape.parameter(1.5);
      const Value x = tape.input(0.0, "x"), other = tape.input(0.0, "other"), offset = tape.input(0.0, "offset");
      const Value target = tape.input(0.0, "target"), input = tape.input(0.0, "weight");
      const Value weight = computed ? max(input, 0.0) : input;
      const Loss& loss_of = losses[i % std::size(losses)];
      const Value loss = batch_sum(loss_of(scale * x + offset, other, target, weight)) / batch_sum(weight);
      // The second sample has weight 0 and bad predictions, logits and target; the features stay finite.
      const std::vector<double> rows{0.5, 0.25, 0.0, 1.0, 2.0, /**/ 0.5, bad, bad, bad, 0.0};
      const Evaluation with = evaluate(loss, {.rows = rows, .samples = 2});
      const Evaluation without = evaluate(loss, {.rows = std::span(rows).first(5), .samples = 1});
      CHECK(std::isfinite(with.root[0]));
      CHECK(with.root[0] == without.root[0]);
      CHECK(with.gradients[0] == without.gradients[0]);
      CHECK(without.gradients[0] != 0.0);
      CHECK(with.input_gradients[5 + 1] == 0.0);  // of the other logit
      CHECK(with.input_gradients[5 + 2] == 0.0);  // of what the prediction is offset by
    }
  }
}

TEST_CASE("the derivative of a weighted loss by its weight is the loss, also where that is 0") {
  using Loss = Value (*)(Value x, Value w);
  const Loss losses[] = {
      [](Value x, Value w) { return squared_error(x, 0.5, w); },
      [](Value x, Value w) { return l1(x, 0.5, w); },
      [](Value x, Value w) { return huber(x, 0.5, 1.0, w); },
      [](Value x, Value w) { return hinge(x, -1.0, w); },
      [](Value x, Value w) { return binary_cross_entropy(x, 1.0, w); },
      [](Value x, Value w) {
        return softmax_cross_entropy(std::vector<Value>{x, 0.25}, std::vector<Value>{0.25, 0.75}, w);
      },
      [](Value x, Value w) {
        return softmax_cross_entropy(std::vector<Value>{x, 0.25}, x.tape()->constant(1.0), w);
      },
      [](Value x, Value w) {
        return kl_div(std::vector<Value>{-x, -2.0 * x}, std::vector<Value>{0.25, 0.75}, w);
      },
  };
  for (std::size_t i = 0; i < std::size(losses); ++i) {
    INFO("loss " << i);
    Tape tape;
    const Value x = tape.parameter(1.5), none = tape.parameter(0.0), one = tape.parameter(1.0);
    const Value total = losses[i](x, none) + losses[i](x, exp(none) * one - 1.0);
    const double plain = losses[i](x, 1.0).data();
    CHECK(plain != 0.0);
    CHECK(total.data() == 0.0);
    const std::vector<double> found = evaluate(total, {}).gradients;
    CHECK(found[0] == 0.0);
    CHECK(std::fabs(found[1] - 2.0 * plain) <= 1e-14);
    CHECK(std::fabs(found[2] - plain) <= 1e-14);
    Executor<double> executor(compile(total));
    executor.step();
    for (std::size_t p = 0; p < 3; ++p) CHECK(std::fabs(executor.gradients()[p] - found[p]) <= 1e-14);
  }
}

TEST_CASE("weights bound as an input make a weighted mean over the batch") {
  Tape tape;
  const Value y = tape.parameter(1.0), t = tape.input(0.0, "t"), w = tape.input(0.0, "w");
  const Value loss = batch_sum(squared_error(y, t, w)) / batch_sum(w);
  const std::vector<double> rows{0.0, 1.0, 3.0, 2.0, -1.0, 0.0, 0.5, 1.0};
  const Evaluation result = evaluate(loss, {.rows = rows, .samples = 4});
  CHECK(close(result.root[0], (1.0 * 1.0 + 2.0 * 4.0 + 1.0 * 0.25) / 4.0, 1e-15));
  CHECK(close(result.gradients[0], (2.0 * 1.0 - 2.0 * 2.0 * 2.0 + 2.0 * 0.5) / 4.0, 1e-15));
}

TEST_CASE("empty lists and lists of different lengths are refused with both numbers") {
  Tape tape;
  const std::vector<Value> three = parameters(tape, {1.0, 2.0, 3.0}), two = plain({1.0, 2.0}), none;
  CHECK_THROWS_SAYING(RecordingError, "squared_error_sum: 2 targets for 3 samples", squared_error_sum(three, two));
  CHECK_THROWS_SAYING(RecordingError, "hinge_mean: 2 weights for 3 samples", hinge_mean(three, three, two));
  CHECK_THROWS_SAYING(RecordingError, "2 targets for 3 logits", softmax_cross_entropy(three, two));
  CHECK_THROWS_SAYING(RecordingError, "empty", squared_error_sum(none, none));
  CHECK_THROWS_SAYING(RecordingError, "squared_error_mean: the list of samples is empty",
                      squared_error_mean(none, none));
  CHECK_THROWS_SAYING(RecordingError, "empty", binary_cross_entropy_mean(none, none));
  CHECK_THROWS_SAYING(RecordingError, "empty", softmax_cross_entropy(none, none));
  CHECK_THROWS_SAYING(RecordingError, "empty", softmax_cross_entropy(none, 0));
  CHECK_THROWS_SAYING(RecordingError, "empty", softmax_cross_entropy(none, tape.input(0.0)));
  CHECK_THROWS_SAYING(RecordingError, "empty", l2_penalty(none, 0.1));
  const std::vector<std::vector<Value>> logits{three};
  const std::vector<std::size_t> classes{0, 1};
  CHECK_THROWS_SAYING(RecordingError, "_sum: 2 classes for 1 samples", softmax_cross_entropy_sum(logits, classes));
  CHECK_THROWS_SAYING(RecordingError, "_mean: 2 classes for 1 samples", softmax_cross_entropy_mean(logits, classes));
  CHECK_THROWS_SAYING(RecordingError, "add up to zero", squared_error_mean(three, three, plain({0.0, 0.0, 0.0})));
}

TEST_CASE("loss: plain numbers with an infinite loss, or of no class, count nothing with a weight of 0") {
  const std::pair<const char*, Value (*)(Value x, Value w)> losses[] = {
      {"square", [](Value x, Value w) { return squared_error(x, -1e308, w); }},
      {"square in float", [](Value x, Value w) { return squared_error(1e30, x, w); }},
      {"hinge", [](Value x, Value w) { return hinge(1e200, x, w); }},
      {"logits",
       [](Value x, Value w) {
         return softmax_cross_entropy(std::vector<Value>{-1e308, x}, Value(0.0), w);
       }},
      {"no class",
       [](Value x, Value w) {
         return softmax_cross_entropy(std::vector<Value>{x, 0.0}, Value(2.0), w);
       }},
  };
  for (const auto& [name, loss_of] : losses) {
    INFO(name);
    Tape tape;
    const Value p = tape.parameter(2.0), w = tape.input(0.0, "w");
    const Value loss = batch_sum(loss_of(p, w));
    const std::vector<double> rows = {0.0, 0.0};
    const Evaluation e = evaluate(loss, {.rows = rows, .samples = 2});
    CHECK(e.root[0] == 0.0);
    CHECK(e.gradients[0] == 0.0);
    Executor<float> in_float(compile(loss));
    Executor<double> in_double(compile(loss));
    in_float.bind(rows), in_double.bind(rows);
    CHECK(in_float.step() == 0.0f);
    CHECK(in_float.gradients()[0] == 0.0f);
    CHECK(in_double.step() == 0.0);
    CHECK(in_double.gradients()[0] == 0.0);
  }
}
