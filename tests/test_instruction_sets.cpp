// Tests of kernels try each instruction set that the machine has. Where it lacks one, this is what shows as skipped.
#include <algorithm>
#include <string>

#include "catch.h"
#include "forced_isa.h"

using namespace tapeloom::test;

TEST_CASE("instruction sets: the tests of kernels try all of them") {
  REQUIRE(instruction_sets().size() >= 1);
  CHECK(instruction_sets().front() == "baseline");
  std::string missing;
  for (const char* name : all_instruction_sets) {
    if (std::ranges::count(instruction_sets(), name) == 0) missing += std::string(" ") + name;
  }
  if (!missing.empty()) SKIP_CASE("not tested, since this machine or build does not have it:" + missing);
}
