// A run that is stopped after any step, and goes on in another Trainer with a state that was copied out, ends with the
// same bits as one that was not stopped.
#include <cmath>
#include <variant>

#include "small_training.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/train/checkpoint.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Six steps an epoch, the last of them short.
FitOptions options_of(const std::variant<AdamOptions, SgdOptions>& optimizer) {
  FitOptions options{
      .epochs = 4, .batch = 3, .optimizer = optimizer, .seed = 11, .validation_fraction = 0.26, .patience = 3};
  options.clip_norm = 1.0;
  return options;
}

template <class T>
struct Outcome {
  std::vector<T> parameters;
  TrainerState<T> state;
  FitEnd end;
};

template <class T>
void check_same(const Outcome<T>& a, const Outcome<T>& b) {
  CHECK(a.parameters == b.parameters);
  CHECK(a.end == b.end);
  CHECK(a.state.optimizer.steps == b.state.optimizer.steps);
  CHECK(a.state.optimizer.moments == b.state.optimizer.moments);
  CHECK(a.state.best == b.state.best);
  CHECK(a.state.spare == b.state.spare);
  REQUIRE(a.state.epochs.size() == b.state.epochs.size());
  for (std::size_t i = 0; i < a.state.epochs.size(); ++i) {
    CHECK(a.state.epochs[i].loss == b.state.epochs[i].loss);
    CHECK(a.state.epochs[i].validation_loss == b.state.epochs[i].validation_loss);
    CHECK(a.state.epochs[i].best == b.state.epochs[i].best);
  }
}

template <class T>
Outcome<T> outcome_of(Trainer<T>& trainer) {
  return {parameters_of(trainer.executor()), trainer.state(), trainer.history().end};
}

/// Stops after `stop` steps, and within that step's callback if `in_callback`.
template <class T>
Outcome<T> interrupted(const FitOptions& options, std::size_t stop, bool in_callback) {
  TrainerState<T> state;
  {
    Executor<T> executor(program());
    FitOptions first = options;
    if (in_callback) first.on_step = [&](const StepReport& report) { return report.step < stop; };
    Trainer<T> trainer(executor, DataView(rows()), first);
    for (std::size_t i = 0; i < stop; ++i) trainer.step();
    state = trainer.state();
  }
  Executor<T> executor(program());
  Trainer<T> trainer(executor, DataView(rows()), options);
  trainer.restore(state);
  trainer.run();
  return outcome_of(trainer);
}

/// Returns why the run came to its end.
template <class T>
FitEnd check_all_stops(const FitOptions& options) {
  Executor<T> executor(program());
  Trainer<T> trainer(executor, DataView(rows()), options);
  trainer.run();
  const Outcome<T> whole = outcome_of(trainer);
  const std::uint64_t steps = trainer.optimizer().steps();
  REQUIRE(steps >= 18);
  for (std::size_t stop = 0; stop <= steps; ++stop) {
    INFO("stopped after step " << stop << " of " << steps);
    check_same(interrupted<T>(options, stop, false), whole);
    if (stop > 0) check_same(interrupted<T>(options, stop, true), whole);
  }
  return whole.end;
}

}  // namespace

TEMPLATE_TEST_CASE("resume: the same bits after a stop at any step", "", float, double) {
  const std::variant<AdamOptions, SgdOptions> adam = AdamOptions{.learning_rate = 0.05, .weight_decay = 0.01};
  const std::variant<AdamOptions, SgdOptions> momentum =
      SgdOptions{.learning_rate = 0.05, .momentum = 0.9, .nesterov = true};
  FitOptions options = options_of(GENERATE_COPY(adam, momentum));
  SECTION("as it is") { CHECK(check_all_stops<TestType>(options) == FitEnd::epochs); }
  SECTION("with a schedule") {
    options.schedule = [](std::uint64_t step) { return cosine_decay(0.1, 0.0, 24, step); };
    CHECK(check_all_stops<TestType>(options) == FitEnd::epochs);
  }
  SECTION("ended by patience") {
    options.epochs = 50;
    options.patience = 1;
    options.optimizer = SgdOptions{.learning_rate = 0.9, .momentum = 0.5};
    options.min_delta = 0.02;
    CHECK(check_all_stops<TestType>(options) == FitEnd::patience);
  }
}

TEST_CASE("resume: a run that is over goes on from its last step when it may have more epochs") {
  FitOptions longer = options_of(SgdOptions{.learning_rate = 0.5, .momentum = 0.9}), shorter = longer;
  longer.patience = shorter.patience = 100;
  longer.epochs = 9;
  shorter.epochs = 5;
  Executor<double> at_once(program()), first(program()), second(program());
  Trainer<double> whole(at_once, DataView(rows()), longer), part(first, DataView(rows()), shorter);
  whole.run();
  part.run();
  CHECK(part.history().end == FitEnd::epochs);
  REQUIRE(part.history().best_epoch < 5);  // so that there is something to take back
  const TrainerState<double> state = part.state();
  CHECK(state.restored);
  Trainer<double> rest(second, DataView(rows()), longer);
  rest.restore(state);
  CHECK(rest.history().end == FitEnd::not_yet);
  rest.run();
  check_same(outcome_of(rest), outcome_of(whole));
}

TEST_CASE("resume: a learning rate that was set by hand is kept") {
  FitOptions options = options_of(SgdOptions{.learning_rate = 0.5});
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), options);
  trainer.optimizer().set_learning_rate(0.25);
  const TrainerState<double> state = trainer.state();
  Trainer<double> other(executor, DataView(rows()), options);
  other.restore(state);
  CHECK(other.optimizer().learning_rate() == 0.25);
}

TEST_CASE("resume: another learning rate in the options holds from there on") {
  const FitOptions slow = options_of(SgdOptions{.learning_rate = 0.0625}),
                   fast = options_of(SgdOptions{.learning_rate = 0.5});
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), fast);
  for (int i = 0; i < 4; ++i) trainer.step();
  TrainerState<double> state = trainer.state();
  CHECK(state.configured_rate == 0.5);
  const auto rate_after = [&](const FitOptions& options) {
    Trainer<double> other(executor, DataView(rows()), options);
    other.restore(state);
    return other.optimizer().learning_rate();
  };
  CHECK(rate_after(slow) == 0.0625);
  CHECK(rate_after(fast) == 0.5);
  // Set by hand in the saved run; then given by the options, which say more than what is no longer theirs.
  state.optimizer.learning_rate = 0.25;
  CHECK(rate_after(fast) == 0.25);
  CHECK(rate_after(slow) == 0.0625);
  state.configured_rate = std::nan("");  // a schedule left it
  CHECK(rate_after(slow) == 0.0625);
}

TEST_CASE("resume: a rate that a schedule has left does not outlive the schedule") {
  FitOptions scheduled = options_of(SgdOptions{.learning_rate = 0.0625});
  const FitOptions constant = scheduled;
  scheduled.schedule = [](std::uint64_t) { return 0.25; };
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), scheduled);
  for (int i = 0; i < 3; ++i) trainer.step();
  save_checkpoint("scheduled.safetensors", trainer);
  Trainer<double> other(executor, DataView(rows()), constant);
  load_checkpoint("scheduled.safetensors", other);
  CHECK(other.optimizer().learning_rate() == 0.0625);
}

TEST_CASE("resume: other data of the same length, other rows and other frozen parameters are refused") {
  FitOptions options = options_of(AdamOptions{});
  options.validation_fraction = 0.0;
  options.split = {{1, 2, 3, 4, 5, 6, 7}, {10, 11}};
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), options);
  for (int i = 0; i < 3; ++i) trainer.step();
  const TrainerState<double> state = trainer.state();
  const auto restored = [&](const std::vector<double>& data, const FitOptions& with) {
    Executor<double> other(program());
    Trainer<double> next(other, DataView(data), with);
    next.restore(state);
    return next.state().position;
  };
  CHECK(restored(rows(), options) == state.position);
  const auto changed = [](std::size_t at) {
    std::vector<double> data = rows();
    data[at] = std::nextafter(data[at], 2.0);
    return data;
  };
  CHECK(restored(changed(4 * 9), options) == state.position);  // a row that is in neither list
  CHECK_THROWS_SAYING(BindError, "trained on other data", restored(changed(4 * 7 + 3), options));
  CHECK_THROWS_SAYING(BindError, "validated on other data", restored(changed(4 * 11), options));
  FitOptions other_rows = options;
  other_rows.split.training[0] = 8;
  CHECK_THROWS_SAYING(BindError, "trained on other data", restored(rows(), other_rows));
  FitOptions own_data = options;
  own_data.split = {{1, 2, 3, 4, 5, 6, 7}, {}};
  const std::vector<double> others = some_numbers(8);
  own_data.validation_data = DataView(others);
  CHECK_THROWS_SAYING(BindError, "validated on other data", restored(rows(), own_data));

  // Floats with the same numbers are the same data.
  const std::vector<float> floats(rows().begin(), rows().end());
  const std::vector<double> rounded(floats.begin(), floats.end());
  Trainer<double> from_floats(executor, DataView(floats), options), from_doubles(executor, DataView(rounded), options);
  CHECK(from_floats.state().training_data == from_doubles.state().training_data);
  CHECK(from_floats.state().training_data != state.training_data);

  Executor<double> freezing(program());
  freezing.set_frozen(std::vector<ParameterId>{ParameterId(1)});
  Trainer<double> partly(freezing, DataView(rows()), options);
  CHECK_THROWS_SAYING(BindError, "other parameters are frozen", partly.restore(state));
  freezing.set_frozen(std::vector<ParameterId>{ParameterId(1)}, false);
  CHECK_NOTHROW(partly.restore(state));
}

TEST_CASE("resume: asking for the state amid a run with data of its own to validate with changes nothing") {
  const std::vector<double> other = some_numbers(4 * 6, 99);
  FitOptions options{.epochs = 2, .batch = 4, .seed = 3};
  options.validation_data = DataView(other);
  Executor<double> asked(program()), alone(program());
  Trainer<double> first(asked, DataView(rows()), options), second(alone, DataView(rows()), options);
  for (bool more = true; more; more = first.step()) first.state();
  second.run();
  check_same(outcome_of(first), outcome_of(second));
}

TEST_CASE("resume: a predictor's random numbers are those that it would have had") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x"), noise = tape.randoms(1)[0];
  const Value loss = batch_mean(square(w * (x + noise) - 1.0));
  const Program trains = compile(loss), validates = compile(loss, {.gradients = false});
  const std::vector<double> numbers = some_numbers(12, 3);
  FitOptions options{.epochs = 4, .batch = 3, .seed = 7, .validation_fraction = 0.5};
  options.patience = 3;
  const auto outcome = [&](const TrainerState<double>* from, std::size_t epochs) {
    Executor<double> executor(trains), predictor(validates, executor);
    FitOptions some = options;
    some.on_epoch = [&](const EpochReport& report) { return report.epoch < epochs; };
    Trainer<double> trainer(executor, DataView(numbers), some, &predictor);
    if (from != nullptr) trainer.restore(*from);
    trainer.run();
    return outcome_of(trainer);
  };
  const Outcome<double> whole = outcome(nullptr, 9), half = outcome(nullptr, 2);
  REQUIRE(half.state.epochs.size() == 2);
  check_same(outcome(&half.state, 9), whole);
}

TEST_CASE("resume: the state of another run is refused, and changes nothing") {
  const FitOptions options = options_of(AdamOptions{});
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), options);
  for (int i = 0; i < 8; ++i) trainer.step();
  const TrainerState<double> good = trainer.state();
  const auto refused = [&](const std::string& what, void (*spoil)(TrainerState<double>&)) {
    TrainerState<double> state = good;
    spoil(state);
    CHECK_THROWS_SAYING(BindError, what, trainer.restore(state));
    CHECK(trainer.state().parameters == good.parameters);
    CHECK(trainer.state().position == good.position);
  };
  refused("another number of parameters: 5, not 6", [](auto& s) { s.parameters.pop_back(); });
  refused("another batch size: 4, not 3", [](auto& s) { s.batch = 4; });
  refused("another seed: 12, not 11", [](auto& s) { s.seed = 12; });
  refused("rows to train with: 1, not 17", [](auto& s) { s.training_rows = 1; });
  refused("rows to validate with: 1, not 6", [](auto& s) { s.validation_rows = 1; });
  refused("shuffles", [](auto& s) { s.shuffle = false; });
  refused("fit together", [](auto& s) { s.position = 18; });
  refused("fit together", [](auto& s) { s.position = 4; });
  refused("fit together", [](auto& s) { s.spare.push_back(0.0); });
  refused("fit together", [](auto& s) { s.epoch = 7; });
  refused("fit together", [](auto& s) { s.best_epoch = 7; });
  refused("fit together", [](auto& s) { s.restored = true, s.spare.clear(); });
  refused("fit together", [](auto& s) { s.epochs[0].metrics.push_back(1.0); });
  refused("fit together", [](auto& s) { s.optimizer.moments[1].second.pop_back(); });
  refused("of an optimizer \"sgd\"", [](auto& s) { s.optimizer.kind = "sgd"; });
  refused("has not the moments", [](auto& s) { s.optimizer.moments.pop_back(); });
  refused("has not the moments", [](auto& s) { s.optimizer.moments[0].second.clear(); });
  refused("learning rate", [](auto& s) { s.optimizer.learning_rate = -1.0; });
}
