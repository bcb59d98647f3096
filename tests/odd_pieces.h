// Nets that are not written as matrices times lists: weights that are computed, layers at several places, sums of
// different lengths, values in no order.
#pragma once

#include "pieces.h"

namespace tapeloom::test {

using Weigh = std::function<Value(std::size_t row, std::size_t column, const Value& parameter)>;

/// Two layers whose weights are `weigh` of a parameter each, and the square of one more neuron.
inline Value weighed(Writer& w, std::size_t n, const Weigh& weigh) {
  Values h = w.x;
  for (int layer = 0; layer < 2; ++layer) {
    Values next;
    for (std::size_t i = 0; i < n; ++i) {
      const Values row = w.parameters(h.size(), -0.2 - 0.01 * static_cast<double>(i % 7));
      Value z = w.parameters(1, 0.1)[0];
      for (std::size_t j = 0; j < h.size(); ++j) z = z + weigh(i, j, row[j]) * h[j];
      next.push_back(tanh(z));
    }
    h = next;
  }
  return square(w.layer(h, 1)[0]);
}

/// A layer of n neurons, of which `add_up` adds up the values of a layer before it.
inline Value added_up(Writer& w, std::size_t n, const std::function<Value(std::size_t row, const Values& h)>& add_up) {
  const Values h = w.layer(w.x, n, tanh);
  Values z;
  for (std::size_t i = 0; i < n; ++i) z.push_back(tanh(add_up(i, h)));
  return square(w.layer(z, 1)[0]);
}

inline Value weight(Writer& w) { return w.tape.parameter(2.0 * random_unit(w.random) - 1.0); }

/// So many weights times values from `first` on, and a bias.
inline Value window(Writer& w, const Values& kernel, const Values& h, std::size_t first) {
  Value z = w.x[0] * 0.0 + kernel.back();
  for (std::size_t k = 0; k + 1 < kernel.size(); ++k) z = z + kernel[k] * h[first + k];
  return z;
}

inline const Piece computed_weights[] = {
    {"tanh of the weights",
     [](Writer& w, std::size_t n) { return weighed(w, n, [](auto, auto, auto p) { return tanh(p); }); }},
    {"weights times a scale",
     [](Writer& w, std::size_t n) {
       const Value scale = w.parameters(1, 0.7)[0];
       return weighed(w, n, [&](auto, auto, auto p) { return p * scale; });
     }},
    {"weights times a number",
     [](Writer& w, std::size_t n) { return weighed(w, n, [](auto, auto, auto p) { return p * 0.5; }); }},
    {"weights times a mask",
     [](Writer& w, std::size_t n) {
       return weighed(w, n, [](auto i, auto j, auto p) { return p * ((i + 3 * j) % 4 == 0 ? 0.0 : 1.25); });
     }},
    {"weights subtracted, by turns",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = 0.0;
         for (std::size_t j = 0; j < h.size(); ++j) z = j % 2 == 0 ? z + weight(w) * h[j] : z - weight(w) * h[j];
         return z;
       });
     }},
    {"weights divided by the length of their row",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](std::size_t i, const Values& h) {
         const Values row = w.parameters(h.size(), 0.3 + 0.01 * static_cast<double>(i));
         const Value length = sqrt(dot(row, row));
         Value z = 0.0;
         for (std::size_t j = 0; j < h.size(); ++j) z = z + row[j] / length * h[j];
         return weight(w) * z + weight(w);
       });
     }},
    {"weights of a product of two thin matrices",
     [](Writer& w, std::size_t n) {
       const Values u = w.parameters(2 * n, -0.6), v = w.parameters(2 * n, 0.4);
       return added_up(w, n, [&](std::size_t i, const Values& h) {
         Value z = 0.0;
         for (std::size_t j = 0; j < n; ++j) z = z + (u[2 * i] * v[2 * j] + u[2 * i + 1] * v[2 * j + 1]) * h[j];
         return z;
       });
     }},
    {"weights with noise that was drawn while recording",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = 0.0;
         for (const Value& each : h) z = z + (weight(w) + softplus(weight(w)) * random_unit(w.random)) * each;
         return z;
       });
     }},
    {"plain numbers for weights",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = weight(w);
         for (const Value& each : h) z = z + random_unit(w.random) * each;
         return z;
       });
     }},
};

inline const Piece places[] = {
    {"a layer at every place",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, 4 * n, tanh);
       const Layer layer(w.tape, 4, {3, relu}, uniform_initializer(w.random, -1.0, 1.0));
       Value total = 0.0;
       for (std::size_t i = 0; i < n; ++i) {
         for (const Value& each : layer(std::span(h).subspan(4 * i, 4))) total = total + each;
       }
       return square(total);
     }},
    {"a convolution of five weights",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, n + 4, tanh), kernel = w.parameters(6, -0.3);
       Values z;
       for (std::size_t i = 0; i < n; ++i) z.push_back(tanh(window(w, kernel, h, i)));
       return square(w.layer(z, 1)[0]);
     }},
    {"a convolution of two dimensions and two channels",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, 5 * (n + 2), tanh), kernels = w.parameters(18, -0.4), b = w.parameters(2, 0.1);
       Values z;
       for (std::size_t c = 0; c < 2; ++c) {
         for (std::size_t i = 0; i < n; ++i) {
           for (std::size_t j = 0; j < 3; ++j) {
             Value sum = b[c];
             for (std::size_t k = 0; k < 9; ++k) sum = sum + kernels[9 * c + k] * h[5 * (i + k / 3) + j + k % 3];
             z.push_back(relu(sum));
           }
         }
       }
       return square(w.layer(z, 1)[0]);
     }},
    {"neurons of seven neighbours, each with its own weights",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, n + 6, tanh);
       Values z;
       for (std::size_t i = 0; i < n; ++i) {
         const Values own = w.parameters(8, -0.5 + 0.01 * static_cast<double>(i));
         z.push_back(tanh(window(w, own, h, i)));
       }
       return square(w.layer(z, 1)[0]);
     }},
    {"many small nets",
     [](Writer& w, std::size_t n) {
       Value total = 0.0;
       for (std::size_t i = 0; i < n; ++i) total = total + w.layer(w.layer(w.x, 4, tanh), 1)[0];
       return square(total / static_cast<double>(n));
     }},
    {"a layer of a list and of its reverse",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, n, tanh), reversed(h.rbegin(), h.rend());
       const Layer layer(w.tape, n, {n, tanh}, uniform_initializer(w.random, -1.0, 1.0));
       Values a = layer(h);
       const Values b = layer(reversed);
       for (std::size_t i = 0; i < n; ++i) a[i] = a[i] * b[i];
       return square(w.layer(a, 1)[0]);
     }},
    {"attention of each of a list to all before it",
     [](Writer& w, std::size_t n) {
       const std::size_t d = 3;
       const Values h = w.layer(w.x, d * n, tanh);
       std::vector<Layer> layers;
       for (int i = 0; i < 3; ++i)
         layers.emplace_back(w.tape, d, LayerOptions{d}, uniform_initializer(w.random, -1.0, 1.0));
       std::vector<Values> q, k, v;
       for (std::size_t i = 0; i < n; ++i) {
         const auto token = std::span(h).subspan(d * i, d);
         q.push_back(layers[0](token)), k.push_back(layers[1](token)), v.push_back(layers[2](token));
       }
       Value total = 0.0;
       for (std::size_t i = 0; i < n; ++i) {
         Values e;
         for (std::size_t j = 0; j <= i; ++j) e.push_back(exp(dot(q[i], k[j]) * 0.5));
         const Value all = sum(e);
         for (std::size_t c = 0; c < d; ++c) {
           Value mixed = 0.0;
           for (std::size_t j = 0; j <= i; ++j) mixed = mixed + e[j] / all * v[j][c];
           total = total + square(mixed);
         }
       }
       return total;
     }},
    {"means of neighbours",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, 4 * n);
       Values z;
       for (std::size_t i = 0; i < n; ++i) z.push_back(mean(std::span(h).subspan(4 * i, 4)));
       for (std::size_t i = 0; i + 1 < 4 * n; ++i) z.push_back((h[i] + h[i + 1]) * 0.5);
       return square(w.layer(z, 1)[0]);
     }},
    {"the largest of four neighbours on a grid",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, 8 * n, tanh);
       Values z;
       for (std::size_t i = 0; i < n; ++i) {
         for (std::size_t j = 0; j < 2; ++j) {
           const auto at = [&](std::size_t row, std::size_t column) { return h[4 * (2 * i + row) + 2 * j + column]; };
           z.push_back(max(max(at(0, 0), at(0, 1)), max(at(1, 0), at(1, 1))));
           z.push_back(min(min(min(at(0, 0), at(0, 1)), at(1, 0)), at(1, 1)));
         }
       }
       return square(w.layer(z, 1)[0]);
     }},
    {"normalised groups of four",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, 4 * n);
       Values z;
       for (std::size_t i = 0; i < n; ++i) {
         const auto group = std::span(h).subspan(4 * i, 4);
         const Value centre = mean(group);
         Value variance = 0.0;
         for (const Value& each : group) variance = variance + square(each - centre);
         for (const Value& each : group) z.push_back((each - centre) / sqrt(variance / 4.0 + 0.01));
       }
       return square(w.layer(z, 1)[0]);
     }},
};

inline const Piece no_order[] = {
    {"activations drawn at random",
     [](Writer& w, std::size_t n) {
       Values z = w.layer(w.x, n);
       for (Value& each : z) {
         const auto kind = w.random() % 3;
         each = kind == 0 ? sin(each) : kind == 1 ? tanh(each) : sigmoid(each);
       }
       return square(w.layer(w.layer(z, n, tanh), 1)[0]);
     }},
    {"a layer without some of its inputs",
     [](Writer& w, std::size_t n) {
       Values kept = {w.x[0]};
       for (const Value& each : w.layer(w.x, n, tanh)) {
         if (w.random() % 3 != 0) kept.push_back(each * 1.5);
       }
       return square(w.layer(w.layer(kept, n, tanh), 1)[0]);
     }},
    {"weights in no order",
     [](Writer& w, std::size_t n) {
       Values all = w.parameters(n * n, -0.5);
       std::shuffle(all.begin(), all.end(), w.random);
       return added_up(w, n, [&](std::size_t i, const Values& h) { return w.product(all, i, h); });
     }},
    {"half of the connections",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = weight(w) + h[0];
         for (const Value& each : h) z = w.random() % 2 == 0 ? z + weight(w) * each : z;
         return z;
       });
     }},
    {"four connections each",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = weight(w);
         for (int k = 0; k < 4; ++k) z = z + weight(w) * h[w.random() % h.size()];
         return z;
       });
     }},
    {"distances to points",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = 0.0;
         for (const Value& each : h) z = z + square(each - weight(w));
         return exp(-z);
       });
     }},
    {"a function at every connection",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = 0.0;
         for (const Value& each : h) z = z + weight(w) * tanh(each * weight(w)) + weight(w) * each * each;
         return z;
       });
     }},
    {"weights times products of two lists",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](auto, const Values& h) {
         Value z = 0.0;
         for (std::size_t i = 0; i < 3; ++i) {
           for (std::size_t j = 0; j < 4; ++j) z = z + weight(w) * h[i % h.size()] * h[(3 + j) % h.size()];
         }
         return z;
       });
     }},
    {"products of all pairs",
     [](Writer& w, std::size_t n) {
       const Values h = w.layer(w.x, n, tanh);
       Value total = square(h[0]);
       for (std::size_t i = 0; i < n; ++i) {
         for (std::size_t j = i + 1; j < n; ++j) total = total + weight(w) * h[i] * h[j] + square(h[i] - h[j]);
       }
       return total;
     }},
    {"a triangular matrix",
     [](Writer& w, std::size_t n) {
       return added_up(w, n, [&](std::size_t i, const Values& h) {
         Value z = 0.0;
         for (std::size_t j = 0; j <= i; ++j) z = z + weight(w) * h[j];
         return z;
       });
     }},
};

}  // namespace tapeloom::test
