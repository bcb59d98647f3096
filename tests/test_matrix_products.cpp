// Sums of products of what is computed once a step, which become products of matrices where the same vectors meet.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "attention_net.h"
#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::size_t count(const Program& program, InstructionKind kind) {
  return static_cast<std::size_t>(std::ranges::count(program.instructions, kind, &Instruction::kind));
}

/// Tokens are inputs, or numbers that were recorded.
struct Attention {
  Tape tape;
  std::vector<Value> outputs;
  Value loss;
  std::size_t columns;

  Attention(std::size_t tokens, std::size_t width, std::size_t heads, bool causal, bool recorded = false)
      : outputs(record_attention(tape, tokens, width, heads, causal, recorded)),
        columns(recorded ? 0 : tokens * width) {
    std::vector<Value> squares;
    for (const Value& y : outputs) squares.push_back(square(y - 0.25));
    loss = recorded ? sum(squares) : batch_mean(sum(squares));
  }

  Program compile_one() const {
    const CompileOptions options{.outputs = outputs, .input_gradients = columns > 0, .verify = true};
    if (columns == 0) return compile(loss, options);
    const Program program = compiler::compile_in_way(loss, options, {.one_sample = true});
    REQUIRE(program.of_one_sample != nullptr);
    return *program.of_one_sample;
  }

  void expect_like_evaluate() {
    const CompileOptions options{.outputs = outputs, .input_gradients = columns > 0, .verify = true};
    const Program program = compiler::compile_in_way(loss, options, {.one_sample = true});
    Executor<double> in_double(program, {.max_samples = 1});
    Executor<float> in_float(program, {.max_samples = 1});
    const std::vector<double> row = some_numbers(columns, 11);
    expect_step_like_evaluate(in_double, loss, outputs, row, 1, 4000);
    expect_step_like_evaluate(in_float, loss, outputs, row, 1, 4000);
  }
};

}  // namespace

TEST_CASE("attention of one sample is what evaluate() says") {
  for (const bool causal : {false, true}) {
    for (const bool recorded : {false, true}) {
      for (const auto& [tokens, width, heads] : {std::array<std::size_t, 3>{5, 6, 1}, {9, 8, 2}, {16, 12, 3}}) {
        INFO("causal " << causal << ", recorded " << recorded << ", " << tokens << " tokens of " << width);
        Attention(tokens, width, heads, causal, recorded).expect_like_evaluate();
      }
    }
  }
}

TEST_CASE("attention of one sample is products of matrices however many tokens there are") {
  for (const bool causal : {false, true}) {
    INFO("causal " << causal);
    const Program few = Attention(16, 12, 2, causal).compile_one(), many = Attention(24, 12, 2, causal).compile_one();
    for (const InstructionKind kind :
         {InstructionKind::dense, InstructionKind::dense_reverse, InstructionKind::outer}) {
      CHECK(count(few, kind) == count(many, kind));
    }
    // Queries with keys and shares with values of each head, and of the derivatives both factors.
    CHECK(count(many, InstructionKind::dense) >= 4);
    CHECK(count(many, InstructionKind::outer) >= 4);
    // What is gathered is the vectors, and not all their products.
    std::uint32_t most = 0;
    for (const Instruction& i : many.instructions) {
      if (i.kind == InstructionKind::gather) most = std::max(most, many.shapes[i.shape].rows);
    }
    CHECK(most <= 2 * 24 * 24);
  }
}

// Token 0 sees itself alone, whatever those after it are.
TEST_CASE("what a token does not see may be infinite") {
  constexpr std::size_t tokens = 6, width = 4;
  const float infinite = std::numeric_limits<float>::infinity();
  Tape tape;
  Vectors q, k, v;
  for (std::size_t t = 0; t < tokens; ++t) {
    std::vector<Value> x = tape.inputs("token " + std::to_string(t), width);
    const std::vector<double> w = some_numbers(3, 20 + t);
    std::vector<Value> query, key, value;
    for (const Value& each : x) {
      query.push_back(tape.parameter(w[0]) * each), key.push_back(tape.parameter(w[1]) * each);
      value.push_back(exp(tape.parameter(1.0) * each));  // 100 is finite, and its exp in float is not
    }
    q.push_back(query), k.push_back(key), v.push_back(value);
  }
  const Vectors mixed = scaled_dot_product_attention(q, k, v, {.causal = true});
  std::vector<Value> outputs, seen;
  for (std::size_t t = 0; t < tokens; ++t) {
    for (const Value& y : mixed[t]) {
      outputs.push_back(y);
      // A choice by what is not a number would not be seen in the sum.
      outputs.push_back(where(y > 0.0, Value(1.0), Value(2.0)));
      if (t + 1 < tokens) seen.push_back(square(y));
    }
  }
  const Value loss = batch_mean(sum(seen));
  const Program program = compiler::compile_in_way(loss, {.outputs = outputs, .input_gradients = true, .verify = true},
                                                   {.one_sample = true});
  Executor<float> executor(program, {.max_samples = 1});
  std::vector<float> row;
  for (const double number : some_numbers(tokens * width, 30)) row.push_back(static_cast<float>(number));
  const auto run = [&] {
    executor.bind(row);
    executor.step();
    return std::vector<float>(executor.outputs().begin(), executor.outputs().end());
  };
  const std::vector<float> before = run();
  const std::vector<float> gradients(executor.gradients().begin(), executor.gradients().end());
  for (const float last : {100.0f, infinite}) {
    INFO("the last token is " << last);
    std::fill(row.end() - width, row.end(), last);
    const std::vector<float> after = run();
    const std::size_t of_earlier = 2 * width * (tokens - 1);
    for (std::size_t i = 0; i < of_earlier; ++i) {
      INFO(i);
      CHECK(after[i] == Approx(before[i]).epsilon(1e-5));
    }
    // None of the earlier tokens' parameters has anything to do with it.
    const auto of_token = gradients.size() / tokens;
    for (std::size_t i = 0; i < gradients.size() - of_token; ++i) {
      INFO(i);
      CHECK(executor.gradients()[i] == Approx(gradients[i]).epsilon(1e-4));
    }
    for (std::size_t i = gradients.size() - of_token; i < gradients.size(); ++i) CHECK(executor.gradients()[i] == 0.0f);
  }
}

TEST_CASE("products of computed matrices are what evaluate() says") {
  Tape tape;
  const auto computed = [&](std::size_t rows, std::size_t columns, std::uint64_t seed) {
    Vectors matrix = parameter_rows(tape, rows, columns, seed);
    for (std::vector<Value>& row : matrix) {
      for (Value& x : row) x = tanh(x);
    }
    return matrix;
  };
  const Vectors a = computed(5, 7, 1), b = computed(6, 7, 2);
  std::vector<Value> outputs;
  const auto expect = [&] {
    std::vector<Value> squares;
    for (const Value& y : outputs) squares.push_back(square(y - 0.5));
    expect_programs_like_evaluate(sum(squares), outputs, {}, 1, 4000);
    return compile(sum(squares));
  };
  SECTION("all rows with all") {
    for (const auto& x : a) {
      for (const auto& y : b) outputs.push_back(dot(x, y));
    }
    CHECK(count(expect(), InstructionKind::dense) >= 1);
  }
  SECTION("factors by turns, and sums in any order") {
    for (std::size_t k = 0; k < a.size() * b.size(); ++k) {
      const auto &x = a[k * 7 % a.size()], &y = b[k * 11 % b.size()];
      outputs.push_back(k % 2 == 0 ? dot(x, y) : dot(y, x));
    }
    CHECK(count(expect(), InstructionKind::dense) >= 1);
  }
  SECTION("some have nothing in common with others") {
    const Vectors c = computed(4, 7, 3), d = computed(4, 7, 4);
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (const auto& y : b) outputs.push_back(dot(a[i], y));
      if (i < c.size()) outputs.push_back(dot(c[i], d[i]));
    }
    CHECK(count(expect(), InstructionKind::dense) >= 1);
  }
  SECTION("a matrix with itself") {
    for (const auto& x : a) {
      for (const auto& y : a) outputs.push_back(dot(x, y));
    }
    expect();
  }
  SECTION("few of all pairs") {
    for (std::size_t i = 0; i < a.size(); ++i)
      outputs.push_back(dot(a[i], b[i])), outputs.push_back(dot(a[i], b[i + 1]));
    expect();
  }
  SECTION("of several lengths") {
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (const auto& y : b) {
        std::vector<Value> terms;
        for (std::size_t t = 0; t < 3 + i; ++t) terms.push_back(a[i][t] * y[t]);
        outputs.push_back(sum(terms));
      }
    }
    expect();
  }
  SECTION("of one vector that is everywhere") {
    for (const auto& y : b) outputs.push_back(dot(a[0], y));
    expect();
  }
  SECTION("of two matrices, one after another") {
    Vectors c(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (const auto& y : b) c[i].push_back(tanh(dot(a[i], y)));
    }
    const Vectors e = computed(4, 6, 7);
    for (const auto& x : c) {
      for (const auto& y : e) outputs.push_back(dot(x, y));
    }
    CHECK(count(expect(), InstructionKind::dense) >= 2);
  }
}
