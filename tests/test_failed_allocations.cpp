// Whatever allocation fails while recording, the tape is as it was before, and what failed can be done again.
#include <functional>
#include <string>
#include <vector>

#include "bench/allocation_counter.h"
#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/record/print.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;

namespace {

/// A tape with some of everything on it, then `filled` with more nodes.
struct Recording {
  Tape tape;
  Value w, x, u;
  Tape::Mark mark;

  explicit Recording(std::size_t filled) {
    if (filled == 0) return;
    w = tape.parameter(0.5, "the weight of the recording");
    x = tape.inputs("the inputs of the recording", 2)[0];
    u = tape.uniform_input(0.25, "a uniform input of the recording");
    mark = tape.mark();
    if (w < 1.0) w.set_grad(3.0);
    while (tape.size() < filled) tape.constant(1.0);
  }

  /// All that can be read of the tape.
  std::string text() const {
    std::string text = to_string(tape);
    for (std::size_t i = 0; i < tape.size(); ++i) text += number_text(tape.grad(NodeId(i))) + " ";
    for (const UniformInputRecord& input : tape.uniform_inputs()) text += input.name + " ";
    return text;
  }
};

struct Call {
  const char* name;
  std::function<void(Recording&)> record;
  bool needs_leaves = true;  ///< which an empty tape does not have
};

const Call calls[] = {
    {"parameter", [](Recording& r) { r.tape.parameter(1.0); }, false},
    {"labelled parameter", [](Recording& r) { r.tape.parameter(1.0, "a label that is long enough"); }, false},
    {"input", [](Recording& r) { r.tape.input(); }, false},
    {"labelled input", [](Recording& r) { r.tape.input(1.0, "a label that is long enough"); }, false},
    {"inputs", [](Recording& r) { r.tape.inputs("a name that is long enough for it", 3); }, false},
    {"many inputs", [](Recording& r) { r.tape.inputs("a name that is long enough for it", 5000); }, false},
    {"inputs of numbers",
     [](Recording& r) {
       const double numbers[] = {1.0, 2.0};
       r.tape.inputs("a name that is long enough for it", numbers);
     },
     false},
    {"uniform input", [](Recording& r) { r.tape.uniform_input(1.0); }, false},
    {"labelled uniform input", [](Recording& r) { r.tape.uniform_input(1.0, "a label that is long enough"); }, false},
    {"constant", [](Recording& r) { r.tape.constant(1.0); }, false},
    {"labelled constant", [](Recording& r) { r.tape.constant(1.0, "a label that is long enough"); }, false},
    {"reserve", [](Recording& r) { r.tape.reserve(10000); }, false},
    {"unary", [](Recording& r) { exp(r.w); }},
    {"binary", [](Recording& r) { r.w* r.x; }},
    {"binary with a number", [](Recording& r) { 2.0 * r.x; }},
    {"ternary", [](Recording& r) { where(r.x, r.w, r.u); }},
    {"ternary with numbers", [](Recording& r) { where(r.x, 1.0, 2.0); }},
    {"reduction", [](Recording& r) { batch_mean(r.x); }},
    {"set_label", [](Recording& r) { r.x.set_label("a label that is long enough"); }},
    {"guard", [](Recording& r) { r.tape.guard(r.w.id()); }},
    {"set_grad", [](Recording& r) { r.w.set_grad(3.0); }},
    {"rewind", [](Recording& r) { r.tape.rewind(r.mark); }},
    {"clear", [](Recording& r) { r.tape.clear(); }},
};

}  // namespace

TEST_CASE("failed allocations: the tape is as it was, whichever one fails while something is recorded") {
  std::size_t failures = 0;
  for (const Call& call : calls) {
    // An empty tape has no arrays yet, and those for 1024 nodes are full.
    for (const std::size_t filled : {0, 5, 1023, 1024}) {
      if (filled == 0 && call.needs_leaves) continue;
      INFO(call.name << " after " << filled << " nodes");
      Recording never_failed(filled);
      call.record(never_failed);
      const std::string expected = never_failed.text();
      for (std::size_t n = 1, failed = 1; failed == 1; ++n) {
        INFO("allocation " << n << " fails");
        Recording recording(filled);
        const std::string before = recording.text();
        failed = 0;
        failing_allocation = allocations + n;
        try {
          call.record(recording);
        } catch (const std::bad_alloc&) {
          failed = 1;
        }
        failing_allocation = 0;
        failures += failed;
        if (failed == 1) {
          const bool same = recording.text() == before;
          REQUIRE(same);
          call.record(recording);
        }
        const bool as_expected = recording.text() == expected;
        REQUIRE(as_expected);
        const Value p = recording.tape.parameter(3.0, "p");
        (p * 2.0).backward();
        REQUIRE(p.grad() == 2.0);
        recording.tape.clear();
        recording.tape.inputs("a name that is long enough for it", 1);  // no name is claimed any more
      }
    }
  }
  INFO(failures << " failures");
  CHECK(failures > 100);
}

TEST_CASE("failed allocations: inputs that were recorded again are those that a program binds") {
  for (std::size_t n = 1, failed = 1; failed == 1; ++n) {
    INFO("allocation " << n << " fails");
    Tape tape;
    const Value w = tape.parameter(1.0);
    failed = 0;
    failing_allocation = allocations + n;
    std::vector<Value> x;
    try {
      x = tape.inputs("the inputs of the recording", 2000);
    } catch (const std::bad_alloc&) {
      failed = 1;
    }
    failing_allocation = 0;
    if (failed == 1) x = tape.inputs("the inputs of the recording", 2000);
    Executor<double> executor(compile(batch_sum(w * x[1999])));
    std::vector<double> row(2000, 7.0);
    row[1999] = 2.0;
    executor.bind(row);
    CHECK(executor.step() == 2.0);
    CHECK(executor.gradients()[0] == 2.0);
  }
}
