// The sizes of the recurrent and convolutional nets, of attention and of the small net that layers_bench times, and
// their steps by hand, which are compiled as those of eigen_nets.h are.
#pragma once

#include <cstddef>

struct tapeloom_bench_eigen_float;
struct tapeloom_bench_eigen_double;

extern "C" {

/// `net` is "rnn", "lstm", "attention", "conv", "conv padded", "conv list" or "adam", x and y rows of samples, copied.
/// Parameters are those of PyTorch's layers, in its order. The state is null for another name.
tapeloom_bench_eigen_float tapeloom_bench_make_layers_float(const char* net, const double* x, const double* y,
                                                            std::size_t samples);
tapeloom_bench_eigen_double tapeloom_bench_make_layers_double(const char* net, const double* x, const double* y,
                                                              std::size_t samples);
}

namespace tapeloom::bench {

inline constexpr int sequence_steps = 32, sequence_inputs = 8, sequence_hidden = 64;
inline constexpr int attention_tokens = 16, attention_width = 64, attention_heads = 4;
inline constexpr int image_side = 8, image_channels = 8, image_classes = 10;
inline constexpr int list_length = 64, list_channels = 16, list_kernel = 5;

}  // namespace tapeloom::bench
