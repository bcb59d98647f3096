"""Pickling and copying."""

import copy
import pickle
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import tapeloom
from nets import Net, data, reference


class Copies(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data()
        self.executor = self.net.compile(max_samples=77, threads=1)
        self.executor.bind(x=self.x, y=self.y)
        self.executor.step()
        self.executor.parameters -= 0.1 * self.executor.gradients

    def test_an_executor_is_pickled_with_its_parameters_and_options(self):
        for dtype in ["float64", "float32"]:
            executor = self.net.compile(dtype=dtype, max_samples=77)
            executor.parameters *= 0.3
            executor.set_frozen([0, 5])
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                again = pickle.loads(pickle.dumps(executor, protocol))
                np.testing.assert_array_equal(again.parameters, executor.parameters)
                self.assertEqual((again.dtype, again.max_samples), (executor.dtype, 77))
                self.assertEqual(again.trained, executor.trained)
            with self.assertRaises(tapeloom.BindError):
                again.step()
            again.bind(x=self.x, y=self.y)
            executor.bind(x=self.x, y=self.y)
            self.assertEqual(again.step(), executor.step())
            again.parameters[0] = 1.0
            self.assertNotEqual(executor.parameters[0], 1.0)

    def test_another_process_needs_nothing_else(self):
        with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
            pickle.dump((self.executor, self.x, self.y), file)
            file.flush()
            program = (
                "import pickle, sys\n"
                "executor, x, y = pickle.load(open(sys.argv[1], 'rb'))\n"
                "executor.bind(x=x, y=y)\n"
                "print(executor.step().hex())\n"
            )
            printed = subprocess.run(
                [sys.executable, "-B", "-c", program, file.name], check=True, capture_output=True, text=True
            ).stdout
        self.assertEqual(printed.strip(), self.executor.step().hex())

    def test_values_are_not_pickled(self):
        again = pickle.loads(pickle.dumps(self.executor))
        with self.assertRaisesRegex(tapeloom.BindError, "write_back"):
            again.write_back()
        again.write_back(self.net.parameters())
        np.testing.assert_array_equal(self.net.numbers(), self.executor.parameters)

    def test_copies(self):
        for make in [copy.copy, copy.deepcopy]:
            again = make(self.executor)
            np.testing.assert_array_equal(again.parameters, self.executor.parameters)
            again.parameters[:] = 0.0
            self.assertTrue(self.executor.parameters.any())
            self.assertEqual(again.program.hash(), self.executor.program.hash())
        copy.copy(self.executor).write_back()
        with self.assertRaises(tapeloom.BindError):
            copy.deepcopy(self.executor).write_back()

    def test_uniform_inputs_go_along(self):
        a, t = tapeloom.Value(3.0), tapeloom.uniform_input("t", 2.0)
        executor = tapeloom.compile(a * t, [a])
        executor.set_uniform_input("t", 7.0)
        self.assertEqual(pickle.loads(pickle.dumps(executor)).step(), 21.0)
        self.assertEqual(copy.copy(executor).step(), 21.0)

    def test_programs(self):
        program = Net(seed=4).compile().program
        again = pickle.loads(pickle.dumps(program))
        self.assertEqual(again.hash(), program.hash())
        self.assertEqual(tapeloom.Executor(again).parameters.tolist(), tapeloom.Executor(program).parameters.tolist())

    def test_what_is_no_pickle_of_ours(self):
        with self.assertRaises((ValueError, TypeError)):
            tapeloom.Executor.__new__(tapeloom.Executor).__setstate__(("a",))
        with self.assertRaises(TypeError):
            pickle.dumps(tapeloom.Trainer(self.executor, {"x": self.x, "y": self.y}))

    def test_setting_the_state_of_what_is_there(self):
        state = self.executor.__getstate__()
        views = [self.executor.parameters, self.executor.outputs]
        before = [v.copy() for v in views]
        try:
            self.executor.__setstate__(state)
        except TypeError:
            pass
        try:
            self.executor.__init__(self.net.compile().program)
        except TypeError:
            pass
        for view, expected in zip(views, before):
            np.testing.assert_array_equal(view, expected)


if __name__ == "__main__":
    unittest.main()
