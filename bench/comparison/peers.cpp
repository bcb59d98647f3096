#include "bench/comparison/peers.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "bench/comparison/peers/peer.h"

namespace tapeloom::bench {
namespace {

struct Library {
  const char* name;
  const char* variants;  ///< what their ids start with
  const char* file;      ///< null if it was not found when this was built
  bool traces;           ///< once, before the first step; then no loss with derivatives in it is written for it
  bool layers;           ///< the nets of bench/eigen_layers.h are written for it
};

constexpr std::array<Library, 2> libraries = {{
#if defined(TAPELOOM_BENCH_ADOLC)
    {"ADOL-C", "adolc", "$ORIGIN/libbench_adolc.so", true, false},
#else
    {"ADOL-C", "adolc", nullptr, true, false},
#endif
#if defined(TAPELOOM_BENCH_TORCH)
    {"LibTorch", "torch", "$ORIGIN/libbench_torch.so", false, true},
#else
    {"LibTorch", "torch", nullptr, false, true},
#endif
}};

const Library* library_of(const std::string& variant) {
  for (const Library& library : libraries) {
    if (variant.starts_with(library.variants)) return &library;
  }
  return nullptr;
}

bool in_float(const std::string& variant) { return variant == "torch"; }

/// OpenBLAS, which LibTorch multiplies with, reads these when it is loaded: it is to have one thread, too, and the
/// kernels of its own choice, even where the environment prescribes others.
void prepare_openblas() {
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  unsetenv("OPENBLAS_CORETYPE");
}

/// The functions of a library, loaded when first asked for and never unloaded.
class Functions {
 public:
  static const Functions& of(const std::string& variant) {
    const Library* library = library_of(variant);
    if (library == nullptr || library->file == nullptr) {
      throw std::invalid_argument("no variant " + variant + " in this build");
    }
    static std::array<std::unique_ptr<Functions>, libraries.size()> loaded;
    std::unique_ptr<Functions>& functions = loaded[static_cast<std::size_t>(library - libraries.data())];
    if (functions == nullptr) functions.reset(new Functions(*library));
    return *functions;
  }

  /// What `make` made, unless that failed.
  tapeloom_bench_peer_state check(const tapeloom_bench_peer_state& made) const {
    if (made.state == nullptr) throw std::runtime_error(std::string(name_) + ": " + error());
    return made;
  }

  decltype(&tapeloom_bench_make_net) make_net = nullptr;
  decltype(&tapeloom_bench_make_layers) make_layers = nullptr;  ///< null if the library has it not
  decltype(&tapeloom_bench_make_expression) make_expression = nullptr;
  decltype(&tapeloom_bench_peer_version) version = nullptr;
  decltype(&tapeloom_bench_peer_error) error = nullptr;

 private:
  explicit Functions(const Library& library) : name_(library.name) {
    prepare_openblas();
    void* const handle = dlopen(library.file, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(std::string("cannot load ") + library.name + ": " + dlerror());
    find(handle, "tapeloom_bench_make_net", make_net);
    if (library.layers) find(handle, "tapeloom_bench_make_layers", make_layers);
    find(handle, "tapeloom_bench_make_expression", make_expression);
    find(handle, "tapeloom_bench_peer_version", version);
    find(handle, "tapeloom_bench_peer_error", error);
  }

  template <class F>
  static void find(void* handle, const char* name, F*& function) {
    void* const symbol = dlsym(handle, name);
    if (symbol == nullptr) throw std::runtime_error(dlerror());
    function = reinterpret_cast<F*>(symbol);
  }

  const char* name_;
};

/// Owns a peer's state.
class State {
 public:
  explicit State(const tapeloom_bench_peer_state& state) : state_(state) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { state_.destroy(state_.state); }
  const tapeloom_bench_peer_state* operator->() const { return &state_; }

 private:
  tapeloom_bench_peer_state state_;
};

double epsilon_of(const std::string& variant) {
  return in_float(variant) ? static_cast<double>(std::numeric_limits<float>::epsilon())
                           : std::numeric_limits<double>::epsilon();
}

tapeloom_bench_activation activation_of(closure::Activation activation) {
  switch (activation) {
    case closure::Activation::linear:
      return tapeloom_bench_linear;
    case closure::Activation::tanh:
      return tapeloom_bench_tanh;
    case closure::Activation::relu:
      return tapeloom_bench_relu;
  }
  throw std::invalid_argument("no activation that peers know");
}

tapeloom_bench_loss loss_of(LossKind loss) {
  switch (loss) {
    case LossKind::squared:
      return tapeloom_bench_squared;
    case LossKind::hinge:
      return tapeloom_bench_hinge;
    case LossKind::cross_entropy:
      return tapeloom_bench_cross_entropy;
    case LossKind::equation:
      return tapeloom_bench_equation;
  }
  throw std::invalid_argument("no loss that peers know");
}

class PeerRunner : public NetRunner {
 public:
  PeerRunner(const std::string& variant, const NetWork& work)
      : PeerRunner(variant, make(variant, work), work.start.size()) {}
  PeerRunner(const std::string& variant, const tapeloom_bench_peer_state& state, std::size_t parameters)
      : state_(state), count_(parameters), epsilon_(epsilon_of(variant)) {
    record_seconds = state_->trace_seconds;
  }
  double step(double learning_rate) override { return state_->step(state_->state, learning_rate); }
  std::vector<double> parameters() const override {
    std::vector<double> numbers(count_);
    state_->read_parameters(state_->state, numbers.data());
    return numbers;
  }
  double epsilon() const override { return epsilon_; }
  bool set_rows(const float* const* x, const float* y) override {
    return state_->set_rows != nullptr && state_->set_rows(state_->state, x, y);
  }

 private:
  static tapeloom_bench_peer_state make(const std::string& variant, const NetWork& work) {
    const Net& net = work.net;
    const tapeloom_bench_net description = {.inputs = net.inputs,
                                            .layers = net.widths.size(),
                                            .widths = net.widths.data(),
                                            .hidden = activation_of(net.hidden),
                                            .last = activation_of(net.last),
                                            .loss = loss_of(net.loss),
                                            .l2 = net.l2,
                                            .samples = work.data.samples,
                                            .targets = net.targets(),
                                            .x = work.data.x.data(),
                                            .y = work.data.y.data(),
                                            .parameters = work.start.data()};
    const Functions& functions = Functions::of(variant);
    return functions.check(functions.make_net(&description, in_float(variant)));
  }

  State state_;
  std::size_t count_;
  double epsilon_;
};

class LoadedExpression : public PeerExpression {
 public:
  LoadedExpression(const std::string& variant, const ScalarExpression& expression, std::span<const double> rows,
                   std::size_t samples)
      : state_(make(variant, expression, rows, samples)), epsilon_(epsilon_of(variant)) {}
  double evaluate(const double* parameters, double* gradients) override {
    return state_->evaluate(state_->state, parameters, gradients);
  }
  double epsilon() const override { return epsilon_; }
  double trace_seconds() const override { return state_->trace_seconds; }

 private:
  static tapeloom_bench_peer_state make(const std::string& variant, const ScalarExpression& expression,
                                        std::span<const double> rows, std::size_t samples) {
    std::vector<tapeloom_bench_operation> list;
    for (const ScalarStep& step : expression.steps) list.push_back({static_cast<int>(step.op), step.x, step.y});
    const tapeloom_bench_expression description = {.inputs = expression.inputs,
                                                   .parameters = expression.parameters.size(),
                                                   .operations = list.size(),
                                                   .samples = samples,
                                                   .list = list.data(),
                                                   .rows = rows.data(),
                                                   .start = expression.parameters.data()};
    const Functions& functions = Functions::of(variant);
    return functions.check(functions.make_expression(&description, in_float(variant)));
  }

  State state_;
  double epsilon_;
};

}  // namespace

bool is_peer(const std::string& variant) { return library_of(variant) != nullptr; }

bool has_peer(const std::string& variant) { return is_peer(variant) && library_of(variant)->file != nullptr; }

bool peer_takes(const std::string& variant, const NetWork& work) {
  constexpr std::size_t most_traced_products = 10'000'000;
  const Library* library = library_of(variant);
  return library != nullptr &&
         (!library->traces || (work.net.loss != LossKind::equation &&
                               work.net.parameter_count() * work.data.samples <= most_traced_products));
}

std::unique_ptr<NetRunner> make_peer(const std::string& variant, const NetWork& work) {
  return std::make_unique<PeerRunner>(variant, work);
}

std::unique_ptr<NetRunner> make_peer_layers(const std::string& variant, const std::string& net, const Data& data,
                                            std::span<const double> start) {
  const tapeloom_bench_layers description = {
      .name = net.c_str(), .samples = data.samples, .x = data.x.data(), .y = data.y.data(), .parameters = start.data()};
  const Functions& functions = Functions::of(variant);
  if (functions.make_layers == nullptr) throw std::invalid_argument(net + " is not written for " + variant);
  const auto state = functions.check(functions.make_layers(&description, in_float(variant)));
  return std::make_unique<PeerRunner>(variant, state, start.size());
}

std::unique_ptr<PeerExpression> make_peer_expression(const std::string& variant, const ScalarExpression& expression,
                                                     std::span<const double> rows, std::size_t samples) {
  return std::make_unique<LoadedExpression>(variant, expression, rows, samples);
}

std::pair<std::string, std::string> peer_fact(const std::string& variant) {
  const Library* library = library_of(variant);
  if (library == nullptr) throw std::invalid_argument("no library runs " + variant);
  if (library->file == nullptr) {
    return {library->name, "skipped: not found when this was built (scripts/bootstrap.sh --peers)"};
  }
  std::string fact = Functions::of(variant).version() + std::string(", one thread");
  if (library->traces) {
    fact += "; nets with more than 10 million products a step are left out: their trace is too large";
  }
  return {library->name, fact};
}

std::vector<std::pair<std::string, std::string>> peer_facts() {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const Library& library : libraries) facts.push_back(peer_fact(library.variants));
  return facts;
}

}  // namespace tapeloom::bench
