#pragma once

#include <string>
#include <vector>

namespace tapeloom::inline v0_1 {

template <class T>
class ParameterBuffer {
 public:
  std::vector<T> numbers;           ///< in recorded order
  std::vector<std::string> labels;  ///< of the same parameters, to tell whose they are
};

}  // namespace tapeloom::inline v0_1
