// Trains the program that ship.cpp writes, and saves it.
#include <stdio.h>
#include <tapeloom/c.h>

static int failed(tapeloom_status status) {
  if (status == TAPELOOM_OK) return 0;
  fprintf(stderr, "%s: %s\n", tapeloom_status_name(status), tapeloom_last_error());
  return 1;
}

static int train(tapeloom_executor* executor, int steps) {
  tapeloom_adam_options options;
  tapeloom_optimizer* adam = NULL;
  int bad = failed(tapeloom_adam_options_init(&options, sizeof options));
  options.learning_rate = 0.05;
  bad = bad || failed(tapeloom_adam_create(TAPELOOM_FLOAT, &options, &adam));
  for (int i = 0; i < steps && !bad; ++i) {
    bad = failed(tapeloom_executor_step(executor, NULL)) || failed(tapeloom_optimizer_update(adam, executor, NULL));
  }
  tapeloom_optimizer_free(adam);
  return bad;
}

int main(void) {
  const float rows[] = {0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0};  // x0, x1 and their exclusive or
  tapeloom_program* program = NULL;
  tapeloom_executor* executor = NULL;
  tapeloom_numbers outputs;
  double loss = 0;
  int bad = failed(tapeloom_program_load("xor.tapeloom", NULL, &program)) ||
            failed(tapeloom_executor_create(program, TAPELOOM_FLOAT, NULL, &executor)) ||
            failed(tapeloom_executor_bind_float(executor, NULL, rows, 12, 0)) || train(executor, 500) ||
            failed(tapeloom_executor_step(executor, &loss)) || failed(tapeloom_executor_outputs(executor, &outputs)) ||
            failed(tapeloom_executor_save_program(executor, "trained.tapeloom"));
  if (!bad) {
    printf("a loss %s 0.01\n", loss < 0.01 ? "below" : "above");
    for (size_t i = 0; i < outputs.count; ++i) {
      printf("%g xor %g: %.2f\n", rows[3 * i], rows[3 * i + 1], outputs.as_float[i]);
    }
  }
  tapeloom_executor_free(executor);
  tapeloom_program_free(program);
  return bad;
}
