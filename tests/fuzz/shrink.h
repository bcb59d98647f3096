// Makes a failing case smaller for as long as it fails in the same run.
#pragma once

#include <functional>

#include "fuzz/check.h"

namespace tapeloom::test::fuzz {

/// fails(case) says whether it still does.
Case shrink(Case it, const std::function<bool(const Case&)>& fails);

}  // namespace tapeloom::test::fuzz
