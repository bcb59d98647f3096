// Draws a program with its data and a configuration.
#pragma once

#include <cstdint>
#include <optional>

#include "fuzz/builder.h"
#include "fuzz/check.h"

namespace tapeloom::test::fuzz {

Case generate(std::uint64_t seed, std::optional<Numbers> numbers = {});

/// A program that has derivatives among its numbers, recorded by gradient() and the like.
Case generate_with_derivatives(std::uint64_t seed);

/// One way to compile and run a script.
Configuration draw_configuration(Random& random, const Script& script);

}  // namespace tapeloom::test::fuzz
