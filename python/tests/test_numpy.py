"""NumPy's scalars and arrays beside Values."""

import unittest

import numpy as np

import tapeloom
from tapeloom.engine import Value


class Scalars(unittest.TestCase):
    def test_on_either_side(self):
        a = Value(3.0)
        for number in [np.int64(2), np.float32(2), np.float64(2), np.uint8(2), np.array(2.0), np.int64(1) + 1]:
            with self.subTest(type=type(number)):
                for result, right in [
                    (number * a, 6.0), (a * number, 6.0), (number - a, -1.0), (a - number, 1.0), (number / a, 2 / 3),
                    (a / number, 1.5), (number + a, 5.0), (a**number, 9.0), (number**a, 8.0),
                ]:
                    self.assertIs(type(result), Value)
                    self.assertAlmostEqual(result.data, right, places=15)
                self.assertTrue((number < a).data)
                self.assertFalse((a < number).data)
        a.data = np.float32(0.5)
        a.grad = np.int64(2)
        self.assertEqual((a.data, a.grad), (0.5, 2.0))
        self.assertEqual(Value(np.float64(2.5)).data, 2.5)

    def test_complex_numbers_are_refused(self):
        # NumPy's have a float(), which is the real part.
        a = Value(3.0)
        for number in [np.complex64(2 + 1j), np.complex128(2 + 1j), np.clongdouble(2 + 1j), 2 + 1j]:
            with self.subTest(type=type(number)):
                for use in [
                    lambda: number * a, lambda: a * number, lambda: a + number, lambda: number - a, lambda: a**number,
                    lambda: a < number, lambda: Value(number), lambda: tapeloom.exp(number),
                    lambda: tapeloom.where(a > 1.0, number, a), lambda: np.array([number]) * a,
                ]:
                    with self.assertRaises(TypeError):
                        use()

    def test_gradients(self):
        a = Value(3.0)
        y = np.float64(2) * a + np.array([1.0, 2.0])[1] * a
        y.backward()
        self.assertEqual(a.grad, 4.0)


class Arrays(unittest.TestCase):
    def test_elementwise(self):
        a = Value(3.0)
        numbers = np.array([[1.0, 2.0], [4.0, 5.0]])
        for result, right in [
            (numbers * a, numbers * 3), (a * numbers, numbers * 3), (numbers - a, numbers - 3), (a - numbers, 3 - numbers),
            (numbers / a, numbers / 3), (a / numbers, 3 / numbers), (a**numbers, 3.0**numbers), (numbers + a, numbers + 3),
        ]:
            self.assertEqual((result.dtype, result.shape), (np.dtype(object), (2, 2)))
            np.testing.assert_allclose([[v.data for v in row] for row in result], right, rtol=1e-15)
        total = (numbers * a).sum()
        total.backward()
        self.assertEqual(a.grad, 12.0)
        self.assertEqual((a * np.array([])).shape, (0,))

    def test_arrays_of_values(self):
        w = np.array([Value(1.0), Value(2.0)])
        x = np.array([3.0, 4.0])
        self.assertEqual(w.dtype, object)
        self.assertEqual((w * x).sum().data, 11.0)
        self.assertEqual((w @ x).data, 11.0)
        self.assertEqual(np.tanh(w)[0].data, np.tanh(1.0))
        self.assertEqual((w * w[0])[1].data, 2.0)
        self.assertEqual((w[0] * w)[1].data, 2.0)

    def test_a_list_of_floats_is_not_made_of_values_by_mistake(self):
        self.assertRaises(TypeError, np.array, [Value(1.0)], dtype=float)


if __name__ == "__main__":
    unittest.main()
