// main() of the tests, in a translation unit of its own because version 2 compiles the whole runner here.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "catch.h"

int main(int argc, char** argv) {
  if (Catch::Session().run(argc, argv) != 0) return 1;  // Catch counts what failed, which may be skip_code
  return skipped_cases == 0 ? 0 : skip_code;
}
