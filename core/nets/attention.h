// Attention over a sequence of vectors, under PyTorch's names.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/module.h"

namespace tapeloom::inline TAPELOOM_ABI {

struct AttentionOptions {
  /// Whether query i attends to keys 0, ..., i alone.
  bool causal = false;
};

/// For each query q the sum of the values, each times its element of softmax(q k / sqrt(size of q)) over the keys k.
/// Vaswani et al., "Attention Is All You Need", NeurIPS 2017, eq. 1. Throws RecordingError for no keys, for other
/// numbers of values than of keys, and for vectors of different lengths.
TAPELOOM_API std::vector<std::vector<Value>> scaled_dot_product_attention(std::span<const std::vector<Value>> queries,
                                                                          std::span<const std::vector<Value>> keys,
                                                                          std::span<const std::vector<Value>> values,
                                                                          const AttentionOptions& options = {});

/// Attention by `heads` heads: each takes its part of the projections of queries, keys and values, and a last
/// projection is of what all of them give. "in_proj_weight" [3 x size, size], whose rows are those of queries, keys and
/// values, "in_proj_bias" [3 x size], "out_proj.weight" [size, size] and "out_proj.bias" [size].
class TAPELOOM_API MultiheadAttention : public Module {
 public:
  /// Throws RecordingError for a size that is no multiple of the heads.
  MultiheadAttention(Tape& tape, std::size_t size, std::size_t heads, const Initializer& initializer, bool bias = true);

  /// One vector a query.
  std::vector<std::vector<Value>> operator()(std::span<const std::vector<Value>> queries,
                                             std::span<const std::vector<Value>> keys,
                                             std::span<const std::vector<Value>> values,
                                             const AttentionOptions& options = {}) const;
  /// Of a sequence to itself.
  std::vector<std::vector<Value>> operator()(std::span<const std::vector<Value>> x,
                                             const AttentionOptions& options = {}) const {
    return (*this)(x, x, x, options);
  }

 private:
  std::vector<std::vector<Value>> project(std::size_t part, std::span<const std::vector<Value>> x) const;

  std::size_t size_, heads_;
  bool bias_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
