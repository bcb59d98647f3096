"""Optimizers, schedules and clipping against their formulas."""

import math
import pickle
import unittest

import numpy as np

import tapeloom
from nets import Net, data, reference


def adam(p, gradients, rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.0, l2=False):
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, gradient in enumerate(gradients, 1):
        g = gradient(p) + (decay * p if l2 else 0.0)
        if not l2:
            p = p - rate * decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return p


def sgd(p, gradients, rate, momentum=0.0, nesterov=False, decay=0.0):
    v = None
    for gradient in gradients:
        g = gradient(p) + decay * p
        v = g if v is None else momentum * v + g
        p = p - rate * (g + momentum * v if nesterov else v if momentum else g)
    return p


class Optimizers(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data()
        self.executor = self.net.compile()
        self.executor.bind(x=self.x, y=self.y)
        self.start = self.net.numbers()
        self.gradients = [lambda p: reference(p, self.x, self.y)[2]] * 20

    def train(self, optimizer, steps=20):
        for _ in range(steps):
            self.executor.step()
            optimizer.update(self.executor)
        return self.executor.parameters

    def test_adam(self):
        for options, expected in [
            ({}, {}),
            ({"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3},
             {"rate": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}),
            ({"weight_decay": 0.1, "learning_rate": 0.01}, {"decay": 0.1, "rate": 0.01}),
            ({"weight_decay": 0.1, "l2": True}, {"decay": 0.1, "l2": True}),
        ]:
            self.executor.parameters = self.start
            optimizer = tapeloom.Adam(**options)
            np.testing.assert_allclose(self.train(optimizer), adam(self.start, self.gradients, **expected), rtol=1e-8)
            self.assertEqual(optimizer.steps, 20)
            self.assertEqual(set(optimizer.state()["moments"]), {"first_moment", "second_moment"})

    def test_sgd(self):
        for options, expected in [
            ({"learning_rate": 0.1}, {"rate": 0.1}),
            ({"learning_rate": 0.1, "momentum": 0.9}, {"rate": 0.1, "momentum": 0.9}),
            ({"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
             {"rate": 0.1, "momentum": 0.9, "nesterov": True}),
            ({"learning_rate": 0.1, "weight_decay": 0.2}, {"rate": 0.1, "decay": 0.2}),
        ]:
            self.executor.parameters = self.start
            np.testing.assert_allclose(
                self.train(tapeloom.Sgd(**options)), sgd(self.start, self.gradients, **expected), rtol=1e-8
            )

    def test_a_state_goes_on(self):
        optimizer = tapeloom.Adam(0.05)
        self.train(optimizer, 5)
        half, state = self.executor.parameters.copy(), optimizer.state()
        whole = self.train(optimizer, 5).copy()
        again = tapeloom.Adam()
        for restore in [lambda: again.restore(state)]:
            restore()
            self.executor.parameters = half
            np.testing.assert_array_equal(self.train(again, 5), whole)
        self.assertEqual(again.learning_rate, 0.05)
        pickled = pickle.loads(pickle.dumps(optimizer))
        self.assertEqual((pickled.steps, pickled.learning_rate), (10, 0.05))
        self.executor.parameters = half
        twice = self.train(optimizer, 3).copy()
        self.executor.parameters = half
        np.testing.assert_array_equal(self.train(pickled, 3), twice)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.Sgd().restore(state)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.Adam().restore({"kind": "adam", "steps": 1, "learning_rate": 0.1, "moments": {}})
        with self.assertRaises(tapeloom.BindError):
            tapeloom.Adam().restore({"kind": "adam"})
        for key, wrong, error, said in [
            ("kind", 3, TypeError, "an optimizer's \"kind\" is a string, not 'int'"),
            ("steps", 1.5, TypeError, "an optimizer's \"steps\" is an integer, not 'float'"),
            ("steps", -1, tapeloom.BindError, "an optimizer's \"steps\" is from 0 to 2**64 - 1, not -1"),
            ("learning_rate", "high", TypeError, "an optimizer's \"learning_rate\" is a number, not 'str'"),
            ("moments", None, TypeError, "an optimizer's \"moments\" is a dict of arrays by name, not 'NoneType'"),
            ("moments", {1: half}, TypeError, "the name of an optimizer's moment is a string, not 'int'"),
        ]:
            with self.subTest(key=key, wrong=wrong):
                with self.assertRaises(error) as caught:
                    optimizer.restore({**state, key: wrong})
                self.assertEqual(str(caught.exception), said)
        with self.assertRaises(TypeError) as caught:
            optimizer.learning_rate = "high"
        self.assertEqual(str(caught.exception), "learning_rate is a number, not 'str'")

    def test_other_gradients(self):
        self.executor.step()
        gradients = np.linspace(-1, 1, 21)
        tapeloom.Sgd(0.5).update(self.executor, gradients)
        np.testing.assert_allclose(self.executor.parameters, self.start - 0.5 * gradients)
        tapeloom.Sgd(0.5).update(self.executor, gradients.astype(np.float32))
        np.testing.assert_allclose(self.executor.parameters, self.start - gradients, atol=1e-6)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.Sgd(0.5).update(self.executor, gradients[:20])

    def test_one_type_each(self):
        floats = self.net.compile(dtype="float32")
        floats.bind(x=self.x, y=self.y)
        floats.step()
        optimizer = tapeloom.Sgd(0.1)
        optimizer.update(floats)
        self.executor.step()
        with self.assertRaisesRegex(tapeloom.BindError, "float32"):
            optimizer.update(self.executor)
        again = pickle.loads(pickle.dumps(optimizer))
        self.assertEqual(again.steps, 1)
        again.update(floats)
        with self.assertRaises(tapeloom.BindError):
            again.update(self.executor)
        adam = tapeloom.Adam(0.01)
        tapeloom.fit(floats, {"x": self.x, "y": self.y}, epochs=3, batch=10, optimizer=adam)
        self.assertEqual(adam.steps, 3)
        self.assertEqual(adam.state()["moments"]["first_moment"].dtype, np.float32)
        adam.restore(tapeloom.Adam(0.5).state())
        self.assertEqual((adam.steps, adam.learning_rate), (0, 0.5))
        adam.update(self.executor)

    def test_options_that_make_no_sense(self):
        for wrong in [lambda: tapeloom.Adam(-1.0), lambda: tapeloom.Adam(beta1=1.0),
                      lambda: tapeloom.Sgd(0.1, nesterov=True), lambda: tapeloom.Sgd(0.1, momentum=-0.5)]:
            with self.assertRaises(tapeloom.BindError):
                wrong()
        # Whoever writes l2=0.1 means a decay of 0.1, and would get none.
        for wrong in [lambda: tapeloom.Adam(0.1, l2=0.1), lambda: tapeloom.Sgd(0.1, momentum=0.9, nesterov=0.9)]:
            with self.assertRaises(TypeError):
                wrong()
        tapeloom.Sgd(0.1, momentum=0.9, nesterov=np.bool_(True))
        optimizer = tapeloom.Sgd(0.1)
        optimizer.learning_rate = 0.2
        self.assertEqual(optimizer.learning_rate, 0.2)
        with self.assertRaises(tapeloom.BindError):
            optimizer.learning_rate = -0.2
        with self.assertRaises(TypeError):
            tapeloom.Optimizer()
        with self.assertRaises(TypeError):
            optimizer.update("executor")
        with self.assertRaises(tapeloom.BindError):
            optimizer.update(self.net.compile())


class Formulas(unittest.TestCase):
    def test_schedules(self):
        self.assertEqual(tapeloom.step_decay(1.0, 0.5, 10, 25), 0.25)
        self.assertAlmostEqual(tapeloom.exponential_decay(2.0, 0.9, 3), 2.0 * 0.9**3)
        self.assertAlmostEqual(tapeloom.cosine_decay(1.0, 0.1, 100, 25), 0.1 + 0.45 * (1 + math.cos(math.pi / 4)))
        self.assertEqual(tapeloom.cosine_decay(1.0, 0.1, 100, 200), 0.1)
        self.assertAlmostEqual(tapeloom.linear_decay(1.0, 0.1, 100, 50), 0.55)
        self.assertAlmostEqual(tapeloom.linear_warmup(1.0, 10, 4), 0.5)
        self.assertEqual(tapeloom.linear_warmup(1.0, 10, 40), 1.0)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.step_decay(1.0, 0.5, 0, 1)

    def test_clipping(self):
        for dtype in [np.float32, np.float64]:
            gradients = np.array([3.0, 4.0], dtype=dtype)
            self.assertEqual(tapeloom.gradient_norm(gradients), 5.0)
            self.assertEqual(tapeloom.clip_by_norm(gradients, 10.0), 5.0)
            np.testing.assert_array_equal(gradients, [3.0, 4.0])
            self.assertEqual(tapeloom.clip_by_norm(gradients, 1.0), 5.0)
            np.testing.assert_allclose(gradients, [0.6, 0.8], rtol=1e-6)
            gradients = np.array([-3.0, 0.5, np.nan], dtype=dtype)
            tapeloom.clip_by_value(gradients, 1.0)
            np.testing.assert_array_equal(gradients, [-1.0, 0.5, np.nan])

    def test_clipping_needs_what_can_be_written(self):
        executor = Net().compile()
        x, y = data()
        executor.bind(x=x, y=y)
        executor.step()
        with self.assertRaisesRegex(tapeloom.BindError, "cannot be written"):
            tapeloom.clip_by_norm(executor.gradients, 1.0)
        with self.assertRaises(tapeloom.BindError):
            tapeloom.clip_by_norm(np.zeros((4, 4))[:, ::2], 1.0)
        with self.assertRaises(TypeError):
            tapeloom.clip_by_norm([1.0], 1.0)

    def test_shuffling(self):
        order = tapeloom.shuffle_rows(np.arange(100, dtype=np.uint32), 7, 0)
        self.assertEqual(order.dtype, np.uint32)
        self.assertEqual(sorted(order), list(range(100)))
        np.testing.assert_array_equal(order, tapeloom.shuffle_rows(range(100), 7, 0))
        self.assertFalse(np.array_equal(order, tapeloom.shuffle_rows(range(100), 7, 1)))
        training, validation = tapeloom.split_rows(100, 0.25, 3)
        self.assertEqual((len(training), len(validation)), (75, 25))
        self.assertEqual(sorted([*training, *validation]), list(range(100)))
        with self.assertRaises(tapeloom.BindError):
            tapeloom.split_rows(100, 1.0, 3)

    def test_split_mix(self):
        def reference_numbers(state):  # figure 16 of the paper
            while True:
                state = (state + 0x9E3779B97F4A7C15) % 2**64
                z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
                z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
                yield z ^ z >> 31

        generator, expected = tapeloom.SplitMix64(42), reference_numbers(42)
        for _ in range(10):
            self.assertEqual(generator(), next(expected))
        self.assertTrue(all(generator.below(7) < 7 for _ in range(100)))
        with self.assertRaises(tapeloom.BindError):
            generator.below(0)


if __name__ == "__main__":
    unittest.main()
