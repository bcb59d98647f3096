"""lbfgs and least_squares: what they find, what they tell, and how they are stopped."""

import math
import os
import signal
import threading
import time
import unittest

import numpy as np

import tapeloom
from nets import Net, data


def rosenbrock():
    a, b = tapeloom.parameter(-1.2, "a"), tapeloom.parameter(1.0, "b")
    return tapeloom.compile(100 * (b - a**2) ** 2 + (1 - a) ** 2, [a, b])


class Lbfgs(unittest.TestCase):
    def test_rosenbrock(self):
        executor = rosenbrock()
        reports = []
        result = tapeloom.lbfgs(executor, on_iteration=reports.append)
        np.testing.assert_allclose(executor.parameters, [1, 1], atol=1e-6)
        self.assertEqual((result.end, result.converged, result.divergence), ("gradient", True, None))
        self.assertEqual(result.loss, executor.loss)
        self.assertLess(result.iterations, 45)
        self.assertEqual([r.iteration for r in reports], list(range(1, result.iterations + 1)))
        self.assertEqual(reports[-1].evaluations, result.evaluations)
        self.assertEqual((reports[-1].loss, reports[-1].gradient), (result.loss, result.gradient))
        self.assertEqual(repr(result), f"<tapeloom.LbfgsResult: loss {result.loss!r}, end 'gradient'>")

    def test_it_goes_on_where_fit_ended_in_float_and_double(self):
        x, y = data(200)
        for dtype in ["float32", "float64"]:
            executor = Net().compile(dtype=dtype)
            by_adam = tapeloom.fit(executor, {"x": x, "y": y}, epochs=20).loss[-1]
            result = tapeloom.lbfgs(executor, {"x": x, "y": y}, max_iterations=300)
            self.assertLess(result.loss, 0.5 * by_adam)
            executor.bind(x=x, y=y)
            self.assertEqual(executor.step(), result.loss)

    def test_its_ends(self):
        self.assertEqual(tapeloom.lbfgs(rosenbrock(), max_iterations=3).end, "iterations")
        self.assertEqual(tapeloom.lbfgs(rosenbrock(), max_evaluations=7).end, "evaluations")
        stopped = tapeloom.lbfgs(rosenbrock(), on_iteration=lambda report: report.iteration < 5)
        self.assertEqual((stopped.end, stopped.iterations, stopped.converged), ("callback", 5, False))
        self.assertEqual(tapeloom.lbfgs(rosenbrock(), gradient_tolerance=0.5).end, "gradient")
        x, y = data(20)
        x[7, 1] = math.inf
        result = tapeloom.lbfgs(Net().compile(), {"x": x, "y": y})
        self.assertEqual(result.end, "diverged")
        self.assertEqual((result.divergence.row, result.divergence.group, result.divergence.column), (7, "x", 1))

    def test_a_trainer_of_the_executor_has_its_own_rows_afterwards(self):
        x, y = data(40)
        executor, other = Net().compile(), Net().compile()
        trainers = [tapeloom.Trainer(e, {"x": x, "y": y}, epochs=2) for e in (executor, other)]
        tapeloom.lbfgs(executor, {"x": x[:5], "y": y[:5]}, max_iterations=1)
        other.parameters = executor.parameters
        for trainer in trainers:
            trainer.run()
        np.testing.assert_array_equal(executor.parameters, other.parameters)

    def test_errors(self):
        x, y = data(20)
        executor = Net().compile()
        for wrong in [{"data": {"x": x, "y": y[:3]}}, {"data": None}, {"data": {"x": x, "y": y}, "history": 0}]:
            with self.assertRaises(tapeloom.BindError):
                tapeloom.lbfgs(executor, **wrong)
        with self.assertRaisesRegex(TypeError, "on_iteration is no function"):
            tapeloom.lbfgs(executor, {"x": x, "y": y}, on_iteration=3)
        with self.assertRaises(TypeError):
            tapeloom.lbfgs("executor")

        def fails(report):
            executor.bind(x=x, y=y)

        with self.assertRaisesRegex(RuntimeError, "train"):
            tapeloom.lbfgs(executor, {"x": x, "y": y}, on_iteration=fails)
        self.assertTrue(tapeloom.lbfgs(executor, {"x": x, "y": y}, max_iterations=2).iterations)

    def test_ctrl_c_ends_it(self):
        executor = rosenbrock()
        timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()

        def slowly(report):
            time.sleep(0.03)

        with self.assertRaises(KeyboardInterrupt):
            tapeloom.lbfgs(executor, on_iteration=slowly)
        timer.join()
        self.assertTrue(tapeloom.lbfgs(executor).converged)


class LeastSquares(unittest.TestCase):
    """Misra1a, of NIST's reference datasets."""

    volumes = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78]
    pressures = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0]

    def setUp(self):
        self.a, self.b = tapeloom.parameter(500.0, "a"), tapeloom.parameter(0.0001, "b")
        volume, pressure = tapeloom.input("volume"), tapeloom.input("pressure")
        self.residual = volume - self.a * (1 - tapeloom.exp(-self.b * pressure))
        self.data = {"volume": np.array(self.volumes), "pressure": np.array(self.pressures)}

    def test_certified_values(self):
        executor = tapeloom.compile_residuals(self.residual, [self.a, self.b])
        result = tapeloom.least_squares(executor, self.data)
        np.testing.assert_allclose(executor.parameters, [2.3894212918e02, 5.5015643181e-04], rtol=1e-8)
        np.testing.assert_allclose(result.standard_errors, [2.7070075241e00, 7.2668688436e-06], rtol=1e-8)
        self.assertAlmostEqual(result.sum_of_squares, 1.2455138894e-01, 10)
        self.assertAlmostEqual(result.residual_standard_deviation, 1.0187876330e-01, 10)
        self.assertEqual((result.residuals, result.rank, result.degrees_of_freedom), (14, 2, 12))
        self.assertEqual(result.covariance.shape, (2, 2))
        np.testing.assert_allclose(np.sqrt(np.diag(result.covariance)), result.standard_errors)
        self.assertTrue(result.converged)
        self.assertLess(result.gradient, 1e-8)
        self.assertIn("LeastSquaresResult: sum of squares 0.1245", repr(result))
        executor.write_back()
        self.assertEqual(self.a.data, executor.parameters[0])

    def test_one_parameter_of_two_and_several_residuals(self):
        executor = tapeloom.compile_residuals([self.residual, 10 * (self.b - 5e-4)], [self.b])
        result = tapeloom.least_squares(executor, self.data, max_iterations=500)
        self.assertEqual((result.residuals, result.rank), (28, 1))
        self.assertEqual(executor.parameters.shape, (1,))
        self.assertTrue(result.converged)

    def test_its_ends_and_errors(self):
        executor = tapeloom.compile_residuals(self.residual, [self.a, self.b])
        stopped = tapeloom.least_squares(executor, self.data, on_iteration=lambda report: False)
        self.assertEqual((stopped.end, stopped.iterations), ("callback", 1))
        self.assertEqual(tapeloom.least_squares(executor, self.data, max_iterations=1).end, "iterations")
        few = {name: numbers[:1] for name, numbers in self.data.items()}
        with self.assertRaisesRegex(tapeloom.BindError, "1 residuals for 2 parameters"):
            tapeloom.least_squares(executor, few)
        self.data["volume"][3] = math.nan
        with self.assertRaisesRegex(tapeloom.BindError, "residual 0 of sample 3 is nan at the start"):
            tapeloom.least_squares(executor, self.data)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.least_squares(rosenbrock())
        with self.assertRaises(tapeloom.CompileError):
            tapeloom.compile_residuals(self.residual, [])


if __name__ == "__main__":
    unittest.main()
