#include "bench/comparison/peers.h"

#include <stdexcept>

namespace tapeloom::bench {

std::unique_ptr<NetRunner> make_peer(const std::string& variant, [[maybe_unused]] const NetWork& work) {
  throw std::invalid_argument("no variant " + variant + " in this build");
}

}  // namespace tapeloom::bench
