// Works that are something else than steps of a net.
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "bench/cases.h"
#include "bench/comparison/peers.h"
#include "bench/comparison/runners.h"
#include "bench/comparison/works.h"
#include "bench/scalar_work.h"
#include "tapeloom/core/record/evaluate.h"

namespace closure {

/// The closure design has no maximum of its own.
inline Value max(const Value& a, const Value& b) { return a + relu(b - a); }

}  // namespace closure

namespace tapeloom::bench {
namespace {

using Clock = std::chrono::steady_clock;

// --- tiny expressions ------------------------------------------------------------------------------------------------

/// One of the notebooks' first examples, of any kind of numbers.
struct Product {
  static constexpr const char* name = "(a*b + c)*f";
  static constexpr std::array<double, 4> leaves = {2.0, -3.0, 10.0, -2.0};
  template <class V>
  static V compute(const std::array<V, 4>& v) {
    return (v[0] * v[1] + v[2]) * v[3];
  }
};
struct OneNeuron {
  static constexpr const char* name = "tanh(x1*w1 + x2*w2 + b)";
  static constexpr std::array<double, 5> leaves = {2.0, 0.0, -3.0, 1.0, 6.88137};
  template <class V>
  static V compute(const std::array<V, 5>& v) {
    return tanh(v[0] * v[2] + v[1] * v[3] + v[4]);
  }
};

/// A number that only notes what is done to it, to tell other libraries.
struct Noted {
  std::size_t number;
  std::vector<ScalarStep>* steps;
  std::size_t leaves;

  friend Noted operator+(Noted a, Noted b) { return a.note(ScalarOp::add, a.number, b.number); }
  friend Noted operator*(Noted a, Noted b) { return a.note(ScalarOp::multiply, a.number, b.number); }
  friend Noted tanh(Noted a) { return a.note(ScalarOp::tanh, a.number, a.number); }

 private:
  Noted note(ScalarOp op, std::size_t x, std::size_t y) {
    steps->push_back({op, x, y});
    return {leaves + steps->size() - 1, steps, leaves};
  }
};

/// Each of these evaluates the expression once, with the first leaf at `first`, and returns value and gradients.
template <class E>
struct Tiny {
  static constexpr std::size_t n = E::leaves.size();
  using Result = std::array<double, n + 1>;

  static Result closures(double first) {
    const auto v = [&]<std::size_t... i>(std::index_sequence<i...>) {
      return std::array<closure::Value, n>{closure::Value(i == 0 ? first : E::leaves[i])...};
    }
    (std::make_index_sequence<n>());
    const closure::Value root = E::compute(v);
    root.backward();
    Result result{root.data()};
    for (std::size_t i = 0; i < n; ++i) result[i + 1] = v[i].grad();
    return result;
  }

  static std::array<Value, n> record_leaves(Tape& tape, double first) {
    std::array<Value, n> v;
    for (std::size_t i = 0; i < n; ++i) v[i] = tape.parameter(i == 0 ? first : E::leaves[i]);
    return v;
  }
  /// On one tape, recorded anew each time.
  static Result eager(Tape& tape, double first) {
    tape.clear();
    const std::array<Value, n> v = record_leaves(tape, first);
    const Value root = E::compute(v);
    tape.zero_grad();
    root.backward();
    Result result{root.data()};
    for (std::size_t i = 0; i < n; ++i) result[i + 1] = v[i].grad();
    return result;
  }
  static Result evaluated(Value root, double first) {
    std::array<double, n> numbers = E::leaves;
    numbers[0] = first;
    const Evaluation evaluation = evaluate(root, {.rows = {}, .parameters = numbers});
    Result result{evaluation.root[0]};
    std::copy(evaluation.gradients.begin(), evaluation.gradients.end(), result.begin() + 1);
    return result;
  }
  template <class T>
  static Result compiled(Executor<T>& executor, double first) {
    executor.parameters()[0] = static_cast<T>(first);
    Result result{static_cast<double>(executor.step())};
    for (std::size_t i = 0; i < n; ++i) result[i + 1] = static_cast<double>(executor.gradients()[i]);
    return result;
  }

  static ScalarExpression noted() {
    ScalarExpression expression{0, {E::leaves.begin(), E::leaves.end()}, {}};
    std::array<Noted, n> v;
    for (std::size_t i = 0; i < n; ++i) v[i] = {i, &expression.steps, n};
    E::compute(v);
    return expression;
  }
  static Result by_peer(PeerExpression& peer, double first) {
    std::array<double, n> numbers = E::leaves;
    numbers[0] = first;
    Result result{};
    result[0] = peer.evaluate(numbers.data(), result.data() + 1);
    return result;
  }

  template <class F>
  static void add(std::vector<Contender>& to, const std::string& variant, double epsilon, std::size_t times,
                  F evaluate_once) {
    const Result expected = closures(E::leaves[0]), result = evaluate_once(E::leaves[0]);
    // A handful of roundings of numbers up to 20, and tanh by two formulas.
    require_equal(std::string(E::name) + ": closures against " + variant, expected[0], std::span(expected).subspan(1),
                  result[0], std::span(result).subspan(1), 64.0 * epsilon);
    const auto call = [evaluate_once, times]() mutable {
      volatile double sum = 0.0;
      for (std::size_t i = 0; i < times; ++i) {
        const Result r = evaluate_once(E::leaves[0] + 1e-9 * static_cast<double>(i));
        for (const double x : r) sum = sum + x;
      }
    };
    to.push_back(contender_of("tiny", E::name, variant, call, static_cast<double>(times)));
  }

  template <class T>
  static void add_compiled(std::vector<Contender>& to, const char* variant, const CompileOptions& options,
                           std::size_t times) {
    Measurement once;
    std::shared_ptr<Executor<T>> executor;
    time_what_is_done_once(once, [&] {
      const auto begin = Clock::now();
      Tape tape;
      const Value root = E::compute(record_leaves(tape, E::leaves[0]));
      const double record_seconds = seconds_since(begin);
      once.nodes = tape.size();
      executor = std::make_shared<Executor<T>>(compile(root, options), ExecutorOptions{.max_samples = 1});
      return std::pair(record_seconds, seconds_since(begin) - record_seconds);
    });
    add(to, variant, static_cast<double>(std::numeric_limits<T>::epsilon()), times,
        [executor](double first) { return compiled(*executor, first); });
    to.back().result.record_seconds = once.record_seconds;
    to.back().result.compile_seconds = once.compile_seconds;
    to.back().result.nodes = once.nodes;
  }

  /// LibTorch takes a thousand times as long for a number as it would be fair to let others wait for.
  static void add_peers(std::vector<Contender>& to, std::size_t times) {
    for (const char* variant : {"adolc", "torch"}) {
      if (!has_variant(variant)) continue;
      const std::shared_ptr<PeerExpression> peer = make_peer_expression(variant, noted(), {}, 1);
      const bool fewer = std::string(variant) == "torch";
      add(to, variant, peer->epsilon(), fewer ? times / 10 : times,
          [peer](double first) { return by_peer(*peer, first); });
      to.back().result.record_seconds = peer->trace_seconds();
      if (fewer) to.back().result.remark = std::to_string(times / 10) + " times";
    }
  }

  static std::vector<Measurement> compare(const Plan& plan) {
    const std::size_t times = plan.quick ? 1000 : 100000;
    const Stage stage("tiny", E::name);
    std::vector<Contender> all;
    constexpr double epsilon = std::numeric_limits<double>::epsilon();
    add(all, "closures", epsilon, times, closures);
    const auto tape = std::make_shared<Tape>();
    add(all, "eager", epsilon, times, [tape](double first) { return eager(*tape, first); });
    const auto recorded = std::make_shared<Tape>();
    const Value root = E::compute(record_leaves(*recorded, E::leaves[0]));
    add(all, "evaluator", epsilon, times, [recorded, root](double first) { return evaluated(root, first); });
    add_compiled<double>(all, "exact", {.exact = true}, times);
    add_compiled<double>(all, "double", {}, times);
    add_compiled<float>(all, "float", {}, times);
    add_peers(all, times);
    for (Contender& c : all) c.result.work += ", " + std::to_string(times) + " times";
    return measure(std::move(all), plan.timing);
  }
};

}  // namespace

std::vector<Measurement> compare_tiny(const Plan& plan) {
  std::vector<Measurement> all = Tiny<Product>::compare(plan);
  for (Measurement& m : Tiny<OneNeuron>::compare(plan)) all.push_back(std::move(m));
  return all;
}

// --- a training run --------------------------------------------------------------------------------------------------

std::vector<Measurement> compare_training(const Plan& plan) {
  NetWork work = make_net_work(all_cases()[0].net, 4);
  work.data.x = {2.0, 3.0, -1.0, 3.0, -1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, -1.0};
  work.data.y = {1.0, -1.0, -1.0, 1.0};
  const std::vector<std::string> variants = runner_variants(work);
  check_runners(work, variants);
  const Stage stage("run", "the notebooks' training");

  // The notebook adds up the four errors and takes a rate of 0.1; their mean is a quarter of that.
  constexpr int steps = 100;
  constexpr double rate = 0.4;
  const auto train = [&work](const std::string& variant) {
    const std::unique_ptr<NetRunner> runner = make_runner(variant, work);
    double loss = 0.0;
    for (int i = 0; i < steps; ++i) loss = runner->step(rate);
    return loss;
  };
  std::vector<Contender> contenders;
  const double expected = train("closures");
  for (const std::string& variant : variants) {
    const double loss = train(variant);
    // Roundings of a hundred steps, which training itself makes smaller rather than larger.
    const double epsilon = make_runner(variant, work)->epsilon();
    if (!(std::fabs(loss - expected) <= 1e5 * epsilon * expected)) {
      throw std::runtime_error("training by " + variant + " ends with a loss of " + std::to_string(loss) +
                               " instead of " + std::to_string(expected));
    }
    contenders.push_back(contender_of("run", "3-4-4-1 tanh / 4, 100 steps, from nothing to the trained net", variant,
                                      [train, variant] { train(variant); }));
  }
  return measure(std::move(contenders), plan.timing);
}

// --- what does not roll ----------------------------------------------------------------------------------------------

std::vector<Measurement> compare_scalar(const Plan& plan) {
  const std::size_t samples = plan.quick ? 16 : 256;
  const Stage stage("scalar", "irregular operations");
  const auto expression = std::make_shared<ScalarExpression>(ScalarExpressionMaker().make());
  const auto rows = std::make_shared<std::vector<double>>(random_rows(*expression, samples));
  const std::string work =
      std::to_string(expression->steps.size()) + " irregular operations / " + std::to_string(samples);

  const auto tape = std::make_shared<Tape>();
  const Value loss = record_expression(*tape, *expression);
  const auto evaluate_all = [tape, rows, loss, samples] { return evaluate(loss, {.rows = *rows, .samples = samples}); };
  const Evaluation expected = evaluate_all();
  // Roundings of a thousand operations in a row, each magnified as the gradients are; see require_equal.
  const auto check = [&](const std::string& variant, double epsilon, double root, std::span<const double> gradients) {
    require_equal("irregular operations, the evaluator against " + variant, expected.root[0], expected.gradients, root,
                  gradients, 1000.0 * epsilon);
  };

  std::vector<double> closure_gradients;
  const auto closures = [expression, rows, samples](std::vector<double>* gradients) {
    std::vector<closure::Value> parameters(expression->parameters.begin(), expression->parameters.end());
    closure::Value total = 0.0;
    for (std::size_t i = 0; i < samples; ++i) {
      const double* row = rows->data() + i * expression->inputs;
      std::vector<closure::Value> numbers(row, row + expression->inputs);
      numbers.insert(numbers.end(), parameters.begin(), parameters.end());
      total = total + evaluate_expression(*expression, std::move(numbers));
    }
    total = total * (1.0 / static_cast<double>(samples));
    total.backward();
    if (gradients == nullptr) return total.data();
    for (const closure::Value& p : parameters) gradients->push_back(p.grad());
    return total.data();
  };
  const double closure_loss = closures(&closure_gradients);
  check("closures", std::numeric_limits<double>::epsilon(), closure_loss, closure_gradients);

  std::vector<Contender> contenders;
  contenders.push_back(contender_of("scalar", work, "closures", [closures] { closures(nullptr); }));
  contenders.push_back(contender_of("scalar", work, "evaluator", evaluate_all));
  const auto add = [&]<class T>(T epsilon, const char* variant, const CompileOptions& options, std::size_t threads) {
    Measurement once;
    std::shared_ptr<Executor<T>> executor;
    time_what_is_done_once(once, [&] {
      const auto begin = Clock::now();
      Tape recorded;
      const Value root = record_expression(recorded, *expression);
      const double record_seconds = seconds_since(begin);
      once.nodes = recorded.size();
      executor = std::make_shared<Executor<T>>(compile(root, options), executor_options(samples, threads));
      return std::pair(record_seconds, seconds_since(begin) - record_seconds);
    });
    const auto numbers = std::make_shared<std::vector<T>>(rows->begin(), rows->end());
    executor->bind("x", *numbers);
    const double result = static_cast<double>(executor->step());
    const std::vector<double> gradients(executor->gradients().begin(), executor->gradients().end());
    check(variant, static_cast<double>(epsilon), result, gradients);
    contenders.push_back(contender_of("scalar", work, variant, [executor, numbers] { executor->step(); }));
    contenders.back().result.record_seconds = once.record_seconds;
    contenders.back().result.compile_seconds = once.compile_seconds;
    contenders.back().result.nodes = once.nodes;
  };
  add(std::numeric_limits<double>::epsilon(), "exact", {.exact = true}, 1);
  add(std::numeric_limits<float>::epsilon(), "unrolled", {.roll = false}, 1);
  add(std::numeric_limits<double>::epsilon(), "double", {}, 1);
  add(std::numeric_limits<float>::epsilon(), "float", {}, 1);
  add(std::numeric_limits<double>::epsilon(), "double_all", {}, 0);
  add(std::numeric_limits<float>::epsilon(), "float_all", {}, 0);
  for (const char* variant : {"adolc", "torch_double", "torch"}) {
    if (!has_variant(variant)) continue;
    const std::shared_ptr<PeerExpression> peer = make_peer_expression(variant, *expression, *rows, samples);
    std::vector<double> gradients(expression->parameters.size());
    check(variant, peer->epsilon(), peer->evaluate(nullptr, gradients.data()), gradients);
    contenders.push_back(contender_of("scalar", work, variant, [peer] { peer->evaluate(nullptr, nullptr); }));
    contenders.back().result.record_seconds = peer->trace_seconds();
  }
  return measure(std::move(contenders), plan.timing);
}

}  // namespace tapeloom::bench
