/* Training, against the papers' formulas in plain loops in double. */
#include <math.h>
#include <string.h>

#include "check.h"

enum { rows = 4, steps = 40 };
static const double x[2 * rows] = {1, 2, -1, 0.5, 0.25, -2, 3, 1};
static const double y[rows] = {1, -1, 2, 0};

/* The gradients of the mean square at p. */
static void differentiate(const double* p, double* g) {
  size_t i = 0;
  memset(g, 0, 3 * sizeof *g);
  for (i = 0; i < rows; ++i) {
    const double by_score = 2 * (p[0] * x[2 * i] + p[1] * x[2 * i + 1] + p[2] - y[i]) / rows;
    g[0] += by_score * x[2 * i];
    g[1] += by_score * x[2 * i + 1];
    g[2] += by_score;
  }
}

static void expect_sgd(const tapeloom_sgd_options* options, double* p) {
  double v[3] = {0, 0, 0}, g[3];
  int step = 0, i = 0;
  for (step = 0; step < steps; ++step) {
    differentiate(p, g);
    for (i = 0; i < 3; ++i) {
      const double gradient = g[i] + options->weight_decay * p[i];
      v[i] = options->momentum * v[i] + gradient;
      p[i] -= options->learning_rate * (options->nesterov ? gradient + options->momentum * v[i] : v[i]);
    }
  }
}

static void expect_adam(const tapeloom_adam_options* options, double* p) {
  double m[3] = {0, 0, 0}, v[3] = {0, 0, 0}, g[3];
  int step = 0, i = 0;
  for (step = 1; step <= steps; ++step) {
    differentiate(p, g);
    for (i = 0; i < 3; ++i) {
      const double gradient = g[i] + (options->l2 ? options->weight_decay * p[i] : 0);
      m[i] = options->beta1 * m[i] + (1 - options->beta1) * gradient;
      v[i] = options->beta2 * v[i] + (1 - options->beta2) * gradient * gradient;
      if (!options->l2) p[i] -= options->learning_rate * options->weight_decay * p[i];
      p[i] -= options->learning_rate * (m[i] / (1 - pow(options->beta1, step))) /
              (sqrt(v[i] / (1 - pow(options->beta2, step))) + options->epsilon);
    }
  }
}

static tapeloom_executor* bound_executor(tapeloom_number_type type) {
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_executor* executor = make(program, type);
  CHECK_OK(tapeloom_executor_bind_double(executor, "x", x, 2 * rows, 0));
  CHECK_OK(tapeloom_executor_bind_double(executor, "y", y, rows, 0));
  tapeloom_program_free(program);
  return executor;
}

/* Trains for so many steps, and frees the optimizer. */
static void train(tapeloom_number_type type, tapeloom_optimizer* optimizer, const double* expected) {
  tapeloom_executor* executor = bound_executor(type);
  const double tolerance = type == TAPELOOM_DOUBLE ? 1e-12 : 1e-4;
  tapeloom_numbers parameters;
  uint64_t updates = 0;
  size_t i = 0;
  for (i = 0; i < steps; ++i) {
    CHECK_OK(tapeloom_executor_step(executor, NULL));
    CHECK_OK(tapeloom_optimizer_update(optimizer, executor, NULL));
  }
  CHECK_OK(tapeloom_executor_parameters(executor, &parameters));
  CHECK(parameters.count == 3);
  for (i = 0; i < 3; ++i) CHECK_NEAR(number(parameters, i), expected[i], tolerance);
  CHECK_OK(tapeloom_optimizer_steps(optimizer, &updates));
  CHECK(updates == steps);
  tapeloom_optimizer_free(optimizer);
  tapeloom_executor_free(executor);
}

static void check_optimizers(tapeloom_number_type type) {
  const double initial[3] = {0.5, -0.25, 0.125};
  double p[3];
  tapeloom_sgd_options sgd;
  tapeloom_adam_options adam;
  tapeloom_optimizer* optimizer = NULL;
  int variant = 0;
  for (variant = 0; variant < 4; ++variant) {
    CHECK_OK(tapeloom_sgd_options_init(&sgd, sizeof sgd));
    if (variant > 0) sgd.learning_rate = 0.05;
    if (variant > 1) sgd.momentum = 0.75;
    if (variant > 2) sgd.nesterov = 1, sgd.weight_decay = 0.125;
    memcpy(p, initial, sizeof p);
    expect_sgd(&sgd, p);
    CHECK_OK(tapeloom_sgd_create(type, variant > 0 ? &sgd : NULL, &optimizer));
    train(type, optimizer, p);
  }
  for (variant = 0; variant < 4; ++variant) {
    CHECK_OK(tapeloom_adam_options_init(&adam, sizeof adam));
    if (variant > 0) adam.learning_rate = 0.05, adam.beta1 = 0.75, adam.beta2 = 0.9375, adam.epsilon = 1e-3;
    if (variant > 1) adam.weight_decay = 0.125;
    if (variant > 2) adam.l2 = 1;
    memcpy(p, initial, sizeof p);
    expect_adam(&adam, p);
    CHECK_OK(tapeloom_adam_create(type, variant > 0 ? &adam : NULL, &optimizer));
    train(type, optimizer, p);
  }
}

/* Gradients of one's own, another learning rate, and parameters written by hand. */
static void check_by_hand(void) {
  tapeloom_executor* executor = bound_executor(TAPELOOM_DOUBLE);
  tapeloom_optimizer* optimizer = NULL;
  tapeloom_writable_numbers parameters;
  const double own[3] = {1, -2, 4};
  tapeloom_numbers gradients = {NULL, own, 3};
  double rate = 0, p[3] = {1, 2, 3}, g[3];
  size_t i = 0;
  CHECK_OK(tapeloom_executor_writable_parameters(executor, &parameters));
  CHECK(parameters.as_float == NULL && parameters.count == 3);
  memcpy(parameters.as_double, p, sizeof p);
  CHECK_OK(tapeloom_executor_step(executor, NULL));
  CHECK_OK(tapeloom_sgd_create(TAPELOOM_DOUBLE, NULL, &optimizer));
  CHECK_OK(tapeloom_optimizer_set_learning_rate(optimizer, 0.5));
  CHECK_OK(tapeloom_optimizer_learning_rate(optimizer, &rate));
  CHECK(rate == 0.5);
  CHECK_OK(tapeloom_optimizer_update(optimizer, executor, &gradients));
  CHECK(parameters.as_double[0] == 0.5 && parameters.as_double[1] == 3 && parameters.as_double[2] == 1);
  memcpy(p, parameters.as_double, sizeof p);
  differentiate(p, g);
  CHECK_OK(tapeloom_executor_step(executor, NULL));
  CHECK_OK(tapeloom_executor_gradients(executor, &gradients));
  for (i = 0; i < 3; ++i) CHECK_NEAR(number(gradients, i), g[i], 1e-13);
  tapeloom_optimizer_free(optimizer);
  tapeloom_executor_free(executor);
}

/* So many steps. */
static void go_on(tapeloom_executor* executor, tapeloom_optimizer* optimizer, int count) {
  int i = 0;
  for (i = 0; i < count; ++i) {
    CHECK_OK(tapeloom_executor_step(executor, NULL));
    CHECK_OK(tapeloom_optimizer_update(optimizer, executor, NULL));
  }
}

/* A run that is saved and goes on elsewhere ends with the same bits as one that is not. */
static void check_resumed(void) {
  tapeloom_executor *executor = bound_executor(TAPELOOM_FLOAT), *other = NULL;
  tapeloom_optimizer *adam = NULL, *resumed = NULL;
  tapeloom_program* saved = NULL;
  tapeloom_numbers moments[2], p, q;
  const char* name = NULL;
  size_t i = 0;
  CHECK_OK(tapeloom_adam_create(TAPELOOM_FLOAT, NULL, &adam));
  CHECK_OK(tapeloom_adam_create(TAPELOOM_FLOAT, NULL, &resumed));
  CHECK_OK(tapeloom_optimizer_moment(adam, 1, &name, moments));
  CHECK(strcmp(name, "second_moment") == 0 && moments[0].count == 0);
  CHECK_OK(tapeloom_optimizer_set_learning_rate(adam, 0.05));
  go_on(executor, adam, 7);
  CHECK_OK(tapeloom_executor_save_program(executor, "stopped.tapeloom"));
  CHECK_OK(tapeloom_optimizer_moment(adam, 0, &name, &moments[0]));
  CHECK_OK(tapeloom_optimizer_moment(adam, 1, NULL, &moments[1]));
  CHECK(strcmp(name, "first_moment") == 0 && moments[0].count == 3 && moments[1].count == 3);
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "moment 2", tapeloom_optimizer_moment(adam, 2, NULL, NULL));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "1 moments", tapeloom_optimizer_restore(resumed, 7, 0.05, moments, 1));
  CHECK_FAILS(TAPELOOM_BIND_ERROR, "learning rate", tapeloom_optimizer_restore(resumed, 7, -1, moments, 2));
  CHECK_FAILS(TAPELOOM_MISUSE, "moments is NULL", tapeloom_optimizer_restore(resumed, 7, 0.05, NULL, 2));
  CHECK_OK(tapeloom_optimizer_restore(resumed, 7, 0.05, moments, 2));
  go_on(executor, adam, 5);

  saved = load("stopped.tapeloom");
  other = make(saved, TAPELOOM_FLOAT);
  CHECK_OK(tapeloom_executor_bind_double(other, "x", x, 2 * rows, 0));
  CHECK_OK(tapeloom_executor_bind_double(other, "y", y, rows, 0));
  go_on(other, resumed, 5);
  CHECK_OK(tapeloom_executor_parameters(executor, &p));
  CHECK_OK(tapeloom_executor_parameters(other, &q));
  for (i = 0; i < 3; ++i) CHECK(p.as_float[i] == q.as_float[i]);
  CHECK_OK(tapeloom_optimizer_moment(adam, 1, NULL, &moments[0]));
  CHECK_OK(tapeloom_optimizer_moment(resumed, 1, NULL, &moments[1]));
  for (i = 0; i < 3; ++i) CHECK(moments[0].as_float[i] == moments[1].as_float[i]);
  tapeloom_optimizer_free(adam);
  tapeloom_optimizer_free(resumed);
  tapeloom_executor_free(executor);
  tapeloom_executor_free(other);
  tapeloom_program_free(saved);
}

/* What was trained is seen by who shares it, and read back from a program and from a file of tensors. */
static void check_saved(void) {
  tapeloom_executor *trained = bound_executor(TAPELOOM_DOUBLE), *sharing = NULL, *other = NULL;
  tapeloom_program *predict = load("predict.tapeloom"), *saved = NULL;
  tapeloom_writable_numbers written;
  tapeloom_numbers read;
  const double p[3] = {3, -1, 0.1};
  size_t i = 0;
  CHECK_OK(tapeloom_executor_create_sharing(predict, trained, NULL, &sharing));
  CHECK_OK(tapeloom_executor_writable_parameters(trained, &written));
  memcpy(written.as_double, p, sizeof p);
  CHECK_OK(tapeloom_executor_save_program(trained, "trained.tapeloom"));
  CHECK_OK(tapeloom_executor_save_weights(trained, "trained.safetensors"));
  tapeloom_executor_free(trained);
  CHECK_OK(tapeloom_executor_bind_double(sharing, "x", x, 2, 0));
  CHECK_OK(tapeloom_executor_step(sharing, NULL));
  CHECK_OK(tapeloom_executor_outputs(sharing, &read));
  CHECK_NEAR(number(read, 0), 3 * x[0] - x[1] + 0.1, 1e-14);

  saved = load("trained.tapeloom");
  other = make(saved, TAPELOOM_DOUBLE);
  CHECK_OK(tapeloom_executor_parameters(other, &read));
  for (i = 0; i < 3; ++i) CHECK(number(read, i) == p[i]);
  tapeloom_executor_free(other);
  other = make(predict, TAPELOOM_FLOAT);
  CHECK_OK(tapeloom_executor_load_weights(other, "trained.safetensors"));
  CHECK_OK(tapeloom_executor_parameters(other, &read));
  for (i = 0; i < 3; ++i) CHECK(read.as_float[i] == (float)p[i]);
  tapeloom_executor_free(other);
  tapeloom_executor_free(sharing);
  tapeloom_program_free(predict);
  tapeloom_program_free(saved);
}

void test_training(void) {
  check_optimizers(TAPELOOM_DOUBLE);
  check_optimizers(TAPELOOM_FLOAT);
  check_by_hand();
  check_resumed();
  check_saved();
}
