#include "tapeloom/runtime/train/shuffle.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>

#include "catch.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;

namespace {

std::vector<std::uint32_t> counted(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), std::uint32_t{0});
  return rows;
}

std::vector<std::uint32_t> shuffled(std::size_t count, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint32_t> rows = counted(count);
  shuffle_rows(rows, seed, epoch);
  return rows;
}

}  // namespace

TEST_CASE("shuffle: the generator is SplitMix64") {
  // Its first numbers from seed 1234567, as they are published with other implementations.
  SplitMix64 random(1234567);
  CHECK(random() == 6457827717110365317u);
  CHECK(random() == 3203168211198807973u);
  CHECK(random() == 9817491932198370423u);
  CHECK(random() == 4593380528125082431u);
  CHECK(random() == 16408922859458223821u);
}

TEST_CASE("shuffle: numbers below a limit are uniform") {
  SplitMix64 random(5);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts.at(random.below(6));
  for (int count : counts) CHECK(std::abs(count - 10'000) < 500);  // more than five standard deviations of 91
  CHECK(random.below(1) == 0);
  // Of a limit above 2^63 every second draw or so is refused.
  const std::uint64_t limit = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) CHECK(random.below(limit) < limit);
}

TEST_CASE("shuffle: an order is of the same rows and depends on seed and epoch alone") {
  const auto order = shuffled(100, 1, 0);
  CHECK(order != counted(100));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == counted(100));
  CHECK(shuffled(100, 1, 0) == order);
  CHECK(shuffled(100, 1, 1) != order);
  CHECK(shuffled(100, 2, 0) != order);
  CHECK(shuffled(1, 1, 0) == counted(1));
  CHECK(shuffled(0, 1, 0).empty());
}

TEST_CASE("shuffle: every order of three rows comes equally often") {
  std::map<std::vector<std::uint32_t>, int> counts;
  for (std::uint64_t epoch = 0; epoch < 12'000; ++epoch) ++counts[shuffled(3, 9, epoch)];
  REQUIRE(counts.size() == 6);
  for (const auto& [order, count] : counts) CHECK(std::abs(count - 2000) < 250);  // six standard deviations of 41
}

TEST_CASE("shuffle: a split divides the rows") {
  const Split split = split_rows(103, 0.25, 7);
  CHECK(split.validation.size() == 26);  // 25.75 rounded
  CHECK(split.training.size() == 77);
  CHECK(std::is_sorted(split.training.begin(), split.training.end()));
  CHECK(std::is_sorted(split.validation.begin(), split.validation.end()));
  std::vector<std::uint32_t> all = split.training;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  std::sort(all.begin(), all.end());
  CHECK(all == counted(103));
  CHECK(split_rows(103, 0.25, 7).validation == split.validation);
  CHECK(split_rows(103, 0.25, 8).validation != split.validation);

  CHECK(split_rows(10, 0.0, 1).training == counted(10));
  CHECK(split_rows(10, 0.0, 1).validation.empty());
  CHECK(split_rows(10, 0.001, 1).validation.size() == 1);
}

TEST_CASE("shuffle: a split that leaves nothing, and a fraction that is none, are refused") {
  CHECK_THROWS_SAYING(BindError, "must be in [0, 1)", split_rows(10, 1.0, 1));
  CHECK_THROWS_SAYING(BindError, "must be in [0, 1)", split_rows(10, -0.1, 1));
  CHECK_THROWS_SAYING(BindError, "must be in [0, 1)", split_rows(10, std::nan(""), 1));
  CHECK_THROWS_SAYING(BindError, "none to train with", split_rows(1, 0.5, 1));
  CHECK_THROWS_SAYING(BindError, "none to train with", split_rows(10, 0.99, 1));
}
