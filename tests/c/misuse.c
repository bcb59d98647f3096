/* What only C can do wrong: NULL, and options that were not initialised or are of another header. */
#include <string.h>

#include "check.h"

#define NULL_IS_MISUSE(call) CHECK_FAILS(TAPELOOM_MISUSE, "is NULL", call)

static void check_null_programs(void) {
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_program* none = program;
  const char* text = NULL;
  tapeloom_program_info info;
  NULL_IS_MISUSE(tapeloom_program_load(NULL, NULL, &none));
  CHECK(none == NULL);
  NULL_IS_MISUSE(tapeloom_program_load("line.tapeloom", NULL, NULL));
  NULL_IS_MISUSE(tapeloom_program_load_memory(NULL, 1, NULL, &none));
  NULL_IS_MISUSE(tapeloom_program_load_memory("", 1, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_program_save(NULL, "null.tapeloom"));
  NULL_IS_MISUSE(tapeloom_program_save(program, NULL));
  NULL_IS_MISUSE(tapeloom_program_get_info(NULL, &info, sizeof info));
  NULL_IS_MISUSE(tapeloom_program_get_info(program, NULL, sizeof info));
  NULL_IS_MISUSE(tapeloom_program_input_group(NULL, 0, NULL, NULL, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_program_uniform_input(NULL, 0, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_program_output(NULL, 0, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_program_parameter(NULL, 0, NULL, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_program_explain(NULL, &text));
  NULL_IS_MISUSE(tapeloom_program_explain(program, NULL));
  NULL_IS_MISUSE(tapeloom_load_options_init(NULL, sizeof(tapeloom_load_options)));
  CHECK_OK(tapeloom_program_parameter(program, 0, NULL, NULL, NULL));
  tapeloom_program_free(program);
  tapeloom_program_free(NULL);
}

static void check_null_executors(void) {
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_executor* executor = make(program, TAPELOOM_DOUBLE);
  tapeloom_executor* none = executor;
  tapeloom_writable_numbers writable;
  tapeloom_numbers numbers;
  const double rows[3] = {1, 2, 3};
  const uint32_t row = 0;
  double loss = 0;
  NULL_IS_MISUSE(tapeloom_executor_create(NULL, TAPELOOM_FLOAT, NULL, &none));
  CHECK(none == NULL);
  NULL_IS_MISUSE(tapeloom_executor_create(program, TAPELOOM_FLOAT, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_executor_create_sharing(NULL, executor, NULL, &none));
  NULL_IS_MISUSE(tapeloom_executor_create_sharing(program, NULL, NULL, &none));
  NULL_IS_MISUSE(tapeloom_executor_create_sharing(program, executor, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_executor_type(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_bind_float(NULL, NULL, NULL, 0, 0));
  NULL_IS_MISUSE(tapeloom_executor_bind_double(NULL, NULL, rows, 3, 0));
  NULL_IS_MISUSE(tapeloom_executor_bound_rows(NULL, NULL));
  NULL_IS_MISUSE(tapeloom_executor_set_uniform_input(NULL, "u", 0));
  NULL_IS_MISUSE(tapeloom_executor_set_uniform_input(executor, NULL, 0));
  CHECK_OK(tapeloom_executor_bind_double(executor, NULL, rows, 3, 0));
  NULL_IS_MISUSE(tapeloom_executor_bound_rows(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_step(NULL, &loss));
  NULL_IS_MISUSE(tapeloom_executor_step_range(NULL, 0, 1, &loss));
  NULL_IS_MISUSE(tapeloom_executor_step_rows(NULL, &row, 1, &loss));
  CHECK_OK(tapeloom_executor_step(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_loss(NULL, &loss));
  NULL_IS_MISUSE(tapeloom_executor_loss(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_outputs(NULL, &numbers));
  NULL_IS_MISUSE(tapeloom_executor_outputs(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_gradients(NULL, &numbers));
  NULL_IS_MISUSE(tapeloom_executor_gradients(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_input_gradients(NULL, &numbers));
  NULL_IS_MISUSE(tapeloom_executor_input_gradients(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_parameters(NULL, &numbers));
  NULL_IS_MISUSE(tapeloom_executor_parameters(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_writable_parameters(NULL, &writable));
  NULL_IS_MISUSE(tapeloom_executor_writable_parameters(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_set_frozen(NULL, &row, 1, 1));
  NULL_IS_MISUSE(tapeloom_executor_save_program(NULL, "null.tapeloom"));
  NULL_IS_MISUSE(tapeloom_executor_save_program(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_load_weights(NULL, "null.safetensors"));
  NULL_IS_MISUSE(tapeloom_executor_load_weights(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_save_weights(NULL, "null.safetensors"));
  NULL_IS_MISUSE(tapeloom_executor_save_weights(executor, NULL));
  NULL_IS_MISUSE(tapeloom_executor_options_init(NULL, sizeof(tapeloom_executor_options)));
  tapeloom_executor_free(executor);
  tapeloom_executor_free(NULL);
  tapeloom_program_free(program);
}

static void check_null_optimizers(void) {
  tapeloom_optimizer* sgd = NULL;
  NULL_IS_MISUSE(tapeloom_sgd_create(TAPELOOM_FLOAT, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_adam_create(TAPELOOM_FLOAT, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_sgd_options_init(NULL, sizeof(tapeloom_sgd_options)));
  NULL_IS_MISUSE(tapeloom_adam_options_init(NULL, sizeof(tapeloom_adam_options)));
  CHECK_OK(tapeloom_sgd_create(TAPELOOM_FLOAT, NULL, &sgd));
  NULL_IS_MISUSE(tapeloom_optimizer_update(NULL, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_update(sgd, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_set_learning_rate(NULL, 1));
  NULL_IS_MISUSE(tapeloom_optimizer_learning_rate(NULL, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_learning_rate(sgd, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_steps(NULL, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_steps(sgd, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_moment(NULL, 0, NULL, NULL));
  NULL_IS_MISUSE(tapeloom_optimizer_restore(NULL, 1, 0.1, NULL, 0));
  tapeloom_optimizer_free(sgd);
  tapeloom_optimizer_free(NULL);
}

void test_null_pointers(void) {
  check_null_programs();
  check_null_executors();
  check_null_optimizers();
}

/* Options and info of a header that has more fields than the library. */
static void check_newer_header(void) {
  struct {
    tapeloom_adam_options known;
    double unknown;
  } options;
  struct {
    tapeloom_program_info known;
    uint64_t unknown;
  } info;
  tapeloom_optimizer* adam = NULL;
  tapeloom_program* program = load("line.tapeloom");
  memset(&options, 0xff, sizeof options);
  CHECK_OK(tapeloom_adam_options_init(&options.known, sizeof options));
  CHECK(options.known.size == sizeof options && options.known.beta1 == 0.9 && options.unknown == 0);
  CHECK_OK(tapeloom_adam_create(TAPELOOM_FLOAT, &options.known, &adam));
  tapeloom_optimizer_free(adam);
  options.unknown = 1;
  CHECK_FAILS(TAPELOOM_MISUSE, "does not know", tapeloom_adam_create(TAPELOOM_FLOAT, &options.known, &adam));
  CHECK(adam == NULL);
  memset(&info, 0xff, sizeof info);
  CHECK_OK(tapeloom_program_get_info(program, &info.known, sizeof info));
  CHECK(info.known.inputs == 3 && info.unknown == 0);
  CHECK_FAILS(TAPELOOM_MISUSE, "size", tapeloom_program_get_info(program, &info.known, sizeof info.known - 1));
  tapeloom_program_free(program);
}

static void check_uninitialised(void) {
  tapeloom_program* program = load("line.tapeloom");
  tapeloom_executor* executor = NULL;
  tapeloom_optimizer* optimizer = NULL;
  tapeloom_load_options load_options = {0};
  tapeloom_executor_options executor_options = {0};
  tapeloom_sgd_options sgd = {0};
  tapeloom_adam_options adam = {0};
  tapeloom_program* loaded = program;
  const char* says = "tapeloom_..._init";
  CHECK_FAILS(TAPELOOM_MISUSE, says, tapeloom_program_load("line.tapeloom", &load_options, &loaded));
  CHECK(loaded == NULL);
  CHECK_FAILS(TAPELOOM_MISUSE, says, tapeloom_executor_create(program, TAPELOOM_FLOAT, &executor_options, &executor));
  CHECK_FAILS(TAPELOOM_MISUSE, says, tapeloom_sgd_create(TAPELOOM_FLOAT, &sgd, &optimizer));
  adam.size = (size_t)-1;
  CHECK_FAILS(TAPELOOM_MISUSE, says, tapeloom_adam_create(TAPELOOM_FLOAT, &adam, &optimizer));
  CHECK_FAILS(TAPELOOM_MISUSE, says, tapeloom_adam_options_init(&adam, sizeof adam - 1));
  CHECK_FAILS(TAPELOOM_MISUSE, says, tapeloom_sgd_options_init(&sgd, 0));
  CHECK_OK(tapeloom_executor_options_init(&executor_options, sizeof executor_options));
  executor_options.reserved = 1;
  CHECK_FAILS(TAPELOOM_MISUSE, "does not know",
              tapeloom_executor_create(program, TAPELOOM_FLOAT, &executor_options, &executor));
  CHECK(executor == NULL && optimizer == NULL);
  tapeloom_program_free(program);
}

static void check_names(void) {
  CHECK(tapeloom_c_version() == TAPELOOM_C_VERSION);
  CHECK(strcmp(tapeloom_status_name(TAPELOOM_OK), "TAPELOOM_OK") == 0);
  CHECK(strcmp(tapeloom_status_name(TAPELOOM_DATA_ERROR), "TAPELOOM_DATA_ERROR") == 0);
  CHECK(strcmp(tapeloom_status_name(-1), "an unknown tapeloom_status") == 0);
}

void test_options(void) {
  check_newer_header();
  check_uninitialised();
  check_names();
}
