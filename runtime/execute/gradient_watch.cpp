// Finds where to look for gradients that are not finite.
#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/interpreter.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

GradientWatch::GradientWatch(const Program& program) {
  std::vector<bool> watched(program.total_count, false);
  watch_products(program, watched);
  watch_additions(program, watched);
  // A matrix that is used again and again has several products at one place.
  std::ranges::sort(runs_);
  runs_.erase(std::unique(runs_.begin(), runs_.end()), runs_.end());
  // All other gradients, one by one.
  for (const GradientPiece& piece : program.gradients) {
    for (std::uint32_t slot = piece.slot; slot < piece.slot + piece.count; ++slot) {
      const std::uint32_t total = slot - program.first_total();  // wraps around below it
      if (total < watched.size() && watched[total]) continue;
      if (!runs_.empty() && runs_.back().step == 1 && runs_.back().slot + runs_.back().count == slot) {
        ++runs_.back().count;
      } else {
        runs_.push_back({slot, 1, 1});
      }
    }
  }
}

/// Looks at the first rows and columns of totals of products, and marks all of these as watched.
void GradientWatch::watch_products(const Program& program, std::vector<bool>& watched) {
  const auto mark = [&](const Shape& s, std::uint32_t columns, std::uint32_t first) {
    for (std::uint32_t row = 0; row < s.rows; ++row) {
      for (std::uint32_t j = 0; j < columns; ++j) watched[first + row * s.row_step + j * s.term_step] = true;
    }
  };
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      if (i.kind != InstructionKind::reduce_outer) continue;
      const Shape& s = program.shapes[i.shape];
      const instructions::ReduceOuter outer{i, s};
      for (std::uint32_t p = 0; p < (s.place_step == 0 ? 1 : outer.places()); ++p) {
        const std::uint32_t first = i.out + p * s.place_step, slot = program.first_total() + first;
        runs_.push_back({slot, outer.columns(), s.term_step});
        if (outer.rows() > 1) runs_.push_back({slot, outer.rows(), s.row_step});
        mark(s, outer.columns(), first);
      }
      if (!i.follows_row_sums) continue;
      const Instruction& sums = program.instructions[at - 1];
      mark(program.shapes[sums.shape], 1, sums.out);
    }
  }
}

/// Takes the marks off what is added to, once a step, after the samples: that may be NaN, too.
void GradientWatch::watch_additions(const Program& program, std::vector<bool>& watched) {
  const auto unmark = [&](std::uint32_t slot) {
    const std::uint32_t total = slot - program.first_total();  // wraps around below it
    if (total < watched.size()) watched[total] = false;
  };
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.uniform.begin; at < stage.uniform.end; ++at) {
      const Instruction& i = program.instructions[at];
      const Shape& s = program.shapes[i.shape];
      // No other kind writes where totals are.
      if (i.kind == InstructionKind::gather) {
        for (std::uint32_t row = 0; row < s.rows; ++row) unmark(i.out + row);
      } else if (i.kind == InstructionKind::add_at) {
        const instructions::AddAt to{i, s};
        for (std::uint32_t row = 0; row < to.rows(); ++row) {
          for (std::uint32_t j = 0; j < to.columns(); ++j) unmark(i.out + row * s.row_step + j * s.term_step);
        }
      }
    }
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
