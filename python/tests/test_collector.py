"""Garbage that is collected while something is recorded: its finalizers record and compact, and so may a __float__."""

import copy
import gc
import math
import random
import unittest

import tapeloom
from tapeloom import nn
from tapeloom.engine import Value
from tapeloom.nn import MLP


class Own(Value):
    """A subclass, which Python allocates: that may start the collector."""


class Garbage:
    """Only the collector finds it; then it records, drops what nobody needs, and leaves garbage again."""

    collected = 0
    again = True

    def __init__(self):
        self.itself = self

    def __del__(self):
        Garbage.collected += 1
        if Garbage.again:
            Garbage()
            for _ in range(3):
                Value(3.0)
            Value(1.0) * 2 + 1
            tapeloom.compact()


class Number:
    """A number that records, and compacts, when it is asked for."""

    def __init__(self, number):
        self.number = number

    def __float__(self):
        Value(5.0)
        tapeloom.compact()
        return self.number


class Collected(unittest.TestCase):
    def setUp(self):
        threshold = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *threshold)
        self.addCleanup(setattr, Garbage, "again", False)
        for _ in range(20):
            Value(0.0)  # nodes that a compaction drops, so that all others move
        self.a = Value(2.0, label="a")
        self.list = [self.a * (i + 1) for i in range(4)]
        self.model = MLP(4, [3, 2], activation="tanh")
        self.expected = [v.data for v in self.model(self.list)]
        Garbage.again = True
        Garbage.collected = 0
        Garbage()
        gc.set_threshold(1)

    def check(self, work, rounds=200):
        """work() gives what it should twice: computed, and as a number."""
        kept = []  # so that Python takes no list that was used before, and may collect garbage instead
        draw = random.Random(5)
        for _ in range(rounds):
            for _ in range(3):
                Value(0.0)
            kept.append([[] for _ in range(draw.randrange(7))])  # the collector comes at any place of work()
            made, expected = work()
            kept.append(made)
            made = made if isinstance(made, list) else [made]
            expected = expected if isinstance(expected, list) else [expected]
            self.assertEqual([v.data for v in made], expected)
        self.assertEqual(self.a.label, "a")
        self.assertGreater(Garbage.collected, 10)

    def test_subclasses(self):
        self.check(lambda: (Own(7.0), 7.0))

    def test_inputs(self):
        self.check(lambda: (tapeloom.inputs("x", [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]))

    def test_lists_of_results(self):
        expected = [v.data for v in tapeloom.log_softmax(self.list)]
        self.check(lambda: (tapeloom.log_softmax(self.list), expected))

    def test_layers(self):
        self.check(lambda: (self.model(self.list), self.expected))

    def test_layers_of_the_library(self):
        x = tapeloom.inputs("x", [1.0, -2.0, 3.0, 0.5])
        cell = nn.LSTMCell(4, 2)
        norm = nn.LayerNorm(4)
        attention = nn.MultiheadAttention(2, 1)

        def work():
            state = cell(norm(x), cell(x))
            return attention([state.h, state.c])[0] + nn.layer_norm(v * 1 for v in x)

        expected = [v.data for v in work()]
        self.check(lambda: (work(), expected), rounds=50)
        made = nn.Conv1d(1, 1, 2)  # whose parameters are found while garbage is collected
        numbers = [v.data for v in made.parameters()]
        y = made(nn.Signal(1, 2, x[:2])).values[0].data
        self.assertAlmostEqual(y, numbers[0] - 2.0 * numbers[1] + numbers[2])

    def test_generators(self):
        self.check(lambda: (tapeloom.dot((v + 0 for v in self.list), (v * 1 for v in self.list)), 120.0))
        self.check(lambda: (tapeloom.hinge_sum((v * 0 for v in self.list), (v * 0 + 1 for v in self.list)), 4.0))
        rows = [self.list, self.list]
        one = tapeloom.softmax_cross_entropy(self.list, 3).data
        self.check(lambda: (tapeloom.softmax_cross_entropy_sum((iter(row) for row in rows), iter([3, 3])), one + one))

    def test_operands(self):
        def operands(v):
            values = list(v._prev)
            return sorted(values, key=lambda value: value.data), [2.0, 6.0]

        b = Value(6.0)
        y = self.a + b
        self.check(lambda: operands(y))

    def test_copies(self):
        own = Own(7.0, label="own")

        def copied():
            made = copy.copy(own)
            self.assertEqual(made.label, "own")
            return made, 7.0

        self.check(copied)


class Numbers(unittest.TestCase):
    """Whatever a number does when it is read, the Values beside it stay what they are."""

    def test_operands(self):
        for _ in range(20):
            Value(0.0)
            a = Value(2.0)
            self.assertEqual((a + Number(3.0)).data, 5.0)
            self.assertEqual((Number(3.0) - a).data, 1.0)
            self.assertEqual(a.pow(Number(3.0)).data, 8.0)
            self.assertEqual(tapeloom.where(a, Number(3.0), a).data, 3.0)
            self.assertEqual(tapeloom.sum([a, Number(3.0), a]).data, 7.0)
            self.assertEqual(tapeloom.squared_error(a, Number(3.0), a).data, 2.0)
            loss = tapeloom.softmax_cross_entropy([a, a], [Number(0.25), Number(0.75)], a)
            self.assertAlmostEqual(loss.data, 2 * math.log(2.0))

    def test_attributes(self):
        for _ in range(20):
            dropped = [Value(0.0) for _ in range(5)]
            a = Value(2.0)
            del dropped
            a.data = Number(3.0)
            a.grad = Number(4.0)
            self.assertEqual((a.data, a.grad), (3.0, 4.0))

    def test_a_compaction_that_waits_comes_with_the_next_node(self):
        tapeloom.compact()
        before = tapeloom.recorded_nodes()
        for _ in range(1000):
            Value(0.0)
        y = Value(2.0) + Number(3.0)  # asks for it while it cannot be
        self.assertGreater(tapeloom.recorded_nodes(), before + 1000)
        y = y * 2
        self.assertLess(tapeloom.recorded_nodes(), before + 10)
        self.assertEqual(y.data, 10.0)

    def test_lists_that_change_while_they_are_read(self):
        a = Value(2.0)

        class Clearing(Number):
            def __float__(self):
                values.clear()
                return super().__float__()

        values = [a, Clearing(1.0), a, a]
        self.assertEqual(tapeloom.sum(values).data, 3.0)


class Identity(unittest.TestCase):
    def test_a_sum_of_one_value_is_that_value(self):
        dropped = [Value(0.0) for _ in range(5)]
        a = Value(2.0)
        self.assertIs(tapeloom.sum([a]), a)
        made = tapeloom.sum([a])
        del made, dropped
        tapeloom.compact()
        Value(7.0)
        self.assertEqual((a.data, (a * 1).data), (2.0, 2.0))

    def test_a_generator_says_what_is_wrong_with_it(self):
        def broken():
            yield Value(1.0)
            raise TypeError("of its own")

        with self.assertRaisesRegex(TypeError, "of its own"):
            tapeloom.sum(broken())
        with self.assertRaisesRegex(TypeError, "sum: a list of Values or numbers is expected, not 'int'"):
            tapeloom.sum(3)
        with self.assertRaisesRegex(TypeError, "label is a string, not 'int'"):
            Value(1.0).label = 3


if __name__ == "__main__":
    unittest.main()
