#include "tapeloom/runtime/files/numbers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

static_assert(std::endian::native == std::endian::little);

/// A half as it lies in a file.
struct Half {
  std::uint16_t bits;
  operator float() const { return float_of_half(bits); }
};

template <class Number, class T>
void convert(const char* bytes, bool big_endian, std::size_t count, T* out) {
  for (std::size_t i = 0; i < count; ++i) {
    char one[sizeof(Number)];
    std::memcpy(one, bytes + i * sizeof(Number), sizeof(Number));
    if (sizeof(Number) > 1 && big_endian) std::reverse(one, one + sizeof(Number));
    Number number;
    std::memcpy(&number, one, sizeof(Number));
    out[i] = static_cast<T>(number);
  }
}

template <class T>
void convert(NumberType type, const char* bytes, bool big_endian, std::size_t count, T* out) {
  switch (type) {
    case NumberType::u1:
      return convert<std::uint8_t>(bytes, big_endian, count, out);
    case NumberType::u2:
      return convert<std::uint16_t>(bytes, big_endian, count, out);
    case NumberType::u4:
      return convert<std::uint32_t>(bytes, big_endian, count, out);
    case NumberType::u8:
      return convert<std::uint64_t>(bytes, big_endian, count, out);
    case NumberType::i1:
      return convert<std::int8_t>(bytes, big_endian, count, out);
    case NumberType::i2:
      return convert<std::int16_t>(bytes, big_endian, count, out);
    case NumberType::i4:
      return convert<std::int32_t>(bytes, big_endian, count, out);
    case NumberType::i8:
      return convert<std::int64_t>(bytes, big_endian, count, out);
    case NumberType::f2:
      return convert<Half>(bytes, big_endian, count, out);
    case NumberType::f4:
      return convert<float>(bytes, big_endian, count, out);
    case NumberType::f8:
      return convert<double>(bytes, big_endian, count, out);
  }
}

}  // namespace

std::size_t bytes_of(NumberType type) {
  switch (type) {
    case NumberType::u1:
    case NumberType::i1:
      return 1;
    case NumberType::u2:
    case NumberType::i2:
    case NumberType::f2:
      return 2;
    case NumberType::u4:
    case NumberType::i4:
    case NumberType::f4:
      return 4;
    case NumberType::u8:
    case NumberType::i8:
    case NumberType::f8:
      return 8;
  }
  return 0;
}

float float_of_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  const float magnitude = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                          : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                          : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float float_of_bfloat(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::size_t NumberReader::fill(char* buffer, std::size_t count) {
  std::size_t held = 0;
  while (held < count) {
    const std::size_t more = source_->read(buffer + held, count - held);
    if (more == 0) break;
    held += more;
  }
  offset_ += held;
  return held;
}

std::string NumberReader::bytes(std::size_t count) {
  std::string bytes(count, '\0');
  bytes.resize(fill(bytes.data(), count));
  return bytes;
}

template <class T>
std::vector<T> NumberReader::numbers(NumberType type, bool big_endian, std::size_t count) {
  constexpr std::size_t some = 1U << 16;
  const std::size_t width = bytes_of(type);
  std::vector<T> numbers;
  // Where the file says how much there is; what else grows as it is read.
  numbers.reserve(std::min(count, source_->size() / width));
  std::vector<char> buffer(some * width);
  while (numbers.size() < count) {
    const std::size_t now = std::min(some, count - numbers.size());
    const std::size_t held = fill(buffer.data(), now * width) / width;
    const std::size_t before = numbers.size();
    numbers.resize(before + held);
    convert(type, buffer.data(), big_endian, held, numbers.data() + before);
    if (held < now) {
      fail(offset_, "the file is cut short: " + std::to_string(numbers.size()) + " of " + std::to_string(count) +
                        " numbers are there");
    }
  }
  return numbers;
}

void NumberReader::end() {
  char more = 0;
  const std::size_t here = offset_;
  if (fill(&more, 1) != 0) fail(here, "the file goes on behind its last number");
}

std::optional<std::size_t> element_count(std::span<const std::size_t> shape) {
  std::size_t count = 1;
  for (std::size_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) return std::nullopt;
  }
  if (count > PTRDIFF_MAX / sizeof(double)) return std::nullopt;
  return count;
}

std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

template std::vector<float> NumberReader::numbers(NumberType, bool, std::size_t);
template std::vector<double> NumberReader::numbers(NumberType, bool, std::size_t);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
