// Any recording as a script: a statement for each node, so that it can be run by the oracle, printed and made smaller.
#pragma once

#include <span>

#include "fuzz/script.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::test::fuzz {

/// `rows`: samples x inputs. Guards come after all nodes. Statement i is node i, before those are left out of which
/// nothing asked for is computed.
Script script_of_all(const Tape& tape, Value loss, std::span<const Value> outputs, std::span<const double> rows,
                     std::size_t samples);
Script script_of(const Tape& tape, Value loss, std::span<const Value> outputs, std::span<const double> rows,
                 std::size_t samples);

}  // namespace tapeloom::test::fuzz
