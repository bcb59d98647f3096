// What error messages show of texts from files.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// In quotes, short, and without control characters.
std::string shown(std::string_view text);

/// The same for a list of them, between commas; a long one is cut off.
std::string shown(std::span<const std::string> texts);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
