// Samples that products read where they were bound: results as by plain sums, whatever the rows lie in.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "executor_results.h"
#include "instruction_sets.h"
#include "random_numbers.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/loads_in_place.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

constexpr std::size_t apart = SIZE_MAX;

/// Sigmoids of `results` weighted sums of the columns and a bias each, and the mean of their squared errors. The target
/// is a group of its own, or stands before a column of the same rows.
struct Regression {
  Tape tape;
  std::vector<Value> x, y, outputs;
  Value loss;
  std::size_t columns, results;

  Regression(std::size_t columns_, std::size_t results_, std::size_t target = apart)
      : columns(columns_), results(results_) {
    x = tape.inputs("x", columns + (target != apart));
    if (target == apart) {
      y = tape.inputs("y", 1);
    } else {
      y = {x[target]}, x.erase(x.begin() + static_cast<std::ptrdiff_t>(target));
    }
    const std::vector<double> numbers = some_numbers(results * (columns + 1), 5);
    Value sum = 0.0;
    for (std::size_t r = 0; r < results; ++r) {
      Value z = 0.0;
      std::vector<Value> weights;
      for (std::size_t c = 0; c <= columns; ++c) weights.push_back(tape.parameter(numbers[r * (columns + 1) + c]));
      for (std::size_t c = 0; c < columns; ++c) z += weights[c] * x[c];
      outputs.push_back(sigmoid(z + weights[columns]));
      sum += square(outputs.back() - y[0]);
    }
    loss = batch_mean(sum);
  }
};

struct Results {
  double loss = 0.0;
  std::vector<double> outputs, gradients;
};

/// Of the samples in this order, by hand.
Results by_hand(const Regression& net, std::span<const double> x, std::span<const double> y,
                std::span<const std::uint32_t> samples) {
  const std::vector<double> w = some_numbers(net.results * (net.columns + 1), 5);
  Results results;
  results.gradients.resize(w.size());
  const double share = 1.0 / static_cast<double>(samples.size());
  for (const std::uint32_t s : samples) {
    for (std::size_t r = 0; r < net.results; ++r) {
      const double* row = w.data() + r * (net.columns + 1);
      double z = row[net.columns];
      for (std::size_t c = 0; c < net.columns; ++c) z += row[c] * x[s * net.columns + c];
      const double out = 1.0 / (1.0 + std::exp(-z)), error = out - y[s];
      results.outputs.push_back(out);
      results.loss += error * error * share;
      const double adjoint = 2.0 * error * out * (1.0 - out) * share;
      for (std::size_t c = 0; c < net.columns; ++c) {
        results.gradients[r * (net.columns + 1) + c] += adjoint * x[s * net.columns + c];
      }
      results.gradients[r * (net.columns + 1) + net.columns] += adjoint;
    }
  }
  return results;
}

template <class T>
void check_step(const Executor<T>& executor, const Results& right) {
  const double exact = std::is_same_v<T, double> ? 1e-12 : 2e-5;
  const auto check = [&](std::span<const T> numbers, const std::vector<double>& expected) {
    REQUIRE(numbers.size() == expected.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      INFO(i);
      REQUIRE(numbers[i] == Approx(expected[i]).epsilon(exact).margin(exact));
    }
  };
  CHECK(executor.loss() == Approx(right.loss).epsilon(exact));
  if (!executor.program().outputs.empty()) check(executor.outputs(), right.outputs);
  check(executor.gradients(), right.gradients);
}

template <class T>
std::vector<T> as(const auto& numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Numbers that end where memory does: whoever reads on is stopped.
template <class T>
class AtTheEnd {
 public:
  explicit AtTheEnd(std::span<const double> numbers) : count_(numbers.size()) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    readable_ = (count_ * sizeof(T) + page - 1) / page * page;
    pages_ = mmap(nullptr, readable_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages_ != MAP_FAILED);
    bytes_ = readable_ + page;
    REQUIRE(mprotect(static_cast<char*>(pages_) + readable_, page, PROT_NONE) == 0);
    std::copy(numbers.begin(), numbers.end(), begin());
  }
  AtTheEnd(const AtTheEnd&) = delete;
  AtTheEnd& operator=(const AtTheEnd&) = delete;
  ~AtTheEnd() { munmap(pages_, bytes_); }
  std::span<const T> numbers() { return {begin(), count_}; }

 private:
  T* begin() { return reinterpret_cast<T*>(static_cast<char*>(pages_) + readable_) - count_; }

  std::size_t count_, readable_ = 0, bytes_ = 0;
  void* pages_ = nullptr;
};

bool stays(const Program& program, std::size_t lanes) {
  const runtime::LoadsInPlace loads(program, lanes);
  bool any = false;
  for (std::uint32_t load = 0; load < program.loads.size(); ++load) any = any || loads.contains(load);
  return any;
}

std::vector<std::uint32_t> first(std::size_t count) {
  std::vector<std::uint32_t> list(count);
  std::iota(list.begin(), list.end(), 0u);
  return list;
}

}  // namespace

TEMPLATE_TEST_CASE("loads in place: regressions of all sizes, wherever the rows lie", "", float, double) {
  using T = TestType;
  constexpr std::size_t most = 150;
  for (const std::size_t columns : {3, 7, 16, 29, 100, 131}) {
    for (const std::size_t results : {1, 2, 3, 7}) {
      Regression net(columns, results);
      const Program program = compile(net.loss, {.outputs = net.outputs, .verify = true});
      const std::vector<double> x = as<double>(some_numbers(most * columns, 1)), y = some_numbers(most, 2);
      AtTheEnd<T> x_rows(x), y_rows(y);
      for (const std::size_t samples : {1, 9, 16, 33, 64, 150, 17}) {
        INFO(columns << " columns, " << results << " results, " << samples << " samples");
        Executor<T> executor(program, {.max_samples = most, .threads = samples == 150 ? 2u : 1u});
        executor.bind("x", x_rows.numbers()), executor.bind("y", y_rows.numbers());
        // The last ones, which end where memory does.
        std::vector<std::uint32_t> list = first(most);
        list.erase(list.begin(), list.end() - static_cast<std::ptrdiff_t>(samples));
        const Results right = by_hand(net, x, y, list);
        executor.step(most - samples, samples);
        check_step(executor, right);
        executor.step(list);
        check_step(executor, right);
        // Others between the rows.
        std::vector<T> wide((columns + 3) * most, T(1e30));
        for (std::size_t s = 0; s < most; ++s) {
          for (std::size_t c = 0; c < columns; ++c) wide[s * (columns + 3) + c] = static_cast<T>(x[s * columns + c]);
        }
        executor.bind("x", std::span<const T>(wide), columns + 3);
        executor.step(most - samples, samples);
        check_step(executor, right);
        // Of the other type.
        const auto other = as<std::conditional_t<std::is_same_v<T, float>, double, float>>(x);
        executor.bind("x", std::span(other));
        executor.step(most - samples, samples);
        if (std::is_same_v<T, float>) check_step(executor, right);
      }
    }
  }
}

TEST_CASE("loads in place: where it takes less, and nothing else reads them") {
  Regression one(100, 1), many(20, 30), ten(784, 10);
  CHECK(stays(compile(one.loss), 16));
  CHECK(stays(compile(ten.loss), 16));
  CHECK_FALSE(stays(compile(many.loss), 16));
  Regression read(100, 1);
  CHECK_FALSE(stays(compile(read.loss + batch_mean(read.x[3])), 16));
  Regression squared(100, 1);
  Value sum = 0.0;
  for (const Value& x : squared.x) sum += x * x;
  CHECK_FALSE(stays(compile(squared.loss + batch_mean(sum)), 16));
}

TEMPLATE_TEST_CASE("loads in place: targets that are bound with what products read", "", float, double) {
  using T = TestType;
  constexpr std::size_t samples = 90;
  for (const std::size_t columns : {20, 47, 100}) {
    for (const std::size_t target : {std::size_t{0}, std::size_t{19}, columns}) {
      for (const std::size_t results : {1, 3}) {
        INFO(columns << " columns, the target is " << target << ", " << results << " results");
        Regression net(columns, results, target);
        const Program program = compile(net.loss, {.outputs = net.outputs, .verify = true});
        const bool at_an_end = target == 0 || target == columns;
        if (at_an_end && columns > 40 && results == 1) CHECK(stays(program, 16));
        const std::vector<double> x = as<double>(some_numbers(samples * columns, 1)), y = some_numbers(samples, 2);
        std::vector<T> rows;
        for (std::size_t s = 0; s < samples; ++s) {
          for (std::size_t c = 0; c <= columns; ++c) {
            if (c == target) rows.push_back(static_cast<T>(y[s]));
            if (c < columns) rows.push_back(static_cast<T>(x[s * columns + c]));
          }
        }
        AtTheEnd<T> bound(as<double>(std::span<const T>(rows)));
        Executor<T> executor(program, {.max_samples = samples});
        executor.bind(bound.numbers());
        for (const std::size_t begin : {0, 3, 60, 89}) {
          std::vector<std::uint32_t> list = first(samples);
          list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
          executor.step(begin, samples - begin);
          check_step(executor, by_hand(net, x, y, list));
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("loads in place: of samples that were recorded", "", float, double) {
  constexpr std::size_t samples = 90, columns = 100;
  const Regression bound(columns, 1);
  const std::vector<double> x = as<double>(some_numbers(samples * columns, 1)), y = some_numbers(samples, 2);
  const std::vector<double> numbers = some_numbers(columns + 1, 5);
  Tape tape;
  std::vector<Value> w, errors;
  for (const double number : numbers) w.push_back(tape.parameter(number));
  for (std::size_t s = 0; s < samples; ++s) {
    Value z = w[columns];
    for (std::size_t c = 0; c < columns; ++c) z += w[c] * x[s * columns + c];
    errors.push_back(square(sigmoid(z) - y[s]));
  }
  const Program program = compile(sum(errors) / static_cast<double>(samples), {.verify = true});
  REQUIRE(program.recorded_samples == samples);
  CHECK(stays(program, 16));
  Executor<TestType> executor(program, {});
  for (int step = 0; step < 2; ++step) {
    executor.step();
    check_step(executor, by_hand(bound, x, y, first(samples)));
  }
}

TEMPLATE_TEST_CASE("loads in place: a sample's results do not depend on which it is", "", float, double) {
  constexpr std::size_t most = 200;
  Regression net(100, 2);
  const Program program = compile(net.loss, {.outputs = net.outputs});
  const std::vector<TestType> x = as<TestType>(some_numbers(most * 100, 1)), y = as<TestType>(some_numbers(most, 2));
  Executor<TestType> executor(program, {.max_samples = most});
  executor.bind("x", std::span(x)), executor.bind("y", std::span(y));
  executor.step();
  const std::vector<TestType> all = copied(executor.outputs());
  for (const std::size_t begin : {1, 13, 64, 150}) {
    for (const std::size_t samples : {17, 48, 50}) {
      executor.step(begin, samples);
      const std::vector<TestType> some = copied(executor.outputs());
      CHECK(std::equal(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>(2 * begin)));
    }
  }
}

TEST_CASE("loads in place: some columns of a group, by two products, in another stage again") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 90);
  const std::vector<double> numbers = some_numbers(90, 4);
  Value a = 0.0, b = 0.0;
  for (std::size_t c = 0; c < 40; ++c) a += tape.parameter(numbers[c]) * x[c];
  for (std::size_t c = 40; c < 90; ++c) b += tape.parameter(numbers[c]) * x[c];
  const Value loss = batch_mean(square(a - batch_mean(a)) * b);
  Executor<double> executor(compile(loss, {.verify = true}), {.max_samples = 70});
  const std::vector<double> rows = some_numbers(70 * 90, 8);
  executor.bind(rows);
  executor.step();
  std::vector<double> of_a(70), of_b(70);
  for (std::size_t s = 0; s < 70; ++s) {
    for (std::size_t c = 0; c < 90; ++c) (c < 40 ? of_a : of_b)[s] += numbers[c] * rows[s * 90 + c];
  }
  const double mean = std::accumulate(of_a.begin(), of_a.end(), 0.0) / 70;
  double right = 0.0, mean_of_adjoints = 0.0;
  for (std::size_t s = 0; s < 70; ++s) {
    right += (of_a[s] - mean) * (of_a[s] - mean) * of_b[s] / 70;
    mean_of_adjoints += 2 * (of_a[s] - mean) * of_b[s] / 70;
  }
  CHECK(executor.loss() == Approx(right).epsilon(1e-12));
  std::vector<double> gradients(90);
  for (std::size_t s = 0; s < 70; ++s) {
    const double d = of_a[s] - mean;
    for (std::size_t c = 0; c < 90; ++c) {
      gradients[c] += (c < 40 ? 2 * d * of_b[s] - mean_of_adjoints : d * d) * rows[s * 90 + c] / 70;
    }
  }
  for (std::size_t c = 0; c < 90; ++c) CHECK(executor.gradients()[c] == Approx(gradients[c]).epsilon(1e-11));
}
