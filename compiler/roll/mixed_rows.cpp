#include "tapeloom/compiler/roll/mixed_rows.h"

#include <algorithm>

#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

double seconds_to_read(const Rows& rows, std::size_t begin, std::size_t end, std::size_t k, bool varying,
                       std::size_t count, std::size_t step) {
  if (rows.in_place(begin, end, k, count, step)) return 0.0;
  const double apart = cost::row_apart * static_cast<double>((end - begin) * count);
  if (varying) return apart;
  std::size_t copies = 0;
  Coordinate next{0, 0};
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t j = 0; j < count; ++j) {
      const Coordinate at = rows.at(i, k + j * step);
      copies += at != next;
      next = {at.block, at.row + (at.block == 0 ? 0 : 1)};
    }
  }
  return std::min(cost::start * static_cast<double>(copies), cost::start + apart);
}

namespace {

double seconds_to_read_all(const Rows& rows, std::size_t begin, std::size_t end, bool varying) {
  double seconds = cost::start;
  for (std::size_t k = 0; k < rows.operands(); ++k) seconds += seconds_to_read(rows, begin, end, k, varying);
  return seconds;
}

/// As one block, and as a block for each run.
std::pair<double, double> seconds_together_and_apart(const Rows& rows, std::size_t end, bool varying,
                                                     std::vector<std::size_t>& ends) {
  rows.find_runs(0, end, ends);
  return {seconds_to_read_all(rows, 0, end, varying),
          cost::start * static_cast<double>(ends.size() * choices::readers_of_runs)};
}

}  // namespace

double seconds_to_read(const Rows& rows, bool varying, std::vector<std::size_t>& ends) {
  const auto [together, apart] = seconds_together_and_apart(rows, rows.size(), varying, ends);
  return std::min(together, apart);
}

bool order_by_distance(Rows& rows, std::size_t begin, std::size_t end, bool varying) {
  if (rows.operands() < 2) return false;
  const double before = seconds_to_read_all(rows, begin, end, varying);
  const Rows::Order order = rows.order();
  const bool few = rows.sort_by_distance(begin, end) <= choices::most_distances;
  const bool better = few && choices::better_by_distance * before >= seconds_to_read_all(rows, begin, end, varying);
  if (!better) rows.set_order(order);
  return better;
}

double cut_mixed(Rows& rows, bool varying, std::vector<std::size_t>& ends) {
  const std::size_t kept = rows.sort_without_twins();
  const auto find = [&] { return seconds_together_and_apart(rows, kept, varying, ends); };
  const Rows::Order sorted = rows.order();
  const auto [sorted_together, sorted_apart] = find();
  rows.sort_as_added();
  const auto [together, apart] = find();
  const bool keeps_order =
      choices::better_as_recorded * std::min(together, apart) <= std::min(sorted_together, sorted_apart);
  if (!keeps_order) {
    rows.set_order(sorted);
    rows.find_runs(0, kept, ends);
  }
  if (keeps_order ? together < apart : sorted_together < sorted_apart) {
    ends.assign(1, kept);
    order_by_distance(rows, 0, kept, varying);
  }
  return std::min({together, apart, sorted_together, sorted_apart});
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
