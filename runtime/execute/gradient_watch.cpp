// Finds where to look for gradients that are not finite.
#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/interpreter.h"
#include "tapeloom/runtime/execute/uniform_slots.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

GradientWatch::GradientWatch(const Program& program, std::span<const HeldProduct> held) {
  std::vector<bool> watched(program.uniform_slots, false);
  watch_products(program, watched);
  watch_additions(program, watched);
  watch_products_once(program, held, watched);
  // A matrix that is used again and again has several products at one place.
  std::ranges::sort(runs_);
  runs_.erase(std::unique(runs_.begin(), runs_.end()), runs_.end());
  // All other gradients, one by one.
  for (const GradientPiece& piece : program.gradients) {
    for (std::uint32_t slot = piece.slot; slot < piece.slot + piece.count; ++slot) {
      if (!watched[slot]) watch(slot);
    }
  }
}

/// As one run with those before it, if they are evenly spaced, as the biases behind rows of weights are.
void GradientWatch::watch(std::uint32_t slot) {
  if (runs_.empty() || slot <= runs_.back().slot) return runs_.push_back({slot, 1, 1});
  Run& last = runs_.back();
  if (last.count == 1) last.step = slot - last.slot;
  if (slot == last.slot + last.count * last.step) {
    ++last.count;
  } else {
    runs_.push_back({slot, 1, 1});
  }
}

namespace {

/// Marks the entries of a matrix whose first is there.
void mark(const Shape& s, std::uint32_t columns, std::uint32_t first, std::vector<bool>& watched, bool on = true) {
  for (std::uint32_t row = 0; row < s.rows; ++row) {
    for (std::uint32_t j = 0; j < columns; ++j) watched[first + row * s.row_step + j * s.term_step] = on;
  }
}

}  // namespace

/// Looks at the first row and the first column of a product's matrix at each of its places.
void GradientWatch::watch_product(const instructions::MatrixProduct& product, std::uint32_t slot,
                                  std::vector<bool>& watched) {
  const Shape& s = product.s;
  for (std::uint32_t p = 0; p < (s.place_step == 0 ? 1 : product.places()); ++p, slot += s.place_step) {
    runs_.push_back({slot, product.columns(), s.term_step});
    if (product.rows() > 1) runs_.push_back({slot, product.rows(), s.row_step});
    mark(s, product.columns(), slot, watched);
  }
}

/// Looks at totals of products, which mark what they stand for as watched.
void GradientWatch::watch_products(const Program& program, std::vector<bool>& watched) {
  const std::uint32_t totals = program.first_total();
  instructions::each(program, &Stage::tile, [&](std::uint32_t at, const Instruction& i, const Shape& s) {
    if (i.kind != InstructionKind::reduce_outer) return;
    watch_product(instructions::ReduceOuter{i, s}, totals + i.out, watched);
    if (!i.follows_row_sums) return;
    const Instruction& sums = program.instructions[at - 1];
    mark(program.shapes[sums.shape], 1, totals + sums.out, watched);
  });
}

/// Takes the marks off what is added to, once a step, after the samples: that may be NaN, too.
void GradientWatch::watch_additions(const Program& program, std::vector<bool>& watched) {
  instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    // No other kind writes where totals are.
    if (i.kind == InstructionKind::gather) {
      std::fill_n(watched.begin() + i.out, s.rows, false);
    } else if (i.kind == InstructionKind::add_at) {
      mark(s, instructions::AddAt{i, s}.columns(), i.out, watched, false);
    }
  });
}

/// Likewise products that run once a step and to which nothing is added; those that are held are watched elsewhere.
void GradientWatch::watch_products_once(const Program& program, std::span<const HeldProduct> held,
                                        std::vector<bool>& watched) {
  std::vector<std::uint32_t> last_writes;
  instructions::each(program, &Stage::uniform, [&](std::uint32_t at, const Instruction& i, const Shape& s) {
    if (i.kind != InstructionKind::outer) return;
    if (last_writes.empty()) last_writes = find_last_writes(program);
    if (!are_its_own(program, at, last_writes)) return;
    const instructions::Outer outer{i, s};
    if (std::ranges::find(held, at, &HeldProduct::at) == held.end()) {
      watch_product(outer, i.out, watched);
    } else {
      mark(s, outer.columns(), i.out, watched);
    }
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
