// A script as the C++ that a user would write.
#pragma once

#include <string>

#include "fuzz/check.h"

namespace tapeloom::test::fuzz {

std::string as_cpp(const Case& it);

}  // namespace tapeloom::test::fuzz
