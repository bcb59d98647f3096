// Pieces of nets beyond perceptrons, each at any width.
#pragma once

#include "pieces.h"

namespace tapeloom::test {

inline const Piece wide_pieces[] = {
    {"layer norm", [](Writer& w, std::size_t n) { return square(w.layer(w.normalised(w.layer(w.x, n)), 1)[0]); }},
    {"layer norm, not scaled",
     [](Writer& w, std::size_t n) { return square(w.layer(w.normalised(w.layer(w.x, n), false), 1)[0]); }},
    {"residual blocks of normalised values",
     [](Writer& w, std::size_t n) {
       Values h = w.layer(w.x, n);
       for (int block = 0; block < 2; ++block) {
         const Values change = w.layer(w.normalised(h), n, relu);
         for (std::size_t i = 0; i < n; ++i) h[i] = h[i] + change[i];
       }
       return square(w.layer(h, 1)[0]);
     }},
    {"gains that two operands share",
     [](Writer& w, std::size_t n) {
       const Values a = w.layer(w.x, n), b = w.layer(w.x, n, tanh), p = w.parameters(n, 0.3), q = w.parameters(n, -0.4);
       Value total = 0.0;
       for (std::size_t i = 0; i < n; ++i) total = total + square(p[i] * a[i] + q[i] * b[i] - 0.5);
       return total;
     }},
    {"cosine of two layers",
     [](Writer& w, std::size_t n) {
       const Values a = w.layer(w.x, n), b = w.layer(w.x, n);
       return dot(a, b) / sqrt(dot(a, a) * dot(b, b) + 0.01);
     }},
    {"attention over many keys",
     [](Writer& w, std::size_t n) {
       const Values q = w.layer(w.x, 3), keys = w.layer(w.x, 3 * n), values = w.layer(w.x, 3 * n, tanh);
       Values scores;
       for (std::size_t i = 0; i < n; ++i) scores.push_back(dot(q, std::span(keys).subspan(3 * i, 3)) * 0.5);
       const Values p = w.softmax(scores);
       Value total = 0.0;
       for (std::size_t j = 0; j < 3; ++j) {
         Value mixed = 0.0;
         for (std::size_t i = 0; i < n; ++i) mixed = mixed + p[i] * values[3 * i + j];
         total = total + square(tanh(mixed) - 0.1);
       }
       return total;
     }},
    {"a recurrent net with inputs at each step",
     [](Writer& w, std::size_t n) {
       const Values of_x = w.parameters(2 * n, -0.5), of_h = w.parameters(n * n, -0.3), b = w.parameters(n, 0.1);
       Values h = w.parameters(n, 0.2);
       for (std::size_t step = 0; step < 3; ++step) {
         const auto x = std::span<const Value>(w.x).subspan(step, 2);
         Values next;
         for (std::size_t i = 0; i < n; ++i) {
           next.push_back(tanh(w.product(of_x, i, x) + w.product(of_h, i, h) + b[i]));
         }
         h = next;
       }
       return square(w.layer(h, 1)[0]);
     }},
    {"a cell with four gates, from a state of zeros",
     [](Writer& w, std::size_t n) {
       Values of_x[4], of_h[4], b[4];
       for (int gate = 0; gate < 4; ++gate) {
         const double first = -0.4 + 0.1 * gate;
         of_x[gate] = w.parameters(2 * n, first), of_h[gate] = w.parameters(n * n, first - 0.1);
         b[gate] = w.parameters(n, first);
       }
       Values h(n, Value(0.0)), c = h;
       for (std::size_t step = 0; step < 3; ++step) {
         const auto x = std::span<const Value>(w.x).subspan(step, 2);
         Values z[4];
         for (int gate = 0; gate < 4; ++gate) {
           for (std::size_t i = 0; i < n; ++i) {
             z[gate].push_back(w.product(of_x[gate], i, x) + w.product(of_h[gate], i, h) + b[gate][i]);
           }
         }
         for (std::size_t i = 0; i < n; ++i) {
           c[i] = sigmoid(z[0][i]) * c[i] + sigmoid(z[1][i]) * tanh(z[2][i]);
           h[i] = sigmoid(z[3][i]) * tanh(c[i]);
         }
       }
       return square(w.layer(h, 1)[0]);
     }},
    {"a layer of sines and cosines by turns",
     [](Writer& w, std::size_t n) {
       Values features;
       for (const Value& each : w.layer(w.x, n)) features.insert(features.end(), {sin(each), cos(each)});
       return square(w.layer(w.layer(features, n, tanh), 1)[0]);
     }},
    {"a layer of three activations by turns",
     [](Writer& w, std::size_t n) {
       Values z = w.layer(w.x, n);
       for (std::size_t i = 0; i < n; ++i) z[i] = i % 3 == 0 ? tanh(z[i]) : i % 3 == 1 ? relu(z[i]) : sin(z[i]);
       return square(w.layer(w.layer(z, n, tanh), 1)[0]);
     }},
    {"the same activations recorded again",
     [](Writer& w, std::size_t n) {
       const Values z = w.layer(w.x, n);
       Value total = 0.0;
       for (const Value& each : z) total = total + tanh(each) * tanh(each) + (each - z[0]) * exp(each - z[0]);
       return total;
     }},
};

}  // namespace tapeloom::test
