#include "bench/gates/workloads.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bench/cases.h"
#include "bench/scalar_work.h"

#ifndef TAPELOOM_BENCH_EXTRA_WORK
#define TAPELOOM_BENCH_EXTRA_WORK 0
#endif

namespace tapeloom::bench {

void Workload::run(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    step();
    owed_ += TAPELOOM_BENCH_EXTRA_WORK;
    for (; owed_ >= 100; owed_ -= 100) step();
  }
}

namespace {

std::vector<double> random_numbers(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> numbers(count);
  for (double& number : numbers) number = 2.0 * random_unit(generator) - 1.0;
  return numbers;
}

// So small that the numbers stay what they are at the start.
constexpr double rate = 1e-6;

template <class Options>
Options executor_options(std::size_t samples, const WorkloadOptions& options) {
  Options result = one_thread<Options>(samples);
  if constexpr (requires { result.threads; }) result.threads = options.threads;
  if constexpr (requires { result.profile; }) result.profile = options.profile;
  return result;
}

/// An executor and the rows it reads, all groups side by side.
template <class T>
class Running : public Workload {
 public:
  Running(const Program& program, std::size_t samples, const std::vector<double>& rows, const WorkloadOptions& options)
      : executor_(program, executor_options<ExecutorOptions>(samples, options)),
        rows_(rows.begin(), rows.end()),
        sgd_({.learning_rate = rate}) {
    if (!rows_.empty()) executor_.bind(rows_);
  }
  void step() override {
    executor_.step();
    sgd_.update(executor_);
  }
  const Program& program() const override { return executor_.program(); }
  std::size_t arena_bytes() const override { return executor_.arena_bytes(); }
  double dispatches() const override {
    double runs = 0.0;
    if constexpr (requires { executor_.profile(); }) {
      const auto profile = executor_.profile();
      for (const auto& time : profile.instructions) runs += static_cast<double>(time.runs);
      return runs / static_cast<double>(profile.steps);
    } else {
      throw std::logic_error("this library takes no profiles");
    }
  }
  std::string profile(const Peaks& peaks) const override {
    if constexpr (requires { executor_.profile(); }) {
      const double peak = std::is_same_v<T, float> ? peaks.in_float : peaks.in_double;
      return explain(executor_.program(), executor_.profile(), peak);
    } else {
      throw std::logic_error("this library takes no profiles");
    }
  }

 private:
  Executor<T> executor_;
  std::vector<T> rows_;
  Sgd<T> sgd_;
};

std::unique_ptr<Workload> make_net(const Case& c, const WorkloadOptions& options) {
  const Data data = make_random_data(c.net, c.samples, 2);
  std::vector<double> rows;
  for (std::size_t s = 0; s < c.samples; ++s) {
    const auto append = [&](const std::vector<double>& from, std::size_t count) {
      const auto begin = from.begin() + static_cast<std::ptrdiff_t>(s * count);
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    append(data.x, c.net.inputs);
    append(data.y, c.net.targets());
  }
  Tape tape;
  return std::make_unique<Running<float>>(compile(record_loss(tape, c.net, initial_parameters(c.net, 1))), c.samples,
                                          rows, options);
}

/// A thousand operations that roll into nothing.
std::unique_ptr<Workload> make_irregular(const WorkloadOptions& options) {
  constexpr std::size_t samples = 64;
  const ScalarExpression expression = ScalarExpressionMaker().make();
  Tape tape;
  const Program program = compile(record_expression(tape, expression));
  return std::make_unique<Running<float>>(program, samples, random_numbers(samples * expression.inputs, 3), options);
}

/// As the notebooks write it: one graph of all samples, with their numbers as constants; in double.
std::unique_ptr<Workload> make_recorded(const WorkloadOptions& options) {
  constexpr std::size_t samples = 50;
  const std::vector<double> rows = random_numbers(3 * samples, 4);
  std::mt19937_64 generator(5);
  Tape tape;
  const MLP model(tape, 2, {{16, tapeloom::tanh}, {16, tapeloom::tanh}, {1}},
                  uniform_initializer(generator, -1.0, 1.0));
  Value loss = 0.0;
  for (std::size_t s = 0; s < samples; ++s) {
    const std::span<const double> row = std::span(rows).subspan(3 * s, 3);
    loss = loss + square(model(row.first(2))[0] - row[2]);
  }
  const Program program = compile(loss);
  if (program.recorded_samples != samples) throw std::logic_error("the recorded samples were not folded");
  return std::make_unique<Running<double>>(program, samples, std::vector<double>(), options);
}

/// Six steps of a recurrent layer of 8 neurons over 4 inputs each, and the softmax of 3 outputs.
std::unique_ptr<Workload> make_recurrence(const WorkloadOptions& options) {
  constexpr std::size_t samples = 32, length = 6, inputs = 4, width = 8, classes = 3;
  std::mt19937_64 generator(6);
  Tape tape;
  const Layer cell(tape, inputs + width, {width, tapeloom::tanh}, glorot(generator));
  const Layer top(tape, width, {classes}, glorot(generator));
  const std::vector<Value> x = tape.inputs("x", length * inputs);
  const Value y = tape.input(0.0, "y");
  std::vector<Value> state(width, Value(0.0));
  for (std::size_t t = 0; t < length; ++t) {
    std::vector<Value> operands(x.begin() + static_cast<std::ptrdiff_t>(t * inputs),
                                x.begin() + static_cast<std::ptrdiff_t>((t + 1) * inputs));
    operands.insert(operands.end(), state.begin(), state.end());
    state = cell(operands);
  }
  constexpr std::size_t columns = length * inputs + 1;
  std::vector<double> rows = random_numbers(samples * columns, 7);
  for (std::size_t s = 0; s < samples; ++s) rows[s * columns + columns - 1] = static_cast<double>(s % classes);
  return std::make_unique<Running<float>>(compile(batch_mean(softmax_cross_entropy(top(state), y))), samples, rows,
                                          options);
}

}  // namespace

std::vector<NamedWorkload> workloads(const std::string& part) {
  std::vector<NamedWorkload> all;
  for (const Case& c : all_cases())
    all.push_back({c.name(), [c](const WorkloadOptions& options) { return make_net(c, options); }});
  all.push_back({"1000 irregular ops / 64", make_irregular});
  all.push_back({"2-16-16-1 tanh, recorded, double / 50", make_recorded});
  all.push_back({"recurrent 4-8 x 6, softmax 3 / 32", make_recurrence});
  std::erase_if(all, [&](const NamedWorkload& w) { return w.name.find(part) == std::string::npos; });
  if (all.empty()) throw std::invalid_argument("no workload has \"" + part + "\" in its name");
  return all;
}

}  // namespace tapeloom::bench
