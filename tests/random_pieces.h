// Pieces of random nets: layers, and the oddities around them that rolling must see through or leave alone.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "random_layers.h"

namespace tapeloom::test {

class PieceWriter : public LayerWriter {
 public:
  PieceWriter(Random& random, Tape& tape) : LayerWriter(random, tape) {}

 protected:
  /// What a forward sweep has computed so far.
  struct Flow {
    Values now;
    std::vector<Values> before;
  };
  using Piece = std::function<void(Flow&)>;

  std::size_t width() { return 1 + below(random_, small_ ? 4 : chance(random_, 0.2) ? 20 : 8); }
  Value uniform() { return uniforms_.empty() ? Value(1.25) : any(uniforms_); }

  /// The widths are followed here, so that weights can be made ahead.
  void make_pieces(std::size_t inputs, std::size_t outputs) {
    std::vector<std::size_t> widths = {inputs};
    for (std::size_t count = 1 + below(random_, small_ ? 2 : 5); count-- > 0;) {
      widths.push_back(make_piece(widths));
      if (widths.back() > 40) widths.push_back(make_dense(widths.back(), width()));
    }
    if (chance(random_, 0.8) || widths.back() < outputs) make_dense(widths.back(), outputs);
  }

  std::size_t make_piece(const std::vector<std::size_t>& widths) {
    const std::size_t n = widths.back();
    switch (below(random_, 22)) {
      default:
        return make_dense(n, width());
      case 7:
        return make_residual(n);
      case 8:
        return make_gate(n);
      case 9:
        return make_concat(widths);
      case 10:
        return make_normalisation(n);
      case 11:
        return make_attention(n);
      case 12:
        return make_choice(n);
      case 13:
        return make_rows(n);
      case 14:
        return make_scaling(n);
      case 15:
        return make_order(n);
      case 16:
        return make_repetition(n);
      case 17:
        return make_weights_of_weights(n);
      case 18:
        return make_computed_weights(n);
      case 19:
        return make_places(n);
      case 20:
        return make_connections(n);
      case 21:
        return make_nothing(n);
    }
  }

  std::size_t make_dense(std::size_t inputs, std::size_t outputs) {
    const auto layer = make_layer(inputs, outputs);
    pieces_.push_back([layer](Flow& flow) { flow.now = layer(flow.now); });
    return outputs;
  }

  std::size_t make_residual(std::size_t n) {
    tell("residual");
    const auto layer = make_layer(n, n);
    const bool first = chance(random_, 0.5), reversed = chance(random_, 0.2);
    pieces_.push_back([=](Flow& flow) {
      const Values out = layer(flow.now);
      for (std::size_t i = 0; i < n; ++i) {
        const Value other = out[reversed ? n - 1 - i : i];
        flow.now[i] = first ? flow.now[i] + other : other + flow.now[i];
      }
    });
    return n;
  }

  std::size_t make_gate(std::size_t n) {
    tell("gate");
    const auto layer = make_layer(n, n);
    const bool bilinear = chance(random_, 0.3);
    pieces_.push_back([=](Flow& flow) {
      const Values gate = layer(flow.now);
      for (std::size_t i = 0; i < n; ++i) flow.now[i] = flow.now[i] * (bilinear ? 0.3 * gate[i] : sigmoid(gate[i]));
    });
    return n;
  }

  /// With what an earlier piece had computed, or with weights as data.
  std::size_t make_concat(const std::vector<std::size_t>& widths) {
    if (chance(random_, 0.3) && !parameters_.empty()) {
      tell("weights as data");
      Values more;
      for (std::size_t i = 0; i < 2; ++i) more.push_back(any(parameters_));
      pieces_.push_back([=](Flow& flow) { flow.now.insert(flow.now.end(), more.begin(), more.end()); });
      return widths.back() + 2;
    }
    tell("concat");
    const bool front = chance(random_, 0.5);
    pieces_.push_back([=](Flow& flow) {
      const Values& first = flow.before[0];
      flow.now.insert(front ? flow.now.begin() : flow.now.end(), first.begin(), first.end());
    });
    return widths.back() + widths[0];
  }

  /// By the statistics of the batch, or of the rows where there is none.
  std::size_t make_normalisation(std::size_t n) {
    tell("normalisation");
    const Value gain = parameter(), shift = parameter();
    pieces_.push_back([=](Flow& flow) {
      const Value row_mean = mean(flow.now);
      for (Value& x : flow.now) {
        const bool over_batch = x.varying();
        const Value centre = x - (over_batch ? batch_mean(x) : row_mean);
        const Value variance = over_batch ? batch_mean(square(centre)) : square(centre) * 0.5;
        x = gain * (centre / sqrt(variance + 0.3)) + shift;
      }
    });
    return n;
  }

  /// Softmax of the rows, which then weigh products of rows.
  std::size_t make_attention(std::size_t n) {
    tell("attention");
    const Value temperature = chance(random_, 0.5) ? uniform() : Value(1.0);
    const bool mix = chance(random_, 0.5);
    pieces_.push_back([=](Flow& flow) {
      Value total = 0.0;
      Values parts;
      for (Value x : flow.now) parts.push_back(exp(tanh(x) / temperature)), total += parts.back();
      Values out;
      for (std::size_t i = 0; i < n; ++i) {
        const Value share = parts[i] / total;
        out.push_back(mix ? share * flow.now[(i + 1) % n] + flow.now[i] * flow.now[0] * 0.1 : share);
      }
      flow.now = out;
    });
    return n;
  }

  std::size_t make_choice(std::size_t n) {
    tell("choice");
    const std::size_t way = below(random_, 5);
    const Value p = parameter();
    pieces_.push_back([=](Flow& flow) {
      const Values x = flow.now;
      for (std::size_t i = 0; i < n; ++i) {
        const Value a = x[i], b = n > 1 ? x[(i + 1) % n] : p;
        flow.now[i] = way == 0   ? max(a, b)
                      : way == 1 ? min(a, b)
                      : way == 2 ? where(a > b, a, b * p)
                      : way == 3 ? where(a < b, p * 2.0, p * 2.0)
                                 : where(a < b, tanh(p), tanh(-(-p)));
      }
    });
    return n;
  }

  /// Rows in another order, some twice, some not at all.
  std::size_t make_rows(std::size_t n) {
    tell("rows");
    std::vector<std::size_t> rows(width());
    for (std::size_t& row : rows) row = below(random_, n);
    pieces_.push_back([=](Flow& flow) {
      Values out;
      for (std::size_t row : rows) out.push_back(flow.now[row]);
      flow.now = out;
    });
    return rows.size();
  }

  std::size_t make_scaling(std::size_t n) {
    tell("scaling");
    Values gains, shifts;
    for (std::size_t i = 0; i < n; ++i) gains.push_back(parameter()), shifts.push_back(parameter());
    const Value by = uniform();
    pieces_.push_back([=](Flow& flow) {
      for (std::size_t i = 0; i < n; ++i) flow.now[i] = (flow.now[i] * gains[i] + shifts[i]) / by;
    });
    return n;
  }

  /// Powers and running sums: rows that depend on their neighbours.
  std::size_t make_order(std::size_t n) {
    tell("running sum");
    const Value decay = parameter();
    pieces_.push_back([=](Flow& flow) {
      for (std::size_t i = 1; i < n; ++i) flow.now[i] = tanh(flow.now[i] + decay * flow.now[i - 1]);
    });
    return n;
  }

  /// The same layer twice on the same rows, recorded twice, or again on its own result.
  std::size_t make_repetition(std::size_t n) {
    tell("repetition");
    const auto layer = make_layer(n, n);
    const bool again = chance(random_, 0.5);
    pieces_.push_back([=](Flow& flow) {
      const Values once = layer(flow.now), twice = layer(again ? once : flow.now);
      for (std::size_t i = 0; i < n; ++i) flow.now[i] = once[i] + 0.5 * twice[n - 1 - i];
    });
    return n;
  }

  /// Sums of products whose factors are computed from parameters, negative ones and products of three among them.
  std::size_t make_weights_of_weights(std::size_t n) {
    tell("weights of weights");
    const std::size_t outputs = width();
    Values left, right;
    for (std::size_t i = 0; i < outputs; ++i) left.push_back(parameter());
    for (std::size_t i = 0; i < n; ++i) right.push_back(parameter());
    const std::size_t way = below(random_, 4);
    pieces_.push_back([=](Flow& flow) {
      Values out;
      for (std::size_t i = 0; i < outputs; ++i) {
        Value total = way == 0 ? Value(0.0) : left[i] * right[0];
        for (std::size_t j = 0; j < n; ++j) {
          const Value weight = way == 1 ? left[i] * right[j] : way == 2 ? -right[j] : tanh(left[i]);
          total = way == 3 ? total - flow.now[j] * -right[j] : total + weight * flow.now[j];
        }
        out.push_back(total / static_cast<double>(n));
      }
      flow.now = out;
    });
    return outputs;
  }

  /// A layer whose weights are each computed from a parameter, added or subtracted.
  std::size_t make_computed_weights(std::size_t n) {
    tell("computed weights");
    const std::size_t outputs = width(), way = below(random_, 6);
    const bool subtracted = chance(random_, 0.3);
    const Value scale = chance(random_, 0.5) ? parameter() : uniform();
    std::vector<Values> weights(outputs);
    for (Values& row : weights) {
      Value length = 0.3;
      for (std::size_t j = 0; j < n; ++j) row.push_back(parameter(0.7)), length = length + square(row.back());
      for (Value& each : row) {
        each = way == 0   ? tanh(each)
               : way == 1 ? each * scale
               : way == 2 ? each / sqrt(length)
               : way == 3 ? each * (chance(random_, 0.3) ? 0.0 : number(0.5, 1.5))
               : way == 4 ? Value(each.data())
                          : each * each - scale;
      }
    }
    pieces_.push_back([=](Flow& flow) {
      Values out;
      for (std::size_t i = 0; i < outputs; ++i) {
        Value total = flow.now[0] * 0.5;
        for (std::size_t j = 0; j < n; ++j) {
          const Value term = weights[i][j] * flow.now[j];
          total = subtracted && j % 2 == 1 ? total - term : total + term;
        }
        out.push_back(sin(total));
      }
      flow.now = out;
    });
    return outputs;
  }

  /// One layer of neighbours from every place on.
  std::size_t make_places(std::size_t n) {
    tell("places");
    const std::size_t size = 1 + below(random_, std::min<std::size_t>(n, 5)), step = 1 + below(random_, size);
    const std::size_t outputs = 1 + below(random_, 3), count = (n - size) / step + 1;
    const auto layer = make_layer(size, outputs);
    pieces_.push_back([=](Flow& flow) {
      Values out;
      for (std::size_t p = 0; p < count; ++p) {
        const auto from = flow.now.begin() + static_cast<std::ptrdiff_t>(p * step);
        for (const Value& each : layer(Values(from, from + static_cast<std::ptrdiff_t>(size)))) out.push_back(each);
      }
      flow.now = out;
    });
    return count * outputs;
  }

  /// Rows in another order, after operations that simplify away.
  std::size_t make_nothing(std::size_t n) {
    tell("nothing");
    std::vector<std::size_t> rows(chance(random_, 0.5) ? n : width());
    for (std::size_t& row : rows) row = below(random_, n);
    const std::size_t way = below(random_, 7);
    const Value p = parameter();
    pieces_.push_back([=](Flow& flow) {
      Values out;
      for (std::size_t row : rows) {
        const Value x = flow.now[row];
        out.push_back(way == 0   ? x / 1.0
                      : way == 1 ? x * 1.0
                      : way == 2 ? x + 0.0
                      : way == 3 ? -(-x)
                      : way == 4 ? pow(x, 1.0)
                      : way == 5 ? where(x > p, x, x)
                                 : pow(x, 0.0) * p);
      }
      flow.now = out;
    });
    return rows.size();
  }

  /// Neurons that read some values each: as many, or about half of them, or all up to their own.
  std::size_t make_connections(std::size_t n) {
    tell("connections");
    const std::size_t outputs = 2 * width(), way = below(random_, 4), some = 1 + below(random_, n);
    std::vector<std::vector<std::pair<std::size_t, Value>>> terms(outputs);
    for (std::size_t i = 0; i < outputs; ++i) {
      for (std::size_t k = 0; k < some; ++k) {
        if (way == 1 && chance(random_, 0.5)) continue;
        if (way == 2 && k > i) break;
        terms[i].push_back({below(random_, n), parameter()});
      }
    }
    const Value bias = parameter();
    pieces_.push_back([=](Flow& flow) {
      Values out;
      for (const auto& list : terms) {
        Value total = bias;
        for (const auto& [j, w] : list) total = total + (way == 3 ? tanh(w - flow.now[j]) : w * flow.now[j]);
        out.push_back(atan(total));
      }
      flow.now = out;
    });
    return outputs;
  }

  bool small_ = false;  // narrow and short, so that what fails can be read
  Values uniforms_;
  std::vector<Piece> pieces_;
};

}  // namespace tapeloom::test
