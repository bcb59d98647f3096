// Which arguments a function that keeps a view of numbers has to refuse.
#pragma once

#include <concepts>
#include <ranges>
#include <span>
#include <type_traits>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// An rvalue that holds the numbers itself, such as a vector that a function returns: a span of it shows memory that is
/// freed at the end of the statement. Spans and other views (std::ranges::borrowed_range) are none, wherever they come
/// from.
template <class Rows>
concept ExpiringRows =
    !std::is_lvalue_reference_v<Rows> && !std::ranges::borrowed_range<Rows> &&
    (std::convertible_to<Rows, std::span<const float>> || std::convertible_to<Rows, std::span<const double>>);

}  // namespace tapeloom::inline TAPELOOM_ABI
