// Reverse sweeps on the tape: their sums, and what they cost.
#include <random>
#include <set>

#include "catch.h"
#include "processor_time.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/gradients.h"
#include "tapeloom/core/record/value.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("gradients: an index set gives up the largest first, as std::set does") {
  std::mt19937 random(3);
  IndexSet set;
  CHECK(set.empty());
  for (const std::size_t room :
       {std::size_t{1}, std::size_t{64}, std::size_t{65}, std::size_t{5000}, std::size_t{300000}}) {
    set.make_room(room);
    std::set<std::uint32_t> right;
    std::uniform_int_distribution<std::uint32_t> number(0, static_cast<std::uint32_t>(room - 1));
    for (int turn = 0; turn < 5000; ++turn) {
      const std::uint32_t next = number(random);
      REQUIRE(set.add(next) == right.insert(next).second);
      while (!right.empty() && random() % 3 == 0) {
        REQUIRE(set.take_largest() == *right.rbegin());
        right.erase(std::prev(right.end()));
      }
      REQUIRE(set.empty() == right.empty());
    }
    while (!right.empty()) {
      REQUIRE(set.take_largest() == *right.rbegin());
      right.erase(std::prev(right.end()));
    }
    REQUIRE(set.empty());
  }
}

TEST_CASE("gradients: sweeps add up until they are set to zero; what was not reached is zero") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0), other = tape.parameter(1.0);
  const Value y = a * b + a, z = y * y;
  CHECK(a.grad() == 0.0);
  z.backward();
  CHECK(a.grad() == 2.0 * 8.0 * 4.0);
  CHECK(b.grad() == 2.0 * 8.0 * 2.0);
  CHECK(y.grad() == 16.0);
  CHECK(z.grad() == 1.0);
  CHECK(other.grad() == 0.0);
  y.backward(10.0);
  CHECK(a.grad() == 64.0 + 40.0);
  CHECK(y.grad() == 26.0);
  other.set_grad(5.0);
  tape.add_grad(other.id(), 1.0);
  CHECK(other.grad() == 6.0);
  tape.zero_grad();
  for (const Value& value : {a, b, y, z, other}) CHECK(value.grad() == 0.0);
  y.backward();
  CHECK(a.grad() == 4.0);
  CHECK(z.grad() == 0.0);
}

TEST_CASE("gradients: nodes recorded where others were dropped begin at zero") {
  Tape tape;
  const Value a = tape.parameter(2.0);
  const Tape::Mark mark = tape.mark();
  const Value dropped = a * 3.0;
  dropped.backward();
  tape.rewind(mark);
  CHECK(a.grad() == 3.0);
  const Value fresh = a * 5.0;
  CHECK(fresh.grad() == 0.0);
  fresh.backward();
  CHECK(fresh.grad() == 1.0);
  CHECK(a.grad() == 8.0);
  tape.clear();
  CHECK(tape.parameter(1.0).grad() == 0.0);
}

TEST_CASE("gradients: a sweep costs what its root is computed from, not what else is on the tape") {
  // micrograd's loop without a rewind: the parameters are at the beginning, each step's nodes at the end.
  const auto train = [](bool rewinds, int steps) {
    Tape tape;
    std::mt19937_64 random(1);
    const MLP network(tape, 3, {4, 4, 1}, glorot(random), tanh);
    const Tape::Mark mark = tape.mark();
    const ProcessorTime time;
    for (int step = 0; step < steps; ++step) {
      Value loss = 0.0;
      for (const double x : {0.5, -1.0, 2.0, 1.5}) {
        const std::vector<Value> row = {x, 1.0 - x, x * x};
        loss += square(network(row)[0] - x);
      }
      tape.zero_grad();
      loss.backward();
      for (const Value& p : network.parameters()) p.set_data(p.data() - 0.01 * p.grad());
      if (rewinds) tape.rewind(mark);
    }
    return std::pair(network.parameters()[0].data(), time.seconds());
  };
  const auto [with, fast] = train(true, 1000);
  const auto [without, slow] = train(false, 1000);
  CHECK(with == without);
  // 1.5 to 3 times, of which the rest is memory; several hundred times where a sweep costs what is on the tape.
  CHECK(slow < 20.0 * fast);
}
