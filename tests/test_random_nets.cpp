// Random nets, in the many ways people write layers, recorded sample by sample or bound: whatever becomes of them, the
// results are the oracle's. What fails is printed as C++.
#include <cstdio>

#include "fuzz/expect.h"
#include "random_net.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("random nets: rolled and unrolled programs give what the oracle gives") {
  const std::uint64_t seed = number_from("TAPELOOM_TEST_SEED", 20261123);
  const std::uint64_t nets = number_from("TAPELOOM_TEST_GRAPHS", 500);
  std::printf("random nets: %llu from seed %llu (TAPELOOM_TEST_GRAPHS, TAPELOOM_TEST_SEED)\n",
              static_cast<unsigned long long>(nets), static_cast<unsigned long long>(seed));
  fuzz::Statistics statistics;
  std::size_t nodes = 0, dense = 0;
  for (std::uint64_t n = 0; n < nets; ++n) {
    Random random(seed + n);
    Net net;
    NetWriter(random, net).write();
    const Problem& p = net.problem;
    nodes += net.tape.size();
    for (const Instruction& i : compile(p.loss).instructions) dense += i.kind == InstructionKind::dense;

    fuzz::expect_right("net of seed " + std::to_string(seed + n) + ": " + net.story, p, random, statistics);
  }
  std::printf(
      "random nets: %zu nodes, %zu dense instructions; %zu numbers compared, nothing is known of %zu; %zu nets "
      "held gradients\n",
      nodes, dense, statistics.numbers, statistics.unknown, statistics.held);
  if (nets < 100) return;  // one that failed, or a few
  CHECK(dense > nets / 2);
  CHECK(statistics.unknown < statistics.numbers / 50);
}

TEST_CASE("random nets: gradients that are formed for an optimizer alone are the oracle's") {
  constexpr std::uint64_t seed = 20261129, nets = 400;
  fuzz::Statistics statistics;
  for (std::uint64_t n = 0; n < nets; ++n) {
    Random random(seed + n);
    Net net;
    NetWriter(random, net).write();
    fuzz::expect_right("net of seed " + std::to_string(seed + n) + ": " + net.story, net.problem, random, statistics,
                       true);
  }
  std::printf("random nets: %zu of %llu held gradients back\n", statistics.held, static_cast<unsigned long long>(nets));
  CHECK(statistics.held > nets / 20);
}
