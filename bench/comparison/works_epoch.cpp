// An epoch of Fashion-MNIST.
#include <filesystem>
#include <numeric>

#include "bench/cases.h"
#include "bench/comparison/runners.h"
#include "bench/comparison/works.h"

namespace tapeloom::bench {
namespace {

constexpr std::size_t batch = 64;
constexpr double rate = 0.1;
constexpr std::uint64_t seed = 1;
constexpr const char* work_name = "Fashion-MNIST, 784-128-10 relu / 64, 60,000 pictures, with compiling";

const Case& net_case() {
  static const Case c = all_cases()[4];
  return c;
}

/// The pictures as rows of 784 numbers in [0, 1], and what they show.
struct Pictures {
  NumberArray<float> x, y;
  std::size_t count() const { return y.values.size(); }
};

template <class T>
double epoch_by_tapeloom(const Pictures& pictures, const NetWork& work, std::size_t threads) {
  Tape tape;
  Executor<T> model(compile(record_work(tape, work)), executor_options(batch, threads));
  const DataView data = DataView().add("x", pictures.x.values).add("y", pictures.y.values);
  const FitOptions options = {
      .epochs = 1, .batch = batch, .optimizer = SgdOptions{.learning_rate = rate}, .seed = seed};
  return fit(model, data, options).epochs[0].loss;
}

/// The mean loss of an epoch in the order in which fit() takes the rows, or NaN if the variant takes no other rows than
/// those that it was made with. A runner of its own does the last step, which has fewer rows.
double epoch_by_runner(const Pictures& pictures, NetWork work, const std::string& variant) {
  std::vector<std::uint32_t> order(pictures.count());
  std::iota(order.begin(), order.end(), 0U);
  shuffle_rows(order, seed, 0);
  std::unique_ptr<NetRunner> runner = make_runner(variant, work);
  std::vector<const float*> x(batch);
  std::vector<float> y(batch);
  double loss = 0.0;
  for (std::size_t first = 0; first < order.size(); first += batch) {
    const std::size_t count = std::min(batch, order.size() - first);
    if (count < batch) {
      work = make_net_work(work.net, count);
      work.start = runner->parameters();
      runner = make_runner(variant, work);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = order[first + i];
      x[i] = pictures.x.values.data() + row * work.net.inputs;
      y[i] = pictures.y.values[row];
    }
    if (!runner->set_rows(x.data(), y.data())) return unknown;
    loss += runner->step(rate) * static_cast<double>(count);
  }
  return loss / static_cast<double>(order.size());
}

double epoch_by(const std::string& variant, const Pictures& pictures, const NetWork& work) {
  if (variant == "double") return epoch_by_tapeloom<double>(pictures, work, 1);
  if (variant == "float") return epoch_by_tapeloom<float>(pictures, work, 1);
  if (variant == "double_all") return epoch_by_tapeloom<double>(pictures, work, 0);
  if (variant == "float_all") return epoch_by_tapeloom<float>(pictures, work, 0);
  return epoch_by_runner(pictures, work, variant);
}

}  // namespace

std::vector<Measurement> compare_epoch(const Plan& plan) {
  const std::string images = std::string(fashion_directory) + "/train-images-idx3-ubyte.gz";
  const std::string labels = std::string(fashion_directory) + "/train-labels-idx1-ubyte.gz";
  if (plan.quick || !std::filesystem::exists(images) || !std::filesystem::exists(labels)) return {};
  const Stage stage("epoch", "Fashion-MNIST");
  const auto pictures =
      std::make_shared<Pictures>(Pictures{read_idx<float>(images, {0, 28, 28}), read_idx<float>(labels, {0})});
  for (float& grey : pictures->x.values) grey /= 255.0f;

  const NetWork work = make_net_work(net_case().net, batch);
  std::vector<Contender> contenders;
  double expected = unknown;
  for (const char* variant : {"double", "float", "double_all", "float_all", "eigen_double", "eigen_float",
                              "plain_eigen_float", "torch_double", "torch"}) {
    if (!has_variant(variant)) continue;
    const double loss = epoch_by(variant, *pictures, work);
    if (contenders.empty()) expected = loss;
    // 938 steps apart in precision: rounding moves the mean loss in the fourth figure.
    if (!(std::fabs(loss - expected) <= 2e-3 * expected)) {
      throw std::runtime_error(std::string("an epoch by ") + variant + " has a mean loss of " + std::to_string(loss) +
                               " instead of " + std::to_string(expected));
    }
    contenders.push_back(
        contender_of("epoch", work_name, variant, [pictures, work, variant] { epoch_by(variant, *pictures, work); }));
  }
  return measure(std::move(contenders), plan.timing);
}

std::vector<Measurement> estimate_closure_epoch(const std::vector<Measurement>& measurements) {
  for (const Measurement& step : measurements) {
    if (step.chart != "nets" || step.work != net_case().name() || step.variant != "closures") continue;
    const double steps = 60000.0 / static_cast<double>(batch);
    Measurement epoch;
    epoch.chart = "epoch", epoch.work = work_name, epoch.variant = "closures";
    epoch.seconds = step.seconds, epoch.cpu_seconds = step.cpu_seconds;
    for (std::vector<double>* times : {&epoch.seconds, &epoch.cpu_seconds}) {
      for (double& seconds : *times) seconds *= steps;
    }
    epoch.remark = "not run, but estimated: 937.5 times each of the " + std::to_string(step.seconds.size()) +
                   " steps that were timed for " + step.work;
    return {epoch};
  }
  return {};
}

}  // namespace tapeloom::bench
