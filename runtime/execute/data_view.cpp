#include "tapeloom/runtime/execute/data_view.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/text.h"

namespace tapeloom::inline TAPELOOM_ABI {

DataView& DataView::add(std::string group, std::span<const float> rows, std::size_t row_stride) & {
  groups_.push_back({std::move(group), rows, row_stride});
  return *this;
}

DataView& DataView::add(std::string group, std::span<const double> rows, std::size_t row_stride) & {
  groups_.push_back({std::move(group), rows, row_stride});
  return *this;
}

// A value, and not a reference to a view that is gone after the statement.
DataView DataView::add(std::string group, std::span<const float> rows, std::size_t row_stride) && {
  return std::move(add(std::move(group), rows, row_stride));
}

DataView DataView::add(std::string group, std::span<const double> rows, std::size_t row_stride) && {
  return std::move(add(std::move(group), rows, row_stride));
}

void DataView::check_complete(const Program& program) const {
  for (const ProgramInputGroup& group : program.input_groups) {
    const auto gives = [&](const Group& given) { return given.name.empty() || given.name == group.name; };
    if (groups_.empty() || !group.used || std::ranges::any_of(groups_, gives)) continue;
    throw BindError("the data have no rows for the group " + quoted(group.name) +
                    ", which the program reads; a program of outputs alone reads what those need");
  }
}

template <class T>
void DataView::bind(Executor<T>& executor) const {
  bind(executor, 0);
}

template <class T>
void DataView::bind(Executor<T>& executor, std::size_t count) const {
  const auto has = [&](const std::string& name) {
    return std::ranges::any_of(executor.program().input_groups, [&](const auto& group) { return group.name == name; });
  };
  // Calls function(group, rows, row_stride) for each that is to be bound.
  const auto each = [&](const auto& function) {
    for (const Group& group : groups_) {
      if (count > 0 && !group.name.empty() && !has(group.name)) continue;
      std::visit(
          [&](const auto& rows) {
            const bool known = group.name.empty() && group.row_stride == 0 && count > 0 && rows.size() % count == 0;
            function(group.name, rows, known ? rows.size() / count : group.row_stride);
          },
          group.rows);
    }
  };
  if (groups_.size() > 1) {
    each([&](const auto& group, const auto& rows, std::size_t row_stride) {
      executor.check_bind(group, rows, row_stride);
    });
  }
  each([&](const auto& group, const auto& rows, std::size_t row_stride) {
    group.empty() ? executor.bind(rows, row_stride) : executor.bind(group, rows, row_stride);
  });
}

template void DataView::bind(Executor<float>&) const;
template void DataView::bind(Executor<double>&) const;
template void DataView::bind(Executor<float>&, std::size_t) const;
template void DataView::bind(Executor<double>&, std::size_t) const;

}  // namespace tapeloom::inline TAPELOOM_ABI
