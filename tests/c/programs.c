/* What programs tell of themselves; from files, memory, and saved again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void check_line(const tapeloom_program* program, double w0) {
  tapeloom_program_info info;
  const char *name = NULL, *text = NULL, *again = NULL;
  size_t first = 9, count = 9;
  int32_t truth = 9;
  double initial = 0;
  CHECK_OK(tapeloom_program_get_info(program, &info, sizeof info));
  CHECK(info.parameters == 3 && info.input_groups == 2 && info.inputs == 3 && info.uniform_inputs == 0);
  CHECK(info.outputs == 1 && info.guards == 0 && info.recorded_samples == 0);
  CHECK(info.has_loss == 1 && info.has_gradients == 1 && info.has_input_gradients == 1 && info.exact == 0);
  CHECK_OK(tapeloom_program_input_group(program, 0, &name, &first, &count, &truth));
  CHECK(strcmp(name, "x") == 0 && first == 0 && count == 2 && truth == 1);
  CHECK_OK(tapeloom_program_input_group(program, 1, &name, &first, &count, NULL));
  CHECK(strcmp(name, "y") == 0 && first == 2 && count == 1);
  CHECK_OK(tapeloom_program_output(program, 0, &name, &truth));
  CHECK(strcmp(name, "score") == 0 && truth == 1);
  CHECK_OK(tapeloom_program_parameter(program, 0, &name, &initial, &truth));
  CHECK(strcmp(name, "w[0]") == 0 && initial == w0 && truth == 0);
  CHECK_OK(tapeloom_program_explain(program, &text));
  CHECK(strlen(text) > 100 && strstr(text, "gradient") != NULL);
  CHECK_OK(tapeloom_program_explain(program, &again));
  CHECK(again == text);
}

static void check_mixed(void) {
  tapeloom_program* program = load("mixed.tapeloom");
  tapeloom_program_info info;
  const char* name = NULL;
  size_t first = 0, count = 0;
  int32_t truth = 9;
  double initial = 0;
  CHECK_OK(tapeloom_program_get_info(program, &info, sizeof info));
  CHECK(info.uniform_inputs == 1 && info.parameters == 2 && info.inputs == 4 && info.has_input_gradients == 0);
  CHECK_OK(tapeloom_program_uniform_input(program, 0, &name, &initial));
  CHECK(strcmp(name, "u") == 0 && initial == 0.5);
  CHECK_OK(tapeloom_program_input_group(program, 0, &name, &first, &count, &truth));
  CHECK(strcmp(name, "unread") == 0 && count == 3 && truth == 0);
  CHECK_OK(tapeloom_program_parameter(program, 1, &name, &initial, &truth));
  CHECK(strcmp(name, "q") == 0 && initial == 2.0 && truth == 1);
  CHECK_OK(tapeloom_program_output(program, 0, &name, &truth));
  CHECK(strcmp(name, "square") == 0 && truth == 0);
  tapeloom_program_free(program);
}

/* The flags of info are those of each program. */
static void check_infos(void) {
  tapeloom_program_info info;
  tapeloom_program* program = load("predict.tapeloom");
  CHECK_OK(tapeloom_program_get_info(program, &info, sizeof info));
  CHECK(info.has_loss == 0 && info.has_gradients == 0 && info.outputs == 1);
  tapeloom_program_free(program);
  program = load("exact.tapeloom");
  CHECK_OK(tapeloom_program_get_info(program, &info, sizeof info));
  CHECK(info.exact == 1 && info.outputs == 0);
  tapeloom_program_free(program);
  program = load("guarded.tapeloom");
  CHECK_OK(tapeloom_program_get_info(program, &info, sizeof info));
  CHECK(info.guards == 1);
  tapeloom_program_free(program);
  program = load("recorded.tapeloom");
  CHECK_OK(tapeloom_program_get_info(program, &info, sizeof info));
  CHECK(info.recorded_samples == 12);
  tapeloom_program_free(program);
}

static size_t read_file(const char* path, unsigned char* bytes, size_t most) {
  FILE* file = fopen(path, "rb");
  size_t count = 0;
  CHECK(file != NULL);
  if (file != NULL) {
    count = fread(bytes, 1, most, file);
    fclose(file);
  }
  CHECK(count > 0 && count < most);
  return count;
}

static void check_memory(void) {
  enum { most = 1 << 20 };
  unsigned char* bytes = malloc(most);
  tapeloom_program* program = NULL;
  size_t count = 0;
  CHECK(bytes != NULL);
  if (bytes == NULL) return;
  count = read_file("line.tapeloom", bytes, most);
  CHECK_OK(tapeloom_program_load_memory(bytes, count, NULL, &program));
  memset(bytes, 0, count); /* not needed any more */
  check_line(program, 0.5);
  CHECK_OK(tapeloom_program_save(program, "saved.tapeloom"));
  tapeloom_program_free(program);
  program = load("saved.tapeloom");
  check_line(program, 0.5);
  tapeloom_program_free(program);

  count = read_file("line.tapeloom", bytes, most);
  bytes[count / 2] ^= 1;
  program = (tapeloom_program*)bytes;
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "a program in memory", tapeloom_program_load_memory(bytes, count, NULL, &program));
  CHECK(program == NULL);
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "cut short", tapeloom_program_load_memory(bytes, 10, NULL, &program));
  CHECK_FAILS(TAPELOOM_DATA_ERROR, "cut short", tapeloom_program_load_memory(NULL, 0, NULL, &program));
  free(bytes);
}

void test_programs(void) {
  tapeloom_program* program = load("line.tapeloom");
  check_line(program, 0.5);
  tapeloom_program_free(program);
  check_mixed();
  check_infos();
  check_memory();
}
