// What must roll: perceptrons in every way the notebooks and their readers write them compile to a list of instructions
// whose length depends on the layers alone; the results are the reference's.
#include <cstdio>
#include <functional>
#include <random>

#include "against_evaluate.h"
#include "counted.h"
#include "forced_isa.h"
#include "processor_time.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

/// A layer written by hand: `neuron(weights, bias, x)` is one neuron's value.
using HandNeuron = std::function<Value(const Values& w, Value b, const Values& x)>;

Values hand_layer(Tape& tape, const Values& x, std::size_t outputs, std::mt19937_64& random, const HandNeuron& neuron) {
  const auto number = [&] { return static_cast<double>(random() >> 11) * 0x1p-52 - 1.0; };
  Values out;
  for (std::size_t j = 0; j < outputs; ++j) {
    Values w;
    for (std::size_t i = 0; i < x.size(); ++i) w.push_back(tape.parameter(number()));
    out.push_back(neuron(w, tape.parameter(number()), x));
  }
  return out;
}

Value weighted(const Values& w, const Values& x, Value start) {
  Value sum = start;
  for (std::size_t i = 0; i < w.size(); ++i) sum = sum + w[i] * x[i];
  return sum;
}

struct Style {
  const char* name;
  HandNeuron neuron;
};

const Style styles[] = {
    {"bias first", [](auto& w, Value b, auto& x) { return tanh(weighted(w, x, b)); }},
    {"bias last", [](auto& w, Value b, auto& x) { return tanh(weighted(w, x, 0.0) + b); }},
    {"no bias", [](auto& w, Value, auto& x) { return tanh(weighted(w, x, 0.0)); }},
    {"bias a plain number", [](auto& w, Value, auto& x) { return tanh(weighted(w, x, 0.25)); }},
    {"x * w",
     [](auto& w, Value b, auto& x) {
       Value sum = b;
       for (std::size_t i = 0; i < w.size(); ++i) sum = sum + x[i] * w[i];
       return tanh(sum);
     }},
    {"terms backwards",
     [](auto& w, Value b, auto& x) {
       Value sum = b;
       for (std::size_t i = w.size(); i-- > 0;) sum += w[i] * x[i];
       return relu(sum);
     }},
    {"terms in a tree",
     [](auto& w, Value b, auto& x) {
       std::vector<Value> terms = {b};
       for (std::size_t i = 0; i < w.size(); ++i) terms.push_back(w[i] * x[i]);
       while (terms.size() > 1) {
         std::vector<Value> sums;
         for (std::size_t i = 0; i + 1 < terms.size(); i += 2) sums.push_back(terms[i] + terms[i + 1]);
         if (terms.size() % 2 == 1) sums.push_back(terms.back());
         terms = sums;
       }
       return sigmoid(terms[0]);
     }},
    {"tanh through exp",
     [](auto& w, Value b, auto& x) {
       const Value e = exp(2.0 * weighted(w, x, b));
       return (e - 1.0) / (e + 1.0);
     }},
    {"subtraction and division as the notebooks have them",
     [](auto& w, Value b, auto& x) {
       const Value e = exp(2.0 * weighted(w, x, b));
       return (e + -1.0) * pow(e + 1.0, -1.0);
     }},
    {"residual", [](auto& w, Value b, auto& x) { return x[0] + tanh(weighted(w, x, b)); }},
    {"leaky", [](auto& w, Value b, auto& x) { return leaky_relu(weighted(w, x, b), 0.1); }},
};

}  // namespace

TEST_CASE("roll: the notebooks' styles become dense blocks, whatever the width") {
  for (const Style& style : styles) {
    INFO(style.name);
    std::size_t instructions = 0;
    for (const std::size_t width : {4, 7, 12}) {
      std::mt19937_64 random(width);
      Tape tape;
      const Values x = tape.inputs("x", 5);
      const Value target = tape.input(0.0, "t");
      const Values hidden =
          hand_layer(tape, hand_layer(tape, x, width, random, style.neuron), width, random, style.neuron);
      const Values out =
          hand_layer(tape, hidden, 1, random, [](auto& w, Value b, auto& h) { return weighted(w, h, b); });
      const Value loss = batch_mean(square(out[0] + target * -1.0));
      const std::vector<double> rows = some_numbers(6 * 37);
      Executor<double> executor(compile(loss, {.outputs = out, .input_gradients = true, .verify = true}),
                                {.max_samples = 37});
      expect_step_like_evaluate(executor, loss, out, rows, 37, 4000);
      const Program& program = executor.program();
      CHECK(count(program, InstructionKind::dense) == 3);
      CHECK(count(program, InstructionKind::reduce_outer) == 3);
      if (instructions == 0) instructions = program.instructions.size();
      CHECK(program.instructions.size() == instructions);
    }
    std::printf("roll: %zu instructions for two hidden layers, %s\n", instructions, style.name);
  }
}

TEST_CASE("roll: the number of instructions does not depend on the width, from 4 to 512") {
  std::size_t instructions = 0;
  for (const std::size_t width : {4, 16, 64, 256, 512}) {
    std::mt19937_64 random(1);
    Tape tape;
    const MLP model(tape, width, {{width, tapeloom::tanh}, {width, relu}, {10}},
                    uniform_initializer(random, -1.0, 1.0));
    const std::vector<Value> x = tape.inputs("x", width), y = tape.inputs("y", 10);
    const std::vector<Value> logits = model(x);
    const Value loss = batch_mean(squared_error_sum(logits, y)) + l2_penalty(model.parameters(), 1e-3);
    const Program program = compile(loss, {.outputs = {logits[0]}});
    std::printf("roll: width %zu: %zu nodes, %zu instructions\n", width, tape.size(), program.instructions.size());
    if (instructions == 0) instructions = program.instructions.size();
    CHECK(program.instructions.size() == instructions);
    CHECK(program.instructions.size() < 50);
  }
}

TEST_CASE("roll: concatenated inputs, tied and repeated weights, a skip connection, several losses") {
  Tape tape;
  std::mt19937_64 random(5);
  const Values x = tape.inputs("x", 4), targets = tape.inputs("t", 4);
  const HandNeuron plain = [](auto& w, Value b, auto& in) { return tanh(weighted(w, in, b)); };
  const Values h = hand_layer(tape, x, 4, random, plain);
  Values both = h;
  both.insert(both.end(), x.begin(), x.end());
  const Values wide = hand_layer(tape, both, 6, random, plain);

  // A square matrix used as it is, transposed, and once more on something else; its diagonal also as a bias.
  std::vector<Values> w(4);
  for (Values& row : w) {
    for (std::size_t j = 0; j < 4; ++j)
      row.push_back(tape.parameter(static_cast<double>(random() >> 11) * 0x1p-53 - 0.5));
  }
  Values straight, transposed, again;
  for (std::size_t i = 0; i < 4; ++i) {
    straight.push_back(h[i] + (weighted(w[i], h, w[i][i])));
  }
  for (std::size_t i = 0; i < 4; ++i) {
    Values column;
    for (std::size_t j = 0; j < 4; ++j) column.push_back(w[j][i]);
    transposed.push_back(weighted(column, straight, 0.0));
  }
  for (std::size_t i = 0; i < 4; ++i) again.push_back(sigmoid(weighted(w[3 - i], transposed, w[0][0]) - wide[i] * 0.5));
  // The same weight twice in one sum.
  const Value odd = w[0][0] * x[0] + w[0][0] * x[1] - w[0][1] * h[0] + h[1] * h[2];

  const std::vector<Value> outputs = {again[0], again[3], odd, wide[5]};
  const Value loss = batch_mean(squared_error_sum(again, targets)) + 0.5 * batch_mean(hinge(odd, x[3])) +
                     l2_penalty(std::span(w[1]), 0.01) + batch_sum(softplus(wide[5])) * 0.001;
  const std::vector<double> rows = some_numbers(8 * 53);
  for (const bool simplify : {true, false}) {
    for (const bool merge : {true, false}) {
      CompileOptions options{.outputs = outputs, .input_gradients = true};
      options.simplify = simplify, options.common_subexpressions = merge, options.verify = true;
      Executor<double> executor(compile(loss, options), {.max_samples = 60});
      expect_step_like_evaluate(executor, loss, outputs, rows, 53, 4000);
      CHECK(count(executor.program(), InstructionKind::dense) >= 4);
    }
  }
}

TEST_CASE("roll: softmax cross-entropy, single outputs and frozen layers") {
  Tape tape;
  std::mt19937_64 random(9);
  const MLP model(tape, 6, {{9, tapeloom::tanh}, {5}}, uniform_initializer(random, -1.0, 1.0));
  const std::vector<Value> x = tape.inputs("x", 6), y = tape.inputs("y", 5);
  const std::vector<Value> logits = model(x);
  for (std::size_t i = 0; i < 20; ++i) tape.set_frozen(model.parameters()[i]);
  const Value loss = batch_mean(softmax_cross_entropy(logits, y));
  const std::vector<double> rows = some_numbers(11 * 40);
  Executor<double> executor(compile(loss, {.outputs = logits, .input_gradients = true, .verify = true}),
                            {.max_samples = 64});
  expect_step_like_evaluate(executor, loss, logits, rows, 40, 4000);
}

TEST_CASE("roll: wide layers whose rows and terms are no whole number of vectors") {
  for (const auto& [inputs, hidden, samples] : {std::tuple(33, 17, 70), std::tuple(1, 40, 16), std::tuple(65, 1, 5),
                                                std::tuple(300, 19, 129), std::tuple(2, 2, 1)}) {
    INFO(inputs << " inputs, " << hidden << " hidden, " << samples << " samples");
    Tape tape;
    std::mt19937_64 random(3);
    const MLP model(tape, static_cast<std::size_t>(inputs), {{static_cast<std::size_t>(hidden), tapeloom::tanh}, {3}},
                    uniform_initializer(random, -0.3, 0.3));
    const std::vector<Value> x = tape.inputs("x", static_cast<std::size_t>(inputs)), y = tape.inputs("y", 3);
    const std::vector<Value> out = model(x);
    const Value loss = batch_mean(squared_error_sum(out, y));
    const auto n = static_cast<std::size_t>(samples);
    const std::vector<double> rows = some_numbers((static_cast<std::size_t>(inputs) + 3) * n);
    for (const std::string& name : instruction_sets()) {
      const ForcedIsa isa(name);
      Executor<double> executor(compile(loss, {.outputs = out, .input_gradients = true}), {.max_samples = n});
      expect_step_like_evaluate(executor, loss, out, rows, n, 4000);
    }
  }
}

TEST_CASE("roll: data of a dense block that turns out not to vary after differentiation") {
  // Merging shows that both branches are one, the second simplification that nothing is left to choose.
  Tape tape;
  const Values x = tape.inputs("x", 3);
  const Value p = tape.parameter(0.3), q = tape.parameter(-0.4);
  const Values data = {where(x[0] > 0.1, tanh(p), tanh(-(-p))), where(x[1] > 0.1, tanh(q), tanh(-(-q)))};
  const Values w = {tape.parameter(0.1), tape.parameter(0.2), tape.parameter(0.5), tape.parameter(-0.7)};
  Values out = {w[0] * data[0] + w[1] * data[1], w[2] * data[0] + w[3] * data[1]};
  const std::vector<double> rows = some_numbers(3 * 37);
  const Value by = where(x[2] > 0.0, tanh(p), tanh(-(-p)));
  for (const Value& loss : {batch_mean(square(out[0] - x[2]) + out[1]), batch_sum(out[0] * 2.0 + out[1]),
                            batch_sum(out[0] * by + out[1] * by), batch_mean((w[0] * x[0] + w[1] * x[1]) * by)}) {
    Executor<double> executor(compile(loss, {.outputs = out, .input_gradients = true, .verify = true}),
                              {.max_samples = 37});
    expect_step_like_evaluate(executor, loss, out, rows, 37, 400);
  }
}

TEST_CASE("roll: blocks that are alike but for how their weights lie, or where their adjoints go") {
  Tape tape;
  const Values x = tape.inputs("x", 3), y = tape.inputs("y", 3);
  Values w, b;
  for (double number : some_numbers(9)) w.push_back(tape.parameter(number));
  for (double number : some_numbers(3)) b.push_back(tape.parameter(number));
  const auto product = [&](std::size_t i, std::size_t row_step, std::size_t term_step, const Values& data) {
    Value total = w[i * row_step] * data[0];
    for (std::size_t j = 1; j < 3; ++j) total += w[i * row_step + j * term_step] * data[j];
    return total;
  };
  Values out;
  Value bilinear = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    out.push_back(tanh(product(i, 3, 1, x) + b[i]));  // W x
    out.push_back(tanh(product(i, 1, 3, x)));         // W^T x
    bilinear += y[i] * product(i, 3, 1, y);           // the adjoint is the data itself
  }
  const std::vector<double> rows = some_numbers(6 * 45);
  for (const Value& loss : {batch_mean(square(sum(out))), batch_sum(x[0] * 3.0 + y[1] * 3.0), batch_mean(bilinear),
                            batch_sum(bilinear * sum(out))}) {
    Executor<double> executor(compile(loss, {.outputs = out, .input_gradients = true, .verify = true}),
                              {.max_samples = 45});
    expect_step_like_evaluate(executor, loss, out, rows, 45, 400);
  }
}

TEST_CASE("roll: what is only looked at sends nothing back, not even zeros that meet infinities") {
  Tape tape;
  const Values x = tape.inputs("x", 2);
  const Value p = tape.parameter(0.5);
  const Values out = {log(p * x[0]), log(p * x[1])};
  const std::vector<double> rows = {1.0, 0.0, 2.0, inf};
  const Value loss = batch_mean(out[0]);
  Executor<double> executor(compile(loss, {.outputs = out, .input_gradients = true}), {.max_samples = 2});
  expect_step_like_evaluate(executor, loss, out, rows, 2, 8);
  CHECK(close(executor.gradients()[0], 2.0, 1e-15));
}

TEST_CASE("roll: parameters that take turns are added up once each") {
  const auto totals = [](std::size_t steps) {
    Tape tape;
    Values w;
    for (double number : some_numbers(8)) w.push_back(tape.parameter(number));
    Value h = tape.input(0.5);
    for (std::size_t i = 0; i < steps; ++i) h = sin(w[i % 8] * h + w[(5 * i + 3) % 8]);
    return compile(batch_mean(h)).total_count;
  };
  CHECK(totals(800) == totals(80));
}

TEST_CASE("roll: a layer used again and again adds up its gradient in one place") {
  const auto run = [](std::size_t steps, bool penalty) {
    Tape tape;
    std::mt19937_64 random(3);
    const std::vector<Value> x = tape.inputs("x", 5);
    const Layer cell(tape, 5, {5, tapeloom::tanh}, uniform_initializer(random, -0.7, 0.7));
    const Layer out(tape, 5, {2}, uniform_initializer(random, -0.7, 0.7));
    std::vector<Value> state = x;
    Value loss = 0.0;
    for (std::size_t i = 0; i < steps; ++i) {
      state = cell(state);
      const std::vector<Value> read = out(state);
      loss += square(read[0]) + square(read[1]);
    }
    loss = batch_mean(loss);
    if (penalty) loss += l2_penalty(cell.parameters(), 0.1);
    const std::vector<double> rows = some_numbers(5 * 150);
    for (const bool exact : {false, true}) {
      CompileOptions options{.outputs = state, .input_gradients = true, .exact = exact};
      options.verify = true;
      for (const std::size_t samples : {150, 3}) {
        Executor<double> executor(compile(loss, options), {.max_samples = samples});
        expect_step_like_evaluate(executor, loss, state, std::span(rows).first(5 * samples), samples, exact ? 0 : 4000);
      }
    }
    return compile(loss).total_count;
  };
  CHECK(run(3, false) == run(12, false));
  CHECK(run(3, true) == run(12, true));
}

TEST_CASE("roll: memory that a tile of samples needs does not grow with the parameters it does not read") {
  const auto bytes = [](std::size_t penalised) {
    Tape tape;
    const Values x = tape.inputs("x", 2);
    Values w;
    for (double number : some_numbers(penalised)) w.push_back(tape.parameter(number));
    const Value out = tanh(w[0] * x[0] + w[1] * x[1]) + tanh(w[2] * x[0] + w[3] * x[1]);
    return Executor<double>(compile(batch_mean(square(out)) + l2_penalty(w, 0.1))).arena_bytes();
  };
  CHECK(bytes(11000) - bytes(1000) < 10000 * 10 * sizeof(double));
}

TEST_CASE("roll: a layer whose adjoint is there before its operand") {
  Tape tape;
  std::mt19937_64 random(4);
  const MLP model(tape, 3, {{5, tapeloom::tanh}, {1}}, uniform_initializer(random, -1.0, 1.0));
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value z = tape.input(0.0, "z");
  const std::vector<Value> out = model(x);
  const Value loss = batch_sum(z * out[0]);  // the adjoint of out is the input z itself
  const std::vector<double> rows = some_numbers(4 * 37);
  CompileOptions options{.outputs = out};
  options.verify = true;
  Executor<double> executor(compile(loss, options), {.max_samples = 37});
  expect_step_like_evaluate(executor, loss, out, rows, 37, 4000);
}

TEST_CASE("roll: sums and extremes of which one is far longer than the others") {
  constexpr std::size_t longest = 300, samples = 5;
  const std::vector<double> rows = some_numbers(samples * longest);
  for (const auto& [name, term, is_max] : {std::tuple<const char*, std::function<Value(Value, Value)>, bool>{
                                               "sums", [](Value a, Value) { return a; }, false},
                                           {"products", [](Value a, Value b) { return a * b; }, false},
                                           {"extremes", [](Value a, Value) { return a; }, true}}) {
    INFO(name);
    Tape tape;
    const Values x = tape.inputs("x", longest);
    const Value weight = tape.parameter(0.5);
    double expected = 0.0;
    Values squares;
    for (std::size_t i = 0; i < 40; ++i) {
      const std::size_t length = i == 39 ? longest : 2 + i % 9, first = i * 3 % (longest - length + 1);
      Value result;
      std::array<double, samples> in_plain = {};
      for (std::size_t k = 0; k < length; ++k) {
        const std::size_t other = (first + 2 * k) % longest;
        const Value each = term(x[first + k], x[other]);
        result = k == 0 ? each : is_max ? max(result, each) : result + each;
        for (std::size_t s = 0; s < samples; ++s) {
          const double* const row = rows.data() + s * longest;
          const double number = term(row[first + k], row[other]).data();
          in_plain[s] = k == 0 ? number : is_max ? std::max(in_plain[s], number) : in_plain[s] + number;
        }
      }
      squares.push_back(square(result) * weight);
      for (const double number : in_plain) expected += 0.5 * number * number / samples;
    }
    const Value loss = batch_mean(sum(squares));
    const Program program = compile(loss);
    Executor<double> executor(program, {.max_samples = samples});
    executor.bind(rows);
    CHECK(executor.step() == Approx(expected).epsilon(1e-12));
    CHECK(executor.gradients()[0] == Approx(2.0 * expected).epsilon(1e-12));
    CHECK(program.instructions.size() < 60);
  }
}
