#include "tapeloom/runtime/execute/profile.h"

#include "tapeloom/core/base/text.h"
#include "tapeloom/core/program/work.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

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
    std::string all = "   us/step    share   runs/step     rows x terms       GFLOP/s     peak     GB/s  instruction\n";
    all += lines_;
    all += line(profile_.loads) + std::string(51, ' ') + "reading rows\n";
    all += right(fixed_text(1e6 * per_step(seconds_), 2), 10) +
           " us of all threads in instructions and reading rows; a step of " +
           fixed_text(per_step(static_cast<double>(profile_.samples)), 1) + " samples takes " +
           fixed_text(1e6 * per_step(profile_.step_seconds), 2) +
           " us: " + fixed_text(1e-9 * rate(flops_, profile_.step_seconds), 2) + " GFLOP/s";
    if (peak_ > 0.0) all += ", " + fixed_text(100.0 * rate(flops_, profile_.step_seconds) / peak_, 1) + "% of peak";
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
    const std::string of_peak = peak_ > 0.0 ? fixed_text(100.0 * rate(flops, time.seconds) / peak_, 1) + "%" : "-";
    lines_ += line(time) + " " + right(work.rows, 8) + " x " + left(work.terms, 6) + " " +
              right(fixed_text(1e-9 * rate(flops, time.seconds), 2), 12) + " " + right(of_peak, 8) + " " +
              right(fixed_text(1e-9 * rate(bytes, time.seconds), 2), 8) + "  " + work.name;
    lines_ += profile_.steps > 0 && time.runs == 0 ? ", in the next\n" : "\n";
  }

  std::string line(const InstructionTime& time) const {
    return right(fixed_text(1e6 * per_step(time.seconds), 2), 10) + " " +
           right(fixed_text(100.0 * rate(time.seconds, seconds_), 1), 7) + "% " +
           right(fixed_text(per_step(static_cast<double>(time.runs)), 1), 11);
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
  const bool of_part = profile.of_one_sample && program.of_one_sample != nullptr;
  return Table(of_part ? *program.of_one_sample : program, profile, peak).text();
}

}  // namespace tapeloom::inline TAPELOOM_ABI
