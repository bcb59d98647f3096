#pragma once

#include <string>
#include <vector>

namespace tapeloom {

template <class T>
class ParameterBuffer {
 public:
  std::vector<T> numbers;           ///< in recorded order
  std::vector<std::string> labels;  ///< of the same parameters, to tell whose they are
};

}  // namespace tapeloom
