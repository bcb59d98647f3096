// Random nets: whatever is rolled, the results are the reference's, in double and in float, with any of the optional
// passes off and on every instruction set this machine has.
#include <cstdio>

#include "random_net.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Kinks, a list of numbers at some leaves.
std::vector<double> kinks_at(const Problem& p, const Leaves& leaves) {
  return evaluate(p.loss, leaves.batch(p.samples), p.kinks).outputs;
}

/// True if rounding cannot carry any sample across a kink, or if it is on one whatever the numbers, as a relu of a relu
/// may be. Two values that are equal whatever the numbers may still be rounded differently.
bool clear_of_kinks(const Net& net, double epsilon, Random& random) {
  const Problem& p = net.problem;
  if (p.kinks.empty()) return true;
  std::vector<double> at, bound;
  try {
    at = kinks_at(p, Leaves(p));
    bound = rounding_bounds(p, at, epsilon, random, [&](const Leaves& near) { return kinks_at(p, near); });
  } catch (const GuardError&) {
    return false;
  }
  double largest = 1.0;
  for (double distance : at) largest = std::fmax(largest, std::fabs(distance));
  const double unmoved = 64.0 * epsilon * largest * static_cast<double>(p.roundings);
  for (std::size_t i = 0; i < at.size(); ++i) {
    const bool tie = i % p.kinks.size() >= p.kinks.size() - net.ties;
    const bool always_zero = !tie && at[i] == 0.0 && bound[i] <= unmoved;
    if (!always_zero && !(std::fabs(at[i]) > bound[i])) return false;
  }
  return true;
}

/// The outputs by a program without a loss; none if a guard refuses.
std::vector<double> by_inference(const Problem& p, CompileOptions options) {
  if (p.outputs.empty()) return {};
  Executor<double> executor(compile_inference(p.outputs, options), {.max_samples = p.samples});
  if (!p.rows.empty()) executor.bind(std::span<const double>(p.rows), p.rows.size() / p.samples);
  return outcome_of([&](std::vector<double>& numbers) {
           executor.step(0, p.samples);
           numbers.assign(executor.outputs().begin(), executor.outputs().end());
         })
      .numbers;
}

}  // namespace

TEST_CASE("random nets: rolled and unrolled programs give what evaluate() gives") {
  const std::uint64_t seed = number_from("TAPELOOM_TEST_SEED", 20261123);
  const std::uint64_t nets = number_from("TAPELOOM_TEST_GRAPHS", 500);
  std::printf("random nets: %llu from seed %llu (TAPELOOM_TEST_GRAPHS, TAPELOOM_TEST_SEED)\n",
              static_cast<unsigned long long>(nets), static_cast<unsigned long long>(seed));
  std::size_t in_double = 0, in_float = 0, refused = 0, nodes = 0, dense = 0;
  for (std::uint64_t n = 0; n < nets; ++n) {
    Random random(seed + n);
    Net net;
    NetWriter(random, net).write();
    const Problem& problem = net.problem;
    nodes += net.tape.size();
    const ForcedIsa isa(random);
    INFO("net of seed " << seed + n << ", " << isa.name << ", " << net.tape.size() << " nodes, " << problem.samples
                        << " samples: " << net.story);

    const Outcome reference = by_evaluator(problem);
    CompileOptions options = random_options(random);
    options.roll = true;
    CompileOptions unrolled = options;
    unrolled.roll = false;
    const Outcome rolled = by_executor<double>(problem, options, random);
    const Outcome scalar = by_executor<double>(problem, unrolled, random);
    const Outcome rolled_float = by_executor<float>(problem, options, random);
    const Outcome scalar_float = by_executor<float>(problem, unrolled, random);
    for (const Instruction& i : compile(problem.loss, options).instructions) dense += i.kind == InstructionKind::dense;
    const std::vector<double> inferred = by_inference(problem, options);
    refused += reference.refused.empty() ? 0 : 1;

    if (clear_of_kinks(net, 0x1p-53, random)) {
      const auto bound = rounding_bounds(problem, reference, 0x1p-53, random);
      if (!bound.empty() || !reference.refused.empty()) {
        {
          INFO("unrolled, double");
          expect_close(reference, scalar, bound);
        }
        INFO("rolled, double");
        expect_close(reference, rolled, bound);
        ++in_double;
        const std::size_t first = 1 + net.tape.parameters().size();
        for (std::size_t i = 0; i < inferred.size(); ++i) {
          if (close(inferred[i], reference.numbers[first + i], Bound{.absolute = bound[first + i]})) continue;
          INFO("inferred output " << i);
          REQUIRE(inferred[i] == reference.numbers[first + i]);
        }
      }
    }
    if (clear_of_kinks(net, 0x1p-24, random)) {
      const auto bound = rounding_bounds(problem, reference, 0x1p-24, random);
      if (!bound.empty() || !reference.refused.empty()) {
        {
          INFO("unrolled, float");
          expect_close(reference, scalar_float, bound);
        }
        INFO("rolled, float");
        expect_close(reference, rolled_float, bound);
        ++in_float;
      }
    }
  }
  std::printf(
      "random nets: %zu nodes, %zu dense instructions; %zu compared in double, %zu in float, the others are too "
      "near a kink; %zu refused by a guard\n",
      nodes, dense, in_double, in_float, refused);
  if (nets < 100) return;  // one that failed, or a few
  CHECK(in_double > nets * 3 / 4);
  CHECK(in_float > nets / 4);
  CHECK(dense > nets / 2);
}
