// Runs that are stopped, saved in a file, loaded in another Trainer and go on: the same bits as runs that are not.
#include "tapeloom/runtime/train/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "files.h"
#include "random_numbers.h"
#include "small_training.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/safetensors.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

const std::string path = "run.safetensors";

/// Six steps an epoch, the last of them short.
FitOptions some_options() {
  FitOptions options{.epochs = 3, .batch = 3, .seed = 11, .validation_fraction = 0.26, .patience = 2};
  options.optimizer = AdamOptions{.learning_rate = 0.05};
  options.metrics = {{"first", [](auto outputs, auto) { return outputs[0]; }},
                     {"none", [](auto, auto) { return std::numeric_limits<double>::quiet_NaN(); }}};
  return options;
}

template <class T>
void check_same(const TrainerState<T>& a, const TrainerState<T>& b) {
  CHECK(a.parameters == b.parameters);
  CHECK(a.spare == b.spare);
  CHECK(a.optimizer.steps == b.optimizer.steps);
  CHECK(a.optimizer.moments == b.optimizer.moments);
  CHECK(a.best == b.best);
  CHECK(a.best_epoch == b.best_epoch);
  REQUIRE(a.epochs.size() == b.epochs.size());
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    CHECK(a.epochs[i].epoch == b.epochs[i].epoch);
    CHECK(a.epochs[i].steps == b.epochs[i].steps);
    CHECK(a.epochs[i].loss == b.epochs[i].loss);
    CHECK(a.epochs[i].validation_loss == b.epochs[i].validation_loss);
    CHECK(a.epochs[i].learning_rate == b.epochs[i].learning_rate);
    CHECK(a.epochs[i].best == b.epochs[i].best);
    REQUIRE(a.epochs[i].metrics.size() == 2);
    REQUIRE(b.epochs[i].metrics.size() == 2);
    CHECK(a.epochs[i].metrics[0] == b.epochs[i].metrics[0]);
    CHECK(std::isnan(b.epochs[i].metrics[1]));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("checkpoint: a run saved and loaded after any step ends with the same bits", "", float, double) {
  FitOptions options = some_options();
  if (GENERATE(false, true)) options.optimizer = SgdOptions{.learning_rate = 0.05, .momentum = 0.9};
  Executor<TestType> at_once(program());
  Trainer<TestType> whole(at_once, DataView(rows()), options);
  whole.run();
  REQUIRE(whole.optimizer().steps() == 18);
  for (std::size_t stop = 0; stop <= 18; ++stop) {
    INFO("stopped after step " << stop);
    {
      Executor<TestType> executor(program());
      Trainer<TestType> trainer(executor, DataView(rows()), options);
      for (std::size_t i = 0; i < stop; ++i) trainer.step();
      save_checkpoint(path, trainer);
    }
    Executor<TestType> executor(program());
    Trainer<TestType> trainer(executor, DataView(rows()), options);
    load_checkpoint(path, trainer);
    trainer.run();
    check_same(trainer.state(), whole.state());
    CHECK(trainer.history().end == FitEnd::epochs);
  }
}

TEST_CASE("checkpoint: the parameters are tensors of the layout's names") {
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), some_options());
  for (int i = 0; i < 7; ++i) trainer.step();
  const TensorLayout layout = {{"w", {2, 2}, {ParameterId(3), ParameterId(1), ParameterId(2), ParameterId(0)}},
                               {"v", {2}, {ParameterId(5), ParameterId(4)}}};
  save_checkpoint(path, trainer, layout);
  const TensorFile file = read_safetensors(path);
  REQUIRE(file.find("w") != nullptr);
  CHECK(file.find("w")->at(1) == executor.parameters()[1]);
  CHECK(file.find("v")->at(0) == executor.parameters()[5]);
  CHECK(file.find("tapeloom.optimizer.first_moment")->size() == 6);
  CHECK(file.find("tapeloom.trainer.history")->shape == std::vector<std::size_t>{1, 7});

  Executor<double> other(program());
  Trainer<double> second(other, DataView(rows()), some_options());
  load_checkpoint(path, second, layout);
  CHECK(second.state().parameters == trainer.state().parameters);
  CHECK(second.state().position == 3);
  const TensorLayout part = {layout[0]};
  CHECK_THROWS_SAYING(BindError, "the layout has 4 of the 6 parameters", save_checkpoint("part", trainer, part));
  CHECK_FALSE(std::filesystem::exists("part"));
}

TEST_CASE("checkpoint: fit goes on where its file stops") {
  std::filesystem::remove("fit.safetensors");
  FitOptions options = some_options();
  Executor<double> at_once(program());
  const History expected = fit(at_once, DataView(rows()), options);

  options.checkpoint = "fit.safetensors";
  std::size_t steps = 0, runs = 0;
  options.on_step = [&](const StepReport&) { return ++steps % 4 != 0; };
  for (FitEnd end = FitEnd::not_yet; end != FitEnd::epochs; ++runs) {
    REQUIRE(runs < 20);
    Executor<double> executor(program());
    const History history = fit(executor, DataView(rows()), options);
    end = history.end;
    if (end != FitEnd::epochs) continue;
    CHECK(std::equal(at_once.parameters().begin(), at_once.parameters().end(), executor.parameters().begin()));
    CHECK(history.epochs.size() == expected.epochs.size());
    CHECK(history.epochs.back().validation_loss == expected.epochs.back().validation_loss);
  }
  CHECK(steps == 18);
  CHECK(runs == 5);
  // Killed between two steps, it goes on from the end of the last epoch.
  options.on_step = [&](const StepReport& report) {
    if (report.step == 15) throw std::runtime_error("killed");
  };
  std::filesystem::remove("fit.safetensors");
  Executor<double> killed(program()), after(program());
  CHECK_THROWS_AS(fit(killed, DataView(rows()), options), std::runtime_error);
  options.on_step = {};
  fit(after, DataView(rows()), options);
  CHECK(std::equal(at_once.parameters().begin(), at_once.parameters().end(), after.parameters().begin()));
}

TEST_CASE("checkpoint: fit goes on with another learning rate, and not with other data") {
  std::filesystem::remove("rate.safetensors");
  FitOptions options{.epochs = 1, .batch = 4, .optimizer = SgdOptions{.learning_rate = 0.5}};
  options.checkpoint = "rate.safetensors";
  Executor<double> executor(program());
  fit(executor, DataView(rows()), options);
  options.epochs = 2;
  options.optimizer = SgdOptions{.learning_rate = 0.125};
  std::vector<double> rates;
  options.on_step = [&](const StepReport& report) { rates.push_back(report.learning_rate); };
  std::vector<double> other = rows();
  other[5] += 1.0;
  CHECK_THROWS_SAYING(BindError, "trained on other data", fit(executor, DataView(other), options));
  CHECK(rates.empty());
  CHECK(fit(executor, DataView(rows()), options).epochs.size() == 2);
  CHECK_FALSE(rates.empty());
  CHECK(std::count(rates.begin(), rates.end(), 0.125) == static_cast<std::ptrdiff_t>(rates.size()));
}

TEST_CASE("checkpoint: files that are none, or of another run, are refused and change nothing") {
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), some_options());
  for (int i = 0; i < 8; ++i) trainer.step();
  save_checkpoint(path, trainer);
  const TensorFile good = read_safetensors(path);
  trainer.step();
  const TrainerState<double> before = trainer.state();
  const auto refused = [&](auto kind, const std::string& what, auto spoil) {
    TensorFile file = good;
    spoil(file);
    write_safetensors("spoiled.safetensors", file);
    CHECK_THROWS_SAYING(decltype(kind), what, load_checkpoint("spoiled.safetensors", trainer));
    CHECK(message_of<Error>([&] { load_checkpoint("spoiled.safetensors", trainer); }).starts_with("spoiled"));
    CHECK(trainer.state().parameters == before.parameters);
    CHECK(trainer.state().optimizer.moments == before.optimizer.moments);
    CHECK(trainer.state().position == before.position);
  };
  const auto tensor = [](TensorFile& file, std::string_view name) -> Tensor& {
    return const_cast<Tensor&>(*file.find(name));
  };
  const DataError data("", 0, 0, "");
  const BindError bind("");
  refused(data, "spoiled.safetensors: no \"tapeloom.checkpoint\"", [](auto& f) { f.metadata.clear(); });
  refused(data, "version 1; this library reads version 2", [](auto& f) { f.metadata["tapeloom.checkpoint"] = "1"; });
  refused(data, "version 3", [](auto& f) { f.metadata["tapeloom.checkpoint"] = "3"; });
  refused(data, "\"tapeloom.checkpoint\" is no number: x", [](auto& f) { f.metadata["tapeloom.checkpoint"] = "x"; });
  for (const auto& entry : good.metadata) {
    const std::string &key = entry.first, &text = entry.second;
    refused(data, "no \"" + key + "\"", [&](auto& f) { f.metadata.erase(key); });
    if (key == "tapeloom.optimizer.kind") continue;
    for (const std::string_view wrong : {"", " 1", "1 ", "-1x", "1.5.", "99999999999999999999999"}) {
      if (wrong.size() > 9 && text.find('.') != text.npos) continue;  // a double may be that large
      refused(data, "\"" + key + "\" is no number", [&](auto& f) { f.metadata[key] = wrong; });
    }
  }
  refused(data, "is no number: 2", [](auto& f) { f.metadata["tapeloom.trainer.shuffle"] = "2"; });
  refused(bind, "of an optimizer \"sgd\"", [](auto& f) { f.metadata["tapeloom.optimizer.kind"] = "sgd"; });
  refused(bind, "another seed", [](auto& f) { f.metadata["tapeloom.trainer.seed"] = "1"; });
  refused(bind, "fit together", [](auto& f) { f.metadata["tapeloom.trainer.position"] = "5"; });
  refused(bind, "fit together", [](auto& f) { f.metadata["tapeloom.trainer.epoch"] = "2"; });
  refused(bind, "no tensor \"w0\"", [&](auto& f) { tensor(f, "w0").name = "x"; });
  refused(bind, "\"w0\" has the shape", [&](auto& f) { tensor(f, "w0").shape = {1, 1}; });
  refused(data, "other precision", [&](auto& f) { tensor(f, "w0").numbers = std::vector<float>{1}; });
  refused(data, "other precision",
          [&](auto& f) { tensor(f, "tapeloom.trainer.spare").numbers = std::vector<float>(6); });
  refused(bind, "has not the moments", [&](auto& f) { tensor(f, "tapeloom.optimizer.first_moment").name = "x"; });
  refused(bind, "fit together", [&](auto& f) {
    for (const char* name : {"tapeloom.optimizer.first_moment", "tapeloom.optimizer.second_moment"}) {
      tensor(f, name) = {name, {1}, std::vector<double>{1.0}};
    }
  });
  refused(data, "the history is missing", [&](auto& f) { tensor(f, "tapeloom.trainer.history").name = "x"; });
  refused(data, "the history is missing or of another shape", [&](auto& f) {
    tensor(f, "tapeloom.trainer.history").shape = {7, 1};
  });
  refused(data, "no number of steps", [&](auto& f) {
    std::get<1>(tensor(f, "tapeloom.trainer.history").numbers)[0] = std::numeric_limits<double>::quiet_NaN();
  });
  refused(bind, "to the metrics of this run", [&](auto& f) {
    tensor(f, "tapeloom.trainer.history") = {"tapeloom.trainer.history", {1, 5}, std::vector<double>(5)};
  });

  const std::string whole = read_bytes(path);
  write_bytes("cut.safetensors", whole.substr(0, whole.size() - 1));
  CHECK_THROWS_SAYING(DataError, "cut short", load_checkpoint("cut.safetensors", trainer));
  load_checkpoint(path, trainer);
  CHECK(trainer.state().position == 6);
}

TEST_CASE("checkpoint: a file cut or changed anywhere is refused and changes nothing, or is a run that goes on") {
  Executor<double> executor(program());
  Trainer<double> trainer(executor, DataView(rows()), some_options());
  for (int i = 0; i < 8; ++i) trainer.step();
  save_checkpoint(path, trainer);
  const std::string whole = read_bytes(path);
  trainer.step();
  const TrainerState<double> before = trainer.state();
  Random random(1);
  std::size_t refused = 0, went_on = 0;
  const auto load = [&](const std::string& bytes) {
    write_bytes("spoiled.safetensors", bytes);
    try {
      load_checkpoint("spoiled.safetensors", trainer);
      ++went_on;
      trainer.run();
      trainer.restore(before);
    } catch (const Error&) {
      ++refused;
      const TrainerState<double> now = trainer.state();
      CHECK(now.parameters == before.parameters);
      CHECK(now.optimizer.moments == before.optimizer.moments);
      CHECK(now.optimizer.steps == before.optimizer.steps);
      CHECK(now.position == before.position);
      CHECK(now.epochs.size() == before.epochs.size());
    }
  };
  for (std::size_t kept = 0; kept < whole.size(); kept += 1 + kept / 40) load(whole.substr(0, kept));
  CHECK(went_on == 0);
  for (int i = 0; i < 1500; ++i) {
    std::string spoiled = whole;
    for (std::uint64_t n = 1 + random() % 2; n > 0; --n) {
      // Digits for digits, mostly, so that numbers in the header stay numbers.
      char& byte = spoiled[random() % spoiled.size()];
      byte = byte >= '0' && byte <= '9' && random() % 4 != 0 ? static_cast<char>('0' + random() % 10)
                                                             : static_cast<char>(random() % 256);
    }
    load(spoiled);
  }
  CHECK(refused > 500);
  CHECK(went_on > 100);
}

TEST_CASE("checkpoint: many tensors are found in little more time than few") {
  // Looking through all of them for each would take minutes.
  Tape tape;
  Value sum = tape.input(0.0, "x");
  for (int i = 0; i < 100'000; ++i) sum += tape.parameter(i, "parameter" + std::to_string(i));
  Executor<double> executor(compile(batch_mean(square(sum))));
  const std::vector<double> x = {1.0, 2.0};
  Trainer<double> trainer(executor, DataView(x), {.epochs = 1, .batch = 1});
  trainer.step();
  const TrainerState<double> before = trainer.state();
  save_checkpoint("many.safetensors", trainer);
  trainer.step();
  load_checkpoint("many.safetensors", trainer);
  CHECK(trainer.state().parameters == before.parameters);
}

TEST_CASE("checkpoint: fit says why it cannot look for its file") {
  std::filesystem::remove("loop.safetensors");
  std::filesystem::create_symlink("loop.safetensors", "loop.safetensors");
  FitOptions options = some_options();
  options.checkpoint = "loop.safetensors";
  Executor<double> executor(program());
  CHECK_THROWS_SAYING(DataError, "loop.safetensors: cannot open: Too many levels",
                      fit(executor, DataView(rows()), options));
}
