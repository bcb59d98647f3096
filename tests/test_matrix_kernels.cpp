// Products, sums over samples and transposes of every instruction set against plain loops. All numbers are small whole
// ones, so that every order of additions gives the same and results must be equal. Arrays are as long as their
// contracts say, for the address sanitizer, and what lies between rows must keep its numbers.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "instruction_sets.h"
#include "random_numbers.h"
#include "tapeloom/runtime/execute/calls.h"
#include "tapeloom/runtime/kernels/kernels.h"

using namespace tapeloom;
using namespace tapeloom::runtime;
using namespace tapeloom::test;

namespace {

constexpr int untouched = 12345;

template <class T>
std::vector<T> whole_numbers(Random& random, std::size_t count) {
  std::vector<T> numbers(count);
  for (T& number : numbers) number = static_cast<T>(static_cast<int>(below(random, 9)) - 4);
  return numbers;
}

template <class T>
std::vector<T> fractions(Random& random, std::size_t count) {
  std::vector<T> numbers(count);
  for (T& number : numbers) number = static_cast<T>(between(random, -1, 1));
  return numbers;
}

/// A product or sums, by the kernels.
template <class T, class What>
void run_planned(const KernelTable<T>& table, const What& what, const T* a, const T* b, T* c, bool accumulate) {
  PlannedCalls<T> planned(table);
  planned.make_room(what);
  planned.plan(what);
  planned.run(a, b, c, accumulate);
}

std::size_t rounded(std::size_t count, std::size_t width) { return (count + width - 1) / width * width; }

/// then(op(operand, p)), written apart from the op table.
template <class T>
T finished(Op op, Op then, T operand, T p) {
  if (op == Op::add) p = operand + p;
  if (op == Op::mul) p = operand * p;
  if (op == Op::mul_adjoint) p = operand * p;
  if (op == Op::sigmoid_adjoint) p = operand * (1 - operand) * p;
  if (op == Op::relu_adjoint) p = operand > 0 ? p : T(0);
  if (op == Op::tanh_adjoint) p = (1 - operand * operand) * p;
  if (then == Op::relu) p = p > 0 ? p : T(0);
  if (then == Op::square) p = p * p;
  return p;
}

/// A product of which everything but the sizes is random. With `whole`, n is a number of vectors, and it is finished.
template <class T>
void check_product(const KernelTable<T>& table, Random& random, std::size_t m, std::size_t n, std::size_t k,
                   bool whole) {
  if (whole) n = rounded(n, table.vector_lanes);
  const bool by_columns = below(random, 2) == 0, accumulate = !whole && below(random, 2) == 0;
  const std::size_t a_step = (by_columns ? m : k) + below(random, 3), b_stride = n + below(random, 20);
  const bool sums_rows = !whole && can_sum_rows(m, n, k, table.vector_lanes) && below(random, 2) == 0;
  const std::size_t columns = sums_rows ? n + 1 : n, c_stride = columns + below(random, 20);
  const std::vector<T> a = whole_numbers<T>(random, (by_columns ? k : m) * a_step);
  const std::vector<T> b = whole_numbers<T>(random, (k - 1) * b_stride + n);
  const auto a_at = [&](std::size_t i, std::size_t j) { return by_columns ? a[j * a_step + i] : a[i * a_step + j]; };
  std::vector<T> c((m - 1) * c_stride + columns, T(untouched)), expected = c;
  Product<T> product{.m = m,
                     .n = n,
                     .k = k,
                     .a_row_step = by_columns ? 1 : a_step,
                     .a_column_step = by_columns ? a_step : 1,
                     .b_stride = b_stride,
                     .c_stride = c_stride,
                     .sums_rows = sums_rows};
  std::vector<T> operand;
  if (whole) {
    const Op ops[] = {
        no_op, Op::add, Op::mul, Op::mul_adjoint, Op::relu_adjoint, Op::tanh_adjoint, Op::sigmoid_adjoint};
    const Op thens[] = {no_op, Op::relu, Op::square};
    product.finish.op = ops[below(random, std::size(ops))], product.finish.then = thens[below(random, 3)];
    product.finish.per_lane = below(random, 2) == 0;
    product.finish.step = product.finish.per_lane ? n + below(random, 20) : 1 + below(random, 5);
    operand = whole_numbers<T>(random, (m - 1) * product.finish.step + (product.finish.per_lane ? n : 1));
    product.finish.operand = operand.data();
  }
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      T sum = 0;
      for (std::size_t l = 0; l < k; ++l) sum += a_at(i, l) * (j < n ? b[l * b_stride + j] : T(1));
      T& to = expected[i * c_stride + j];
      const Finish<T>& f = product.finish;
      to = accumulate ? to + sum
           : whole    ? finished(f.op, f.then, operand[i * f.step + (f.per_lane ? j : 0)], sum)
                      : sum;
    }
  }
  run_planned(table, product, a.data(), b.data(), c.data(), accumulate);
  INFO(m << " x " << k << " by " << k << " x " << n << ", by columns " << by_columns << ", accumulated " << accumulate
         << ", sums of rows " << sums_rows << ", finished by " << op_name(product.finish.op) << " and "
         << op_name(product.finish.then));
  CHECK(c == expected);
}

/// Sums, or products with `terms` rows if there are any, of rows that may be read up to a whole vector; at one place or
/// added up over some.
template <class T>
void check_sums(const KernelTable<T>& table, Random& random, std::size_t rows, std::size_t terms, std::size_t samples) {
  const std::size_t lanes = rounded(samples, table.vector_lanes),
                    y_step = lanes + table.vector_lanes * below(random, 2);
  const std::size_t places = terms == 0 ? 1 : 1 + below(random, 3);
  const std::size_t y_place = rows * y_step, x_place = (terms + below(random, 2)) * y_step;
  const std::vector<T> y = whole_numbers<T>(random, places * y_place + lanes);
  const std::vector<T> x = whole_numbers<T>(random, places * x_place + lanes);
  const std::size_t columns = terms == 0 ? 1 : terms;
  const bool by_columns = below(random, 2) == 0;
  const std::size_t row_step = by_columns ? 1 : columns + below(random, 3), term_step = by_columns ? rows + 1 : 1;
  std::vector<T> totals((rows - 1) * row_step + (columns - 1) * term_step + 1, T(untouched)), expected = totals;
  const Sums sums{.a_rows = rows,
                  .a_stride = y_step,
                  .b_rows = terms,
                  .b_stride = y_step,
                  .c_row_step = row_step,
                  .c_column_step = term_step,
                  .samples = samples,
                  .places = places,
                  .a_place_step = y_place,
                  .b_place_step = x_place};
  const bool accumulate = below(random, 2) == 0;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      T sum = 0;
      for (std::size_t n = 0; n < places * samples; ++n) {
        const T *of_y = &y[n / samples * y_place + i * y_step], *of_x = &x[n / samples * x_place + j * y_step];
        sum += of_y[n % samples] * (terms == 0 ? T(1) : of_x[n % samples]);
      }
      T& to = expected[i * row_step + j * term_step];
      to = accumulate ? to + sum : sum;
    }
  }
  run_planned(table, sums, y.data(), x.data(), totals.data(), accumulate);
  INFO(rows << " rows, " << terms << " terms, " << samples << " samples, " << places << " places, accumulated "
            << accumulate);
  CHECK(totals == expected);
}

template <class T>
void check_transpose(const KernelTable<T>& table, Random& random, std::size_t rows, std::size_t columns) {
  const std::size_t from_stride = columns + below(random, 3), lanes = rounded(rows, table.vector_lanes);
  const std::size_t to_stride = lanes + below(random, 5);
  const std::vector<T> from = whole_numbers<T>(random, (rows - 1) * from_stride + columns);
  std::vector<T> to((columns - 1) * to_stride + lanes, T(untouched)), expected = to;
  table.transpose(rows, columns, from.data(), from_stride, to.data(), to_stride);
  for (std::size_t c = 0; c < columns; ++c) {
    for (std::size_t r = 0; r < rows; ++r) expected[c * to_stride + r] = from[r * from_stride + c];
    // After them come numbers of the column.
    for (std::size_t r = rows; r < lanes; ++r) {
      const T* column = &expected[c * to_stride];
      const T number = to[c * to_stride + r];
      if (std::find(column, column + rows, number) != column + rows) expected[c * to_stride + r] = number;
    }
  }
  INFO(rows << " x " << columns << ", " << from_stride << " apart");
  CHECK(to == expected);
}

}  // namespace

TEMPLATE_TEST_CASE("matrix kernels: products of all small sizes", "", float, double) {
  Random random(5);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (std::size_t m = 1; m <= 26; ++m) {
      for (std::size_t n = 1; n <= 70; n += m % 3 + 1) {
        for (const std::size_t k : {1u, 2u, 3u, 4u, 5u, 9u}) {
          check_product(table, random, m, n, k, false);
          if (n % 4 == 0) check_product(table, random, m, m < 4 ? 3 * n : n, k, true);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("matrix kernels: a smaller product has at most twice the calls", "", float, double) {
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    const auto calls = [&](std::size_t m, std::size_t vectors, std::size_t k, Op op) {
      const std::size_t n = vectors * table.vector_lanes;
      const Product<TestType> product{.m = m,
                                      .n = n,
                                      .k = k,
                                      .a_row_step = k,
                                      .a_column_step = 1,
                                      .b_stride = n,
                                      .c_stride = n,
                                      .finish = {.op = op, .then = Op::tanh}};
      return table.plan(product, nullptr);
    };
    for (std::size_t m = 1; m <= 100; ++m) {
      for (const Op op : {no_op, Op::mul}) {
        std::size_t most = 0;
        for (std::size_t vectors = 1; vectors <= 40; ++vectors) {
          const std::size_t own = calls(m, vectors, 3000, op);
          most = std::max({most, own, calls(m, vectors, 20, op)});
          CHECK(most <= 2 * own);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("matrix kernels: products larger than a cache", "", float, double) {
  Random random(8);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (int i = 0; i < 6; ++i) {
      check_product(table, random, 701, 40 + below(random, 60), 600, i % 2 == 0);
    }
    check_product(table, random, 150, 100, 3000, false);
  });
}

TEMPLATE_TEST_CASE("matrix kernels: products longer than a strip", "", float, double) {
  Random random(6);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (const std::size_t k : {1023u, 1025u, 5000u}) {
      check_product(table, random, 3, 33, k, false);
      for (int i = 0; i < 20; ++i) check_product(table, random, 9, 40, k, true);
    }
  });
}

TEMPLATE_TEST_CASE("matrix kernels: sums over samples, and of products", "", float, double) {
  Random random(7);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (std::size_t samples = 1; samples <= 50; ++samples) {
      for (std::size_t rows = 1; rows <= 35; rows += 1 + samples % 4) {
        check_sums(table, random, rows, 0, samples);
        for (std::size_t terms = 1; terms <= std::min<std::size_t>(rows, 11); ++terms) {
          check_sums(table, random, rows, terms, samples);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("matrix kernels: few sums of long rows", "", float, double) {
  Random random(12);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (std::size_t samples = 6 * table.vector_lanes; samples <= 14 * table.vector_lanes; ++samples) {
      for (std::size_t rows = 1; rows <= 4; ++rows) {
        for (std::size_t terms = 0; terms <= 3; ++terms) check_sums(table, random, rows, terms, samples);
      }
    }
  });
}

TEMPLATE_TEST_CASE("matrix kernels: the sum of a long row is not one chain of additions", "", float, double) {
  // Partial sums that take turns: what a vector loses beside a large number is kept by the next.
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    const std::size_t lanes = table.vector_lanes, vectors = 16;
    const TestType large = TestType(1) / std::numeric_limits<TestType>::epsilon();
    std::vector<TestType> a(vectors * lanes, TestType(0)), b(a.size(), TestType(1));
    a[0] = 4 * large;
    for (std::size_t v = 1; v + 1 < vectors; ++v) a[v * lanes] = TestType(0.25);
    a[(vectors - 4) * lanes] -= 4 * large;
    TestType c = 0;
    const Sums sums{
        .a_rows = 1, .a_stride = a.size(), .b_rows = 1, .b_stride = a.size(), .c_row_step = 1, .samples = a.size()};
    run_planned(table, sums, a.data(), b.data(), &c, false);
    CHECK(c > TestType(2));
  });
}

TEMPLATE_TEST_CASE("matrix kernels: sums of products have the same bits wherever rows begin", "", float, double) {
  Random random(11);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (const std::size_t samples : {96u, 99u, 129u, 784u}) {
      for (const std::size_t extra : {0u, 1u, 2u, 3u, 4u, 8u, 17u}) {
        for (const std::size_t rows : {15u, 40u, 67u, 100u}) {
          const std::size_t terms = 1 + below(random, 6), b_step = samples + below(random, 40);
          const std::size_t first = below(random, 20), b_first = below(random, 20);
          const std::vector<TestType> b = fractions<TestType>(random, b_first + terms * b_step + 16);
          const std::vector<TestType> a = fractions<TestType>(random, rows * samples);
          const auto sums_of = [&](std::size_t stride, std::size_t begin) {
            // What lies between the rows must not count.
            std::vector<TestType> apart(begin + rows * stride + 16, std::numeric_limits<TestType>::infinity());
            for (std::size_t r = 0; r < rows; ++r) {
              std::copy_n(a.begin() + static_cast<std::ptrdiff_t>(r * samples), samples,
                          apart.begin() + static_cast<std::ptrdiff_t>(begin + r * stride));
            }
            std::vector<TestType> c(rows * terms, TestType(untouched));
            const Sums sums{.a_rows = rows,
                            .a_stride = stride,
                            .b_rows = terms,
                            .b_stride = b_step,
                            .c_row_step = terms,
                            .c_column_step = 1,
                            .samples = samples};
            run_planned(table, sums, apart.data() + begin, b.data() + b_first, c.data(), false);
            return c;
          };
          const std::vector<TestType> found = sums_of(samples + extra, first);
          INFO(rows << " rows of " << samples << ", " << extra << " apart, " << terms << " terms");
          CHECK(std::ranges::equal(found, sums_of(rounded(samples, 16), 0), same_bits<TestType>));
          for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t t = 0; t < terms; ++t) {
              double sum = 0, sizes = 0;
              for (std::size_t n = 0; n < samples; ++n) {
                const double product = double(a[r * samples + n]) * double(b[b_first + t * b_step + n]);
                sum += product, sizes += std::abs(product);
              }
              const double bound = 100 * double(std::numeric_limits<TestType>::epsilon()) * sizes;
              if (!(std::abs(double(found[r * terms + t]) - sum) <= bound)) FAIL("row " << r << ", term " << t);
            }
          }
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("matrix kernels: transposes", "", float, double) {
  Random random(8);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (std::size_t rows = 1; rows <= 40; ++rows) {
      for (std::size_t columns = 1; columns <= 40; ++columns) check_transpose(table, random, rows, columns);
    }
    check_transpose(table, random, 100, 1);
  });
}

TEMPLATE_TEST_CASE("matrix kernels: adding and subtracting lists of any length", "", float, double) {
  Random random(9);
  each_instruction_set<TestType>([&](const KernelTable<TestType>& table) {
    for (std::size_t count = 1; count <= 70; ++count) {
      const std::vector<TestType> from = whole_numbers<TestType>(random, count);
      const std::vector<TestType> start = whole_numbers<TestType>(random, count);
      std::vector<TestType> sum = start, difference = start, expected_sum(count), expected_difference(count);
      for (std::size_t i = 0; i < count; ++i) {
        expected_sum[i] = start[i] + from[i];
        expected_difference[i] = start[i] - 3 * from[i];
      }
      table.add(sum.data(), from.data(), count);
      table.subtract_scaled(difference.data(), TestType(3), from.data(), count);
      INFO(count);
      CHECK(sum == expected_sum);
      CHECK(difference == expected_difference);
    }
  });
}
