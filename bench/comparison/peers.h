// Other libraries that do the same, where they are installed.
#pragma once

#include <memory>
#include <string>

#include "bench/comparison/runners.h"

namespace tapeloom::bench {

/// Throws std::invalid_argument for a peer that was not there when this was built.
std::unique_ptr<NetRunner> make_peer(const std::string& variant, const NetWork& work);

}  // namespace tapeloom::bench
