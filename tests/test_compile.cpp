// What compile() promises: what it refuses, what it never folds, what each option changes and what not, guards,
// determinism and size.
#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Everything a program consists of besides its size, for comparing two of them in full.
void expect_same_program(const Program& a, const Program& b) {
  CHECK(a.instructions == b.instructions);
  CHECK(a.constants == b.constants);
  CHECK(a.shapes == b.shapes);
  CHECK(a.trained == b.trained);
  CHECK(a.gradients == b.gradients);
  CHECK(a.total_count == b.total_count);
  CHECK(a.loss_slot == b.loss_slot);
  CHECK(a.uniform_slots == b.uniform_slots);
  CHECK(a.tile_slots == b.tile_slots);
  CHECK(a.batch_slots == b.batch_slots);
  REQUIRE(a.stages.size() == b.stages.size());
  for (std::size_t s = 0; s < a.stages.size(); ++s) {
    CHECK(a.stages[s].uniform == b.stages[s].uniform);
    CHECK(a.stages[s].tile == b.stages[s].tile);
    CHECK(a.stages[s].inputs == b.stages[s].inputs);
    CHECK(a.stages[s].totals == b.stages[s].totals);
  }
}

/// A chain of n times tanh(w * v).
Value chain(Tape& tape, std::size_t n) {
  const Value w = tape.parameter(0.9), x = tape.input(0.5, "x");
  Value v = x;
  for (std::size_t i = 0; i < n; ++i) v = tanh(w * v);
  return batch_mean(v);
}

}  // namespace

TEST_CASE("compile: a loss that varies is refused with its label") {
  SmallNet net;
  const Value loss = square(net.prediction - net.y).set_label("squared error");
  CHECK_THROWS_SAYING(CompileError, "\"squared error\"", compile(loss));
  CHECK_THROWS_SAYING(CompileError, "batch_mean", compile(loss));
  CHECK_THROWS_SAYING(CompileError, "\"squared error\"", explain_passes(loss));
  CHECK_NOTHROW(compile(batch_mean(loss)));
}

TEST_CASE("compile: nothing to compile, two tapes, stale values") {
  CHECK_THROWS_SAYING(CompileError, "nothing to compile", compile_inference({}));
  const std::vector<Value> plain = {1.0, 2.0};
  CHECK_THROWS_SAYING(CompileError, "nothing to compile", compile_inference(plain));
  CHECK_THROWS_SAYING(RecordingError, "plain number", compile(Value(3.0)));

  SmallNet net, other;
  CHECK_THROWS_SAYING(RecordingError, "two tapes", compile(net.loss, {.outputs = {other.prediction}}));
  const std::vector<Value> mixed = {net.prediction, other.prediction};
  CHECK_THROWS_SAYING(RecordingError, "two tapes", compile_inference(mixed));
  CHECK_THROWS_AS(compile_inference(mixed, {.outputs = {net.prediction}}), CompileError);

  const Tape::Mark mark = net.tape.mark();
  const Value late = net.loss * 2.0;
  net.tape.rewind(mark);
  CHECK_THROWS_AS(compile(late), StaleValueError);
  CHECK_THROWS_AS(compile(net.loss, {.outputs = {late}}), StaleValueError);
}

TEST_CASE("compile: parameters and inputs are never folded, whatever number they had while recording") {
  const std::vector<double> rows = some_numbers(20);
  std::vector<Program> programs;
  for (double initial : {0.37, 0.0, 1.0, -1.0, 2.0}) {
    INFO("recorded with " << initial);
    Tape tape;
    const Value w = tape.parameter(initial, "w"), b = tape.parameter(initial, "b");
    const Value x = tape.input(initial, "x"), t = tape.uniform_input(initial, "t");
    const Value v = w * x + b + pow(square(x) + 1.0, w) * t + (x + t) * w - b * b;
    const Value loss = batch_mean(where(w > 10.0, v * 2.0, v)) + w * t;
    programs.push_back(compile(loss, {.outputs = {v}}));
    // Trained away from the initial values, and bound to other numbers.
    Executor<double> executor(programs.back(), {.max_samples = 20});
    executor.set_parameters(std::vector<double>{0.7, -0.3});
    executor.set_uniform_input("t", 1.25);
    executor.bind("x", std::span<const double>(rows));
    const double uniform[] = {1.25}, parameters[] = {0.7, -0.3};
    const std::vector<Value> outputs = {v};
    const Evaluation expected =
        evaluate(loss, {.rows = rows, .samples = 20, .uniform_inputs = uniform, .parameters = parameters}, outputs);
    executor.step();
    expect_numbers<double>("loss", std::vector<double>{executor.loss()}, expected.root, 64);
    expect_numbers<double>("gradients", executor.gradients(), expected.gradients, 64);
    expect_numbers<double>("outputs", executor.outputs(), expected.outputs, 64);
  }
  for (const Program& program : programs) expect_same_program(program, programs[0]);
}

TEST_CASE("compile: each optional pass changes the amount of work and not the results") {
  SmallNet net;
  const Value again = tanh(dot(std::span(net.w).first(3), net.x) + net.w[3]);  // twice the same
  const Value folded = net.tape.constant(2.0) * 3.0 - 5.0;
  const Value loss = net.loss + batch_mean(again * folded + pow(again, 2.0) / net.tape.constant(4.0));
  const std::vector<double> rows = some_numbers(4 * 100);
  const auto run = [&](CompileOptions options) {
    options.outputs = {net.prediction, again};
    options.input_gradients = options.verify = true;
    Executor<double> executor(compile(loss, options), {.max_samples = 100});
    expect_step_like_evaluate(executor, loss, options.outputs, rows, 100, 200);
    return executor.program();
  };
  const std::size_t rolled = run({}).instructions.size(), all = run({.roll = false}).instructions.size();
  CHECK(rolled < all);
  CHECK(run({.fold_constants = false}).instructions.size() > rolled);
  CHECK(run({.roll = false, .fold_constants = false}).instructions.size() > all);
  CHECK(run({.roll = false, .common_subexpressions = false}).instructions.size() > all);
  CHECK(run({.roll = false, .simplify = false}).instructions.size() > all);
  CHECK(run({.roll = false, .reuse_slots = false}).instructions.size() == all);
  CHECK(run({.reuse_slots = false}).instructions.size() == rolled);
  run({.common_subexpressions = false});
  run({.simplify = false});
  CHECK(run({.roll = false,
             .fold_constants = false,
             .common_subexpressions = false,
             .simplify = false,
             .reuse_slots = false})
            .instructions.size() > all);
}

TEST_CASE("compile: slots are reused once their value is dead") {
  Tape tape;
  const Value loss = chain(tape, 100);
  const auto with = [&](bool reuse) { return compile(loss, {.gradients = false, .reuse_slots = reuse}); };
  CHECK(with(true).tile_slots <= 2);
  CHECK(with(false).tile_slots > 200);
  CHECK(with(true).instructions.size() == with(false).instructions.size());

  Tape uniform;
  Value v = uniform.parameter(0.5);
  for (int i = 0; i < 100; ++i) v = tanh(v);
  CHECK(compile(v, {.gradients = false}).uniform_slots <= 5);
  CHECK(compile(v, {.gradients = false, .reuse_slots = false}).uniform_slots > 100);
}

TEST_CASE("compile: a frozen parameter has gradient zero, is not folded and can be set") {
  SmallNet net;
  net.tape.set_frozen(net.w[1]);
  net.tape.set_frozen(net.w[4]);
  const std::vector<double> rows = some_numbers(4 * 10);
  Executor<double> executor(compile(net.loss), {.max_samples = 10});
  expect_step_like_evaluate(executor, net.loss, {}, rows, 10, 64);
  CHECK(executor.gradients()[1] == 0.0);
  CHECK(executor.gradients()[4] == 0.0);
  CHECK(executor.gradients()[0] != 0.0);
  CHECK(executor.program().parameters[1].frozen);
  const double before = executor.loss();
  executor.parameters()[1] = 2.5;
  expect_step_like_evaluate(executor, net.loss, {}, rows, 10, 64);
  CHECK(executor.loss() != before);

  for (Value w : net.w) net.tape.set_frozen(w);
  const Program nothing = compile(net.loss);
  CHECK(nothing.instructions.size() == compile(net.loss, {.gradients = false}).instructions.size());
  Executor<double> frozen(nothing, {.max_samples = 10});
  frozen.bind(std::span<const double>(rows));
  frozen.step();
  for (double gradient : frozen.gradients()) CHECK(gradient == 0.0);

  // The program has what was frozen when it was compiled.
  for (Value w : net.w) net.tape.set_frozen(w, false);
  CHECK_FALSE(compile(net.loss).gradients.empty());
  CHECK(compile(net.loss).trained.size() == 1);
}

TEST_CASE("compile: without gradients the loss alone is computed") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10);
  Executor<double> executor(compile(net.loss, {.gradients = false}), {.max_samples = 10});
  executor.bind(std::span<const double>(rows));
  CHECK(executor.step() == Approx(evaluate(net.loss, {.rows = rows, .samples = 10}).root[0]));
  CHECK(executor.loss() == executor.step());
  CHECK_THROWS_SAYING(BindError, "CompileOptions::gradients", executor.gradients());
  CHECK_THROWS_SAYING(BindError, "CompileOptions::input_gradients", executor.input_gradients());
  CHECK(executor.program().instructions.size() < compile(net.loss).instructions.size() * 2 / 3);
}

TEST_CASE("compile: input gradients without a loss that is differentiated are refused, not left out") {
  SmallNet net;
  const std::vector<Value> outputs = {net.prediction};
  CHECK_THROWS_SAYING(CompileError, "CompileOptions::gradients = false",
                      compile(net.loss, {.gradients = false, .input_gradients = true}));
  CHECK_THROWS_SAYING(CompileError, "CompileOptions::gradients = false",
                      explain_passes(net.loss, {.gradients = false, .input_gradients = true}));
  CHECK_THROWS_SAYING(CompileError, "compile_inference has no loss",
                      compile_inference(outputs, {.input_gradients = true}));
}

TEST_CASE("compile: inference needs no targets and shares the parameters that are being trained") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10), all_x = some_numbers(3 * 10, 5);
  Executor<double> training(compile(net.loss), {.max_samples = 10});
  const std::vector<Value> outputs = {net.prediction};
  Executor<double> inference(compile_inference(outputs), training, {.max_samples = 10});
  CHECK_FALSE(inference.program().input_groups[1].used);
  inference.bind("x", std::span<const double>(all_x));
  CHECK(inference.step() == 0.0);
  CHECK(inference.outputs().size() == 10);
  CHECK_THROWS_SAYING(BindError, "inference", inference.loss());
  CHECK_THROWS_SAYING(BindError, "inference", inference.gradients());
  CHECK(inference.shared_parameters() == training.shared_parameters());

  const auto predicted = [&] {
    std::vector<double> with_targets;
    for (std::size_t i = 0; i < 10; ++i) {
      for (std::size_t k = 0; k < 3; ++k) with_targets.push_back(all_x[3 * i + k]);
      with_targets.push_back(not_a_number);
    }
    const std::vector<double> parameters(training.parameters().begin(), training.parameters().end());
    const Batch batch{.rows = with_targets, .samples = 10, .parameters = parameters};
    return evaluate(batch_mean(net.prediction), batch, outputs).outputs;
  };
  expect_numbers<double>("before training", inference.outputs(), predicted(), 32);
  training.bind(std::span<const double>(rows));
  for (int step = 0; step < 3; ++step) {
    training.step();
    for (std::size_t i = 0; i < 6; ++i) training.parameters()[i] -= 0.1 * training.gradients()[i];
  }
  inference.step();
  expect_numbers<double>("after training", inference.outputs(), predicted(), 32);

  // Programs of another recording are told by their parameters.
  Tape other;
  const Value more = other.parameter(1.0, "other");
  const Program foreign = compile(square(more));
  CHECK_THROWS_SAYING(BindError, "\"other\"", Executor<double>(foreign, training));
  Executor<double> small(foreign);
  CHECK_THROWS_SAYING(BindError, "6 parameters", Executor<double>(compile(net.loss), small));
}

TEST_CASE("compile: parameters recorded after a program do not disturb it") {
  SmallNet net;
  const Program early = compile(net.loss);
  const Value extra = net.tape.parameter(2.0, "extra");
  const Program late = compile(net.loss * extra);
  Executor<double> executor(late, {.max_samples = 4});
  Executor<double> shared(early, executor, {.max_samples = 4});
  const std::vector<double> rows = some_numbers(16);
  for (auto* e : {&executor, &shared}) e->bind(std::span<const double>(rows));
  CHECK(executor.step() == Approx(2.0 * shared.step()));
  CHECK(shared.gradients().size() == 6);
  CHECK(executor.gradients().size() == 7);
  Executor<double> alone(early);
  CHECK_THROWS_SAYING(BindError, "7 parameters", Executor<double>(late, alone));
}

TEST_CASE("compile: equal recordings give equal programs, others do not") {
  struct Variant {
    double initial = 0.5, factor = 2.0;
    const char* group = "x";
    bool frozen = false, minus = false, output = false;
    CompileOptions options = {};
  };
  const auto make = [](const Variant& v) {
    Tape tape;
    const Value w = tape.parameter(v.initial, "w"), x = tape.input(0.0, v.group);
    tape.set_frozen(w, v.frozen);
    const Value y = v.minus ? tanh(w) - x * v.factor : tanh(w) + x * v.factor;
    CompileOptions options = v.options;
    if (v.output) options.outputs = {y};
    return compile(batch_mean(square(y)), options);
  };
  const Program program = make({});
  expect_same_program(program, make({}));
  CHECK(hash(program) == hash(make({})));
  for (const Variant& other :
       {Variant{.initial = 0.25}, Variant{.factor = 3.0}, Variant{.group = "z"}, Variant{.frozen = true},
        Variant{.minus = true}, Variant{.output = true}, Variant{.options = {.gradients = false}},
        Variant{.options = {.input_gradients = true}}, Variant{.options = {.exact = true}}}) {
    CHECK(hash(make(other)) != hash(program));
  }
}

TEST_CASE("compile: the same in every run, on a tape that is compiled twice and beside dead nodes") {
  SmallNet net;
  const Program first = compile(net.loss, {.outputs = {net.prediction}});
  for (int i = 0; i < 100; ++i) static_cast<void>(exp(net.x[0] * net.w[0]) + 3.0);
  const Program second = compile(net.loss, {.outputs = {net.prediction}});
  expect_same_program(first, second);
  CHECK(hash(first) == hash(second));
  CHECK(second.recorded_nodes > first.recorded_nodes);
  CHECK(second.live_nodes == first.live_nodes);
}

TEST_CASE("compile: as many instructions as the chain is long") {
  for (bool gradients : {false, true}) {
    const auto count = [&](std::size_t n) {
      Tape tape;
      return compile(chain(tape, n), {.gradients = gradients}).instructions.size();
    };
    const std::size_t one = count(200) - count(100);
    CHECK(count(2100) - count(100) == 20 * one);
    // tanh(w * v) forward; backward tanh's adjoint, times w, and times v added to what there is.
    CHECK(one == (gradients ? 5u : 2u) * 100u);
  }
}

TEST_CASE("compile: simplification keeps an untaken branch's infinite power out of the gradient") {
  Tape tape;
  const Value p = tape.parameter(0.0);
  const Value loss = where(p > 0.0, pow(log(p), 2.0), p);
  for (const bool simplify : {true, false}) {
    Executor<double> executor(compile(loss, {.simplify = simplify}));
    CHECK(executor.step() == 0.0);
    CHECK(executor.gradients()[0] == 1.0);
  }
}
