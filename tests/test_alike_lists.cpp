// Lists of a gather that are alike, or runs of neighbours, are computed together: which ones are found, in which order
// factors stand, and that attention of many samples is made of them.
#include <algorithm>
#include <vector>

#include "attention_net.h"
#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/lists.h"

using namespace tapeloom;
using namespace tapeloom::test;
using instructions::AlikeLists;

namespace {

using Words = std::vector<std::uint32_t>;
constexpr std::uint32_t last = Program::last_slot, uniform = Program::uniform_slot, times = Program::times_next;

std::vector<AlikeLists> found(const Words& words, std::uint32_t rows, std::uint32_t out = 1000) {
  return instructions::find_alike_lists({.kind = InstructionKind::gather, .out = out}, {.rows = rows}, words.data());
}

Words ordered(Words words, std::uint32_t rows) {
  instructions::order_factors({.kind = InstructionKind::gather}, {.rows = rows}, words.data());
  return words;
}

/// x(0) * y(r) + z(2 r) + u for `rows` rows, from the slots 10, 20 and 40 on.
Words of_rows(std::uint32_t rows) {
  Words words;
  for (std::uint32_t r = 0; r < rows; ++r) {
    for (const std::uint32_t word : {10 | times, 20 + r, 40 + 2 * r, 7 | uniform | last}) words.push_back(word);
  }
  return words;
}

}  // namespace

TEST_CASE("alike lists: as long, with steps of their own for terms and factors") {
  const auto runs = found(of_rows(6), 6);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].row == 0);
  CHECK(runs[0].rows == 6);
  CHECK(runs[0].words == 4);
  CHECK(runs[0].steps[AlikeLists::first_factor] == 0);
  CHECK(runs[0].steps[AlikeLists::second_factor] == 1);
  CHECK(runs[0].steps[AlikeLists::term] == 2);
  Words down;
  for (std::uint32_t r = 0; r < 9; ++r) down.push_back((50 - 3 * r) | last);
  REQUIRE(found(down, 9).size() == 1);
  CHECK(found(down, 9)[0].steps[AlikeLists::term] == -3);
}

TEST_CASE("alike lists: another step, length, flag or uniform slot ends them") {
  const auto broken = [](std::size_t at, std::uint32_t word) {
    Words words = of_rows(10);
    words[at] = word;
    return found(words, 10);
  };
  const std::size_t row = 5 * 4;
  for (const auto& runs :
       {broken(row, 11 | times), broken(row + 1, 26), broken(row + 2, 51), broken(row + 3, 8 | uniform | last)}) {
    REQUIRE(runs.size() == 3);
    CHECK((runs[0].rows == 5 && runs[0].words == 4));
    CHECK((runs[1].row == 5 && runs[1].rows == 1 && runs[1].words == 0));
    CHECK((runs[2].row == 6 && runs[2].rows == 4 && runs[2].words == 4));
  }
  Words longer = of_rows(10);
  longer.insert(longer.begin() + row, 3);
  REQUIRE(found(longer, 10).size() == 3);
  CHECK(found(longer, 10)[2].word == row + 5);
}

TEST_CASE("alike lists: few of them, empty ones, and readers of results are any lists") {
  for (const std::uint32_t rows : {1u, 3u}) {
    REQUIRE(found(of_rows(rows), rows).size() == 1);
    CHECK(found(of_rows(rows), rows)[0].words == 0);
  }
  const Words empty(12, Program::empty_list | last);
  REQUIRE(found(empty, 12).size() == 1);
  CHECK(found(empty, 12)[0].words == 0);
  // Some list reads what another one of them writes; each its own row is as good as none.
  for (const std::uint32_t out : {17u, 23u, 45u, 5u}) CHECK(found(of_rows(6), 6, out)[0].words == 0);
  for (const std::uint32_t out : {14u, 26u, 34u, 51u, 20u}) CHECK(found(of_rows(6), 6, out)[0].words == 4);
  // A sum that goes on where it stands.
  Words onto;
  for (std::uint32_t r = 0; r < 8; ++r) {
    for (const std::uint32_t word : {30 + r, last | (60 + r)}) onto.push_back(word);
  }
  CHECK(found(onto, 8, 30)[0].words == 2);
}

TEST_CASE("alike lists: of products, the factor that neighbours share comes first") {
  CHECK(ordered({5 | times | last, 9, 9 | times | last, 12, 9 | times | last, 15}, 3) ==
        Words{9 | times | last, 5, 9 | times | last, 12, 9 | times | last, 15});
  CHECK(ordered({5 | times | last, 9, 7 | times | last, 9, 9 | times | last, 11}, 3) ==
        Words{9 | times | last, 5, 9 | times | last, 7, 9 | times | last, 11});
  // Two products of a sum, each with a factor of its own; and what has none in common stays.
  CHECK(ordered({1 | times, 8, 2 | times | last, 9, 8 | times, 3, 4 | times | last, 9}, 2) ==
        Words{8 | times, 1, 9 | times | last, 2, 8 | times, 3, 9 | times | last, 4});
  const Words apart = {1 | times, 8, 2 | times | last, 9, 8 | times, 3, 4 | times | last, 10};
  CHECK(ordered(apart, 2) == apart);
  const Words by_number = {1 | times | uniform | last, 8, 8 | times | last, 1};
  CHECK(ordered(by_number, 2) == by_number);
  const Words square = {4 | times | last, 4, 4 | times | last, 4, 4 | times | last, 6};
  CHECK(ordered(square, 3) == square);
}

TEST_CASE("alike lists: most products of attention share a factor with their neighbours") {
  const bool causal = GENERATE(true, false);
  Tape tape;
  const std::vector<Value> y = record_attention(tape, 8, 16, 2, causal);
  const Program program = compile(batch_mean(dot(y, y)));
  std::ptrdiff_t products = 0, together = 0;
  instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    if (i.kind != InstructionKind::gather) return;
    const auto products_in = [&](std::uint32_t first, std::uint32_t words) {
      const std::uint32_t* const begin = program.indices.data() + first;
      return std::count_if(begin, begin + words, [](std::uint32_t word) { return (word & times) != 0; });
    };
    products += products_in(i.x[0], i.x[1]);
    for (const AlikeLists& run : instructions::find_alike_lists(i, s, program.indices.data())) {
      if (run.words > 0 && run.steps[AlikeLists::first_factor] == 0) {
        together += run.rows * products_in(run.word, run.words);
      }
    }
  });
  CAPTURE(causal, products, together);
  CHECK(products > 3000);
  CHECK(10 * together >= 9 * products);
}

TEST_CASE("list runs: sums of neighbours, but not where they read what is written for other rows") {
  // Rows 0 to 7 are x(r) + y(r), from the slots 20 and 40 on, and rows 8 to 11 are zeros.
  Words words;
  for (std::uint32_t r = 0; r < 8; ++r) {
    for (const std::uint32_t word : {20 + r, last | (40 + r)}) words.push_back(word);
  }
  words.insert(words.end(), 4, Program::empty_list | last);
  const auto runs_at = [&](std::uint32_t out) {
    const Instruction gather{
        .kind = InstructionKind::gather, .out = out, .x = {0, static_cast<std::uint32_t>(words.size())}};
    return instructions::find_list_runs(gather, {.rows = 12}, words.data());
  };
  const auto runs = runs_at(100);
  REQUIRE(runs.size() == 2);
  CHECK((runs[0].row == 0 && runs[0].rows == 8 && runs[0].word == 0 && runs[0].terms == 2));
  CHECK((runs[1].row == 8 && runs[1].rows == 4 && runs[1].word == 16 && runs[1].terms == 0));
  CHECK(runs_at(20).size() == 2);  // a sum that goes on where it stands
  for (const std::uint32_t out : {19u, 21u, 40u, 29u, 47u}) {
    CAPTURE(out);
    CHECK(runs_at(out).empty());
  }
  CHECK(runs_at(28).size() == 2);
  CHECK(runs_at(48).size() == 2);
}

TEST_CASE("flattened sums: what queries, keys and values contribute to their layer is one list") {
  const bool causal = GENERATE(true, false);
  Tape tape;
  const std::vector<Value> y = record_attention(tape, 8, 16, 2, causal);
  const Value loss = batch_mean(dot(y, y));
  CompileOptions options;
  const auto adjoints = [&] {
    std::size_t found = 0;
    const Program program = compile(loss, options);
    instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction& i, const Shape& s) {
      // Of eight tokens' queries, keys and values, all but the first token's own.
      found += i.kind == InstructionKind::gather && s.rows >= 3 * 16 * 7;
    });
    return found;
  };
  CHECK(adjoints() == 1);
  options.simplify = false;
  CHECK(adjoints() > 1);
}
