// NIST's Statistical Reference Datasets for nonlinear regression, https://www.itl.nist.gov/div898/strd, in the public
// domain: the models of all 27. Starts, certified values and observations of the short ones are in tests/nist, without
// the prose of NIST's files; those are read, too.
#pragma once

#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::test {

struct NistData {
  std::vector<double> starts[2];
  // Certified.
  std::vector<double> parameters, standard_deviations;
  double sum_of_squares = 0.0;
  /// Row by row: what was observed, and what from.
  std::vector<double> rows;
};

using Values = std::vector<Value>;

struct NistModel {
  std::string name;
  std::function<Value(const Values& b, const Values& x)> predict;
  std::size_t predictors = 1;
  bool of_logarithm = false;  ///< it predicts the logarithm of what was observed
};

namespace nist {

inline Value gauss(const Values& b, const Values& x) {
  return b[0] * exp(-b[1] * x[0]) + b[2] * exp(-square((x[0] - b[3]) / b[4])) +
         b[5] * exp(-square((x[0] - b[6]) / b[7]));
}
inline Value lanczos(const Values& b, const Values& x) {
  return b[0] * exp(-b[1] * x[0]) + b[2] * exp(-b[3] * x[0]) + b[4] * exp(-b[5] * x[0]);
}
inline Value chwirut(const Values& b, const Values& x) { return exp(-b[0] * x[0]) / (b[1] + b[2] * x[0]); }
inline Value cubic_ratio(const Values& b, const Values& v) {
  const Value x = v[0];
  return (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1.0 + x * (b[4] + x * (b[5] + x * b[6])));
}
inline Value enso(const Values& b, const Values& x) {
  const auto wave = [&](Value cosine, Value sine, Value months) {
    const Value phase = 2.0 * std::numbers::pi * x[0] / months;
    return cosine * cos(phase) + sine * sin(phase);
  };
  return b[0] + wave(b[1], b[2], 12.0) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6]);
}

inline const std::vector<NistModel>& models() {
  // clang-format off
  static const std::vector<NistModel> all = {
      {"Misra1a", [](const Values& b, const Values& x) { return b[0] * (1.0 - exp(-b[1] * x[0])); }},
      {"Chwirut2", chwirut},
      {"Chwirut1", chwirut},
      {"Lanczos3", lanczos},
      {"Gauss1", gauss},
      {"Gauss2", gauss},
      {"DanWood", [](const Values& b, const Values& x) { return b[0] * pow(x[0], b[1]); }},
      {"Misra1b", [](const Values& b, const Values& x) { return b[0] * (1.0 - pow(1.0 + b[1] * x[0] / 2.0, -2.0)); }},
      {"Kirby2", [](const Values& b, const Values& x) {
         return (b[0] + x[0] * (b[1] + x[0] * b[2])) / (1.0 + x[0] * (b[3] + x[0] * b[4]));
       }},
      {"Hahn1", cubic_ratio},
      {"Nelson", [](const Values& b, const Values& x) { return b[0] - b[1] * x[0] * exp(-b[2] * x[1]); }, 2, true},
      {"MGH17", [](const Values& b, const Values& x) {
         return b[0] + b[1] * exp(-x[0] * b[3]) + b[2] * exp(-x[0] * b[4]);
       }},
      {"Lanczos1", lanczos},
      {"Lanczos2", lanczos},
      {"Gauss3", gauss},
      {"Misra1c", [](const Values& b, const Values& x) { return b[0] * (1.0 - pow(1.0 + 2.0 * b[1] * x[0], -0.5)); }},
      {"Misra1d", [](const Values& b, const Values& x) { return b[0] * b[1] * x[0] / (1.0 + b[1] * x[0]); }},
      {"Roszman1", [](const Values& b, const Values& x) {
         return b[0] - b[1] * x[0] - atan(b[2] / (x[0] - b[3])) / std::numbers::pi;
       }},
      {"ENSO", enso},
      {"MGH09", [](const Values& b, const Values& x) {
         return b[0] * (square(x[0]) + x[0] * b[1]) / (square(x[0]) + x[0] * b[2] + b[3]);
       }},
      {"Thurber", cubic_ratio},
      {"BoxBOD", [](const Values& b, const Values& x) { return b[0] * (1.0 - exp(-b[1] * x[0])); }},
      {"Rat42", [](const Values& b, const Values& x) { return b[0] / (1.0 + exp(b[1] - b[2] * x[0])); }},
      {"MGH10", [](const Values& b, const Values& x) { return b[0] * exp(b[1] / (x[0] + b[2])); }},
      {"Eckerle4", [](const Values& b, const Values& x) {
         return b[0] / b[1] * exp(-0.5 * square((x[0] - b[2]) / b[1]));
       }},
      {"Rat43", [](const Values& b, const Values& x) {
         return b[0] / pow(1.0 + exp(b[1] - b[2] * x[0]), 1.0 / b[3]);
       }},
      {"Bennett5", [](const Values& b, const Values& x) { return b[0] * pow(b[1] + x[0], -1.0 / b[2]); }},
  };
  // clang-format on
  return all;
}

/// The words of a line that are numbers.
inline std::vector<double> numbers_of(const std::string& line) {
  std::vector<double> numbers;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    char* end = nullptr;
    const double number = std::strtod(word.c_str(), &end);
    if (end == word.c_str() + word.size()) numbers.push_back(number);
  }
  return numbers;
}

/// A file as NIST publishes it. Without rows if there is none.
inline NistData read(const std::string& path) {
  NistData data;
  std::ifstream file(path);
  bool in_rows = false;
  for (std::string line; std::getline(file, line);) {
    const std::vector<double> numbers = numbers_of(line);
    if (line.starts_with("Data:")) {  // twice: in the description, too
      in_rows = true;
      data.rows.clear();
    } else if (line.starts_with("Residual Sum of Squares:") && !numbers.empty()) {
      data.sum_of_squares = numbers.back();
    } else if (numbers.size() == 4 && line.find('=') != std::string::npos) {  // b1 = starts, value, deviation
      for (int start : {0, 1}) data.starts[start].push_back(numbers[static_cast<std::size_t>(start)]);
      data.parameters.push_back(numbers[2]);
      data.standard_deviations.push_back(numbers[3]);
    } else if (in_rows) {
      data.rows.insert(data.rows.end(), numbers.begin(), numbers.end());
    }
  }
  return data;
}

}  // namespace nist
}  // namespace tapeloom::test
