#include "tapeloom/core/nets/attention.h"

#include <algorithm>
#include <cmath>

#include "tapeloom/core/nets/inputs.h"
#include "tapeloom/core/record/functions.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using Vectors = std::vector<std::vector<Value>>;

void check_lengths(const char* what, std::span<const std::vector<Value>> list, std::size_t expected) {
  for (const std::vector<Value>& each : list) {
    if (each.size() == expected) continue;
    throw RecordingError("attention: one of the " + std::string(what) + " has " + std::to_string(each.size()) +
                         " Values, and not " + std::to_string(expected));
  }
}

/// Elements [first, first + count) of each.
Vectors part_of(const Vectors& all, std::size_t first, std::size_t count) {
  Vectors part;
  for (const std::vector<Value>& each : all) {
    const auto begin = each.begin() + static_cast<std::ptrdiff_t>(first);
    part.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(count));
  }
  return part;
}

}  // namespace

Vectors scaled_dot_product_attention(std::span<const std::vector<Value>> queries,
                                     std::span<const std::vector<Value>> keys,
                                     std::span<const std::vector<Value>> values, const AttentionOptions& options) {
  if (keys.empty() || keys.size() != values.size()) {
    throw RecordingError("attention: " + std::to_string(keys.size()) + " keys and " + std::to_string(values.size()) +
                         " values");
  }
  if (queries.empty()) return {};
  const std::size_t size = queries[0].size(), width = values[0].size();
  check_lengths("queries", queries, size), check_lengths("keys", keys, size), check_lengths("values", values, width);
  const double scale = 1.0 / std::sqrt(static_cast<double>(size));
  Vectors result;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::size_t seen = options.causal ? std::min(i + 1, keys.size()) : keys.size();
    std::vector<Value> scores;
    for (std::size_t j = 0; j < seen; ++j) scores.push_back(dot(queries[i], keys[j]) * scale);
    const std::vector<Value> shares = softmax(scores);
    std::vector<Value> mixed;
    for (std::size_t k = 0; k < width; ++k) {
      std::vector<Value> column;
      for (std::size_t j = 0; j < seen; ++j) column.push_back(values[j][k]);
      mixed.push_back(dot(shares, column));
    }
    result.push_back(std::move(mixed));
  }
  return result;
}

MultiheadAttention::MultiheadAttention(Tape& tape, std::size_t size, std::size_t heads, const Initializer& initializer,
                                       bool bias)
    : size_(size), heads_(heads), bias_(bias) {
  if (heads == 0 || size % heads != 0) {
    throw RecordingError("attention: vectors of " + std::to_string(size) + " Values cannot be shared among " +
                         std::to_string(heads) + " heads");
  }
  std::size_t rows;
  if (__builtin_mul_overflow(std::size_t{3}, size, &rows)) throw RecordingError("attention does not fit a tape");
  add(tape, "in_proj_weight", {rows, size}, {size, rows, false}, initializer);
  if (bias) add(tape, "in_proj_bias", {rows}, {size, rows, true}, initializer);
  add(tape, "out_proj.weight", {size, size}, {size, size, false}, initializer);
  if (bias) add(tape, "out_proj.bias", {size}, {size, size, true}, initializer);
}

/// Rows [part size, (part + 1) size) of in_proj; part 3 is out_proj.
Vectors MultiheadAttention::project(std::size_t part, std::span<const std::vector<Value>> x) const {
  const bool out = part == 3;
  const std::size_t weight = out ? 1 + bias_ : 0, first = out ? 0 : part * size_;
  Vectors result;
  for (const std::vector<Value>& given : x) {
    check_inputs("a MultiheadAttention", given.size(), size_);
    std::vector<Value> storage, y;
    const auto each = recorded(given, *this->values(0)[0].tape(), storage);
    for (std::size_t i = first; i < first + size_; ++i) {
      y.push_back(bias_ ? dot(row(weight, i), each, values(weight + 1)[i]) : dot(row(weight, i), each));
    }
    result.push_back(std::move(y));
  }
  return result;
}

Vectors MultiheadAttention::operator()(std::span<const std::vector<Value>> queries,
                                       std::span<const std::vector<Value>> keys,
                                       std::span<const std::vector<Value>> values,
                                       const AttentionOptions& options) const {
  const Vectors q = project(0, queries), k = project(1, keys), v = project(2, values);
  Vectors joined(queries.size());
  const std::size_t each = size_ / heads_;
  for (std::size_t head = 0; head < heads_; ++head) {
    const std::size_t first = head * each;
    const Vectors mixed = scaled_dot_product_attention(part_of(q, first, each), part_of(k, first, each),
                                                       part_of(v, first, each), options);
    for (std::size_t i = 0; i < mixed.size(); ++i) joined[i].insert(joined[i].end(), mixed[i].begin(), mixed[i].end());
  }
  return project(3, joined);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
