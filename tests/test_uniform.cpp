// What runs once a step, of every instruction set, against plain loops. Numbers are small whole ones, so that every
// order of additions gives the same, and what no result is must be left alone.
#include <algorithm>
#include <string>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "instruction_sets.h"
#include "random_numbers.h"
#include "tapeloom/runtime/execute/runner.h"

using namespace tapeloom;
using namespace tapeloom::runtime;
using namespace tapeloom::test;

namespace {

constexpr std::uint32_t some_slots = 20000, result = 12000;

template <class T>
std::vector<T> whole_numbers(Random& random) {
  std::vector<T> numbers(some_slots);
  for (T& number : numbers) number = static_cast<T>(static_cast<int>(below(random, 9)) - 4);
  return numbers;
}

std::uint32_t draw(Random& random, std::uint32_t count) { return static_cast<std::uint32_t>(below(random, count)); }

/// One instruction that runs once a step.
Program program_of(const Instruction& i, const Shape& s) {
  Program program;
  program.instructions = {i};
  program.shapes = {s};
  program.stages.resize(1);
  program.stages[0].uniform = {0, 1};
  program.uniform_slots = some_slots;
  return program;
}

/// Of a matrix stored by rows, by columns, or with gaps between all numbers; sometimes one at each place.
Shape draw_shape(Random& random) {
  Shape s{.rows = 1 + draw(random, 20), .terms = 1 + draw(random, 20), .places = 1 + draw(random, 9)};
  const std::uint32_t gap = draw(random, 3), layout = draw(random, 3);
  s.row_step = layout == 1 ? 1 : layout == 0 ? s.terms + gap : 2 * s.terms;
  s.term_step = layout == 1 ? s.rows + gap : layout == 0 ? 1 : 2;
  if (draw(random, 2) == 0) s.place_step = std::max(s.rows * s.row_step, s.terms * s.term_step) + gap;
  return s;
}

std::string text_of(const Instruction& i, const Shape& s) {
  const std::uint32_t numbers[] = {s.rows,    s.terms,   s.row_step, s.term_step,
                                   s.step[0], s.step[1], s.places,   s.place_step};
  std::string text = i.kind == InstructionKind::outer   ? "outer"
                     : i.kind == InstructionKind::dense ? "dense"
                                                        : "dense_reverse";
  for (const std::uint32_t number : numbers) text += " " + std::to_string(number);
  return text;
}

template <class T>
void check_product(const KernelTable<T>& table, Random& random) {
  const InstructionKind kinds[] = {InstructionKind::dense, InstructionKind::dense_reverse, InstructionKind::outer};
  Shape s = draw_shape(random);
  Instruction i{.kind = kinds[draw(random, 3)], .out = result, .x = {draw(random, 50), 9000 + draw(random, 50)}};
  const bool outer = i.kind == InstructionKind::outer, reverse = i.kind == InstructionKind::dense_reverse;
  s.step = {outer ? draw(random, 4) : 0, draw(random, 4), 0};
  std::vector<T> slots = whole_numbers<T>(random), expected = slots;
  const auto entry = [&](std::uint32_t p, std::uint32_t r, std::uint32_t t) {
    return p * s.place_step + r * s.row_step + t * s.term_step;
  };
  std::vector<bool> written(some_slots);
  const auto put = [&](std::uint32_t slot, T number) {
    expected[slot] = written[slot] ? expected[slot] + number : number;
    written[slot] = true;
  };
  for (std::uint32_t p = 0; p < s.places; ++p) {
    for (std::uint32_t r = 0; r < s.rows; ++r) {
      for (std::uint32_t t = 0; t < s.terms; ++t) {
        if (outer) {
          put(i.out + entry(p, r, t),
              slots[i.x[0] + (p * s.rows + r) * s.step[0]] * slots[i.x[1] + (p * s.terms + t) * s.step[1]]);
        } else {
          const std::uint32_t y = reverse ? p * s.rows + r : p * s.terms + t;
          put(i.out + (reverse ? p * s.terms + t : p * s.rows + r),
              slots[i.x[0] + entry(p, r, t)] * slots[i.x[1] + y * s.step[1]]);
        }
      }
    }
  }
  const Program program = program_of(i, s);
  OnceRunner<T>(program, table, {.uniform = slots.data()}, false, false).run(0);
  INFO(text_of(i, s));
  CHECK(slots == expected);
}

}  // namespace

TEMPLATE_TEST_CASE("uniform: products of matrices that lie in any way", "", float, double) {
  Random random(3);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (int n = 0; n < 500; ++n) check_product(table, random);
  });
}

TEMPLATE_TEST_CASE("uniform: a product of columns that lie apart takes as many calls as one of a few", "", float,
                   double) {
  // A call for each took 200 bytes a number, which no limit of LoadOptions counts.
  each_instruction_set<TestType>([](const KernelTable<TestType>& table) {
    const auto calls_of = [&](std::uint32_t terms, std::uint32_t term_step, std::uint32_t step) {
      const Shape s{.rows = 3, .terms = terms, .row_step = 3000, .term_step = term_step, .step = {1, step, 0}};
      const Program program = program_of({.kind = InstructionKind::outer, .out = result, .x = {0, 9000}}, s);
      std::vector<TestType> slots(some_slots);
      CallPlanner<TestType> planner(
          program, table, {.tile = slots.data(), .uniform = slots.data(), .stride = 1, .lanes = 1}, false, false);
      CallList<TestType> calls = planner.make_room();
      planner.plan(1, {}, calls);
      return calls.calls.size();
    };
    CHECK(calls_of(1000, 2, 1) == calls_of(2, 2, 1));
    // One number for all columns is copied first, and then a matrix is written as any other.
    CHECK(calls_of(1000, 1, 0) == calls_of(1000, 1, 1) + 1);
  });
}

TEMPLATE_TEST_CASE("uniform: several products of a program", "", float, double) {
  each_instruction_set<TestType>([](const KernelTable<TestType>& table) {
    Program program;
    program.shapes = {{.rows = 2, .terms = 3, .row_step = 3, .term_step = 1, .step = {0, 1, 0}}, {}};
    program.instructions = {{.kind = InstructionKind::dense, .out = 20, .x = {0, 6}},
                            {.op = Op::add, .shape = 1, .out = 30, .x = {20, 21}},
                            {.kind = InstructionKind::dense_reverse, .out = 40, .x = {0, 20}}};
    program.uniform_slots = 100;
    program.stages.resize(2);
    program.stages[0].uniform = {0, 2}, program.stages[1].uniform = {2, 3};
    std::vector<TestType> slots(100);
    for (std::size_t k = 0; k < 9; ++k) slots[k] = static_cast<TestType>(k + 1);
    OnceRunner<TestType> runner(program, table, {.uniform = slots.data()}, false, false);
    runner.run(0);
    CHECK(slots[30] == TestType(172));
    runner.run(1);
    CHECK(std::vector<TestType>(slots.begin() + 20, slots.begin() + 22) == std::vector<TestType>{50, 122});
    CHECK(std::vector<TestType>(slots.begin() + 40, slots.begin() + 43) == std::vector<TestType>{538, 710, 882});
  });
}

TEMPLATE_TEST_CASE("uniform: elementwise rows at any distance", "", float, double) {
  Random random(4);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (int n = 0; n < 200; ++n) {
      const Shape s{.rows = 1 + draw(random, 700), .step = {draw(random, 4), draw(random, 4), 0}};
      const Instruction i{.op = Op::sub, .uniform_mask = 3, .out = result, .x = {draw(random, 50), 4000}};
      std::vector<TestType> slots = whole_numbers<TestType>(random), expected = slots;
      for (std::uint32_t r = 0; r < s.rows; ++r) {
        expected[result + r] = slots[i.x[0] + r * s.step[0]] - slots[i.x[1] + r * s.step[1]];
      }
      const Program program = program_of(i, s);
      OnceRunner<TestType>(program, table, {.uniform = slots.data()}, false, false).run(0);
      INFO(s.rows << " rows, steps " << s.step[0] << " and " << s.step[1]);
      // Rows are written in whole vectors.
      slots.resize(result + s.rows), expected.resize(result + s.rows);
      CHECK(slots == expected);
    }
  });
}

namespace {

/// Instructions on few rows, one after another, and what loops make of the same slots. Results lie in places of their
/// own, of whose rows so many are known.
template <class T>
struct FewRows {
  static constexpr std::uint32_t places = 6, apart = 48, most = 12;
  Program program;
  std::vector<T> slots = std::vector<T>(some_slots), expected;
  std::vector<std::uint32_t> known = std::vector<std::uint32_t>(places, apart / 2);

  static std::uint32_t place(std::uint32_t p) { return result + p * apart; }

  explicit FewRows(Random& random) {
    for (T& number : slots) number = static_cast<T>(between(random, -1.0, 1.0));
    expected = slots;
    program.uniform_slots = some_slots;
    std::uint32_t at = 0;
    for (std::uint32_t n = 1 + draw(random, 150); n-- > 0;) {
      if (draw(random, 3) == 0) at = draw(random, places);
      add(random, at);
    }
    program.stages.resize(1);
    program.stages[0].uniform = {0, static_cast<std::uint32_t>(program.instructions.size())};
  }

  void add(Random& random, std::uint32_t at) {
    constexpr Op ops[] = {Op::neg, Op::sub, Op::max, Op::mul, Op::multiply_add, Op::subtract_product};
    Instruction i{.op = ops[draw(random, 6)], .uniform_mask = 7, .out = place(at)};
    Shape s{.rows = 1 + draw(random, draw(random, 2) == 0 ? 3 : most)};
    i.exact_rows = draw(random, 4) == 0;
    i.shape = static_cast<std::uint32_t>(program.shapes.size());
    for (std::size_t k = 0; k < op_arity(i.op); ++k) {
      const std::uint32_t other = draw(random, places);
      i.x[k] = draw(random, 400), s.step[k] = draw(random, 4);
      switch (draw(random, 4)) {
        case 0:  // in place
          if (s.rows <= known[at]) i.x[k] = i.out, s.step[k] = 1;
          break;
        case 1:  // another result, or a number of it
          if (other != at && s.rows <= known[other]) i.x[k] = place(other), s.step[k] = draw(random, 2);
          break;
        case 2:  // rows that lie apart, of which some are written before they would be read
          if (2 * s.rows <= known[at]) i.x[k] = i.out - 3, s.step[k] = 2;
          break;
        default:
          break;
      }
    }
    const std::vector<T> before = expected;
    for (std::uint32_t r = 0; r < s.rows; ++r) {
      const auto x = [&](std::size_t k) { return before[i.x[k] + r * s.step[k]]; };
      expected[i.out + r] = i.op == Op::neg   ? -x(0)
                            : i.op == Op::sub ? x(0) - x(1)
                            : i.op == Op::max ? std::max(x(0), x(1))
                            : i.op == Op::mul ? x(0) * x(1)
                                              : by_product(i.op, x(0), x(1), x(2));
    }
    known[at] = i.exact_rows ? std::max(known[at], s.rows) : s.rows;
    program.instructions.push_back(i), program.shapes.push_back(s);
  }

  static T by_product(Op op, T a, T b, T c) {
    const volatile T product = a * b;
    return op == Op::multiply_add ? product + c : c - product;
  }

  /// The first that is another one.
  std::uint32_t difference() const {
    for (std::uint32_t p = 0; p < places; ++p) {
      for (std::uint32_t r = 0; r < known[p]; ++r) {
        if (slots[place(p) + r] != expected[place(p) + r]) return place(p) + r;
      }
    }
    return 0;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("uniform: instructions on few rows, one after another", "", float, double) {
  Random random(5);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (int n = 0; n < 400; ++n) {
      FewRows<TestType> rows(random);
      const bool profiled = n % 4 == 0, skips_zeros = n % 5 == 0;
      OnceRunner<TestType>(rows.program, table, {.uniform = rows.slots.data()}, profiled, skips_zeros).run(0);
      INFO(rows.program.instructions.size() << " instructions");
      REQUIRE(rows.difference() == 0);
    }
  });
}
