// IDX files: see number_array.h.
#include <optional>
#include <utility>

#include "tapeloom/runtime/files/number_array.h"
#include "tapeloom/runtime/files/numbers.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

std::optional<runtime::NumberType> type_of(unsigned char code) {
  using runtime::NumberType;
  constexpr std::pair<unsigned char, NumberType> types[] = {{0x08, NumberType::u1}, {0x09, NumberType::i1},
                                                            {0x0b, NumberType::i2}, {0x0c, NumberType::i4},
                                                            {0x0d, NumberType::f4}, {0x0e, NumberType::f8}};
  for (const auto& [known, type] : types) {
    if (known == code) return type;
  }
  return std::nullopt;
}

bool fits(const std::vector<std::size_t>& shape, const std::vector<std::size_t>& wanted) {
  if (shape.size() != wanted.size()) return false;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (wanted[d] != 0 && wanted[d] != shape[d]) return false;
  }
  return true;
}

std::string wanted_text(const std::vector<std::size_t>& wanted) {
  std::string text = "[";
  for (std::size_t d = 0; d < wanted.size(); ++d) {
    text += (d == 0 ? "" : ", ") + (wanted[d] == 0 ? "any" : std::to_string(wanted[d]));
  }
  return text + "]";
}

template <class T>
NumberArray<T> read_array(const std::string& path, const std::vector<std::size_t>& shape) {
  runtime::NumberReader reader(path);
  const std::string magic = reader.bytes(4);
  if (magic.size() < 4) reader.fail(magic.size(), "the file is cut short: no IDX header");
  if (magic[0] != 0 || magic[1] != 0) {
    reader.fail(0, "an IDX file begins with two zero bytes" + runtime::but_it_is(magic + reader.bytes(8)));
  }
  const auto type = type_of(static_cast<unsigned char>(magic[2]));
  if (!type) {
    reader.fail(2, std::to_string(static_cast<unsigned char>(magic[2])) + " is not the code of a type of IDX numbers");
  }
  NumberArray<T> array;
  for (auto d = static_cast<unsigned char>(magic[3]); d > 0; --d) {
    const std::string size = reader.bytes(4);
    if (size.size() < 4) reader.fail(reader.offset(), "the file is cut short: a size is missing");
    std::size_t number = 0;
    for (const char byte : size) number = number << 8 | static_cast<unsigned char>(byte);
    array.shape.push_back(number);
  }
  if (!shape.empty() && !fits(array.shape, shape)) {
    reader.fail(3, "the numbers have the shape " + runtime::shape_text(array.shape) + ", but " + wanted_text(shape) +
                       " is needed");
  }
  const auto count = runtime::element_count(array.shape);
  if (!count) reader.fail(4, "a shape of more numbers than there can be: " + runtime::shape_text(array.shape));
  array.values = reader.numbers<T>(*type, true, *count);
  reader.end();
  return array;
}

}  // namespace

template <class T>
NumberArray<T> read_idx(const std::string& path, const std::vector<std::size_t>& shape) {
  return runtime::with_memory_for(path, [&] { return read_array<T>(path, shape); });
}

template NumberArray<float> read_idx(const std::string&, const std::vector<std::size_t>&);
template NumberArray<double> read_idx(const std::string&, const std::vector<std::size_t>&);

}  // namespace tapeloom::inline TAPELOOM_ABI
