#include "corpus/corpus.h"
#include "fuzz/generator.h"
#include "fuzz/recorder.h"
#include "random_net.h"

namespace tapeloom::test::corpus {

void add_random_nets(Corpus& corpus) {
  for (std::size_t seed = 0; seed < 120; ++seed) {
    Random random(20270000 + seed);
    Net net;
    NetWriter(random, net).write();
    const Problem& problem = net.problem;
    Example example{.name = numbered("net", seed), .story = net.story, .loss = problem.loss};
    if (seed % 3 == 2) example.options = random_options(random);
    example.options.outputs = problem.outputs;
    example.options.input_gradients = seed % 2 == 0;
    example.rows = problem.rows;
    example.columns = problem.rows.size() / problem.samples;
    corpus.add(example);
  }
}

void add_fuzz(Corpus& corpus) {
  for (std::size_t seed = 0; seed < 400; ++seed) {
    const fuzz::Case it = fuzz::generate(20280000 + seed);
    std::optional<fuzz::Recording> recording;
    try {
      recording = fuzz::record(it.script);
    } catch (const RecordingError&) {
      continue;  // there was nothing to reduce
    }
    Example example{.name = numbered("fuzz", seed), .story = fuzz::describe(it.drawn), .loss = recording->loss};
    if (seed % 2 == 1) {
      example.options = it.drawn.options;
      example.inference = it.drawn.inference && !recording->outputs.empty();
    }
    example.options.outputs = recording->outputs;
    if (!it.script.recorded) {
      example.options.input_gradients = !example.inference;
      example.rows = it.script.rows, example.columns = it.script.columns();
    }
    corpus.add(example);
  }
}

}  // namespace tapeloom::test::corpus
