#include "tapeloom/runtime/train/divergence.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

std::string begin_of(const Divergence& d) {
  if (d.step == 0) {
    return std::string("at the start ") +
           (std::isfinite(d.loss) ? "gradients are not finite. " : "the loss is " + number_text(d.loss) + ". ");
  }
  std::string text = "step " + std::to_string(d.step) + " (epoch " + std::to_string(d.epoch) + ", batch " +
                     std::to_string(d.batch) + "): the loss is " + number_text(d.loss);
  if (std::isfinite(d.loss)) {
    text += std::isnan(d.gradient_norm) ? ", gradients are not finite"
                                        : ", the norm of the gradients " + number_text(d.gradient_norm);
  }
  return text + ", the learning rate " + number_text(d.learning_rate) + ". ";
}

template <class T>
class Search {
 public:
  Search(Executor<T>& executor, std::span<const std::uint32_t> batch, Divergence known)
      : executor_(executor), program_(executor.program()), batch_(batch), found_(std::move(known)) {}

  Divergence run() {
    found_.what = begin_of(found_);
    if (!bad_parameter() && !bad_number() && !bad_row()) {
      found_.what += std::string("The parameters are finite, and all that was ") +
                     (program_.recorded_samples > 0 ? "recorded. " : "bound. ") + largest_parameter();
    }
    return std::move(found_);
  }

 private:
  /// An update went too far: none is by gradients that are not finite.
  bool bad_parameter() {
    const std::span<const T> parameters = std::as_const(executor_).parameters();
    const auto bad = std::find_if(parameters.begin(), parameters.end(), [](T p) { return !std::isfinite(p); });
    if (bad == parameters.end()) return false;
    const auto index = static_cast<std::size_t>(bad - parameters.begin());
    found_.what += parameter_text(index, " was ") +
                   (found_.step == 0 ? ". " : " before this step: the learning rate is too large. ");
    return true;
  }

  /// What grows while the learning rate is too large.
  std::string largest_parameter() const {
    const std::span<const T> parameters = std::as_const(executor_).parameters();
    const auto largest =
        std::max_element(parameters.begin(), parameters.end(), [](T a, T b) { return std::fabs(a) < std::fabs(b); });
    return parameter_text(static_cast<std::size_t>(largest - parameters.begin()), " is the largest, ");
  }
  std::string parameter_text(std::size_t index, const char* verb) const {
    const std::string& label = program_.parameters[index].label;
    return "Parameter " + std::to_string(index) + (label.empty() ? "" : ", " + quoted(label) + ",") + verb +
           number_text(static_cast<double>(std::as_const(executor_).parameters()[index]));
  }

  /// Samples that were recorded are all in every step.
  bool bad_number() {
    if (program_.input_groups.empty()) return false;
    for (std::uint32_t row = 0; row < program_.recorded_samples; ++row) {
      const auto first = program_.recorded_rows.begin() + std::ptrdiff_t{row} * program_.input_count;
      if (bad_number(row, {first, first + program_.input_count})) return true;
    }
    if (program_.recorded_samples > 0) return false;
    return std::any_of(batch_.begin(), batch_.end(),
                       [&](std::uint32_t row) { return bad_number(row, executor_.bound_row(row)); });
  }
  bool bad_number(std::uint32_t row, const std::vector<double>& numbers) {
    for (const ProgramInputGroup& group : program_.input_groups) {
      for (std::uint32_t c = 0; group.used && c < group.count; ++c) {
        const double number = numbers[group.first.index + c];
        if (std::isfinite(static_cast<T>(number))) continue;
        name(row, group, c, number);
        found_.what += "Row " + std::to_string(row) + " has a number that is " +
                       (std::isfinite(number) ? "too large for a float" : "not finite") + ": " + quoted(group.name) +
                       ", column " + std::to_string(c) + ", is " + number_text(number);
        return true;
      }
    }
    return false;
  }

  /// Of rows that are bound: each by itself, and with other numbers.
  bool bad_row() {
    if (program_.input_groups.empty() || program_.recorded_samples > 0) return false;
    const auto bad = std::find_if(batch_.begin(), batch_.end(), [&](const std::uint32_t& row) {
      return !finite([&] { return executor_.step({&row, 1}); });
    });
    if (bad == batch_.end()) return false;
    found_.row = *bad;
    found_.what += "Row " + std::to_string(*bad) + " is the first that is not finite by itself, though its numbers are";
    std::vector<double> numbers = executor_.bound_row(*bad);
    for (const ProgramInputGroup& group : program_.input_groups) {
      if (group.used && group.count == 1 && is_class_number(numbers, group)) return true;
    }
    found_.what += ". " + largest_parameter();
    return true;
  }

  /// Whether the row is finite with 0, 1, ... in place of this number up to some class, and not from there on.
  bool is_class_number(std::vector<double>& numbers, const ProgramInputGroup& group) {
    constexpr std::size_t most_classes = std::size_t{1} << 20;
    double& number = numbers[group.first.index];
    const double given = number;
    const auto finite_with = [&](std::size_t k) {
      number = static_cast<double>(k);
      return finite_row(numbers);
    };
    std::size_t good = 0, bad = 2;
    if (finite_with(0) && finite_with(1)) {
      while (bad <= most_classes && finite_with(bad)) good = bad, bad *= 2;
      for (good = std::max<std::size_t>(good, 1); bad <= most_classes && bad - good > 1;) {
        const std::size_t middle = good + (bad - good) / 2;
        (finite_with(middle) ? good : bad) = middle;
      }
    }
    number = given;
    const bool within = given >= 0.0 && given <= static_cast<double>(good) && given == std::floor(given);
    if (good == 0 || bad > most_classes || within) return false;
    name(*found_.row, group, 0, given);
    found_.classes = bad;
    found_.what += ": " + quoted(group.name) + " is " + number_text(given) + ", and only 0 to " + std::to_string(good) +
                   " in its place give finite numbers. If it is the number of a class, there are " +
                   std::to_string(bad) + ", numbered from 0";
    return true;
  }

  void name(std::uint32_t row, const ProgramInputGroup& group, std::size_t column, double value) {
    found_.row = row;
    found_.group = group.name;
    found_.column = column;
    found_.value = value;
  }

  bool finite_row(const std::vector<double>& numbers) {
    for (const ProgramInputGroup& group : program_.input_groups) {
      if (group.used) executor_.bind(group.name, std::span(numbers).subspan(group.first.index, group.count));
    }
    return finite([&] { return executor_.step(0, 1); });
  }
  /// A step that a guard refuses is no reason.
  template <class Step>
  bool finite(Step step) {
    try {
      const bool good = std::isfinite(static_cast<double>(step()));
      if (!good || !std::isfinite(found_.loss)) return good;
      const std::span<const T> gradients = executor_.gradients();
      return std::all_of(gradients.begin(), gradients.end(), [](T g) { return std::isfinite(g); });
    } catch (const GuardError&) {
      return true;
    }
  }

  Executor<T>& executor_;
  const Program& program_;
  std::span<const std::uint32_t> batch_;
  Divergence found_;
};

}  // namespace

template <class T>
Divergence find_divergence(Executor<T>& executor, std::span<const std::uint32_t> batch, Divergence known) {
  return Search<T>(executor, batch, std::move(known)).run();
}

template Divergence find_divergence(Executor<float>&, std::span<const std::uint32_t>, Divergence);
template Divergence find_divergence(Executor<double>&, std::span<const std::uint32_t>, Divergence);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
