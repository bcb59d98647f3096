"""The notebooks' programs: with the class left out and ours imported in its place they print the same numbers."""

import ast
import contextlib
import io
import os
import pathlib
import random
import re
import sys
import unittest

source = pathlib.Path(os.environ["TAPELOOM_SOURCE"])
sys.path.insert(0, str(source / "bench" / "python"))
import closures

import tapeloom.engine


def printed(tree, **names):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(tree, "notebook", "exec"), names)
    return output.getvalue()


class Pages(unittest.TestCase):
    def test_the_page_on_notebooks(self):
        text = (source / "examples" / "docs" / "notebooks.py").read_text(encoding="utf-8")
        theirs = ast.parse(text)
        ours = ast.parse(text)
        ours.body = [s for s in ours.body if getattr(s, "name", "") not in ("Value", "as_value")]
        self.assertEqual(len(ours.body), len(theirs.body) - 2)
        self.assertEqual(printed(ours, Value=tapeloom.engine.Value), printed(theirs))


class Walks(unittest.TestCase):
    """The steps of the five notebooks, in our words, by both classes."""

    def compare(self, program):
        texts = []
        for module in (closures, tapeloom.engine):
            random.seed(7)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                program(module.Value)
            texts.append(output.getvalue())
        number = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
        theirs, ours = ([float(n) for n in number.findall(text)] for text in texts)
        self.assertGreater(len(theirs), 2)
        self.assertEqual(len(theirs), len(ours))
        for a, b in zip(theirs, ours):
            self.assertAlmostEqual(a, b, delta=1e-9 * max(1.0, abs(a)))
        return ours

    def test_expression_by_hand_and_by_sweep(self):
        def program(Value):
            a, b, c, f = Value(2.0), Value(-3.0), Value(10.0), Value(-2.0)
            e = a * b
            d = e + c
            result = d * f
            result.backward()
            for v in (result, f, d, c, e, b, a):
                print(v.data, v.grad)
            for v in (a, b, c, f):
                v.data += 0.01 * v.grad
            print((a * b + c) * f)

        self.assertEqual(self.compare(program)[:6], [-8.0, 1.0, -2.0, 4.0, 4.0, -2.0])

    def test_a_neuron_by_tanh_and_by_its_parts(self):
        def program(Value):
            for parts in (False, True):
                x1, x2, w1, w2 = Value(2.0), Value(0.0), Value(-3.0), Value(1.0)
                n = x1 * w1 + x2 * w2 + Value(6.8813735870195432)
                if parts:
                    e = (2 * n).exp()
                    o = (e - 1) / (e + 1)
                else:
                    o = n.tanh()
                o.backward()
                print(o.data, x1.grad, w1.grad, x2.grad, w2.grad)

        numbers = self.compare(program)
        for a, b in zip(numbers[:5], [0.7071067811865476, -1.5, 1.0, 0.5, 0.0]):
            self.assertAlmostEqual(a, b)

    def test_training(self):
        def program(Value):
            class Neuron:
                def __init__(self, inputs):
                    self.w = [Value(random.uniform(-1, 1)) for _ in range(inputs)]
                    self.b = Value(random.uniform(-1, 1))

                def __call__(self, x):
                    return sum((wi * xi for wi, xi in zip(self.w, x)), self.b).tanh()

                def parameters(self):
                    return self.w + [self.b]

            layers = [[Neuron(3) for _ in range(4)], [Neuron(4) for _ in range(4)], [Neuron(4)]]
            parameters = [p for layer in layers for n in layer for p in n.parameters()]
            print(len(parameters))

            def net(x):
                for layer in layers:
                    x = [n(x) for n in layer]
                return x[0]

            rows = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
            for step in range(30):
                predictions = [net(x) for x in rows]
                loss = Value(0.0)
                for out, target in zip(predictions, [1.0, -1.0, -1.0, 1.0]):
                    loss = loss + (out - target) ** 2
                if step != 3:  # the mistake that everybody makes once
                    for p in parameters:
                        p.grad = 0.0
                loss.backward()
                for p in parameters:
                    p.data += -0.05 * p.grad
                print(step, loss.data)
            print([p.data for p in predictions])

        self.assertEqual(self.compare(program)[0], 41)


if __name__ == "__main__":
    unittest.main()
