// Runs that end at numbers that are not finite, before they spoil the parameters, and what is named as the reason.
#include <cmath>
#include <limits>

#include "small_training.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

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

TEST_CASE("trainer: a run over recorded samples that diverges names a number that is not finite") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w");
  Value loss = 0.0;
  for (double x : {1.0, 2.0, -3.0, 4.0}) loss = loss + log(w * tape.constant(x));
  Executor<double> executor(compile(loss));
  REQUIRE(executor.program().recorded_samples == 4);
  const History history = fit(executor, DataView(), {.epochs = 2, .optimizer = SgdOptions{.learning_rate = 0.125}});
  CHECK(history.end == FitEnd::diverged);
  REQUIRE(history.divergence);
  CHECK(std::isnan(history.divergence->loss));
  CHECK_FALSE(history.divergence->row);
  CHECK(history.divergence->what.find("The parameters are finite, and all that was recorded. ") != std::string::npos);
  CHECK(executor.parameters()[0] == 0.5);

  // A number that is recorded is named as one that is bound.
  loss = 0.0;
  for (double x : {1.0, 2.0, 3.0, std::nan("")}) loss = loss + tanh(w * tape.constant(x));
  Executor<double> with_nan(compile(loss));
  REQUIRE(with_nan.program().recorded_samples == 4);
  const History second = fit(with_nan, DataView(), {.epochs = 1});
  REQUIRE(second.divergence);
  CHECK(second.divergence->row == 3u);
  CHECK(std::isnan(second.divergence->value));
  CHECK(second.divergence->what.find("Row 3 has a number that is not finite") != std::string::npos);
}
