// Tapeloom's matrix products against LIBXSMM's, which makes machine code for each shape at run time: the products of
// the five nets' training steps with the strides they have there, or those of layers of other widths. Prints Markdown.
//
//   product_bench [--wide] [--check]
//
// A product of a step is more than a product: forward, bias and activation belong to it; backward, the adjoint of the
// activation. Tapeloom does that before the sums leave the registers; LIBXSMM's product is followed by a pass over the
// result, and so is the time that is compared. An activation that needs a function from the C library, which would cost
// both the same, is replaced by relu. Gradients of weights need one operand transposed: both times include it where a
// step does it; thin ones are sums by rows in Tapeloom, which need none. Results are compared with plain loops first;
// --check does nothing else.
//
// TAPELOOM_ISA=avx2 holds both to AVX2; the peak stays that of the widest vectors.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <optional>
#include <random>

#include "bench/cases.h"
#include "bench/finish.h"
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/measure_peak.h"
#include "bench/turns.h"
#include "bench/xsmm_product.h"
#include "tapeloom/core/program/cost.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/calls.h"
#include "tapeloom/runtime/execute/interpreter.h"

namespace tapeloom::bench {
namespace {

using runtime::Arena;
using runtime::KernelTable;
using runtime::PlannedCalls;
using runtime::Product;
using runtime::round_up;
using runtime::Sums;

constexpr std::size_t rounds = 15;
constexpr double slice_seconds = 5e-4;

enum class Role { forward, inputs_gradient, weights_gradient };

/// What a step multiplies: a layer of rows x terms weights, and a tile of samples.
struct Shape {
  std::string net;
  Role role;
  std::size_t rows, terms, samples;
  std::size_t tile_step;  ///< between the rows of a tile
  bool in_place;          ///< of a gradient of weights: the samples lie as the product needs them
  bool finished;          ///< forward: with bias and relu; gradients: by relu's adjoint
};

template <class T>
std::vector<Shape> shapes_of_nets() {
  std::vector<Shape> list;
  for (const Case& c : all_cases()) {
    Tape tape;
    const Program program = compile(record_loss(tape, c.net, initial_parameters(c.net, 1)));
    const std::size_t step =
        std::min(runtime::preferred_tile_samples(program, sizeof(T)), round_up(c.samples, runtime::lane_unit));
    for (const Instruction& i : program.instructions) {
      const tapeloom::Shape& s = program.shapes[i.shape];
      const bool dense = i.kind == InstructionKind::dense, reverse = i.kind == InstructionKind::dense_reverse;
      if (!dense && !reverse && i.kind != InstructionKind::reduce_outer) continue;
      const bool loaded = !dense && !reverse && instructions::ReduceOuter{i, s}.load() != runtime::no_load;
      list.push_back({c.name(),
                      dense     ? Role::forward
                      : reverse ? Role::inputs_gradient
                                : Role::weights_gradient,
                      s.rows, s.terms, std::min(c.samples, step), step, loaded, i.op != no_op});
    }
  }
  return list;
}

std::vector<Shape> shapes_of_widths() {
  std::vector<Shape> list;
  for (const std::size_t width : {8, 16, 33, 64, 100, 256, 512, 1024}) {
    for (const std::size_t samples : {16, 64, 256}) {
      for (const Role role : {Role::forward, Role::inputs_gradient, Role::weights_gradient}) {
        list.push_back({"square", role, width, width, samples, samples, false, role != Role::weights_gradient});
      }
    }
  }
  return list;
}

/// One product with its operands, done by either library.
template <class T>
class Contest {
 public:
  Contest(const Shape& shape, const KernelTable<T>& kernels)
      : shape_(shape), kernels_(kernels), lanes_(round_up(shape.samples, kernels.vector_lanes)), planned_(kernels) {
    // A row of weights is followed by its bias, in the parameters and in their gradients.
    const std::size_t rows = shape.rows, terms = shape.terms, row_step = terms + 1, step = shape.tile_step;
    const std::size_t scratch_step = round_up(terms, runtime::lane_unit), slack = runtime::lane_unit;
    const std::size_t w = arena_.plan(rows * row_step), x = arena_.plan(terms * step + slack);
    const std::size_t y = arena_.plan(rows * step + slack), z = arena_.plan(terms * step);
    const std::size_t scratch = arena_.plan(scratch_step * (step + slack));
    const std::size_t c = arena_.plan(std::max({rows * step, terms * step, rows * row_step}));
    arena_.allocate();
    std::mt19937_64 random(1);
    // w, x, y and z lie one after the other.
    for (T* number = arena_.data(w); number != arena_.data(scratch); ++number) {
      *number = static_cast<T>(2.0 * random_unit(random) - 1.0);
    }
    x_ = arena_.data(x), scratch_ = arena_.data(scratch);
    const T* weights = arena_.data(w);
    Product<T>& p = product_;
    c_ = arena_.data(c);
    switch (shape.role) {
      case Role::forward:
        p.m = rows, p.n = lanes_, p.k = terms;
        p.a_row_step = row_step, p.a_column_step = 1, p.b_stride = step, p.c_stride = step;
        a_ = weights, b_ = x_;
        if (shape.finished) p.finish = {Op::add, Op::relu, weights + terms, row_step, false};
        break;
      case Role::inputs_gradient:
        p.m = terms, p.n = lanes_, p.k = rows;
        p.a_row_step = 1, p.a_column_step = row_step, p.b_stride = step, p.c_stride = step;
        a_ = weights, b_ = arena_.data(y);
        if (shape.finished) p.finish = {Op::relu_adjoint, no_op, arena_.data(z), step, true};
        break;
      case Role::weights_gradient:
        transposes_ = !shape.in_place;
        p.m = rows, p.n = terms, p.k = shape.samples;
        p.a_row_step = step, p.a_column_step = 1, p.b_stride = transposes_ ? scratch_step : terms;
        p.c_stride = row_step;
        a_ = arena_.data(y), b_ = scratch_;
        kernels.transpose(terms, shape.samples, x_, step, scratch_, p.b_stride);
        by_sums_ =
            cost::dots(rows, terms, shape.samples, kernels.vector_lanes) <=
            cost::product_over_samples(rows, terms, shape.samples, kernels.vector_lanes, transposes_ ? terms : 0);
        if (by_sums_) {
          const bool swapped = terms > rows;
          sums_of_ = swapped ? x_ : a_, by_ = swapped ? a_ : x_;
          sums_ = swapped ? Sums{terms, step, rows, step, 1, row_step, shape.samples}
                          : Sums{rows, step, terms, step, row_step, 1, shape.samples};
        }
        break;
    }
    if (by_sums_) {
      planned_.make_room(sums_), planned_.plan(sums_);
    } else {
      planned_.make_room(p), planned_.plan(p);
    }
    const bool a_transposed = shape.role == Role::inputs_gradient;
    generated_.emplace(XsmmShape{p.m, p.n, p.k, a_transposed ? p.a_column_step : p.a_row_step, p.b_stride, p.c_stride,
                                 a_transposed, false});
  }

  void run_ours() {
    if (by_sums_) return planned_.run(sums_of_, by_, c_);
    transpose();
    planned_.run(a_, b_, c_);
  }
  void run_xsmm() {
    transpose();
    (*generated_)(a_, b_, c_);
    finish();
  }

  /// Throws std::runtime_error if C is not what it should be. Of large products, some entries are looked at.
  void check(const char* library) const {
    const Product<T>& p = product_;
    const std::size_t stride = 1 + p.m * p.n * p.k / 2000000;
    for (std::size_t at = 0; at < p.m * p.n; at += stride) {
      const std::size_t i = at / p.n, j = at % p.n;
      double sum = 0.0, size = 1.0;
      for (std::size_t k = 0; k < p.k; ++k) {
        const double term = static_cast<double>(a_[i * p.a_row_step + k * p.a_column_step]) *
                            static_cast<double>(b_[k * p.b_stride + j]);
        sum += term, size += std::fabs(term);
      }
      if (shape_.finished && shape_.role == Role::forward) {
        sum = std::max(sum + static_cast<double>(p.finish.operand[i * p.finish.step]), 0.0);
      } else if (shape_.finished) {
        if (p.finish.operand[i * p.finish.step + j] <= T(0)) sum = 0.0;
      }
      const double bound = size * static_cast<double>(p.k + 3) * static_cast<double>(std::numeric_limits<T>::epsilon());
      if (std::fabs(static_cast<double>(c_[i * p.c_stride + j]) - sum) <= bound) continue;
      throw std::runtime_error(std::string(library) + " computed a wrong product: " + dimensions());
    }
  }
  void clear() { std::fill_n(c_, product_.m * product_.c_stride, T(9)); }

  std::string dimensions() const {
    return std::to_string(product_.m) + " x " + std::to_string(product_.n) + " x " + std::to_string(product_.k);
  }
  double flops() const { return 2.0 * static_cast<double>(product_.m * product_.n * product_.k); }
  const char* way() const { return by_sums_ ? ", by sums" : transposes_ ? ", transposing" : ""; }

 private:
  void transpose() {
    if (!transposes_) return;
    kernels_.transpose(shape_.terms, shape_.samples, x_, shape_.tile_step, scratch_, product_.b_stride);
  }
  void finish() {
    if (!shape_.finished) return;
    const Product<T>& p = product_;
    constexpr bool in_float = std::is_same_v<T, float>;
    const auto pass = [&](auto function) { function(c_, p.c_stride, p.m, p.n, p.finish.operand, p.finish.step); };
    if (shape_.role == Role::forward) {
      if constexpr (in_float) {
        pass(tapeloom_bench_bias_relu_float);
      } else {
        pass(tapeloom_bench_bias_relu_double);
      }
    } else if constexpr (in_float) {
      pass(tapeloom_bench_relu_adjoint_float);
    } else {
      pass(tapeloom_bench_relu_adjoint_double);
    }
  }

  Shape shape_;
  const KernelTable<T>& kernels_;
  std::size_t lanes_;
  Arena<T> arena_;
  T *x_, *scratch_;
  Product<T> product_{};
  PlannedCalls<T> planned_;
  const T* a_ = nullptr;
  const T* b_ = nullptr;
  T* c_ = nullptr;
  bool transposes_ = false, by_sums_ = false;
  const T* sums_of_ = nullptr;  // multiplied by
  const T* by_ = nullptr;
  Sums sums_;
  std::optional<XsmmProduct<T>> generated_;
};

template <class T>
void check(const std::vector<Shape>& shapes, const KernelTable<T>& kernels) {
  for (const Shape& shape : shapes) {
    Contest<T> contest(shape, kernels);
    contest.clear();
    contest.run_ours();
    contest.check("Tapeloom");
    contest.clear();
    contest.run_xsmm();
    contest.check("LIBXSMM");
  }
}

template <class T>
void print_table(const char* type, const std::vector<Shape>& shapes, const KernelTable<T>& kernels) {
  std::printf("\nIn %s:\n\n| of | product | m x n x k | us | of peak | LIBXSMM, us | of peak | ratio |\n", type);
  std::printf("|---|---|---|---|---|---|---|---|\n");
  double logs = 0.0;
  for (const Shape& shape : shapes) {
    Contest<T> contest(shape, kernels);
    Contestant ours("Tapeloom", [&] { contest.run_ours(); }), generated("LIBXSMM", [&] { contest.run_xsmm(); });
    Contestant peak("peak", [] { run_peak<T>(); });
    measure_by_turns({&ours, &generated, &peak}, rounds, slice_seconds);
    static const double peak_flops = run_peak<T>();
    const double share = contest.flops() / peak_flops, ratio = median_ratio(generated, ours);
    const char* role = shape.role == Role::forward           ? "forward"
                       : shape.role == Role::inputs_gradient ? "inputs' gradient"
                                                             : "weights' gradient";
    std::printf("| %s | %s%s | %s | %.3g | %.0f%% | %.3g | %.0f%% | %.2f |\n", shape.net.c_str(), role, contest.way(),
                contest.dimensions().c_str(), 1e6 * ours.median_seconds(), 100.0 * share * median_ratio(peak, ours),
                1e6 * generated.median_seconds(), 100.0 * share * median_ratio(peak, generated), ratio);
    std::fflush(stdout);
    logs += std::log(ratio);
  }
  std::printf("\nOn the geometric mean over these products LIBXSMM takes %.2f times as long.\n",
              std::exp(logs / static_cast<double>(shapes.size())));
}

int run(int argc, char** argv) {
  bool wide = false, only_check = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--wide") {
      wide = true;
    } else if (argument == "--check") {
      only_check = true;
    } else {
      throw std::invalid_argument("usage: product_bench [--wide] [--check]");
    }
  }
  const KernelTable<float>& of_float = runtime::kernels<float>();
  const KernelTable<double>& of_double = runtime::kernels<double>();
  if (std::strcmp(of_float.name, "avx2") == 0) force_xsmm_avx2();
  const std::vector<Shape> floats = wide ? shapes_of_widths() : shapes_of_nets<float>();
  const std::vector<Shape> doubles = wide ? shapes_of_widths() : shapes_of_nets<double>();
  check(floats, of_float);
  check(doubles, of_double);
  if (only_check) {
    std::printf("both libraries compute the same, for %zu products\n", floats.size() + doubles.size());
    return 0;
  }
  std::printf("- Tapeloom's kernels: %s; LIBXSMM's target: %s\n", of_float.name, xsmm_target());
  print_machine();
  print_table("float", floats, of_float);
  print_table("double", doubles, of_double);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("product_bench", [=] { return tapeloom::bench::run(argc, argv); });
}
