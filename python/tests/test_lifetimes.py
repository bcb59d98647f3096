"""Objects of the compiled half, made, used, copied, pickled and dropped in any order."""

import copy
import gc
import pickle
import random
import threading
import unittest

import numpy as np

import tapeloom
from nets import Net, data


class Own(tapeloom.Executor):
    """A subclass with attributes."""


class Lifetimes(unittest.TestCase):
    actions = 4000

    def setUp(self):
        self.random = random.Random(7)
        self.net = Net()
        self.pools = {"executor": [self.net.compile(threads=1)], "view": [], "array": [data(20)], "trainer": [],
                      "program": [], "optimizer": [tapeloom.Adam()], "state": []}

    def any(self, kind):
        return self.random.choice(self.pools[kind])

    def do_compile(self):
        self.pools["executor"].append(self.net.compile(threads=1, dtype=self.random.choice(["float32", "float64"])))

    def do_bind(self):
        x, y = self.any("array")
        self.any("executor").bind(x=x, y=y)

    def do_bind_badly(self):
        x, _ = self.any("array")
        self.any("executor").bind(x=x.copy(), y=np.zeros(0))

    def do_array(self):
        x, y = data(self.random.randrange(8, 40))
        self.pools["array"].append((x.astype(self.random.choice([np.float32, np.float64])), y))

    def do_resize(self):
        x, _ = self.any("array")
        x.resize((1000, 3), refcheck=False)

    def do_step(self):
        self.any("executor").step(0, 4)

    def do_views(self):
        executor = self.any("executor")
        self.pools["view"] += [executor.parameters, executor.outputs, executor.gradients]

    def do_read(self):
        self.assertTrue(np.isfinite(self.any("view").sum()))

    def do_share(self):
        executor = self.any("executor")
        self.pools["executor"].append(tapeloom.Executor(executor.program, parameters_of=executor, threads=1))

    def do_subclass(self):
        executor = Own(self.any("executor").program, threads=1)
        executor.itself = executor
        self.pools["executor"].append(executor)

    def do_copy(self):
        self.pools["executor"].append(self.random.choice([copy.copy, copy.deepcopy])(self.any("executor")))

    def do_pickle(self):
        kind = self.random.choice(["executor", "optimizer", "program"])
        self.pools[kind].append(pickle.loads(pickle.dumps(self.any(kind))))

    def do_program(self):
        self.pools["program"].append(self.any("executor").program)

    def do_optimizer(self):
        self.pools["optimizer"].append(self.random.choice([tapeloom.Adam(1e-3), tapeloom.Sgd(1e-3)]))

    def do_update(self):
        self.any("optimizer").update(self.any("executor"))

    def do_trainer(self):
        x, y = self.any("array")
        trainer = tapeloom.Trainer(
            self.any("executor"), {"x": x, "y": y}, epochs=5, batch=8, optimizer=self.any("optimizer"),
            validation_fraction=0.2, on_step=lambda report: trainer is not None,
            metrics={"m": lambda outputs, rows: outputs.mean()},
        )
        self.pools["trainer"].append(trainer)

    def do_train(self):
        self.any("trainer").step()

    def do_state(self):
        self.pools["state"].append(self.any("trainer").state())

    def do_restore(self):
        self.any("trainer").restore(self.any("state"))

    def do_fit_in_a_callback(self):
        x, y = self.any("array")
        executor, other = self.any("executor"), self.any("executor")
        tapeloom.fit(executor, {"x": x, "y": y}, epochs=1, batch=8,
                     on_step=lambda report: tapeloom.fit(other, {"x": x, "y": y}, epochs=1, batch=8))

    def do_write_back(self):
        self.any("executor").write_back()

    def do_values(self):
        self.net = Net(self.random.randrange(100))

    def do_collect(self):
        gc.collect()
        tapeloom.compact()

    def do_drop(self):
        pool = self.pools[self.random.choice(list(self.pools))]
        self.random.shuffle(pool)
        del pool[self.random.randrange(3):]

    def do_threads(self):
        executor = self.any("executor")

        def step():
            try:
                for _ in range(20):
                    executor.step(0, 8)
                    executor.outputs.sum()
            except (RuntimeError, tapeloom.Error):
                pass

        threads = [threading.Thread(target=step) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_any_order(self):
        actions = [getattr(self, name) for name in dir(self) if name.startswith("do_")]
        done, refused = set(), set()
        for _ in range(self.actions):
            action = self.random.choice(actions)
            try:
                action()
                done.add(action.__name__)
            except (tapeloom.Error, RuntimeError, ValueError, IndexError):
                refused.add(action.__name__)
        self.assertEqual({action.__name__ for action in actions} - done, {"do_bind_badly"})
        self.assertIn("do_resize", refused)


if __name__ == "__main__":
    unittest.main()
