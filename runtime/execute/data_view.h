// The rows a program is trained on or asked about, wherever the user keeps them.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Row-major rows for the input groups of a program, one row a sample. The numbers are read in place and must stay
/// where they are while the view, or an executor bound to it, is used; containers that are gone after the statement do
/// not compile.
///
///   DataView data;
///   data.add("pixels", images).add("label", labels);
class TAPELOOM_API DataView {
 public:
  /// Nothing: for a program without inputs, or one whose samples were recorded.
  DataView() = default;
  /// All groups side by side, in recorded order; a `row_stride` larger than they are skips numbers between rows. For a
  /// program that does not read all groups it must be given: see Executor::bind.
  explicit DataView(std::span<const float> rows, std::size_t row_stride = 0) { add({}, rows, row_stride); }
  explicit DataView(std::span<const double> rows, std::size_t row_stride = 0) { add({}, rows, row_stride); }
  template <ExpiringRows Rows>
  explicit DataView(Rows&& rows, std::size_t row_stride = 0) = delete;

  /// The rows of the group of that name.
  DataView& add(std::string group, std::span<const float> rows, std::size_t row_stride = 0) &;
  DataView& add(std::string group, std::span<const double> rows, std::size_t row_stride = 0) &;
  DataView add(std::string group, std::span<const float> rows, std::size_t row_stride = 0) &&;
  DataView add(std::string group, std::span<const double> rows, std::size_t row_stride = 0) &&;
  template <ExpiringRows Rows>
  void add(std::string group, Rows&& rows, std::size_t row_stride = 0) const = delete;

  /// Binds everything, or nothing: throws BindError as Executor::bind does.
  template <class T>
  void bind(Executor<T>& executor) const;
  /// The same where it is known that there are so many rows, as by a program that has all groups. Groups that this one
  /// does not have are left out.
  template <class T>
  void bind(Executor<T>& executor, std::size_t rows) const;

  bool empty() const { return groups_.empty(); }
  /// Throws BindError where a group that the program reads is missing, for which rows that were bound before would be
  /// taken. A view of nothing leaves all that is bound.
  void check_complete(const Program& program) const;

 private:
  struct Group {
    std::string name;  // empty: all of them
    std::variant<std::span<const float>, std::span<const double>> rows;
    std::size_t row_stride;
  };
  std::vector<Group> groups_;
};

extern template void DataView::bind(Executor<float>&) const;
extern template void DataView::bind(Executor<double>&) const;
extern template void DataView::bind(Executor<float>&, std::size_t) const;
extern template void DataView::bind(Executor<double>&, std::size_t) const;

}  // namespace tapeloom::inline TAPELOOM_ABI
