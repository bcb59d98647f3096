#include "tapeloom/runtime/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "tapeloom/core/error.h"
#include "tapeloom/runtime/file.h"
#include "tapeloom/runtime/json.h"
#include "tapeloom/runtime/numbers.h"

namespace tapeloom::inline v0_1 {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian, and so are these copies");

constexpr std::size_t length_bytes = 8;  // of the number before the header
constexpr std::size_t longest_header = 100'000'000;
constexpr std::string_view metadata_key = "__metadata__";

std::size_t bytes_of(std::string_view type) {
  if (type == "F64") return 8;
  if (type == "F32") return 4;
  return type == "F16" || type == "BF16" ? 2 : 0;
}

std::string_view type_of(const Tensor& tensor) {
  return std::holds_alternative<std::vector<double>>(tensor.numbers) ? "F64" : "F32";
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// What the header says of a tensor.
struct Entry {
  std::string name, type;
  std::vector<std::size_t> shape;
  std::size_t begin = 0, end = 0;
};

Entry read_entry(runtime::JsonReader& json, const std::string& name) {
  Entry entry{name, {}, {}, 0, 0};
  bool has_type = false, has_shape = false, has_offsets = false;
  json.object([&](const std::string& key) {
    if (key == "dtype") {
      entry.type = json.string();
      has_type = true;
    } else if (key == "shape") {
      json.array([&] { entry.shape.push_back(json.unsigned_number()); });
      has_shape = true;
    } else if (key == "data_offsets") {
      std::vector<std::size_t> offsets;
      json.array([&] { offsets.push_back(json.unsigned_number()); });
      if (offsets.size() != 2) json.fail("data_offsets are two numbers");
      entry.begin = offsets[0];
      entry.end = offsets[1];
      has_offsets = true;
    } else {
      json.skip();
    }
  });
  const std::string what = "tensor " + runtime::json_string(name);
  if (!has_type || !has_shape || !has_offsets) json.fail(what + " lacks dtype, shape or data_offsets");
  const std::size_t number = bytes_of(entry.type);
  if (number == 0)
    json.fail(what + " is of type " + runtime::json_string(entry.type) + "; F64, F32, F16 and BF16 are read");
  const auto count = runtime::element_count(entry.shape);
  std::size_t bytes = 0;
  if (entry.begin > entry.end || !count || __builtin_mul_overflow(*count, number, &bytes) ||
      entry.end - entry.begin != bytes) {
    json.fail(what + ": its data_offsets do not fit its shape and type");
  }
  return entry;
}

float float_of_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  float magnitude = exponent == 31  ? (fraction == 0 ? INFINITY : NAN)
                    : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                    : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float float_of_bfloat(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

template <class Number>
std::vector<Number> numbers_of(std::string_view bytes) {
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  if (!bytes.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

Tensor read_tensor(Entry&& entry, std::string_view bytes) {
  Tensor tensor{std::move(entry.name), std::move(entry.shape), {}};
  if (entry.type == "F64") {
    tensor.numbers = numbers_of<double>(bytes);
  } else if (entry.type == "F32") {
    tensor.numbers = numbers_of<float>(bytes);
  } else {
    std::vector<float> floats;
    for (const std::uint16_t bits : numbers_of<std::uint16_t>(bytes)) {
      floats.push_back(entry.type == "F16" ? float_of_half(bits) : float_of_bfloat(bits));
    }
    tensor.numbers = std::move(floats);
  }
  return tensor;
}

/// Throws DataError unless the data lie side by side and fill the file to its end.
void check_cover(const std::string& path, std::span<const Entry> entries, std::size_t first, std::size_t size) {
  std::size_t end = 0;
  for (const Entry& entry : entries) {
    const std::string what = "the data of tensor " + runtime::json_string(entry.name);
    if (entry.begin < end) runtime::fail_at(path, first + entry.begin, what + " overlap others");
    if (entry.begin > end) runtime::fail_at(path, first + end, "a gap before " + what);
    if (entry.end > size) runtime::fail_at(path, first + size, "the file is cut short: " + what + " go on");
    end = entry.end;
  }
  if (end != size) runtime::fail_at(path, first + end, "there is more than the tensors' data");
}

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const& {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

TensorFile read_safetensors(const std::string& path) {
  const std::string bytes = runtime::read_file(path);
  if (bytes.size() < length_bytes) runtime::fail_at(path, bytes.size(), "the file is cut short: no safetensors header");
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), length_bytes);
  if (header > longest_header || header > bytes.size() - length_bytes) {
    runtime::fail_at(path, 0,
                     "a header of " + std::to_string(header) + " bytes is longer than " +
                         (header > longest_header ? "the format allows" : "the file") +
                         "; it is cut short or no safetensors file");
  }
  const std::string_view text = std::string_view(bytes).substr(length_bytes, header);
  runtime::JsonReader json(text, path, length_bytes);
  if (!text.starts_with('{')) json.fail("a header begins with '{'");
  TensorFile file;
  std::vector<Entry> entries;
  json.object([&](const std::string& key) {
    if (key != metadata_key) return entries.push_back(read_entry(json, key));
    json.object([&](const std::string& name) { file.metadata[name] = json.string(); });
  });
  json.end();
  // Tensors without numbers come first among those that begin alike.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  const std::string_view data = std::string_view(bytes).substr(length_bytes + header);
  check_cover(path, entries, length_bytes + header, data.size());
  for (Entry& entry : entries) {
    const std::string_view own = data.substr(entry.begin, entry.end - entry.begin);
    file.tensors.push_back(read_tensor(std::move(entry), own));
  }
  return file;
}

// --- writing ---------------------------------------------------------------------------------------------------------

namespace {

void check_tensors(const TensorFile& file) {
  std::set<std::string_view> names = {metadata_key};
  for (const Tensor& tensor : file.tensors) {
    if (!runtime::is_utf8(tensor.name)) throw BindError("a tensor's name is not UTF-8");
    const std::string what = "tensor " + runtime::json_string(tensor.name);
    if (!names.insert(tensor.name).second) throw BindError(what + ": another one has that name");
    if (runtime::element_count(tensor.shape) != tensor.size()) {
      throw BindError(what + " has " + std::to_string(tensor.size()) + " numbers, not as many as its shape says");
    }
  }
  for (const auto& [key, text] : file.metadata) {
    if (!runtime::is_utf8(key) || !runtime::is_utf8(text)) throw BindError("metadata that are not UTF-8");
  }
}

}  // namespace

void write_safetensors(const std::string& path, const TensorFile& file) {
  check_tensors(file);
  // Doubles first, so that all numbers are aligned.
  std::vector<const Tensor*> order;
  for (const std::string_view type : {"F64", "F32"}) {
    for (const Tensor& tensor : file.tensors) {
      if (type_of(tensor) == type) order.push_back(&tensor);
    }
  }
  std::string header = "{";
  if (!file.metadata.empty()) {
    header += runtime::json_string(metadata_key) + ":{";
    for (const auto& [key, text] : file.metadata) {
      header += runtime::json_string(key) + ":" + runtime::json_string(text) + ",";
    }
    header.back() = '}';
    header += ",";
  }
  std::size_t offset = 0;
  for (const Tensor* tensor : order) {
    header +=
        runtime::json_string(tensor->name) + ":{\"dtype\":" + runtime::json_string(type_of(*tensor)) + ",\"shape\":[";
    for (std::size_t i = 0; i < tensor->shape.size(); ++i) {
      header += (i == 0 ? "" : ",") + std::to_string(tensor->shape[i]);
    }
    const std::size_t end = offset + tensor->size() * bytes_of(type_of(*tensor));
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]},";
    offset = end;
  }
  if (header.size() > 1) header.pop_back();
  header += "}";
  header.append((length_bytes - header.size() % length_bytes) % length_bytes, ' ');

  const std::uint64_t length = header.size();
  std::string bytes(length_bytes, '\0');
  std::memcpy(bytes.data(), &length, length_bytes);
  bytes.reserve(length_bytes + header.size() + offset);
  bytes += header;
  for (const Tensor* tensor : order) {
    std::visit(
        [&](const auto& numbers) {
          bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0]));
        },
        tensor->numbers);
  }
  runtime::write_file(path, bytes);
}

}  // namespace tapeloom::inline v0_1
