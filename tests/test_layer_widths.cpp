// Layers at several widths: the number of instructions stays the same, and what they compute is evaluate()'s.
#include "pieces.h"
#include "tapeloom/core/nets/attention.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/nets/norm.h"
#include "tapeloom/core/nets/recurrent.h"
#include "tapeloom/core/record/functions.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

Value squares(const Values& y) {
  Values all;
  for (const Value& each : y) all.push_back(square(each));
  return sum(all);
}

Initializer initial(Writer& w) { return uniform_initializer(w.random, -1.0, 1.0); }

/// So many vectors, each of what a layer makes of the inputs.
std::vector<Values> sequence(Writer& w, std::size_t length, std::size_t size) {
  std::vector<Values> vectors;
  for (std::size_t t = 0; t < length; ++t) vectors.push_back(w.layer(w.x, size, tanh));
  return vectors;
}

template <class Cell>
Value recurrent(Writer& w, std::size_t width) {
  const Cell cell(w.tape, 4, width, initial(w));
  Value total = 0.0;
  for (const auto& state : unroll(cell, sequence(w, 3, 4))) {
    if constexpr (std::is_same_v<Cell, LSTMCell>) {
      total += squares(state.h);
    } else {
      total += squares(state);
    }
  }
  return total;
}

Value attention(Writer& w, std::size_t length, std::size_t size, bool causal) {
  const MultiheadAttention attention(w.tape, size, 2, initial(w));
  Value total = 0.0;
  for (const Values& y : attention(sequence(w, length, size), {.causal = causal})) total += squares(y);
  return total;
}

Signal signal(Writer& w, std::size_t length) { return {2, length, w.layer(w.x, 2 * length, tanh)}; }
Image image(Writer& w, std::size_t width) { return {2, 6, width, w.layer(w.x, 12 * width, tanh)}; }

const Piece layers[] = {
    {"LayerNorm", [](Writer& w, std::size_t n) { return squares(LayerNorm(w.tape, n)(w.layer(w.x, n))); }},
    {"RMSNorm", [](Writer& w, std::size_t n) { return squares(RMSNorm(w.tape, n)(w.layer(w.x, n))); }},
    {"softmax", [](Writer& w, std::size_t n) { return squares(softmax(w.layer(w.x, n))); }},
    {"label smoothing",
     [](Writer& w, std::size_t n) { return softmax_cross_entropy(w.layer(w.x, n), w.x[0] == w.x[1], 1.0, 0.1); }},
    {"kl_div", [](Writer& w, std::size_t n) { return kl_div(log_softmax(w.layer(w.x, n)), softmax(w.layer(w.x, n))); }},
    {"RNNCell, three steps", recurrent<RNNCell>},
    {"GRUCell, three steps", recurrent<GRUCell>},
    {"LSTMCell, three steps", recurrent<LSTMCell>},
    {"Conv1d",
     [](Writer& w, std::size_t n) {
       return squares(Conv1d(w.tape, 2, 4, {.kernel = 5}, initial(w))(signal(w, n)).values);
     }},
    {"Conv1d, padded",
     [](Writer& w, std::size_t n) {
       return squares(Conv1d(w.tape, 2, 4, {.kernel = 5, .padding = 2}, initial(w))(signal(w, n)).values);
     }},
    {"Conv1d, channels",
     [](Writer& w, std::size_t n) {
       return squares(Conv1d(w.tape, 2, n, {.kernel = 3}, initial(w))(signal(w, 9)).values);
     }},
    {"Conv2d",
     [](Writer& w, std::size_t n) {
       return squares(Conv2d(w.tape, 2, 4, {.kernel = 3}, initial(w))(image(w, n)).values);
     }},
    {"Conv2d, padded",
     [](Writer& w, std::size_t n) {
       return squares(Conv2d(w.tape, 2, 4, {.kernel = 3, .padding = 1}, initial(w))(image(w, n)).values);
     }},
    {"pools",
     [](Writer& w, std::size_t n) {
       const Image largest = max_pool2d(image(w, n), {.kernel = 2});
       const Image padded = max_pool2d(image(w, n), {.kernel = 3, .stride = 1, .padding = 1});
       return squares(largest.values) + squares(padded.values) + squares(avg_pool2d(image(w, n), {.kernel = 2}).values);
     }},
    {"attention, vectors' size", [](Writer& w, std::size_t n) { return attention(w, 4, n / 2 * 2, false); }},
    {"causal attention, vectors' size", [](Writer& w, std::size_t n) { return attention(w, 4, n / 2 * 2, true); }},
    {"attention, length", [](Writer& w, std::size_t n) { return attention(w, n, 4, false); }},
    {"causal attention, length", [](Writer& w, std::size_t n) { return attention(w, n, 4, true); }},
};

}  // namespace

TEST_CASE("layers: the number of instructions does not depend on their widths") { expect_no_more_when_wider(layers); }

TEST_CASE("layers: what they compute at a width is what evaluate() computes") {
  expect_pieces_like_evaluate(layers, std::vector<std::size_t>{5, 16});
}
