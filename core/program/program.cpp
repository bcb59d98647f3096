#include "tapeloom/core/program/program.h"

#include "tapeloom/core/base/hash.h"

namespace tapeloom::inline TAPELOOM_ABI {

std::uint64_t hash(const Program& program) {
  Hash h;
  const auto add_text = [&](const std::string& text) { h.add(std::uint64_t{text.size()}), h.add(text); };
  const auto add_range = [&](Range range) { h.add(std::uint64_t{range.begin}), h.add(std::uint64_t{range.end}); };
  for (const ProgramParameter& p : program.parameters) h.add(p.initial), h.add(std::uint64_t{p.frozen});
  for (const ProgramInputGroup& g : program.input_groups) {
    add_text(g.name), h.add(std::uint64_t{g.count}), h.add(std::uint64_t{g.used});
  }
  h.add(std::uint64_t{program.random_count} << 1 | std::uint64_t{program.is_of_training});
  for (const ProgramUniformInput& u : program.uniform_inputs) add_text(u.name), h.add(u.initial);
  for (double c : program.constants) h.add(c);
  for (const ProgramGuard& g : program.guards) h.add(std::uint64_t{g.expected});
  for (const ProgramOutput& o : program.outputs) h.add(std::uint64_t{o.varying}), h.add(std::uint64_t{o.slot});
  h.add(std::uint64_t{program.loss_slot});
  for (const GradientPiece& g : program.gradients) {
    h.add(std::uint64_t{g.first.index} << 32 | g.count), h.add(std::uint64_t{g.slot});
  }
  for (const ProgramAssignment& a : program.assignments) h.add(std::uint64_t{a.parameter.index} << 32 | a.slot);
  h.add(std::uint64_t{program.has_gradients} << 1 | std::uint64_t{program.has_input_gradients});
  h.add(std::uint64_t{program.exact} << 1 | std::uint64_t{program.repeats_for_nan});
  h.add(std::uint64_t{program.recorded_samples});
  for (double number : program.recorded_rows) h.add(number);
  for (const Instruction& i : program.instructions) {
    h.add(static_cast<std::uint64_t>(i.kind) << 24 | static_cast<std::uint64_t>(i.op) << 16 |
          static_cast<std::uint64_t>(i.then) << 8 | std::uint64_t{i.accumulates} << 4 |
          std::uint64_t{i.exact_rows} << 5 | std::uint64_t{i.follows_row_sums} << 3 | i.uniform_mask);
    h.add(std::uint64_t{i.shape} << 32 | i.out);
    for (std::uint32_t x : i.x) h.add(std::uint64_t{x});
  }
  for (const Stage& s : program.stages)
    add_range(s.uniform), add_range(s.tile), add_range(s.inputs), add_range(s.totals);
  for (const Load& l : program.loads) h.add(std::uint64_t{l.first.index} << 32 | l.count), h.add(std::uint64_t{l.slot});
  for (const Shape& s : program.shapes) {
    h.add(std::uint64_t{s.rows} << 32 | s.terms), h.add(std::uint64_t{s.row_step} << 32 | s.term_step);
    for (std::uint32_t step : s.step) h.add(std::uint64_t{step});
    h.add(std::uint64_t{s.places} << 32 | s.place_step);
    h.add(std::uint64_t{s.windows.step} << 32 | s.gaps);
    h.add(std::uint64_t{s.windows.run} << 32 | s.windows.run_step);
  }
  for (std::uint32_t index : program.indices) h.add(std::uint64_t{index});
  h.add(std::uint64_t{program.one_row} << 1 | std::uint64_t{program.is_mean_over_samples});
  if (program.of_one_sample != nullptr) h.add(hash(*program.of_one_sample));
  return h.value();
}

}  // namespace tapeloom::inline TAPELOOM_ABI
