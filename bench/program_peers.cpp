// CppAD, which records once, optimises the recording and replays it; and CoDiPack, which records anew for each
// gradient, as programs with branches on values need it.
#include "bench/program_peers.h"

#include <codi.hpp>
#include <cppad/cppad.hpp>
#include <iterator>
#include <span>
#include <vector>

#include "bench/scalar_programs.h"

namespace tapeloom::bench {
namespace {

class CppAd {
 public:
  using Number = CppAD::AD<double>;

  CppAd(std::size_t program, std::span<const double> x) {
    std::vector<Number> by(x.begin(), x.end()), result(1);
    CppAD::Independent(by);
    result[0] = scalar_programs::run<Number>(
        program, std::span<const Number>(by),
        [](const Number& a, const Number& b) { return CppAD::CondExpLt(a, b, a, b); },
        [](const Number& a, const Number& b) { return CppAD::CondExpLt(a, b, b, a); });
    function_.Dependent(by, result);
    function_.optimize("no_compare_op");
  }

  void step(const double* x, double* gradients) {
    x_.assign(x, x + function_.Domain());
    function_.Forward(0, x_);
    std::ranges::copy(function_.Reverse(1, std::vector<double>{1.0}), gradients);
  }

 private:
  CppAD::ADFun<double> function_;
  std::vector<double> x_;
};

class CoDiPack {
 public:
  using Number = codi::RealReverse;

  CoDiPack(std::size_t program, std::span<const double> x) : program_(program), x_(x.size()) {}

  void step(const double* x, double* gradients) {
    auto& tape = Number::getTape();
    tape.reset();
    tape.setActive();
    for (std::size_t i = 0; i < x_.size(); ++i) x_[i] = x[i], tape.registerInput(x_[i]);
    Number result = scalar_programs::run<Number>(
        program_, std::span<const Number>(x_), [](const Number& a, const Number& b) { return a < b ? a : b; },
        [](const Number& a, const Number& b) { return a < b ? b : a; });
    tape.registerOutput(result);
    tape.setPassive();
    result.setGradient(1.0);
    tape.evaluate();
    for (std::size_t i = 0; i < x_.size(); ++i) gradients[i] = x_[i].getGradient();
  }

 private:
  std::size_t program_;
  std::vector<Number> x_;
};

template <class Peer>
constexpr ProgramPeer peer(const char* name) {
  return {name,
          [](std::size_t program, const double* x, std::size_t count) -> void* {
            return new Peer(program, {x, count});
          },
          [](void* opened, const double* x, double* gradients) { static_cast<Peer*>(opened)->step(x, gradients); },
          [](void* opened) { delete static_cast<Peer*>(opened); }};
}

constexpr ProgramPeer peers[] = {peer<CppAd>("CppAD"), peer<CoDiPack>("CoDiPack")};

}  // namespace
}  // namespace tapeloom::bench

const tapeloom::bench::ProgramPeer* tapeloom_bench_program_peers(std::size_t* count) {
  *count = std::size(tapeloom::bench::peers);
  return tapeloom::bench::peers;
}
