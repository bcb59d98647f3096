// NumPy's files and archives: see number_array.h.
#include <bit>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/file.h"
#include "tapeloom/runtime/files/number_array.h"
#include "tapeloom/runtime/files/numbers.h"
#include "tapeloom/runtime/files/text.h"
#include "tapeloom/runtime/files/zip_file.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t longest_header = 1U << 20;
constexpr std::size_t alignment = 64;  // of the numbers

// --- the header: a Python dictionary of three members ----------------------------------------------------------------

struct Header {
  runtime::NumberType type = runtime::NumberType::u1;
  bool big_endian = false, fortran_order = false, of_truths = false;
  std::vector<std::size_t> shape;
};

/// "<f4" and the like.
bool read_type(std::string_view text, Header& header) {
  constexpr std::pair<std::string_view, runtime::NumberType> types[] = {
      {"b1", runtime::NumberType::u1}, {"u1", runtime::NumberType::u1}, {"u2", runtime::NumberType::u2},
      {"u4", runtime::NumberType::u4}, {"u8", runtime::NumberType::u8}, {"i1", runtime::NumberType::i1},
      {"i2", runtime::NumberType::i2}, {"i4", runtime::NumberType::i4}, {"i8", runtime::NumberType::i8},
      {"f2", runtime::NumberType::f2}, {"f4", runtime::NumberType::f4}, {"f8", runtime::NumberType::f8}};
  if (text.size() != 3) return false;
  const char order = text[0];
  for (const auto& [name, type] : types) {
    if (text.substr(1) != name) continue;
    header.type = type;
    header.big_endian = order == '>';
    header.of_truths = name == "b1";
    return order == '<' || order == '>' || order == '=' || (order == '|' && runtime::bytes_of(type) == 1);
  }
  return false;
}

class HeaderReader {
 public:
  HeaderReader(std::string_view text, const runtime::NumberReader& file, std::size_t offset)
      : text_(text), file_(file), offset_(offset) {}

  Header read() {
    Header header;
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      const std::size_t which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : 3;
      if (which == 3) fail("an unknown member " + runtime::shown(key));
      if (std::exchange(seen[which], true)) fail("the member \"" + key + "\" is there twice");
      if (which == 0) {
        type(header);
      } else if (which == 1) {
        header.fortran_order = truth();
      } else {
        header.shape = tuple();
      }
      if (!accept(',') && peek() != '}') fail("',' or '}' is missing here");
    }
    if (!seen[0] || !seen[1] || !seen[2]) fail("descr, fortran_order or shape is missing");
    if (peek() != '\0' || at_ < text_.size()) fail("the header goes on behind its '}'");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { file_.fail(offset_ + at_, "NumPy's header: " + what); }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("'") + c + "' is missing here");
  }
  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("a text in quotes is missing here");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) fail("a text is not closed");
    const std::string text(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return text;
  }
  void type(Header& header) {
    if (peek() == '[') fail("records are not read, only arrays of plain numbers");
    const std::size_t here = at_;
    const std::string text = string();
    if (read_type(text, header)) return;
    at_ = here;
    fail("numbers of type " + runtime::shown(text) + " are not read");
  }
  bool truth() {
    peek();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    fail("True or False is missing here");
  }
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> sizes;
    expect('(');
    while (!accept(')')) {
      peek();
      std::size_t size = 0;
      const auto [stop, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), size);
      if (error != std::errc()) fail("a size is missing here or too large");
      at_ = static_cast<std::size_t>(stop - text_.data());
      accept('L');  // of Python 2
      sizes.push_back(size);
      if (!accept(',') && peek() != ')') fail("',' or ')' is missing here");
    }
    return sizes;
  }

  std::string_view text_;
  const runtime::NumberReader& file_;
  std::size_t offset_;
  std::size_t at_ = 0;
};

Header read_header(runtime::NumberReader& file) {
  const std::string start = file.bytes(magic.size() + 2);
  if (start.size() < magic.size() + 2 || !start.starts_with(magic)) {
    file.fail(0, "a NumPy file begins with \\x93NUMPY and a version" + runtime::but_it_is(start + file.bytes(8)));
  }
  const int version = static_cast<unsigned char>(start[magic.size()]);
  if (version < 1 || version > 3) {
    file.fail(magic.size(), "version " + std::to_string(version) + " of NumPy's format; 1, 2 and 3 are read");
  }
  const std::size_t width = version == 1 ? 2 : 4;
  const std::string size = file.bytes(width);
  std::uint32_t length = 0;
  std::memcpy(&length, size.data(), size.size());
  if (size.size() == width && length > longest_header) {
    file.fail(magic.size() + 2,
              "a header of " + std::to_string(length) + " bytes; no array of numbers has one so long");
  }
  const std::size_t begin = file.offset();
  const std::string text = file.bytes(length);
  if (size.size() < width || text.size() < length) {
    file.fail(file.offset(), "the file is cut short: NumPy's header is not all there");
  }
  return HeaderReader(text, file, begin).read();
}

// --- the order -------------------------------------------------------------------------------------------------------

/// Calls move(row-major place, Fortran place) for every number.
template <class F>
void each_place(const std::vector<std::size_t>& shape, std::size_t count, F move) {
  std::vector<std::size_t> index(shape.size()), step(shape.size(), 1);  // of Fortran order
  for (std::size_t d = 1; d < shape.size(); ++d) step[d] = step[d - 1] * shape[d - 1];
  std::size_t place = 0;
  for (std::size_t i = 0; i < count; ++i) {
    move(i, place);
    for (std::size_t d = shape.size(); d-- > 0;) {
      place += step[d];
      if (++index[d] < shape[d]) break;
      place -= step[d] * shape[d];
      index[d] = 0;
    }
  }
}

template <class T>
std::string type_name() {
  if (std::is_same_v<T, bool>) return "|b1";
  const char kind = std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
  return std::string(sizeof(T) == 1 ? "|" : "<") + kind + std::to_string(sizeof(T));
}

template <class T>
NumberArray<T> read_array(runtime::NumberReader&& file) {
  const Header header = read_header(file);
  const auto count = runtime::element_count(header.shape);
  if (!count) file.fail(0, "a shape of more numbers than there can be: " + runtime::shape_text(header.shape));
  NumberArray<T> array{header.shape, file.numbers<T>(header.type, header.big_endian, *count)};
  if (header.of_truths) {  // any byte but zero is true to NumPy, which keeps those of arrays that are seen as truths
    for (T& number : array.values) number = number != T(0) ? T(1) : T(0);
  }
  file.end();
  if (header.fortran_order && header.shape.size() > 1) {
    std::vector<T> ordered(array.values.size());
    each_place(header.shape, *count, [&](std::size_t i, std::size_t place) { ordered[i] = array.values[place]; });
    array.values = std::move(ordered);
  }
  return array;
}

}  // namespace

template <class T>
NumberArray<T> read_npy(const std::string& path) {
  return runtime::with_memory_for(path, [&] { return read_array<T>(runtime::NumberReader(path)); });
}

namespace {

constexpr std::string_view suffix = ".npy";

const runtime::ZipEntry& find_array(const std::string& path, std::span<const runtime::ZipEntry> entries,
                                    std::string_view name) {
  const runtime::ZipEntry* found = nullptr;
  std::vector<std::string> there;
  for (const runtime::ZipEntry& entry : entries) {
    std::string_view own = entry.name;
    if (own.ends_with(suffix)) own.remove_suffix(suffix.size());
    there.emplace_back(own);
    if (own != name) continue;
    if (found != nullptr) throw DataError(path, 0, 0, "there are two arrays \"" + std::string(name) + "\"");
    found = &entry;
  }
  if (found != nullptr) return *found;
  throw DataError(path, 0, 0,
                  "there is no array " + runtime::shown(name) + " in the archive, which has " +
                      (there.empty() ? "none" : runtime::shown(there)));
}

}  // namespace

template <class T>
NumberArray<T> read_npz(const std::string& path, std::string_view name) {
  return runtime::with_memory_for(path, [&] {
    const std::vector<runtime::ZipEntry> entries = runtime::read_zip_directory(path);
    const runtime::ZipEntry& entry = find_array(path, entries, name);
    const std::string shown = path + "(" + entry.name + ")";
    return read_array<T>(runtime::NumberReader(shown, runtime::open_zip_entry(path, entry)));
  });
}

template <class T>
void write_npy(const std::string& path, std::span<const T> numbers, const std::vector<std::size_t>& shape,
               const NpyOptions& options) {
  if (runtime::element_count(shape) != numbers.size()) {
    throw BindError("write_npy: " + std::to_string(numbers.size()) + " numbers for an array of shape " +
                    runtime::shape_text(shape));
  }
  std::string header = "{'descr': '" + type_name<T>() +
                       "', 'fortran_order': " + (options.fortran_order ? "True" : "False") + ", 'shape': (";
  for (std::size_t size : shape) header += std::to_string(size) + ", ";
  if (shape.size() > 1) header.resize(header.size() - 2);
  if (shape.size() == 1) header.pop_back();
  header += "), }";
  const std::size_t before = magic.size() + 4;
  header.append(alignment - 1 - (before + header.size()) % alignment, ' ');
  header += '\n';
  if (header.size() > UINT16_MAX)
    throw BindError("write_npy: an array of " + std::to_string(shape.size()) + " dimensions");

  std::string start(magic);
  start += {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  start += header;
  std::unique_ptr<T[]> ordered;
  if (options.fortran_order) {
    ordered = std::make_unique<T[]>(numbers.size());
    each_place(shape, numbers.size(), [&](std::size_t i, std::size_t place) { ordered[place] = numbers[i]; });
    numbers = {ordered.get(), numbers.size()};
  }
  const std::string_view written[] = {start, {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}};
  runtime::write_file(path, written);
}

template NumberArray<float> read_npy(const std::string&);
template NumberArray<double> read_npy(const std::string&);
template NumberArray<float> read_npz(const std::string&, std::string_view);
template NumberArray<double> read_npz(const std::string&, std::string_view);

#define TAPELOOM_WRITE_NPY(T)                                                                                   \
  template TAPELOOM_API void write_npy(const std::string&, std::span<const T>, const std::vector<std::size_t>&, \
                                       const NpyOptions&);
TAPELOOM_WRITE_NPY(float)
TAPELOOM_WRITE_NPY(double)
TAPELOOM_WRITE_NPY(bool)
TAPELOOM_WRITE_NPY(std::uint8_t)
TAPELOOM_WRITE_NPY(std::uint16_t)
TAPELOOM_WRITE_NPY(std::uint32_t)
TAPELOOM_WRITE_NPY(std::uint64_t)
TAPELOOM_WRITE_NPY(std::int8_t)
TAPELOOM_WRITE_NPY(std::int16_t)
TAPELOOM_WRITE_NPY(std::int32_t)
TAPELOOM_WRITE_NPY(std::int64_t)
#undef TAPELOOM_WRITE_NPY

}  // namespace tapeloom::inline TAPELOOM_ABI
