// What the gates decide by: medians, means, the sign test and the bootstrap against numbers worked out by hand or by
// another formula, and the verdicts on figures at the limits.
#include <filesystem>
#include <fstream>

#include "bench/gates/figures.h"
#include "bench/gates/statistics.h"
#include "catch.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::bench;

TEST_CASE("gates: median and geometric mean") {
  CHECK(exact_median({3.0}) == 3.0);
  CHECK(exact_median({9.0, 1.0, 4.0}) == 4.0);
  CHECK(exact_median({9.0, 1.0, 4.0, 2.0}) == 3.0);
  CHECK_THROWS_AS(exact_median({}), std::invalid_argument);
  CHECK(geometric_mean(std::vector<double>{2.0, 8.0}) == Approx(4.0));
  CHECK(geometric_mean(std::vector<double>{1.0, 10.0, 100.0}) == Approx(10.0));
  CHECK_THROWS_AS(geometric_mean({}), std::invalid_argument);
}

TEST_CASE("gates: the sign test's probabilities") {
  CHECK(sign_test(0, 0) == 1.0);
  CHECK(sign_test(5, 5) == 1.0);
  CHECK(sign_test(10, 0) == Approx(2.0 / 1024));
  CHECK(sign_test(2, 8) == Approx(2.0 * (45 + 10 + 1) / 1024));
  CHECK(sign_test(8, 2) == Approx(2.0 * (45 + 10 + 1) / 1024));
  CHECK(sign_test(14, 1) == Approx(2.0 * (15 + 1) / 32768));
}

namespace {

/// P(X >= least) for X binomial(n, p), term by term.
double binomial_tail(int n, int least, double p) {
  double tail = 0.0;
  for (int k = least; k <= n; ++k) {
    double term = 1.0;
    for (int i = 1; i <= k; ++i) term *= static_cast<double>(n - k + i) / i * p;
    for (int i = 0; i < n - k; ++i) term *= 1.0 - p;
    tail += term;
  }
  return tail;
}

}  // namespace

TEST_CASE("gates: the bootstrap's interval is where the median's distribution over resamples says") {
  // Resampling n different numbers, the median is among the lowest k exactly if at least half of the draws are.
  constexpr int n = 31;
  std::vector<double> numbers;
  for (int i = 1; i <= n; ++i) numbers.push_back((i * 12) % n + 1);  // 1 to 31 in another order
  int low = 0, high = 0;
  while (binomial_tail(n, (n + 1) / 2, static_cast<double>(low) / n) <= 0.025) ++low;
  while (binomial_tail(n, (n + 1) / 2, static_cast<double>(high) / n) < 0.975) ++high;
  INFO("exact: " << low << " to " << high);
  const Interval interval = bootstrap_median(numbers);
  CHECK(interval.low == low);
  CHECK(interval.high == high);
  CHECK(low + high == n + 1);

  const Interval again = bootstrap_median(numbers);
  CHECK(again.low == interval.low);
  CHECK(again.high == interval.high);
  const Interval narrower = bootstrap_median(numbers, 0.5);
  CHECK(narrower.low > interval.low);
  CHECK(narrower.high < interval.high);

  // Of three numbers the lowest is the median in 7 of 27 resamples, far more often than in 2.5%.
  const Interval three = bootstrap_median(std::vector<double>{2.0, 7.0, 3.0});
  CHECK(three.low == 2.0);
  CHECK(three.high == 7.0);
}

TEST_CASE("gates: figures are read as they were written") {
  Figures figures;
  figures.put("a net / 4", "arena bytes", 12345678901);
  figures.put("a net / 4", "instructions", 0);
  figures.put("b \"quoted\"", "instructions", 7);
  figures.put("a net / 4", "instructions", 3);
  CHECK(figures.rows.size() == 2);
  const std::string path = "figures.json";
  std::ofstream(path) << to_json(figures);
  CHECK(read_figures(path) == figures);
  CHECK(*read_figures(path).find("a net / 4")->find("instructions") == 3);
  CHECK(read_figures(path).find("c") == nullptr);
  std::ofstream(path) << "{\"a\": 1}";
  CHECK_THROWS_AS(read_figures(path), DataError);
  std::filesystem::remove(path);
}

TEST_CASE("gates: a figure of the structure may fall and not grow") {
  const Figures committed{{{"a", {{"instructions", 10}, {"bytes", 100}}}, {"b", {{"instructions", 5}}}}};
  Figures now = committed;
  CHECK(judge_structure(committed, now).worse.empty());
  CHECK(judge_structure(committed, now).better.empty());

  now.put("a", "instructions", 11);
  now.put("a", "bytes", 99);
  CHECK(judge_structure(committed, now).worse == std::vector<std::string>{"a: instructions: 10 -> 11 (+10.00%)"});
  CHECK(judge_structure(committed, now).better == std::vector<std::string>{"a: bytes: 100 -> 99 (-1.00%)"});

  const Figures only_a{{committed.rows[0]}};
  CHECK(judge_structure(committed, only_a).worse.size() == 1);
  CHECK(judge_structure(committed, only_a, false).worse.empty());
  CHECK(judge_structure(only_a, committed).worse.size() == 1);
}

TEST_CASE("gates: instructions may grow by 1% in one workload and by 0.3% in all") {
  const FigureRow committed{"key", {{"a", 100000}, {"b", 100000}, {"c", 100000}, {"d", 100000}}};
  const auto judge = [&](std::uint64_t a, std::uint64_t b) {
    return judge_instructions(committed, {"key", {{"a", a}, {"b", b}, {"c", 100000}, {"d", 100000}}});
  };
  CHECK(judge(100000, 100000).worse.empty());
  CHECK(judge(101000, 100000).worse.empty());  // 1%, and 0.25% in the mean
  CHECK(judge(101001, 100000).worse.size() == 1);
  CHECK(judge(101100, 99000).worse.size() == 1);   // although the mean is as before
  CHECK(judge(100700, 100700).worse.size() == 1);  // 0.35% in the mean
  CHECK(judge(100500, 100500).worse.empty());
  CHECK(judge(110000, 100000).worse.size() == 2);
  CHECK(judge(98000, 100000).worse.empty());
  CHECK(judge(98000, 100000).better.size() == 2);
  CHECK(judge_instructions(committed, {"key", {{"e", 1}}}).worse.size() == 5);
  CHECK(judge_instructions(committed, {"key", {{"a", 100000}}}, false).worse.empty());
}
