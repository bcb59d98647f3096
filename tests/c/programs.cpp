// Writes the programs that the tests of the C interface load: programs <directory>
#include <cstdio>
#include <string>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

namespace {

/// Least squares of a line, to be trained, and the line by itself with the same parameters.
void write_line(const std::string& directory) {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = tape.input(0.0, "y");
  const Value w[] = {tape.parameter(0.5, "w[0]"), tape.parameter(-0.25, "w[1]")};
  const Value b = tape.parameter(0.125, "b");
  const Value score = (w[0] * x[0] + w[1] * x[1] + b).set_label("score");
  const Value loss = batch_mean(pow(score - y, 2.0));
  save_program(directory + "/line.tapeloom", compile(loss, {.outputs = {score}, .input_gradients = true}));
  save_program(directory + "/predict.tapeloom", compile_inference({score}));
}

/// p * x for x that are positive, as recorded.
void write_guarded(const std::string& directory) {
  Tape tape;
  const Value x = tape.input(1.0, "x");
  const Value p = tape.parameter(2.0, "p");
  const Value y = x > 0.0 ? p * x : p;
  save_program(directory + "/guarded.tapeloom", compile(batch_sum(y)));
}

/// The sum of p * q * u * x, where q is frozen, u one for all samples, and one more group not read; and p * p.
void write_mixed(const std::string& directory) {
  Tape tape;
  tape.inputs("unread", 3);
  const Value x = tape.input(0.0, "x");
  const Value u = tape.uniform_input(0.5, "u");
  const Value p = tape.parameter(3.0, "p"), q = tape.parameter(2.0, "q");
  tape.set_frozen(q);
  const Value square = (p * p).set_label("square");
  save_program(directory + "/mixed.tapeloom", compile(batch_sum(p * q * u * x), {.outputs = {square}}));
}

/// In exact mode; with samples that were recorded; and with names that C cannot tell apart.
void write_others(const std::string& directory) {
  Tape tape;
  const Value p = tape.parameter(2.0, "p");
  const Value x = tape.input(0.0, "x");
  save_program(directory + "/exact.tapeloom", compile(batch_sum(p * x), {.exact = true}));
  save_program(directory + "/named.tapeloom", compile(batch_sum(p * tape.input(0.0, std::string("a\0b", 3)))));

  Tape samples;
  const Value w = samples.parameter(0.5, "w");
  Value loss = samples.constant(0.0);
  for (int i = 0; i < 12; ++i) loss = loss + pow(w * static_cast<double>(i) - 0.25 * i * i, 2.0);
  save_program(directory + "/recorded.tapeloom", compile(loss));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    write_line(argv[1]);
    write_guarded(argv[1]);
    write_mixed(argv[1]);
    write_others(argv[1]);
  } catch (const Error& error) {
    std::fprintf(stderr, "programs: %s\n", error.what());
    return 1;
  }
}
