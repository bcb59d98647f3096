// The numbers expected here come from the algorithms as PyTorch's manual states them (torch.optim.SGD, Adam, AdamW),
// computed one parameter at a time in Python's doubles: for L = (a - 3)^2 / 2 + (b + 1)^2 from a = 1, b = 2,
//
//   SGD    g += wd * p;  buf = g the first time, then mu * buf + g;  g = g + mu * buf (nesterov) or buf;  p -= lr * g
//   Adam   m = b1 * m + (1 - b1) * g;  v = b2 * v + (1 - b2) * g * g;
//          p -= lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)
//   decay  p -= lr * wd * p before that (AdamW), or g += wd * p (l2)
#include "tapeloom/runtime/train/optimizer.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;

namespace {

/// L of the two parameters a and b, and of a frozen one between them.
struct Bowl {
  Tape tape;
  Value a = tape.parameter(1.0, "a");
  Value frozen = tape.parameter(5.0, "frozen");
  Value b = tape.parameter(2.0, "b");
  Value loss;

  Bowl() {
    tape.set_frozen(frozen);
    loss = square(a - 3.0) / 2.0 + square(b + 1.0) + 0.0 * frozen;
  }
};

template <class T>
constexpr double tolerance = sizeof(T) == 8 ? 1e-13 : 2e-6;

template <class T>
bool near(T got, double expected) {
  return std::abs(static_cast<double>(got) - expected) <= tolerance<T> * std::max(1.0, std::abs(expected));
}

/// `steps` steps of the optimizer give these a and b, and leave the frozen parameter alone.
template <class T, class Optimizer>
void check_steps(Optimizer optimizer, int steps, double a, double b) {
  Bowl bowl;
  Executor<T> executor(compile(bowl.loss));
  for (int i = 0; i < steps; ++i) {
    executor.step();
    optimizer.update(executor);
  }
  const auto p = executor.parameters();
  REQUIRE(p.size() == 3);
  INFO(sizeof(T) << " bytes, " << steps << " steps: a " << p[0] << ", b " << p[2]);
  CHECK(near(p[0], a));
  CHECK(p[1] == T(5));
  CHECK(near(p[2], b));
  CHECK(optimizer.steps() == static_cast<std::uint64_t>(steps));
}

void check_sgd(const SgdOptions& options, int steps, double a, double b) {
  check_steps<double>(Sgd<double>(options), steps, a, b);
  check_steps<float>(Sgd<float>(options), steps, a, b);
}

void check_adam(const AdamOptions& options, int steps, double a, double b) {
  check_steps<double>(Adam<double>(options), steps, a, b);
  check_steps<float>(Adam<float>(options), steps, a, b);
}

template <class Optimizer, class Options>
void check_refused(void (*spoil)(Options&), const std::string& option) {
  Options options;
  spoil(options);
  CHECK_THROWS_SAYING(BindError, option, Optimizer(options));
}

}  // namespace

TEST_CASE("SGD goes down the gradient") {
  check_sgd({.learning_rate = 0.1}, 1, 1.2, 1.4);
  check_sgd({.learning_rate = 0.1}, 2, 1.38, 0.92);
  check_sgd({.learning_rate = 0.1}, 5, 1.81902, -0.01696);
}

TEST_CASE("SGD with momentum") {
  check_sgd({.learning_rate = 0.1, .momentum = 0.9}, 1, 1.2, 1.4);
  check_sgd({.learning_rate = 0.1, .momentum = 0.9}, 2, 1.56, 0.38);
  check_sgd({.learning_rate = 0.1, .momentum = 0.9}, 5, 3.05832, -2.74126);
}

TEST_CASE("SGD with Nesterov's momentum") {
  check_sgd({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}, 1, 1.38, 0.86);
  check_sgd({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}, 2, 1.8498, -0.3328);
  check_sgd({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}, 5, 3.2091633678, -2.2471527424);
}

TEST_CASE("SGD with weight decay") {
  check_sgd({.learning_rate = 0.1, .weight_decay = 0.5}, 1, 1.15, 1.3);
  check_sgd({.learning_rate = 0.1, .weight_decay = 0.5}, 3, 1.385875, 0.38125);
  const SgdOptions all = {.learning_rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.5};
  check_sgd(all, 1, 1.285, 0.67);
  check_sgd(all, 2, 1.610275, -0.59525);
  check_sgd(all, 5, 2.329556844803125, -1.94653380078125);
}

TEST_CASE("Adam") {
  check_adam({.learning_rate = 0.1}, 1, 1.0999999995, 1.9000000001666666);
  check_adam({.learning_rate = 0.1}, 2, 1.199833513378907, 1.8001027074147888);
  check_adam({.learning_rate = 0.1}, 5, 1.497044217407014, 1.501779456227287);
  check_adam({.learning_rate = 0.05, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 0.1}, 3, 1.1423603192593288,
             1.8527626355556899);
}

TEST_CASE("AdamW's decoupled weight decay is not Adam's l2") {
  const AdamOptions decoupled = {.learning_rate = 0.1, .weight_decay = 0.5};
  check_adam(decoupled, 1, 1.0499999995, 1.8000000001666665);
  check_adam(decoupled, 2, 1.0974260041910167, 1.6102390619461486);
  check_adam(decoupled, 5, 1.2250793867914131, 1.099012188323104);
  const AdamOptions l2 = {.learning_rate = 0.1, .weight_decay = 0.5, .l2 = true};
  check_adam(l2, 1, 1.0999999993333334, 1.9000000001428572);
  check_adam(l2, 2, 1.1995877709680254, 1.800111294845987);
  check_adam(l2, 5, 1.4920363398480316, 1.50193471512663);
}

TEST_CASE("Many parameters with frozen ones among them") {
  // The sum of p_i^2 / 2 has the gradient p_i, so one plain step takes a tenth of each. Frozen: the first two, the
  // last, and every seventh.
  Tape tape;
  std::vector<Value> parameters, squares;
  const auto is_frozen = [](int i) { return i < 2 || i == 99 || i % 7 == 0; };
  for (int i = 0; i < 100; ++i) {
    parameters.push_back(tape.parameter(i + 1.0));
    if (is_frozen(i)) tape.set_frozen(parameters.back());
    squares.push_back(square(parameters.back()) / 2.0);
  }
  Executor<double> executor(compile(sum(squares)));
  executor.step();
  Sgd<double>({.learning_rate = 0.1}).update(executor);
  for (int i = 0; i < 100; ++i) {
    INFO("parameter " << i);
    CHECK(near(executor.parameters()[static_cast<std::size_t>(i)], is_frozen(i) ? i + 1.0 : 0.9 * (i + 1.0)));
  }
}

TEST_CASE("A parameter the loss does not need still decays, with a gradient of zero") {
  Tape tape;
  const Value used = tape.parameter(1.0);
  tape.parameter(8.0);
  Executor<double> executor(compile(square(used)));
  executor.step();
  Sgd<double>({.learning_rate = 0.5, .weight_decay = 0.5}).update(executor);
  CHECK(executor.parameters()[1] == 6.0);
}

TEST_CASE("The learning rate can change between updates") {
  Bowl bowl;
  Executor<double> executor(compile(bowl.loss));
  Sgd<double> sgd({.learning_rate = 0.1});
  executor.step();
  sgd.update(executor);
  sgd.set_learning_rate(0.5);
  CHECK(sgd.learning_rate() == 0.5);
  executor.step();
  sgd.update(executor);
  CHECK(near(executor.parameters()[0], 2.1));   // 1.2 + 0.5 * 1.8
  CHECK(near(executor.parameters()[2], -1.0));  // 1.4 - 0.5 * 4.8
  CHECK_THROWS_SAYING(BindError, "learning rate", sgd.set_learning_rate(-1.0));
  CHECK_THROWS_SAYING(BindError, "learning rate", Adam<float>().set_learning_rate(NAN));
  CHECK(sgd.learning_rate() == 0.5);
}

TEST_CASE("Bad options are refused by name") {
  using S = Sgd<double>;
  check_refused<S, SgdOptions>([](SgdOptions& o) { o.learning_rate = -0.1; }, "SgdOptions::learning_rate");
  check_refused<S, SgdOptions>([](SgdOptions& o) { o.learning_rate = NAN; }, "SgdOptions::learning_rate");
  check_refused<S, SgdOptions>([](SgdOptions& o) { o.learning_rate = INFINITY; }, "SgdOptions::learning_rate");
  check_refused<S, SgdOptions>([](SgdOptions& o) { o.momentum = -0.5; }, "SgdOptions::momentum");
  check_refused<S, SgdOptions>([](SgdOptions& o) { o.weight_decay = -1.0; }, "SgdOptions::weight_decay");
  check_refused<S, SgdOptions>([](SgdOptions& o) { o.nesterov = true; }, "SgdOptions::nesterov");
  using A = Adam<float>;
  check_refused<A, AdamOptions>([](AdamOptions& o) { o.learning_rate = -0.1; }, "AdamOptions::learning_rate");
  check_refused<A, AdamOptions>([](AdamOptions& o) { o.beta1 = 1.0; }, "AdamOptions::beta1");
  check_refused<A, AdamOptions>([](AdamOptions& o) { o.beta1 = -0.1; }, "AdamOptions::beta1");
  check_refused<A, AdamOptions>([](AdamOptions& o) { o.beta2 = NAN; }, "AdamOptions::beta2");
  check_refused<A, AdamOptions>([](AdamOptions& o) { o.epsilon = -1e-8; }, "AdamOptions::epsilon");
  check_refused<A, AdamOptions>([](AdamOptions& o) { o.weight_decay = -1.0; }, "AdamOptions::weight_decay");
}

TEST_CASE("Every optimizer that fit knows is made of its options, trains, and goes on from its own state alone") {
  std::set<std::string> kinds;
  std::vector<OptimizerState<float>> states;
  const auto options_of = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::vector<OptimizerOptions>{OptimizerOptions(std::in_place_index<i>)...};
  };
  const auto all = options_of(std::make_index_sequence<std::variant_size_v<OptimizerOptions>>());
  for (const OptimizerOptions& options : all) {
    Bowl bowl;
    Executor<float> executor(compile(bowl.loss));
    const auto optimizer = make_optimizer<float>(options);
    executor.step();
    optimizer->update(executor);
    CHECK(executor.parameters()[0] != 1.0f);
    states.push_back(optimizer->state());
    CHECK(states.back().steps == 1);
    CHECK(states.back().learning_rate == std::visit([](const auto& o) { return o.learning_rate; }, options));
    CHECK(kinds.insert(states.back().kind).second);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto optimizer = make_optimizer<float>(all[i]);
      if (i == k) {
        optimizer->restore(states[k]);
        CHECK(optimizer->state().moments == states[k].moments);
      } else {
        CHECK_THROWS_SAYING(BindError, "the state is of an optimizer \"" + states[k].kind + "\"",
                            optimizer->restore(states[k]));
        CHECK(optimizer->steps() == 0);
      }
    }
  }
}

TEST_CASE("An optimizer stays with one number of parameters, and needs gradients") {
  Bowl bowl;
  Executor<double> executor(compile(bowl.loss));
  executor.step();
  Adam<double> adam;
  adam.update(executor);

  Tape tape;
  const Value x = tape.parameter(1.0);
  Executor<double> other(compile(square(x)));
  other.step();
  CHECK_THROWS_SAYING(BindError, "3 parameters", adam.update(other));
  CHECK_THROWS_SAYING(BindError, "2 gradients for 1 parameters", Sgd<double>().update(other, std::vector{1.0, 2.0}));
  CHECK(other.parameters()[0] == 1.0);
  CHECK(adam.steps() == 1);

  CompileOptions without;
  without.gradients = false;
  Executor<double> blind(compile(square(x), without));
  blind.step();
  CHECK_THROWS_SAYING(BindError, "gradients", Adam<double>().update(blind));
  CHECK_THROWS_SAYING(BindError, "gradients", Sgd<double>().update(blind));
  CHECK(blind.parameters()[0] == 1.0);
}

TEST_CASE("An update that is refused because the last step failed changes nothing and does not count") {
  Tape tape;
  const Value kept = tape.parameter(0.5, "kept"), w = tape.parameter(2.0, "w"), x = tape.input(1.0, "x");
  tape.set_frozen(kept);
  const Value used = where(tape.training(), batch_mean(x), kept);
  tape.assign(kept, used, used);
  const Program with_kept = compile(batch_mean(square(w * x)) * used), plain = compile(batch_mean(square(w * x)));
  const std::vector<double> row = {1.0}, gradients = {1.0, 1.0};
  for (const OptimizerOptions& options : {OptimizerOptions(SgdOptions{}), OptimizerOptions(SgdOptions{.momentum = 0.9}),
                                          OptimizerOptions(AdamOptions{})}) {
    for (const Program* program : {&plain, &with_kept}) {
      Executor<double> executor(*program);
      const auto optimizer = make_optimizer<double>(options);
      const auto check_unchanged = [&] {
        CHECK(std::as_const(executor).parameters()[0] == 0.5);
        CHECK(std::as_const(executor).parameters()[1] == 2.0);
        CHECK(optimizer->steps() == 0);
        CHECK(optimizer->state().moments[0].second.empty());
      };
      CHECK_THROWS_SAYING(BindError, "no results before a step", optimizer->update(executor));
      check_unchanged();
      if (!executor.program().assignments.empty()) {
        CHECK_THROWS_SAYING(BindError, "no results before a step", optimizer->update(executor, gradients));
        check_unchanged();
      }
      executor.bind(row);
      executor.step();
      optimizer->update(executor);
      CHECK(optimizer->steps() == 1);
      const double trained = std::as_const(executor).parameters()[1];
      CHECK_THROWS_SAYING(BindError, "row 1", executor.step(1, 1));
      CHECK_THROWS_SAYING(BindError, "no results before a step", optimizer->update(executor));
      CHECK(optimizer->steps() == 1);
      CHECK(std::as_const(executor).parameters()[1] == trained);
    }
  }
}

TEST_CASE("Learning-rate schedules") {
  CHECK(step_decay(0.8, 0.5, 10, 0) == 0.8);
  CHECK(step_decay(0.8, 0.5, 10, 9) == 0.8);
  CHECK(step_decay(0.8, 0.5, 10, 10) == 0.4);
  CHECK(step_decay(0.8, 0.5, 10, 39) == Approx(0.1));
  CHECK_THROWS_SAYING(BindError, "every", step_decay(0.8, 0.5, 0, 1));

  CHECK(exponential_decay(0.8, 0.5, 0) == 0.8);
  CHECK(exponential_decay(0.8, 0.5, 3) == Approx(0.1));

  CHECK(cosine_decay(1.0, 0.2, 100, 0) == 1.0);
  CHECK(cosine_decay(1.0, 0.2, 100, 50) == Approx(0.6));
  CHECK(cosine_decay(1.0, 0.2, 300, 100) == Approx(0.2 + 0.4 * 1.5));  // cos(60 degrees) = 1/2
  CHECK(cosine_decay(1.0, 0.2, 100, 100) == 0.2);
  CHECK(cosine_decay(1.0, 0.2, 100, 1000) == 0.2);
  CHECK(cosine_decay(1.0, 0.2, 0, 0) == 0.2);

  CHECK(linear_decay(1.0, 0.1, 100, 0) == 1.0);
  CHECK(linear_decay(1.0, 0.1, 100, 50) == Approx(0.55));  // micrograd's demo: 1.0 - 0.9 * k / 100
  CHECK(linear_decay(1.0, 0.1, 100, 99) == Approx(0.109));
  CHECK(linear_decay(1.0, 0.1, 100, 100) == 0.1);
  CHECK(linear_decay(1.0, 0.1, 0, 0) == 0.1);

  CHECK(linear_warmup(0.8, 4, 0) == Approx(0.2));
  CHECK(linear_warmup(0.8, 4, 2) == Approx(0.6));
  CHECK(linear_warmup(0.8, 4, 3) == 0.8);
  CHECK(linear_warmup(0.8, 4, 4) == 0.8);
  CHECK(linear_warmup(0.8, 0, 0) == 0.8);
}

TEST_CASE("Gradients are clipped to limits of zero or more, and others are refused") {
  const auto clipped = [](double max_norm, double limit) {
    std::vector<double> gradients = {3.0, -4.0};
    clip_by_norm(gradients, max_norm);
    clip_by_value(gradients, limit);
    return gradients;
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(clipped(infinity, infinity) == std::vector<double>{3.0, -4.0});
  CHECK(clipped(infinity, 3.5) == std::vector<double>{3.0, -3.5});
  CHECK(clipped(0.0, infinity) == std::vector<double>{0.0, 0.0});
  CHECK(clipped(infinity, 0.0) == std::vector<double>{0.0, 0.0});
  std::vector<float> gradients = {3.0F, -4.0F};
  for (const double limit : {-1.0, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
    INFO(limit);
    CHECK_THROWS_SAYING(BindError, "clip_by_norm: max_norm must be zero or more; it is",
                        clip_by_norm(gradients, limit));
    CHECK_THROWS_SAYING(BindError, "clip_by_value: limit must be zero or more; it is", clip_by_value(gradients, limit));
  }
  CHECK(gradients == std::vector<float>{3.0F, -4.0F});
}
