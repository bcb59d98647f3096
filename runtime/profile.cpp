#include "tapeloom/runtime/profile.h"

#include <cstdio>

#include "tapeloom/core/work.h"

namespace tapeloom::inline v0_1 {

namespace {

template <class... Numbers>
std::string formatted(const char* format, Numbers... numbers) {
  char text[160];
  std::snprintf(text, sizeof text, format, numbers...);
  return text;
}

/// The table's lines, and what they add up to.
class Table {
 public:
  Table(const Program& program, const Profile& profile, double peak)
      : program_(program), profile_(profile), peak_(peak), seconds_(profile.loads.seconds) {
    for (const InstructionTime& time : profile.instructions) seconds_ += time.seconds;
    for (const Stage& stage : program.stages) {
      add_all(stage.uniform, false);
      add_all(stage.tile, true);
    }
  }

  std::string text() const {
    const InstructionTime& loads = profile_.loads;
    std::string all = "   us/step    share   runs/step     rows x terms       GFLOP/s     peak     GB/s  instruction\n";
    all += lines_;
    all += line(loads) + formatted(" %17s %12s %8s %8s  reading rows\n", "", "", "", "");
    all += formatted("%10.2f us of all threads in instructions and reading rows; a step of %.1f samples takes ",
                     1e6 * per_step(seconds_), per_step(static_cast<double>(profile_.samples)));
    all += formatted("%.2f us: %.2f GFLOP/s", 1e6 * per_step(profile_.step_seconds),
                     1e-9 * rate(flops_, profile_.step_seconds));
    if (peak_ > 0.0) all += formatted(", %.1f%% of peak", 100.0 * rate(flops_, profile_.step_seconds) / peak_);
    return all + "\n";
  }

 private:
  void add_all(Range range, bool in_tile) {
    for (std::uint32_t i = range.begin; i < range.end; ++i) {
      add(work_of(program_, program_.instructions[i], in_tile), profile_.instructions[i], in_tile);
    }
  }

  void add(const InstructionWork& work, const InstructionTime& time, bool in_tile) {
    const double times = static_cast<double>(in_tile ? profile_.samples : time.runs);
    const double flops = static_cast<double>(work.flops) * times;
    const double bytes = static_cast<double>(work.numbers * profile_.number_size) * times;
    flops_ += flops;
    lines_ += line(time) + formatted(" %8llu x %-6llu", static_cast<unsigned long long>(work.rows),
                                     static_cast<unsigned long long>(work.terms));
    lines_ += formatted(" %12.2f", 1e-9 * rate(flops, time.seconds));
    lines_ += peak_ > 0.0 ? formatted(" %7.1f%%", 100.0 * rate(flops, time.seconds) / peak_) : formatted(" %8s", "-");
    lines_ += formatted(" %8.2f  ", 1e-9 * rate(bytes, time.seconds)) + work.name;
    lines_ += profile_.steps > 0 && time.runs == 0 ? ", in the next\n" : "\n";
  }

  std::string line(const InstructionTime& time) const {
    return formatted("%10.2f %7.1f%% %11.1f", 1e6 * per_step(time.seconds), 100.0 * rate(time.seconds, seconds_),
                     per_step(static_cast<double>(time.runs)));
  }
  double per_step(double x) const { return rate(x, static_cast<double>(profile_.steps)); }
  static double rate(double x, double of) { return of > 0.0 ? x / of : 0.0; }

  const Program& program_;
  const Profile& profile_;
  double peak_;
  double seconds_;
  double flops_ = 0.0;
  std::string lines_;
};

}  // namespace

std::string explain(const Program& program, const Profile& profile, double peak) {
  return Table(program, profile, peak).text();
}

}  // namespace tapeloom::inline v0_1
