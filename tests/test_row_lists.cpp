// Rows that lie in no even order, in lists of lists: inputs of several groups, parameters and what was computed before,
// picked one by one, through operations that simplify away, into sums, products, layers and choices. Whatever becomes
// of them can be run, and gives what the oracle gives.
#include <cstdio>
#include <string>
#include <vector>

#include "fuzz/expect.h"
#include "tapeloom/core/program/program_check.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

/// Records a program of lists of rows. What has been computed so far is what the next list is picked from.
class ListWriter {
 public:
  ListWriter(Random& random, Tape& tape) : random_(random), tape_(tape) {}

  Problem write() {
    for (std::size_t group = 0; group < 1 + below(random_, 4); ++group) {
      const Values more = tape_.inputs("x" + std::to_string(group), 1 + below(random_, 9));
      varying_.insert(varying_.end(), more.begin(), more.end());
    }
    for (std::size_t i = 0; i < 3 + below(random_, 12); ++i) {
      parameters_.push_back(tape_.parameter(between(random_, -1.0, 1.0)));
    }
    if (chance(random_, 0.3)) parameters_.push_back(tape_.uniform_input(0.75));
    for (std::size_t i = 0; i < 1 + below(random_, 4); ++i) combine();
    total_ += varying_[0] * 0.125;
    Value loss = chance(random_, 0.5) ? batch_sum(total_) : batch_mean(total_);
    const Value penalty = sum(vanish(pick(parameters_))) * 0.1;
    if (!penalty.varying() && chance(random_, 0.5)) loss = loss + penalty;
    Problem problem{&tape_, loss, {}, {}, 1 + below(random_, 40)};
    for (std::size_t i = 0; i < below(random_, 6); ++i) problem.outputs.push_back(any(varying_));
    problem.rows.resize(problem.samples * tape_.input_nodes().size());
    for (double& number : problem.rows) number = between(random_, -1.0, 1.0);
    return problem;
  }

 private:
  Value any(const Values& from) { return from[below(random_, from.size())]; }

  /// Rows in no even order, or, now and then, in one.
  Values pick(const Values& from, std::size_t count = 0) {
    if (count == 0) count = 2 + below(random_, 11);
    const bool evenly = chance(random_, 0.2);
    const std::size_t first = below(random_, from.size()), step = below(random_, 3);
    Values list;
    for (std::size_t i = 0; i < count; ++i) list.push_back(evenly ? from[(first + i * step) % from.size()] : any(from));
    return list;
  }

  /// The same rows, after something that the compiler sees through.
  Values vanish(Values list) {
    const std::size_t way = below(random_, 11);
    const Value condition = any(varying_) > 0.25;
    for (Value& x : list) {
      switch (way) {
        case 0:
          x = x / 1.0;
          break;
        case 1:
          x = x * 1.0;
          break;
        case 2:
          x = x + 0.0;
          break;
        case 3:
          x = -(-x);
          break;
        case 4:
          x = pow(x, 1.0);
          break;
        case 5:
          x = x - 0.0;
          break;
        case 6:
          x = where(condition, x, x);
          break;
        case 7:
          x = 0.0 + 1.0 * x;
          break;
        case 8:
          x = x * pow(any(varying_), 0.0);
          break;
        default:
          break;
      }
    }
    return list;
  }

  Values rows(std::size_t count = 0) { return vanish(pick(chance(random_, 0.85) ? varying_ : parameters_, count)); }

  void combine() {
    Values x = rows();
    const std::size_t n = x.size();
    Values out;
    switch (below(random_, 12)) {
      case 0:
        for (Value v : x) total_ += v * 0.25;
        break;
      case 1:
        for (Value v : x) total_ += v * any(parameters_);
        break;
      case 2: {  // a layer
        const Values w = vanish(pick(parameters_, n * 3));
        for (std::size_t i = 0; i < 3; ++i) out.push_back(tanh(dot(std::span(w).subspan(i * n, n), x)));
        break;
      }
      case 3:  // products row by row
        for (std::size_t i = 0; const Value& v : rows(n)) out.push_back(v * x[i++]);
        total_ += sum(out);
        break;
      case 4: {
        Value most = x[0];
        for (Value v : x) most = max(most, v + 0.01 * any(parameters_));
        total_ += most;
        break;
      }
      case 5:  // sums of different lengths
        for (std::size_t i = 0; i < n; i += 1 + i % 3) out.push_back(sum(std::span(x).subspan(i / 2, i - i / 2 + 1)));
        break;
      case 6:
        for (Value& v : x) v = v - batch_mean(v.varying() ? v : v + varying_[0]);
        out = x;
        break;
      case 7:  // each product is added up over the samples
        for (Value v : x) total_ += v * v * any(varying_);
        break;
      case 8: {
        Value all = 1.0;
        for (Value v : x) all += square(v);
        for (Value v : x) out.push_back(v / all);
        break;
      }
      case 9: {  // as they are, with others
        out = vanish(x);
        const Values more = rows(1 + below(random_, 4));
        out.insert(chance(random_, 0.5) ? out.begin() : out.end(), more.begin(), more.end());
        break;
      }
      case 10:
        for (std::size_t i = 0; i < n; ++i) out.push_back(sin(x[i]) + (i > 0 ? x[i - 1] : x[n - 1]) * any(parameters_));
        break;
      default:
        for (Value v : x) out.push_back(chance(random_, 0.5) ? tanh(v) : v);
        break;
    }
    if (out.empty()) return;
    total_ += sum(vanish(pick(out))) * 0.5 + dot(vanish(pick(out, 5)), vanish(pick(parameters_, 5)));
    for (Value v : out) {
      if (v.varying()) varying_.push_back(v);
    }
  }

  Random& random_;
  Tape& tape_;
  Values varying_, parameters_;
  Value total_ = 0.0;

 public:
};

}  // namespace

TEST_CASE("row lists: inputs of two groups, in no even order and divided by 1, are added up") {
  Tape tape;
  Values x = {tape.input(0.0, "a")};
  for (Value v : tape.inputs("b", 7)) x.push_back(v);
  Value s = 0.0;
  for (std::size_t i : {7, 1, 4, 0, 0, 3, 5}) s += x[i] / 1.0 * 0.25;
  const Program program = compile(batch_sum(s), {.verify = false});
  REQUIRE(find_fault(program) == "");
  Executor<double> executor(program);
  const std::vector<double> numbers = {1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 1, 0, 0, 0};
  executor.bind(numbers);
  CHECK(executor.step() == (128 + 2 + 16 + 1 + 1 + 8 + 32 + 1) * 0.25);
}

TEST_CASE("row lists: random lists of lists compile to programs that can be run and are right") {
  const std::uint64_t seed = number_from("TAPELOOM_TEST_SEED", 20261124);
  const std::uint64_t programs = number_from("TAPELOOM_TEST_GRAPHS", 600);
  std::size_t listed = 0;
  fuzz::Statistics statistics;
  for (std::uint64_t n = 0; n < programs; ++n) {
    INFO("program of seed " << seed + n);
    Random random(seed + n);
    Tape tape;
    ListWriter writer(random, tape);
    const Problem problem = writer.write();
    const Program program = compile(problem.loss, {.outputs = problem.outputs, .verify = false});
    REQUIRE(find_fault(program) == "");
    listed += program.indices.empty() ? 0 : 1;
    if (!problem.outputs.empty()) {
      REQUIRE(find_fault(compile_inference(problem.outputs, {.verify = false})) == "");
    }
    fuzz::expect_right("program of seed " + std::to_string(seed + n), problem, random, statistics);
  }
  std::printf("row lists: %zu of %llu programs read rows one by one; %zu numbers compared, nothing is known of %zu\n",
              listed, static_cast<unsigned long long>(programs), statistics.numbers, statistics.unknown);
  CHECK(listed > programs / 2);
  CHECK(statistics.unknown < statistics.numbers / 10);
}
