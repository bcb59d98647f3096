#include "tapeloom/runtime/files/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/file.h"
#include "tapeloom/runtime/files/json.h"
#include "tapeloom/runtime/files/numbers.h"
#include "tapeloom/runtime/files/text.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian, and so are these copies");

constexpr std::size_t length_bytes = 8;  // of the number before the header
constexpr std::size_t longest_header = 100'000'000;
constexpr std::string_view metadata_key = "__metadata__";

/// Of a number of that type; 0 for types that are newer than this list, or smaller than a byte.
std::size_t bytes_of(std::string_view type) {
  constexpr std::pair<std::string_view, std::size_t> types[] = {
      {"F64", 8}, {"I64", 8}, {"U64", 8},     {"C64", 8},     {"F32", 4},    {"I32", 4},
      {"U32", 4}, {"F16", 2}, {"BF16", 2},    {"I16", 2},     {"U16", 2},    {"BOOL", 1},
      {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}};
  for (const auto& [name, bytes] : types) {
    if (name == type) return bytes;
  }
  return 0;
}

bool is_read(std::string_view type) { return type == "F64" || type == "F32" || type == "F16" || type == "BF16"; }

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
  const auto count = runtime::element_count(entry.shape);
  std::size_t bytes = 0;
  const bool fits =
      number == 0 || (count && !__builtin_mul_overflow(*count, number, &bytes) && entry.end - entry.begin == bytes);
  if (entry.begin > entry.end || !fits) json.fail(what + ": its data_offsets do not fit its shape and type");
  return entry;
}

template <class Number>
std::vector<Number> numbers_of(std::string_view bytes) {
  std::vector<Number> numbers(bytes.size() / sizeof(Number));
  if (!bytes.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

Tensor tensor_of(Entry&& entry, std::string_view bytes) {
  Tensor tensor{std::move(entry.name), std::move(entry.shape), {}};
  if (entry.type == "F64") {
    tensor.numbers = numbers_of<double>(bytes);
  } else if (entry.type == "F32") {
    tensor.numbers = numbers_of<float>(bytes);
  } else {
    std::vector<float> floats;
    for (const std::uint16_t bits : numbers_of<std::uint16_t>(bytes)) {
      floats.push_back(entry.type == "F16" ? runtime::float_of_half(bits) : runtime::float_of_bfloat(bits));
    }
    tensor.numbers = std::move(floats);
  }
  return tensor;
}

/// Throws DataError unless the data lie side by side.
void check_cover(const std::string& path, std::span<const Entry> entries, std::size_t first) {
  std::size_t end = 0;
  for (const Entry& entry : entries) {
    const std::string what = "the data of tensor " + runtime::json_string(entry.name);
    if (entry.begin < end) runtime::fail_at(path, first + entry.begin, what + " overlap others");
    if (entry.begin > end) runtime::fail_at(path, first + end, "a gap before " + what);
    end = entry.end;
  }
}

/// The JSON before the data.
std::string read_header(runtime::InputFile& file) {
  std::string start;
  runtime::append_bytes(file, length_bytes, start);
  if (start.size() < length_bytes) {
    runtime::fail_at(file.path(), start.size(), "the file is cut short: no safetensors header");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, start.data(), length_bytes);
  std::string header;
  if (length <= longest_header) runtime::append_bytes(file, length, header);
  if (length > longest_header || header.size() < length) {
    const std::string format = runtime::format_of(start);
    runtime::fail_at(file.path(), 0,
                     "a header of " + std::to_string(length) + " bytes is longer than " +
                         (length > longest_header ? "the format allows" : "the file") +
                         (format.empty() ? "; it is cut short or no safetensors file" : "; this is " + format));
  }
  return header;
}

/// What the header says of the tensors, in the order of their data, and the metadata.
std::vector<Entry> read_entries(std::string_view header, const std::string& path,
                                std::map<std::string, std::string>& metadata) {
  runtime::JsonReader json(header, path, length_bytes);
  if (!header.starts_with('{')) json.fail("a header begins with '{'");
  std::vector<Entry> entries;
  json.object([&](const std::string& key) {
    if (key != metadata_key) return entries.push_back(read_entry(json, key));
    json.object([&](const std::string& name) { metadata[name] = json.string(); });
  });
  json.end();
  // Tensors without numbers come first among those that begin alike.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_cover(path, entries, length_bytes + header.size());
  return entries;
}

}  // namespace

double Tensor::at(std::size_t i) const {
  if (i >= size()) {
    throw BindError("tensor \"" + name + "\" has " + std::to_string(size()) + " numbers, and no number " +
                    std::to_string(i));
  }
  return std::visit([i](const auto& all) { return static_cast<double>(all[i]); }, numbers);
}

const Tensor* TensorFile::find(std::string_view name) const& {
  const auto has_name = [name](const auto& tensor) { return tensor.name == name; };
  const auto found = std::find_if(tensors.begin(), tensors.end(), has_name);
  if (found != tensors.end()) return &*found;
  const auto other = std::find_if(others.begin(), others.end(), has_name);
  if (other == others.end()) return nullptr;
  throw BindError("tensor " + runtime::json_string(name) + " is of type " + runtime::json_string(other->type) +
                  "; F64, F32, F16 and BF16 are read");
}

namespace {

TensorFile read(const std::string& path) {
  runtime::InputFile in(path);
  const std::string header = read_header(in);
  const std::size_t first = length_bytes + header.size();
  std::size_t end = first;
  TensorFile file;
  for (Entry& entry : read_entries(header, path, file.metadata)) {
    std::string bytes;
    runtime::append_bytes(in, entry.end - entry.begin, bytes);
    end += bytes.size();
    if (end < first + entry.end) {
      runtime::fail_at(path, end,
                       "the file is cut short: the data of tensor " + runtime::json_string(entry.name) + " go on");
    }
    if (is_read(entry.type)) {
      file.tensors.push_back(tensor_of(std::move(entry), bytes));
    } else {
      file.others.push_back({std::move(entry.name), std::move(entry.type), std::move(entry.shape), std::move(bytes)});
    }
  }
  char more = 0;
  if (in.read(&more, 1) != 0) runtime::fail_at(path, end, "there is more than the tensors' data");
  return file;
}

}  // namespace

TensorFile read_safetensors(const std::string& path) {
  return runtime::with_memory_for(path, [&] { return read(path); });
}

// --- writing ---------------------------------------------------------------------------------------------------------

namespace {

/// A tensor as it is written.
struct Piece {
  std::string_view name, type;
  std::span<const std::size_t> shape;
  std::string_view bytes;
};

/// Those of the widest numbers first, so that all are aligned.
std::vector<Piece> pieces_of(const TensorFile& file) {
  std::vector<Piece> pieces;
  for (const Tensor& tensor : file.tensors) {
    std::visit(
        [&](const auto& numbers) {
          const std::string_view bytes(reinterpret_cast<const char*>(numbers.data()),
                                       numbers.size() * sizeof(numbers[0]));
          pieces.push_back({tensor.name, type_of(tensor), tensor.shape, bytes});
        },
        tensor.numbers);
  }
  for (const OtherTensor& tensor : file.others)
    pieces.push_back({tensor.name, tensor.type, tensor.shape, tensor.bytes});
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return bytes_of(a.type) > bytes_of(b.type); });
  return pieces;
}

void check_pieces(std::span<const Piece> pieces) {
  std::set<std::string_view> names = {metadata_key};
  for (const Piece& piece : pieces) {
    if (!runtime::is_utf8(piece.name)) throw BindError("a tensor's name is not UTF-8");
    const std::string what = "tensor " + runtime::json_string(piece.name);
    if (!names.insert(piece.name).second) throw BindError(what + ": another one has that name");
    if (!runtime::is_utf8(piece.type)) throw BindError(what + ": the name of its type is not UTF-8");
    const std::size_t width = bytes_of(piece.type);
    if (width == 0) continue;
    const auto count = runtime::element_count(piece.shape);
    if (count != piece.bytes.size() / width || piece.bytes.size() % width != 0) {
      throw BindError(what + " has " + std::to_string(piece.bytes.size() / width) +
                      " numbers, not as many as its shape says");
    }
  }
}

void check_metadata(const TensorFile& file) {
  for (const auto& [key, text] : file.metadata) {
    if (!runtime::is_utf8(key) || !runtime::is_utf8(text)) throw BindError("metadata that are not UTF-8");
  }
}

std::string header_of(const TensorFile& file, std::span<const Piece> pieces) {
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
  for (const Piece& piece : pieces) {
    header += runtime::json_string(piece.name) + ":{\"dtype\":" + runtime::json_string(piece.type) + ",\"shape\":[";
    for (std::size_t i = 0; i < piece.shape.size(); ++i) header += (i == 0 ? "" : ",") + std::to_string(piece.shape[i]);
    const std::size_t end = offset + piece.bytes.size();
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]},";
    offset = end;
  }
  if (header.size() > 1) header.pop_back();
  header += "}";
  header.append((length_bytes - header.size() % length_bytes) % length_bytes, ' ');
  return header;
}

}  // namespace

void write_safetensors(const std::string& path, const TensorFile& file) {
  const std::vector<Piece> pieces = pieces_of(file);
  check_pieces(pieces);
  check_metadata(file);
  const std::string header = header_of(file, pieces);
  const std::uint64_t length = header.size();
  std::string start(length_bytes, '\0');
  std::memcpy(start.data(), &length, length_bytes);
  start += header;
  std::vector<std::string_view> written = {start};
  for (const Piece& piece : pieces) written.push_back(piece.bytes);
  runtime::write_file(path, written);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
