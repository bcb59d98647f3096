// What neighbours in a graph hand on is added up where it is, once a step: no rows are copied side by side for it, nor
// for its adjoints, and the results are the reference's.
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/record/functions.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

/// Two layers on the nodes of a graph; each adds up what `degree(node)` nodes have, some of them twice.
template <class Degree>
Value record(Tape& tape, std::size_t nodes, std::size_t width, Degree&& degree) {
  Random random(7);
  std::uint64_t seed = 10;
  const auto list = [&](std::size_t count) {
    Values parameters;
    for (const double number : some_numbers(count, ++seed)) parameters.push_back(tape.parameter(number));
    return parameters;
  };
  std::vector<Values> at(nodes), weights(width);
  for (Values& node : at) node = list(width);
  for (Values& row : weights) row = list(width);
  for (int layer = 0; layer < 2; ++layer) {
    std::vector<Values> next(nodes);
    for (std::size_t n = 0; n < nodes; ++n) {
      Values sums(width, Value(0.0));
      for (std::size_t k = degree(n); k > 0; --k) {
        const Values& other = at[below(random, nodes)];
        for (std::size_t i = 0; i < width; ++i) sums[i] += other[i];
      }
      for (const Values& row : weights) next[n].push_back(tanh(dot(row, sums)));
    }
    at = next;
  }
  Value loss = 0.0;
  for (const Values& node : at) loss += dot(node, node);
  return loss;
}

/// What is copied row by row, once a step.
std::size_t copied_rows(const Program& program) {
  std::size_t copied = 0;
  instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    if (i.kind == InstructionKind::gather && i.x[1] == s.rows) copied += s.rows;
  });
  return copied;
}

}  // namespace

TEST_CASE("sums in place: of neighbours in a graph, as many for each node or not") {
  constexpr std::size_t nodes = 40, width = 5;
  const bool alike = GENERATE(true, false);
  Tape tape;
  const Value loss = record(tape, nodes, width, [&](std::size_t n) { return alike ? 3 : 1 + n * 7 % 6; });
  CompileOptions options;
  const Program program = compile(loss, options);
  options.simplify = false;
  // Else the neighbours of two layers, and their adjoints, are copied side by side. As many for each node may be read
  // as so many lists, and added one after another.
  CAPTURE(alike, copied_rows(program), copied_rows(compile(loss, options)));
  if (!alike) CHECK(copied_rows(program) <= 2 * nodes * width);
  if (!alike) CHECK(copied_rows(compile(loss, options)) > 8 * nodes * width);
  expect_programs_like_evaluate(loss, {}, {}, 1, 64.0);
}

TEST_CASE("sums in place: rows that are read for something else, too, or by steps, or are put together of parts") {
  Tape tape;
  Random random(8);
  Values p;
  for (const double number : some_numbers(60)) p.push_back(tape.parameter(number));
  // What is picked is squared here and added up there, by threes and by every fourth, forwards and backwards.
  for (int way = 0; way < 6; ++way) {
    Values picked;
    for (int i = 0; i < 48; ++i) picked.push_back(p[way < 3 ? below(random, 60) : (7 * i + i / 8) % 60]);
    Values sums;
    for (std::size_t i = 0; i < 12; ++i) {
      Value sum = 0.0;
      for (std::size_t k = 0; k < (way % 2 == 0 ? 4 : 1 + i % 5); ++k) {
        sum += picked[way % 3 == 0 ? 4 * i + k % 4 : way % 3 == 1 ? (i + 12 * k) % 48 : 47 - (4 * i + k) % 48];
      }
      sums.push_back(tanh(sum));
    }
    Value loss = sum(sums) + dot(sums, Values(picked.begin(), picked.begin() + 12));
    if (way > 3) loss += sum(picked);
    INFO("way " << way);
    expect_programs_like_evaluate(loss, {}, {}, 1, 64.0);
  }
}

TEST_CASE("sums in place: weights in the order against that of what they meet, some of them read again") {
  // What the weights' gradients are put together of has pieces of several rows.
  Tape tape;
  const Values first = tape.inputs("first", 1), other = tape.inputs("other", 8);
  std::uint64_t seed = 30;
  const auto parameter = [&] { return tape.parameter(some_numbers(1, ++seed)[0]); };
  Values w;
  for (int i = 0; i < 10; ++i) w.push_back(parameter());
  Value sum = w[0] * other[7];
  for (std::size_t i = 1; i < 8; ++i) sum = i % 2 == 0 ? sum + w[i] * other[7 - i] : sum + other[7 - i] * w[i];
  sum = sum + w[8] * first[0];
  const Value a = parameter(), b = parameter(), c = parameter(), d = parameter(), e = parameter(), f = parameter();
  const Value inner = dot(Values{a, b}, Values{w[9], sum}) + e;
  const Value loss = batch_mean(dot(Values{inner, f}, Values{b, c + d}) * parameter());
  expect_programs_like_evaluate(loss, {}, some_numbers(9 * 3), 3, 64.0);
}
