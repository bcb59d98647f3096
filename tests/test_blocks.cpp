// How the compiler keeps blocks, numbers of a few of them, and slots, against the plainest containers that do the same.
#include <random>
#include <vector>

#include "catch.h"
#include "tapeloom/compiler/emit/slot_pool.h"
#include "tapeloom/compiler/graph/block_list.h"
#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::compiler;

namespace {

std::uint32_t below(std::uint32_t end, std::mt19937& random) { return static_cast<std::uint32_t>(random() % end); }

bool same(const Block& a, const Block& b) {
  return a.kind == b.kind && a.op == b.op && a.then == b.then && a.varying == b.varying && a.rows == b.rows &&
         a.payload == b.payload && a.first_operand == b.first_operand && a.nodes == b.nodes;
}

/// Mostly such as stand where nothing rolls.
Block random_block(std::mt19937& random, std::uint32_t first_operand) {
  Block block{.kind = BlockKind::elementwise, .op = below(2, random) == 0 ? Op::add : Op::mul};
  block.varying = below(2, random) == 0;
  block.first_operand = first_operand;
  block.nodes = below(3, random);
  if (below(8, random) == 0) block.rows = 1 + below(100, random);
  if (below(8, random) == 0) block.kind = BlockKind::parameter, block.payload = below(5, random);
  if (below(8, random) == 0) block.kind = BlockKind::dense, block.then = Op::tanh;
  if (below(8, random) == 0) block.nodes = 250 + below(10, random);
  return block;
}

void check(const BlockList& list, const std::vector<Block>& expected) {
  REQUIRE(list.size() == expected.size());
  bool all = true;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Block& e = expected[i];
    all = all && same(list[i], e) && list.kind(i) == e.kind && list.varying(i) == e.varying && list.rows(i) == e.rows &&
          list.first_operand(i) == e.first_operand;
  }
  CHECK(all);
}

}  // namespace

TEST_CASE("blocks: whatever they are, they are kept, changed, moved and dropped") {
  std::mt19937 random(1);
  BlockList list;
  std::vector<Block> expected;
  for (int round = 0; round < 20; ++round) {
    while (expected.size() < 500) {
      expected.push_back(random_block(random, static_cast<std::uint32_t>(2 * expected.size())));
      list.push_back(expected.back());
    }
    for (int change = 0; change < 200; ++change) {
      const std::size_t i = below(static_cast<std::uint32_t>(expected.size()), random);
      if (below(2, random) == 0) {
        const std::uint32_t nodes = below(200, random);
        expected[i].nodes += nodes;
        list.stands_for(i, nodes);
      } else {
        expected[i] = random_block(random, expected[i].first_operand);
        list.set(i, expected[i]);
      }
    }
    check(list, expected);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (below(4, random) == 0) continue;
      expected[kept] = expected[i];
      expected[kept].first_operand = static_cast<std::uint32_t>(3 * kept);
      list.move(i, kept, static_cast<std::uint32_t>(3 * kept));
      ++kept;
    }
    expected.resize(kept);
    list.shrink(kept);
    check(list, expected);
  }
}

TEST_CASE("blocks: a sparse table has the numbers of a full one") {
  std::mt19937 random(2);
  for (const std::uint32_t one_in : {1u, 2u, 50u, 1000u}) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{777}}) {
      LargeVector<std::uint32_t> full(size, SparseTable::none);
      for (std::uint32_t& number : full) {
        if (below(one_in, random) == 0) number = below(10, random);
      }
      const SparseTable table(full);
      bool all = true;
      for (std::size_t i = 0; i < size; ++i) all = all && table[i] == full[i];
      CHECK(all);
    }
  }
}

TEST_CASE("blocks: more slots than 32 bits can count are the user's to avoid") {
  SlotPool pool(UINT32_MAX - 20, true);
  CHECK(pool.take(16) == UINT32_MAX - 20);
  CHECK_THROWS_AS(pool.take(16), CompileError);
  pool.give_back(UINT32_MAX - 20, 16);
  CHECK(pool.take(16) == UINT32_MAX - 20);
  CHECK(pool.size() == UINT32_MAX - 4);
}
