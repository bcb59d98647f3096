// Records an expression, differentiates it and draws it.
#include <cstdio>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

int main() {
  Tape tape;
  const Value a = tape.parameter(2.0, "a"), b = tape.parameter(-3.0, "b"), c = tape.parameter(10.0, "c");
  const Value e = (a * b).set_label("e");
  const Value y = tanh(0.25 * (e + c)).set_label("y");
  y.backward();
  std::printf("y = %.4f\n", y.data());
  for (const Value& leaf : {a, b, c}) std::printf("dy/d%s = %.4f\n", leaf.label().c_str(), leaf.grad());
  std::printf("%s", draw_dot(y).c_str());
}
