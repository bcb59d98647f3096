// What a Trainer does is held against loops written by hand from executor steps and optimizer updates.
#include "tapeloom/runtime/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/train/clip.h"
#include "tapeloom/runtime/train/fit.h"
#include "tapeloom/runtime/train/metrics.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

constexpr std::size_t row_count = 23;

const std::vector<double>& rows() {
  static const std::vector<double> numbers = some_numbers(4 * row_count, 3);
  return numbers;
}

const Program& program() {
  static const Program compiled = [] {
    SmallNet net;
    return compile(net.loss, {.outputs = {net.prediction}});
  }();
  return compiled;
}

template <class T>
std::vector<T> numbers_of(std::span<const T> numbers) {
  return {numbers.begin(), numbers.end()};
}
template <class T>
std::vector<T> parameters_of(const Executor<T>& executor) {
  return numbers_of(executor.parameters());
}

/// A metric whose numbers are given, epoch after epoch.
Metric scripted(std::vector<double> numbers) {
  return {"scripted", [numbers, epoch = std::size_t{0}](auto, auto) mutable { return numbers.at(epoch++); }};
}

}  // namespace

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

TEST_CASE("trainer: a loss that is not finite ends the run before the update") {
  Executor<double> executor(program());
  std::vector<double> before;
  FitOptions options{.epochs = 1, .batch = 1, .shuffle = false};
  options.on_step = [&](const StepReport&) { before = parameters_of(executor); };
  std::vector<double> bad = rows();
  bad[4 * 5] = std::nan("");
  CHECK(fit(executor, DataView(bad), options).end == FitEnd::diverged);
  CHECK(parameters_of(executor) == before);
  CHECK(fit(executor, DataView(bad), options).epochs.empty());
}

TEST_CASE("trainer: a run that diverges names the step, the first bad row of the batch and its value") {
  std::vector<double> bad = rows();
  bad[4 * 9 + 2] = bad[4 * 10] = std::nan("");
  Executor<double> executor(program());
  const FitOptions options{.epochs = 2, .batch = 4, .optimizer = SgdOptions{.learning_rate = 0.125}, .shuffle = false};
  const History history = fit(executor, DataView(bad), options);
  CHECK(history.end == FitEnd::diverged);
  REQUIRE(history.divergence);
  const Divergence& found = *history.divergence;
  CHECK(found.step == 3);
  CHECK(found.epoch == 1);
  CHECK(found.batch == 3);
  CHECK_FALSE(std::isfinite(found.loss));
  CHECK(found.learning_rate == 0.125);
  CHECK(found.row == 9u);
  CHECK(found.group == "x");
  CHECK(found.column == 2);
  CHECK(std::isnan(found.value));
  CHECK(found.classes == 0);
  CHECK(found.what.find("step 3 (epoch 1, batch 3): the loss is ") == 0);
  CHECK(found.what.find("the learning rate 0.125. Row 9 has a number that is not finite: \"x\", column 2, is nan") !=
        std::string::npos);
  // The step's results can be looked at, and its data are bound.
  CHECK(executor.outputs().size() == 4);
  CHECK_FALSE(std::isfinite(executor.loss()));
  CHECK(executor.bound_rows() == row_count);

  // In float a number may be too large, in the column of a target as well.
  bad = rows();
  bad[4 * 2 + 3] = 1e39;
  Executor<float> in_float(program());
  const History of_float = fit(in_float, DataView(bad), options);
  REQUIRE(of_float.divergence);
  CHECK(of_float.divergence->row == 2u);
  CHECK(of_float.divergence->group == "y");
  CHECK(of_float.divergence->what.find("too large for a float: \"y\", column 0, is 1e+39") != std::string::npos);

  // tanh of -inf is -1 and its derivative 0: the loss is finite, and a gradient 0 * -inf.
  bad = rows();
  bad[4 * 9 + 2] = -std::numeric_limits<double>::infinity();
  Executor<double> late(program());
  const History of_late = fit(late, DataView(bad), options);
  REQUIRE(of_late.divergence);
  CHECK(of_late.divergence->step == 3);
  CHECK(of_late.divergence->row == 9u);
  CHECK(of_late.divergence->group == "x");
  CHECK(contains(of_late.divergence->what, "gradients are not finite"));
  CHECK(contains(of_late.divergence->what, "Row 9 has a number that is not finite: \"x\", column 2, is -inf"));
  CHECK(std::isfinite(late.parameters()[0]));

  Executor<double> good(program());
  CHECK_FALSE(fit(good, DataView(rows()), options).divergence);
}

TEMPLATE_TEST_CASE("trainer: classes numbered from 1 are named as out of range", "", float, double) {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value kind = tape.input(0.0, "kind");
  const Layer layer(tape, 2, {10}, glorot(random));
  const Value loss = batch_mean(softmax_cross_entropy(layer(x), kind));
  const Program labelled = compile(loss);
  const auto divergence_of = [&](double label) {
    std::vector<double> numbers = some_numbers(3 * 12);
    for (std::size_t row = 0; row < 12; ++row) numbers[3 * row + 2] = static_cast<double>(row % 9 + 1);  // 1, ..., 9
    numbers[3 * 7 + 2] = label;
    Executor<TestType> executor(labelled);
    const History history = fit(executor, DataView(numbers), {.epochs = 1, .batch = 5, .shuffle = false});
    REQUIRE(history.divergence);
    CHECK(executor.bound_row(7) == std::vector<double>{numbers[21], numbers[22], label});
    return *history.divergence;
  };
  for (const double label : {10.0, 11.0, 1000.0, -1.0, 2.5}) {
    INFO("label " << label);
    const Divergence found = divergence_of(label);
    CHECK(found.row == 7u);
    CHECK(found.group == "kind");
    CHECK(found.value == label);
    CHECK(found.classes == 10);
    CHECK(found.batch == 2);
    CHECK(found.what.find("and only 0 to 9 in its place give finite numbers. If it is the number of a class, there are "
                          "10, numbered from 0") != std::string::npos);
  }
  CHECK(divergence_of(10.0).what.find("Row 7 is the first that is not finite by itself, though its numbers are: "
                                      "\"kind\" is 10, and only 0 to 9") != std::string::npos);
}

TEST_CASE("trainer: rows, parameters and batches that are not finite though the data are") {
  // A row by itself, without a number to blame.
  Tape tape;
  const Value x = tape.input(1.0, "x"), w = tape.parameter(1.0, "w");
  const Value loss = batch_mean(log(x) * w);
  const std::vector<double> numbers = {1.0, 2.0, 0.0, 3.0, -1.0};
  Executor<double> executor(compile(loss));
  const Divergence of_row =
      fit(executor, DataView(numbers), {.epochs = 1, .batch = 5, .shuffle = false}).divergence.value();
  CHECK(of_row.row == 2u);
  CHECK(of_row.group.empty());
  CHECK(of_row.what.find("Row 2 is the first that is not finite by itself, though its numbers are") !=
        std::string::npos);

  // A rate that is far too large: the loss is finite until the parameters are not.
  Tape other;
  const Value p = other.parameter(3.0, "p");
  Executor<double> fast(compile(square(p)));
  const History history =
      fit(fast, DataView(), {.epochs = 1000, .optimizer = SgdOptions{.learning_rate = 1e200}, .shuffle = false});
  REQUIRE(history.divergence);
  CHECK(history.divergence->learning_rate == 1e200);
  CHECK_FALSE(history.divergence->row);
  CHECK(history.divergence->step == 2);
  CHECK(history.divergence->what.find("the loss is inf, the learning rate 1e+200. The parameters are finite, and all "
                                      "that was bound. Parameter 0, \"p\", is the largest, -6e+200") !=
        std::string::npos);

  // Gradients that are not finite, of a loss that is, by the norm they are clipped to.
  Tape third;
  const Value z = third.input(1.0, "z"), v = third.parameter(0.0, "v");
  Executor<double> clipped(compile(batch_mean(sqrt(v * z))));
  FitOptions options{.epochs = 1, .batch = 3, .shuffle = false};
  options.clip_norm = 1.0;
  const std::vector<double> of_z = {0.0, 2.0, 3.0};
  const Divergence of_norm = fit(clipped, DataView(of_z), options).divergence.value();
  CHECK(of_norm.loss == 0.0);
  CHECK_FALSE(std::isfinite(of_norm.gradient_norm));
  CHECK(of_norm.what.find("the loss is 0, gradients are not finite") != std::string::npos);
  CHECK(of_norm.row.has_value());
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

TEST_CASE("trainer: gradients that are not finite end a run before they spoil the parameters") {
  Tape tape;
  const Value w = tape.parameter(0.0, "w"), x = tape.input(0.0, "x");
  Executor<double> executor(compile(batch_mean(sqrt(square(w * x)))));  // its derivative at 0 is infinite
  const std::vector<double> numbers = {1.0, 2.0, 3.0, 4.0};
  const History history = fit(executor, DataView(numbers), {.epochs = 1, .batch = 4});
  CHECK(history.end == FitEnd::diverged);
  REQUIRE(history.divergence);
  CHECK(history.divergence->step == 1);
  CHECK(history.divergence->loss == 0.0);
  INFO(history.divergence->what);
  CHECK(contains(history.divergence->what, "gradient"));
  CHECK(executor.parameters()[0] == 0.0);
}
