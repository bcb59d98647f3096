// The programs that program_corpus writes down, and what is needed to write one down.
#pragma once

#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapeloom/tapeloom.h>

namespace tapeloom::test::corpus {

/// The most samples that a program is run on.
inline constexpr std::size_t most_samples = 100;

/// A recording and how it is compiled.
struct Example {
  std::string name;        ///< of its file, without the extension: kind and number
  std::string story = {};  ///< what it is, in words
  Value loss = {};
  CompileOptions options = {};
  bool inference = false;  ///< the options' outputs alone
  /// As many numbers a row as all groups have; the rows are repeated up to most_samples. Empty: nothing is bound.
  std::vector<double> rows = {};
  std::size_t columns = 0;
  std::vector<std::pair<std::string, double>> uniform_inputs = {};  ///< set before the last step
};

/// Writes one file an example into a directory.
class Corpus {
 public:
  explicit Corpus(std::string directory) : directory_(std::move(directory)) {}

  void add(const Example& example);
  /// A program whose recording is not at hand; it is compiled already, with gradients.
  void add(const Example& example, const Program& program);

  std::size_t count() const { return count_; }

 private:
  void write(const std::string& name, const std::string& text);

  std::string directory_;
  std::size_t count_ = 0;
};

/// `kind` and a number of three digits.
std::string numbered(const std::string& kind, std::size_t number);
/// most_samples rows of numbers in [-1, 1).
std::vector<double> random_rows(std::size_t columns, std::uint64_t seed = 1);

/// The text of a program, what explain() says of it, and how it is saved.
std::string text_of(const Program& program, const std::string& scratch);
/// What an executor and a short training compute, with every instruction set there is.
std::string results_of(const Example& example, const Program& program);

/// A list of numbers, to be read in full or, where they are many, as a fingerprint.
template <class T>
std::string numbers_text(std::span<const T> numbers);
extern template std::string numbers_text(std::span<const float>);
extern template std::string numbers_text(std::span<const double>);

/// The text, or what was thrown instead.
template <class F>
std::string text_or_error(F&& text) {
  try {
    return text();
  } catch (const std::exception& error) {
    return std::string("threw: ") + error.what() + "\n";
  }
}

// What is written down.
void add_benches(Corpus& corpus);
void add_pieces(Corpus& corpus);
void add_features(Corpus& corpus);
void add_random_nets(Corpus& corpus);
void add_fuzz(Corpus& corpus);

}  // namespace tapeloom::test::corpus
