/* Errors, each with its status and message; and that handles go on after them. */
#include <stdio.h>
#include <string.h>

#include "check.h"

static const double numbers[6] = {1, 2, 3, 4, 5, 6};

static void check_files(void) {
  tapeloom_program* program = NULL;
  tapeloom_load_options options;
  FILE* file = fopen("no_program", "wb");
  CHECK(file != NULL);
  if (file != NULL) {
    fputs("something else", file);
    fclose(file);
  }
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "missing.tapeloom: ", tapeloom_program_load("missing.tapeloom", NULL, &program));
  CHECK(program == NULL);
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "a saved program begins with", tapeloom_program_load("no_program", NULL, &program));
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "behind a zero", tapeloom_program_load("named.tapeloom", NULL, &program));
  CHECK_OK(tapeloom_load_options_init(&options, sizeof options));
  CHECK(options.max_samples == 1024 && options.max_operations == UINT64_C(1000000000000));
  options.max_bytes = 20;
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "max_bytes = 20", tapeloom_program_load("line.tapeloom", &options, &program));
  CHECK_OK(tapeloom_load_options_init(&options, sizeof options));
  options.max_operations = 3;
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "max_operations = 3", tapeloom_program_load("line.tapeloom", &options, &program));
  CHECK(program == NULL);
  program = load("line.tapeloom");
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "missing/", tapeloom_program_save(program, "missing/line.tapeloom"));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "parameter 3 of a program that has 3",
              tapeloom_program_parameter(program, 3, NULL, NULL, NULL));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "input group 2", tapeloom_program_input_group(program, 2, NULL, NULL, NULL, NULL));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "uniform input 0", tapeloom_program_uniform_input(program, 0, NULL, NULL));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "output 1", tapeloom_program_output(program, 1, NULL, NULL));
  tapeloom_program_free(program);
}

static void check_executors(void) {
  tapeloom_program *line = load("line.tapeloom"), *exact = load("exact.tapeloom"), *mixed = load("mixed.tapeloom");
  tapeloom_executor *executor = NULL, *other = NULL;
  tapeloom_executor_options options;
  CHECK_OK(tapeloom_executor_options_init(&options, sizeof options));
  CHECK(options.max_samples == 1024 && options.threads == 0 && options.check_finite == 0);
  options.max_samples = 0;
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "max_samples is 0",
              tapeloom_executor_create(line, TAPELOOM_FLOAT, &options, &executor));
  CHECK(executor == NULL);
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "exact", tapeloom_executor_create(exact, TAPELOOM_FLOAT, NULL, &executor));
  CHECK_FAILS(TAPELOOM_MISUSE, "number type is 3", tapeloom_executor_create(line, 3, NULL, &executor));
  executor = make(line, TAPELOOM_FLOAT);
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "\"p\"", tapeloom_executor_create_sharing(mixed, executor, NULL, &other));
  CHECK(other == NULL);
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "missing", tapeloom_executor_load_weights(executor, "missing.safetensors"));
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "missing", tapeloom_executor_save_weights(executor, "missing/file"));
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "missing", tapeloom_executor_save_program(executor, "missing/file"));
  CHECK_OK(tapeloom_executor_save_weights(executor, "line.safetensors"));
  CHECK_OK(tapeloom_executor_create(mixed, TAPELOOM_FLOAT, NULL, &other));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "\"p\"", tapeloom_executor_load_weights(other, "line.safetensors"));
  tapeloom_executor_free(executor);
  tapeloom_executor_free(other);
  tapeloom_program_free(line);
  tapeloom_program_free(exact);
  tapeloom_program_free(mixed);
}

/* One executor through all of them, which computes what it should afterwards. */
static void check_steps(void) {
  const uint32_t wrong_row = 2, wrong_parameter = 7;
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_executor_options options;
  tapeloom_executor* executor = NULL;
  tapeloom_numbers read;
  double loss = 0;
  CHECK_OK(tapeloom_executor_options_init(&options, sizeof options));
  options.max_samples = 2;
  options.check_finite = 1;
  CHECK_OK(tapeloom_executor_create(program, TAPELOOM_DOUBLE, &options, &executor));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "", tapeloom_executor_step(executor, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no results", tapeloom_executor_outputs(executor, &read));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no results", tapeloom_executor_loss(executor, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "\"z\"", tapeloom_executor_bind_double(executor, "z", numbers, 6, 0));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "whole number", tapeloom_executor_bind_double(executor, "x", numbers, 5, 0));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no rows", tapeloom_executor_bind_float(executor, "x", NULL, 0, 0));
  CHECK_FAILS(TAPELOOM_MISUSE, "numbers is NULL", tapeloom_executor_bind_float(executor, "x", NULL, 2, 0));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "\"u\"", tapeloom_executor_set_uniform_input(executor, "u", 1));
  {
    const double zero = 0, not_finite[3] = {1, 2, 1 / zero};
    CHECK_FAILS(TAPELOOM_BIND_ERROR, "not finite", tapeloom_executor_bind_double(executor, NULL, not_finite, 3, 0));
  }
  CHECK_OK(tapeloom_executor_bind_double(executor, NULL, numbers, 6, 0));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "", tapeloom_executor_step_rows(executor, &wrong_row, 1, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "", tapeloom_executor_step_range(executor, 1, 2, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "", tapeloom_executor_step_rows(executor, NULL, 0, &loss));
  CHECK_FAILS(TAPELOOM_MISUSE, "rows is NULL", tapeloom_executor_step_rows(executor, NULL, 1, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "parameter 7", tapeloom_executor_set_frozen(executor, &wrong_parameter, 1, 1));
  CHECK_FAILS(TAPELOOM_MISUSE, "parameters is NULL", tapeloom_executor_set_frozen(executor, NULL, 1, 1));
  CHECK(loss == 0);
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK_NEAR(loss, ((0.125 - 3) * (0.125 - 3) + (0.875 - 6) * (0.875 - 6)) / 2, 1e-14);
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "", tapeloom_executor_step_range(executor, 0, 3, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no results", tapeloom_executor_gradients(executor, &read));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no results", tapeloom_executor_input_gradients(executor, &read));
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
}

/* What a program was not compiled for. */
static void check_missing(void) {
  tapeloom_program* program = load("predict.tapeloom");
  tapeloom_executor* executor = make(program, TAPELOOM_FLOAT);
  tapeloom_optimizer* adam = NULL;
  tapeloom_numbers read = {NULL, NULL, 77};
  const uint32_t first = 0;
  double loss = 5;
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "row_stride", tapeloom_executor_bind_double(executor, NULL, numbers, 6, 0));
  CHECK_OK(tapeloom_executor_bind_double(executor, "x", numbers, 6, 0));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK(loss == 0);
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "inference", tapeloom_executor_loss(executor, &loss));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "gradients", tapeloom_executor_gradients(executor, &read));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "input_gradients", tapeloom_executor_input_gradients(executor, &read));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "set_frozen", tapeloom_executor_set_frozen(executor, &first, 1, 1));
  CHECK(read.count == 77);
  CHECK_OK(tapeloom_adam_create(TAPELOOM_FLOAT, NULL, &adam));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "needs gradients", tapeloom_optimizer_update(adam, executor, NULL));
  tapeloom_optimizer_free(adam);
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
}

static void check_guards(void) {
  const float good[3] = {1, 2, 3}, bad[3] = {1, 2, -3};
  tapeloom_program* program = load("guarded.tapeloom");
  tapeloom_executor* executor = make(program, TAPELOOM_FLOAT);
  size_t guard = 9, sample = 9;
  double loss = 0;
  CHECK_OK(tapeloom_executor_bind_float(executor, "x", bad, 3, 0));
  CHECK_FAILS(TAPELOOM_GUARD_ERROR, "sample 2", tapeloom_executor_step(executor, &loss));
  CHECK(tapeloom_last_guard(&guard, &sample) == 1 && guard == 0 && sample == 2);
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no results", tapeloom_executor_loss(executor, &loss));
  CHECK(tapeloom_last_guard(&guard, &sample) == 0);
  CHECK_OK(tapeloom_executor_step_range(executor, 0, 2, &loss));
  CHECK(loss == 6);
  CHECK_FAILS(TAPELOOM_GUARD_ERROR, "sample 0", tapeloom_executor_step_range(executor, 2, 1, &loss));
  CHECK(tapeloom_last_guard(NULL, NULL) == 1);
  CHECK_OK(tapeloom_executor_bind_float(executor, "x", good, 3, 0));
  CHECK_OK(tapeloom_executor_step(executor, &loss));
  CHECK(loss == 12 && tapeloom_last_guard(NULL, &sample) == 1 && sample == 0); /* successes leave it alone */
  CHECK(strstr(tapeloom_last_error(), "sample 0") != NULL);
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
}

static void check_optimizers(void) {
  const double own[4] = {0, 0, 0, 0};
  const tapeloom_numbers too_many = {NULL, own, 4}, none = {NULL, NULL, 3};
  tapeloom_program *line = load("line.tapeloom"), *mixed = load("mixed.tapeloom");
  tapeloom_executor *executor = make(line, TAPELOOM_DOUBLE), *other = make(mixed, TAPELOOM_DOUBLE);
  tapeloom_executor* in_float = make(line, TAPELOOM_FLOAT);
  tapeloom_sgd_options sgd;
  tapeloom_adam_options adam;
  tapeloom_optimizer* optimizer = NULL;
  uint64_t steps = 9;
  CHECK_OK(tapeloom_sgd_options_init(&sgd, sizeof sgd));
  sgd.nesterov = 1;
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "momentum", tapeloom_sgd_create(TAPELOOM_DOUBLE, &sgd, &optimizer));
  CHECK_OK(tapeloom_adam_options_init(&adam, sizeof adam));
  adam.beta2 = 1;
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "beta2", tapeloom_adam_create(TAPELOOM_DOUBLE, &adam, &optimizer));
  CHECK_FAILS(TAPELOOM_MISUSE, "number type is 0", tapeloom_adam_create(0, NULL, &optimizer));
  CHECK(optimizer == NULL);
  CHECK_OK(tapeloom_adam_create(TAPELOOM_DOUBLE, NULL, &optimizer));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "learning rate", tapeloom_optimizer_set_learning_rate(optimizer, -1));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "no results", tapeloom_optimizer_update(optimizer, executor, NULL));
  CHECK_OK(tapeloom_executor_bind_double(executor, NULL, numbers, 6, 0));
  CHECK_OK(tapeloom_executor_step(executor, NULL));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "4 gradients", tapeloom_optimizer_update(optimizer, executor, &too_many));
  CHECK_FAILS(TAPELOOM_MISUSE, "TAPELOOM_DOUBLE", tapeloom_optimizer_update(optimizer, executor, &none));
  CHECK_FAILS(TAPELOOM_MISUSE, "TAPELOOM_DOUBLE", tapeloom_optimizer_update(optimizer, in_float, NULL));
  CHECK_OK(tapeloom_optimizer_steps(optimizer, &steps));
  CHECK(steps == 0);
  CHECK_OK(tapeloom_optimizer_update(optimizer, executor, NULL));
  CHECK_OK(tapeloom_executor_bind_double(other, "x", numbers, 6, 0));
  CHECK_OK(tapeloom_executor_step(other, NULL));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "has been updating 3", tapeloom_optimizer_update(optimizer, other, NULL));
  CHECK_OK(tapeloom_optimizer_steps(optimizer, &steps));
  CHECK(steps == 1);
  tapeloom_optimizer_free(optimizer);
  tapeloom_executor_free(executor);
  tapeloom_executor_free(other);
  tapeloom_executor_free(in_float);
  tapeloom_program_free(line);
  tapeloom_program_free(mixed);
}

void test_errors(void) {
  check_files();
  check_executors();
  check_steps();
  check_missing();
  check_guards();
  check_optimizers();
}
