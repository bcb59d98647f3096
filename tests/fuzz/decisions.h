// What a program decided while it was recorded, by statement and sample.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace tapeloom::test::fuzz {

using Decisions = std::map<std::pair<std::size_t, std::size_t>, std::vector<bool>>;

}  // namespace tapeloom::test::fuzz
