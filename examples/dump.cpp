// Prints what becomes of a layer of two linear neurons and its mean squared error: the recording, the compiler's graph
// after each pass, the program and what its instructions stand for.
#include <cstdio>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

int main() {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 2), y = tape.inputs("y", 2);
  Value errors = 0.0;
  for (const Value target : y) {
    const Value w0 = tape.parameter(0.5), w1 = tape.parameter(-0.5), b = tape.parameter(0.0);
    Value neuron = b;
    neuron += w0 * x[0];
    neuron += w1 * x[1];
    errors += square(neuron - target);
  }
  const Value loss = batch_mean(errors);
  const Program program = compile(loss);
  std::printf("-- recording\n%s\n-- passes\n%s-- program\n%s-- explanation\n%s", to_string(tape).c_str(),
              explain_passes(loss).c_str(), to_string(program).c_str(), explain(program).c_str());
}
