"""Derivatives that are Values: numbers, a net that solves an equation, errors."""

import math
import random
import unittest

import numpy as np

import tapeloom
from tapeloom import nn
from tapeloom.engine import Value


class Derivatives(unittest.TestCase):
    def test_numbers(self):
        x, y = Value(2.0), Value(3.0)
        z = x * x * y + tapeloom.exp(y - 3)
        first = tapeloom.gradient(z, [x, y])
        self.assertEqual([v.data for v in first], [12.0, 5.0])
        self.assertEqual([[v.data for v in row] for row in tapeloom.hessian(z, [x, y])], [[6.0, 4.0], [4.0, 1.0]])
        self.assertEqual(tapeloom.derivative(z, [x, y], [1, -2.0]).data, 2.0)
        rows = tapeloom.jacobian([z, x, first[0]], [x, y])
        self.assertEqual([[v.data for v in row] for row in rows], [[12.0, 5.0], [1.0, 0.0], [6.0, 4.0]])
        # Of the Hessian above, and of one whose vector is of Values.
        self.assertEqual([v.data for v in tapeloom.hessian_vector(z, [x, y], [1, -2.0])], [-2.0, 2.0])
        self.assertEqual([v.data for v in tapeloom.hessian_vector(z, [x, y], first)], [12 * 6.0 + 5 * 4, 12 * 4.0 + 5])
        self.assertEqual(tapeloom.laplacian(z, [x, y]).data, 7.0)
        self.assertEqual(tapeloom.laplacian(z, [y]).data, 1.0)
        z.backward()
        self.assertEqual([x.grad, y.grad], [12.0, 5.0])

    def test_edges(self):
        x, other = Value(2.0), Value(1.0)
        self.assertEqual([v.data for v in tapeloom.gradient(x, [x, other, x])], [1.0, 0.0, 1.0])
        self.assertEqual(tapeloom.gradient(x * x, []), [])
        self.assertEqual(tapeloom.gradient(3.0, [x])[0].data, 0.0)
        twice = tapeloom.gradient(x + other, [x, other])
        self.assertEqual([v.data for v in twice], [1.0, 1.0])
        with self.assertRaisesRegex(tapeloom.RecordingError, "plain number"):
            tapeloom.gradient(x, [1.0])
        with self.assertRaisesRegex(tapeloom.RecordingError, "a direction of 1"):
            tapeloom.derivative(x, [x, other], [1.0])
        with self.assertRaisesRegex(tapeloom.RecordingError, "a direction of 1"):
            tapeloom.hessian_vector(x, [x, other], [1.0])
        with self.assertRaisesRegex(tapeloom.RecordingError, "nothing to differentiate by"):
            tapeloom.laplacian(x, [])
        self.assertEqual(tapeloom.hessian_vector(x * x, [], []), [])
        self.assertRaises(TypeError, tapeloom.gradient, x)
        self.assertRaises(TypeError, tapeloom.gradient, x, x)
        self.assertRaises(TypeError, tapeloom.hessian_vector, x, [x])
        self.assertRaises(TypeError, tapeloom.laplacian, x, x)

    def test_products_with_a_jacobian(self):
        a, b = Value(2.0), Value(3.0)
        y = [a * b, a * a, tapeloom.sin(b) * a, 7]
        jacobian = np.array([[3.0, 2.0], [4.0, 0.0], [math.sin(3.0), 2 * math.cos(3.0)], [0.0, 0.0]])
        rows = tapeloom.compile_vector_jacobian(y, [a, b], [a, b])
        rows.bind(np.eye(4))
        rows.step()
        np.testing.assert_allclose(rows.outputs, jacobian, rtol=1e-15)
        columns = tapeloom.compile_jacobian_vector(y, [a, b], [a, b], outputs=[y[0], 0.5], dtype=np.float32)
        columns.bind(direction=np.eye(2, dtype=np.float32))
        columns.step()
        expected = np.hstack([jacobian.T, [[6.0, 0.5]] * 2])
        np.testing.assert_allclose(columns.outputs, expected, rtol=1e-6)
        # What is not named as a parameter is data, and may be differentiated by all the same.
        one = tapeloom.compile_vector_jacobian(y[2], b)
        one.bind(seeds=np.array([[2.0]]))
        one.step()
        self.assertAlmostEqual(one.outputs[0, 0], 4 * math.cos(3.0), places=15)
        # The Jacobian of each sample.
        x = tapeloom.input("x", 0.0)
        samples = tapeloom.compile_vector_jacobian([x * x * a, a + x], [x, a], [a])
        samples.bind(np.array([[3.0, 1.0, 0.0], [4.0, 0.0, 1.0], [5.0, 1.0, -1.0]]))
        samples.step()
        np.testing.assert_array_equal(samples.outputs, [[12.0, 9.0], [1.0, 1.0], [19.0, 24.0]])
        self.assertRaises(tapeloom.CompileError, tapeloom.compile_vector_jacobian, [], [a])
        self.assertRaises(tapeloom.CompileError, tapeloom.compile_jacobian_vector, [a], [])
        self.assertRaises(TypeError, tapeloom.compile_vector_jacobian, [a], [1.0])
        self.assertRaises(TypeError, tapeloom.compile_vector_jacobian, [a], [a], wrong=True)
        mean = tapeloom.batch_mean(x * a)
        self.assertRaises(tapeloom.RecordingError, tapeloom.compile_vector_jacobian, [mean], [a], [a])

    def test_derivatives_of_gone_values_go(self):
        x = Value(0.5)
        for _ in range(50):
            slope = tapeloom.gradient(tapeloom.tanh(x) * x, [x])[0]
        tapeloom.compact()
        before = slope.data
        self.assertLess(tapeloom.recorded_nodes(), 100)
        second = tapeloom.gradient(slope, [x])[0]
        t = math.tanh(0.5)
        self.assertAlmostEqual(before, t + 0.5 * (1 - t * t), places=14)
        self.assertAlmostEqual(second.data, 2 * (1 - t * t) - t * (1 - t * t), places=14)

    def test_a_net_solves_an_equation(self):
        random.seed(1)
        t = tapeloom.input("t", 0.5)
        net = nn.MLP(1, [16, 16, 1], activation="tanh")
        u = t + t * t * net([t])
        u_t = tapeloom.gradient(u, [t])[0]
        u_tt = tapeloom.gradient(u_t, [t])[0]
        loss = tapeloom.batch_mean((u_tt + u) ** 2)
        executor = tapeloom.compile(loss, parameters=net.parameters(), outputs=[u])
        points = np.linspace(0.0, 3.0, 65)[:, None]
        executor.bind(t=points)
        first = executor.step()
        optimizer = tapeloom.Adam(learning_rate=0.01)
        for _ in range(500):
            loss = executor.step()
            optimizer.update(executor)
        self.assertLess(loss, first / 100)
        self.assertLess(np.abs(executor.outputs - np.sin(points)).max(), 0.1)


if __name__ == "__main__":
    unittest.main()
