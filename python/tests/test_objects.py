"""Objects in whatever order: deleted, copied, pickled, subclassed, shared by threads; and the memory they keep."""

import copy
import gc
import os
import pickle
import random
import subprocess
import sys
import textwrap
import threading
import unittest
import weakref

import tapeloom
from tapeloom.engine import Value
from tapeloom.nn import MLP


def resident():
    """Bytes of the process's memory that are in use."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Parameter(Value):
    """A subclass with attributes of its own."""

    def __init__(self, data, label="", rate=0.1):
        super().__init__(data, label=label)
        self.rate = rate


class Copies(unittest.TestCase):
    def test_leaves(self):
        v = Value(2.0, label="v")
        v.grad = 3.0
        p = tapeloom.parameter(4.0, "p")
        own = Parameter(5.0, rate=0.5)
        own.label = "own"
        for duplicate in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
            for original in (v, p, own):
                made = duplicate(original)
                self.assertIsNot(made, original)
                self.assertIs(type(made), type(original))
                self.assertEqual((made.data, made.grad, made.label), (original.data, original.grad, original.label))
                made.data += 1
                self.assertNotEqual(made.data, original.data)
            self.assertEqual(duplicate(own).rate, 0.5)

    def test_shared_leaves_stay_shared(self):
        a = Value(1.0)
        b, c = copy.deepcopy([a, a])
        self.assertIs(b, c)

    def test_computed_values_are_refused(self):
        y = Value(1.0) * 2
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with self.assertRaisesRegex(TypeError, "computed from other Values"):
                duplicate(y)


class Subclasses(unittest.TestCase):
    def test_attributes_and_operators(self):
        p = Parameter(2.0, label="w", rate=0.25)
        self.assertEqual((p.data, p.label, p.rate), (2.0, "w", 0.25))
        y = p * 3 + 1
        self.assertIs(type(y), Value)
        y.backward()
        self.assertEqual(p.grad, 3.0)
        self.assertEqual(repr(p), "Parameter(data=2.0, grad=3.0)")
        self.assertIn(p, next(v for v in y._prev if v._op)._prev)

    def test_weak_references_and_cycles(self):
        p = Parameter(1.0)
        p.me = p
        seen = weakref.ref(p)
        del p
        gc.collect()
        self.assertIsNone(seen())

    def test_overridden_operator(self):
        class Loud(Value):
            def __add__(self, other):
                return "loud"

        self.assertEqual(Loud(1.0) + 1, "loud")
        self.assertEqual((1 + Loud(1.0)).data, 2.0)

    def test_own_arguments(self):
        class Scaled(Value):
            def __init__(self, a, b, *, c):
                super().__init__(a * b * c)

        self.assertEqual(Scaled(2.0, 3.0, c=4.0).data, 24.0)
        self.assertEqual(copy.deepcopy(Scaled(2.0, 3.0, c=4.0)).data, 24.0)

        class Forgetful(Value):
            def __init__(self):
                pass

        self.assertEqual((Forgetful() + 1).data, 1.0)


class Memory(unittest.TestCase):
    def test_a_loop_keeps_its_memory(self):
        weights = [Value(0.1 * i) for i in range(50)]

        def step():
            loss = Value(0.0)
            for w in weights:
                loss = loss + (w * 2 - 1).tanh() ** 2
            for w in weights:
                w.grad = 0.0
            loss.backward()
            for w in weights:
                w.data -= 0.01 * w.grad
            return loss

        most = 0
        for _ in range(3000):  # of some 500 nodes each
            loss = step()  # the last one's lives meanwhile
            most = max(most, tapeloom.recorded_nodes())
        self.assertLess(most, 200_000)
        tapeloom.compact()
        self.assertLess(tapeloom.recorded_nodes(), 100_000)
        self.assertLess(loss.data, 60.0)

    def test_what_is_alive_survives(self):
        tapeloom.compact()
        a, b = Value(2.0, label="a"), Value(3.0)
        y = (a * b + 1).exp()
        y.backward()
        before = (y.data, a.grad, b.grad)
        operands = y._prev
        for _ in range(200_000):
            Value(1.0)
        tapeloom.compact()
        self.assertEqual((y.data, a.grad, b.grad, a.label), before + ("a",))
        self.assertEqual(y._prev, operands)
        self.assertIs(next(iter(y._prev)), next(iter(operands)))
        a.grad = b.grad = 0.0
        for v in operands:
            v.grad = 0.0
        product = next(v for v in next(iter(operands))._prev if v._op)
        product.grad = 0.0
        y.backward()
        self.assertEqual((y.data, a.grad, b.grad), before)
        self.assertEqual((a**2)._op, "**2")
        square = a**2
        tapeloom.compact()
        self.assertEqual((square._op, square._prev), ("**2", {a}))

    def test_inputs_with_a_name_again(self):
        x = tapeloom.inputs("same", 2)
        y = tapeloom.inputs("same", 2)
        u = tapeloom.uniform_input("same")
        self.assertEqual(len({*x, *y, u}), 5)
        self.assertRaises(tapeloom.RecordingError, tapeloom.inputs, "none", 0)
        self.assertRaises(tapeloom.RecordingError, tapeloom.inputs, "", 1)

    def test_names_in_programs_are_the_users_own(self):
        def names(y):
            program = tapeloom.compile(tapeloom.batch_sum(y), outputs=[y], gradients=False).program
            return [name for name, _, _ in program.input_groups], [name for name, _ in program.uniform_inputs]

        first, u = tapeloom.input("twice"), tapeloom.uniform_input("once")
        x, v = tapeloom.input("twice"), tapeloom.uniform_input("once")
        y = x * v
        self.assertEqual(names(y), (["twice"], ["once"]))
        for _ in range(5):
            Value(0.0)
        tapeloom.compact()
        self.assertEqual(names(y), (["twice"], ["once"]))
        self.assertEqual(names(first * u), (["twice"], ["once"]))

        # A name of the recording's that nothing has any more is free.
        del x, v, y
        tapeloom.compact()
        self.assertEqual(names(tapeloom.input("twice (2)") * tapeloom.uniform_input("once (2)")),
                         (["twice (2)"], ["once (2)"]))

    @unittest.skipUnless(os.path.exists("/proc/self/statm"), "needs /proc")
    def test_a_hundred_thousand_steps(self):
        tapeloom.compact()
        net = MLP(2, [2, 1])
        alive = tapeloom.recorded_nodes()
        most = 0

        def steps(count):
            nonlocal most
            for _ in range(count):
                loss = (net([0.5, -1.0]) - 1.0) ** 2
                net.zero_grad()
                loss.backward()
                for p in net.parameters():
                    p.data -= 0.01 * p.grad
                most = max(most, tapeloom.recorded_nodes())

        steps(10_000)  # the tape has been compacted and is as large as it gets
        before = resident()
        steps(100_000)
        self.assertLess(resident() - before, 1_000_000)
        self.assertLess(most, (1 << 17) + 3 * alive + 1000)

    @unittest.skipUnless(os.path.exists("/proc/self/statm"), "needs /proc")
    def test_bytes_of_a_node(self):
        # In a process of its own, where no memory is that was used before.
        script = textwrap.dedent("""
            import gc, os
            from tapeloom.engine import Value
            from test_objects import resident
            gc.disable()
            first, count = 1_200_000, 2_000_000  # between them no array grows
            a, kept = Value(1.0), [None] * count
            for i in range(first):
                kept[i] = a + a
            before = resident()
            for i in range(first, count):
                kept[i] = a + a
            print((resident() - before) / (count - first))
        """)
        paths = os.pathsep.join([os.path.dirname(os.path.abspath(__file__)), os.environ.get("PYTHONPATH", "")])
        result = subprocess.run([sys.executable, "-B", "-c", script], env={**os.environ, "PYTHONPATH": paths},
                                check=True, capture_output=True, text=True)
        # An object of Python's is 32 bytes, a node 17, what finds the object by the node 8.
        self.assertLess(float(result.stdout), 64.0)
        self.assertGreater(float(result.stdout), 32.0)

    @unittest.skipUnless(os.path.exists("/proc/self/statm"), "needs /proc")
    def test_no_leak(self):
        a, b = Value(1.5), Value(0.5)

        def work(count):
            for _ in range(count):
                y = (a + b) * 2 - a / b
                y = y.tanh() if y < 10 else y
                y._prev, y._op, y.label, repr(y)
                y.backward()
                try:
                    a + "x"
                except TypeError:
                    pass
                try:
                    y.data = "x"
                except TypeError:
                    pass
                copy.copy(a)

        work(20_000)
        tapeloom.compact()
        before = resident()
        work(60_000)
        tapeloom.compact()
        self.assertLess(resident() - before, 2_000_000)


class Anything(unittest.TestCase):
    """Random deeds, by several threads; every Value is compared with numbers kept beside it."""

    def run_deeds(self, seed, count):
        draw = random.Random(seed)
        alive = [(Value(0.5), 0.5)]
        for _ in range(count):
            deed = draw.randrange(12)
            value, number = alive[draw.randrange(len(alive))]
            other, second = alive[draw.randrange(len(alive))]
            if deed < 4:
                made = [(value + other, number + second), (value * 0.5, number * 0.5),
                        (tapeloom.max(value, other), max(number, second)), (value - 1, number - 1)][deed]
                alive.append(made)
            elif deed == 4:
                alive.append((Value(number), number))
            elif deed == 5:
                del alive[draw.randrange(len(alive))]
                alive.append((Parameter(1.0), 1.0))
            elif deed == 6 and not value._op and not value._prev:
                alive.append((draw.choice([copy.copy, copy.deepcopy])(value), number))
            elif deed == 7:
                value._prev
            elif deed == 8:
                value.backward()
            elif deed == 9:
                value.label = "x" * draw.randrange(5)
            elif deed == 10 and draw.randrange(20) == 0:
                draw.choice([tapeloom.compact, gc.collect])()
            elif deed == 11 and len(alive) > 30:
                del alive[draw.randrange(10):]
                alive.append((Value(0.25), 0.25))
            for v, n in alive:
                if v.data != n:
                    raise AssertionError((v, n))
        return True

    def test_alone(self):
        for seed in range(20):
            self.assertTrue(self.run_deeds(seed, 400))

    def test_threads(self):
        results = []
        threads = [threading.Thread(target=lambda i=i: results.append(self.run_deeds(100 + i, 1500))) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [True] * 6)


if __name__ == "__main__":
    unittest.main()
