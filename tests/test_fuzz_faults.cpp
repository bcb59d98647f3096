// The comparison of programs drawn at random notices what is wrong: each of these faults, planted into a recording or
// into a program's instructions, is caught.
#include <cstdio>

#include "catch.h"
#include "fuzz/faults.h"
#include "fuzz/generator.h"

using namespace tapeloom;
using namespace tapeloom::test::fuzz;

TEST_CASE("fuzz: planted faults are caught, each by name") {
  CHECK(faults().size() >= 20);
  constexpr std::uint64_t first = 20261125, programs = 1500;
  constexpr std::size_t enough = 40;
  for (const Fault& fault : faults()) {
    INFO(fault.name);
    const bool of_derivatives = fault.recording >= RecordingFault::stale_derivative;
    std::size_t there = 0, caught = 0;
    for (std::uint64_t seed = first; seed < first + programs && there < enough; ++seed) {
      const Case it = of_derivatives ? generate_with_derivatives(seed) : generate(seed);
      Statistics statistics;
      Planted planted{fault.recording, fault.program, false};
      const bool failed = check(it, statistics, &planted).has_value();
      if (!planted.there) continue;
      ++there;
      if (failed && !check(it, statistics).has_value()) ++caught;
    }
    std::printf("fuzz: %2zu of %2zu times caught: %s\n", caught, there, fault.name);
    CHECK(there >= 5);
    CHECK(caught * 10 >= there);
  }
}
