#include "tapeloom/runtime/execute/runner.h"

#include <algorithm>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr std::size_t no_piece = SIZE_MAX;

}  // namespace

// --- both -----------------------------------------------------------------------------------------------------------

template <class T>
Runner<T>::Runner(const Program& program, const KernelTable<T>& kernels, const KernelTable<T>& row_kernels,
                  const StepBuffers<T>& buffers, bool profiled)
    : program_(program),
      kernels_(kernels),
      row_kernels_(row_kernels),
      buffers_(buffers),
      times_(profiled ? program.instructions.size() : 0) {}

template <class T>
void Runner<T>::add_times(Profile& profile) const {
  const auto add = [](InstructionTime& to, const InstructionTime& from) {
    to.seconds += from.seconds;
    to.runs += from.runs;
  };
  for (std::size_t i = 0; i < times_.size(); ++i) add(profile.instructions[i], times_[i]);
  add(profile.loads, load_time_);
}

template <class T>
template <bool profiled>
[[gnu::always_inline]] inline void Runner<T>::run_rows(const Call<T>& list, const Tile& tile, T* totals, bool first,
                                                       Stopwatch<profiled>& stopwatch) {
  const RowCall<T>* call = list.rows;
  for (std::uint32_t at = list.at; at != list.end; ++at, ++call) {
    if (call->product_count > 0) {
      kernels_.add_products(call->to, call->from, call->products, call->product_count, call->product_rows);
      at += call->product_count - 1, call += call->product_count - 1;
    } else {
      run_instruction(program_.instructions[at], tile, totals, first, call->alike);
    }
    stopwatch.lap(times_, at);
  }
}

template <class T>
template <bool profiled>
void Runner<T>::run_chains(const Call<T>& list, Stopwatch<profiled>& stopwatch) {
  if (!profiled) return list.chains.run(view_.lanes);
  std::uint32_t at = list.at;
  for (const Link<T>* link = list.chains.begin; link != list.chains.end;) {
    link = link->run(link, T{}, Few<T>{}, view_.lanes);
    stopwatch.lap(times_, at++);
  }
}

// Inlined: a step of a small net is little more than this.
template <class T>
template <bool profiled>
[[gnu::always_inline]] inline void Runner<T>::run_calls(std::span<const Call<T>> list, const Tile& tile, T* totals,
                                                        bool first, Stopwatch<profiled>& stopwatch) {
  using Kind = typename Call<T>::Kind;
  const std::ptrdiff_t shift = totals - buffers_.totals;
  // A chain of tests, with the frequent ones first, takes fewer instructions than a switch.
  for (const Call<T>& call : list) {
    if (call.kind == Kind::product) {
      frequent_products_(call.kernel.run, [&](auto run) { run(call.kernel, call.a, call.b, call.c, false); });
    } else if (call.kind == Kind::sums) {
      frequent_products_(call.kernel.run,
                         [&](auto run) { run(call.kernel, call.a, call.b, call.c + shift, call.adds || !first); });
    } else if (call.kind == Kind::chains) {
      run_chains<profiled>(call, stopwatch);
      continue;
    } else if (call.kind == Kind::rows) {
      run_rows<profiled>(call, tile, totals, first, stopwatch);
      continue;
    } else if (call.kind == Kind::sums_of_load) {
      const T* b = sample_rows_[call.load].data + call.kernel.b_offset;
      call.kernel.run(call.kernel, call.a, b, call.c + shift, call.adds || !first);
    } else if (call.kind == Kind::products) {
      const KernelCall<T>& kernel = call.kernel;
      for (std::size_t n = 0; n < call.end; ++n) {
        kernel.run(kernel, call.a, call.b + n * kernel.b_offset, call.c + n * kernel.c_offset, false);
      }
    } else if (call.kind == Kind::runs) {
      kernels_.sum_runs(call.runs, call.end, view_.indices, call.a, call.c);
    } else if (call.kind == Kind::adds) {
      kernels_.add(call.c, call.a, call.end);
    } else if (call.kind == Kind::transpose) {
      call.transposed.run(kernels_);
    } else if (call.kind == Kind::check) {
      found_infinite_ = found_infinite_ || !kernels_.all_finite(call.a, call.end);
    } else {
      const T* a = sample_rows_[call.load].data + call.kernel.a_offset;
      call.kernel.run(call.kernel, a, call.b, call.c, false);
    }
    if (profiled && (&call == &list.back() || (&call)[1].at != call.at)) stopwatch.lap(times_, call.at);
  }
}

// --- once a step ----------------------------------------------------------------------------------------------------

template <class T>
OnceRunner<T>::OnceRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
                          bool profiled, bool skip_zeros)
    : Runner<T>(program, kernels, scalar_kernels<T>(), buffers, profiled),
      planner_(program, kernels, view_of_one(program, buffers, buffers.uniform), profiled, skip_zeros),
      calls_(planner_.make_room()) {
  this->view_ = view_of_one(program, buffers, buffers.uniform);
  planner_.plan(1, {}, calls_);
  std::vector<RunCall<T>> products;
  for (const Call<T>& call : calls_.calls) {
    using Kind = typename Call<T>::Kind;
    if (call.kind == Kind::product || call.kind == Kind::sums) products.push_back(call.kernel.run);
    has_checks_ = has_checks_ || call.kind == Kind::check;
  }
  this->frequent_products_.choose(std::move(products));
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    const auto list = calls_.of_stage(stage);
    Chained& chained = chained_.emplace_back(Chained{.is_all = list.empty()});
    if (profiled || list.size() != 1 || list[0].kind != Call<T>::Kind::chains) continue;
    chained = {true, list[0].chains};
  }
}

template <class T>
std::vector<Call<T>> OnceRunner<T>::take_calls(std::vector<HeldProduct>& products) {
  std::vector<Call<T>> taken;
  std::erase_if(products, [&](const HeldProduct& product) {
    const auto is_of = [&](const Call<T>& call) { return call.at == product.at; };
    const bool other = std::any_of(calls_.calls.begin(), calls_.calls.end(), [&](const Call<T>& call) {
      return is_of(call) && call.kind != Call<T>::Kind::product;
    });
    if (other) return true;
    std::vector<Call<T>> left;
    std::size_t begin = 0;
    for (std::size_t stage = 0; stage + 1 < calls_.stage_begins.size(); ++stage) {
      const std::size_t end = calls_.stage_begins[stage + 1];
      for (; begin < end; ++begin) (is_of(calls_.calls[begin]) ? taken : left).push_back(calls_.calls[begin]);
      calls_.stage_begins[stage + 1] = left.size();
    }
    calls_.calls = std::move(left);
    return false;
  });
  return taken;
}

template <class T>
void OnceRunner<T>::run_list(std::size_t stage) {
  this->timed([&](auto stopwatch) {
    this->run_calls(calls_.of_stage(stage), {0, 1}, this->buffers_.totals, true, stopwatch);
  });
}

// --- tiles ----------------------------------------------------------------------------------------------------------

template <class T>
TileRunner<T>::TileRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
                          std::size_t most_samples, bool profiled, bool skip_zeros)
    : Runner<T>(program, kernels, kernels, buffers, profiled) {
  this->sample_rows_.resize(program.loads.size());
  TileView<T>& view = this->view_;
  const std::size_t stride = SlotStride(program, sizeof(T))(round_up(most_samples, kernels.vector_lanes));
  tile_ = arena_.plan(program.tile_slots * stride);
  scratch_ = arena_.plan(scratch_numbers(program, most_samples));
  LoadsInPlace in_place = skip_zeros ? LoadsInPlace() : LoadsInPlace(program, kernels.vector_lanes);
  std::vector<bool> by_row(program.loads.size());
  for (std::uint32_t load = 0; load < program.loads.size(); ++load) by_row[load] = in_place.contains(load);
  for (const Instruction& i : program.instructions) {
    if (i.kind != InstructionKind::reduce_outer) continue;
    const std::uint32_t load = instructions::ReduceOuter{i, program.shapes[i.shape]}.load();
    if (load != no_load) by_row[load] = true;
  }
  for (std::uint32_t load = 0; load < program.loads.size(); ++load) {
    const std::size_t numbers = by_row[load] ? most_samples * program.loads[load].count : 0;
    loads_.push_back({program.loads[load].slot, in_place.contains(load) ? 0 : program.loads[load].count,
                      numbers == 0 ? no_piece : arena_.plan(numbers)});
  }
  arena_.allocate();
  view = view_of_one(program, buffers, arena_.data(tile_)), view.stride = stride;
  planner_.emplace(program, kernels, view, std::move(in_place), buffers.totals, arena_.data(scratch_), profiled,
                   skip_zeros);
  for (CallList<T>& plan : plans_) plan = planner_->make_room();
}

template <class T>
void TileRunner<T>::load(Range loads, const Binding& binding, const BatchRows& batch, const Tile& tile) {
  const TileView<T>& view = this->view_;
  for (std::uint32_t at = loads.begin; at < loads.end; ++at) {
    const LoadedRows& load = loads_[at];
    T* const out = view.tile + load.slot * view.stride;
    SampleRows<T>& rows = this->sample_rows_[at];
    const std::size_t stride = rows.stride;
    rows = binding.in_place<T>(at, batch, tile.begin);
    if (rows.data != nullptr) {
      this->kernels_.transpose(tile.count, load.columns, rows.data, rows.stride, out, view.stride);
    } else {
      rows = binding.gather(at, batch, tile.begin, tile.count, view.stride, this->kernels_,
                            load.columns == 0 ? nullptr : out,
                            load.gathered == no_piece ? nullptr : arena_.data(load.gathered));
    }
    if (rows.stride != stride) rows_moved_ = true;
  }
}

template <class T>
bool TileRunner<T>::fits(const CallList<T>& calls, std::size_t samples) const {
  if (calls.samples != samples) return false;
  for (std::size_t l = 0; l < this->sample_rows_.size(); ++l) {
    if (calls.load_strides[l] != this->sample_rows_[l].stride) return false;
  }
  return true;
}

/// Also of what later stages load: a plan is of all stages, and would be made anew for each of them.
template <class T>
void TileRunner<T>::find_strides(const Binding& binding, const BatchRows& batch) {
  for (std::uint32_t l = 0; l < loads_.size(); ++l) {
    const SampleRows<T> rows = binding.in_place<T>(l, batch, 0);
    const std::size_t gathered = loads_[l].gathered == no_piece ? 0 : this->program_.loads[l].count;
    this->sample_rows_[l].stride = rows.data != nullptr ? rows.stride : gathered;
  }
}

template <class T>
const CallList<T>& TileRunner<T>::calls_for(std::size_t samples, const Binding& binding, const BatchRows& batch) {
  if (std::exchange(rows_moved_, false)) find_strides(binding, batch);
  for (std::size_t looked = 0; !fits(plans_[plan_], samples); ++looked) {
    plan_ = (plan_ + 1) % plans_.size();
    if (looked < plans_.size()) continue;
    planner_->plan(samples, this->sample_rows_, plans_[plan_]);
  }
  this->view_.lanes = round_up(samples, this->kernels_.vector_lanes);
  return plans_[plan_];
}

template <class T>
void TileRunner<T>::run(std::size_t stage, const Binding& binding, const BatchRows& batch, const Tile& tile, T* totals,
                        bool first) {
  this->timed([&](auto stopwatch) __attribute__((always_inline)) {
    const bool same_size = plans_[plan_].samples == tile.count;
    if (!same_size) this->view_.stride = planner_->stride_of(tile.count);
    load(this->program_.stages[stage].inputs, binding, batch, tile);
    const CallList<T>& plan = same_size && !rows_moved_ ? plans_[plan_] : calls_for(tile.count, binding, batch);
    stopwatch.lap(this->load_time_);
    const auto list = plan.of_stage(stage);
    this->run_calls(list, tile, totals, first, stopwatch);
  });
}

template class Runner<float>;
template class Runner<double>;
template class OnceRunner<float>;
template class OnceRunner<double>;
template class TileRunner<float>;
template class TileRunner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
