"""Several threads of Python: executors of their own run side by side, and one executor refuses a second thread."""

import sys
import threading
import time
import unittest

import numpy as np

import tapeloom
from nets import Net, data
from tapeloom import nn


def wide(samples=2000):
    """Steps of some milliseconds, which run without the interpreter's lock."""
    generator = np.random.default_rng(6)
    x = tapeloom.inputs("x", 32)
    w = [[tapeloom.Value(float(v)) for v in row] for row in generator.normal(scale=0.1, size=(64, 32))]
    hidden = [tapeloom.tanh(tapeloom.dot(row, x)) for row in w]
    loss = tapeloom.batch_mean(tapeloom.sum(hidden) ** 2)
    executor = tapeloom.compile(loss, [p for row in w for p in row], [hidden[0]], max_samples=samples, threads=1)
    executor.bind(generator.normal(size=(samples, 32)))
    return executor


def in_threads(count, work):
    errors = []

    def run(i):
        try:
            work(i)
        except BaseException as error:  # noqa: B036
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


class Threads(unittest.TestCase):
    def test_executors_of_their_own(self):
        net = Net()
        x, y = data(100)
        expected = net.compile()
        tapeloom.fit(expected, {"x": x, "y": y}, epochs=50)
        executors = [net.compile() for _ in range(4)]
        errors = in_threads(4, lambda i: tapeloom.fit(executors[i], {"x": x, "y": y}, epochs=50))
        self.assertEqual(errors, [])
        for executor in executors:
            np.testing.assert_array_equal(executor.parameters, expected.parameters)

    def test_one_executor_is_for_one_thread_at_a_time(self):
        executor = wide()
        optimizer = tapeloom.Sgd(1e-3)
        refused = [0]
        executor.step()

        def work(i):
            for k in range(60):
                for action in [
                    executor.step, lambda: executor.step(0, 10), lambda: executor.outputs.sum(), lambda: executor.loss,
                    lambda: executor.parameters.sum(), lambda: optimizer.update(executor), executor.explain,
                    lambda: executor.bind(np.full((50 + k, 32), 0.5)), lambda: executor.set_frozen(k % 3),
                    lambda: tapeloom.fit(executor, np.full((40, 32), 0.1), epochs=1), executor.write_back,
                    lambda: tapeloom.predict(executor, np.full((3000, 32), 0.1)),
                ]:
                    try:
                        action()
                    except RuntimeError as error:
                        self.assertIn("thread", str(error))
                        refused[0] += 1
                    except tapeloom.BindError:  # results of a step that another thread's has begun anew
                        pass

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            errors = in_threads(4, work)
        finally:
            sys.setswitchinterval(interval)
        self.assertEqual(errors, [])
        self.assertGreater(refused[0], 0)
        executor.bind(np.zeros((10, 32)))
        executor.step()

    def test_the_lock_is_given_back_while_a_long_step_runs(self):
        executor = wide(20000)
        executor.step()
        counted, done = [0], threading.Event()

        def count():
            while not done.is_set():
                counted[0] += 1
                time.sleep(0)

        thread = threading.Thread(target=count)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(60.0)  # so that nothing but a step gives it back
        try:
            thread.start()
            before, deadline = counted[0], time.monotonic() + 10.0
            while counted[0] == before and time.monotonic() < deadline:
                executor.step()  # during one of these, a busy machine may let nobody else run
            during = counted[0] - before
        finally:
            done.set()
            sys.setswitchinterval(interval)
        thread.join()
        self.assertGreater(during, 0)

    def test_recording_in_threads_goes_on_beside_a_fit(self):
        net = Net()
        x, y = data(100)
        executor = net.compile()
        cell = nn.GRUCell(1, 2)
        expected = [v.data for v in cell([0.5])]

        def work(i):
            if i == 0:
                tapeloom.fit(executor, {"x": x, "y": y}, epochs=300)
            elif i == 1:
                for _ in range(300):
                    assert [v.data for v in cell([0.5])] == expected
                    tapeloom.compact()
            else:
                for _ in range(300):
                    a = tapeloom.Value(2.0)
                    b = a * a
                    b.backward()
                    assert a.grad == 4.0
                    tapeloom.compile(b, [a]).step()

        self.assertEqual(in_threads(4, work), [])


if __name__ == "__main__":
    unittest.main()
