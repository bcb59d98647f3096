// Nets that are not written as matrices times lists: weights that are computed, layers at several places, sums of
// different lengths, values in no order. The number of instructions does not depend on their widths all the same.
#include "forced_isa.h"
#include "odd_pieces.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("odd nets: weights that are computed") { expect_no_more_when_wider(computed_weights); }

TEST_CASE("odd nets: layers at several places") { expect_no_more_when_wider(places); }

TEST_CASE("odd nets: values and connections in no order") { expect_no_more_when_wider(no_order); }

TEST_CASE("odd nets: what is computed is what evaluate() computes") {
  const std::vector<std::size_t> widths = {1, 2, 3, 5, 16, 21};
  expect_pieces_like_evaluate(computed_weights, widths);
  expect_pieces_like_evaluate(places, widths);
  expect_pieces_like_evaluate(no_order, widths);
}

TEST_CASE("odd nets: a wide layer at places of the inputs, whose rows are read as they are bound") {
  constexpr std::size_t count = 6, terms = 24, outputs = 20, samples = 70;
  Tape tape;
  std::mt19937_64 random(3);
  const Values x = tape.inputs("x", count * terms);
  const Layer shared(tape, terms, {outputs, tanh}, uniform_initializer(random, -0.3, 0.3));
  Value each = 0.0;
  for (std::size_t p = 0; p < count; ++p) {
    const auto here = std::span(x).subspan(p * terms, terms);
    const Layer own(tape, terms, {outputs, tanh}, uniform_initializer(random, -0.3, 0.3));
    const Values a = shared(here), b = own(here);
    for (std::size_t i = 0; i < outputs; ++i) each = each + square(a[i] - b[i]) * 0.1;
  }
  const Value loss = batch_mean(each);
  const std::vector<double> rows = some_numbers(samples * x.size());
  expect_programs_like_evaluate(loss, {each}, rows, samples, 40000);
  CHECK(compile(loss).instructions.size() <= 40);
}

TEST_CASE("odd nets: gradients of few rows with very many terms, at one place and at some") {
  constexpr std::size_t inputs = 3, terms = 137, outputs = 3;
  for (const std::size_t places : {1, 3}) {
    Tape tape;
    std::mt19937_64 random(4);
    const Values x = tape.inputs("x", places * inputs);
    const Layer wide(tape, inputs, {terms, tanh}, uniform_initializer(random, -0.3, 0.3));
    const Layer thin(tape, terms, {outputs, tanh}, uniform_initializer(random, -0.3, 0.3));
    Value each = 0.0;
    for (std::size_t p = 0; p < places; ++p) {
      for (const Value& y : thin(wide(std::span(x).subspan(p * inputs, inputs))))
        each = each + square(y) * (static_cast<double>(p) + 0.5);
    }
    const Value loss = batch_mean(each);
    for (const std::string& name : instruction_sets()) {
      const ForcedIsa isa(name);
      for (const std::size_t samples : {9, 40, 75, 200}) {
        INFO(places << " places, " << name << ", " << samples << " samples");
        const std::vector<double> rows = some_numbers(samples * x.size());
        expect_programs_like_evaluate(loss, {each}, rows, samples, 40000);
      }
    }
  }
}

TEST_CASE("odd nets: of weights times products of two lists, only the lists are gathered") {
  Tape tape;
  std::mt19937_64 random(3);
  const Values x = tape.inputs("x", 8);
  Value each = 0.0;
  for (std::size_t k = 0; k < 20; ++k) {
    Value z = 0.0;
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) z = z + tape.parameter(2.0 * random_unit(random) - 1.0) * x[i] * x[4 + j];
    }
    each = each + square(z);
  }
  const Value loss = batch_mean(each);
  const std::vector<double> rows = some_numbers(70 * x.size());
  expect_programs_like_evaluate(loss, {each}, rows, 70, 40000);
  const Program program = compile(loss);
  const auto gathers = [](const Instruction& i) { return i.kind == InstructionKind::gather; };
  CHECK(std::ranges::count_if(program.instructions, gathers) <= 3);  // two, and the adjoints of the sums
}

TEST_CASE("odd nets: a few inputs in the opposite order of their weights are one product") {
  for (const std::size_t inputs : {2, 3, 4, 9}) {
    INFO(inputs << " inputs");
    std::size_t in_order = 0;
    for (const bool reversed : {false, true}) {
      Tape tape;
      std::mt19937_64 random(3);
      const Values x = tape.inputs("x", inputs);
      Value each = 0.0;
      for (std::size_t i = 0; i < 20; ++i) {
        Values weights(inputs);
        for (Value& weight : weights) weight = tape.parameter(2.0 * random_unit(random) - 1.0);
        if (reversed) std::reverse(weights.begin(), weights.end());
        each = each + square(tanh(dot(weights, x)));
      }
      expect_programs_like_evaluate(batch_mean(each), {each}, some_numbers(70 * inputs), 70, 40000);
      const std::size_t instructions = compile(batch_mean(each)).instructions.size();
      if (!reversed) in_order = instructions;
      CHECK(instructions <= in_order + std::min<std::size_t>(inputs, 3));  // what copies or gathers the inputs
    }
  }
}

TEST_CASE("odd nets: operations on weights that turn out to do nothing, and connections that are not there") {
  const std::vector<Value (*)(Value)> nothing = {
      [](Value w) { return w * 1.0; },     [](Value w) { return 1.0 * w; }, [](Value w) { return w + 0.0; },
      [](Value w) { return w - 0.0; },     [](Value w) { return w / 1.0; }, [](Value w) { return -(-w); },
      [](Value w) { return pow(w, 1.0); },
  };
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    Tape tape;
    const std::size_t inputs = 3 + below(random, 4), outputs = 1 + below(random, 4);
    // All their own, every other parameter, or one for all.
    const std::size_t distance = below(random, 3);
    const auto same = nothing[below(random, nothing.size())];
    const Values x = tape.inputs("x", inputs);
    Values parameters;
    for (std::size_t i = 0; i <= 2 * inputs * outputs; ++i)
      parameters.push_back(tape.parameter(between(random, -1.0, 1.0)));
    Value each = 0.0;
    for (std::size_t o = 0; o < outputs; ++o) {
      Value z = 0.0;
      for (std::size_t i = 0; i < inputs; ++i) {
        if (i > 0 && below(random, 4) == 0) continue;
        z = z + same(parameters[(o * inputs + i) * distance]) * x[i];
      }
      each = each + square(seed % 2 == 0 ? tanh(z) : z) * (0.5 + static_cast<double>(o));
    }
    expect_programs_like_evaluate(batch_mean(each), {each}, some_numbers(9 * inputs), 9, 40000);
  }
}
