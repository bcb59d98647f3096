#include "tapeloom/runtime/gradient_watch.h"

namespace tapeloom::inline v0_1::runtime {

GradientWatch::GradientWatch(const Program& program) {
  std::vector<bool> watched(program.total_count, false);
  watch_products(program, watched);
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

/// By their first rows and columns.
void GradientWatch::watch_products(const Program& program, std::vector<bool>& watched) {
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      if (i.kind != InstructionKind::reduce_outer) continue;
      const Shape& s = program.shapes[i.shape];
      for (std::uint32_t p = 0; p < (s.place_step == 0 ? 1 : s.places); ++p) {
        const std::uint32_t first = i.out + p * s.place_step;
        runs_.push_back({program.first_total() + first, s.terms, s.term_step});
        runs_.push_back({program.first_total() + first, s.rows, s.row_step});
        for (std::uint32_t row = 0; row < s.rows; ++row) {
          for (std::uint32_t term = 0; term < s.terms; ++term) {
            watched[first + row * s.row_step + term * s.term_step] = true;
          }
        }
      }
    }
  }
}

}  // namespace tapeloom::inline v0_1::runtime
