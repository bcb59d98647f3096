// Programs compiled from one tape share their parameters, or are refused where it was forgotten.
#include <filesystem>

#include "executor_results.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEMPLATE_TEST_CASE("executor: the way to predict that is natural is right or refused", "", float, double) {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10), x = columns(rows, 0, 3);
  const std::vector<Value> outputs = {net.prediction};
  const Program program = compile(net.loss, {.outputs = outputs}), inference = compile_inference(outputs);
  const char* const forgotten = "another executor for the same tape has trained its own. Share them";

  Executor<TestType> second(program), predictor(inference);
  Executor<double> in_double(inference);
  predictor.bind("x", std::span<const double>(x));
  in_double.bind("x", std::span<const double>(x));
  second.bind(std::span<const double>(rows));
  CHECK_NOTHROW(predictor.step());  // nothing is trained yet
  CHECK_NOTHROW(predict(second, DataView(rows)));
  {
    Executor<TestType> trained(program);
    CHECK(trained.parameters().size() == 6);  // to be written, but it is not
    CHECK_NOTHROW(predictor.step());
    trained.bind(std::span<const double>(rows));
    trained.step();
    CHECK_NOTHROW(predictor.step());
    Sgd<TestType>({.learning_rate = 0.1}).update(trained);

    CHECK_THROWS_SAYING(BindError, forgotten, predictor.step());
    CHECK_THROWS_SAYING(BindError, forgotten, predictor.step(0, 2));
    CHECK_THROWS_SAYING(BindError, "no results", predictor.outputs());
    CHECK_THROWS_SAYING(BindError, forgotten, in_double.step());
    CHECK_THROWS_SAYING(BindError, forgotten, predict(second, DataView(rows)));
    CHECK_THROWS_SAYING(BindError, forgotten, export_weights(second));
    CHECK_THROWS_SAYING(BindError, forgotten, save_program("forgotten.tapeloom", second));
    CHECK_THROWS_SAYING(BindError, "save_program(path, executor) saves those",
                        save_program("forgotten.tapeloom", trained.program()));
    CHECK_THROWS_SAYING(BindError, "save_program(path, executor) saves those",
                        save_program("forgotten.tapeloom", inference));
    CHECK_FALSE(std::filesystem::exists("forgotten.tapeloom"));
    CHECK_NOTHROW(second.step());  // the first step of a training run of its own

    // What the messages advise.
    trained.step();
    const std::vector<TestType> expected = copied(trained.outputs());
    Executor<TestType> sharing(inference, trained);
    CHECK(predict(sharing, DataView().add("x", x)) == expected);
    save_program("trained.tapeloom", trained);
    Executor<TestType> loaded(load_program("trained.tapeloom"));
    CHECK(predict(loaded, DataView(rows)) == expected);
    predictor.set_parameters(trained.parameters());
    predictor.step();
    CHECK(copied(predictor.outputs()) == expected);
    second.set_parameters(second.parameters());  // the initial ones are meant
    CHECK_NOTHROW(predict(second, DataView(rows)));
    Program initial = program;
    initial.recording = 0;
    CHECK_NOTHROW(save_program("initial.tapeloom", initial));

    // A program that is compiled after the tape got other numbers begins with those.
    trained.copy_parameters_to(net.tape);
    Executor<double> later(compile_inference(outputs));
    later.bind("x", std::span<const double>(x));
    CHECK_NOTHROW(later.step());
    CHECK(later.outputs()[3] == Approx(expected[3]).epsilon(1e-6));
  }
  // Nobody has trained numbers any more.
  predictor.set_parameters(second.parameters());
  CHECK_NOTHROW(in_double.step());
  CHECK_NOTHROW(save_program("initial.tapeloom", program));
}

TEST_CASE("executor: parameters that were written by hand are trained ones, too") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10);
  const std::vector<Value> outputs = {net.prediction};
  Executor<double> trained(compile(net.loss)), predictor(compile_inference(outputs));
  trained.bind(std::span<const double>(rows));
  predictor.bind(std::span<const double>(rows), 4);
  const std::span<double> parameters = trained.parameters();
  CHECK_NOTHROW(predictor.step());
  for (int i = 0; i < 2; ++i) {
    trained.step();
    for (std::size_t k = 0; k < 6; ++k) parameters[k] -= 0.1 * trained.gradients()[k];
  }
  CHECK_THROWS_SAYING(BindError, "Share them", predictor.step());
  const std::span<double> own = predictor.parameters();
  CHECK_THROWS_SAYING(BindError, "Share them", predictor.step());
  own[2] = 0.125;
  CHECK_NOTHROW(predictor.step());
}

TEST_CASE("executor: a validation loss by initial parameters is refused, too") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x");
  const Value loss = batch_mean(square(w * x - 3.0));
  const std::vector<double> numbers = {1.0, 2.0};
  Executor<double> trained(compile(loss));
  trained.bind(numbers);
  trained.step();
  Sgd<double> sgd({.learning_rate = 0.1});
  sgd.update(trained);
  Executor<double> forgotten(compile(loss, {.gradients = false}));
  forgotten.bind(numbers);
  CHECK_THROWS_SAYING(BindError, "Share them", forgotten.step());
  Executor<double> sharing(compile(loss, {.gradients = false}), trained);
  sharing.bind(numbers);
  CHECK(sharing.step() == trained.step());
}

TEST_CASE("executor: who shares parameters means them, though another executor has trained its own") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10), x = columns(rows, 0, 3);
  const Program program = compile(net.loss), inference = compile_inference(net.prediction);
  Executor<double> trained(program);
  trained.bind(std::span<const double>(rows));
  trained.step();
  Sgd<double>({.learning_rate = 0.1}).update(trained);

  Executor<double> next(program);  // the next fold of a cross-validation, say
  CHECK_THROWS_SAYING(BindError, "Share them", export_weights(next));
  Executor<double> of_next(inference, next), of_trained(inference, trained);
  std::vector<double> before;
  CHECK_NOTHROW(before = predict(of_next, DataView().add("x", x)));
  CHECK(before != predict(of_trained, DataView().add("x", x)));
  CHECK_NOTHROW(export_weights(next));
}
