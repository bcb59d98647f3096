// What recording costs: a million additions and multiplications, into memory that the tape has to get and that nobody
// has touched yet, and into memory that it kept from before a rewind. items_per_second counts
// nodes: 40M/s are 25 ns a node.
#include <benchmark/benchmark.h>

#include <tapeloom/tapeloom.h>

namespace tapeloom::bench {
namespace {

constexpr std::int64_t nodes = 1'000'000;

void record(Value a, Value b) {
  Value v = a;
  for (std::int64_t i = 0; i < nodes; i += 2) v = v * a + b;
  benchmark::DoNotOptimize(v);
}

void record_fresh(benchmark::State& state) {
  for (auto _ : state) {
    Tape tape;
    record(tape.parameter(0.5), tape.parameter(0.25));
  }
  state.SetItemsProcessed(state.iterations() * nodes);
}
BENCHMARK(record_fresh)->Unit(benchmark::kMillisecond);

void record_reused(benchmark::State& state) {
  Tape tape;
  const Value a = tape.parameter(0.5), b = tape.parameter(0.25);
  const Tape::Mark mark = tape.mark();
  record(a, b);
  for (auto _ : state) {
    tape.rewind(mark);
    record(a, b);
  }
  state.SetItemsProcessed(state.iterations() * nodes);
}
BENCHMARK(record_reused)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tapeloom::bench

BENCHMARK_MAIN();
