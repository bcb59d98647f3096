// Works that are steps of a net.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include "bench/cases.h"
#include "bench/comparison/runners.h"
#include "bench/comparison/works.h"
#include "bench/turns.h"

namespace tapeloom::bench {
namespace {

void remove(std::vector<std::string>& variants, const std::string& variant) { std::erase(variants, variant); }

std::vector<Measurement> measure_net(const Plan& plan, const NetWork& work, std::vector<std::string> variants,
                                     const std::string& chart, const std::string& name, double x) {
  const Stage stage(chart, name);
  const auto is_chosen = [&plan](const std::string& id) {
    return plan.variants.empty() || std::find(plan.variants.begin(), plan.variants.end(), id) != plan.variants.end();
  };
  std::erase_if(variants, [&](const std::string& id) { return !is_chosen(id); });
  check_runners(work, variants);
  std::vector<Contender> contenders = net_contenders(work, variants);
  for (Contender& c : contenders) c.result.chart = chart, c.result.work = name, c.result.x = x;
  return measure(std::move(contenders), plan.timing);
}

void append(std::vector<Measurement>& to, std::vector<Measurement> from) {
  for (Measurement& m : from) to.push_back(std::move(m));
}

}  // namespace

Alone run_alone(const std::string& variant, std::size_t number_of_case) {
  constexpr std::size_t repetitions = 9;
  constexpr double slice_seconds = 0.02;
  const Case c = all_cases().at(number_of_case);
  const NetWork work = make_net_work(c.net, c.samples);
  Alone alone;
  std::unique_ptr<NetRunner> runner;
  const auto step = [&runner] { runner->step(1e-6); };
  if (variant != "none") {
    runner = make_runner(variant, work);
    time_calls(step, 1);
    alone.seconds = time_calls(step, 1);
  }
  // Not what getrusage says: that would be the parent's peak, if it was higher.
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word == "VmHWM:" && file >> alone.peak_bytes) alone.peak_bytes *= 1024.0;
  }
  if (alone.seconds < 1.0) {
    Contestant contestant(variant, step);
    measure_by_turns({&contestant}, repetitions, slice_seconds);
    alone.seconds = contestant.median_seconds();
  }
  return alone;
}

Alone ask_alone(const std::string& variant, std::size_t number_of_case) {
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) <= 0) return {};
  const std::string command =
      "'" + std::string(self.data()) + "' --alone " + variant + " " + std::to_string(number_of_case);
  std::FILE* pipe = popen(command.c_str(), "r");
  Alone alone;
  if (pipe == nullptr || std::fscanf(pipe, "%lf %lf", &alone.peak_bytes, &alone.seconds) != 2) alone = {};
  if (pipe != nullptr) pclose(pipe);
  return alone;
}

std::vector<Measurement> compare_nets(const Plan& plan) {
  std::vector<Measurement> all;
  const std::vector<Case> cases = all_cases();
  const std::size_t count = plan.quick ? 3 : cases.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Case& c = cases[i];
    const NetWork work = make_net_work(c.net, c.samples);
    const std::size_t first = all.size();
    append(all, measure_net(plan, work, runner_variants(work), "nets", c.name(), static_cast<double>(i + 1)));
    for (std::size_t m = first; m < all.size(); ++m) {
      const Alone alone = ask_alone(all[m].variant, i);
      all[m].peak_bytes = alone.peak_bytes, all[m].alone_seconds = alone.seconds;
    }
  }
  return all;
}

std::vector<Measurement> compare_widths(const Plan& plan) {
  std::vector<Measurement> all;
  const std::vector<std::size_t> widths =
      plan.quick ? std::vector<std::size_t>{4, 16} : std::vector<std::size_t>{4, 8, 16, 32, 64, 128, 256, 512};
  for (const std::size_t width : widths) {
    const std::string w = std::to_string(width);
    const Net net = {"64-" + w + "-" + w + "-10 relu",
                     64,
                     {width, width, 10},
                     closure::Activation::relu,
                     closure::Activation::linear,
                     LossKind::cross_entropy};
    const NetWork work = make_net_work(net, 64);
    std::vector<std::string> variants = runner_variants(work);
    if (width > 128) remove(variants, "closures");
    if (width > 256) remove(variants, "evaluator"), remove(variants, "unrolled");
    append(all, measure_net(plan, work, variants, "width", net.name + " / 64", static_cast<double>(width)));
  }
  return all;
}

std::vector<Measurement> compare_batches(const Plan& plan) {
  std::vector<Measurement> all;
  const Net net = all_cases()[3].net;
  const std::vector<std::size_t> batches =
      plan.quick ? std::vector<std::size_t>{1, 16} : std::vector<std::size_t>{1, 4, 16, 64, 256, 1024, 4096};
  for (const std::size_t samples : batches) {
    const NetWork work = make_net_work(net, samples);
    std::vector<std::string> variants = runner_variants(work);
    if (samples > 256) remove(variants, "closures");
    if (samples > 1024) remove(variants, "evaluator");
    append(all, measure_net(plan, work, variants, "batch", net.name + " / " + std::to_string(samples),
                            static_cast<double>(samples)));
  }
  return all;
}

std::vector<Measurement> compare_equations(const Plan& plan) {
  std::vector<Measurement> all;
  const std::size_t points = plan.quick ? 64 : 1024;
  const std::vector<std::size_t> widths =
      plan.quick ? std::vector<std::size_t>{8} : std::vector<std::size_t>{16, 32, 64, 128};
  for (const std::size_t width : widths) {
    const std::string w = std::to_string(width);
    const Net net = {"2-" + w + "-" + w + "-" + w + "-1 tanh, an equation",
                     2,
                     {width, width, width, 1},
                     closure::Activation::tanh,
                     closure::Activation::linear,
                     LossKind::equation};
    const NetWork work = make_net_work(net, points);
    std::vector<std::string> variants = runner_variants(work);
    if (!plan.quick) remove(variants, "evaluator"), remove(variants, "unrolled");
    append(all, measure_net(plan, work, variants, "equation", net.name + " / " + std::to_string(points),
                            static_cast<double>(width)));
  }
  return all;
}

std::vector<Measurement> compare_recordings(const Plan& plan) {
  std::vector<Measurement> all;
  const Net net = all_cases()[1].net;
  const std::vector<std::size_t> counts =
      plan.quick ? std::vector<std::size_t>{2, 8} : std::vector<std::size_t>{2, 8, 32, 128, 512, 2048};
  for (const std::size_t samples : counts) {
    NetWork work = make_net_work(net, samples);
    work.samples_recorded = true;
    Tape tape;
    record_work(tape, work);
    const std::vector<std::string> variants = runner_variants(work);
    append(all, measure_net(plan, work, variants, "nodes", net.name + ", recorded samples: " + std::to_string(samples),
                            static_cast<double>(tape.size())));
  }
  return all;
}

}  // namespace tapeloom::bench
