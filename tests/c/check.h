/* What the tests of the C interface check with, in C99. A check that fails is printed, counted, and passed over. */
#ifndef TAPELOOM_TESTS_C_CHECK_H
#define TAPELOOM_TESTS_C_CHECK_H

#include <tapeloom/c.h>

/* The parts of the test. Files are read and written where it is started. */
void test_programs(void);
void test_results(void);
void test_training(void);
void test_errors(void);
void test_null_pointers(void);
void test_options(void);

void check(int good, const char* what, const char* file, int line);
void check_near(double number, double expected, double tolerance, const char* what, const char* file, int line);
void check_status(tapeloom_status status, tapeloom_status expected, const char* saying, const char* what,
                  const char* file, int line);
int failures(void);

tapeloom_program* load(const char* path);
tapeloom_executor* make(const tapeloom_program* program, tapeloom_number_type type);
/* Number i, whichever type they are of. */
double number(tapeloom_numbers numbers, size_t i);

#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_NEAR(number, expected, tolerance) \
  check_near((number), (expected), (tolerance), #number, __FILE__, __LINE__)
#define CHECK_OK(call) check_status((call), TAPELOOM_OK, NULL, #call, __FILE__, __LINE__)
/* The call fails with that status, and a message that has `saying` in it. */
#define CHECK_FAILS(status, saying, call) check_status((call), (status), (saying), #call, __FILE__, __LINE__)

#endif
