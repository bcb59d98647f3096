#include "fuzz/oracle.h"

#include "fuzz/oracle_run.h"

namespace tapeloom::test::fuzz {

Expected expect(const Script& script, const Data& data, const Decisions& recorded, const Arithmetic& arithmetic) {
  Script on_data = script;  // as many samples as there are data
  on_data.samples = data.samples;
  Expected expected;
  expected.arithmetic = arithmetic;
  Oracle oracle(on_data, data, recorded, arithmetic, expected);
  Interpreter<OracleNumber, Oracle> run(on_data, oracle, true);

  const OracleNumber root = run[script.loss][0];
  oracle.reverse(root);
  expected.finite = oracle.all_finite();
  expected.loss = oracle.value(root);
  const auto at = [&](std::size_t statement, std::size_t sample) {
    const std::vector<OracleNumber>& list = run[statement];
    return list[sample < list.size() ? sample : 0];
  };
  for (std::size_t i = 0; i < script.statements.size(); ++i) {
    const Statement& s = script.statements[i];
    expected.values.push_back(oracle.value(run[i][0]));
    const Bounded adjoint = oracle.adjoint(run[i][0]);
    if (s.kind == Kind::parameter) expected.gradients.push_back(s.frozen ? Bounded{} : adjoint);
    if (s.kind == Kind::uniform_input) expected.uniform_gradients.push_back(adjoint);
  }
  if (script.recorded) {
    for (const Output& o : script.outputs) expected.outputs.push_back(oracle.value(at(o.statement, o.sample)));
    return expected;
  }
  expected.input_gradients.resize(data.samples * script.columns());
  for (std::size_t sample = 0; sample < data.samples; ++sample) {
    for (const Output& o : script.outputs) expected.outputs.push_back(oracle.value(at(o.statement, sample)));
    for (std::size_t i = 0; i < script.statements.size(); ++i) {
      const Statement& s = script.statements[i];
      if (s.kind != Kind::input) continue;
      Bounded& sum = expected.input_gradients[sample * script.columns() + s.k];
      sum = add(sum, oracle.adjoint(at(i, sample)), 1.0L, arithmetic);
    }
  }
  return expected;
}

}  // namespace tapeloom::test::fuzz
