// Causal attention by several heads by hand with Eigen, all tokens of all samples side by side; for eigen_layers.cpp
// alone, with whose flags it is compiled.
#pragma once

#include <cmath>

#include "bench/eigen_convolutions.h"
#include "bench/eigen_layers.h"

namespace tapeloom::bench::by_hand {
namespace {

/// x + attention(x), and the sum of its squares. Token t of sample s is column s * tokens + t.
template <class T>
class Attention {
 public:
  Attention(const double* x, Index n)
      : n_(n),
        x_(attention_width, attention_tokens * n),
        in_w_(3 * attention_width, attention_width),
        out_w_(attention_width, attention_width),
        in_b_(3 * attention_width),
        out_b_(attention_width),
        z_(3 * attention_width, attention_tokens * n),
        o_(x_),
        y_(x_),
        d_(x_),
        p_(attention_tokens, attention_tokens * attention_heads * n),
        dp_(attention_tokens, attention_tokens) {
    for (Index column = 0; column < x_.cols(); ++column) {
      for (Index i = 0; i < x_.rows(); ++i) x_(i, column) = static_cast<T>(*x++);
    }
  }

  T step(T lr) {
    z_.noalias() = in_w_ * x_;
    z_.colwise() += in_b_;
    for (Index s = 0; s < n_; ++s) {
      for (Index h = 0; h < attention_heads; ++h) attend(s, h);
    }
    y_.noalias() = out_w_ * o_;
    y_.colwise() += out_b_;
    y_ += x_;
    const T loss = y_.squaredNorm() / static_cast<T>(n_);
    y_ *= T(2) * lr / static_cast<T>(n_);
    d_.noalias() = out_w_.transpose() * y_;
    out_w_.noalias() -= y_ * o_.transpose();
    out_b_ -= y_.rowwise().sum();
    for (Index s = 0; s < n_; ++s) {
      for (Index h = 0; h < attention_heads; ++h) go_back(s, h);
    }
    in_w_.noalias() -= z_ * x_.transpose();
    in_b_ -= z_.rowwise().sum();
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    each_of(in_w_, function), each_of(in_b_, function), each_of(out_w_, function), each_of(out_b_, function);
  }

 private:
  static constexpr Index size = attention_width / attention_heads;
  static T scale() { return T(1) / std::sqrt(T(size)); }

  /// Queries, keys and values, of a head's tokens.
  auto part(Index which, Index s, Index h) {
    return z_.block(which * attention_width + h * size, s * attention_tokens, size, attention_tokens);
  }
  auto of_head(Matrix<T>& m, Index s, Index h) {
    return m.block(h * size, s * attention_tokens, size, attention_tokens);
  }
  /// The shares of keys; a column is a query.
  auto shares(Index s, Index h) {
    return p_.middleCols((s * attention_heads + h) * attention_tokens, attention_tokens);
  }

  void attend(Index s, Index h) {
    auto p = shares(s, h);
    p.noalias() = part(1, s, h).transpose() * part(0, s, h);
    for (Index i = 0; i < attention_tokens; ++i) {
      auto seen = p.col(i).head(i + 1).array();
      seen = (scale() * (seen - seen.maxCoeff())).exp();
      seen /= seen.sum();
      p.col(i).tail(attention_tokens - i - 1).setZero();
    }
    of_head(o_, s, h).noalias() = part(2, s, h) * p;
  }

  void go_back(Index s, Index h) {
    auto p = shares(s, h);
    auto d = of_head(d_, s, h);
    dp_.noalias() = part(2, s, h).transpose() * d;
    part(2, s, h).noalias() = d * p.transpose();
    for (Index i = 0; i < attention_tokens; ++i) {
      const T mean = p.col(i).dot(dp_.col(i));
      dp_.col(i).array() = scale() * p.col(i).array() * (dp_.col(i).array() - mean);
    }
    d_k_.noalias() = part(0, s, h) * dp_.transpose();
    part(0, s, h) = (part(1, s, h) * dp_).eval();
    part(1, s, h) = d_k_;
  }

  Index n_;
  Matrix<T> x_, in_w_, out_w_;
  Column<T> in_b_, out_b_;
  Matrix<T> z_, o_, y_, d_, p_, dp_, d_k_;
};

}  // namespace
}  // namespace tapeloom::bench::by_hand
