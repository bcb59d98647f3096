// What a run is judged by: rows that are not trained on, metrics, patience, and the best parameters.
#include <cmath>
#include <map>

#include "small_training.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEMPLATE_TEST_CASE("trainer: validation by the executor, by a predictor and by hand are the same", "", float, double) {
  SmallNet net;
  Executor<TestType> executor(program(), {.max_samples = 4});
  Executor<TestType> second(program(), {.max_samples = 4});
  Executor<TestType> predictor(compile(net.loss, {.outputs = {net.prediction}, .gradients = false}), second,
                               {.max_samples = 3});
  FitOptions options{.epochs = 2, .batch = 4, .seed = 5, .validation_fraction = 0.3};
  std::vector<std::uint32_t> metric_rows;
  std::vector<double> metric_outputs;
  options.metrics = {{"outputs", [&](std::span<const double> outputs, std::span<const std::uint32_t> of) {
                        metric_rows = numbers_of(of);
                        metric_outputs = numbers_of(outputs);
                        return 42.0;
                      }}};
  const History alone = fit(executor, DataView(rows()), options);
  const History with_predictor = fit(second, DataView(rows()), options, &predictor);
  CHECK(parameters_of(executor) == parameters_of(second));
  REQUIRE(alone.epochs.size() == 2);

  const Split split = split_rows(row_count, 0.3, 5);
  REQUIRE(split.validation.size() == 7);
  CHECK(metric_rows == split.validation);
  Executor<TestType> by_hand(program());
  by_hand.set_parameters(executor.parameters());
  by_hand.bind(std::span<const double>(rows()));
  const auto expected = static_cast<double>(by_hand.step(split.validation));
  const double epsilon = std::numeric_limits<TestType>::epsilon() * 16;
  CHECK(alone.epochs[1].validation_loss == Approx(expected).epsilon(epsilon));
  CHECK(with_predictor.epochs[1].validation_loss == Approx(expected).epsilon(epsilon));
  CHECK(alone.epochs[1].metrics == std::vector<double>{42.0});
  REQUIRE(metric_outputs.size() == 7);
  for (std::size_t i = 0; i < 7; ++i) CHECK(metric_outputs[i] == Approx(by_hand.outputs()[i]).epsilon(epsilon));
}

TEST_CASE("trainer: a predictor that reads fewer groups than the program reads the same rows") {
  SmallNet net;
  Executor<double> executor(compile(net.loss, {.outputs = {net.prediction}}));
  const std::vector<Value> outputs = {net.prediction};
  Executor<double> predictor(compile_inference(outputs), executor);
  FitOptions options{.epochs = 1, .batch = 4, .validation_fraction = 0.3};
  std::vector<double> predicted;
  options.metrics = {{"seen", [&](std::span<const double> scores, auto) {
                        predicted = numbers_of(scores);
                        return 0.0;
                      }}};
  fit(executor, DataView(rows()), options, &predictor);
  executor.step(split_rows(row_count, 0.3, 0).validation);
  REQUIRE(predicted.size() == 7);
  for (std::size_t i = 0; i < 7; ++i) CHECK(predicted[i] == Approx(executor.outputs()[i]).epsilon(1e-14));

  // Of rows of their own nothing tells the width.
  const std::vector<double> other = some_numbers(12, 9);
  FitOptions own{.epochs = 1, .batch = 4};
  own.metrics = options.metrics;
  own.validation_data = DataView(other);
  CHECK_THROWS_SAYING(BindError, "a row may have 3 numbers or all 4", fit(executor, DataView(rows()), own, &predictor));
  own.validation_data = DataView(other, 3);
  fit(executor, DataView(rows()), own, &predictor);
  CHECK(predicted.size() == 4);
}

TEST_CASE("trainer: a predictor whose recording lacks groups of the program's reads those that it has") {
  Tape tape, predicting;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x"), y = tape.input(0.0, "y");
  Executor<double> executor(compile(batch_mean((w * x - y) * (w * x - y))));
  const Value same = predicting.parameter(0.0, "w");
  Executor<double> predictor(compile_inference(same * predicting.input(0.0, "x")), executor);
  const std::vector<double> xs = {1.0, -2.0, 3.0}, ys = {3.0, -6.0, 9.0};
  FitOptions options{.epochs = 2, .batch = 3, .optimizer = SgdOptions{.learning_rate = 0.01}};
  std::vector<double> predicted;
  options.metrics = {{"seen", [&](std::span<const double> outputs, auto) {
                        predicted = numbers_of(outputs);
                        return 0.0;
                      }}};
  fit(executor, DataView().add("x", xs).add("y", ys), options, &predictor);
  const double trained = executor.parameters()[0];
  CHECK(predicted == std::vector<double>{trained, -2.0 * trained, 3.0 * trained});
  CHECK_THROWS_SAYING(BindError, "\"z\"", fit(executor, DataView().add("z", xs), options, &predictor));
}

TEST_CASE("trainer: validation rows are never trained on") {
  // Rows of the validation are poisoned: to train on them would give NaN.
  std::vector<double> poisoned = rows();
  const Split split = split_rows(row_count, 0.3, 5);
  for (std::uint32_t row : split.validation) poisoned[4 * row] = std::nan("");
  Executor<double> executor(program());
  const History history =
      fit(executor, DataView(poisoned), {.epochs = 3, .batch = 4, .seed = 5, .validation_fraction = 0.3});
  CHECK(history.end == FitEnd::epochs);
  CHECK(std::isfinite(history.epochs[2].loss));
  CHECK(std::isnan(history.epochs[2].validation_loss));
}

TEST_CASE("trainer: rows of their own, or named ones, to validate with") {
  const std::vector<double> other = some_numbers(4 * 6, 99);
  Executor<double> executor(program()), by_hand(program());
  FitOptions options{.epochs = 2, .batch = 8};
  options.validation_data = DataView(other);
  const History history = fit(executor, DataView(rows()), options);
  by_hand.set_parameters(executor.parameters());
  by_hand.bind(std::span<const double>(other));
  CHECK(history.epochs[1].validation_loss == Approx(by_hand.step()).epsilon(1e-13));
  CHECK(executor.bound_rows() == row_count);
  CHECK(fit<double>(program(), DataView(rows()), options).executor.bound_rows() == row_count);

  Executor<double> named(program());
  FitOptions with_split{.epochs = 1, .batch = 2, .shuffle = false};
  with_split.split = {{3, 1, 2}, {7, 5}};
  std::vector<std::uint32_t> seen;
  with_split.metrics = {{"rows", [&](auto, std::span<const std::uint32_t> of) {
                           seen = numbers_of(of);
                           return 0.0;
                         }}};
  const History of_named = fit(named, DataView(rows()), with_split);
  CHECK(of_named.epochs[0].steps == 2);
  CHECK(seen == std::vector<std::uint32_t>{7, 5});
}

TEST_CASE("trainer: the data are bound again where a validation is refused") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), w = tape.parameter(0.5);
  Value y = w * x;
  if (x > 0.0) y = y * 2.0;
  Executor<double> executor(compile(batch_mean(square(y))), {.max_samples = 2});
  const double positive[] = {1.0, 3.0}, negative[] = {-2.0, -4.0};
  FitOptions options{.epochs = 1, .batch = 2, .optimizer = SgdOptions{.learning_rate = 0.0}};
  options.validation_data = DataView(std::span(negative));
  CHECK_THROWS_AS(fit(executor, DataView(std::span(positive)), options), GuardError);
  CHECK(executor.step() == 5.0);  // of 1 and 3
}

TEST_CASE("trainer: what is bound by hand is not exchanged for rows to validate with") {
  const std::vector<double> other = some_numbers(4 * row_count, 99);
  FitOptions options{.epochs = 2, .batch = 8};
  options.validation_data = DataView(other);
  Executor<double> expected(program()), executor(program());
  fit(expected, DataView(rows()), options);
  executor.bind(std::span<const double>(rows()));
  const std::vector<double> before = parameters_of(executor);
  CHECK_THROWS_SAYING(BindError, "give them as data", fit(executor, DataView(), options));
  CHECK(parameters_of(executor) == before);
  CHECK(executor.bound_row(0) == std::vector<double>(rows().begin(), rows().begin() + 4));

  SmallNet net;
  Executor<double> predictor(compile(net.loss, {.outputs = {net.prediction}, .gradients = false}), executor);
  fit(executor, DataView(), options, &predictor);
  CHECK(parameters_of(executor) == parameters_of(expected));

  Executor<double> itself(program());
  fit(itself, DataView(rows()), options, &itself);
  CHECK(parameters_of(itself) == parameters_of(expected));
}

TEST_CASE("trainer: the best parameters come back from a run that diverges, too") {
  Tape tape;
  const Value p = tape.parameter(3.0, "p"), loss = square(p);
  Executor<double> executor(compile(loss, {.outputs = {loss}}));
  FitOptions options{.epochs = 20, .optimizer = SgdOptions{}, .patience = 10, .monitor = "loss after"};
  options.metrics = {{"loss after", [](std::span<const double> outputs, auto) { return outputs[0]; }}};
  options.more_is_better = false;
  options.schedule = [](std::uint64_t step) { return step < 5 ? 0.1 : 1e120; };
  const History history = fit(executor, DataView(), options);
  CHECK(history.end == FitEnd::diverged);
  CHECK(history.best_epoch == 5);
  CHECK(executor.parameters()[0] == Approx(3.0 * std::pow(0.8, 5)));

  executor.parameters()[0] = 3.0;
  options.restore_best = false;
  fit(executor, DataView(), options);
  CHECK(std::abs(executor.parameters()[0]) > 1e100);
}

TEST_CASE("trainer: patience ends the run and the best parameters come back") {
  // The metric is best in epoch 3; the epochs after it are not better by more than 0.1.
  const std::vector<double> script = {0.1, 0.3, 0.6, 0.65, 0.5, 0.7, 0.9, 0.9};
  Executor<double> executor(program());
  std::map<std::size_t, std::vector<double>> after_epoch;
  FitOptions options{.epochs = 8, .batch = 8, .patience = 3, .min_delta = 0.1, .monitor = "scripted"};
  options.metrics = {scripted(script)};
  options.on_step = [&](const StepReport& report) { after_epoch[report.epoch] = parameters_of(executor); };
  std::vector<bool> best;
  options.on_epoch = [&](const EpochReport& report) { best.push_back(report.best); };

  SECTION("restored") {
    const History history = fit(executor, DataView(rows()), options);
    CHECK(history.end == FitEnd::patience);
    CHECK(history.epochs.size() == 6);
    CHECK(history.best_epoch == 3);
    CHECK(best == std::vector<bool>{true, true, true, false, false, false});
    CHECK(parameters_of(executor) == after_epoch[3]);
    CHECK(after_epoch[3] != after_epoch[6]);
  }
  SECTION("left as they are") {
    options.restore_best = false;
    CHECK(fit(executor, DataView(rows()), options).epochs.size() == 6);
    CHECK(parameters_of(executor) == after_epoch[6]);
  }
  SECTION("more patience") {
    options.patience = 4;
    const History history = fit(executor, DataView(rows()), options);
    CHECK(history.end == FitEnd::epochs);
    CHECK(history.best_epoch == 7);
    CHECK(parameters_of(executor) == after_epoch[7]);
  }
  SECTION("less is better") {
    options.more_is_better = false;
    const History history = fit(executor, DataView(rows()), options);
    CHECK(history.epochs.size() == 4);
    CHECK(history.best_epoch == 1);
    CHECK(parameters_of(executor) == after_epoch[1]);
  }
}

TEST_CASE("trainer: the validation loss is what is monitored by itself") {
  // A rate this high makes it worse after a while.
  Executor<double> executor(program());
  const History history = fit(executor, DataView(rows()),
                              {.epochs = 200,
                               .batch = 16,
                               .optimizer = SgdOptions{.learning_rate = 0.2},
                               .validation_fraction = 0.5,
                               .patience = 5});
  REQUIRE(history.end == FitEnd::patience);
  std::size_t best = 0;
  for (std::size_t i = 0; i < history.epochs.size(); ++i) {
    if (history.epochs[i].validation_loss < history.epochs[best].validation_loss) best = i;
  }
  CHECK(history.best_epoch == best + 1);
  CHECK(history.epochs.size() == best + 6);
}
