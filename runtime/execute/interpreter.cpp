#include "tapeloom/runtime/execute/interpreter.h"

#include <Eigen/Core>
#include <algorithm>
#include <type_traits>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/one_by_one.h"
#include "tapeloom/runtime/execute/uniform_slots.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// How many vectors of so many lanes a program goes through that runs once a step. Rows are lanes there, or terms.
std::uint64_t vectors_once(const Program& program, std::size_t lanes) {
  std::uint64_t vectors = 0;
  for (const Instruction& i : program.instructions) {
    const Shape& s = program.shapes[i.shape];
    const std::uint64_t terms = is_product(i) || i.kind == InstructionKind::outer ? s.terms : 1, rows = s.rows;
    vectors += std::min(rows, terms) * ((std::max(rows, terms) + lanes - 1) / lanes);
  }
  return vectors;
}

/// Without tiles, the longest vectors are chosen where that saves two fifths of them.
template <class T>
bool saves_vectors_once(const Program& program) {
  const bool once = std::ranges::all_of(program.stages, [](const Stage& stage) { return stage.tile.size() == 0; });
  const auto vectors = [&](const KernelTable<T>& kernels) { return vectors_once(program, kernels.vector_lanes); };
  return once && 5 * vectors(kernels<T>()) <= 3 * vectors(kernels<T>(1));
}

template <class T>
const KernelTable<T>& choose_kernels(const Program& program, std::size_t max_samples) {
  if constexpr (std::is_same_v<T, double>) {
    if (program.exact) return scalar_kernels<double>();
  }
  return program.one_row || saves_vectors_once<T>(program) ? kernels<T>() : kernels<T>(max_samples);
}

/// Neighbouring whole vectors of samples for each of `parts` parts, as evenly as that allows: part i.
Tile part_of(std::size_t samples, std::size_t i, std::size_t parts) {
  if (parts == 1) return {0, samples};
  const std::size_t units = (samples + lane_unit - 1) / lane_unit;
  const std::size_t begin = std::min(units * i / parts * lane_unit, samples);
  return {begin, std::min(units * (i + 1) / parts * lane_unit, samples) - begin};
}

}  // namespace

template <class T>
Interpreter<T>::Interpreter(const Program& program, std::span<const T> parameters, std::size_t max_samples,
                            std::size_t threads, bool profiled, bool skip_zeros)
    : program_(program),
      parameters_(parameters),
      own_kernels_(skip_zeros
                       ? std::make_unique<KernelTable<T>>(skipping_zeros(choose_kernels<T>(program, max_samples)))
                       : nullptr),
      kernels_(skip_zeros ? *own_kernels_ : choose_kernels<T>(program, max_samples)),
      descending_kernels_(program.exact ? kernels_ : kernels<T>()),
      max_samples_(max_samples),
      tile_samples_(std::min(preferred_tile_samples(program, sizeof(T)), round_up(max_samples, lane_unit))),
      batch_lanes_(round_up(max_samples, lane_unit)),
      most_groups_(most_groups(program)),
      threads_(std::min(threads, groups_of(max_samples))),
      seconds_a_sample_(cost::seconds_a_sample(program, tile_samples_, sizeof(T))),
      single_tile_(most_groups_ == 1 ? tile_samples_ : std::min(tile_samples_, 2 * least_group_samples - 1)),
      copied_parameters_(find_copied_parameters(program)),
      trained_(program.trained) {
  gradients_in_place_ = gradients_are_in_place();
  // Totals begin on a cache line, so that gradients do, and operands are read in whole vectors.
  const std::size_t gap = round_up(program.first_total(), lane_unit) - program.first_total();
  const std::size_t uniform_piece = arena_.plan(gap + program.uniform_slots + lane_unit);
  batch_ = arena_.plan(program.batch_slots * batch_lanes_);
  totals_ = arena_.plan((groups_of(max_samples) - 1) * program.total_count);
  outputs_ = arena_.plan(max_samples * program.outputs.size());
  input_gradients_ = arena_.plan(program.has_input_gradients ? max_samples * program.input_count : 0);
  gradients_ = arena_.plan(program.parameters.size());
  arena_.allocate();

  T* uniform = uniform_ = arena_.data(uniform_piece) + gap;
  for (std::size_t i = 0; i < program.constants.size(); ++i) {
    uniform[program.first_constant() + i] = static_cast<T>(program.constants[i]);
  }
  for (const ProgramUniformInput& input : program.uniform_inputs) {
    uniform_inputs_.push_back(static_cast<T>(input.initial));
  }
  put_uniform_inputs();

  samples_ = uniform + program.samples_slot(), first_totals_ = uniform + program.first_total();

  threads_ = threads_worth(max_samples);
  if (threads_ > 1) {
    pool_ = std::make_unique<ThreadPool>(threads_);
    threads_ = pool_->threads();  // the system may refuse some
  }
  for (const ProgramGuard& guard : program.guards) expected_.push_back(guard.expected ? T(1) : T(0));
  const StepBuffers<T> buffers = {uniform,
                                  parameters.data(),
                                  first_totals_,
                                  arena_.data(batch_),
                                  batch_lanes_,
                                  arena_.data(outputs_),
                                  arena_.data(input_gradients_),
                                  expected_.data()};
  once_.emplace(program, kernels_, buffers, profiled, skip_zeros);
  for (std::size_t i = 0; i < threads_; ++i) {
    runners_.emplace_back(program, kernels_, buffers, std::min(tile_samples_, max_samples), profiled, skip_zeros);
  }
  if (!skip_zeros) by_rows_ = samples_by_rows(program, max_samples, sizeof(T));
  if (by_rows_.any()) {
    rows_ = std::make_unique<RowRunner<T>>(program, kernels<T>(), buffers, by_rows_, profiled, runners_[0].slots());
  }
  std::vector<HeldProduct> held;
  if (!profiled && !skip_zeros) {
    held = find_held_products(program, {kernels_.vector_lanes, PlannedCalls<T>(kernels_).narrow().vector_lanes});
  }
  if (!held.empty()) {
    std::vector<Call<T>> calls = once_->take_calls(held);
    if (!held.empty()) held_.emplace(program, kernels_, held, std::move(calls), uniform);
  }
  if (program.repeats_for_nan && !skip_zeros) watch_.emplace(program, held);
  if (!skip_zeros) find_weights_with_gaps();
  if (!profiled && !skip_zeros) by_ones_ = samples_one_by_one(program, max_samples, sizeof(T));
  if (by_ones_.any()) one_by_one_ = std::make_unique<OneByOne<T>>(*program.of_one_sample, parameters);
  may_run_again_ = one_by_one_ || watch_ || !weights_with_gaps_.empty() || once_->has_checks();
  if (profiled) {
    profile_.emplace();
    is_prepared_ = true;
    profile_->instructions.resize(program.instructions.size());
    profile_->number_size = sizeof(T);
    profile_->of_one_sample = program.one_row;
  }
}

template <class T>
Interpreter<T>::~Interpreter() = default;

template <class T>
std::size_t Interpreter<T>::arena_bytes() const {
  std::size_t bytes = arena_.bytes();
  for (const TileRunner<T>& runner : runners_) bytes += runner.bytes();
  if (rows_ != nullptr) bytes += rows_->bytes();
  return one_by_one_ == nullptr ? bytes : bytes + one_by_one_->arena_bytes();
}

template <class T>
void Interpreter<T>::set_uniform_input(std::size_t index, double number) {
  uniform_inputs_[index] = static_cast<T>(number);
  is_prepared_ = true;
}

template <class T>
void Interpreter<T>::put_uniform_inputs() {
  std::ranges::copy(uniform_inputs_, uniform_ + program_.first_uniform_input());
}

template <class T>
Profile Interpreter<T>::profile() const {
  Profile profile = *profile_;
  once_->add_times(profile);
  for (const TileRunner<T>& runner : runners_) runner.add_times(profile);
  if (rows_ != nullptr) rows_->add_times(profile);
  return profile;
}

template <class T>
GuardFailure Interpreter<T>::run(const Binding& binding, const BatchRows& batch) {
  if (is_prepared_) [[unlikely]]
    return run_prepared(binding, batch);
  // Mostly no step is done again.
  return may_run_again_ ? run_step(binding, batch) : run_stages(binding, batch);
}

/// Where uniform inputs were set since the last step, gradients are hidden after each, or it is profiled. Out of the
/// way of steps that need none of it: a call in between made each of them longer.
template <class T>
GuardFailure Interpreter<T>::run_prepared(const Binding& binding, const BatchRows& batch) {
  put_uniform_inputs();
  is_prepared_ = profile_.has_value() || hides_frozen();
  const GuardFailure failure = profile_ ? run_profiled(binding, batch) : run_step(binding, batch);
  if (hides_frozen() && !failure.any()) hide_frozen();
  return failure;
}

template <class T>
GuardFailure Interpreter<T>::run_profiled(const Binding& binding, const BatchRows& batch) {
  Stopwatch<true> stopwatch;
  const GuardFailure failure = run_step(binding, batch);
  InstructionTime step;
  stopwatch.lap(step);
  profile_->step_seconds += step.seconds;
  ++profile_->steps;
  profile_->samples += batch.count;
  return failure;
}

template <class T>
GuardFailure Interpreter<T>::run_stages(const Binding& binding, const BatchRows& batch) {
  for (const Range copied : copied_parameters_) {
    std::copy_n(parameters_.begin() + copied.begin, copied.size(), uniform_ + copied.begin);
  }
  for (std::size_t l = 0; program_.one_row && l < program_.loads.size(); ++l) {
    binding.read(l, batch, 0, uniform_ + program_.loads[l].slot);
  }
  *samples_ = static_cast<T>(static_cast<std::uint32_t>(batch.count));
  const bool guarded = !program_.guards.empty();
  if (guarded) start_runners();
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    const Stage& stage = program_.stages[s];
    once_->run(s);
    if (stage.tile.size() == 0) continue;
    if (batch.count < by_rows_.size() && by_rows_[batch.count]) {
      rows_->run(s, binding, batch);
    } else if (batch.count <= single_tile_) {
      runners_[0].run(s, binding, batch, {0, batch.count}, first_totals_, true);
    } else {
      sweep(s, binding, batch);
    }
  }
  const GuardFailure failure = guarded ? first_failure() : GuardFailure();
  if (failure.any()) return failure;
  if (program_.loss_slot != Program::no_slot) loss_ = uniform_[program_.loss_slot];
  finish_gradients();
  if (!program_.outputs.empty()) collect_outputs(batch.count);
  return failure;
}

template <class T>
void Interpreter<T>::start_runners() {
  once_->start();
  for (TileRunner<T>& runner : runners_) runner.start();
  if (rows_ != nullptr) rows_->start();
}

template <class T>
GuardFailure Interpreter<T>::first_failure() const {
  GuardFailure failure = once_->failure();
  for (const TileRunner<T>& runner : runners_) failure.add(runner.failure());
  if (rows_ != nullptr) failure.add(rows_->failure());
  return failure;
}

template <class T>
void Interpreter<T>::sweep_group(std::size_t stage, const Binding& binding, const BatchRows& batch, std::size_t group,
                                 std::size_t groups, TileRunner<T>& runner) {
  const Tile all = part_of(batch.count, group, groups);
  const std::size_t tiles = std::max<std::size_t>((all.count + tile_samples_ - 1) / tile_samples_, 1);
  for (std::size_t t = 0; t < tiles; ++t) {
    Tile tile = part_of(all.count, t, tiles);
    tile.begin += all.begin;
    runner.run(stage, binding, batch, tile, totals_of(group), t == 0);
  }
}

template <class T>
void Interpreter<T>::sweep(std::size_t stage, const Binding& binding, const BatchRows& batch) {
  const std::size_t groups = groups_of(batch.count);
  run_tasks(groups, threads_worth(batch.count), [&](std::size_t group, std::size_t thread) {
    sweep_group(stage, binding, batch, group, groups, runners_[thread]);
  });
  add_groups(program_.stages[stage].totals, groups);
}

template <class T>
std::size_t Interpreter<T>::threads_worth(std::size_t samples) const {
  const double worth = seconds_a_sample_ * static_cast<double>(samples) / cost::seconds_worth_a_thread;
  return worth >= static_cast<double>(threads_) ? threads_ : std::max<std::size_t>(static_cast<std::size_t>(worth), 1);
}

/// Calls task(index, thread) for every index below `count`, in at most `threads` threads.
template <class T>
template <class Task>
void Interpreter<T>::run_tasks(std::size_t count, std::size_t threads, const Task& task) {
  if (count > 1 && threads > 1 && gain_.expected(ThreadGain::Clock::now())) {
    const Round round = pool_->run(count, task, threads);
    gain_.add(round, ThreadGain::Clock::now());
  } else {
    for (std::size_t i = 0; i < count; ++i) task(i, 0);
  }
}

/// Neighbours in pairs until one is left: ((0 + 1) + (2 + 3)) + ... Every total by itself, so any thread may do some.
template <class T>
void Interpreter<T>::add_groups(Range totals, std::size_t groups) {
  const auto add = [&](std::size_t begin, std::size_t end) {
    const auto of = [&](std::size_t group) {
      using Numbers = Eigen::Array<T, Eigen::Dynamic, 1>;
      return Eigen::Map<Numbers>(totals_of(group) + begin, static_cast<Eigen::Index>(end - begin));
    };
    for (std::size_t step = 1; step < groups; step *= 2) {
      for (std::size_t group = 0; group + step < groups; group += 2 * step) of(group) += of(group + step);
    }
  };
  // As many numbers at a time as stay in a core's cache while the groups are added.
  constexpr std::size_t chunk = 4096;
  const std::size_t chunks = groups == 1 ? 0 : (totals.size() + chunk - 1) / chunk;
  const auto add_chunk = [&](std::size_t i, std::size_t) {
    const std::size_t begin = totals.begin + i * chunk;
    add(begin, std::min<std::size_t>(begin + chunk, totals.end));
  };
  constexpr std::size_t least_chunks = 9;  // for threads to be worth it
  run_tasks(chunks, chunks < least_chunks ? 1 : threads_, add_chunk);
}

/// Those that are the same for all samples.
template <class T>
void Interpreter<T>::collect_outputs(std::size_t samples) {
  T* outputs = arena_.data(outputs_);
  const std::size_t count = program_.outputs.size();
  for (std::size_t k = 0; k < count; ++k) {
    if (program_.outputs[k].varying) continue;
    for (std::size_t s = 0; s < samples; ++s) outputs[s * count + k] = uniform_[program_.outputs[k].slot];
  }
}

/// After a step.
template <class T>
void Interpreter<T>::finish_gradients() {
  if (!held_) {
    if (!gradients_in_place_) collect_gradients();
    return;
  }
  descends_by_held_ = trained_ == program_.trained;
  if (descends_by_held_ && !always_formed_) {
    formed_ = false;
  } else {
    form_gradients();
  }
}

template <class T>
void Interpreter<T>::form_gradients() {
  held_->form();
  if (!gradients_in_place_) collect_gradients();
  formed_ = true;
}

/// Who has looked at them once may still have the span.
template <class T>
std::span<const T> Interpreter<T>::gradients() {
  if (held_) {
    const std::scoped_lock lock(forming_);
    always_formed_ = true;
    if (!formed_) form_gradients();
  }
  return {gradients_data(), program_.parameters.size()};
}

template <class T>
void Interpreter<T>::descend(T rate, T* parameters) {
  if (descends_by_held_) return held_->descend(rate, parameters);
  const T* const gradient = gradients_data();
  for (const Range range : trained_) {
    descending_kernels_.subtract_scaled(parameters + range.begin, rate, gradient + range.begin, range.size());
  }
}

template <class T>
void Interpreter<T>::collect_gradients() {
  T* gradients = arena_.data(gradients_);
  for (const GradientPiece& piece : program_.gradients) {
    std::copy_n(uniform_ + piece.slot, piece.count, gradients + piece.first.index);
  }
  each_frozen([&](std::uint32_t begin, std::uint32_t end) { std::fill(gradients + begin, gradients + end, T(0)); });
}

template class Interpreter<float>;
template class Interpreter<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
