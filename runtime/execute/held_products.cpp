#include "tapeloom/runtime/execute/held_products.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/uniform_slots.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

std::vector<bool> find_trained(const Program& program) {
  std::vector<bool> trained(program.parameters.size(), false);
  for (const Range range : program.trained) std::fill(trained.begin() + range.begin, trained.begin() + range.end, true);
  return trained;
}

/// Whether rows of a product, as it is computed, are a few vectors, the last one not full. A row of parameters cannot
/// be read then before that of the row before is in memory, to which it is masked: to descend by 1000 x 10 products of
/// floats took 8 times as long as to form them and subtract them all at once.
bool are_odd_rows(const Shape& s, const VectorLanes& lanes) {
  constexpr std::size_t few_vectors = 4;
  const bool swapped = s.terms > 1 && s.term_step != 1 && (s.rows == 1 || s.row_step == 1);
  const std::size_t columns = swapped ? s.rows : s.terms;
  const std::size_t width = columns <= lanes.narrow ? lanes.narrow : lanes.wide;
  return columns % width != 0 && columns < few_vectors * lanes.wide;
}

/// The numbers of an operand of an outer product.
std::size_t factor_numbers(const Instruction& i, const Shape& s, std::size_t k) {
  return s.step[k] == 0 ? 1 : instructions::facts_of(i, s).operands[k].count;
}

}  // namespace

int& HoldAlways::living() {
  thread_local int count = 0;
  return count;
}

std::vector<HeldProduct> find_held_products(const Program& program, const VectorLanes& lanes) {
  // Of a net of 64-64-64-10 a step and gradient descent took 0.8 times as long so, of smaller ones about as long.
  const std::uint64_t least_entries = HoldAlways::living() > 0 ? 1 : 1024;
  // With 784 terms, 0.87 times as long by rows as by blocks; with 64, 1.25 times.
  const std::uint32_t least_terms_of_rows = HoldAlways::living() > 0 ? 5 : 256;
  std::vector<HeldProduct> held;
  if (!program.one_row || program.exact) return held;
  std::vector<std::uint32_t> last_writes;
  std::vector<bool> read, trained;
  // What is neither a parameter nor set by the user from step to step, and is not written any more.
  const auto stays = [&](const Instruction& i, const Shape& s, std::size_t k, std::uint32_t at) {
    const std::size_t count = factor_numbers(i, s, k);
    const auto begin = last_writes.begin() + i.x[k];
    return s.step[k] <= 1 && i.x[k] >= program.samples_slot() &&
           std::all_of(begin, begin + static_cast<std::ptrdiff_t>(count),
                       [&](std::uint32_t write) { return write == never_written || write < at; });
  };
  instructions::each(program, &Stage::uniform, [&](std::uint32_t at, const Instruction& i, const Shape& s) {
    const std::uint64_t entries = std::uint64_t{s.rows} * s.terms;
    if (i.kind != InstructionKind::outer || entries < least_entries) return;
    if ((s.places > 1 && s.place_step != 0) || s.gaps != Shape::no_gaps) return;
    if (HoldAlways::living() == 0 && are_odd_rows(s, lanes)) return;
    if (last_writes.empty()) {
      last_writes = find_last_writes(program), read = find_reads(program), trained = find_trained(program);
    }
    const std::uint32_t end = i.out + (s.rows - 1) * s.row_step + (s.terms - 1) * s.term_step + 1;
    const auto piece = std::ranges::find_if(program.gradients, [&](const GradientPiece& each) {
      return each.slot <= i.out && end <= each.slot + each.count;
    });
    if (piece == program.gradients.end() || !stays(i, s, 0, at) || !stays(i, s, 1, at)) return;
    const std::uint32_t parameter = piece->first.index + (i.out - piece->slot);
    bool wanted = false, all_trained = true;
    each_entry(i.out, s, [&](std::uint32_t slot) { wanted = wanted || read[slot]; });
    each_entry(parameter, s, [&](std::uint32_t of) { all_trained = all_trained && trained[of]; });
    if (wanted || !all_trained || !are_its_own(program, at, last_writes)) return;
    const bool vectors = s.places == 1 && (s.rows == 1 || s.step[0] == 1) && s.step[1] == 1;
    const bool by_rows = vectors && s.terms >= least_terms_of_rows && s.term_step == 1;
    held.push_back({at, parameter, static_cast<std::ptrdiff_t>(parameter) - static_cast<std::ptrdiff_t>(i.out),
                    by_rows ? s.row_step : 0});
  });
  return held;
}

template <class T>
HeldProducts<T>::HeldProducts(const Program& program, const KernelTable<T>& kernels, std::vector<HeldProduct> products,
                              std::vector<Call<T>> calls, T* uniform)
    : kernels_(kernels), products_(std::move(products)), calls_(std::move(calls)), uniform_(uniform) {
  std::vector<bool> is_left_out = find_trained(program);
  is_left_out.flip();
  std::size_t most = 0;
  for (const HeldProduct& product : products_) {
    const Instruction& i = program.instructions[product.at];
    const Shape& s = program.shapes[i.shape];
    each_entry(product.parameter, s, [&](std::uint32_t parameter) { is_left_out[parameter] = true; });
    for (const std::size_t k : {0, 1}) {
      factors_.push_back({uniform + i.x[k], factor_numbers(i, s, k)});
      most = std::max(most, factors_.back().count);
    }
  }
  scaled_.resize(most);
  for (const GradientPiece& piece : program.gradients) {
    const std::size_t first = formed_.size();
    for (std::uint32_t n = 0; n < piece.count; ++n) {
      const std::uint32_t parameter = piece.first.index + n;
      if (is_left_out[parameter]) continue;
      Formed* const last = formed_.size() > first ? &formed_.back() : nullptr;
      if (last != nullptr && last->count == 1) last->step = parameter - last->parameter;
      if (last != nullptr && parameter == last->parameter + last->count * last->step) {
        ++last->count;
      } else {
        formed_.push_back({parameter, piece.slot + n, 1, 1});
      }
    }
  }
}

template <class T>
void HeldProducts<T>::form() const {
  for (const Call<T>& call : calls_) call.kernel.run(call.kernel, call.a, call.b, call.c, false);
}

/// The products of one factor times the rate, with the other, are added to the parameters.
template <class T>
void HeldProducts<T>::descend(T rate, T* parameters) {
  const Call<T>* call = calls_.data();
  const Factor* factor = factors_.data();
  for (const HeldProduct& product : products_) {
    const Factor& first = *factor++;
    const Factor& second = *factor++;
    const bool is_first = call->a >= first.numbers && call->a < first.numbers + first.count;
    const Factor &a = is_first ? first : second, &b = is_first ? second : first;
    const Call<T>* end = call;
    while (end != calls_.data() + calls_.size() && end->at == product.at) ++end;
    if (product.row_step != 0) {
      // Row by row, as they lie in memory.
      T* row = parameters + product.parameter;
      for (std::size_t r = 0; r < a.count; ++r, row += product.row_step) {
        kernels_.subtract_scaled(row, rate * a.numbers[r], b.numbers, b.count);
      }
    } else {
      for (std::size_t n = 0; n < a.count; ++n) scaled_[n] = -rate * a.numbers[n];
      for (const Call<T>* each = call; each != end; ++each) {
        const std::ptrdiff_t to = each->c - uniform_ + product.shift;
        each->kernel.run(each->kernel, scaled_.data() + (each->a - a.numbers), each->b, parameters + to, true);
      }
    }
    call = end;
  }
  constexpr std::uint32_t few = 16;
  for (const Formed& formed : formed_) {
    T* const p = parameters + formed.parameter;
    const T* const gradient = uniform_ + formed.slot;
    if (formed.step == 1 && formed.count > few) {
      kernels_.subtract_scaled(p, rate, gradient, formed.count);
    } else {
      for (std::uint32_t n = 0; n < formed.count; ++n) p[n * formed.step] -= rate * gradient[n * formed.step];
    }
  }
}

template <class T>
bool HeldProducts<T>::all_finite() const {
  return std::ranges::all_of(factors_,
                             [&](const Factor& each) { return kernels_.all_finite(each.numbers, each.count); });
}

template class HeldProducts<float>;
template class HeldProducts<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
