"""Value means what micrograd's means: numbers, gradients, sets, signs."""

import math
import os
import random
import sys
import unittest

sys.path.insert(0, os.environ["TAPELOOM_SOURCE"] + "/bench/python")
import closures

import tapeloom
from tapeloom.engine import Value
from tapeloom.graph import trace


class Published(unittest.TestCase):
    """The numbers of micrograd's own README and test, which PyTorch confirms there."""

    def test_readme(self):
        a, b = Value(-4.0), Value(2.0)
        c = a + b
        d = a * b + b**3
        c += c + 1
        c += 1 + c + (-a)
        d += d * 2 + (b + a).relu()
        d += 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        g = f / 2.0
        g += 10.0 / f
        self.assertEqual(f"{g.data:.4f}", "24.7041")
        g.backward()
        self.assertEqual(f"{a.grad:.4f}", "138.8338")
        self.assertEqual(f"{b.grad:.4f}", "645.5773")

    def test_sanity(self):
        x = Value(-4.0)
        z = 2 * x + 2 + x
        q = z.relu() + z * x
        h = (z * z).relu()
        y = h + q + q * x
        y.backward()
        self.assertEqual((y.data, x.grad), (-20.0, 46.0))


class Attributes(unittest.TestCase):
    def test_leaf(self):
        v = Value(2, label="v")
        self.assertEqual((v.data, v.grad, v.label, v._prev, v._op), (2.0, 0.0, "v", set(), ""))
        self.assertEqual(repr(v), "Value(data=2.0, grad=0.0)")
        v.data += 1
        v.grad = 3
        v.label = "w \u00e9"
        self.assertEqual((v.data, v.grad, v.label), (3.0, 3.0, "w \u00e9"))
        self.assertIs(type(v.data), float)
        v._backward()

    def test_operations(self):
        a, b = Value(1.5), Value(0.5)
        for value, op, operands in [
            (a + b, "+", {a, b}),
            (a * b, "*", {a, b}),
            (a * a, "*", {a}),
            (a**2, "**2", {a}),
            (a**-0.5, "**-0.5", {a}),
            (a**b, "**", {a, b}),
            (a.tanh(), "tanh", {a}),
            (a.exp(), "exp", {a}),
            (a.relu(), "ReLU", {a}),
            (a < b, "<", {a, b}),
            (tapeloom.where(a < b, a, b), "where", None),
        ]:
            with self.subTest(op=op):
                self.assertEqual(value._op, op)
                if operands is not None:
                    self.assertEqual(value._prev, operands)
                    self.assertTrue(all(any(o is p for p in operands) for o in value._prev))

    def test_differences_and_quotients_are_micrograds_formulas(self):
        for module in (closures, tapeloom):
            a, b = module.Value(6.0, label="a"), module.Value(2.0, label="b")

            def written(v):
                if not v._op:
                    return v.label or str(v.data)
                return v._op + "(" + " ".join(sorted(written(p) for p in v._prev)) + ")"

            self.assertEqual(written(a - b), "+(*(-1.0 b) a)".replace("-1.0", str(-1 if module is closures else -1.0)))
            self.assertEqual(written(a / b), "*(**-1(b) a)")
            self.assertEqual(written(a - 3), "+(-3 a)" if module is closures else "+(-3.0 a)")
            self.assertEqual(written(a / 4), "*(0.25 a)")
            self.assertEqual(written(1.0 - a).count("*"), 1)
            self.assertEqual(written(1.0 / a), "*(**-1(a) 1.0)")

    def test_number_is_an_operand(self):
        y = Value(2.0) * 3
        y.backward()
        self.assertEqual(sorted((p.data, p.grad) for p in y._prev), [(2.0, 3.0), (3.0, 2.0)])

    def test_one_living_object_a_node(self):
        a = Value(1.0)
        y = a * 2 + 1
        product = next(p for p in y._prev if p._op)
        self.assertIs(product, next(p for p in y._prev if p._op))
        self.assertEqual(len({product, *y._prev}), 2)
        product.label = "product"
        product.grad = 5.0
        del product  # the recording keeps what belongs to the node
        product = next(p for p in y._prev if p._op)
        self.assertEqual((product.label, product.grad), ("product", 5.0))

    def test_not_a_number(self):
        a = Value(1.0)
        for operation in [lambda: a + "1", lambda: [1.0] * a, lambda: a + None, lambda: a + 1j, lambda: float(a)]:
            self.assertRaises(TypeError, operation)
        for data in ["1", None, [1.0], Value(1.0)]:
            self.assertRaises(TypeError, Value, data)
        self.assertRaises(OverflowError, lambda: a + 10**400)
        with self.assertRaisesRegex(TypeError, "leaf"):
            Value(1.0, (a,), "+")
        with self.assertRaises(AttributeError):
            del a.data
        with self.assertRaises(TypeError):
            a.data = "2"
        with self.assertRaises(TypeError):
            pow(a, 2, 3)
        self.assertEqual(a.data, 1.0)

    def test_equality_is_of_objects(self):
        a, b = Value(1.0), Value(1.0)
        self.assertNotEqual(a, b)
        self.assertEqual(a, a)
        self.assertNotEqual(a, 1.0)
        self.assertEqual(len({a, b, a}), 2)
        self.assertEqual(tapeloom.equal(a, b).data, 1.0)
        self.assertEqual(tapeloom.not_equal(a, b).data, 0.0)

    def test_special_numbers(self):
        inf, nan = math.inf, math.nan
        self.assertEqual((Value(1.0) / 0).data, inf)
        self.assertEqual(Value(1000.0).exp().data, inf)
        self.assertTrue(math.isnan((Value(-1.0) ** 0.5).data))
        self.assertTrue(math.isnan((Value(nan) + 1).data))
        self.assertEqual(Value(1000.0).tanh().data, 1.0)
        self.assertEqual((Value(0.0) ** 0).data, 1.0)


class Backward(unittest.TestCase):
    def test_by_hand(self):
        # The notebook's neuron, one step at a time.
        x1, x2, w1, w2 = Value(2.0), Value(0.0), Value(-3.0), Value(1.0)
        b = Value(6.8813735870195432)
        x1w1, x2w2 = x1 * w1, x2 * w2
        total = x1w1 + x2w2
        n = total + b
        o = n.tanh()
        o.grad = 1.0
        for value in [o, n, b, total, x1w1, x2w2, x1, x2, w1, w2]:
            value._backward()
        gradients = [round(v.grad, 10) for v in (n, b, total, x1, w1, x2, w2)]
        self.assertEqual(gradients, [0.5, 0.5, 0.5, -1.5, 1.0, 0.5, 0.0])

    def test_a_number_set_in_between_counts(self):
        # As a closure does, the product reads its operands' numbers when the sweep comes to it.
        for module in (closures, tapeloom):
            a, b = module.Value(2.0), module.Value(3.0)
            y = a * b
            a.data = 10.0
            y.data = 7.0
            z = y * 2
            z.backward()
            self.assertEqual((z.data, a.grad, b.grad), (14.0, 6.0, 20.0))

    def test_deep_graphs(self):
        for depth in (100_000,):
            x = Value(1.0)
            y = x
            for _ in range(depth):
                y = y + x
            y.backward()
            self.assertEqual(x.grad, depth + 1.0)
            nodes, edges = trace(y)
            self.assertEqual(len(nodes), depth + 1)
            del y, nodes, edges

    def test_random_programs_equal_closures(self):
        for seed in range(150):
            with self.subTest(seed=seed):
                self.check_random_program(random.Random(seed))

    def check_random_program(self, draw):
        ours = [Value(draw.uniform(-2, 2)) for _ in range(4)]
        theirs = [closures.Value(v.data) for v in ours]

        def both(function):
            ours.append(function(ours))
            theirs.append(function(theirs))

        for _ in range(draw.randrange(5, 60)):
            i, j = draw.randrange(len(ours)), draw.randrange(len(ours))
            number = draw.choice([2, -1, 0.5, 3.0, True])
            action = draw.randrange(16)
            if action == 0:
                both(lambda v: v[i] + v[j])
            elif action == 1:
                both(lambda v: v[i] * v[j])
            elif action == 2:
                both(lambda v: v[i] - v[j])
            elif action == 3 and abs(ours[j].data) > 1e-3:
                both(lambda v: v[i] / v[j])
            elif action == 4:
                both(lambda v: number + v[i])
            elif action == 5:
                both(lambda v: v[i] * number)
            elif action == 6:
                both(lambda v: number - v[i])
            elif action == 7 and abs(ours[i].data) > 1e-3:
                both(lambda v: number / v[i])
            elif action == 8:
                both(lambda v: v[i].tanh())
            elif action == 9 and abs(ours[i].data) < 5:
                both(lambda v: v[i].exp())
            elif action == 10:
                both(lambda v: v[i].relu())
            elif action == 11 and abs(ours[i].data) < 100:
                both(lambda v: v[i] ** 2)
            elif action == 12:
                both(lambda v: -v[i])
            elif action == 13 and ours[i].data > 0.01:
                both(lambda v: v[i].log())
            elif action == 14:  # gradients are not set to zero in between
                ours[i].backward()
                theirs[i].backward()
            elif action == 15 and not ours[i]._op:
                ours[i].data = theirs[i].data = draw.uniform(-2, 2)
        ours[-1].backward()
        theirs[-1].backward()
        for a, b in zip(ours, theirs):
            self.assert_close(a.data, b.data)
            self.assert_close(a.grad, b.grad)

    def assert_close(self, a, b):
        self.assertTrue(a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-6), (a, b))


class Functions(unittest.TestCase):
    def test_of_values_and_numbers(self):
        x = Value(0.3)
        for name in ["exp", "log", "tanh", "sin", "cos", "sqrt", "atan", "log1p", "expm1"]:
            function, right = getattr(tapeloom, name), getattr(math, name)(0.3)
            self.assertAlmostEqual(function(x).data, right, places=15)
            self.assertAlmostEqual(getattr(x, name)().data, right, places=15)
            self.assertIs(type(function(0.3)), float)
            self.assertAlmostEqual(function(0.3), right, places=15)
        self.assertEqual(tapeloom.max(x, 1.0).data, 1.0)
        self.assertEqual(tapeloom.min(x, 1).data, 0.3)
        self.assertEqual(abs(Value(-2.0)).data, 2.0)
        self.assertIs(+x, x)
        self.assertRaises(TypeError, tapeloom.exp)
        self.assertRaises(TypeError, tapeloom.exp, "1")
        self.assertRaises(TypeError, tapeloom.max, x)

    def test_lists(self):
        a, b = Value(1.0), Value(2.0)
        self.assertEqual(tapeloom.sum([a, b, 3]).data, 6.0)
        self.assertEqual(tapeloom.sum(v * 2 for v in (a, b)).data, 6.0)
        self.assertEqual(sum([a, b]).data, 3.0)
        self.assertEqual(tapeloom.mean((a, b)).data, 1.5)
        self.assertEqual(tapeloom.dot([a, b], [3, b]).data, 7.0)
        self.assertEqual(tapeloom.sum([]), 0.0)
        self.assertRaises(tapeloom.RecordingError, tapeloom.mean, [])
        self.assertRaises(ValueError, tapeloom.dot, [a], [a, b])
        self.assertRaises(TypeError, tapeloom.sum, a)

    def test_functions_written_with_others(self):
        x, y = Value(0.5), Value(-2.0)
        normal = 0.5 * (1 + math.erf(0.5 / math.sqrt(2)))
        self.assertAlmostEqual(tapeloom.gelu(x).data, 0.5 * normal, places=15)
        self.assertAlmostEqual(tapeloom.silu(x).data, 0.5 / (1 + math.exp(-0.5)), places=15)
        self.assertAlmostEqual(tapeloom.elu(y).data, math.exp(-2.0) - 1, places=15)
        self.assertAlmostEqual(tapeloom.elu(y, 0.5).data, 0.5 * (math.exp(-2.0) - 1), places=15)
        self.assertEqual([tapeloom.clamp(v, -1, 1).data for v in (x, y)], [0.5, -1.0])
        self.assertAlmostEqual(tapeloom.logsumexp([x, y, 1000.0]).data, 1000.0, places=12)
        probabilities = [math.exp(v.data) for v in tapeloom.log_softmax([x, y, Value(0.0)])]
        self.assertAlmostEqual(sum(probabilities), 1.0, places=14)
        self.assertEqual(tapeloom.fmax(x, math.nan).data, 0.5)
        self.assertTrue(tapeloom.isfinite(x))
        self.assertFalse(tapeloom.isnan(2.0))
        self.assertIs(tapeloom.isinf(math.inf), True)
        self.assertEqual(tapeloom.where(tapeloom.signbit(y), -y, y).data, 2.0)

    def test_conditions(self):
        a, b = Value(1.0), Value(2.0)
        self.assertIs(type(a < b), tapeloom.Condition)
        self.assertTrue(a < b)
        self.assertFalse(a >= b)
        self.assertTrue(0 < a)
        self.assertEqual(((a < b) & (b < a)).data, 0.0)
        self.assertEqual(((a < b) | (b < a)).data, 1.0)
        self.assertEqual((~(a < b)).data, 0.0)
        self.assertEqual(tapeloom.where((a < b) & (a > 0), a * 2, b).data, 2.0)
        self.assertIs(max(a, b), b)
        self.assertEqual([v.data for v in sorted([b, a])], [1.0, 2.0])
        self.assertRaises(TypeError, lambda: (a < b) & True)
        self.assertTrue(a)  # of any other Value, as in micrograd
        self.assertTrue(Value(0.0))
        self.assertRaises(TypeError, type(a < b))


if __name__ == "__main__":
    unittest.main()
