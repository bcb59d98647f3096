// BatchNorm: against PyTorch's numbers (see layers.py) and by hand; what is kept from step to step.
#include "against_evaluate.h"
#include "processor_time.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/batch_norm.h"
#include "tapeloom/core/nets/dropout.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/train/checkpoint.h"
#include "tapeloom/runtime/train/lbfgs.h"
#include "tapeloom/runtime/train/trainer.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

std::vector<double> numbers(const std::string& name) {
  static const TensorFile file = read_safetensors(std::string(TAPELOOM_SOURCE_DIR) + "/tests/layers.safetensors");
  INFO(name);
  const Tensor* tensor = file.find(name);
  REQUIRE(tensor != nullptr);
  return std::get<std::vector<double>>(tensor->numbers);
}

/// Rows of both lists side by side.
std::vector<double> side_by_side(const std::vector<double>& a, const std::vector<double>& b, std::size_t rows) {
  std::vector<double> both;
  for (std::size_t s = 0; s < rows; ++s) {
    for (const auto* list : {&a, &b}) {
      const std::size_t size = list->size() / rows;
      for (std::size_t i = 0; i < size; ++i) both.push_back((*list)[s * size + i]);
    }
  }
  return both;
}

using Record = std::function<Values(Tape&, const Values& x, TensorLayout& layout)>;

template <class T>
void run(const std::string& name, std::size_t samples, const Record& record, bool exact) {
  INFO(name << (exact ? ", exact" : ""));
  const std::vector<double> x = numbers(name + ".x"), c = numbers(name + ".c");
  Tape tape;
  const Values inputs = tape.inputs("x", x.size() / samples), factors = tape.inputs("c", c.size() / samples);
  TensorLayout layout;
  const Values y = record(tape, inputs, layout);
  REQUIRE(y.size() == factors.size());
  Executor<T> executor(compile(batch_sum(dot(factors, y)), {.outputs = y, .input_gradients = true, .exact = exact}));
  const TensorFile file = read_safetensors(std::string(TAPELOOM_SOURCE_DIR) + "/tests/layers.safetensors");
  import_weights(executor, file, layout);
  const std::vector<double> rows = side_by_side(x, c, samples);
  executor.bind(std::span<const double>(rows));
  executor.step();

  if (exact) {
    const std::vector<double> parameters(executor.parameters().begin(), executor.parameters().end());
    const Value loss = batch_sum(dot(factors, y));
    const Evaluation bits = evaluate(loss, {.rows = rows, .samples = samples, .parameters = parameters}, y);
    expect_numbers<T>("outputs, exact", executor.outputs(), bits.outputs, 0.0);
    expect_numbers<T>("gradients, exact", executor.gradients(), bits.gradients, 0.0);
    expect_numbers<T>("input gradients, exact", executor.input_gradients(), bits.input_gradients, 0.0);
  }

  const double ulps = 100.0;
  expect_numbers<T>("outputs", executor.outputs(), numbers(name + ".y"), ulps);
  const std::vector<double> by_x = side_by_side(numbers(name + ".grad.x"), numbers(name + ".y"), samples);
  expect_numbers<T>("derivatives by the inputs", executor.input_gradients(), by_x, ulps);
  const auto expect_tensors = [&](const char* what, std::span<const T> all, const std::string& prefix, bool running) {
    for (const ParameterTensor& tensor : layout) {
      const std::string own = tensor.name.substr(name.size() + 1);
      if ((own.substr(0, 7) == "running") != running) continue;
      std::vector<T> got;
      for (const ParameterId id : tensor.parameters) got.push_back(all[id.index]);
      expect_numbers<T>(what, got, numbers(name + prefix + own), ulps);
    }
  };
  expect_tensors("derivatives by parameters", executor.gradients(), ".grad.", false);
  expect_tensors("running statistics", std::as_const(executor).parameters(), ".", true);
  executor.apply_assignments();
  expect_tensors("running statistics after an update", std::as_const(executor).parameters(), ".after.", true);

  // Row by row, as in use.
  Executor<T> predictor(compile_inference(y, {.exact = exact}), executor, {.max_samples = 1});
  predictor.bind("x", std::span<const double>(x));
  std::vector<T> predicted;
  for (std::size_t row = 0; row < samples; ++row) {
    predictor.step(row, 1);
    predicted.insert(predicted.end(), predictor.outputs().begin(), predictor.outputs().end());
  }
  expect_numbers<T>("in inference", predicted, numbers(name + ".y_inference"), ulps);
}

void check(const std::string& name, std::size_t samples, const Record& record) {
  run<double>(name, samples, record, false);
  run<float>(name, samples, record, false);
  run<double>(name, samples, record, true);
}

template <class M>
void describe(const M& module, const std::string& prefix, TensorLayout& layout) {
  layout = tensor_layout(module, prefix);
}

/// A net with batch normalisation and dropout, its loss, and its output.
struct Net {
  explicit Net(Tape& tape) {
    const Values x = tape.inputs("x", 3);
    Random random(5);
    const Initializer initial = uniform_initializer(random, -1.0, 1.0);
    const Layer first(tape, 3, {6}, initial), last(tape, 6, {1}, initial);
    const BatchNorm1d norm(tape, 6);
    running = norm.tensors()[2].values;
    Values hidden = norm(first(x));
    for (Value& each : hidden) each = tanh(each);
    output = last(dropout(hidden, 0.25))[0];
    loss = batch_mean(squared_error(output, tape.input(0.0, "target")));
  }
  Values running;
  Value output, loss;
};

std::vector<double> net_rows(std::size_t count) {
  std::vector<double> rows;
  for (std::size_t r = 0; r < count; ++r) {
    const std::vector<double> x = some_numbers(3, r + 1);
    rows.insert(rows.end(), x.begin(), x.end());
    rows.push_back(x[0] * x[1] + x[2]);
  }
  return rows;
}

DataView view(const std::vector<double>& rows) {
  DataView data;
  data.add("x", rows, 4).add("target", std::span(rows).subspan(3), 4);
  return data;
}

Metric first_output() {
  return {"first", [](auto outputs, auto) { return outputs[0]; }};
}

}  // namespace

TEST_CASE("batch_norm: values, derivatives and running statistics are PyTorch's, and predictions row by row") {
  check("batch_norm", 4, [](Tape& tape, const Values& x, TensorLayout& layout) {
    const BatchNorm1d norm(tape, 3);
    describe(norm, "batch_norm.", layout);
    return norm(x);
  });
  check("batch_norm_signal", 3, [](Tape& tape, const Values& x, TensorLayout& layout) {
    const BatchNorm1d norm(tape, 2, {.affine = false});
    describe(norm, "batch_norm_signal.", layout);
    return norm(Signal{2, 4, x}).values;
  });
  check("batch_norm_image", 3, [](Tape& tape, const Values& x, TensorLayout& layout) {
    const BatchNorm2d norm(tape, 2, {.eps = 0.01, .momentum = 0.3});
    describe(norm, "batch_norm_image.", layout);
    return norm(Image{2, 2, 3, x}).values;
  });
}

TEST_CASE("batch_norm: a batch of one has no variance, and the running one stays") {
  Tape tape;
  const BatchNorm1d norm(tape, 2);
  CHECK(norm.parameters().size() == 4);
  const Values y = norm(tape.inputs("x", 2));
  const bool alone = GENERATE(false, true);
  const Program program = compiler::compile_in_way(batch_mean(y[0] + y[1]), {}, {.one_sample = true});
  REQUIRE(program.of_one_sample != nullptr);
  Executor<double> executor(program, {.max_samples = alone ? 1u : 8u});
  const std::vector<double> row = {3.0, -1.0};
  executor.bind(std::span<const double>(row));
  executor.step();
  CHECK(executor.loss() == 0.0);
  executor.apply_assignments();
  const std::span<const double> all = std::as_const(executor).parameters();
  CHECK(std::vector(all.begin() + 4, all.end()) == std::vector{0.1 * 3.0, 0.1 * -1.0, 1.0, 1.0});
}

TEST_CASE("batch_norm: as many instructions for more channels and places") {
  const auto count = [](std::size_t channels, std::size_t size) {
    Tape tape;
    const BatchNorm2d norm(tape, channels);
    const Values y = norm(Image{channels, size, size, tape.inputs("x", channels * size * size)}).values;
    Values squares;
    for (const Value& each : y) squares.push_back(square(each - 1.0));
    const Value loss = batch_mean(sum(squares));
    return std::pair(compile(loss).instructions.size(), compile_inference(y).instructions.size());
  };
  CHECK(count(8, 5) == count(12, 8));
  CHECK(count(8, 5).second <= 10);
}

TEST_CASE("batch_norm: a run is resumed bit for bit, and validated as it predicts") {
  const std::vector<double> rows = net_rows(50);
  const FitOptions options{.epochs = 4, .batch = 8, .validation_fraction = 0.2};
  const auto run = [&](std::size_t stop, const std::string& path, const std::string& from) {
    Tape tape;
    const Net net(tape);
    Executor<float> executor(compile(net.loss));
    Executor<float> predictor(compile(net.loss, {.outputs = {net.output}, .gradients = false}), executor);
    Trainer<float> trainer(executor, view(rows), options, &predictor);
    if (!from.empty()) load_checkpoint(from, trainer);
    for (std::size_t steps = 0; steps < stop && trainer.step();) ++steps;
    if (!path.empty()) save_checkpoint(path, trainer);
    std::vector<float> numbers(std::as_const(executor).parameters().begin(),
                               std::as_const(executor).parameters().end());
    for (const EpochReport& epoch : trainer.history().epochs) {
      numbers.push_back(static_cast<float>(epoch.loss));
      numbers.push_back(static_cast<float>(epoch.validation_loss));
    }
    return numbers;
  };
  const std::string path = "batch_norm.checkpoint";
  const std::vector<float> whole = run(100, "", "");
  run(7, path, "");
  CHECK(run(100, "", path) == whole);
}

TEST_CASE("batch_norm: a trained program in a file predicts one row as it did") {
  Tape tape;
  const Net net(tape);
  const std::vector<double> rows = net_rows(40);
  Executor<double> executor(compile(net.loss));
  fit(executor, view(rows), {.epochs = 3, .batch = 10});
  CHECK(std::as_const(executor).parameters()[net.running[0].tape()->leaf_index(net.running[0].id())] != 0.0);
  Executor<double> predictor(compile_inference(net.output), executor);
  const std::vector<double> row = {0.5, -0.25, 0.125};
  predictor.bind("x", std::span<const double>(row));
  predictor.step();
  const std::string path = "batch_norm.tapeloom";
  save_program(path, predictor);
  const Program saved = load_program(path);
  const auto predicted = [&](const ExecutorOptions& options) {
    Executor<double> loaded(saved, options);
    loaded.bind("x", std::span<const double>(row));
    loaded.step();
    return loaded.outputs()[0];
  };
  CHECK(predicted({}) == predictor.outputs()[0]);
  // An executor of one sample may run instructions of its own, which round otherwise.
  CHECK(std::abs(predicted({.max_samples = 1}) / predictor.outputs()[0] - 1.0) < 1e-14);

  // The whole of training, too: statistics go on.
  save_program(path, executor);
  Executor<double> training(load_program(path));
  training.bind(std::span<const double>(rows));
  training.step();
  training.apply_assignments();
  executor.bind(std::span<const double>(rows));
  executor.seed_random(0);
  executor.step();
  executor.apply_assignments();
  CHECK(std::ranges::equal(std::as_const(training).parameters(), std::as_const(executor).parameters()));
}

TEST_CASE("batch_norm: lbfgs keeps statistics of the points that it accepts") {
  Tape tape;
  const Net net(tape);
  const std::vector<double> rows = net_rows(40);
  Executor<double> executor(compile(net.loss));
  const LbfgsResult result = lbfgs(executor, view(rows), {.max_iterations = 20});
  CHECK(result.iterations > 5);
  CHECK(std::as_const(executor).parameters()[net.running[0].tape()->leaf_index(net.running[0].id())] != 0.0);
}

TEST_CASE("batch_norm: statistics behind a padded convolution with an infinite weight") {
  Tape tape;
  Random random(3);
  const Conv1d conv(tape, 2, 4, {.kernel = 3, .padding = 1}, uniform_initializer(random, -1.0, 1.0));
  const Values y = conv(Signal{2, 6, tape.inputs("x", 12)}).values;
  // The last weight of the last window meets nothing.
  conv.tensors()[0].values.back().set_data(inf);
  const Value kept = tape.parameter(0.0), last = batch_mean(y.back());
  tape.set_frozen(kept);
  tape.assign(kept, 2.0 * last, last);
  Values squares;
  for (const Value& each : y) squares.push_back(square(each));
  const Program program = compile(batch_mean(sum(squares)) + last);
  REQUIRE(std::ranges::any_of(program.shapes, [](const Shape& shape) { return shape.gaps != Shape::no_gaps; }));
  Executor<double> executor(program);
  const std::vector<double> rows = some_numbers(5 * 12);
  executor.bind(std::span<const double>(rows));
  executor.step();
  executor.apply_assignments();
  const double expected = 2.0 * evaluate(last, {.rows = rows, .samples = 5}).root[0];
  REQUIRE(std::isfinite(expected));
  CHECK(close(std::as_const(executor).parameters().back(), expected, 1e-14));
}

TEST_CASE("batch_norm: what cannot be meant is refused") {
  Tape tape;
  const Values x = tape.inputs("x", 2);
  CHECK_THROWS_SAYING(RecordingError, "must be in [0, 1]; it is 2", BatchNorm1d(tape, 2, {.momentum = 2.0}));
  CHECK_THROWS_SAYING(RecordingError, "must not be negative", BatchNorm1d(tape, 2, {.eps = -1.0}));
  const BatchNorm1d norm(tape, 2);
  CHECK_THROWS_SAYING(RecordingError, "with 2 inputs was given 1", norm(std::span(x).first(1)));
  CHECK_THROWS_SAYING(RecordingError, "was given 2 Values for 2 channels of 3", norm(Signal{2, 3, x}));
  const BatchNorm2d of_image(tape, 1);
  CHECK_THROWS_SAYING(RecordingError, "was given 2 Values for 1 channels of 6", of_image(Image{1, 2, 3, x}));
  CHECK_THROWS_SAYING(RecordingError, "a BatchNorm1d was given Values that are the same", norm(Values{1.0, 2.0}));
  CHECK(of_image(Image{1, 1, 2, {tape.parameter(1.0), x[0]}}).values.size() == 2);  // some vary
  // Statistics of the batch, without a gradient, and none that are kept.
  CHECK(compile(batch_mean(norm(x)[0]), {.gradients = false, .training = true}).assignments.empty());
  const Values once = norm(x), twice = norm(once);
  CHECK_THROWS_SAYING(CompileError, "assigned twice", compile(batch_mean(twice[0] + once[1])));
  compile_inference(twice);

  const Value p = tape.parameter(1.0, "p");
  tape.assign(p, batch_mean(x[0]), x[0]);
  CHECK_THROWS_SAYING(CompileError, "\"p\"", compile(batch_mean(x[0] * p)));
  CHECK_THROWS_SAYING(RecordingError, "differs from sample to sample", tape.assign(p, x[0], x[0]));
  CHECK_THROWS_SAYING(RecordingError, "is not a parameter", tape.assign(batch_mean(x[0]), p, x[0]));
  CHECK_THROWS_SAYING(RecordingError, "is a plain number", tape.assign(p, 1.0, x[0]));
}

TEST_CASE("batch_norm: a program that trains does not validate") {
  Tape tape;
  const Net net(tape);
  Executor<double> executor(compile(net.loss, {.outputs = {net.output}}));
  const std::vector<double> rows = net_rows(20);
  CHECK_THROWS_SAYING(BindError, "give a predictor", fit(executor, view(rows), {.validation_fraction = 0.25}));
  CHECK_THROWS_SAYING(BindError, "give a predictor", fit(executor, view(rows), {.metrics = {first_output()}}));
  Executor<double> inference(compile_inference(net.output), executor);
  CHECK_FALSE(inference.program().is_of_training);
  CHECK_THROWS_SAYING(BindError, "predict by an executor that shares", predict(executor, view(rows)));
  fit(executor, view(rows), {.epochs = 1, .metrics = {first_output()}}, &inference);
}

TEST_CASE("batch_norm: assignments outlive a compaction of the tape, and not a rewind") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), running = tape.parameter(0.0, "running"), w = tape.parameter(2.0, "w");
  tape.set_frozen(running);
  for (int i = 0; i < 100; ++i) static_cast<void>(x * static_cast<double>(i));
  const Value middle = batch_mean(x);
  tape.assign(running, 0.5 * running + 0.5 * middle, middle);
  const Value loss = middle * w;
  const NodeId root = loss.id();
  const Compaction moved = tape.compact(std::span(&root, 1));
  REQUIRE(tape.assignments().size() == 1);
  Executor<double> executor(compile(tape.value(NodeId(std::size_t{moved.nodes[root.index]}))));
  const std::vector<double> rows = {1.0, 5.0};
  executor.bind(std::span<const double>(rows));
  executor.step();
  executor.apply_assignments();
  CHECK(std::as_const(executor).parameters()[0] == 1.5);
  CHECK(executor.loss() == 6.0);

  Tape other;
  const Value p = other.parameter(0.0), y = other.input(1.0, "y");
  other.set_frozen(p);
  const Tape::Mark mark = other.mark();
  other.assign(p, batch_mean(y), y);
  other.rewind(mark);
  CHECK(other.assignments().empty());
}

TEST_CASE("statistics of very many channels compile in time linear in their number") {
  const auto seconds = [](std::size_t channels) {
    Tape tape;
    const Value x = tape.input(1.0), w = tape.parameter(0.5);
    Value loss = 0.0;
    for (std::size_t i = 0; i < channels; ++i) {
      const Value kept = tape.parameter(0.5);
      tape.set_frozen(kept);
      const Value used = w * x * kept;
      tape.assign(kept, batch_mean(used), used);
      loss += used;
    }
    loss = batch_mean(loss);
    const ProcessorTime time;
    static_cast<void>(compile(loss, {.verify = false}));
    return time.seconds();
  };
  // 16 to 20 times; above 100 where each is looked for among all others.
  CHECK(grows_less(seconds, 4'000, 64'000, 45.0));
}
