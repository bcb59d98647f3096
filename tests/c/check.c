#include "check.h"

#include <stdio.h>
#include <string.h>

static int failed = 0;

void check(int good, const char* what, const char* file, int line) {
  if (good) return;
  ++failed;
  printf("%s:%d: not so: %s\n", file, line, what);
}

void check_near(double number, double expected, double tolerance, const char* what, const char* file, int line) {
  const double off = number - expected;
  if (off <= tolerance && -off <= tolerance) return;
  ++failed;
  printf("%s:%d: %s is %.17g and not %.17g\n", file, line, what, number, expected);
}

void check_status(tapeloom_status status, tapeloom_status expected, const char* saying, const char* what,
                  const char* file, int line) {
  const char* message = tapeloom_last_error();
  if (status == expected && (saying == NULL || strstr(message, saying) != NULL)) return;
  ++failed;
  printf("%s:%d: %s gives %s and not %s; the last error: %s\n", file, line, what, tapeloom_status_name(status),
         tapeloom_status_name(expected), message);
}

int failures(void) { return failed; }

tapeloom_program* load(const char* path) {
  tapeloom_program* program = NULL;
  CHECK_OK(tapeloom_program_load(path, NULL, &program));
  return program;
}

tapeloom_executor* make(const tapeloom_program* program, tapeloom_number_type type) {
  tapeloom_executor* executor = NULL;
  CHECK_OK(tapeloom_executor_create(program, type, NULL, &executor));
  return executor;
}

double number(tapeloom_numbers numbers, size_t i) {
  return numbers.as_float != NULL ? (double)numbers.as_float[i] : numbers.as_double[i];
}
