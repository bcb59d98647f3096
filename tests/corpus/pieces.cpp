#include "corpus/corpus.h"
#include "odd_pieces.h"
#include "standard_uses.h"
#include "wide_pieces.h"

namespace tapeloom::test::corpus {

namespace {

void add_list(Corpus& corpus, const std::string& kind, std::span<const Piece> pieces) {
  std::size_t number = 0;
  for (const Piece& piece : pieces) {
    for (const std::size_t width : {5, 21}) {
      Writer writer;
      Example example{.name = numbered(kind, number++)};
      example.story = piece.name + std::string(", width ") + std::to_string(width);
      const Value each = piece.loss(writer, width);
      example.loss = batch_mean(each);
      example.options.outputs = {each};
      example.options.input_gradients = width == 5;
      example.rows = random_rows(5), example.columns = 5;
      corpus.add(example);
    }
  }
}

/// Functions of the standard library whose branches all rows take, as the numbers lie far from each other.
void add_standard_uses(Corpus& corpus) {
  std::size_t number = 0;
  for (const Use& use : uses()) {
    Tape tape;
    const Values x = tape.inputs("x", 5);
    Values list;
    const double centres[] = {0.3, -0.9, 0.8, -0.4, 0.1};
    for (std::size_t i = 0; i < 5; ++i) list.push_back(tape.parameter(centres[i]) + 0.01 * x[i]);
    const Value each = use.of_values(list);
    Example example{.name = numbered("standard", number++), .story = use.name};
    example.loss = batch_mean(each);
    example.options.outputs = {each};
    example.options.input_gradients = true;
    example.rows = random_rows(5), example.columns = 5;
    corpus.add(example);
  }
}

}  // namespace

void add_pieces(Corpus& corpus) {
  add_list(corpus, "wide", wide_pieces);
  add_list(corpus, "computed_weights", computed_weights);
  add_list(corpus, "places", places);
  add_list(corpus, "no_order", no_order);
  add_standard_uses(corpus);
}

}  // namespace tapeloom::test::corpus
