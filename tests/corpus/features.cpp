#include <algorithm>
#include <functional>
#include <random>

#include "corpus/corpus.h"
#include "some_program.h"

namespace tapeloom::test::corpus {

namespace {

using Values = std::vector<Value>;

/// A convolution, a layer and the softmax of three classes: 8 inputs and a class.
struct Classifier {
  Tape tape;
  std::mt19937_64 random{3};
  Values x = tape.inputs("x", 8);
  Value y = tape.input(0.0, "class"), u = tape.uniform_input(0.5, "scale");
  Values scores;
  Value loss;

  Classifier() {
    const Layer kernel(tape, 3, {2, tanh}, glorot(random)), top(tape, 12, {3}, glorot(random));
    Values hidden;
    for (std::size_t p = 0; p + 3 <= x.size(); ++p) {
      for (const Value& each : kernel(std::span(x).subspan(p, 3))) hidden.push_back(each / (1.0 + exp(-each)) * u);
    }
    scores = top(hidden);
    loss = batch_mean(softmax_cross_entropy(scores, y));
  }
  Example example(const std::string& name) const {
    Example result{.name = name, .loss = loss, .rows = random_rows(9), .columns = 9};
    for (std::size_t s = 0; s < most_samples; ++s) result.rows[s * 9 + 8] = static_cast<double>(s % 3);
    result.options.outputs = scores;
    result.uniform_inputs = {{"scale", 0.75}};
    return result;
  }
};

void add_options(Corpus& corpus) {
  const std::pair<const char*, std::function<void(Example&)>> changes[] = {
      {"as it is", [](Example&) {}},
      {"input gradients", [](Example& e) { e.options.input_gradients = true; }},
      {"exact", [](Example& e) { e.options.exact = true; }},
      {"exact, input gradients", [](Example& e) { e.options.exact = e.options.input_gradients = true; }},
      {"no gradients", [](Example& e) { e.options.gradients = false; }},
      {"outputs alone", [](Example& e) { e.inference = true; }},
      {"outputs alone, exact", [](Example& e) { e.inference = e.options.exact = true; }},
      {"no fold_samples", [](Example& e) { e.options.fold_samples = false; }},
      {"no roll", [](Example& e) { e.options.roll = false; }},
      {"no fold_constants", [](Example& e) { e.options.fold_constants = false; }},
      {"no common_subexpressions", [](Example& e) { e.options.common_subexpressions = false; }},
      {"no simplify", [](Example& e) { e.options.simplify = false; }},
      {"no idioms", [](Example& e) { e.options.idioms = false; }},
      {"no fuse", [](Example& e) { e.options.fuse = false; }},
      {"no reuse_slots", [](Example& e) { e.options.reuse_slots = false; }},
      {"no verify", [](Example& e) { e.options.verify = false; }},
  };
  std::size_t number = 0;
  for (const auto& [story, change] : changes) {
    const Classifier classifier;
    Example example = classifier.example(numbered("options", number++));
    example.story = story;
    change(example);
    corpus.add(example);
  }
}

/// Samples recorded one after another, which fold, of so many inputs; with outputs of some.
void add_recorded(Corpus& corpus) {
  std::size_t number = 0;
  for (const std::size_t samples : {2, 7, 50}) {
    for (const bool shared : {false, true}) {
      for (const bool fold : {true, false}) {
        if (!fold && samples == 50) continue;
        Tape tape;
        std::mt19937_64 random(samples);
        const MLP model(tape, 4, {{6, relu}, {3}}, glorot(random));
        const std::vector<double> rows = random_rows(5, samples);
        Values losses, some;
        for (std::size_t s = 0; s < samples; ++s) {
          Values x(rows.begin() + static_cast<std::ptrdiff_t>(5 * s),
                   rows.begin() + static_cast<std::ptrdiff_t>(5 * s + 4));
          if (shared) x[1] = tape.constant(0.25), x[2] = tape.constant(rows[5 * s + 2]);
          const Values scores = model(x);
          losses.push_back(softmax_cross_entropy_of_class(scores, static_cast<std::int64_t>(s % 3)));
          if (s % 3 == 0) some.push_back(scores[0]);
        }
        Example example{.name = numbered("recorded", number++),
                        .loss = mean(losses) + l2_penalty(model.parameters(), 1e-3)};
        example.options.outputs = some;
        example.options.fold_samples = fold;
        corpus.add(example);
      }
    }
  }
}

/// A loss of eight hidden neurons and five inputs, mean or sum over the samples.
using Head = std::function<Value(Tape& tape, const Values& x, const Values& hidden)>;

Value parameter(Tape& tape, std::size_t i) { return tape.parameter(0.1 * static_cast<double>(i % 7) - 0.25); }

const std::pair<const char*, Head> heads[] = {
    {"ragged lists",
     [](Tape& tape, const Values&, const Values& h) {
       Value total = 0.0;
       for (std::size_t i = 0; i < 8; ++i) {
         Value z = parameter(tape, i);
         for (std::size_t j = 0; j <= (i * 5) % 8; ++j) z = z + parameter(tape, i + 3 * j) * h[j];
         total = total + square(tanh(z));
       }
       return batch_mean(total);
     }},
    {"row sums", [](Tape&, const Values& x, const Values& h) { return batch_mean(square(sum(h)) + sum(x) * 0.1); }},
    {"maxima",
     [](Tape&, const Values&, const Values& h) {
       Value most = h[0], least = h[0];
       for (const Value& each : h) most = max(most, each), least = min(least, each);
       return batch_sum(square(most - 2.0 * least));
     }},
    {"maxima of pools",
     [](Tape&, const Values&, const Values& h) {
       Value total = 0.0;
       for (std::size_t i = 0; i + 1 < 8; i += 2) total = total + square(max(h[i], h[i + 1]));
       return batch_mean(total);
     }},
    {"guard that holds",
     [](Tape&, const Values&, const Values& h) {
       if (h[0] < 50.0) return batch_mean(square(h[0]) + h[1]);
       return batch_mean(h[1]);
     }},
    {"guard that fails for some",
     [](Tape&, const Values& x, const Values& h) {
       if (x[0] < 0.9) return batch_mean(square(h[0]) + h[1]);
       return batch_mean(h[1]);
     }},
    {"where",
     [](Tape&, const Values& x, const Values& h) {
       return batch_mean(where((x[0] > 0.0) & (x[1] < 0.5), square(h[0]), where(h[1] > h[2], h[3] * h[4], abs(h[5]))));
     }},
    {"batch statistics",
     [](Tape&, const Values&, const Values& h) {
       const Value centre = batch_mean(h[0]), variance = batch_mean(square(h[0] - centre));
       return batch_mean(square((h[0] - centre) / sqrt(variance + 0.1) - h[1])) + log(batch_sum(exp(h[2])));
     }},
    {"uniform inputs",
     [](Tape& tape, const Values&, const Values& h) {
       const Value t = tape.uniform_input(0.5, "t"), v = tape.uniform_input(2.0, "v");
       return batch_mean(square(h[0] * t - h[1] / v)) + t * 0.1;
     }},
    {"all functions",
     [](Tape&, const Values& x, const Values& h) {
       Value z = sigmoid(h[0]) + softplus(h[1]) + relu(h[2]) + leaky_relu(h[3], 0.1) + sin(h[4]) * cos(h[5]);
       z = z + atan(x[0]) + exp(x[1]) - log(square(x[2]) + 1.0) + sqrt(abs(x[3]) + 0.1) + pow(square(x[4]) + 1.0, 1.5);
       return batch_mean(square(z / (1.0 + square(h[6]))));
     }},
    {"losses",
     [](Tape&, const Values& x, const Values& h) {
       const Values a(h.begin(), h.begin() + 3), b(x.begin(), x.begin() + 3);
       return batch_mean(hinge_sum(a, b) + binary_cross_entropy_mean(a, b) + squared_error_mean(a, b) +
                         softmax_cross_entropy(a, b));
     }},
    {"recurrence",
     [](Tape& tape, const Values& x, const Values& h) {
       std::mt19937_64 random(4);
       const Layer cell(tape, 12, {8, tanh}, glorot(random));
       Values state = h;
       for (std::size_t t = 0; t + 4 <= 5 + 3; ++t) {
         Values operands = {x[t % 5], x[(t + 1) % 5], x[(t + 2) % 5], x[(t + 3) % 5]};
         operands.insert(operands.end(), state.begin(), state.end());
         state = cell(operands);
       }
       return batch_mean(square(sum(state)));
     }},
    {"frozen parameters",
     [](Tape& tape, const Values&, const Values& h) {
       const Value p = tape.parameter(0.5), q = tape.parameter(0.25);
       tape.set_frozen(p);
       return batch_mean(square(h[0] * p - h[1] * q)) + p * q;
     }},
    {"parameters alone",
     [](Tape& tape, const Values&, const Values&) {
       const Value p = tape.parameter(0.5), q = tape.parameter(0.25);
       return square(p * q - 1.0) + exp(p);
     }},
};

void add_heads(Corpus& corpus) {
  std::size_t number = 0;
  for (const auto& [story, head] : heads) {
    for (const bool exact : {false, true}) {
      Tape tape;
      std::mt19937_64 random(9);
      const Values x = tape.inputs("x", 5);
      const Values hidden = MLP(tape, 5, {{8, tanh}, {8}}, uniform_initializer(random, -0.7, 0.7))(x);
      Example example{.name = numbered("feature", number++), .story = story, .rows = random_rows(5), .columns = 5};
      example.loss = head(tape, x, hidden);
      example.options.outputs = {hidden[0], hidden[7]};
      example.options.exact = exact;
      example.options.input_gradients = !exact;
      if (std::string(story) == "uniform inputs") example.uniform_inputs = {{"t", 0.25}, {"v", 3.0}};
      corpus.add(example);
    }
  }
}

}  // namespace

void add_features(Corpus& corpus) {
  add_options(corpus);
  add_recorded(corpus);
  add_heads(corpus);
  for (const bool exact : {false, true}) {
    Example example{.name = numbered("whole", exact ? 1 : 0), .story = "about everything", .rows = random_rows(4)};
    example.columns = 4;
    example.options.outputs = {1.0}, example.options.input_gradients = true;  // as some_program has them
    corpus.add(example, some_program(exact));
  }
}

}  // namespace tapeloom::test::corpus
