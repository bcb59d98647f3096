// What is bound: for each input group, rows that stay where the user has them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tapeloom/core/base/random_number.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// The rows of one group. Exactly one of the pointers is set once it is bound.
struct BoundRows {
  const float* floats = nullptr;
  const double* doubles = nullptr;
  std::size_t stride = 0;
  std::size_t rows = 0;
  bool bound() const { return floats != nullptr || doubles != nullptr; }
  template <class T>
  const T* numbers() const {
    if constexpr (std::is_same_v<T, float>) {
      return floats;
    } else {
      return doubles;
    }
  }
};

/// Which random numbers a step has.
struct RandomStep {
  std::uint64_t seed = 0, step = 0;
};

/// The samples of one step: rows first, ..., or the listed ones.
struct BatchRows {
  std::size_t first = 0;
  std::size_t count = 0;
  const std::uint32_t* listed = nullptr;
  std::size_t row(std::size_t sample) const { return listed != nullptr ? listed[sample] : first + sample; }
};

/// Samples one after the other, their numbers side by side.
template <class T>
struct SampleRows {
  const T* data = nullptr;
  std::size_t stride = 0;
};

/// Where the columns of loads are from: rows that are bound, or a generator of random numbers.
class Binding {
 public:
  explicit Binding(const Program& program);

  void set_random_step(RandomStep next) { random_ = next; }
  void take_next_random_step() { ++random_.step; }

  /// Refuses NaN and numbers whose magnitude is above `largest`, if that is given.
  template <class T>
  void bind(std::string_view group, std::span<const T> rows, std::size_t row_stride, std::optional<double> largest);
  /// The rows of all groups side by side; of the used ones alone, where `row_stride` says so.
  template <class T>
  void bind_all(std::span<const T> rows, std::size_t row_stride, std::optional<double> largest);
  /// How rows fit.
  struct Fit {
    std::size_t group = 0;    ///< of one group
    bool used_alone = false;  ///< of all: only those that are used
    std::size_t rows = 0, stride = 0;
  };
  /// What bind and bind_all find out before they change anything, and throw.
  template <class T>
  Fit fit(std::string_view group, std::span<const T> rows, std::size_t row_stride, std::optional<double> largest) const;
  template <class T>
  Fit fit_all(std::span<const T> rows, std::size_t row_stride, std::optional<double> largest) const;

  /// The number of rows that all used groups have; throws BindError if they differ or one is not bound. If the program
  /// uses no inputs, the rows of the first bound group, or one.
  std::size_t rows() const;
  /// The numbers of a row, of all groups in recorded order; zero for those that are not used. Throws BindError as
  /// check.
  std::vector<double> row(std::size_t index) const;
  /// The same rows as for another program with the same groups. Allocates nothing.
  void read_rows_of(const Binding& other) { std::ranges::copy(other.groups_, groups_.begin()); }
  /// Throws BindError unless all these rows are bound.
  void check(const BatchRows& batch) const {
    const std::size_t last = batch.first + batch.count - 1;
    if (!rows_ || batch.listed != nullptr || last < batch.first || last >= *rows_) check_each(batch);
  }

  /// The columns of load `index` of the batch's samples from `begin` on where they were bound, if they lie there as a
  /// step needs them; otherwise null.
  template <class T>
  SampleRows<T> in_place(std::size_t index, const BatchRows& batch, std::size_t begin) const {
    const Columns& columns = loads_[index];
    const BoundRows& rows = groups_[columns.group];
    if (rows.numbers<T>() == nullptr || batch.listed != nullptr) return {};
    return {rows.numbers<T>() + columns.first + (batch.first + begin) * rows.stride, rows.stride};
  }

  /// Brings columns together that are not in place: those of load `index` of the batch's samples [begin, begin +
  /// count), each into `stride` numbers of out, and repeats the last sample up to a whole vector. Returns where they
  /// lie sample by sample: gathered at `gathered` (count x columns numbers) if that is not null, or nowhere. If `out`
  /// is null, that is all; of bound rows alone.
  template <class T>
  SampleRows<T> gather(std::size_t index, const BatchRows& batch, std::size_t begin, std::size_t count,
                       std::size_t stride, const KernelTable<T>& kernels, T* out, T* gathered) const;

  /// The columns of load `index` of one of the batch's samples, side by side.
  template <class T>
  void read(std::size_t index, const BatchRows& batch, std::size_t sample, T* out) const;

 private:
  template <class T>
  void set(std::size_t group, std::span<const T> rows, std::size_t count, std::size_t stride);
  std::size_t common_rows() const;
  void check_each(const BatchRows& batch) const;

  /// In place of a group, that of random columns: nobody binds it.
  std::size_t random() const { return program_->input_groups.size(); }
  /// The columns that a load reads, which are of one group, or random ones.
  struct Columns {
    std::size_t group, first, count;
  };
  std::uint64_t stream(const Columns& columns, std::size_t column) const {
    return detail::random_stream(random_.seed, random_.step, columns.first + column);
  }

  const Program* program_;
  std::vector<BoundRows> groups_;
  std::vector<Columns> loads_;
  RandomStep random_;
  mutable std::optional<std::size_t> rows_;  // once it is known that all used groups have as many
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
