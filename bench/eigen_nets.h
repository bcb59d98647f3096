// Training steps as one writes them by hand with Eigen, for five nets, to compare with. All are batched, with
// preallocated matrices whose sizes are known at run time, and two ways: tuned for each net, in the layout that was
// fastest of those tried and with passes fused; and plain, as it is usually written, in Eigen's default layout.
//
// They are compiled with -march=native in a shared library of their own that exports the functions below and nothing
// else: Eigen's templates have the same names whatever the flags, so a linker that met both kinds of objects would keep
// either of them for both.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "bench/eigen_layers.h"

extern "C" {

/// A net in training; `state` is its own.
struct tapeloom_bench_eigen_float {
  void* state;
  float (*step)(void* state, float learning_rate);
  void (*read_parameters)(const void* state, double* parameters);
  void (*write_parameters)(void* state, const double* parameters);
  /// Other rows, as many as before; null if the net is only written for those that it was made with.
  void (*set_rows)(void* state, const float* const* x, const float* y);
  void (*destroy)(void* state);
};
struct tapeloom_bench_eigen_double {
  void* state;
  double (*step)(void* state, double learning_rate);
  void (*read_parameters)(const void* state, double* parameters);
  void (*write_parameters)(void* state, const double* parameters);
  /// Other rows, as many as before; null if the net is only written for those that it was made with.
  void (*set_rows)(void* state, const float* const* x, const float* y);
  void (*destroy)(void* state);
};

/// `net` is a name of Net in nets.h, x and y as in Data, copied. The state is null for another name.
tapeloom_bench_eigen_float tapeloom_bench_make_eigen_float(const char* net, bool plain, const double* x,
                                                           const double* y, std::size_t samples);
tapeloom_bench_eigen_double tapeloom_bench_make_eigen_double(const char* net, bool plain, const double* x,
                                                             const double* y, std::size_t samples);

/// Such as "3.4.0, AVX512 FMA".
const char* tapeloom_bench_eigen_version();
}

namespace tapeloom::bench {

enum class ByHand { tuned, plain, layers };  ///< the last are those of eigen_layers.h

/// Trains a net by a step written by hand.
template <class T>
class EigenTrainer {
  static constexpr bool in_float = std::is_same_v<T, float>;
  using Handle = std::conditional_t<in_float, tapeloom_bench_eigen_float, tapeloom_bench_eigen_double>;

 public:
  /// `x` and `y` are rows of inputs and targets. Throws std::invalid_argument if nobody has written that net.
  EigenTrainer(ByHand how, const std::string& net, std::span<const double> parameters, std::span<const double> x,
               std::span<const double> y, std::size_t samples)
      : net_(make(how, net, x, y, samples)), count_(parameters.size()) {
    net_->write_parameters(net_->state, parameters.data());
  }

  /// One step on all rows: parameters -= learning_rate * gradient. Returns the loss before.
  T step(T learning_rate) { return net_->step(net_->state, learning_rate); }

  std::vector<double> parameters() const {
    std::vector<double> numbers(count_);
    net_->read_parameters(net_->state, numbers.data());
    return numbers;
  }
  /// `x` are as many rows as there were. False if the net is only written for those that it was made with.
  bool set_rows(const float* const* x, const float* y) {
    if (net_->set_rows == nullptr) return false;
    net_->set_rows(net_->state, x, y);
    return true;
  }
  void set_parameters(std::span<const double> numbers) { net_->write_parameters(net_->state, numbers.data()); }

 private:
  struct Destroy {
    void operator()(Handle* handle) const {
      handle->destroy(handle->state);
      delete handle;
    }
  };

  static std::unique_ptr<Handle, Destroy> make(ByHand how, const std::string& net, std::span<const double> x,
                                               std::span<const double> y, std::size_t samples) {
    Handle handle;
    const bool plain = how == ByHand::plain, layers = how == ByHand::layers;
    if constexpr (in_float) {
      handle = layers ? tapeloom_bench_make_layers_float(net.c_str(), x.data(), y.data(), samples)
                      : tapeloom_bench_make_eigen_float(net.c_str(), plain, x.data(), y.data(), samples);
    } else {
      handle = layers ? tapeloom_bench_make_layers_double(net.c_str(), x.data(), y.data(), samples)
                      : tapeloom_bench_make_eigen_double(net.c_str(), plain, x.data(), y.data(), samples);
    }
    if (handle.state == nullptr) throw std::invalid_argument("no hand-written step for " + net);
    return std::unique_ptr<Handle, Destroy>(new Handle(handle));
  }

  std::unique_ptr<Handle, Destroy> net_;
  std::size_t count_;
};

}  // namespace tapeloom::bench
