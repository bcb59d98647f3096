#include "tapeloom/runtime/execute/row_plan.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
RowPlanner<T>::RowPlanner(const Program& program, const KernelTable<T>& kernels)
    : program_(program), kernels_(kernels), planned_(kernels) {
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) find_transposes(program.instructions[at]);
  }
}

template <class T>
void RowPlanner<T>::find_transposes(const Instruction& i) {
  if (!is_product(i)) return;
  const Shape& s = program_.shapes[i.shape];
  const auto find = [&](const Matrix& w) {
    if (!may_transpose(w)) return;
    const auto [found, is_new] = transposes_.try_emplace(w, Transpose{transposed_numbers_});
    ++found->second.uses;
    if (is_new) transposed_numbers_ += w.terms * round_up(w.results, lane_unit);
  };
  for (std::uint32_t p = 0; p < (s.place_step == 0 ? 1 : s.places); ++p) {
    const Instruction here = instructions::at_place(i, s, p);
    find(Matrix(here, s));
    if (i.op != no_op && i.is_uniform(2) && s.places == 1) find(operand_of(here, s));
  }
}

template <class T>
Matrix RowPlanner<T>::operand_of(const Instruction& here, const Shape& s) {
  return {here.x[2], Matrix(here, s).results, s.step[2]};
}

template <class T>
bool RowPlanner<T>::may_transpose(const Matrix& w) const {
  return !w.has_columns() && w.may_be_copied(program_);
}

template <class T>
CallList<T> RowPlanner<T>::make_room(std::span<const std::size_t> samples) {
  std::size_t most = 0;
  CallList<T> calls;
  calls.stage_begins.resize(program_.stages.size() + 1);
  for (const std::size_t count : samples) {
    CallList<T> counted;
    counted.stage_begins.resize(program_.stages.size() + 1);
    plan(count, counted);
    most = std::max(most, counted.calls.size());
  }
  calls.calls.reserve(most);
  return calls;
}

template <class T>
void RowPlanner<T>::plan(std::size_t samples, CallList<T>& calls) {
  calls.samples = samples;
  calls.calls.clear();
  calls_ = &calls;
  step_ = 0, product_ = 0;
  for (auto& entry : transposes_) entry.second.stage = SIZE_MAX;
  for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
    goes_on_ = false;
    const Range range = program_.stages[stage].tile;
    for (std::uint32_t at = range.begin; at < range.end; ++at) plan_instruction(at, samples, stage);
    calls.stage_begins[stage + 1] = calls.calls.size();
  }
}

template <class T>
void RowPlanner<T>::plan_instruction(std::uint32_t at, std::size_t samples, std::size_t stage) {
  const Instruction& i = program_.instructions[at];
  if (is_product(i)) return plan_product(at, samples, stage);
  if (i.kind == InstructionKind::reduce_outer) return plan_total(at, samples);
  if (step_ == steps_.size() || steps_[step_].at != at) return plan_row_sums(at, samples);
  const std::uint32_t begin = step_;
  while (step_ < steps_.size() && steps_[step_].at == at) ++step_;
  add_steps(begin, step_);
}

template <class T>
void RowPlanner<T>::add_steps(std::uint32_t begin, std::uint32_t end) {
  if (begin == end) return;
  using Kind = typename Call<T>::Kind;
  if (goes_on_ && calls_->calls.back().end == begin) {
    calls_->calls.back().end = end;
    return;
  }
  calls_->calls.push_back({.kind = Kind::rows, .at = begin, .end = end, .rows = nullptr});
  goes_on_ = true;
}

template <class T>
void RowPlanner<T>::add(const Call<T>& call) {
  calls_->calls.push_back(call);
  goes_on_ = false;
}

template <class T>
void RowPlanner<T>::add_calls(std::uint32_t at, const PlannedCalls<T>& planned, const T* a, const T* b, T* c,
                              bool adds) {
  using Kind = typename Call<T>::Kind;
  for (const KernelCall<T>& call : planned.calls()) {
    add({.kind = Kind::product,
         .adds = adds,
         .at = at,
         .a = a + call.a_offset,
         .b = b == nullptr ? nullptr : b + call.b_offset,
         .c = c + call.c_offset,
         .kernel = call});
  }
}

/// A product's rows are the samples, or a sample's places if they share a matrix; its columns are the results, side by
/// side in the matrix, or in its transpose.
template <class T>
void RowPlanner<T>::plan_product(std::uint32_t at, std::size_t samples, std::size_t stage) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const bool together = s.places > 1 && s.place_step == 0;
  bool finished = true;
  const Shape run = instructions::run_of_places(s);
  for (std::uint32_t p = 0; p < s.places; p += together ? run.places : 1) {
    const Instruction here = instructions::at_place(i, s, p);
    const Matrix w(here, s);
    const OperandRows<T> x(at_.slots, here, s, 1);
    const std::size_t x_apart = here.is_uniform(1) ? 0 : at_.apart;
    Product<T> product{.m = together ? run.places : samples,
                       .n = w.results,
                       .k = w.terms,
                       .a_row_step = together ? instructions::window_step(here, s) * x.step : x_apart,
                       .a_column_step = x.step,
                       .b_stride = w.term_step,
                       .c_stride = together ? w.results : at_.apart};
    const bool has_columns = w.has_columns() || transposes_.contains(w);
    const bool may_be_dots = w.term_step == 1 && x.step == 1;
    if (!has_columns || (may_be_dots && are_dots(product, w))) {
      finished = finished && i.op == no_op && i.then == no_op;
      may_be_dots ? plan_dots(at, here, run, product, samples) : plan_columns(at, here, run, product, samples);
      continue;
    }
    const T* b = at_.slots.uniform_slot(w.slot);
    if (!w.has_columns()) {
      Transpose& transpose = transposes_.find(w)->second;
      product.b_stride = round_up(w.results, lane_unit);
      plan_transpose(at, w, transpose, stage);
      b = at_.transposed + transpose.begin;
    }
    const bool in_kernel = finishes(at, here, s, stage, product);
    finished = finished && in_kernel;
    for (std::size_t n = 0; n < (together ? samples : 1); ++n) {
      Product<T> of_sample = product;
      if (together && of_sample.finish.operand != nullptr && !i.is_uniform(2)) {
        of_sample.finish.operand += n * at_.apart;
      }
      add_calls(at, planned(of_sample), x.data + n * x_apart, b, at_.slots.tile + here.out + n * at_.apart, false);
    }
  }
  const Finishing& finishing = finishing_[product_++];
  step_ = finishing.end;
  if (!finished) add_steps(finishing.begin, finishing.end);
}

/// Sums of the products of the matrix's rows with those of the samples.
template <class T>
void RowPlanner<T>::plan_dots(std::uint32_t at, const Instruction& here, const Shape& s, const Product<T>& product,
                              std::size_t samples) {
  const Matrix w(here, s);
  const T* const matrix = at_.slots.uniform_slot(w.slot);
  const OperandRows<T> x(at_.slots, here, s, 1);
  const bool together = product.c_stride != at_.apart, more_results = w.results >= product.m;
  Sums sums{.a_rows = w.results,
            .a_stride = w.result_step,
            .b_rows = product.m,
            .b_stride = product.a_row_step,
            .c_row_step = 1,
            .c_column_step = product.c_stride,
            .samples = w.terms};
  if (!more_results) {
    std::swap(sums.a_rows, sums.b_rows), std::swap(sums.a_stride, sums.b_stride);
    std::swap(sums.c_row_step, sums.c_column_step);
  }
  const PlannedCalls<T>& calls = planned(sums);
  for (std::size_t n = 0; n < (together ? samples : 1); ++n) {
    const T* const of_x = x.data + (here.is_uniform(1) ? 0 : n * at_.apart);
    add_calls(at, calls, more_results ? matrix : of_x, more_results ? of_x : matrix,
              at_.slots.tile + here.out + n * at_.apart, false);
  }
}

/// As the product of the matrix, wherever its numbers lie, with the numbers of one sample at one place after another.
template <class T>
void RowPlanner<T>::plan_columns(std::uint32_t at, const Instruction& here, const Shape& s,
                                 const Product<T>& of_samples, std::size_t samples) {
  const Matrix w(here, s);
  const OperandRows<T> x(at_.slots, here, s, 1);
  const std::size_t places = of_samples.c_stride != at_.apart ? s.places : 1;
  const Product<T> product{.m = w.results,
                           .n = 1,
                           .k = w.terms,
                           .a_row_step = w.result_step,
                           .a_column_step = w.term_step,
                           .b_stride = x.step,
                           .c_stride = 1};
  const PlannedCalls<T>& calls = planned(product);
  for (std::size_t n = 0; n < samples; ++n) {
    for (std::size_t p = 0; p < places; ++p) {
      add_calls(at, calls, at_.slots.uniform_slot(w.slot),
                x.data + (here.is_uniform(1) ? 0 : n * at_.apart) + p * instructions::window_step(here, s) * x.step,
                at_.slots.tile + here.out + n * at_.apart + p * w.results, false);
    }
  }
}

/// Before it is read first: what is uniform is the same during a stage.
template <class T>
void RowPlanner<T>::plan_transpose(std::uint32_t at, const Matrix& w, Transpose& transpose, std::size_t stage) {
  if (transpose.stage == stage) return;
  transpose.stage = stage;
  const Transposed<T> transposed = {
      at_.slots.uniform_slot(w.slot), w.result_step, w.term_step, w.results, w.terms, at_.transposed + transpose.begin,
      round_up(w.results, lane_unit)};
  add({.kind = Call<T>::Kind::transpose, .at = at, .transposed = transposed});
}

/// Enters how the product is finished, if its kernel can.
template <class T>
bool RowPlanner<T>::finishes(std::uint32_t at, const Instruction& here, const Shape& s, std::size_t stage,
                             Product<T>& product) {
  if (here.op == no_op && here.then == no_op) return true;
  if (product.n % planned_.lanes_of(product.n) != 0) return false;
  if (here.op != no_op) {
    const OperandRows<T> z(at_.slots, here, s, 2);
    const bool together = product.c_stride != at_.apart;
    product.finish.operand = z.data, product.finish.per_lane = z.step == 1;
    product.finish.step = together ? product.n * z.step : here.is_uniform(2) ? 0 : at_.apart;
    if (z.step > 1) {
      const auto found = here.is_uniform(2) ? transposes_.find(operand_of(here, s)) : transposes_.end();
      product.finish = {};
      if (found == transposes_.end()) return false;
      plan_transpose(at, found->first, found->second, stage);
      product.finish.operand = at_.transposed + found->second.begin, product.finish.per_lane = true;
    }
  }
  product.finish.op = here.op, product.finish.then = here.then;
  return true;
}

/// Whether sums of products of rows take less than a product of a matrix whose columns lie side by side, or whose
/// transpose is shared with others.
template <class T>
bool RowPlanner<T>::are_dots(const Product<T>& product, const Matrix& w) const {
  const std::size_t lanes = kernels_.vector_lanes;
  std::size_t multiplications = cost::product_of_rows(product.m, w.results, w.terms, lanes);
  if (!w.has_columns()) {
    multiplications += cost::transposing_rows(w.results, w.terms, lanes) / transposes_.at(w).uses;
  }
  return cost::dots_of_rows(product.m, w.results, w.terms, lanes) < multiplications;
}

template <class T>
void RowPlanner<T>::plan_total(std::uint32_t at, std::size_t samples) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const bool together = s.places > 1 && s.place_step == 0;
  const Shape run = instructions::run_of_places(s);
  for (std::uint32_t p = 0; p < s.places; p += together ? run.places : 1) {
    const Instruction here = instructions::at_place(i, s, p);
    auto [a, b] = Sides<T>(at_.slots, here, run);
    // A matrix that is stored column by column is the transpose of one that is not.
    if (b.rows > 1 && b.result_step != 1) std::swap(a, b);
    const bool side_by_side = b.rows == 1 || (b.result_step == 1 && b.of.step == 1);
    const std::size_t columns = side_by_side ? b.rows : 1;
    Product<T> product{.m = a.rows,
                       .n = columns,
                       .k = together ? run.places : samples,
                       .a_row_step = a.of.step,
                       .a_column_step = together ? a.place_step : at_.apart,
                       .b_stride = together ? b.place_step : at_.apart,
                       .c_stride = a.result_step};
    const PlannedCalls<T>& calls = planned(product);
    for (std::size_t n = 0; n < (together ? samples : 1); ++n) {
      const bool adds = i.accumulates || n > 0 || (together && p > 0);
      for (std::size_t c = 0; c < b.rows / columns; ++c) {
        add_calls(at, calls, a.of.data + n * at_.apart, b.of.data + n * at_.apart + c * b.of.step,
                  at_.totals + here.out + c * b.result_step, adds);
      }
    }
  }
}

/// Of neighbours, which are like the samples of one row.
template <class T>
void RowPlanner<T>::plan_row_sums(std::uint32_t at, std::size_t samples) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const OperandRows<T> x(at_.slots, i, s);
  const Sums sums{.a_rows = s.terms, .a_stride = s.rows, .c_row_step = 1, .samples = s.rows};
  const PlannedCalls<T>& calls = planned(sums);
  for (std::size_t n = 0; n < samples; ++n) {
    add_calls(at, calls, x.data + n * at_.apart, nullptr, at_.slots.tile + i.out + n * at_.apart, false);
  }
}

template class RowPlanner<float>;
template class RowPlanner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
