// The comparison that stands before every ratio must refuse what differs; the timing must tell slow from fast.
#include <limits>
#include <stdexcept>

#include "bench/nets.h"
#include "bench/ratio.h"
#include "catch.h"

using namespace tapeloom::bench;

TEST_CASE("equal losses and gradients are told from others") {
  const std::vector<double> a = {1.0, -4.0, 0.0};
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto compare = [&a](double loss, const std::vector<double>& b) {
    require_equal("nets", 2.0, a, loss, b, 0.01);
  };

  CHECK_NOTHROW(compare(2.0, a));
  CHECK_NOTHROW(compare(2.019, {1.039, -4.0, -0.039}));  // 0.01 of the loss, and of the largest gradient
  CHECK_THROWS_AS(compare(2.021, a), std::runtime_error);
  CHECK_THROWS_AS(compare(nan, a), std::runtime_error);
  CHECK_THROWS_AS(compare(2.0, {1.041, -4.0, 0.0}), std::runtime_error);
  CHECK_THROWS_AS(compare(2.0, {1.0, nan, 0.0}), std::runtime_error);
  CHECK_THROWS_AS(compare(2.0, {1.0, inf, 0.0}), std::runtime_error);
  CHECK_THROWS_AS(compare(2.0, {1.0, -4.0}), std::runtime_error);
  CHECK_THROWS_AS(require_equal("nets", 0.0, std::vector<double>{0.0}, 0.0, std::vector<double>{0.0}, 0.01),
                  std::runtime_error);  // nothing to compare
}

TEST_CASE("the closure design's gradients are those of finite differences") {
  using closure::Activation;
  const LossKind kinds[] = {LossKind::squared, LossKind::hinge, LossKind::cross_entropy};
  for (const LossKind kind : kinds) {
    const std::size_t outputs = kind == LossKind::hinge ? 1 : 3;
    const Net net{"small", 2, {3, outputs}, Activation::tanh, Activation::linear, kind, 0.01};
    const Data data = make_random_data(net, 5, 7);
    const std::vector<double> start = initial_parameters(net, 3);
    REQUIRE(start.size() == net.parameter_count());
    ClosureTrainer trainer(net, start);
    trainer.step(data, 0.0);
    const std::vector<double> gradients = trainer.gradients();
    const double h = 1e-5;
    for (std::size_t i = 0; i < start.size(); ++i) {
      std::vector<double> above = start, below = start;
      above[i] += h;
      below[i] -= h;
      const double slope = (ClosureTrainer(net, above).step(data, 0.0) - ClosureTrainer(net, below).step(data, 0.0)) /
                           (above[i] - below[i]);
      CAPTURE(i);
      // The central difference errs by a third derivative times h^2 / 6 and by roundings of the loss over h.
      CHECK(std::fabs(slope - gradients[i]) < 1e-8);
    }
    // A step moves every parameter against its gradient.
    trainer.step(data, 0.25);
    for (std::size_t i = 0; i < start.size(); ++i) CHECK(trainer.parameters()[i] == start[i] - 0.25 * gradients[i]);
  }
}

TEST_CASE("the ratio says how many times longer the first takes") {
  volatile double sink = 0.0;
  const auto work = [&sink](int count) {
    for (int i = 0; i < count; ++i) sink = sink + 1.0;
  };
  const Ratio ratio = measure_ratio([&] { work(40000); }, [&] { work(1000); }, {.pairs = 5, .slice_seconds = 1e-3});
  CHECK(ratio.median > 4.0);
  CHECK(ratio.median < 400.0);
  CHECK(ratio.lowest <= ratio.median);
  CHECK(ratio.median <= ratio.highest);
  CHECK(median({5.0, 1.0, 9.0}) == 5.0);
}
