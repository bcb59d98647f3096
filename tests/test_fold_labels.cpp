// Recorded samples in which a label, a plain number, picks one of several values: an input like other data.
#include <random>
#include <utility>

#include "recorded_samples.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Scores of three numbers for so many classes, recorded for samples whose labels are plain numbers.
struct Classifier {
  Tape tape;
  std::mt19937_64 random{3};
  MLP model;
  std::vector<std::vector<Value>> scores;
  std::vector<std::size_t> labels;

  Classifier(std::size_t samples, std::size_t classes)
      : model(tape, 3, {{4, tapeloom::tanh}, {classes}}, uniform_initializer(random, -1.0, 1.0)) {
    const std::vector<double> rows = recorded_numbers(3 * samples, samples);
    for (std::size_t s = 0; s < samples; ++s) {
      scores.push_back(model(std::span(rows).subspan(3 * s, 3)));
      labels.push_back(s * s % (classes - 1));  // some are rare, one is missing
    }
  }
};

using ClassLoss = Value (*)(const std::vector<Value>& scores, std::size_t label);

std::vector<Value> softmax(const std::vector<Value>& scores) {
  std::vector<Value> result;
  for (const Value& z : scores) result.push_back(exp(z));
  const Value total = sum(result);
  for (Value& p : result) p = p / total;
  return result;
}

const std::pair<const char*, ClassLoss> class_losses[] = {
    {"cross-entropy", [](auto& z, auto label) { return softmax_cross_entropy(z, label); }},
    {"-log(p[label])", [](auto& z, auto label) { return -log(softmax(z)[label]); }},
    {"logits", [](auto& z, auto label) { return log(exp(z[0]) + sum(softmax(z))) - z[label] * 0.5; }},
    {"the label's square", [](auto& z, auto label) { return square(z[label] - 1.0) + 0.1 * square(z[0]); }},
    {"margins",
     [](auto& z, auto label) {
       Value total = 0.0;
       for (std::size_t k = 0; k < z.size(); ++k) {
         if (k != label) total = total + relu(z[k] - z[label] + 1.0);
       }
       return total;
     }},
};

}  // namespace

TEST_CASE("fold: what a label picks is an input like other data") {
  for (const auto& [name, class_loss] : class_losses) {
    INFO(name);
    for (const auto& [samples, classes] : {std::pair(6, 3), std::pair(5, 5), std::pair(40, 7)}) {
      INFO(samples << " samples, " << classes << " classes");
      Classifier net(static_cast<std::size_t>(samples), static_cast<std::size_t>(classes));
      Value loss = 0.0;
      for (std::size_t s = 0; s < net.scores.size(); ++s) loss = loss + class_loss(net.scores[s], net.labels[s]);
      loss = loss / static_cast<double>(samples) + 0.01 * sum(net.model.parameters());
      // Of "the label's square" other scores are not even live; "margins" have several terms a sample that are alike.
      if (class_loss == class_losses[3].second || class_loss == class_losses[4].second) {
        Executor<double> executor(compile(loss, {.verify = true}), {.max_samples = 2});
        expect_step_like_evaluate(executor, loss, {}, {}, 1, 4000);
      } else {
        expect_like_evaluate(loss, {net.scores[2][1], net.scores[0][0]}, static_cast<std::uint32_t>(samples));
      }
    }
  }
}

TEST_CASE("fold: picked by labels, classes and samples add no instructions") {
  for (const auto& [name, class_loss] : std::span(class_losses).first(2)) {
    INFO(name);
    std::size_t instructions = 0;
    for (const auto& [samples, classes] : {std::pair(12, 4), std::pair(30, 10), std::pair(10, 10), std::pair(50, 40)}) {
      Classifier net(static_cast<std::size_t>(samples), static_cast<std::size_t>(classes));
      Value loss = 0.0;
      for (std::size_t s = 0; s < net.scores.size(); ++s) loss = loss - class_loss(net.scores[s], net.labels[s]);
      const Program program = compile(-loss);
      if (instructions == 0) instructions = program.instructions.size();
      CHECK(program.instructions.size() == instructions);
      CHECK(program.recorded_samples == static_cast<std::uint32_t>(samples));
    }
  }
}

TEST_CASE("fold: samples whose labels all differ, or all agree") {
  for (const bool differ : {true, false}) {
    Classifier net(5, 5);
    for (std::size_t s = 0; s < 5; ++s) net.labels[s] = differ ? (s + 2) % 5 : 3;
    const Value loss = softmax_cross_entropy_mean(net.scores, net.labels);
    expect_like_evaluate(loss, {}, 5);
  }
}

TEST_CASE("fold: samples that are not all alike take no more instructions, however many they are") {
  using LossOf = Value (*)(const std::vector<Value>& scores, std::size_t label);
  const std::pair<const char*, LossOf> losses[] = {
      {"a probability or the other",
       [](auto& z, auto label) {
         const Value p = 1.0 / (1.0 + exp(-z[0]));
         return label == 0 ? -log(p) : -log(1.0 - p);
       }},
      {"margins of one side or the other",
       [](auto& z, auto label) { return label == 0 ? relu(1.0 - z[0]) : relu(1.0 + z[0]); }},
      {"margins to all other classes", class_losses[4].second},
      {"the label's square", class_losses[3].second},
      {"weights of 1 and 2", [](auto& z, auto label) { return squared_error(z[0], 0.5, label % 2 == 0 ? 1.0 : 2.0); }},
  };
  for (const auto& [name, loss_of] : losses) {
    INFO(name);
    std::size_t few = 0;
    for (const std::size_t samples : {20, 50, 200}) {
      Classifier net(samples, 4);
      Value loss = 0.0;
      for (std::size_t s = 0; s < samples; ++s) loss = loss + loss_of(net.scores[s], net.labels[s]);
      Executor<double> executor(compile(loss, {.verify = true}));
      expect_step_like_evaluate(executor, loss, {}, {}, 1, 40000);
      const std::size_t instructions = executor.program().instructions.size();
      if (samples < 200) few = std::max(few, instructions);
      CHECK(instructions <= few);
    }
    std::printf("fold: %zu instructions for samples that are not all alike, %s\n", few, name);
  }
}
