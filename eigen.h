// Eigen's types for programs that have Eigen: maps of an executor's numbers, and matrices bound without a copy. No part
// of tapeloom.h, which needs no Eigen.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI::eigen {

// --- maps ------------------------------------------------------------------------------------------------------------
// Each shows the memory that the executor's span of the same name shows, and holds as long. T may be const.

/// A number a parameter.
template <class T>
using Vector = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, 1>;
/// Row-major, as the executor has its samples.
template <class T>
using Rows = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
using VectorMap = Eigen::Map<std::conditional_t<std::is_const_v<T>, const Vector<T>, Vector<T>>>;
template <class T>
using RowsMap = Eigen::Map<std::conditional_t<std::is_const_v<T>, const Rows<T>, Rows<T>>>;
/// Of numbers that lie evenly, but perhaps not side by side.
template <class T>
using TensorMap = Eigen::Map<std::conditional_t<std::is_const_v<T>, const Rows<T>, Rows<T>>, Eigen::Unaligned,
                             Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

namespace detail {

template <class T>
VectorMap<T> vector_of(std::span<T> numbers) {
  return {numbers.data(), static_cast<Eigen::Index>(numbers.size())};
}
template <class T>
RowsMap<T> rows_of(std::span<T> numbers, std::size_t columns) {
  const std::size_t rows = columns == 0 ? 0 : numbers.size() / columns;
  return {numbers.data(), static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns)};
}

}  // namespace detail

template <class T>
VectorMap<T> parameters(Executor<T>& executor) {
  return detail::vector_of(executor.parameters());
}
template <class T>
VectorMap<const T> parameters(const Executor<T>& executor) {
  return detail::vector_of(executor.parameters());
}
template <class T>
VectorMap<const T> gradients(const Executor<T>& executor) {
  return detail::vector_of(executor.gradients());
}
/// samples x outputs
template <class T>
RowsMap<const T> outputs(const Executor<T>& executor) {
  return detail::rows_of(executor.outputs(), executor.program().outputs.size());
}
/// samples x inputs
template <class T>
RowsMap<const T> input_gradients(const Executor<T>& executor) {
  return detail::rows_of(executor.input_gradients(), executor.program().input_count);
}
// Of an executor that is gone after the statement.
template <class T>
void parameters(const Executor<T>&&) = delete;
template <class T>
void gradients(const Executor<T>&&) = delete;
template <class T>
void outputs(const Executor<T>&&) = delete;
template <class T>
void input_gradients(const Executor<T>&&) = delete;

/// A tensor of a layout among the numbers of all parameters, which are an executor's parameters() or gradients(): a
/// layer's weights as outputs x inputs, its biases as a column.
///
///   const auto weights = eigen::tensor(executor.parameters(), tensor_layout(network)[0]);
///
/// Throws BindError for a tensor of more than two dimensions, one whose parameters are not there, and one whose
/// parameters were not recorded at even distances, in ascending order.
template <class T>
TensorMap<T> tensor(std::span<T> numbers, const ParameterTensor& tensor) {
  const std::string what = "tensor \"" + tensor.name + "\"";
  if (tensor.shape.size() > 2) throw BindError(what + " has more than two dimensions, and a matrix two");
  const std::size_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
  const std::size_t columns = tensor.shape.size() < 2 ? 1 : tensor.shape[1];
  const std::vector<ParameterId>& ids = tensor.parameters;
  if (rows * columns != ids.size()) throw BindError(what + " has not as many parameters as its shape says");
  const auto distance = [&](std::size_t i) { return std::ptrdiff_t{ids[i].index} - std::ptrdiff_t{ids[0].index}; };
  const std::ptrdiff_t inner = columns > 1 && rows > 0 ? distance(1) : 1;
  const std::ptrdiff_t outer = rows > 1 && columns > 0 ? distance(columns) : inner * static_cast<Eigen::Index>(columns);
  bool even = inner > 0 && outer >= 0;
  for (std::size_t i = 0; even && i < ids.size(); ++i) {
    if (ids[i].index >= numbers.size()) throw BindError(what + " has parameters that are not among the numbers");
    even = distance(i) ==
           static_cast<std::ptrdiff_t>(i / columns) * outer + static_cast<std::ptrdiff_t>(i % columns) * inner;
  }
  if (!even)
    throw BindError(what + " has parameters that were not recorded at even distances; export_weights copies it");
  return {numbers.data() + (ids.empty() ? 0 : ids[0].index),
          static_cast<Eigen::Index>(rows),
          static_cast<Eigen::Index>(columns),
          {outer, inner}};
}

// --- binding ---------------------------------------------------------------------------------------------------------
// A sample is a row of a row-major matrix, and a column of a column-major one, as Eigen's are unless said otherwise:
// the numbers of a sample lie side by side. A vector holds one sample after another. All is read in place, so it must
// stay alive, where it is, while the executor or the view is used.

/// What holds numbers itself: a matrix or array, or Eigen::Ref, which may have made a copy. Others show a matrix.
template <class M>
concept OwnsNumbers = std::derived_from<M, Eigen::PlainObjectBase<M>> || std::derived_from<M, Eigen::RefBase<M>>;
/// Numbers in memory that are there after the statement. No expressions, such as a * b, and no matrix that a function
/// returns.
template <class M>
concept LastingMatrix = std::derived_from<std::remove_cvref_t<M>, Eigen::DenseBase<std::remove_cvref_t<M>>> &&
                            (int(std::remove_cvref_t<M>::Flags) & Eigen::DirectAccessBit) != 0 &&
                        (std::is_lvalue_reference_v<M> || !OwnsNumbers<std::remove_cvref_t<M>>);

namespace detail {

template <class Scalar>
struct Samples {
  std::span<const Scalar> numbers;
  std::size_t row_stride;  // 0: side by side
};

/// Throws BindError unless each sample of the matrix has `width` numbers (or `other_width`) that lie side by side.
template <class M>
Samples<typename M::Scalar> samples_of(const M& matrix, const std::string& what, std::size_t width,
                                       std::size_t other_width) {
  const auto size = [](Eigen::Index number) { return static_cast<std::size_t>(number); };
  if (matrix.innerStride() < 0 || matrix.outerStride() < 0) {
    throw BindError("the samples for " + what + " lie from the last to the first in the matrix");
  }
  std::size_t inner = size(matrix.innerSize()), outer = size(matrix.outerSize());
  std::size_t distance = size(matrix.innerStride()), stride = size(matrix.outerStride());
  if constexpr (M::IsVectorAtCompileTime) {
    if (distance == 1 || inner <= 1) return {{matrix.data(), inner}, 0};
    outer = inner, stride = distance, inner = 1;
  }
  if (inner != width && inner != other_width) {
    throw BindError("a matrix with " + std::to_string(inner) + " numbers a sample for " + what + ", which has " +
                    std::to_string(width) +
                    "; a sample is a row of a row-major matrix and a column of a column-major one");
  }
  if ((inner > 1 && distance != 1) || (outer > 1 && stride < inner)) {
    throw BindError("the numbers of a sample for " + what + " do not lie side by side in the matrix");
  }
  return {{matrix.data(), outer == 0 ? 0 : (outer - 1) * stride + inner}, outer > 1 ? stride : inner};
}

template <class M>
Samples<typename M::Scalar> samples_of(const M& matrix, const Program& program, std::string_view name) {
  for (const ProgramInputGroup& group : program.input_groups) {
    if (group.name == name) return samples_of(matrix, "input group \"" + group.name + "\"", group.count, group.count);
  }
  return {{matrix.data(), 0}, 0};  // binding says which groups there are
}

}  // namespace detail

/// Binds the samples of an input group. Throws BindError as Executor::bind does, and for samples of another length than
/// the group's and numbers that do not lie side by side.
template <class T, LastingMatrix M>
void bind(Executor<T>& executor, std::string_view group, M&& matrix) {
  const auto samples = detail::samples_of(matrix, executor.program(), group);
  executor.bind(group, samples.numbers, samples.row_stride);
}
/// Of all groups, one below another in a column or side by side in a row, in recorded order, or of those alone that the
/// program reads.
template <class T, LastingMatrix M>
void bind(Executor<T>& executor, M&& matrix) {
  const Program& program = executor.program();
  std::size_t used = 0;
  for (const ProgramInputGroup& group : program.input_groups) used += group.used ? group.count : 0;
  const auto samples = detail::samples_of(matrix, "all inputs", program.input_count, used);
  executor.bind(samples.numbers, samples.row_stride);
}
template <class T, class M>
requires(!LastingMatrix<M>) void bind(Executor<T>& executor, std::string_view group, M&& matrix) = delete;
template <class T, class M>
requires(!LastingMatrix<M>) void bind(Executor<T>& executor, M&& matrix) = delete;

/// Adds the samples of an input group to a view that is for executors of the program. Throws BindError as bind does.
template <LastingMatrix M>
DataView& add(DataView& data, const Program& program, std::string group, M&& matrix) {
  const auto samples = detail::samples_of(matrix, program, group);
  return data.add(std::move(group), samples.numbers, samples.row_stride);
}
template <class M>
requires(!LastingMatrix<M>) void add(DataView& data, const Program& program, std::string group, M&& matrix) = delete;

}  // namespace tapeloom::inline TAPELOOM_ABI::eigen
