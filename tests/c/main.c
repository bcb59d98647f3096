/* Loads what programs.cpp has written where this is started, and runs it through the C interface alone. */
#include <stdio.h>

#include "check.h"

int main(void) {
  test_programs();
  test_results();
  test_training();
  test_errors();
  test_null_pointers();
  test_options();
  if (failures() > 0) {
    printf("%d checks failed\n", failures());
    return 1;
  }
  printf("Tapeloom %s, interface %u: ok\n", tapeloom_version(), (unsigned)tapeloom_c_version());
  return 0;
}
