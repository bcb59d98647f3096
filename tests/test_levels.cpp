// Numeric programs that are no nets: nodes that do the same at the same depth roll, whatever they are computed from.
#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "bench/scalar_programs.h"
#include "processor_time.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/lists.h"

using namespace tapeloom;
using namespace tapeloom::test;
namespace programs = tapeloom::bench::scalar_programs;

namespace {

using Values = std::vector<Value>;
using Write = std::function<Value(std::span<const Value>)>;

Value least(Value a, Value b) { return min(a, b); }

/// The instructions of a program of so many parameters, with gradients.
std::size_t count_instructions(std::size_t count, const Write& write) {
  Tape tape;
  Values x;
  for (std::size_t i = 0; i < count; ++i) x.push_back(tape.parameter(programs::datum(i)));
  return compile(write(x)).instructions.size();
}

struct Small {
  std::string name;
  std::size_t arguments;
  Write write;
};

/// Each small enough to be compared number by number.
std::vector<Small> small_programs() {
  using X = std::span<const Value>;
  return {
      {"heat, ends kept", 12, [](X x) { return programs::heat(x, 12, 5, false); }},
      {"heat, periodic", 12, [](X x) { return programs::heat(x, 12, 5, true); }},
      {"wave", 12, [](X x) { return programs::wave(x, 12, 5, false); }},
      {"reactions", 16, [](X x) { return programs::reactions(x, 8, 3); }},
      {"lu", 49, [](X x) { return programs::lu(x, 7); }},
      {"cholesky", 36, [](X x) { return programs::cholesky(x, 6); }},
      {"triangular solve", 90, [](X x) { return programs::triangular_solve(x, 9); }},
      {"pair forces", 12, [](X x) { return programs::pair_forces(x, 6, 3); }},
      {"soft dtw", 14, [](X x) { return programs::soft_dtw(x, 7); }},
      {"edit distance", 14, [](X x) { return programs::edit_distance(x, 7, least); }},
      {"scan", 20, [](X x) { return programs::scan(x, 20); }},
      {"k-means", 6, [](X x) { return programs::k_means(x, 3, 9, least); }},
      {"lu over several vectors", 361, [](X x) { return programs::lu(x, 19); }},
      {"wave over several vectors", 37, [](X x) { return programs::wave(x, 37, 4, false); }},
      {"particle", 8, [](X x) { return programs::particle(x, 2, 5); }},
      {"saddle", 4, [](X x) { return programs::saddle(x, 3, 3); }},
      {"hand", 26, [](X x) { return programs::hand(x, 20); }},
      {"mixture", 14, [](X x) { return programs::mixture(x, 3, 2, 9, [](Value a, Value b) { return max(a, b); }); }},
  };
}

}  // namespace

TEST_CASE("numeric programs that roll by level compute what the reference does, once a step and for each sample") {
  for (const Small& program : small_programs()) {
    INFO(program.name);
    SECTION(program.name + ", once a step") {
      Tape tape;
      Values x;
      for (std::size_t i = 0; i < program.arguments; ++i) x.push_back(tape.parameter(programs::datum(i)));
      const Value loss = program.write(x);
      expect_programs_like_evaluate(loss, {}, {}, 1, 64.0);
      Executor<double> by_level(compiler::compile_by_level(loss, {.verify = true}), {});
      expect_step_like_evaluate(by_level, loss, {}, {}, 1, 64.0);
    }
    SECTION(program.name + ", for each sample") {
      constexpr std::size_t samples = 5;
      Tape tape;
      const Values x = tape.inputs("x", program.arguments);
      std::vector<double> rows(samples * program.arguments);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = programs::datum(i);
      const Value loss = batch_mean(program.write(x));
      expect_programs_like_evaluate(loss, {}, rows, samples, 64.0);
      Executor<double> by_level(compiler::compile_by_level(loss, {.input_gradients = true, .verify = true}),
                                {.max_samples = samples});
      expect_step_like_evaluate(by_level, loss, {}, rows, samples, 64.0);
    }
  }
}

TEST_CASE("a grid whose ends are kept takes as many instructions however wide, and few more than a periodic one") {
  const auto heat = [](std::size_t n, bool periodic) {
    return count_instructions(n, [&](std::span<const Value> x) { return programs::heat(x, n, 20, periodic); });
  };
  CHECK(heat(256, false) == heat(512, false));
  CHECK(10 * heat(256, false) <= 13 * heat(256, true));
  const auto wave = [](std::size_t n, bool periodic) {
    return count_instructions(n, [&](std::span<const Value> x) { return programs::wave(x, n, 20, periodic); });
  };
  CHECK(wave(256, false) == wave(512, false));
  CHECK(10 * wave(256, false) <= 13 * wave(256, true));
}

TEST_CASE("what is all chains by history is not put together in rows by level") {
  Tape tape;
  const Value q = tape.parameter(0.1), r = tape.parameter(0.3), dt = tape.parameter(0.1);
  Value x = tape.parameter(0.0), v = tape.parameter(1.0);
  Value xx = tape.parameter(1.0), xv = tape.parameter(0.0), vv = tape.parameter(1.0);
  Value loss = 0.0;
  for (int step = 0; step < 200; ++step) {  // a Kalman filter of a place and a speed
    const Value ahead = x + dt * v;
    const Value a = xx + dt * (xv + xv) + dt * dt * vv + q, b = xv + dt * vv, c = vv + q;
    const Value s = a + r, k = a / s, l = b / s, y = std::sin(step) - ahead;
    loss = loss + log(s) + y * y / s;
    x = ahead + k * y, v = v + l * y;
    xx = (1.0 - k) * a, xv = (1.0 - k) * b, vv = c - l * b;
  }
  const auto copies = [](const Program& program) {
    return std::ranges::count(program.instructions, InstructionKind::copy, &Instruction::kind);
  };
  CHECK(copies(compile(loss)) == 0);
  CHECK(copies(compiler::compile_by_level(loss, {})) > 100);
}

TEST_CASE("instructions of wavefronts, solves and scans grow with depth, not with the size of the table") {
  const auto ratio = [](auto&& program, std::size_t n) {
    return static_cast<double>(program(2 * n)) / static_cast<double>(program(n));
  };
  const auto soft_dtw = [](std::size_t n) {
    return count_instructions(2 * n, [&](std::span<const Value> x) { return programs::soft_dtw(x, n); });
  };
  const auto edit_distance = [](std::size_t n) {
    return count_instructions(2 * n, [&](std::span<const Value> x) { return programs::edit_distance(x, n, least); });
  };
  const auto solve = [](std::size_t n) {
    return count_instructions(n * n + n, [&](std::span<const Value> x) { return programs::triangular_solve(x, n); });
  };
  const auto scan = [](std::size_t n) {
    return count_instructions(n, [&](std::span<const Value> x) { return programs::scan(x, n); });
  };
  CHECK(soft_dtw(12) < 500);
  CHECK(ratio(soft_dtw, 12) < 2.35);
  CHECK(ratio(soft_dtw, 24) < 2.1);
  CHECK(ratio(edit_distance, 12) < 2.3);
  CHECK(ratio(edit_distance, 24) < 2.1);
  CHECK(ratio(solve, 16) < 2.3);
  CHECK(ratio(scan, 32) < 1.5);
}

TEST_CASE("a factorisation subtracts its products where it is, and adds up derivatives where they are") {
  constexpr std::size_t n = 30;
  Tape tape;
  Values x;
  for (std::size_t i = 0; i < n * n; ++i) x.push_back(tape.parameter(programs::datum(i)));
  const Value loss = programs::lu(std::span<const Value>(x), n);
  const Program chosen = compile(loss), by_level = compiler::compile_by_level(loss, {});
  CHECK(chosen.instructions.size() == by_level.instructions.size());
  for (const Program& program : {chosen, by_level}) {
    std::size_t in_place = 0, products = 0, listed = 0;
    for (const Instruction& i : program.instructions) {
      const bool fused = i.op == Op::multiply_add || i.op == Op::subtract_product;
      in_place += fused && i.x[2] == i.out, products += fused || i.op == Op::mul;
      if (i.kind == InstructionKind::gather) listed += i.x[1];
    }
    CHECK(10 * in_place > 7 * products);
    CHECK(listed < 5 * n * n);  // of n^3 / 3 products
  }
}

TEST_CASE("what the loss has no derivative by is no row beside what it has one by") {
  Tape tape;
  const Value p = tape.parameter(2.0), q = tape.parameter(0.5);
  const Values x = tape.inputs("x", 8);
  const double large = 1e200;  // whose square is infinite: an adjoint of zero would make a NaN of it
  const std::vector<double> row = {large, 1.0, large, 2.0, large, 3.0, large, 4.0};
  Values looked_at;
  Value loss = p;
  double slope = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Value product = tanh(q) * square(x[i]);
    if (i % 2 == 0) {
      looked_at.push_back(product);
    } else {
      loss += product * product, slope += 2.0 * std::pow(row[i], 4.0);
    }
  }
  const double t = std::tanh(0.5);
  const CompileOptions options{.outputs = looked_at, .verify = true};
  for (const Program& program :
       {compile(batch_sum(loss), options), compiler::compile_by_level(batch_sum(loss), options)}) {
    Executor<double> executor(program, {});
    executor.bind(row);
    executor.step();
    CHECK(close(executor.gradients()[1], slope * t * (1.0 - t * t), 1e-12, 1e-12));
  }
}

TEST_CASE("an alignment takes about as many instructions where the least of three is nested the other way round") {
  const auto alignment = [](std::span<const Value> x, bool nested_last) {
    const std::size_t n = x.size() / 2;
    std::vector<Values> cost(n + 1, Values(n + 1, 1e6));
    cost[0][0] = 0.0;
    for (std::size_t i = 1; i <= n; ++i) {
      for (std::size_t j = 1; j <= n; ++j) {
        const Value up = cost[i - 1][j], left = cost[i][j - 1], both = cost[i - 1][j - 1];
        const Value best = nested_last ? min(up, min(left, both)) : min(min(up, left), both);
        cost[i][j] = square(x[i - 1] - x[n + j - 1]) + best;
      }
    }
    return cost[n][n];
  };
  const auto count = [&](bool nested_last) {
    return count_instructions(60, [&](std::span<const Value> x) { return alignment(x, nested_last); });
  };
  CHECK(10 * count(true) <= 12 * count(false));
  Tape tape;
  Values x;
  for (std::size_t i = 0; i < 16; ++i) x.push_back(tape.parameter(programs::datum(i)));
  expect_programs_like_evaluate(alignment(x, true), {}, {}, 1, 64.0);
}

TEST_CASE("what is between two neighbours is computed once, whichever of them it is written from") {
  // As a finite volume asks for the fluxes at both of its sides. `from_left`: all are written alike.
  const auto diffusion = [](std::span<const Value> x, bool product, bool from_left) {
    Values u(x.begin(), x.end());
    for (std::size_t step = 0; step < 4; ++step) {
      Values next = u;
      for (std::size_t i = 1; i + 1 < u.size(); ++i) {
        const auto between = [&](Value a, Value b) { return exp(product ? a * b : a * a + b * b); };
        const Value left = from_left ? between(u[i - 1], u[i]) : between(u[i], u[i - 1]);
        const Value right = between(u[i], u[i + 1]);
        next[i] = u[i] + 0.01 * (right * (u[i + 1] - u[i]) - left * (u[i] - u[i - 1]));
      }
      u = next;
    }
    return sum(u) + u[2] * u[3];
  };
  for (const bool product : {true, false}) {
    for (const bool varying : {true, false}) {
      for (const bool from_left : {true, false}) {
        INFO("product " << product << ", varying " << varying << ", from the left " << from_left);
        constexpr std::size_t places = 24;
        Tape tape;
        std::vector<double> row(places);
        for (std::size_t i = 0; i < places; ++i) row[i] = programs::datum(i);
        Values x;
        for (std::size_t i = 0; i < places && !varying; ++i) x.push_back(tape.parameter(row[i]));
        if (varying) x = tape.inputs("x", row);
        const Value u = diffusion(x, product, from_left);
        const Value loss = varying ? batch_sum(u) : u;
        const Program program = compiler::compile_by_level(loss, {.verify = true});
        std::size_t exponentials = 0;
        for (const Instruction& i : program.instructions) {
          if (i.kind == InstructionKind::elementwise && i.op == Op::exp) exponentials += program.shapes[i.shape].rows;
        }
        CHECK(exponentials == 4 * (places - 1));
        Executor<double> executor(program, {});
        expect_step_like_evaluate(executor, loss, {}, varying ? row : std::vector<double>{}, 1, 64.0);
      }
    }
  }
}

TEST_CASE("what reads a few rows here and there has its derivatives listed where they are added up") {
  const auto sums_of_some = [](std::span<const Value> x, std::size_t count) {
    Values v(x.begin(), x.end());
    std::uint32_t state = 1;
    const auto some = [&] { return v[(state = state * 1664525u + 1013904223u) % 65536u * v.size() / 65536u]; };
    while (v.size() < count) {
      Value sum = some();
      for (std::size_t k = 0; k < 8; ++k) sum += some();
      v.push_back(0.1 * sum);
    }
    Value total = v[0];
    for (std::size_t i = 1; i < v.size(); ++i) total += v[i];
    return total;
  };
  Tape tape;
  Values x;
  for (std::size_t i = 0; i < 32; ++i) x.push_back(tape.parameter(programs::datum(i)));
  expect_programs_like_evaluate(sums_of_some(x, 120), {}, {}, 1, 64.0);
  // Not one for each two blocks of which one reads some rows of the other: that were 5,700.
  CHECK(compile(sums_of_some(x, 2'000)).instructions.size() < 2'000);
}

TEST_CASE("short lists of derivatives take about as long where their lengths are a matter of chance") {
  const auto seconds = [](std::size_t by_chance) {
    constexpr std::size_t count = 4'000;
    Tape tape;
    Values x;
    for (std::size_t i = 0; i < count; ++i) x.push_back(tape.parameter(programs::datum(i)));
    for (std::size_t layer = 0; layer < 5; ++layer) {
      Values y;
      for (std::size_t i = 0; i < count; ++i) {
        const auto some = static_cast<std::size_t>(programs::datum(layer * count + i) * static_cast<double>(count));
        y.push_back(tanh(x[by_chance == 1 ? some : i / 2 * 2] + x[i]));
      }
      x = y;
    }
    Executor<double> executor(compile(sum(x), {.verify = false}), {.max_samples = 1, .threads = 1});
    executor.step();
    const ProcessorTime time;
    for (int step = 0; step < 200; ++step) executor.step();
    return time.seconds();
  };
  CHECK(grows_less(seconds, 0, 1, 3.0));  // 1.6 times; 4.7 where it is to be foreseen which lists end where
}

TEST_CASE("differences and products of neighbours in a grid are read in runs, in the order of their distances") {
  constexpr std::size_t width = 20, height = 17;
  // What is between a place and its right and lower neighbours, where it has both, or one of them.
  const auto energy = [](std::span<const Value> u, bool product, bool edges) {
    const auto between = [&](Value a, Value b) { return product ? a * b : b - a; };
    Value sum = 0.0;
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width; ++x) {
        const std::size_t at = y * width + x;
        const bool right = x + 1 < width, below = y + 1 < height;
        if (right && below) {
          const Value dx = between(u[at], u[at + 1]), dy = between(u[at], u[at + width]);
          sum += sqrt(dx * dx + dy * dy + 0.01);
        } else if (edges && (right || below)) {
          sum += exp(between(u[at], u[at + (right ? 1 : width)]));
        }
      }
    }
    return sum;
  };
  for (const bool product : {false, true}) {
    for (const bool edges : {false, true}) {
      INFO("product " << product << ", edges " << edges);
      Tape tape;
      Values u;
      for (std::size_t i = 0; i < width * height; ++i) u.push_back(tape.parameter(programs::datum(i)));
      const Value loss = energy(u, product, edges);
      const Program program = compile(loss, {.verify = true});
      std::size_t gathers = 0, in_runs = 0;
      instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
        if (i.kind != InstructionKind::gather) return;
        ++gathers, in_runs += !instructions::find_list_runs(i, s, program.indices.data()).empty();
      });
      CHECK(gathers > 0);
      CHECK(in_runs == gathers);
      Executor<double> executor(program, {});
      expect_step_like_evaluate(executor, loss, {}, {}, 1, 64.0);
    }
  }
}

TEST_CASE("sums of the neighbours in a plane are added up run by run, however wide it is") {
  const auto heat = [](std::span<const Value> from, std::size_t n) {
    Values u(from.begin(), from.end());
    for (std::size_t step = 0; step < 3; ++step) {
      Values next = u;
      for (std::size_t y = 0; y < n; ++y) {
        for (std::size_t x = 0; x < n; ++x) {
          const std::size_t at = y * n + x;
          Value flow = 0.0;
          if (y > 0) flow += u[at - n] - u[at];
          if (y + 1 < n) flow += u[at + n] - u[at];
          if (x > 0) flow += u[at - 1] - u[at];
          if (x + 1 < n) flow += u[at + 1] - u[at];
          next[at] = u[at] + 0.1 * flow;
        }
      }
      u = next;
    }
    Value sum = 0.0;
    for (const Value& each : u) sum += each * each;
    return sum;
  };
  std::size_t of_narrow = 0;
  for (const std::size_t n : {24, 40}) {
    Tape tape;
    Values u;
    for (std::size_t i = 0; i < n * n; ++i) u.push_back(tape.parameter(programs::datum(i)));
    const Value loss = heat(u, n);
    const Program program = compile(loss, {.verify = true});
    std::size_t row_sums = 0;
    for (const Instruction& i : program.instructions) {
      if (i.kind == InstructionKind::row_sum) row_sums += program.shapes[i.shape].terms > n;
    }
    CHECK(row_sums <= 1);  // side by side, each step had one, and so had its derivatives
    if (of_narrow == 0) of_narrow = program.instructions.size();
    CHECK(program.instructions.size() <= of_narrow + 4);
    Executor<double> executor(program, {});
    expect_step_like_evaluate(executor, loss, {}, {}, 1, 64.0);
  }
}
