// Prints what becomes of the mean of (w x - y)^2: the recording, the compiler's graph after each pass, the program.
#include <cstdio>

#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/print.h"

using namespace tapeloom;

int main() {
  Tape tape;
  const Value w = tape.parameter(0.5, "w");
  const Value x = tape.input(2.0, "x"), y = tape.input(3.0, "y");
  const Value loss = batch_mean(square(w * x - y));
  std::printf("-- recording\n%s\n-- passes\n%s-- program\n%s", to_string(tape).c_str(), explain_passes(loss).c_str(),
              to_string(compile(loss)).c_str());
}
