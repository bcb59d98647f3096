#include "corpus/corpus.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>

#include "random_numbers.h"

namespace tapeloom::test::corpus {

namespace {

// A recording of up to so many nodes is printed, and so is the graph after each pass.
constexpr std::size_t small_tape = 300;
// Of a longer text, the rest is hashed.
constexpr std::size_t longest_text = 60000;

std::string shortened(std::string text) {
  if (text.size() <= longest_text) return text;
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (std::size_t i = longest_text; i < text.size(); ++i) {
    hash = (hash ^ static_cast<unsigned char>(text[i])) * 1099511628211u;
  }
  char rest[80];
  std::snprintf(rest, sizeof rest, "\n... and %zu characters, hash %016llx\n", text.size() - longest_text,
                static_cast<unsigned long long>(hash));
  text.resize(longest_text);
  return text + rest;
}

std::string evaluated(const Example& example) {
  const std::size_t samples = example.columns > 0 ? 3 : 1;
  const Evaluation all =
      evaluate(example.loss, {.rows = std::span(example.rows).first(samples * example.columns), .samples = samples},
               example.options.outputs);
  const auto text = [](const std::vector<double>& numbers) { return numbers_text(std::span<const double>(numbers)); };
  return "loss" + text(all.root) + "\ngradients" + text(all.gradients) + "\noutputs" + text(all.outputs) +
         "\ninput gradients" + text(all.input_gradients) + "\n";
}

/// With as many rows as may be run.
Example with_rows(const Example& example) {
  Example result = example;
  if (result.columns == 0) return result;
  const std::size_t given = result.rows.size();
  if (given == 0) throw std::logic_error("corpus: " + result.name + " has no rows");
  for (std::size_t i = given; i < most_samples * result.columns; ++i) {
    const double number = result.rows[i - given];
    result.rows.push_back(number);
  }
  result.rows.resize(most_samples * result.columns);
  return result;
}

}  // namespace

std::string numbered(const std::string& kind, std::size_t number) {
  char text[100];
  std::snprintf(text, sizeof text, "%s_%03zu", kind.c_str(), number);
  return text;
}

std::vector<double> random_rows(std::size_t columns, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> rows(columns * most_samples);
  for (double& number : rows) number = between(random, -1.0, 1.0);
  return rows;
}

std::string text_of(const Program& program, const std::string& scratch) {
  save_program(scratch, program);
  std::ostringstream saved;
  saved << std::ifstream(scratch, std::ios::binary).rdbuf();
  std::string text = shortened(to_string(program)) + "== explained\n" + shortened(explain(program));
  text += "== saved\n" + std::to_string(saved.str().size()) + " bytes, hash " +
          std::to_string(std::hash<std::string>()(saved.str())) + "\n";
  if (to_string(load_program(scratch)) != to_string(program)) text += "loaded, it is another one\n";
  std::filesystem::remove(scratch);
  return text;
}

void Corpus::write(const std::string& name, const std::string& text) {
  const std::string path = directory_ + "/" + name + ".txt";
  if (std::filesystem::exists(path)) throw std::logic_error("corpus: there are two of " + name);
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("corpus: cannot write " + path);
  ++count_;
}

void Corpus::add(const Example& given) {
  const Example example = with_rows(given);
  std::string text = example.story.empty() ? "" : example.story + "\n";
  const Value any = example.inference ? example.options.outputs.at(0) : example.loss;
  if (any.tape()->size() <= small_tape) {
    text += "== recording\n" + shortened(to_string(*any.tape()));
    if (!example.inference) {
      text += "== passes\n" + text_or_error([&] { return shortened(explain_passes(any, example.options)); });
    }
  }
  if (!example.inference) text += "== evaluated\n" + text_or_error([&] { return evaluated(example); });
  text += "== program\n" + text_or_error([&] {
            CompileOptions options = example.options;
            if (example.inference) options.outputs.clear();
            const Program program = example.inference ? compile_inference(example.options.outputs, options)
                                                      : compile(example.loss, options);
            return text_of(program, directory_ + "/program") + results_of(example, program);
          });
  write(example.name, text);
}

void Corpus::add(const Example& given, const Program& program) {
  const Example example = with_rows(given);
  write(example.name,
        example.story + "\n== program\n" + text_of(program, directory_ + "/program") + results_of(example, program));
}

}  // namespace tapeloom::test::corpus
