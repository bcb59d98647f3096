#include "tapeloom/runtime/train/shuffle.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"

namespace tapeloom::inline TAPELOOM_ABI {

std::uint64_t SplitMix64::operator()() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

std::uint64_t SplitMix64::below(std::uint64_t count) {
  // The draws below 2^64 mod count are one too many for some remainders.
  const std::uint64_t surplus = (UINT64_MAX - count + 1) % count;
  for (;;) {
    const std::uint64_t draw = (*this)();
    if (draw >= surplus) return draw % count;
  }
}

namespace {

/// A generator for one of many streams of a seed.
SplitMix64 stream_of(std::uint64_t seed, std::uint64_t stream) {
  SplitMix64 seeds(seed);
  SplitMix64 mixed(seeds() ^ stream);
  return SplitMix64(mixed());
}

constexpr std::uint64_t split_stream = UINT64_MAX;  // no epoch's

}  // namespace

void shuffle_rows(std::span<std::uint32_t> rows, std::uint64_t seed, std::uint64_t epoch) {
  SplitMix64 random = stream_of(seed, epoch);
  // Fisher and Yates' method; std::shuffle differs between libraries.
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.below(i)]);
}

Split split_rows(std::size_t rows, double fraction, std::uint64_t seed) {
  if (!(fraction >= 0.0 && fraction < 1.0)) {
    throw BindError("the fraction of rows for validation must be in [0, 1); it is " + number_text(fraction));
  }
  if (rows > UINT32_MAX) throw BindError("more than 2^32 rows");
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  if (fraction == 0.0) return {std::move(order), {}};
  const auto wanted = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(rows)));
  const std::size_t count = std::max<std::size_t>(wanted, 1);
  if (count >= rows) {
    throw BindError("of " + std::to_string(rows) + " rows, " + std::to_string(count) +
                    " for validation leave none to train with");
  }
  shuffle_rows(order, seed, split_stream);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::sort(order.begin(), middle);
  std::sort(middle, order.end());
  return {{middle, order.end()}, {order.begin(), middle}};
}

}  // namespace tapeloom::inline TAPELOOM_ABI
