#include "bench/cases.h"
#include "bench/gates/workloads.h"
#include "bench/scalar_work.h"
#include "corpus/corpus.h"

namespace tapeloom::test::corpus {

void add_benches(Corpus& corpus) {
  std::size_t number = 0;
  for (const bench::Case& c : bench::all_cases()) {
    const bench::Data data = bench::make_random_data(c.net, most_samples, 2);
    Example example{.name = numbered("bench", number++), .story = c.name()};
    example.columns = c.net.inputs + c.net.targets();
    for (std::size_t s = 0; s < most_samples; ++s) {
      for (std::size_t i = 0; i < c.net.inputs; ++i) example.rows.push_back(data.x[s * c.net.inputs + i]);
      for (std::size_t i = 0; i < c.net.targets(); ++i) example.rows.push_back(data.y[s * c.net.targets() + i]);
    }
    Tape tape;
    example.loss = bench::record_loss(tape, c.net, bench::initial_parameters(c.net, 1));
    corpus.add(example);
  }
  {
    const bench::ScalarExpression expression = bench::ScalarExpressionMaker().make();
    Example example{.name = numbered("bench", number++), .story = "irregular operations"};
    example.rows = bench::random_rows(expression, most_samples), example.columns = expression.inputs;
    Tape tape;
    example.loss = bench::record_expression(tape, expression);
    corpus.add(example);
  }
  number = 0;
  for (const bench::NamedWorkload& workload : bench::workloads()) {
    Example example{.name = numbered("workload", number++), .story = workload.name};
    const auto made = workload.make({});
    const Program& program = made->program();
    if (workload.name.find("recorded") == std::string::npos) {  // the others read rows
      example.columns = program.input_count;
      example.rows = random_rows(example.columns);
      if (workload.name.find("softmax") != std::string::npos) {
        for (std::size_t s = 0; s < most_samples; ++s) {
          example.rows[(s + 1) * example.columns - 1] = static_cast<double>(s % 3);
        }
      }
    }
    corpus.add(example, program);
  }
}

}  // namespace tapeloom::test::corpus
