// Links of chains hand numbers and vectors on: the same bits as if each were written and read again.
#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "instruction_sets.h"
#include "random_numbers.h"
#include "tapeloom/core/ops/op.h"
#include "tapeloom/runtime/execute/chains.h"
#include "tapeloom/runtime/kernels/kernels.h"

using namespace tapeloom;
using namespace tapeloom::test;
using namespace tapeloom::runtime;

namespace {

constexpr std::size_t room = 64;  // from one row of numbers to the next

/// Rows of numbers, and chains over them.
template <class T>
struct Numbers {
  std::vector<T> all = std::vector<T>(8 * room);
  std::vector<Link<T>> links;

  explicit Numbers(std::uint64_t seed) {
    Random random(seed);
    for (T& number : all) number = static_cast<T>(between(random, 0.25, 2.0));
  }
  T* row(std::size_t r) { return all.data() + r * room; }
  void run() {
    const Chains<T> chains{links.data(), links.data() + links.size()};
    chains.run(1);
  }
};

template <class T>
Link<T> link_of(const KernelTable<T>& table, Op op, unsigned mask, T* out, const std::array<const T*, 3>& x) {
  return {.run = table.link_of_one[static_cast<std::size_t>(op)][mask], .out = out, .x = x};
}

template <class T>
bool same_bits(const T* x, const T* y, std::size_t count) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::equal(x, x + count, y, [](T a, T b) { return std::bit_cast<Bits>(a) == std::bit_cast<Bits>(b); });
}

}  // namespace

TEMPLATE_TEST_CASE("links: vectors that are handed on are those that were written", "", float, double) {
  std::size_t handed_on = 0;
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (std::size_t at = 0; at < op_count; ++at) {
      const Op op = static_cast<Op>(at);
      const std::size_t arity = op_arity(op);
      if (arity == 0 || op_kind(op) == OpKind::reduction) continue;
      for (unsigned mask = 0; mask + 1 < 1u << arity; ++mask) {
        for (unsigned last = 1; last < 1u << arity; ++last) {
          if ((mask & last) != 0) continue;
          for (std::size_t rows = 1; rows <= table.vector_lanes; ++rows) {
            INFO(op_name(op) << ", operands for all " << mask << ", from before " << last << ", " << rows << " rows");
            Numbers<TestType> numbers(17 * at + rows);
            std::array<const TestType*, 3> x = {numbers.row(2), numbers.row(3), numbers.row(4)};
            for (unsigned k = 0; k < 3; ++k) {
              if ((last >> k & 1) != 0) x[k] = numbers.row(5);
            }
            ChainBuilder<TestType> chains(most_chained, numbers.links);
            chains.begin_instruction(false);
            chains.add_vector(link_of(table, Op::mul, 0, numbers.row(5), {numbers.row(0), numbers.row(1), nullptr}),
                              table, Op::mul, 0, rows);
            chains.begin_instruction(true);
            chains.add_vector(link_of(table, op, mask, numbers.row(6), x), table, op, mask, rows);
            chains.end();
            const bool is_handed_on = numbers.links[1].run != table.link_of_one[at][mask];
            handed_on += is_handed_on ? 1 : 0;
            if (op == Op::multiply_add)
              CHECK(is_handed_on == (table.link_of_last != nullptr && rows <= few_rows<TestType>));
            numbers.run();
            table.elementwise[at][mask](numbers.row(7), x[0], x[1], x[2], table.vector_lanes);
            REQUIRE(same_bits(numbers.row(6), numbers.row(7), rows));
          }
        }
      }
    }
  });
  CHECK(handed_on > 100);
}

TEMPLATE_TEST_CASE("links: what has changed since, or is longer, is read again", "", float, double) {
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    if (table.vector_lanes < 2) return;
    const auto outcome = [&](const auto& between, std::size_t rows_before, std::size_t rows, bool reads_again) {
      Numbers<TestType> numbers(3);
      numbers.row(5)[1] = TestType(7);
      ChainBuilder<TestType> chains(most_chained, numbers.links);
      chains.begin_instruction(false);
      chains.add_vector(link_of(table, Op::mul, 0, numbers.row(5), {numbers.row(0), numbers.row(1), nullptr}), table,
                        Op::mul, 0, rows_before);
      between(chains, numbers);
      const Op op = Op::neg;
      chains.begin_instruction(true);
      chains.add_vector(link_of(table, op, 0, numbers.row(6), {numbers.row(5), nullptr, nullptr}), table, op, 0, rows);
      const bool is_plain = numbers.links.back().run == table.link_of_one[static_cast<std::size_t>(op)][0];
      chains.end();
      CHECK((is_plain || !reads_again));
      numbers.run();
      for (std::size_t r = 0; r < rows; ++r) REQUIRE(numbers.row(6)[r] == -numbers.row(5)[r]);
    };
    using Builder = ChainBuilder<TestType>;
    using Rows = Numbers<TestType>;
    const auto nothing = [](Builder&, Rows&) {};
    const auto number_at = [](std::size_t row, std::size_t at) {
      return [=](Builder& chains, Rows& numbers) {
        chains.begin_instruction(true);
        chains.add_number(Op::add, numbers.row(row) + at, {numbers.row(2), numbers.row(3), nullptr});
      };
    };
    outcome(nothing, 2, 2, false);
    outcome(nothing, 1, 2, true);
    outcome(number_at(7, 0), 2, 2, false);  // the vector is handed on past a number
    outcome(number_at(5, 1), 2, 2, true);
    outcome(number_at(5, 0), 2, 2, true);
    outcome(
        [&](Builder& chains, Rows& numbers) {
          chains.begin_instruction(true);
          chains.add(link_of(table, Op::add, 0, numbers.row(7), {numbers.row(2), numbers.row(3), nullptr}));
        },
        2, 2, true);
    outcome([](Builder& chains, Rows&) { chains.begin_instruction(false); }, 2, 2, true);
  });
}
