// Eigen's maps of an executor show what its spans do, and Eigen's matrices are read in place, whatever their order.
// Eigen's own matrices may be of Values. std.h comes first, since Eigen calls std::max<Index>.
#include "tapeloom/std.h"

#include "tapeloom/eigen.h"

#include <Eigen/Dense>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/shuffle.h"

using namespace tapeloom;

namespace {

using ByRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ByColumns = Eigen::MatrixXf;

/// Two layers over an input group of three and one of one.
struct Net {
  Tape tape;
  SplitMix64 random{1};
  std::vector<Value> x = tape.inputs("x", 3);
  Value y = tape.input(0.0, "y");
  MLP network{tape, 3, {{4, tapeloom::tanh}, {2}}, glorot(random)};
  std::vector<Value> scores = network(x);
  Value loss = batch_mean(squared_error(scores[0], y) + square(scores[1]));
  Executor<float> executor{compile(loss, {.outputs = scores, .input_gradients = true})};
};

/// Samples x 4: three numbers of "x", one of "y".
ByRows some_rows() { return ByRows::Random(5, 4); }

template <class M>
concept Bound = requires(Executor<float>& executor, DataView& data, const Program& program, M&& matrix) {
  eigen::bind(executor, std::forward<M>(matrix));
  eigen::bind(executor, "x", std::forward<M>(matrix));
  eigen::add(data, program, "x", std::forward<M>(matrix));
};
template <class E>
concept Mapped = requires(E&& executor) {
  eigen::parameters(std::forward<E>(executor));
};

}  // namespace

TEST_CASE("eigen: maps show the memory that the spans of the same names do") {
  Net net;
  const ByRows rows = some_rows();
  eigen::bind(net.executor, rows);
  net.executor.step();
  const Executor<float>& executor = net.executor;
  CHECK(eigen::parameters(executor).data() == executor.parameters().data());
  CHECK(eigen::parameters(executor).size() == 26);
  CHECK(eigen::gradients(executor).data() == executor.gradients().data());
  CHECK(eigen::gradients(executor).size() == 26);
  const auto outputs = eigen::outputs(executor);
  REQUIRE((outputs.rows() == 5 && outputs.cols() == 2));
  CHECK(outputs(3, 1) == executor.outputs()[7]);
  const auto input_gradients = eigen::input_gradients(executor);
  REQUIRE((input_gradients.rows() == 5 && input_gradients.cols() == 4));
  CHECK(input_gradients.data() == executor.input_gradients().data());
  CHECK(input_gradients(2, 3) == executor.input_gradients()[11]);
  // A step of gradient descent in one line.
  const std::vector<float> before(executor.parameters().begin(), executor.parameters().end());
  eigen::parameters(net.executor) -= 0.5f * eigen::gradients(executor);
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(executor.parameters()[i] == before[i] - 0.5f * executor.gradients()[i]);
  }
}

TEST_CASE("eigen: the tensors of a layout are matrices within the parameters") {
  Net net;
  const TensorLayout layout = tensor_layout(net.network);
  const auto weights = eigen::tensor(net.executor.parameters(), layout[0]);
  const auto biases = eigen::tensor(net.executor.parameters(), layout[1]);
  REQUIRE((weights.rows() == 4 && weights.cols() == 3));
  REQUIRE((biases.rows() == 4 && biases.cols() == 1));
  for (const bool second : {false, true}) {
    const Layer& layer = net.network.layers()[second ? 1 : 0];
    const auto map = eigen::tensor(std::as_const(net.executor).parameters(), layout[second ? 2 : 0]);
    for (std::size_t n = 0; n < layer.neurons().size(); ++n) {
      for (std::size_t i = 0; i < layer.neurons()[n].inputs(); ++i) {
        CHECK(map(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(i)) ==
              static_cast<float>(layer.neurons()[n].parameters()[i].data()));
      }
    }
  }
  // The first layer by hand.
  const ByColumns x = ByColumns::Random(3, 6);
  Executor<float> first(compile_inference(net.network.layers()[0](net.x)), net.executor);
  eigen::bind(first, "x", x);
  first.step();
  const ByRows expected = ((weights * x).colwise() + biases.col(0)).array().tanh().matrix().transpose();
  CHECK(eigen::outputs(first).isApprox(expected, 1e-5f));

  const ParameterTensor uneven{"uneven", {3}, {ParameterId(0), ParameterId(1), ParameterId(3)}};
  CHECK_THROWS_SAYING(BindError, "tensor \"uneven\" has parameters that were not recorded at even distances",
                      eigen::tensor(net.executor.parameters(), uneven));
  const ParameterTensor descending{"descending", {2}, {ParameterId(1), ParameterId(0)}};
  CHECK_THROWS_SAYING(BindError, "not recorded at even distances",
                      eigen::tensor(net.executor.parameters(), descending));
  const ParameterTensor beyond{"beyond", {2}, {ParameterId(25), ParameterId(26)}};
  CHECK_THROWS_SAYING(BindError, "not among the numbers", eigen::tensor(net.executor.parameters(), beyond));
  const ParameterTensor deep{"deep", {1, 1, 1}, {ParameterId(0)}};
  CHECK_THROWS_SAYING(BindError, "more than two dimensions", eigen::tensor(net.executor.parameters(), deep));
}

TEST_CASE("eigen: matrices are bound in place, a sample a row of row-major ones and a column of column-major ones") {
  Net net;
  const ByRows rows = some_rows();
  const std::vector<float> copied(rows.data(), rows.data() + rows.size());
  net.executor.bind(copied);
  const float loss = net.executor.step();

  const ByColumns columns = rows.transpose();
  eigen::bind(net.executor, columns);
  CHECK(net.executor.step() == loss);
  // Parts of larger ones: the groups within one matrix, and numbers between the samples.
  eigen::bind(net.executor, "x", rows.leftCols(3));
  eigen::bind(net.executor, "y", rows.col(3));
  CHECK(net.executor.step() == loss);
  ByColumns wide = ByColumns::Constant(7, 5, -9.0f);
  wide.middleRows(2, 4) = columns;
  eigen::bind(net.executor, wide.middleRows(2, 4));
  CHECK(net.executor.step() == loss);
  // Read where they are.
  wide(2, 0) += 1.0f;
  CHECK(net.executor.step() != loss);
  // A vector is one sample after another, whatever its direction.
  const Eigen::Map<const Eigen::VectorXf> flat(copied.data(), 20);
  const Eigen::RowVectorXf y = rows.col(3).transpose();
  eigen::bind(net.executor, flat);
  CHECK(net.executor.step() == loss);
  eigen::bind(net.executor, "y", y);
  CHECK(net.executor.step() == loss);
  // In the other precision, and through a view.
  const Eigen::MatrixXd doubles = columns.cast<double>();
  eigen::bind(net.executor, doubles);
  CHECK(net.executor.step() == loss);
  DataView data;
  eigen::add(eigen::add(data, net.executor.program(), "x", rows.leftCols(3)), net.executor.program(), "y", y);
  net.executor.bind(copied);
  net.executor.step();
  const std::vector<float> expected(net.executor.outputs().begin(), net.executor.outputs().end());
  CHECK(predict(net.executor, data) == expected);
}

TEST_CASE("eigen: what is gone after the statement does not compile") {
  CHECK(Bound<ByRows&>);
  CHECK(Bound<const ByColumns&>);
  CHECK(Bound<Eigen::ArrayXXd&>);
  CHECK(Bound<Eigen::Map<const ByRows>>);
  CHECK(Bound<decltype(std::declval<ByRows&>().leftCols(2))>);
  CHECK(Bound<Eigen::Ref<const ByRows>&>);
  CHECK_FALSE(Bound<ByRows>);
  CHECK_FALSE(Bound<const Eigen::VectorXf>);
  CHECK_FALSE(Bound<Eigen::Ref<const ByRows>>);
  CHECK_FALSE(Bound<decltype(std::declval<ByRows&>() * std::declval<ByRows&>())>);
  CHECK_FALSE(Bound<decltype(std::declval<ByRows&>() + std::declval<ByRows&>())&>);
  CHECK_FALSE(Bound<decltype(ByRows::Random(1, 1))>);
  CHECK(Mapped<Executor<float>&>);
  CHECK(Mapped<const Executor<double>&>);
  CHECK_FALSE(Mapped<Executor<float>>);
}

TEST_CASE("eigen: matrices of another shape than the program's are refused") {
  Net net;
  const ByRows rows = some_rows();
  const ByColumns wrong = rows;  // a sample is no column of it
  CHECK_THROWS_SAYING(BindError, "a matrix with 5 numbers a sample for all inputs, which has 4; a sample is a row of a",
                      eigen::bind(net.executor, wrong));
  CHECK_THROWS_SAYING(BindError, "4 numbers a sample for input group \"x\", which has 3",
                      eigen::bind(net.executor, "x", rows));
  CHECK_THROWS_SAYING(BindError, "\"z\"", eigen::bind(net.executor, "z", rows));
  // A row of a column-major matrix: its numbers lie apart, which is fine for one number a sample alone.
  CHECK_THROWS_SAYING(BindError, "1 numbers a sample for input group \"x\"",
                      eigen::bind(net.executor, "x", wrong.row(0)));
  eigen::bind(net.executor, "y", wrong.row(0));
  using Apart = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::Map<const ByRows, Eigen::Unaligned, Apart> apart(rows.data(), 2, 3, Apart(8, 2));
  CHECK_THROWS_SAYING(BindError, "do not lie side by side", eigen::bind(net.executor, "x", apart));
  const Eigen::Map<const ByRows, Eigen::Unaligned, Apart> overlapping(rows.data(), 2, 3, Apart(2, 1));
  CHECK_THROWS_SAYING(BindError, "do not lie side by side", eigen::bind(net.executor, "x", overlapping));
  // A program that reads three of four inputs: rows of these alone, or of all.
  Executor<float> some(compile_inference(net.scores), net.executor);
  const ByRows three = rows.leftCols(3);
  eigen::bind(some, three);
  some.step();
  const ByRows expected = eigen::outputs(some);
  eigen::bind(some, rows);
  some.step();
  CHECK(eigen::outputs(some) == expected);
  CHECK_THROWS_AS(eigen::bind(some, rows.leftCols(3)), BindError);
  const ByRows none(0, 4);
  CHECK_THROWS_AS(eigen::bind(net.executor, none), BindError);
  DataView data;
  CHECK_THROWS_SAYING(BindError, "5 numbers a sample for input group \"x\"",
                      eigen::add(data, net.executor.program(), "x", wrong));
}

namespace {

/// Decompositions of a matrix of nine numbers, blocked products among them.
template <class T>
T decomposed(const std::vector<T>& x) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  Matrix a(3, 3);
  for (Eigen::Index i = 0; i < a.size(); ++i) a(i / 3, i % 3) = x[static_cast<std::size_t>(i)];
  const Vector ones = Vector::Ones(3);
  const Matrix square = a * a.transpose() + Matrix::Identity(3, 3);
  const Eigen::FullPivLU<Matrix> lu(a);
  const Eigen::FullPivHouseholderQR<Matrix> qr(a);
  return square.llt().solve(ones).sum() + square.ldlt().solve(ones).prod() + lu.solve(ones).squaredNorm() +
         a.determinant() + a.inverse().norm() + a.partialPivLu().solve(ones)[1] + qr.solve(ones)[2] +
         static_cast<double>(lu.rank() + 10 * qr.rank());
}

}  // namespace

TEST_CASE("eigen: decompositions of matrices of Values have the numbers and slopes of doubles") {
  const std::vector<double> numbers = {2.0, -0.5, 0.25, 0.5, 3.0, -1.0, 0.75, 0.125, -2.5};
  Tape tape;
  std::vector<Value> x;
  for (double number : numbers) x.push_back(tape.parameter(number));
  const Value y = decomposed(x);
  CHECK(test::close(y.data(), decomposed(numbers), 1e-13, 1e-13));
  const Evaluation reference = evaluate(y, {});
  Executor<double> executor(compile(y));
  CHECK(test::close(executor.step(), y.data(), 1e-12, 1e-12));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto shifted = [&](double by) {
      std::vector<double> other = numbers;
      other[i] += by;
      return decomposed(other);
    };
    constexpr double h = 1e-3;
    const double slope = (8.0 * (shifted(h) - shifted(-h)) - (shifted(2.0 * h) - shifted(-2.0 * h))) / (12.0 * h);
    CHECK(test::close(reference.gradients[i], slope, 1e-8, 1e-8));
    CHECK(test::close(executor.gradients()[i], reference.gradients[i], 1e-10, 1e-10));
  }
}
