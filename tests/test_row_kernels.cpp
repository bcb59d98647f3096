// Sums and copies of rows, lists that are alike or not, and elementwise rows that are read by index, of every
// instruction set against plain loops. All numbers are small whole ones, so that every order of additions gives the
// same and results must be equal.
#include <vector>

#include "catch.h"
#include "compare.h"
#include "instruction_sets.h"
#include "random_numbers.h"
#include "tapeloom/runtime/execute/runner.h"
#include "tapeloom/runtime/kernels/kernels.h"

using namespace tapeloom;
using namespace tapeloom::runtime;
using namespace tapeloom::test;

namespace {

constexpr std::uint32_t slots = 24, uniforms = 9, parameters = 4;

/// A tile of small whole numbers, and uniform ones of which the first are elsewhere.
template <class T>
struct Numbers {
  std::vector<T> tile, uniform, first;
  std::vector<std::uint32_t> indices;
  TileView<T> view;

  Numbers(Random& random, std::size_t lanes, std::size_t stride) {
    const auto fill = [&](std::vector<T>& list, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<T>(static_cast<int>(below(random, 9)) - 4));
    };
    fill(tile, 2 * slots * stride), fill(uniform, uniforms), fill(first, parameters);
    view = {tile.data(), uniform.data(), stride, lanes, first.data(), parameters};
  }
  T at(std::uint32_t word, std::size_t lane) const {
    const std::uint32_t slot = Program::slot_of(word);
    if (slot == Program::empty_list) return T(0);
    if ((word & Program::uniform_slot) == 0) return tile[slot * view.stride + lane];
    return slot < parameters ? first[slot] : uniform[slot];
  }
};

/// Runs one instruction on a view.
template <class T>
class OneInstruction : public Runner<T> {
 public:
  OneInstruction(const Program& program, const KernelTable<T>& table, const TileView<T>& view)
      : Runner<T>(program, table, table, {}, false) {
    this->view_ = view;
  }
  void run(const Instruction& i) { this->run_instruction(i, {0, this->view_.lanes}, nullptr, true); }
};

/// Calls check(table, random, lanes, stride) for every instruction set, several numbers of lanes, and rows that are as
/// long as the lanes or longer.
template <class T, class Check>
void each_case(Check&& check) {
  Random random(12);
  each_instruction_set<T>([&](const KernelTable<T>& table) {
    for (std::size_t vectors = 1; vectors <= 19; ++vectors) {
      INFO(vectors << " vectors");
      const std::size_t lanes = vectors * table.vector_lanes;
      check(table, random, lanes, lanes + below(random, 2) * 16);
    }
  });
}

}  // namespace

TEMPLATE_TEST_CASE("row kernels: sums of listed rows", "", float, double) {
  each_case<TestType>([](const KernelTable<TestType>& table, Random& random, std::size_t lanes, std::size_t stride) {
    Numbers<TestType> n(random, lanes, stride);
    n.indices = {7, 7};  // not of the instruction
    std::vector<std::vector<std::uint32_t>> lists(slots);
    for (auto& list : lists) {
      for (std::size_t terms = below(random, 6); terms > 0; --terms) {
        const bool one = below(random, 3) == 0;
        list.push_back(static_cast<std::uint32_t>(below(random, one ? uniforms : slots)));
        if (one) list.back() |= Program::uniform_slot;
        if (terms == 1) list.back() |= Program::last_slot;
        if (below(random, 2) == 0) {
          list.back() |= Program::times_next;
          list.push_back(static_cast<std::uint32_t>(below(random, slots)));
        }
      }
      if (list.empty()) list = {Program::empty_list | Program::last_slot};
      n.indices.insert(n.indices.end(), list.begin(), list.end());
    }
    n.view.indices = n.indices.data();
    std::vector<TestType> expected = n.tile;
    for (std::size_t r = 0; r < lists.size(); ++r) {
      for (std::size_t l = 0; l < lanes; ++l) {
        TestType sum = 0;
        for (std::size_t at = 0; at < lists[r].size(); ++at) {
          const std::uint32_t word = lists[r][at];
          sum += (word & Program::times_next) != 0 ? n.at(word, l) * n.at(lists[r][++at], l) : n.at(word, l);
        }
        expected[(slots + r) * stride + l] = sum;
      }
    }
    const instructions::AlikeLists any{.row = 0, .rows = slots, .word = 2};
    table.gather(n.view, {.kind = InstructionKind::gather, .out = slots, .x = {2}}, {.rows = slots}, &any, 1);
    CHECK(n.tile == expected);
  });
}

TEMPLATE_TEST_CASE("row kernels: sums of listed rows, some of them alike", "", float, double) {
  std::size_t alike = 0;
  each_case<TestType>([&](const KernelTable<TestType>& table, Random& random, std::size_t lanes, std::size_t stride) {
    Numbers<TestType> n(random, lanes, stride);
    std::vector<std::vector<std::uint32_t>> lists;
    const auto any_slot = [&](std::size_t of) { return static_cast<std::uint32_t>(below(random, of)); };
    while (lists.size() < slots) {
      // Words of one list, and how much further the next one's are, up or down.
      std::vector<std::uint32_t> words, steps;
      const std::uint32_t rows = std::min(1 + any_slot(11), slots - static_cast<std::uint32_t>(lists.size()));
      std::uint32_t step[3];
      for (std::uint32_t& by : step) by = any_slot(3) == 0 ? 0 : any_slot(2) == 0 ? 1 : ~0u;
      const auto add = [&](std::size_t part, std::uint32_t flags) {
        const bool one = (flags & Program::uniform_slot) != 0;
        const std::uint32_t first = one ? any_slot(uniforms) : (step[part] == ~0u ? rows - 1 : 0);
        words.push_back((one ? first : first + any_slot(slots - rows + 1)) | flags);
        steps.push_back(one ? 0 : step[part]);
      };
      for (std::uint32_t terms = any_slot(4) + 1; terms > 0; --terms) {
        const std::uint32_t flags =
            (any_slot(4) == 0 ? Program::uniform_slot : 0) | (terms == 1 ? Program::last_slot : 0);
        const bool product = any_slot(2) == 0;
        add(product ? 1 : 0, flags | (product ? Program::times_next : 0));
        if (product) add(2, 0);
      }
      for (std::uint32_t r = 0; r < rows; ++r) {
        lists.push_back(words);
        for (std::size_t k = 0; k < words.size(); ++k) lists.back()[k] += r * steps[k];
      }
    }
    std::vector<TestType> expected = n.tile;
    for (std::size_t r = 0; r < slots; ++r) {
      n.indices.insert(n.indices.end(), lists[r].begin(), lists[r].end());
      for (std::size_t l = 0; l < lanes; ++l) {
        TestType sum = 0;
        for (std::size_t at = 0; at < lists[r].size(); ++at) {
          const TestType x = n.at(lists[r][at], l);
          sum += (lists[r][at] & Program::times_next) != 0 ? x * n.at(lists[r][++at], l) : x;
        }
        expected[(slots + r) * stride + l] = sum;
      }
    }
    n.view.indices = n.indices.data();
    const Instruction gather{.kind = InstructionKind::gather, .out = slots};
    const auto runs = instructions::find_alike_lists(gather, {.rows = slots}, n.indices.data());
    for (const instructions::AlikeLists& run : runs) alike += run.words > 0;
    table.gather(n.view, gather, {.rows = slots}, runs.data(), runs.size());
    CHECK(n.tile == expected);
  });
  CHECK(alike > 40);
}

TEMPLATE_TEST_CASE("row kernels: sums of rows that lie evenly", "", float, double) {
  each_case<TestType>([](const KernelTable<TestType>& table, Random& random, std::size_t lanes, std::size_t stride) {
    Numbers<TestType> n(random, lanes, stride);
    const Shape shape{.rows = static_cast<std::uint32_t>(1 + below(random, 4)),
                      .terms = static_cast<std::uint32_t>(1 + below(random, 3)),
                      .step = {static_cast<std::uint32_t>(below(random, 3)), 0, 0}};
    std::vector<TestType> expected = n.tile;
    for (std::uint32_t s = 0; s < shape.terms; ++s) {
      for (std::size_t l = 0; l < lanes; ++l) {
        TestType sum = 0;
        for (std::uint32_t r = 0; r < shape.rows; ++r) sum += n.at((s * shape.rows + r) * shape.step[0], l);
        expected[(slots + s) * stride + l] = sum;
      }
    }
    table.row_sum(n.view, {.kind = InstructionKind::row_sum, .out = slots}, shape);
    CHECK(n.tile == expected);
  });
}

TEMPLATE_TEST_CASE("row kernels: elementwise rows by index", "", float, double) {
  each_case<TestType>([](const KernelTable<TestType>& table, Random& random, std::size_t lanes, std::size_t stride) {
    Numbers<TestType> n(random, lanes, stride);
    for (std::uint32_t r = 0; r <= slots; ++r) n.indices.push_back(static_cast<std::uint32_t>(below(random, slots)));
    n.view.indices = n.indices.data();
    std::vector<TestType> expected = n.tile;
    for (std::uint32_t r = 0; r < slots; ++r) {
      for (std::size_t l = 0; l < lanes; ++l) {
        expected[(slots + r) * stride + l] =
            n.at(n.indices[r + 1], l) * n.at(r / 3 | Program::uniform_slot, 0) - n.at(n.indices[r], l);
      }
    }
    Program program;
    program.shapes.resize(1);
    const auto run = [&](const Instruction& i, const Shape& shape) {
      program.shapes[0] = shape;
      OneInstruction<TestType>(program, table, n.view).run(i);
    };
    // The products row by row, as uniform operands move on evenly.
    for (std::uint32_t r = 0; r < slots; ++r) {
      run({.op = Op::mul, .uniform_mask = 2, .out = slots + r, .x = {n.indices[r + 1], r / 3}}, Shape{});
    }
    run({.op = Op::sub, .out = slots, .x = {slots, 0}}, {.rows = slots, .step = {1, Shape::by_index}});
    CHECK(n.tile == expected);
    for (std::uint32_t r = 0; r < slots; ++r) {
      for (std::size_t l = 0; l < lanes; ++l) {
        expected[(slots + r) * stride + l] =
            n.at(n.indices[r + 1], l) + n.at((parameters + r / 8) | Program::uniform_slot, 0);
      }
    }
    for (std::uint32_t r = 0; r < slots; r += 8) {  // of one number each
      run({.op = Op::add, .uniform_mask = 2, .out = slots + r, .x = {r + 1, parameters + r / 8}},
          {.rows = 8, .step = {Shape::by_index, 0, 0}});
    }
    CHECK(n.tile == expected);
  });
}

TEMPLATE_TEST_CASE("row kernels: sums over the samples of products of rows", "", float, double) {
  each_case<TestType>([](const KernelTable<TestType>& table, Random& random, std::size_t lanes, std::size_t stride) {
    Numbers<TestType> n(random, lanes, stride);
    const std::size_t samples = lanes - below(random, table.vector_lanes);
    const auto rows = static_cast<std::uint32_t>(1 + below(random, 40));
    for (std::uint32_t r = 0; r <= rows; ++r) n.indices.push_back(static_cast<std::uint32_t>(below(random, slots)));
    n.view.indices = n.indices.data();
    const Shape shape{.rows = rows, .row_step = 2, .step = {Shape::by_index, 1, 0}};
    const Instruction i{.kind = InstructionKind::reduce_products, .x = {1, 3}};
    const bool accumulate = below(random, 2) == 0;
    std::vector<TestType> totals(2 * rows, TestType(5)), expected = totals;
    for (std::uint32_t r = 0; r < rows; ++r) {
      TestType sum = accumulate ? expected[2 * r] : TestType(0);
      for (std::size_t l = 0; l < samples; ++l) sum += n.at(n.indices[r + 1], l) * n.at(3 + r, l);
      expected[2 * r] = sum;
    }
    table.reduce_products(n.view, i, shape, samples, totals.data(), accumulate);
    CHECK(totals == expected);
  });
}
