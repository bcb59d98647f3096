#include "bench/comparison/runners.h"

#include <chrono>
#include <optional>

#include "bench/comparison/peers.h"
#include "bench/eigen_nets.h"
#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::bench {
namespace {

using Clock = std::chrono::steady_clock;

class ClosureRunner : public NetRunner {
 public:
  explicit ClosureRunner(const NetWork& work) : data_(work.data), trainer_(work.net, work.start) {}
  double step(double learning_rate) override { return trainer_.step(data_, learning_rate); }
  std::vector<double> parameters() const override { return trainer_.parameters(); }

 private:
  const Data& data_;
  ClosureTrainer trainer_;
};

class EvaluatorRunner : public NetRunner {
 public:
  explicit EvaluatorRunner(const NetWork& work) : parameters_(work.start), samples_(work.data.samples) {
    const auto begin = Clock::now();
    loss_ = record_work(tape_, work);
    record_seconds = seconds_since(begin);
    nodes = tape_.size();
    if (work.samples_recorded) {
      samples_ = 1;
      return;
    }
    const std::size_t targets = work.net.targets();
    for (std::size_t i = 0; i < samples_; ++i) {
      const auto x = std::span(work.data.x).subspan(i * work.net.inputs, work.net.inputs);
      const auto y = std::span(work.data.y).subspan(i * targets, targets);
      rows_.insert(rows_.end(), x.begin(), x.end());
      rows_.insert(rows_.end(), y.begin(), y.end());
    }
  }
  double step(double learning_rate) override {
    const Evaluation result = evaluate(loss_, {.rows = rows_, .samples = samples_, .parameters = parameters_});
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i] -= learning_rate * result.gradients[i];
    return result.root[0];
  }
  std::vector<double> parameters() const override { return parameters_; }

 private:
  Tape tape_;
  Value loss_;
  std::vector<double> parameters_, rows_;
  std::size_t samples_;
};

template <class T>
class CompiledRunner : public NetRunner {
 public:
  CompiledRunner(const NetWork& work, const CompileOptions& options, std::size_t threads)
      : x_(work.data.x.begin(), work.data.x.end()), y_(work.data.y.begin(), work.data.y.end()) {
    auto begin = Clock::now();
    Tape tape;
    const Value loss = record_work(tape, work);
    record_seconds = seconds_since(begin);
    nodes = tape.size();
    begin = Clock::now();
    executor_.emplace(compile(loss, options), executor_options(work.data.samples, threads));
    compile_seconds = seconds_since(begin);
    if (work.samples_recorded) return;
    executor_->bind("x", x_);
    if (!y_.empty()) executor_->bind("y", y_);
  }
  double step(double learning_rate) override {
    const T loss = executor_->step();
    sgd_.set_learning_rate(learning_rate);
    sgd_.update(*executor_);
    return static_cast<double>(loss);
  }
  std::vector<double> parameters() const override {
    return {executor_->parameters().begin(), executor_->parameters().end()};
  }
  double epsilon() const override { return static_cast<double>(std::numeric_limits<T>::epsilon()); }

 private:
  std::vector<T> x_, y_;
  std::optional<Executor<T>> executor_;
  Sgd<T> sgd_;
};

template <class T>
class EigenRunner : public NetRunner {
 public:
  EigenRunner(ByHand how, const NetWork& work)
      : trainer_(how, work.net.name, work.start, work.data.x, work.data.y, work.data.samples) {}
  double step(double learning_rate) override {
    return static_cast<double>(trainer_.step(static_cast<T>(learning_rate)));
  }
  std::vector<double> parameters() const override { return trainer_.parameters(); }
  bool set_rows(const float* const* x, const float* y) override { return trainer_.set_rows(x, y); }
  double epsilon() const override { return static_cast<double>(std::numeric_limits<T>::epsilon()); }

 private:
  EigenTrainer<T> trainer_;
};

template <class T>
std::unique_ptr<NetRunner> make_eigen(ByHand how, const NetWork& work) {
  try {
    return std::make_unique<EigenRunner<T>>(how, work);
  } catch (const std::invalid_argument&) {
    return nullptr;
  }
}

}  // namespace

NetWork make_net_work(const Net& net, std::size_t samples) {
  NetWork work{net, make_random_data(net, samples, 2), initial_parameters(net, 1)};
  // So that all start at the same numbers.
  for (double& number : work.start) number = static_cast<double>(static_cast<float>(number));
  return work;
}

Value record_work(Tape& tape, const NetWork& work) {
  if (!work.samples_recorded) return record_loss(tape, work.net, work.start);
  const Net& net = work.net;
  if (net.loss != LossKind::hinge) throw std::invalid_argument("samples are recorded of nets with a hinge only");
  std::vector<LayerOptions> layers;
  for (const std::size_t width : net.widths) {
    const bool last = layers.size() + 1 == net.widths.size();
    layers.push_back({width, recorded_activation(last ? net.last : net.hidden), true});
  }
  const MLP mlp(tape, net.inputs, layers, [&, i = std::size_t{0}](const Fan&) mutable { return work.start[i++]; });
  Value total = 0.0;
  for (std::size_t i = 0; i < work.data.samples; ++i) {
    const double* row = work.data.x.data() + i * net.inputs;
    const std::vector<Value> x(row, row + net.inputs);
    total = total + hinge(mlp(x)[0], work.data.y[i]);
  }
  total = total / static_cast<double>(work.data.samples);
  return net.l2 == 0.0 ? total : total + l2_penalty(mlp.parameters(), net.l2);
}

std::unique_ptr<NetRunner> make_runner(const std::string& variant, const NetWork& work) {
  const auto compiled = [&]<class T>(T, const CompileOptions& options, std::size_t threads) {
    return std::make_unique<CompiledRunner<T>>(work, options, threads);
  };
  if (variant == "closures") return std::make_unique<ClosureRunner>(work);
  if (variant == "evaluator") return std::make_unique<EvaluatorRunner>(work);
  if (variant == "exact") return compiled(double{}, {.exact = true}, 1);
  if (variant == "unrolled") return compiled(float{}, {.roll = false}, 1);
  if (variant == "double") return compiled(double{}, {}, 1);
  if (variant == "float") return compiled(float{}, {}, 1);
  if (variant == "double_all") return compiled(double{}, {}, 0);
  if (variant == "float_all") return compiled(float{}, {}, 0);
  if (variant == "eigen_double") return make_eigen<double>(ByHand::tuned, work);
  if (variant == "eigen_float") return make_eigen<float>(ByHand::tuned, work);
  if (variant == "plain_eigen_float") return make_eigen<float>(ByHand::plain, work);
  return make_peer(variant, work);
}

std::vector<std::string> runner_variants(const NetWork& work) {
  std::vector<std::string> ids;
  for (const Variant& variant : all_variants()) {
    if (variant.id == "eager" || (variant.id == "closures" && work.net.loss == LossKind::equation)) continue;
    const bool by_hand = variant.id.find("eigen") != std::string::npos;
    if (by_hand && make_runner(variant.id, work) == nullptr) continue;
    if (is_peer(variant.id) && !peer_takes(variant.id, work)) continue;
    ids.push_back(variant.id);
  }
  return ids;
}

void check_runners(const NetWork& work, const std::vector<std::string>& variants) {
  // A power of two, so large that what a step does to a parameter is its gradient but for a rounding.
  constexpr double rate = 1024.0;
  double first_loss = 0.0;
  std::vector<double> first;
  for (const std::string& variant : variants) {
    const std::unique_ptr<NetRunner> runner = make_runner(variant, work);
    const double loss = runner->step(rate);
    std::vector<double> gradients = runner->parameters();
    for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = (work.start[i] - gradients[i]) / rate;
    if (first.empty()) {
      first = gradients, first_loss = loss;
      continue;
    }
    require_equal(work.net.name + ": " + variants[0] + " against " + variant, first_loss, first, loss, gradients,
                  tolerance(work.net, work.data.samples, runner->epsilon()));
  }
}

std::vector<Contender> net_contenders(const NetWork& work, const std::vector<std::string>& variants) {
  // Small, so that the numbers stay what they are at the start however long a net is timed.
  constexpr double rate = 1e-6;
  std::vector<Contender> contenders;
  for (const std::string& variant : variants) {
    std::shared_ptr<NetRunner> runner;
    Contender contender;
    contender.result.variant = variant;
    time_what_is_done_once(contender.result, [&] {
      runner = make_runner(variant, work);
      return std::pair(runner->record_seconds, runner->compile_seconds);
    });
    contender.result.nodes = runner->nodes;
    contender.call = [runner] { runner->step(rate); };
    contenders.push_back(std::move(contender));
  }
  return contenders;
}

}  // namespace tapeloom::bench
