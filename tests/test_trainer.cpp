// What a Trainer does is held against loops written by hand from executor steps and optimizer updates.
#include "tapeloom/runtime/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "small_training.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/train/optimizer.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEMPLATE_TEST_CASE("trainer: unshuffled epochs are the loop one would write", "", float, double) {
  Executor<TestType> executor(program(), {.max_samples = 10}), by_hand(program(), {.max_samples = 10});
  const FitOptions options{.epochs = 3, .batch = 10, .optimizer = SgdOptions{.learning_rate = 0.1}, .shuffle = false};
  const History history = fit(executor, DataView(rows()), options);

  Sgd<TestType> sgd({.learning_rate = 0.1});
  by_hand.bind(std::span<const double>(rows()));
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    double sum = 0.0;
    for (const auto& [first, count] : {std::pair<std::size_t, std::size_t>{0, 10}, {10, 10}, {20, 3}}) {
      sum += static_cast<double>(by_hand.step(first, count)) * static_cast<double>(count);
      sgd.update(by_hand);
    }
    CHECK(history.epochs.at(epoch).loss == sum / 23.0);
  }
  CHECK(parameters_of(executor) == parameters_of(by_hand));
  CHECK(history.epochs.size() == 3);
  CHECK(history.end == FitEnd::epochs);
  CHECK(history.epochs[2].steps == 9);
  CHECK(history.epochs[0].loss > history.epochs[2].loss);
}

TEST_CASE("trainer: shuffled epochs take the rows of shuffle_rows, all of them and others every time") {
  Executor<double> executor(program()), by_hand(program());
  const FitOptions options{.epochs = 2, .batch = 4, .seed = 77};
  fit(executor, DataView(rows()), options);
  Adam<double> adam;
  by_hand.bind(std::span<const double>(rows()));
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<std::uint32_t> order(row_count);
    for (std::uint32_t i = 0; i < row_count; ++i) order[i] = i;
    shuffle_rows(order, 77, epoch);
    for (std::size_t first = 0; first < row_count; first += 4) {
      by_hand.step(std::span(order).subspan(first, std::min<std::size_t>(4, row_count - first)));
      adam.update(by_hand);
    }
  }
  CHECK(parameters_of(executor) == parameters_of(by_hand));
}

TEST_CASE("trainer: reports of steps and epochs") {
  Executor<double> executor(program());
  std::vector<StepReport> steps;
  std::vector<EpochReport> epochs;
  FitOptions options{.epochs = 2, .batch = 10, .optimizer = SgdOptions{.learning_rate = 0.5}};
  options.schedule = [](std::uint64_t step) { return linear_decay(0.1, 0.0, 10, step); };
  options.on_step = [&](const StepReport& report) { steps.push_back(report); };
  options.on_epoch = [&](const EpochReport& report) { epochs.push_back(report); };
  fit(executor, DataView(rows()), options);
  REQUIRE(steps.size() == 6);
  REQUIRE(epochs.size() == 2);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(steps[i].step == i + 1);
    CHECK(steps[i].epoch == i / 3 + 1);
    CHECK(steps[i].batch == i % 3 + 1);
    CHECK(steps[i].batches == 3);
    CHECK(steps[i].learning_rate == linear_decay(0.1, 0.0, 10, i));
    CHECK(std::isnan(steps[i].gradient_norm));
  }
  CHECK(epochs[0].epoch == 1);
  CHECK(epochs[1].steps == 6);
  CHECK(epochs[0].loss == Approx((10 * steps[0].loss + 10 * steps[1].loss + 3 * steps[2].loss) / 23).epsilon(1e-14));
  CHECK(std::isnan(epochs[0].validation_loss));
  CHECK(epochs[1].learning_rate == steps[5].learning_rate);
}

TEST_CASE("trainer: clipping") {
  const std::vector<double> row = {0.5, -0.25, 1.0, 30.0};  // far from the target: large gradients
  const auto change = [&](double clip_norm, double clip_value, double* norm = nullptr) {
    Executor<double> executor(program());
    const std::vector<double> before = parameters_of(executor);
    FitOptions options{.epochs = 1, .batch = 1, .optimizer = SgdOptions{.learning_rate = 1.0}};
    options.clip_norm = clip_norm;
    options.clip_value = clip_value;
    options.on_step = [&](const StepReport& report) {
      if (norm != nullptr) *norm = report.gradient_norm;
    };
    fit(executor, DataView(row), options);
    std::vector<double> step;
    for (std::size_t i = 0; i < before.size(); ++i) step.push_back(before[i] - executor.parameters()[i]);
    return step;
  };
  Executor<double> executor(program());
  executor.bind(std::span<const double>(row));
  executor.step();
  const std::vector<double> gradients = numbers_of(executor.gradients());
  double squares = 0.0;
  for (double g : gradients) squares += g * g;
  REQUIRE(std::sqrt(squares) > 10.0);

  double norm = 0.0;
  const std::vector<double> by_norm = change(2.0, 0.0, &norm), by_value = change(0.0, 1.5), by_both = change(1.0, 1.5),
                            not_reached = change(1e6, 1e6);
  CHECK(norm == Approx(std::sqrt(squares)).epsilon(1e-14));
  double clipped_squares = 0.0;
  for (double g : gradients) clipped_squares += std::min(std::fabs(g), 1.5) * std::min(std::fabs(g), 1.5);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const double clipped = std::clamp(gradients[i], -1.5, 1.5);
    CHECK(by_norm[i] == Approx(gradients[i] * 2.0 / std::sqrt(squares)).epsilon(1e-12));
    CHECK(by_value[i] == Approx(clipped).epsilon(1e-12));
    CHECK(by_both[i] == Approx(clipped / std::sqrt(clipped_squares)).epsilon(1e-12));
    CHECK(not_reached[i] == Approx(gradients[i]).epsilon(1e-12));
  }
}

TEST_CASE("trainer: the norm of many gradients, and of ones that are not finite") {
  std::vector<float> gradients(1003, 0.5f);
  CHECK(gradient_norm(gradients) == Approx(std::sqrt(1003 * 0.25)).epsilon(1e-14));
  gradients[1001] = std::numeric_limits<float>::infinity();
  CHECK(clip_by_norm(gradients, 1.0) == std::numeric_limits<double>::infinity());
  CHECK(gradients[0] == 0.5f);
  gradients[3] = std::nanf("");
  clip_by_value(gradients, 0.25);
  CHECK(gradients[1001] == 0.25f);
  CHECK(std::isnan(gradients[3]));
  CHECK(gradients[4] == 0.25f);
}

TEST_CASE("trainer: gradients whose squares, or whose quotient of norms, are out of range are clipped like others") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double scale : {1e200, 1e307, 1.0, 1e-160, 1e-200}) {
    std::vector<double> gradients = {3.0 * scale, -4.0 * scale, 0.0};
    CHECK(gradient_norm(gradients) == Approx(5.0 * scale).epsilon(1e-15));
    const double most = std::min(1e-3, scale);
    CHECK(clip_by_norm(gradients, most) == Approx(5.0 * scale).epsilon(1e-15));
    CHECK(gradients[0] == Approx(0.6 * most).epsilon(1e-15));
    CHECK(gradients[1] == Approx(-0.8 * most).epsilon(1e-15));
    CHECK(gradients[2] == 0.0);
  }
  for (const double most : {1.0, 1e-3, 1e-8}) {
    std::vector<float> gradients = {3e37f, -4e37f};
    CHECK(clip_by_norm(gradients, most) == Approx(5e37).epsilon(1e-7));
    CHECK(gradients[0] == Approx(0.6 * most).epsilon(3e-7));
    CHECK(gradients[1] == Approx(-0.8 * most).epsilon(3e-7));
  }
  // The norm itself is no double.
  std::vector<double> largest(5, std::numeric_limits<double>::max());
  CHECK(clip_by_norm(largest, 1.0) == infinity);
  CHECK(largest[0] == std::numeric_limits<double>::max());
  std::vector<double> none(3, 0.0), odd = {1e200, std::nan(""), infinity};
  CHECK(gradient_norm(none) == 0.0);
  CHECK(std::isnan(gradient_norm(odd)));
}

TEST_CASE("trainer: a run that a callback stopped goes on as if nothing had been") {
  Executor<double> whole(program()), stopped(program());
  FitOptions options{.epochs = 3, .batch = 10, .validation_fraction = 0.2};
  const History expected = fit(whole, DataView(rows()), options);
  std::size_t calls = 0;
  options.on_step = [&](const StepReport&) { return ++calls % 2 != 0; };
  options.on_epoch = [&](const EpochReport&) { return false; };
  Trainer<double> trainer(stopped, DataView(rows()), options);
  std::size_t runs = 0;
  while (trainer.run().end != FitEnd::epochs) {
    CHECK(trainer.history().end == FitEnd::callback);
    REQUIRE(++runs < 20);
  }
  CHECK(calls == 6);
  CHECK(runs == 5);  // after steps 2, 4 and 6, each an epoch's last, and after the first two epochs
  CHECK(parameters_of(stopped) == parameters_of(whole));
  CHECK(trainer.history().epochs.size() == expected.epochs.size());
  CHECK(trainer.history().epochs[2].validation_loss == expected.epochs[2].validation_loss);
  CHECK_FALSE(trainer.step());
  CHECK(parameters_of(stopped) == parameters_of(whole));
}

TEST_CASE("trainer: a recording without inputs is trained as a whole") {
  Tape tape;
  const Value w = tape.parameter(0.0, "w");
  const Value loss = square(w * 2.0 - 3.0) + square(w * 4.0 - 6.0);
  const Fitted<double> fitted =
      fit<double>(compile(loss), DataView(), {.epochs = 500, .optimizer = AdamOptions{.learning_rate = 0.05}});
  CHECK(fitted.executor.parameters()[0] == Approx(1.5).epsilon(1e-3));
  CHECK(fitted.history.epochs.size() == 500);
}

TEST_CASE("trainer: options that do not fit are refused") {
  Executor<double> executor(program(), {.max_samples = 16});
  const DataView data(rows());
  const auto refused = [&](const std::string& what, const FitOptions& options) {
    CHECK_THROWS_SAYING(BindError, what, Trainer<double>(executor, data, options));
  };
  refused("FitOptions::batch is 0", {.batch = 0});
  refused("FitOptions::batch is 17, more than", {.batch = 17});
  refused("clip_norm must be", {.batch = 4, .clip_norm = -1.0});
  refused("clip_value must be", {.batch = 4, .clip_value = std::nan("")});
  refused("min_delta must be", {.batch = 4, .min_delta = -1.0});
  refused("no metric \"f1\"", {.batch = 4, .monitor = "f1"});
  refused("\"empty\" has no function", {.batch = 4, .metrics = {{"empty", {}}}});
  refused("exclude each other", {.batch = 4, .validation_fraction = 0.1, .split = {{1}, {2}}});
  refused("split.training names row 23", {.batch = 4, .split = {{1, 23}, {2}}});
  refused("split.validation names row 99", {.batch = 4, .split = {{1}, {99}}});
  refused("no rows to train with", {.batch = 4, .split = {{}, {1}}});
  refused("takes the place", {.batch = 4, .validation_fraction = 0.5, .validation_data = data});
  refused("in [0, 1)", {.batch = 4, .validation_fraction = 2.0});
  refused("learning_rate", {.batch = 4, .optimizer = SgdOptions{.learning_rate = -1.0}});
  refused("FitOptions::checkpoint is for fit", {.batch = 4, .checkpoint = "never.safetensors"});

  SmallNet net;
  Executor<double> other(program()), blind(compile_inference({{net.prediction}}));
  CHECK_THROWS_SAYING(BindError, "share the parameters", Trainer<double>(executor, data, {.batch = 4}, &other));
  CHECK_THROWS_SAYING(BindError, "no gradients", Trainer<double>(blind, data, {.batch = 4}));
  Executor<double> no_outputs(compile(net.loss));
  CHECK_THROWS_SAYING(BindError, "needs outputs",
                      Trainer<double>(no_outputs, data, {.batch = 4, .metrics = {scripted({})}}));
  Executor<double> no_loss(compile_inference({{net.prediction}}), executor);
  CHECK_THROWS_SAYING(
      BindError, "must name a metric",
      Trainer<double>(executor, data, {.batch = 4, .validation_fraction = 0.5, .patience = 1}, &no_loss));
  Executor<double> unbound(program());
  CHECK_THROWS_SAYING(BindError, "is not bound", Trainer<double>(unbound, DataView(), {.batch = 4}));
}
