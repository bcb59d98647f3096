// The stream against what CPython 3.11 prints for random.seed(seed); [random.uniform(-1, 1) for _ in range(5000)]:
// its first two numbers and its last, which the generator's state has been renewed sixteen times for.
#include <cstdint>

#include "catch.h"
#include "examples/notebooks/python_random.h"

using tapeloom::examples::PythonRandom;

TEST_CASE("the numbers of Python's random module") {
  struct Expected {
    std::int64_t seed;
    double first, second, last;
  };
  const Expected all[] = {
      {0, 0.6888437030500962, 0.515908805880605, 0.9867484385754355},
      {1, -0.7312715117751976, 0.6948674738744653, -0.08088807558233158},
      {42, 0.2788535969157675, -0.9499784895546661, -0.29229331125161995},
      {-42, 0.2788535969157675, -0.9499784895546661, -0.29229331125161995},
      {1099511627783, 0.2274075559873021, 0.6298325946618974, 0.39462558504597944},
      {4294967295, 0.27071488826823464, -0.5936001209118449, 0.5820457476589753},
      {4294967296, -0.7740113980872718, -0.16434227027414328, -0.5816709848379724},
  };
  for (const Expected& expected : all) {
    CAPTURE(expected.seed);
    PythonRandom random(expected.seed);
    CHECK(random.uniform(-1.0, 1.0) == expected.first);
    CHECK(random.uniform(-1.0, 1.0) == expected.second);
    double last = 0.0;
    for (int i = 2; i < 5000; ++i) last = random.uniform(-1.0, 1.0);
    CHECK(last == expected.last);
  }
}
