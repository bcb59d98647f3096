// Other libraries that do the same, where they are installed.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/comparison/runners.h"
#include "bench/scalar_expression.h"

namespace tapeloom::bench {

/// Whether a library of its own runs the variant.
bool is_peer(const std::string& variant);
/// Whether it was found when this was built.
bool has_peer(const std::string& variant);

/// Whether it can train the net: what is traced may have ten million products, so that it stays in some hundred
/// megabytes.
bool peer_takes(const std::string& variant, const NetWork& work);

/// Throws std::runtime_error if the library cannot be loaded or fails.
std::unique_ptr<NetRunner> make_peer(const std::string& variant, const NetWork& work);

/// A net of bench/eigen_layers.h, by its name there. Throws as make_peer does, and std::invalid_argument if it is not
/// written for the library.
std::unique_ptr<NetRunner> make_peer_layers(const std::string& variant, const std::string& net, const Data& data,
                                            std::span<const double> start);

/// The mean of an expression over rows of inputs, by one of the libraries.
class PeerExpression {
 public:
  virtual ~PeerExpression() = default;
  /// At the parameters given, or at the last ones; gradients are written where they are wanted.
  virtual double evaluate(const double* parameters, double* gradients) = 0;
  virtual double epsilon() const = 0;
  virtual double trace_seconds() const = 0;  ///< NaN if nothing is traced
};

/// Throws as make_peer does.
std::unique_ptr<PeerExpression> make_peer_expression(const std::string& variant, const ScalarExpression& expression,
                                                     std::span<const double> rows, std::size_t samples);

/// For a description: the library's name and version, or why it is skipped. Loads it.
std::pair<std::string, std::string> peer_fact(const std::string& variant);
/// Of all of them.
std::vector<std::pair<std::string, std::string>> peer_facts();

}  // namespace tapeloom::bench
