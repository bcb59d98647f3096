#include "tapeloom/runtime/execute/row_runner.h"

#include <algorithm>
#include <vector>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Rows that are brought side by side at a time.
constexpr std::size_t some_rows = 256;

}  // namespace

int& ByRowsAlways::living() {
  thread_local int count = 0;
  return count;
}

FewSamples samples_by_rows(const Program& program, std::size_t most_samples, std::size_t number_size) {
  FewSamples samples;
  const std::size_t most = std::min(most_samples, cost::most_few_samples);
  if (!cost::may_have_rows_as_lanes(program)) return samples;
  const bool always = ByRowsAlways::living() > 0;
  // More samples fill more of a vector.
  for (std::size_t n = 1; n <= most && (n <= 2 || samples[n - 1]); ++n) {
    samples[n] = always || cost::rows_are_lanes(program, n, number_size);
  }
  // Those that were recorded are never fewer.
  if (program.recorded_samples > 0) samples &= FewSamples().set(program.recorded_samples);
  return samples;
}

template <class T>
RowRunner<T>::RowRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
                        const FewSamples& samples, bool profiled, std::span<T> room)
    : Runner<T>(program, kernels, scalar_kernels<T>(), buffers, profiled),
      planner_(program, kernels),
      apart_(round_up(program.tile_slots, lane_unit)) {
  std::vector<std::size_t> counts;
  for (std::size_t n = 1; n < samples.size(); ++n) {
    if (samples[n]) counts.push_back(n);
  }
  // Operands are read in whole vectors; transposes begin on a cache line.
  const std::size_t transposes = round_up(counts.back() * apart_ + lane_unit, arena_alignment / sizeof(T));
  const std::size_t numbers = transposes + planner_.transposed_numbers();
  const bool fits = numbers <= room.size();
  const std::size_t own = arena_.plan(fits ? 0 : numbers);
  arena_.allocate();
  slots_ = fits ? room.data() : arena_.data(own);
  this->view_ = view_of_one(program, buffers, slots_);
  planner_.bind({this->view_, apart_, buffers.totals, slots_ + transposes});
  for (CallList<T>& plan : plans_) plan = planner_.make_room(counts);
}

template <class T>
const CallList<T>& RowRunner<T>::calls_for(std::size_t samples) {
  for (std::size_t looked = 0; plans_[plan_].samples != samples; ++looked) {
    plan_ = (plan_ + 1) % plans_.size();
    if (looked >= plans_.size()) planner_.plan(samples, plans_[plan_]);
  }
  return plans_[plan_];
}

template <class T>
void RowRunner<T>::run(std::size_t stage, const Binding& binding, const BatchRows& batch) {
  this->timed([&](auto stopwatch) {
    const Range loads = this->program_.stages[stage].inputs;
    for (std::uint32_t l = loads.begin; l < loads.end; ++l) {
      T* const out = slots_ + this->program_.loads[l].slot;
      for (std::size_t n = 0; n < batch.count; ++n) binding.read(l, batch, n, out + n * apart_);
    }
    const CallList<T>& plan = calls_for(batch.count);
    stopwatch.lap(this->load_time_);
    using Kind = typename Call<T>::Kind;
    for (const Call<T>& call : plan.of_stage(stage)) {
      if (call.kind == Kind::product) {
        this->frequent_products_(call.kernel.run,
                                 [&](auto kernel) { kernel(call.kernel, call.a, call.b, call.c, call.adds); });
        stopwatch.lap(this->times_, call.at);
      } else if (call.kind == Kind::rows) {
        for (std::uint32_t s = call.at; s != call.end; ++s) {
          const RowStep<T>& step = planner_.steps()[s];
          run_step(step, batch.count);
          stopwatch.lap(this->times_, step.at);
        }
      } else {
        call.transposed.run(this->kernels_);
        stopwatch.lap(this->times_, call.at);
      }
    }
  });
}

template <class T>
void RowRunner<T>::run_step(const RowStep<T>& step, std::size_t samples) {
  using Kind = typename RowStep<T>::Kind;
  const Instruction& i = this->program_.instructions[step.at];
  switch (step.kind) {
    case Kind::vectors:
      return vectors(step, samples);
    case Kind::gathered:
      return gathered(step, samples);
    case Kind::copy:
      for (std::size_t n = 0; n < samples; ++n) {
        std::copy_n(step.x[0] + n * step.apart[0], step.rows, step.out + n * apart_);
      }
      return;
    case Kind::runs:
      for (std::size_t n = 0; n < samples; ++n) {
        this->kernels_.sum_runs(step.runs.data(), step.runs.size(), this->view_.indices, step.x[0] + n * apart_,
                                step.out + n * apart_);
      }
      return;
    case Kind::total:
      return totals(step, samples);
    case Kind::products:
      return totals_of_products(step, samples);
    case Kind::lists:
      return lists(step, samples);
    case Kind::once:
      return this->run_instruction(i, {0, samples}, this->buffers_.totals, true);
    case Kind::other:
      for (std::size_t n = 0; n < samples; ++n) {
        this->view_.tile = slots_ + n * apart_;
        this->run_instruction(i, {n, 1}, this->buffers_.totals, n == 0);
      }
      this->view_.tile = slots_;
      return;
  }
}

/// Whole vectors where they belong; of the last rows, which may not fill one, the result is copied.
template <class T>
void RowRunner<T>::vectors(const RowStep<T>& step, std::size_t samples) const {
  const std::size_t lanes = this->kernels_.vector_lanes, rest = step.rows % lanes, whole = step.rows - rest;
  const T *x = step.x[0], *y = step.x[1], *z = step.x[2];
  T* out = step.out;
  for (std::size_t n = 0; n < samples; ++n) {
    if (whole > 0) step.run(out, x, y, z, whole);
    if (rest > 0) {
      T last[lane_unit];
      step.run(last, x + whole * step.lane[0], y + whole * step.lane[1], z + whole * step.lane[2], lanes);
      std::copy_n(last, rest, out + whole);
    }
    x += step.apart[0], y += step.apart[1], z += step.apart[2], out += apart_;
  }
}

/// The rows of an operand from `begin` on, side by side.
template <class T>
const T* RowRunner<T>::operand(const RowStep<T>& step, std::size_t k, std::size_t sample, std::size_t begin,
                               std::size_t count, T* numbers) const {
  const std::uint32_t row_step = step.row_step[k];
  const T* const x = step.x[k] + sample * step.apart[k];
  if (step.lane[k] == 0 || step.rows == 1) return x;
  if (row_step == 1) return x + begin;
  if (row_step == Shape::by_index) {
    const std::uint32_t* const index = this->view_.indices + this->program_.instructions[step.at].x[k] + begin;
    for (std::size_t r = 0; r < count; ++r) numbers[r] = x[index[r]];
  } else {
    for (std::size_t r = 0; r < count; ++r) numbers[r] = x[(begin + r) * row_step];
  }
  // What fills the last vector.
  std::fill(numbers + count, numbers + round_up(count, this->kernels_.vector_lanes), T(0));
  return numbers;
}

template <class T>
void RowRunner<T>::gathered(const RowStep<T>& step, std::size_t samples) const {
  const std::size_t lanes = this->kernels_.vector_lanes;
  T numbers[4][some_rows];  // not to be cleared: mostly there are a few rows
  for (std::size_t n = 0; n < samples; ++n) {
    for (std::size_t begin = 0; begin < step.rows; begin += some_rows) {
      const std::size_t count = std::min<std::size_t>(step.rows - begin, some_rows);
      const T* x[3] = {};
      for (std::size_t k = 0; k < 3 && step.x[k] != nullptr; ++k) x[k] = operand(step, k, n, begin, count, numbers[k]);
      step.run(numbers[3], x[0], x[1], x[2], round_up(count, lanes));
      std::copy_n(numbers[3], count, step.out + n * apart_ + begin);
    }
  }
}

template <class T>
void RowRunner<T>::totals(const RowStep<T>& step, std::size_t samples) const {
  const Instruction& i = this->program_.instructions[step.at];
  const Shape& s = this->program_.shapes[i.shape];
  const bool side_by_side = s.step[0] == 1 && s.row_step == 1;
  for (std::size_t n = 0; n < samples; ++n) {
    const T* const x = step.x[0] + n * step.apart[0];
    const bool adds = n > 0 || i.accumulates;
    if (side_by_side && adds) {
      this->kernels_.add(step.out, x, step.rows);
    } else if (side_by_side) {
      std::copy_n(x, step.rows, step.out);
    } else {
      for (std::size_t r = 0; r < step.rows; ++r) {
        T& total = step.out[r * s.row_step];
        total = adds ? total + x[r * s.step[0]] : x[r * s.step[0]];
      }
    }
  }
}

template <class T>
void RowRunner<T>::totals_of_products(const RowStep<T>& step, std::size_t samples) const {
  const Instruction& i = this->program_.instructions[step.at];
  const Shape& s = this->program_.shapes[i.shape];
  const auto number = [&](std::size_t k, std::size_t r, std::size_t n) {
    const bool indexed = s.step[k] == Shape::by_index;
    return slots_[n * apart_ + (indexed ? this->view_.indices[i.x[k] + r] : i.x[k] + r * s.step[k])];
  };
  for (std::size_t r = 0; r < step.rows; ++r) {
    T sum = number(0, r, 0) * number(1, r, 0);
    for (std::size_t n = 1; n < samples; ++n) sum += number(0, r, n) * number(1, r, n);
    T& total = step.out[r * s.row_step];
    total = i.accumulates ? total + sum : sum;
  }
}

/// Sums of numbers and products, one by one.
template <class T>
void RowRunner<T>::lists(const RowStep<T>& step, std::size_t samples) const {
  constexpr std::uint32_t last = Program::last_slot, none = Program::empty_list | last;
  const Instruction& i = this->program_.instructions[step.at];
  for (std::size_t n = 0; n < samples; ++n) {
    const T* const slots = slots_ + n * apart_;
    T* const out = slots_ + n * apart_ + i.out;
    const std::uint32_t* word = this->view_.indices + i.x[0];
    const auto next = [&](std::uint32_t of) {
      const std::uint32_t slot = Program::slot_of(of);
      const T number = (of & Program::uniform_slot) != 0 ? *this->view_.uniform_slot(slot) : slots[slot];
      return (of & Program::times_next) == 0 ? number : number * slots[Program::slot_of(*++word)];
    };
    for (std::size_t r = 0; r < step.rows; ++r, ++word) {
      std::uint32_t of = *word;
      T sum = of == none ? T(0) : next(of);
      while ((of & last) == 0) of = *++word, sum += next(of);
      out[r] = sum;
    }
  }
}

template class RowRunner<float>;
template class RowRunner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
