#include "tapeloom/runtime/execute/calls.h"

#include <memory>
#include <utility>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/lists.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
CallPlanner<T>::CallPlanner(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view,
                            LoadsInPlace in_place, T* totals, T* scratch, bool profiled, bool skip_zeros)
    : program_(program),
      kernels_(kernels),
      view_(view),
      in_place_(std::move(in_place)),
      totals_(totals),
      scratch_(scratch),
      skip_zeros_(skip_zeros),
      slot_stride_(program, sizeof(T)),
      most_stride_(view.stride),
      ways_(program.instructions.size()),
      longest_chain_(profiled ? 1 : most_chained),
      planned_(kernels) {
  if (view.once() && !skip_zeros) find_transposed();
  for (const Stage& stage : program.stages) {
    const Range range = instructions_of(stage);
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      if (program.instructions[at].kind == InstructionKind::gather) find_lists(at);
      ways_[at] = way_of(stage, at);
    }
  }
  bind_all();
  if (!copy_.empty()) scratch_ = copy_.data();
  const RowProduct<T>* product = row_products_.data();
  for (RowCall<T>& call : rows_) {
    if (call.product_count > 0) call.products = product, product += call.product_count;
  }
}

template <class T>
CallPlanner<T>::CallPlanner(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view,
                            bool profiled, bool skip_zeros)
    : CallPlanner(program, kernels, view, {}, nullptr, nullptr, profiled, skip_zeros) {}

template <class T>
std::size_t CallPlanner<T>::stride_of(std::size_t samples) const {
  // What skips zeros has gaps to which calls point, and is rare.
  if (view_.once() || skip_zeros_) return most_stride_;
  return std::min(slot_stride_(round_up(samples, kernels_.vector_lanes)), most_stride_);
}

/// To where the slots are in the view, which may have another stride than before. The first time, that is the largest,
/// for which room is made.
template <class T>
void CallPlanner<T>::bind_all() {
  products_.clear(), sums_.clear(), dots_.clear(), rows_.clear();
  for (const Stage& stage : program_.stages) {
    const Range range = instructions_of(stage);
    for (std::uint32_t at = range.begin; at < range.end; ++at) bind(stage, at);
  }
  has_room_ = true;
}

/// Plans where they lie.
template <class T>
void CallPlanner<T>::find_transposed() {
  std::size_t numbers = 0;
  const std::set<Matrix> matrices = cost::transposed_once(program_, kernels_.vector_lanes);
  for (const Matrix& w : matrices) numbers += w.terms * round_up(w.results, lane_unit);
  if (matrices.empty()) return;
  transposes_.resize(numbers + lane_unit);
  void* begin = transposes_.data();
  std::size_t bytes = transposes_.size() * sizeof(T);
  T* to = static_cast<T*>(std::align(arena_alignment, numbers * sizeof(T), begin, bytes));
  for (const Matrix& w : matrices) {
    transposed_.emplace(w, to);
    to += w.terms * round_up(w.results, lane_unit);
  }
}

/// Of a gather: those that are computed together.
template <class T>
void CallPlanner<T>::find_lists(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const std::uint32_t* const indices = program_.indices.data();
  if (!view_.once()) {
    alike_.emplace(at, instructions::find_alike_lists(i, s, indices));
  } else if (auto runs = instructions::find_list_runs(i, s, indices); !runs.empty()) {
    runs_.emplace(at, std::move(runs));
  }
}

template <class T>
typename CallPlanner<T>::Way CallPlanner<T>::way_of(const Stage& stage, std::uint32_t at) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  switch (i.kind) {
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
      if (in_place_.read_by(at) != no_load) return Way::dots_of_load;
      return are_dots(i, s) ? Way::sums : Way::product;
    case InstructionKind::outer:
      return Way::product;
    case InstructionKind::reduce:
      return !i.is_uniform(0) ? Way::sums : Way::rows;
    case InstructionKind::reduce_outer:
      return Way::sums;
    case InstructionKind::row_sum:
      if (!view_.once()) return Way::rows;
      // Neighbours are like the samples of one row.
      if (s.step[0] == 1 && s.rows > few_terms) return Way::sums;
      return is_small(stage, at) ? Way::links : Way::rows;
    case InstructionKind::elementwise:
      if (view_.once()) return is_small(stage, at) ? Way::links : Way::rows;
      if (link_in_tile(i, s).run == nullptr) return Way::rows;
      return s.rows == 1 ? Way::links : Way::links_if_whole;
    case InstructionKind::gather:
      return runs_.contains(at) ? Way::runs : Way::rows;
    case InstructionKind::row_extreme:
    case InstructionKind::row_extreme_reverse:
    case InstructionKind::copy:
    case InstructionKind::zero:
    case InstructionKind::add_at:
    case InstructionKind::reduce_products:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      return Way::rows;
  }
  fail_check("an instruction kind", __FILE__, __LINE__);
}

template <class T>
void CallPlanner<T>::bind(const Stage& stage, std::uint32_t at) {
  const Way way = ways_[at];
  const bool goes_on = at > instructions_of(stage).begin && ways_[at - 1] == way;
  switch (way) {
    case Way::product:
      return bind_products(at);
    case Way::sums:
      return bind_sums(at);
    case Way::dots_of_load:
      return bind_dots_of_load(at);
    case Way::rows:
    case Way::links_if_whole:
      bind_rows(at, goes_on);
      break;
    case Way::links:
      break;
    case Way::runs:
      ++most_calls_;
      return;
  }
  const Instruction& i = program_.instructions[at];
  if (way != Way::rows) most_links_ += count_links(i, program_.shapes[i.shape]) + 1;
  if (!goes_on) ++most_calls_;
}

template <class T>
void CallPlanner<T>::bind_rows(std::uint32_t at, bool goes_on) {
  rows_.emplace_back();
  if (view_.once() && adds_product(at)) bind_product(at, goes_on);
  if (const auto alike = alike_.find(at); alike != alike_.end()) rows_.back().alike = alike->second;
}

/// A product of rows, or of a number and rows, that is added to rows that lie side by side, or subtracted.
template <class T>
bool CallPlanner<T>::adds_product(std::uint32_t at) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  if (i.kind != InstructionKind::elementwise || (i.op != Op::multiply_add && i.op != Op::subtract_product))
    return false;
  return s.rows > 1 && s.step[2] == 1 && s.step[0] <= 1 && s.step[1] <= 1 && s.step[0] + s.step[1] > 0;
}

/// To what the instruction before has added to, where neither factor is.
template <class T>
bool CallPlanner<T>::goes_on_adding(std::uint32_t at) const {
  if (!adds_product(at - 1) || !adds_product(at)) return false;
  const Instruction &i = program_.instructions[at], &before = program_.instructions[at - 1];
  const Shape& s = program_.shapes[i.shape];
  const auto is_result = [&](std::size_t k) {
    const std::uint32_t rows = s.step[k] == 0 ? 1 : s.rows;
    return i.x[k] + rows > i.out && i.x[k] < i.out + s.rows;
  };
  return before.out == i.out && i.x[2] == i.out && before.exact_rows == i.exact_rows &&
         program_.shapes[before.shape].rows == s.rows && !is_result(0) && !is_result(1);
}

/// By itself it needs to be no such call, but where nothing after the rows may be written.
template <class T>
void CallPlanner<T>::bind_product(std::uint32_t at, bool goes_on) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const std::size_t one = s.step[0] == 0 ? 0 : 1;  // that factor is a number, if one is
  row_products_.push_back({.x = view_.uniform_slot(i.x[one]),
                           .y = view_.uniform_slot(i.x[1 - one]),
                           .x_is_one = s.step[one] == 0,
                           .negative = i.op == Op::subtract_product});
  RowCall<T>& call = rows_.back();
  if (goes_on && goes_on_adding(at)) {
    RowCall<T>& first = rows_[products_at_];
    ++first.product_count;
    return;
  }
  call.product_rows = static_cast<std::uint32_t>(i.exact_rows ? s.rows : round_up(s.rows, kernels_.vector_lanes));
  products_at_ = rows_.size() - 1;
  call.to = view_.tile + i.out, call.from = view_.uniform_slot(i.x[2]), call.product_count = 1;
}

template <class T>
CallList<T> CallPlanner<T>::make_room() const {
  CallList<T> calls;
  calls.load_strides.resize(view_.once() ? 0 : program_.loads.size());
  calls.stage_begins.resize(program_.stages.size() + 1);
  calls.links.reserve(most_links_);
  calls.calls.reserve(most_calls_);
  return calls;
}

template <class T>
void CallPlanner<T>::plan(std::size_t samples, std::span<const SampleRows<T>> loaded_rows, CallList<T>& calls) {
  const std::size_t stride = stride_of(samples);
  const bool whole = view_.once() || round_up(samples, kernels_.vector_lanes) == stride;
  const bool same_links = calls.samples > 0 && calls.stride == stride && calls.whole == whole;
  calls.samples = samples, calls.stride = stride, calls.whole = whole;
  for (std::size_t l = 0; l < loaded_rows.size(); ++l) calls.load_strides[l] = loaded_rows[l].stride;
  calls.calls.clear();
  if (std::exchange(view_.stride, calls.stride) != calls.stride) bind_all();
  if (view_.once()) count_reads();
  auto product = products_.begin();
  auto sums = sums_.begin();
  auto dots = dots_.begin();
  const RowCall<T>* rows = rows_.data();
  if (!same_links) bind_links(whole, calls.links);
  const Link<T>* link = calls.links.data();
  using Kind = typename Call<T>::Kind;
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    const Range range = instructions_of(program_.stages[s]);
    const auto goes_on = [&](Kind kind) {
      return calls.calls.size() > calls.stage_begins[s] && calls.calls.back().kind == kind;
    };
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      switch (ways_[at]) {
        case Way::product:
          for (; product != products_.end() && product->at == at; ++product) add_product(*product, calls);
          if (is_checked(at)) add_check(at, calls);
          break;
        case Way::sums:
          if (sums + 1 != sums_.end() && sums_rows(sums[1], samples)) {
            ++sums;
            break;
          }
          for (; sums != sums_.end() && sums->at == at; ++sums) add_sums(*sums, calls);
          break;
        case Way::dots_of_load:
          add_dots_of_load(*dots++, calls);
          break;
        case Way::rows:
        case Way::links_if_whole:
        case Way::links:
          if (is_link(at, whole)) {
            if (!goes_on(Kind::chains)) calls.calls.push_back({.kind = Kind::chains, .at = at, .chains = {link}});
            link += count_links(program_.instructions[at], program_.shapes[program_.instructions[at].shape]);
            if (link->run == end_of_chain<T>().run) ++link;
            calls.calls.back().chains.end = link;
          } else if (!goes_on(Kind::rows)) {
            calls.calls.push_back({.kind = Kind::rows, .at = at, .rows = rows});
          }
          calls.calls.back().end = at + 1;
          if (ways_[at] != Way::links) ++rows;
          break;
        case Way::runs:
          add_runs(at, calls);
          break;
      }
      if (adds_.contains(at)) add_addend(at, calls);
    }
    calls.stage_begins[s + 1] = calls.calls.size();
  }
  if (!view_.once()) return;
  // Never again.
  calls.calls.shrink_to_fit();
  std::vector<BoundProduct<T>>().swap(products_);
  std::vector<BoundSums<T>>().swap(sums_);
}

/// Of matrices that products read once a step.
template <class T>
void CallPlanner<T>::count_reads() {
  for (const BoundProduct<T>& bound : products_) ++reads_[matrix_of(bound)].count;
  for (const BoundSums<T>& bound : sums_) ++reads_[bound.a].count;
}

/// Every other time from its end, where the first-level cache still has it.
template <class T>
bool CallPlanner<T>::reads_from_end(const T* matrix) {
  return view_.once() && reads_[matrix].turn++ % 2 == 1;
}

template <class T>
void CallPlanner<T>::add_runs(std::uint32_t at, CallList<T>& calls) const {
  const std::vector<instructions::ListRun>& runs = runs_.at(at);
  calls.calls.push_back({.kind = Call<T>::Kind::runs,
                         .at = at,
                         .end = static_cast<std::uint32_t>(runs.size()),
                         .a = view_.tile,
                         .c = view_.tile + program_.instructions[at].out,
                         .runs = runs.data()});
}

template class CallPlanner<float>;
template class CallPlanner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
