// The comparer itself, before anything is held against it: above all that it can say no.
#include "compare.h"

#include <cstring>

#include "catch.h"

using tapeloom::test::Bound;
using tapeloom::test::close;
using tapeloom::test::inf;
using tapeloom::test::not_a_number;
using tapeloom::test::same_bits;
using tapeloom::test::ulps_between;

namespace {
constexpr double largest = std::numeric_limits<double>::max();
constexpr double tiny = std::numeric_limits<double>::denorm_min();
constexpr Bound anything{1e300, 1e300, UINT64_MAX};
constexpr Bound infinite{inf, inf, UINT64_MAX};
}  // namespace

TEST_CASE("infinity is close to the same infinity alone") {
  CHECK(close(inf, inf, Bound{}));
  CHECK(close(-inf, -inf, Bound{}));
  for (const Bound& bound : {Bound{}, anything, infinite}) {
    CHECK_FALSE(close(inf, largest, bound));
    CHECK_FALSE(close(largest, inf, bound));
    CHECK_FALSE(close(inf, 0.0, bound));
    CHECK_FALSE(close(0.0, -inf, bound));
    CHECK_FALSE(close(inf, -inf, bound));
    CHECK_FALSE(close(-inf, inf, bound));
    CHECK_FALSE(close(std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max(), bound));
  }
}

TEST_CASE("NaN is close to NaN alone") {
  CHECK(close(not_a_number, not_a_number, Bound{}));
  CHECK(close(not_a_number, -not_a_number, Bound{}));
  for (const Bound& bound : {Bound{}, anything, infinite}) {
    CHECK_FALSE(close(not_a_number, 0.0, bound));
    CHECK_FALSE(close(1.0, not_a_number, bound));
    CHECK_FALSE(close(not_a_number, inf, bound));
    CHECK_FALSE(close(-inf, not_a_number, bound));
  }
}

TEST_CASE("a bound of NaN allows nothing but equality") {
  CHECK(close(1.0, 1.0, Bound{not_a_number, not_a_number, 0}));
  CHECK_FALSE(close(1.0, 1.5, Bound{not_a_number, not_a_number, 0}));
}

TEST_CASE("finite numbers differ by a relative, an absolute or an ulp bound") {
  CHECK(close(100.0, 101.0, Bound{.relative = 0.01}));
  CHECK(close(101.0, 100.0, Bound{.relative = 0.01}));
  CHECK_FALSE(close(100.0, 101.1, Bound{.relative = 0.01}));
  CHECK_FALSE(close(1.0, -1.0, Bound{.relative = 0.5}));
  CHECK_FALSE(close(0.0, 1e-300, Bound{.relative = 0.5}));

  CHECK(close(0.0, 1e-9, Bound{.absolute = 1e-9}));
  CHECK_FALSE(close(0.0, 1.1e-9, Bound{.absolute = 1e-9}));

  const double next = std::nextafter(1.0, 2.0);
  CHECK(close(1.0, next, Bound{.ulps = 1}));
  CHECK_FALSE(close(1.0, std::nextafter(next, 2.0), Bound{.ulps = 1}));
  CHECK_FALSE(close(1.0, next, Bound{}));
}

TEST_CASE("a difference that overflows is no equality") {
  CHECK_FALSE(close(largest, -largest, Bound{.relative = 1.0}));
  CHECK_FALSE(close(largest, -largest, Bound{.absolute = largest}));
  CHECK(close(largest, largest, Bound{}));
}

TEST_CASE("both zeros are close, with different bits") {
  CHECK(close(0.0, -0.0, Bound{}));
  CHECK_FALSE(same_bits(0.0, -0.0));
  CHECK(same_bits(-0.0, -0.0));
}

TEST_CASE("same_bits tells apart neighbours and joins NaNs") {
  CHECK(same_bits(1.5, 1.5));
  CHECK_FALSE(same_bits(1.5, std::nextafter(1.5, 2.0)));
  CHECK_FALSE(same_bits(0.0, tiny));
  CHECK(same_bits(inf, inf));
  CHECK_FALSE(same_bits(inf, -inf));
  CHECK_FALSE(same_bits(inf, largest));
  CHECK(same_bits(not_a_number, -not_a_number));
  const std::uint64_t payload = 0x7ff8000000001234;
  double other_nan;
  std::memcpy(&other_nan, &payload, sizeof other_nan);
  CHECK(same_bits(not_a_number, other_nan));
  CHECK_FALSE(same_bits(not_a_number, 0.0));
  CHECK_FALSE(same_bits(1.0f, std::nextafter(1.0f, 2.0f)));
}

TEST_CASE("ulps are counted across zero and between types") {
  CHECK(ulps_between(1.0, 1.0) == 0);
  CHECK(ulps_between(0.0, -0.0) == 0);
  CHECK(ulps_between(0.0, tiny) == 1);
  CHECK(ulps_between(-tiny, tiny) == 2);
  CHECK(ulps_between(1.0, 2.0) == (std::uint64_t{1} << 52));
  CHECK(ulps_between(1.0f, 2.0f) == (std::uint64_t{1} << 23));
  CHECK(ulps_between(-largest, largest) == 2 * 0x7fefffffffffffffULL);
}
