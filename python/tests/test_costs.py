"""What calls cost, in time and memory."""

import gc
import os
import pickle
import time
import unittest

import numpy as np

import tapeloom
from nets import Net, data


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Costs(unittest.TestCase):
    def test_a_step_from_python_takes_at_most_300_ns_beyond_that_of_cpp(self):
        for dtype in ["float32", "float64"]:
            executor = Net().compile(dtype=dtype)
            x, y = data(4)
            executor.bind(x=x.astype(dtype), y=y.astype(dtype))
            step, rounds = executor.step, range(2000)
            python, cpp = [], []
            for _ in range(40):  # by turns; the fastest of each, since others may be at work, too
                start = time.perf_counter()
                for _ in rounds:
                    step()
                python.append((time.perf_counter() - start) / len(rounds))
                cpp.append(executor._seconds_of_steps(len(rounds)))
            beyond = min(python) - min(cpp)
            print(f"{dtype}: a step takes {min(cpp) * 1e9:.0f} ns, from Python {beyond * 1e9:.0f} more")
            self.assertLess(beyond, 300e-9)

    def steady(self, work, count, most=2 << 20):
        for _ in range(count // 4):
            work()
        gc.collect()
        before = resident_bytes()
        for _ in range(count):
            work()
        gc.collect()
        self.assertLess(resident_bytes() - before, most)

    def test_nothing_is_lost_in_a_million_steps(self):
        executor = Net().compile(threads=1)
        x, y = data(4)
        executor.bind(x=x, y=y)
        optimizer = tapeloom.Adam()

        def work():
            for _ in range(100):
                executor.step()
            executor.outputs, executor.gradients, executor.parameters
            executor.step([0, 1])
            executor.step(np.array([1], dtype=np.uint32))
            optimizer.update(executor)

        self.steady(work, 10_000)

    def test_nothing_is_lost_in_binding(self):
        executor = Net().compile()

        def work():
            x, y = data(50)
            executor.bind(x=x, y=y)
            for wrong in [x.T, x.astype(int), [1.0]]:
                try:
                    executor.bind(x=wrong)
                except (tapeloom.BindError, TypeError):
                    pass

        self.steady(work, 3000)

    def test_nothing_is_lost_in_compiling_training_and_pickling(self):
        net = Net()
        x, y = data(20)

        def work():
            executor = net.compile(threads=1)
            tapeloom.fit(executor, {"x": x, "y": y}, epochs=2, validation_fraction=0.2,
                         metrics={"m": lambda o, r: 0.0}, on_step=lambda r: None)
            trainer = tapeloom.Trainer(executor, {"x": x, "y": y}, on_step=lambda r: trainer.history)
            trainer.step()
            executor.write_back()
            executor.program.explain()
            del trainer
            gc.collect(0)  # a cycle through the callback, with all that an executor holds

        self.steady(work, 400)
        executor = net.compile(threads=1)
        self.steady(lambda: pickle.loads(pickle.dumps(executor)), 200)


if __name__ == "__main__":
    unittest.main()
