// Numbers as texts that read back as the same number, in every locale.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The shortest decimal that reads back as the same double; "inf", "-inf" and "nan".
TAPELOOM_API std::string number_text(double number);

}  // namespace tapeloom::inline TAPELOOM_ABI
