// Rewinding a tape, handles that it makes stale, and the memory that recordings take.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "catch.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

using namespace tapeloom;

TEST_CASE("rewinding drops what was recorded since the mark") {
  Tape tape;
  const Value w = tape.parameter(2.0, "w");
  tape.inputs("x", 2);
  const Tape::Mark mark = tape.mark();
  const Value late = tape.parameter(3.0, "late");
  const Value y = tape.input(1.0, "y"), u = tape.uniform_input(1.0, "u");
  const Value z = where(y > u, w * late, w).set_label("z");
  if (y < 2.0) tape.constant(0.0);
  z.backward();
  CHECK(tape.guards().size() == 1);
  CHECK(w.grad() != 0.0);

  tape.rewind(mark);
  CHECK(tape.size() == 3);
  CHECK(tape.parameters().size() == 1);
  CHECK(tape.input_nodes().size() == 2);
  CHECK(tape.input_groups().size() == 1);
  CHECK(tape.uniform_inputs().empty());
  CHECK(tape.guards().empty());
  CHECK(w.data() == 2.0);
  CHECK(w.label() == "w");
  CHECK_THROWS_AS(z.data(), StaleValueError);

  SECTION("names are free again and labels gone") {
    const Value again = tape.input(5.0, "y");
    CHECK(again.data() == 5.0);
    CHECK(tape.uniform_input(1.0, "u").label() == "u");
    for (int i = 0; i < 20; ++i) CHECK((w * again).label().empty());
  }
  SECTION("gradients of new nodes start at zero") {
    const Value again = w * w;
    CHECK(again.grad() == 0.0);
  }
  SECTION("ternary operands are those of the new recording") {
    const Value t = where(w, tape.constant(7.0), w);
    CHECK(t.data() == 7.0);
    CHECK(tape.operands(t.id()).node == std::array{NodeId(0), NodeId(3), NodeId(0)});
  }
}

TEST_CASE("a stale handle is caught in every use") {
  Tape tape;
  const Value kept = tape.parameter(1.0, "kept");
  const Tape::Mark mark = tape.mark();
  const Value stale = kept * 2.0;
  const Value stale_condition = stale > 0.0;
  tape.rewind(mark);

  const auto check_all = [&] {
    CHECK_THROWS_SAYING(StaleValueError, "node 2", stale.data());
    CHECK_THROWS_AS(stale.id(), StaleValueError);
    CHECK_THROWS_AS(stale.tape(), StaleValueError);
    CHECK_THROWS_AS(stale.label(), StaleValueError);
    CHECK_THROWS_AS(stale.grad(), StaleValueError);
    CHECK_THROWS_AS(stale.varying(), StaleValueError);
    CHECK_THROWS_AS(stale.backward(), StaleValueError);
    CHECK_THROWS_AS(stale.backward_step(), StaleValueError);
    CHECK_THROWS_AS(stale.set_label("s"), StaleValueError);
    CHECK_THROWS_AS(stale.set_grad(1.0), StaleValueError);
    CHECK_THROWS_AS(stale.set_data(1.0), StaleValueError);
    CHECK_THROWS_AS(stale + kept, StaleValueError);
    CHECK_THROWS_AS(kept + stale, StaleValueError);
    CHECK_THROWS_AS(stale + 1.0, StaleValueError);
    CHECK_THROWS_AS(1.0 + stale, StaleValueError);
    CHECK_THROWS_AS(exp(stale), StaleValueError);
    CHECK_THROWS_AS(where(kept, kept, stale), StaleValueError);
    CHECK_THROWS_AS(where(stale, kept, kept), StaleValueError);
    CHECK_THROWS_AS(static_cast<bool>(Condition(stale_condition)), StaleValueError);
    CHECK_THROWS_AS(batch_mean(stale), StaleValueError);
    CHECK_THROWS_AS(evaluate(stale, {}), StaleValueError);
    CHECK_THROWS_AS(evaluate(kept, {}, std::vector<Value>{stale}), StaleValueError);
    CHECK_THROWS_AS(tape.set_frozen(stale), StaleValueError);
  };
  SECTION("right after the rewind") { check_all(); }
  SECTION("after the tape has grown past the old number") {
    Value x = kept;
    for (int i = 0; i < 10; ++i) x *= 2.0;
    check_all();
    CHECK(x.data() == 1024.0);
  }
  SECTION("after more rewinds") {
    for (int i = 0; i < 5; ++i) {
      kept * 3.0;
      tape.rewind(mark);
    }
    kept * 3.0;
    check_all();
  }
  CHECK(kept.data() == 1.0);
  CHECK((kept + kept).data() == 2.0);
}

TEST_CASE("rewinds to different marks keep and drop the right handles") {
  // Against bookkeeping by hand: every handle remembers whether a rewind has dropped it.
  struct Kept {
    Value value;
    std::uint32_t node;
    double number;
    bool dropped;
  };
  Tape tape;
  std::vector<Kept> handles;
  std::vector<Tape::Mark> marks{tape.mark()};
  std::uint32_t state = 12345;
  const auto draw = [&](std::uint32_t n) { return (state = state * 1664525u + 1013904223u) / 65536 % n; };
  std::size_t stale = 0, good = 0;
  for (int step = 0; step < 3000; ++step) {
    const std::uint32_t action = draw(10);
    if (action < 6) {
      const Value v = tape.parameter(step);
      handles.push_back({v, v.id().index, static_cast<double>(step), false});
    } else if (action < 8) {
      marks.push_back(tape.mark());
    } else if (action == 8) {
      const Tape::Mark mark = marks[marks.size() - 1 - draw(std::min(static_cast<std::uint32_t>(marks.size()), 4u))];
      tape.rewind(mark);
      for (Kept& handle : handles) handle.dropped = handle.dropped || handle.node >= mark.nodes;
      std::erase_if(marks, [&](const Tape::Mark& m) { return m.nodes > mark.nodes; });
    } else {
      // A handle taken now to an old node is as good as the first one.
      if (tape.size() == 0) continue;
      const NodeId node(draw(static_cast<std::uint32_t>(tape.size())));
      handles.push_back({tape.value(node), node.index, tape.data(node), false});
    }
    if (step % 50 != 0) continue;
    for (const Kept& handle : handles) {
      bool caught = false;
      double number = handle.number;
      try {
        number = handle.value.data();
      } catch (const StaleValueError&) {
        caught = true;
      }
      (caught ? stale : good) += 1;
      if (caught != handle.dropped || number != handle.number) {
        FAIL("step " << step << ": handle of node " << handle.node << (caught ? " is refused" : " is accepted"));
      }
    }
  }
  CHECK(stale > 1000);
  CHECK(good > 1000);
}

TEST_CASE("a mark that was itself rewound past is refused") {
  Tape tape;
  tape.parameter(1.0);
  const Tape::Mark early = tape.mark();
  tape.parameter(2.0);
  const Tape::Mark late = tape.mark();
  tape.rewind(early);
  CHECK_THROWS_SAYING(RecordingError, "mark at node 2", tape.rewind(late));
  CHECK(tape.size() == 1);
}

TEST_CASE("marks that no longer hold are refused, however long the tape has become") {
  Tape tape;
  for (int i = 0; i < 10; ++i) tape.parameter(1.0);
  const Tape::Mark mark = tape.mark();
  const auto refused = [&] {
    const std::size_t size = tape.size();
    CHECK_THROWS_SAYING(RecordingError, "does not hold any more", tape.rewind(mark));
    CHECK(tape.size() == size);
  };
  SECTION("after clear()") {
    tape.clear();
    refused();
    for (int i = 0; i < 10; ++i) tape.parameter(2.0);
    refused();  // also where nothing would be dropped
    for (int i = 0; i < 10; ++i) tape.parameter(3.0);
    refused();
    tape.clear();
    CHECK(tape.size() == 0);
  }
  SECTION("after a rewind below it and new recording") {
    tape.clear();
    tape.parameter(1.0);
    const Tape::Mark below = tape.mark();
    for (int i = 0; i < 20; ++i) tape.parameter(2.0);
    const Tape::Mark above = tape.mark();
    tape.rewind(below);
    for (int i = 0; i < 30; ++i) tape.input(3.0);
    CHECK_THROWS_SAYING(RecordingError, "mark at node 21", tape.rewind(above));
    CHECK(tape.size() == 31);
    tape.rewind(below);
    CHECK(tape.size() == 1);
  }
  SECTION("after a rewind to guards before it") {
    const Value x = tape.value(NodeId(0)), above = x > 0.0, far_above = x > 0.5;
    const Tape::Mark no_guard = tape.mark();
    if (Condition(above)) tape.set_label(NodeId(0), "x");
    const Tape::Mark one_guard = tape.mark();
    tape.rewind(no_guard);
    CHECK_THROWS_SAYING(RecordingError, "does not hold any more", tape.rewind(one_guard));
    if (Condition(far_above)) tape.set_label(NodeId(0), "x");
    CHECK_THROWS_SAYING(RecordingError, "does not hold any more", tape.rewind(one_guard));
    CHECK(tape.guards().size() == 1);
    tape.rewind(mark);
    CHECK(tape.size() == 10);
  }
  SECTION("on another tape, even in the same place") {
    Tape other;
    for (int i = 0; i < 20; ++i) other.parameter(1.0);
    CHECK_THROWS_SAYING(RecordingError, "another tape", other.rewind(mark));
    CHECK(other.size() == 20);
    other.rewind({});
    CHECK(other.size() == 0);
  }
}

TEST_CASE("a mark holds exactly as long as all that was recorded before it is there") {
  // Against bookkeeping by hand: what has been recorded, node by node and guard by guard, each with a number.
  Tape tape;
  std::vector<int> recorded;
  struct Taken {
    Tape::Mark mark;
    std::vector<int> recorded;
  };
  std::vector<Taken> marks;
  std::uint32_t state = 54321;
  const auto draw = [&](std::size_t n) { return (state = state * 1664525u + 1013904223u) / 65536 % n; };
  std::size_t refused = 0, rewound = 0;
  for (int step = 0; step < 20000; ++step) {
    const std::size_t action = draw(10);
    if (action < 3) {
      tape.parameter(step), recorded.push_back(step);
    } else if (action < 6 && tape.size() > 0) {
      tape.guard(NodeId(draw(tape.size()))), recorded.push_back(step);
    } else if (action < 8) {
      marks.push_back({tape.mark(), recorded});
    } else if (!marks.empty()) {
      const bool recent = draw(2) == 0;
      const Taken& taken =
          marks[recent ? marks.size() - 1 - draw(std::min<std::size_t>(marks.size(), 5)) : draw(marks.size())];
      const bool holds = taken.recorded.size() <= recorded.size() &&
                         std::equal(taken.recorded.begin(), taken.recorded.end(), recorded.begin());
      bool good = true;
      try {
        tape.rewind(taken.mark);
        recorded.resize(taken.recorded.size());
        ++rewound;
      } catch (const RecordingError&) {
        good = false;
        ++refused;
      }
      if (good != holds) FAIL("step " << step << ": a mark that " << (holds ? "holds is refused" : "is gone is taken"));
    }
    if (tape.size() + tape.guards().size() != recorded.size()) FAIL("step " << step << ": another number of nodes");
  }
  CHECK(refused > 1000);
  CHECK(rewound > 1000);
}

TEST_CASE("clear empties the tape") {
  Tape tape;
  const Value x = tape.input(1.0, "x");
  tape.clear();
  CHECK(tape.size() == 0);
  CHECK(tape.input_groups().empty());
  CHECK_THROWS_AS(x.data(), StaleValueError);
  const Value again = tape.input(2.0, "x");
  CHECK(again.data() == 2.0);
  CHECK_THROWS_AS(x.data(), StaleValueError);
  CHECK_THROWS_AS(tape.value(NodeId(1)), StaleValueError);
}

namespace {

/// Bytes that the process holds: what the allocator has handed out, and what is mapped besides its own memory.
std::size_t allocated_bytes() {
  const struct mallinfo2 info = mallinfo2();
  std::ifstream file("/proc/self/statm");
  std::size_t pages[6] = {};  // the last: of private memory that can be written
  for (std::size_t& count : pages) file >> count;
  const std::size_t mapped = pages[5] * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return info.uordblks + mapped - info.arena;
}

/// False where the allocator is replaced by one that does not count, as sanitizers do.
bool allocator_counts() {
  const struct mallinfo2 before = mallinfo2();
  void* volatile block = std::malloc(1000);  // volatile: a compiler may leave out a block that is not used
  const struct mallinfo2 with_block = mallinfo2();
  std::free(block);
  return with_block.uordblks >= before.uordblks + 1000;
}

/// Records about `nodes` nodes of one, two and three operands.
void record_chain(Tape& tape, std::size_t nodes) {
  Value x = tape.parameter(0.5), y = x;
  while (tape.size() + 4 < nodes) {
    const Value z = x * y;
    y = tanh(z);
    x = where(z, z + y, x);
  }
}

}  // namespace

TEST_CASE("a node takes at most 21 bytes, in arrays that are reused after a rewind", "[counting_allocator]") {
  if (!allocator_counts()) SKIP_CASE("this allocator does not count its bytes, as sanitizers' do not");
  // Everything the process holds is counted, so a block for each node (at least 16 bytes more) could not hide.
  constexpr std::size_t nodes = 1 << 22;
  const std::size_t before = allocated_bytes();
  Tape tape;
  tape.reserve(nodes);
  record_chain(tape, nodes);
  const std::size_t recorded = allocated_bytes();
  REQUIRE(tape.size() > nodes - 5);
  REQUIRE(tape.size() <= nodes);
  const double per_node = static_cast<double>(recorded - before) / static_cast<double>(tape.size());
  INFO(per_node << " bytes a node");
  CHECK(per_node <= 13.0 + 8.0 + 0.5);  // large arrays begin some pages after what is mapped
  CHECK(per_node >= 8.0);               // or the count missed the arrays

  tape.clear();
  record_chain(tape, nodes);
  CHECK(allocated_bytes() <= recorded + 100'000);  // the test program takes some for its messages
}
