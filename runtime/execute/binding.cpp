#include "tapeloom/runtime/execute/binding.h"

#include <algorithm>
#include <cmath>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/text.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

std::string known_groups(const Program& program) {
  if (program.input_groups.empty()) return "the program has no inputs";
  std::string text = "the program has";
  for (const ProgramInputGroup& group : program.input_groups) text += " " + quoted(group.name);
  return text;
}

std::string numbers(std::size_t count) { return std::to_string(count) + (count == 1 ? " number" : " numbers"); }

/// Numbers in a row of the groups that the program reads.
std::size_t used_count(const Program& program) {
  std::size_t count = 0;
  for (const ProgramInputGroup& group : program.input_groups) count += group.used ? group.count : 0;
  return count;
}

/// The names of the groups that are used, or not, for messages: "x" (3 numbers), "y" (1 number).
std::string listed_groups(const Program& program, bool used) {
  std::string text;
  for (const ProgramInputGroup& group : program.input_groups) {
    if (group.used != used) continue;
    text += (text.empty() ? "" : ", ") + quoted(group.name) + " (" + numbers(group.count) + ")";
  }
  return text;
}

/// Rows without a name may have the groups that are read alone, or those that are not besides.
[[noreturn]] void refuse_two_readings(const Program& program, std::size_t used, const std::string& given) {
  const auto first = std::find_if(program.input_groups.begin(), program.input_groups.end(),
                                  [](const ProgramInputGroup& group) { return group.used; });
  throw BindError("rows without the name of an input group" + given + " are refused: this program reads " +
                  listed_groups(program, true) + " and not " + listed_groups(program, false) + ", so a row may have " +
                  numbers(used) + " or all " + std::to_string(program.input_count) +
                  ", and either would be read wrong as the other. Bind by name, as in bind(" + quoted(first->name) +
                  ", rows), or say by row_stride how many numbers a row has");
}

/// What messages call an input group; without a name, all of them side by side.
std::string described(std::string_view group) { return group.empty() ? "all inputs" : "input group " + quoted(group); }

/// How many rows of `count` numbers, `stride` apart, the span holds; the gap after the last row may be missing.
std::size_t count_rows(std::string_view name, std::size_t size, std::size_t count, std::size_t stride) {
  if (size == 0) throw BindError(described(name) + ": there are no rows");
  const std::size_t rows = (size + stride - count) / stride;
  if (stride >= count && rows > 0 && (size == rows * stride || size == (rows - 1) * stride + count)) return rows;
  throw BindError(described(name) + ": rows of " + std::to_string(count) + " numbers" +
                  (stride == count ? "" : ", " + std::to_string(stride) + " apart,") + " are needed; " +
                  std::to_string(size) + " numbers are no whole number of them");
}

template <class T>
void check_numbers(std::string_view name, std::span<const T> rows, std::size_t count, std::size_t stride,
                   double largest) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % stride < count && !(std::fabs(static_cast<double>(rows[i])) <= largest)) {
      throw BindError(described(name) + ": row " + std::to_string(i / stride) + ", column " +
                      std::to_string(i % stride) +
                      (std::isfinite(rows[i]) ? " is too large for a float" : " is not finite"));
    }
  }
}

/// Guards belong to all that was recorded, so a program may read a group that its own results have nothing to do with.
[[noreturn]] void fail_unbound(const Program& program, const ProgramInputGroup& group) {
  throw BindError("input group " + quoted(group.name) + " is not bound" +
                  (program.guards.empty() ? ""
                                          : "; if no result needs it, a branch that was decided while recording does: "
                                            "branches_from leaves out those decided before a mark()"));
}

}  // namespace

Binding::Binding(const Program& program) : program_(&program), groups_(program.input_groups.size() + 1) {
  for (const Load& load : program.loads) {
    if (load.first.index >= program.input_count) {
      loads_.push_back({random(), load.first.index - program.input_count, load.count});
      continue;
    }
    const auto after = std::upper_bound(
        program.input_groups.begin(), program.input_groups.end(), load.first.index,
        [](std::uint32_t column, const ProgramInputGroup& group) { return column < group.first.index; });
    const auto group = static_cast<std::size_t>(after - program.input_groups.begin()) - 1;
    loads_.push_back({group, load.first.index - program.input_groups[group].first.index, load.count});
  }
}

template <class T>
void Binding::set(std::size_t group, std::span<const T> rows, std::size_t count, std::size_t stride) {
  BoundRows bound{.stride = stride, .rows = count};
  if constexpr (std::is_same_v<T, float>) {
    bound.floats = rows.data();
  } else {
    bound.doubles = rows.data();
  }
  groups_[group] = bound;
  rows_.reset();
}

template <class T>
Binding::Fit Binding::fit(std::string_view name, std::span<const T> rows, std::size_t row_stride,
                          std::optional<double> largest) const {
  for (std::size_t g = 0; g < program_->input_groups.size(); ++g) {
    const ProgramInputGroup& group = program_->input_groups[g];
    if (group.name != name) continue;
    const std::size_t stride = row_stride == 0 ? group.count : row_stride;
    const std::size_t count = count_rows(name, rows.size(), group.count, stride);
    if (largest) check_numbers(name, rows, group.count, stride, *largest);
    return {.group = g, .rows = count, .stride = stride};
  }
  throw BindError("there is no input group " + quoted(name) + "; " + known_groups(*program_));
}

template <class T>
void Binding::bind(std::string_view name, std::span<const T> rows, std::size_t row_stride,
                   std::optional<double> largest) {
  const Fit found = fit(name, rows, row_stride, largest);
  set(found.group, rows, found.rows, found.stride);
}

template <class T>
Binding::Fit Binding::fit_all(std::span<const T> rows, std::size_t row_stride, std::optional<double> largest) const {
  if (program_->input_groups.empty()) throw BindError("there is nothing to bind; " + known_groups(*program_));
  const std::size_t all = program_->input_count, used = used_count(*program_);
  const bool two_readings = used != 0 && used != all;
  if (two_readings && row_stride != used && row_stride < all) {
    refuse_two_readings(*program_, used,
                        row_stride == 0 ? std::string() : " and with row_stride = " + std::to_string(row_stride));
  }
  const bool used_alone = two_readings && row_stride == used;
  const std::size_t width = used_alone ? used : all;
  const std::size_t stride = row_stride == 0 ? width : row_stride;
  const std::size_t count = count_rows({}, rows.size(), width, stride);
  if (largest) check_numbers({}, rows, width, stride, *largest);
  return {.used_alone = used_alone, .rows = count, .stride = stride};
}

template <class T>
void Binding::bind_all(std::span<const T> rows, std::size_t row_stride, std::optional<double> largest) {
  const Fit found = fit_all(rows, row_stride, largest);
  std::size_t column = 0;
  for (std::size_t g = 0; g < program_->input_groups.size(); ++g) {
    if (found.used_alone && !program_->input_groups[g].used) continue;
    set(g, rows.subspan(column), found.rows, found.stride);
    column += program_->input_groups[g].count;
  }
}

std::size_t Binding::rows() const {
  if (!rows_) rows_ = common_rows();
  return *rows_;
}

std::vector<double> Binding::row(std::size_t index) const {
  check({index, 1, nullptr});
  std::vector<double> numbers(program_->input_count, 0.0);
  for (std::size_t g = 0; g < program_->input_groups.size(); ++g) {
    const ProgramInputGroup& group = program_->input_groups[g];
    if (!group.used) continue;
    const BoundRows& rows = groups_[g];
    const auto copy = [&](const auto* from) {
      std::copy_n(from + index * rows.stride, group.count, numbers.begin() + group.first.index);
    };
    rows.floats != nullptr ? copy(rows.floats) : copy(rows.doubles);
  }
  return numbers;
}

std::size_t Binding::common_rows() const {
  std::size_t first = program_->input_groups.size();
  for (std::size_t g = 0; g < program_->input_groups.size(); ++g) {
    const ProgramInputGroup& group = program_->input_groups[g];
    if (!group.used) continue;
    if (!groups_[g].bound()) fail_unbound(*program_, group);
    if (first == program_->input_groups.size()) first = g;
    if (groups_[g].rows != groups_[first].rows) {
      throw BindError("input group " + quoted(group.name) + " has " + std::to_string(groups_[g].rows) + " rows, but " +
                      quoted(program_->input_groups[first].name) + " has " + std::to_string(groups_[first].rows));
    }
  }
  if (first != program_->input_groups.size()) return groups_[first].rows;
  for (const BoundRows& group : groups_) {
    if (group.bound()) return group.rows;
  }
  return 1;
}

void Binding::check_each(const BatchRows& batch) const {
  if (batch.count == 0) throw BindError("the batch is empty: a step needs at least one sample");
  std::size_t last = batch.first + batch.count - 1;
  if (batch.listed != nullptr) last = *std::max_element(batch.listed, batch.listed + batch.count);
  if (rows_ && last >= batch.first && last < *rows_) return;
  for (std::size_t g = 0; g < program_->input_groups.size(); ++g) {
    const ProgramInputGroup& group = program_->input_groups[g];
    if (!group.used) continue;
    if (!groups_[g].bound()) fail_unbound(*program_, group);
    if (last < batch.first || last >= groups_[g].rows) {
      throw BindError("the batch reads row " + std::to_string(std::max(last, batch.first)) + ", but input group " +
                      quoted(group.name) + " has " + std::to_string(groups_[g].rows) + " rows");
    }
  }
}

namespace {

/// What gather() reads: `columns` numbers of each sample.
template <class Number>
struct Source {
  const Number* numbers;
  std::size_t row_stride, columns;
  const BatchRows& batch;
  std::size_t begin, count;

  const Number* row(std::size_t sample) const { return numbers + batch.row(begin + sample) * row_stride; }
};

template <class T, class Number>
void gather(const Source<Number>& from, std::size_t first, std::size_t count, std::size_t column, std::size_t columns,
            T* to, std::size_t to_stride) {
  for (std::size_t s = 0; s < count; ++s) {
    const Number* row = from.row(first + s) + column;
    for (std::size_t c = 0; c < columns; ++c) to[s * to_stride + c] = static_cast<T>(row[c]);
  }
}

/// All rows together, or some at a time.
template <class T, class Number>
SampleRows<T> gather_rows(const Source<Number>& from, std::size_t stride, const KernelTable<T>& kernels, T* out,
                          T* gathered) {
  if (gathered != nullptr) {
    gather(from, 0, from.count, 0, from.columns, gathered, from.columns);
    if (out != nullptr) kernels.transpose(from.count, from.columns, gathered, from.columns, out, stride);
    return {gathered, from.columns};
  }
  constexpr std::size_t some_rows = 16, some_columns = 256;
  T together[some_rows * some_columns];
  for (std::size_t s = 0; s < from.count; s += some_rows) {
    const std::size_t height = std::min(some_rows, from.count - s);
    for (std::size_t c = 0; c < from.columns; c += some_columns) {
      const std::size_t width = std::min(some_columns, from.columns - c);
      gather(from, s, height, c, width, together, some_columns);
      kernels.transpose(height, width, together, some_columns, out + c * stride + s, stride);
    }
  }
  return {};
}

}  // namespace

template <class T>
SampleRows<T> Binding::gather(std::size_t index, const BatchRows& batch, std::size_t begin, std::size_t count,
                              std::size_t stride, const KernelTable<T>& kernels, T* out, T* gathered) const {
  const Columns& columns = loads_[index];
  if (columns.group == random()) {
    for (std::size_t c = 0; c < columns.count; ++c) {
      T* const numbers = out + c * stride;
      kernels.random_numbers(this->stream(columns, c), begin, count, numbers);
      for (std::size_t s = 0; gathered != nullptr && s < count; ++s) gathered[s * columns.count + c] = numbers[s];
    }
    return gathered == nullptr ? SampleRows<T>{} : SampleRows<T>{gathered, columns.count};
  }
  const BoundRows& rows = groups_[columns.group];
  const auto read = [&]<class Number>(const Number* numbers) {
    const Source<Number> source{numbers + columns.first, rows.stride, columns.count, batch, begin, count};
    return gather_rows(source, stride, kernels, out, gathered);
  };
  return rows.floats != nullptr ? read(rows.floats) : read(rows.doubles);
}

template <class T>
void Binding::read(std::size_t index, const BatchRows& batch, std::size_t sample, T* out) const {
  const Columns& columns = loads_[index];
  if (columns.group == random()) {
    for (std::size_t c = 0; c < columns.count; ++c) {
      out[c] = detail::to_unit_interval<T>(detail::random_bits(stream(columns, c), sample));
    }
    return;
  }
  const BoundRows& rows = groups_[columns.group];
  const auto read = [&]<class Number>(const Number* numbers) {
    const Source<Number> source{numbers + columns.first, rows.stride, columns.count, batch, sample, 1};
    runtime::gather(source, 0, 1, 0, columns.count, out, columns.count);
  };
  rows.floats != nullptr ? read(rows.floats) : read(rows.doubles);
}

template Binding::Fit Binding::fit(std::string_view, std::span<const float>, std::size_t, std::optional<double>) const;
template Binding::Fit Binding::fit(std::string_view, std::span<const double>, std::size_t, std::optional<double>) const;
template Binding::Fit Binding::fit_all(std::span<const float>, std::size_t, std::optional<double>) const;
template Binding::Fit Binding::fit_all(std::span<const double>, std::size_t, std::optional<double>) const;
template void Binding::bind(std::string_view, std::span<const float>, std::size_t, std::optional<double>);
template void Binding::bind(std::string_view, std::span<const double>, std::size_t, std::optional<double>);
template void Binding::bind_all(std::span<const float>, std::size_t, std::optional<double>);
template void Binding::bind_all(std::span<const double>, std::size_t, std::optional<double>);
template void Binding::read(std::size_t, const BatchRows&, std::size_t, float*) const;
template void Binding::read(std::size_t, const BatchRows&, std::size_t, double*) const;
template SampleRows<float> Binding::gather(std::size_t, const BatchRows&, std::size_t, std::size_t, std::size_t,
                                           const KernelTable<float>&, float*, float*) const;
template SampleRows<double> Binding::gather(std::size_t, const BatchRows&, std::size_t, std::size_t, std::size_t,
                                            const KernelTable<double>&, double*, double*) const;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
