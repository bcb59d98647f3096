/* Steps and their results, against the same formulas in plain loops. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

enum { rows = 5 };
static const double x[2 * rows] = {1, 2, -1, 0.5, 0.25, -2, 3, 1, -0.5, -1.5};
static const double y[rows] = {1, -1, 2, 0, 0.5};
static const double initial[3] = {0.5, -0.25, 0.125}; /* w[0], w[1], b of programs.cpp */

static double score(const double* p, size_t row) { return p[0] * x[2 * row] + p[1] * x[2 * row + 1] + p[2]; }

/* The results for these rows in this order. */
static void check_step(const tapeloom_executor* executor, const uint32_t* chosen, size_t count, double loss,
                       double tolerance) {
  tapeloom_numbers outputs, gradients, input_gradients;
  double expected = 0, derivatives[3] = {0, 0, 0}, read = 0;
  size_t i = 0;
  CHECK_OK(tapeloom_executor_outputs(executor, &outputs));
  CHECK_OK(tapeloom_executor_gradients(executor, &gradients));
  CHECK_OK(tapeloom_executor_input_gradients(executor, &input_gradients));
  CHECK(outputs.count == count && gradients.count == 3 && input_gradients.count == 3 * count);
  for (i = 0; i < count; ++i) {
    const size_t row = chosen[i];
    const double off = score(initial, row) - y[row], by_score = 2 * off / (double)count;
    expected += off * off / (double)count;
    derivatives[0] += by_score * x[2 * row];
    derivatives[1] += by_score * x[2 * row + 1];
    derivatives[2] += by_score;
    CHECK_NEAR(number(outputs, i), score(initial, row), tolerance);
    CHECK_NEAR(number(input_gradients, 3 * i), by_score * initial[0], tolerance);
    CHECK_NEAR(number(input_gradients, 3 * i + 1), by_score * initial[1], tolerance);
    CHECK_NEAR(number(input_gradients, 3 * i + 2), -by_score, tolerance);
  }
  CHECK_NEAR(loss, expected, tolerance);
  for (i = 0; i < 3; ++i) CHECK_NEAR(number(gradients, i), derivatives[i], tolerance);
  CHECK_OK(tapeloom_executor_loss(executor, &read));
  CHECK(read == loss);
}

/* All rows, a range of them, and some by number, bound by group. */
static void check_type(tapeloom_number_type type, double tolerance) {
  const uint32_t all[rows] = {0, 1, 2, 3, 4}, some[4] = {4, 0, 0, 2};
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_executor* executor = make(program, type);
  tapeloom_number_type told = 0;
  tapeloom_numbers numbers;
  size_t bound = 0;
  double loss = 0;
  tapeloom_program_free(program); /* the executor has what it needs */
  CHECK_OK(tapeloom_executor_type(executor, &told));
  CHECK(told == type);
  CHECK_OK(tapeloom_executor_bind_double(executor, "x", x, 2 * rows, 0));
  CHECK_OK(tapeloom_executor_bind_double(executor, "y", y, rows, 0));
  CHECK_OK(tapeloom_executor_bound_rows(executor, &bound));
  CHECK(bound == rows);
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  check_step(executor, all, rows, loss, tolerance);
  CHECK_OK(tapeloom_executor_step_range(executor, 1, 3, &loss));
  check_step(executor, all + 1, 3, loss, tolerance);
  CHECK_OK(tapeloom_executor_step_rows(executor, some, 4, &loss));
  check_step(executor, some, 4, loss, tolerance);
  CHECK_OK(tapeloom_executor_step(executor, NULL));
  CHECK_OK(tapeloom_executor_outputs(executor, &numbers));
  CHECK((numbers.as_float != NULL) == (type == TAPELOOM_FLOAT));
  CHECK((numbers.as_double != NULL) == (type == TAPELOOM_DOUBLE));
  tapeloom_executor_free(executor);
}

/* All groups side by side, in numbers of either type, with other numbers between the rows. */
static void check_side_by_side(void) {
  const uint32_t all[rows] = {0, 1, 2, 3, 4};
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_executor* executor = make(program, TAPELOOM_DOUBLE);
  double wide[5 * rows], loss = 0;
  float narrow[3 * rows];
  size_t row = 0;
  for (row = 0; row < rows; ++row) {
    narrow[3 * row] = (float)x[2 * row];
    narrow[3 * row + 1] = (float)x[2 * row + 1];
    narrow[3 * row + 2] = (float)y[row];
    memcpy(wide + 5 * row, x + 2 * row, 2 * sizeof *x);
    wide[5 * row + 2] = y[row];
    wide[5 * row + 3] = wide[5 * row + 4] = 1e6; /* not read */
  }
  CHECK_OK(tapeloom_executor_bind_float(executor, NULL, narrow, 3 * rows, 0));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  check_step(executor, all, rows, loss, 1e-14);
  CHECK_OK(tapeloom_executor_bind_double(executor, NULL, wide, 5 * rows, 5));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  check_step(executor, all, rows, loss, 1e-14);
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
}

/* 3 * 2 * u * (1 + 2), and what is uniform, frozen or not read. */
static void check_mixed(void) {
  const float numbers[2] = {1, 2};
  const uint32_t first = 0;
  tapeloom_program* program = load("mixed.tapeloom");
  tapeloom_executor* executor = make(program, TAPELOOM_FLOAT);
  tapeloom_numbers outputs, gradients;
  double loss = 0;
  CHECK_OK(tapeloom_executor_bind_float(executor, "x", numbers, 2, 0));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK(loss == 9);
  CHECK_OK(tapeloom_executor_set_uniform_input(executor, "u", 2));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK(loss == 36);
  CHECK_OK(tapeloom_executor_outputs(executor, &outputs));
  CHECK(outputs.count == 2 && number(outputs, 0) == 9 && number(outputs, 1) == 9);
  CHECK_OK(tapeloom_executor_gradients(executor, &gradients));
  CHECK(gradients.count == 2 && number(gradients, 0) == 12 && number(gradients, 1) == 0);
  CHECK_OK(tapeloom_executor_set_frozen(executor, &first, 1, 1));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK_OK(tapeloom_executor_gradients(executor, &gradients));
  CHECK(loss == 36 && number(gradients, 0) == 0);
  CHECK_OK(tapeloom_executor_set_frozen(executor, &first, 1, 0));
  CHECK_OK(tapeloom_executor_set_frozen(executor, NULL, 0, 1));
  CHECK_OK(tapeloom_executor_step(executor, NULL));
  CHECK_OK(tapeloom_executor_gradients(executor, &gradients));
  CHECK(number(gradients, 0) == 12);
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
}

/* The sum of (i / 2 - i^2 / 4)^2 for i below 12, of samples that are in the program. */
static void check_recorded(void) {
  tapeloom_program* program = load("recorded.tapeloom");
  tapeloom_executor* executor = make(program, TAPELOOM_DOUBLE);
  double loss = 0, expected = 0;
  int i = 0;
  for (i = 0; i < 12; ++i) expected += pow(0.5 * i - 0.25 * i * i, 2);
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK_NEAR(loss, expected, 1e-9);
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
}

void test_results(void) {
  check_type(TAPELOOM_DOUBLE, 1e-14);
  check_type(TAPELOOM_FLOAT, 2e-5);
  check_side_by_side();
  check_mixed();
  check_recorded();
}
