// Layers whose input is put together of rows of a table, in any order and some of them twice, as of the letters before
// a letter: one product for all recorded samples, without copies of the weights, and the reference's results.
#include <functional>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/record/functions.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

/// What a neuron adds up, with its weights, what it reads and its bias.
using Weighted = std::function<Value(const Values& w, const Values& x, Value b)>;

constexpr std::size_t letters = 11, size = 4, before = 3, hidden = 8, samples = 24;

/// A net that reads the rows of some letters, for each of some recorded samples.
Value record(Tape& tape, const Weighted& neuron, const std::function<std::size_t()>& letter) {
  std::uint64_t seed = 1;
  const auto list = [&](std::size_t count) {
    Values parameters;
    for (const double number : some_numbers(count, ++seed)) parameters.push_back(tape.parameter(number));
    return parameters;
  };
  std::vector<Values> table(letters), weights(hidden), outputs(letters);
  for (Values& row : table) row = list(size);
  for (Values& row : weights) row = list(before * size);
  for (Values& row : outputs) row = list(hidden);
  const Values hidden_biases = list(hidden), output_biases = list(letters);
  Value loss = 0.0;
  for (std::size_t s = 0; s < samples; ++s) {
    Values x, h, logits;
    for (std::size_t i = 0; i < before; ++i) {
      const Values& row = table[letter()];
      x.insert(x.end(), row.begin(), row.end());
    }
    for (std::size_t j = 0; j < hidden; ++j) h.push_back(tanh(neuron(weights[j], x, hidden_biases[j])));
    for (std::size_t j = 0; j < letters; ++j) logits.push_back(neuron(outputs[j], h, output_biases[j]));
    loss += softmax_cross_entropy(logits, tape.constant(static_cast<double>(letter())));
  }
  return loss / static_cast<double>(samples);
}

}  // namespace

TEST_CASE("embeddings: a layer of recorded letters has one matrix, whatever comes before what and however often") {
  const Weighted neurons[] = {
      [](const Values& w, const Values& x, Value sum) {
        for (std::size_t i = 0; i < x.size(); ++i) sum = sum + w[i] * x[i];
        return sum;
      },
      [](const Values& w, const Values& x, Value b) {
        Value sum = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * w[i];
        return sum + b;
      },
      [](const Values& w, const Values& x, Value b) { return dot(w, x) + b; },
  };
  for (const Weighted& neuron : neurons) {
    Tape tape;
    Random random(5);
    const Value loss = record(tape, neuron, [&] { return below(random, letters); });
    const Program program = compile(loss);
    // Copies of the weights would be samples * hidden * before * size = 2,304 numbers more, and their gradients, too.
    CAPTURE(program.parameters.size(), program.uniform_slots);
    CHECK(program.instructions.size() < 60);
    CHECK(program.uniform_slots < 4 * program.parameters.size() + 100 * samples);
    expect_programs_like_evaluate(loss, {}, {}, 1, 64.0);
  }
}

TEST_CASE("embeddings: neurons that read one list, each with weights in an order of its own, are one matrix, too") {
  Tape tape;
  Random random(6);
  Values all;
  for (const double number : some_numbers(64 * 16)) all.push_back(tape.parameter(number));
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[below(random, i)]);
  const Values x = tape.inputs("x", 16);
  Value loss = 0.0;
  for (std::size_t j = 0; j < 64; ++j) loss += square(tanh(dot(std::span(all).subspan(16 * j, 16), x)));
  loss = batch_mean(loss);
  CHECK(compile(loss).instructions.size() < 20);
  expect_programs_like_evaluate(loss, {}, some_numbers(16 * 5), 5, 64.0);
}
