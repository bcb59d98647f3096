"""Recorded branches. In a process of their own: a branch counts for all that is compiled later."""

import unittest

import numpy as np

import tapeloom


class Guards(unittest.TestCase):
    def test_a_branch_that_would_go_the_other_way_is_refused(self):
        mark = tapeloom.mark()
        (x,), a = tapeloom.inputs("x", [2.0]), tapeloom.Value(1.5)
        y = a * x if x > 0 else -a * x
        executor = tapeloom.compile(tapeloom.batch_sum(y), [a], branches_from=mark)
        rows = np.array([1.0, 2.0, -1.0])
        executor.bind(x=rows)
        with self.assertRaises(tapeloom.GuardError) as caught:
            executor.step()
        self.assertEqual(caught.exception.sample, 2)
        self.assertIsInstance(caught.exception, ArithmeticError)
        self.assertEqual(executor.step(0, 2), 4.5)

    def test_a_branch_is_kept_as_it_went(self):
        mark = tapeloom.mark()
        a, limit = tapeloom.Value(3.0), tapeloom.Value(2.0)
        y = a * 10 if a < limit else a * a
        executor = tapeloom.compile(y, [a], branches_from=mark)
        self.assertEqual([truth for _, truth in executor.program.guards], [False])
        self.assertEqual(executor.step(), 9.0)
        executor.parameters[:] = 1.0
        self.assertRaises(tapeloom.GuardError, executor.step)

    def test_a_leaf_that_is_set_later_does_not_turn_a_branch(self):
        mark = tapeloom.mark()
        a = tapeloom.Value(1.0)
        y = a * 10 if a < 2 else a * a
        a.data = 3.0
        executor = tapeloom.compile(y, [a], branches_from=mark)
        self.assertEqual([truth for _, truth in executor.program.guards], [True])
        self.assertRaises(tapeloom.GuardError, executor.step)
        executor.parameters[:] = 1.5
        self.assertEqual(executor.step(), 15.0)
        self.assertRaises(tapeloom.GuardError, tapeloom.evaluate, y, [a], branches_from=mark)

    def test_a_branch_on_constants_alone_is_looked_at_when_compiling(self):
        mark = tapeloom.mark()
        a, b = tapeloom.Value(1.0), tapeloom.Value(5.0)
        y = b * 10 if a < 2 else b
        a.data = 3.0
        self.assertRaises(tapeloom.GuardError, tapeloom.compile, y, [b], branches_from=mark)
        a.data = 1.5
        self.assertEqual(tapeloom.compile(y, [b], branches_from=mark).step(), 50.0)

    def test_branches_on_values_that_are_gone(self):
        a, b = tapeloom.Value(1.0), tapeloom.Value(5.0)
        kept = tapeloom.mark()
        y = a * 3 if a < b else a
        mark = tapeloom.mark()
        if tapeloom.Value(1.0) < 2:  # of which nothing remains
            y = y + 1
        after = tapeloom.mark()
        tapeloom.compact()
        for branches_from in (0, kept, mark):
            with self.assertRaisesRegex(tapeloom.RecordingError, "values that are gone"):
                tapeloom.compile(y, [a], branches_from=branches_from)
        self.assertEqual(tapeloom.compile(y, [a], branches_from=after).program.guards, [])
        self.assertEqual(tapeloom.compile(y, [a], branches_from=after).step(), 4.0)

    def test_a_branch_that_is_taken_again_counts_from_the_last_time(self):
        a, b = tapeloom.Value(1.0), tapeloom.Value(5.0)
        first = a < b
        self.assertTrue(first)
        mark = tapeloom.mark()
        self.assertTrue(a < b)  # the collector of nodes makes the two one
        del first
        tapeloom.compact()
        executor = tapeloom.compile(a * 2, [a], branches_from=mark)
        self.assertEqual([truth for _, truth in executor.program.guards], [True])
        executor.parameters[:] = 6.0
        self.assertRaises(tapeloom.GuardError, executor.step)

    def test_every_kind_of_record_is_copied(self):
        """What is compiled is a copy of the recording, of which nothing may be missing."""
        mark = tapeloom.mark()
        w = tapeloom.parameter(2.0, "w")
        fixed = tapeloom.parameter(3.0, "fixed", frozen=True)
        kept = tapeloom.parameter(5.0, "kept", frozen=True)
        # The user's names are those that random numbers and training() would have, too.
        training = tapeloom.uniform_input("training", 11.0)
        noise = tapeloom.randoms(2)
        mode = tapeloom.where(tapeloom.training(), 1.0, 0.0)
        x = tapeloom.input("random0")
        used = tapeloom.batch_mean(x)
        hidden = tapeloom.input("hidden")
        tapeloom.assign(kept, kept + used + tapeloom.batch_mean(hidden), used)
        least = tapeloom.Value(-100.0)
        self.assertTrue(x > least)
        tapeloom.compact()
        y = w * x + fixed + training + 100.0 * mode + 0.0 * noise[1]
        loss = tapeloom.batch_mean(y) + 0.0 * used
        random_output = noise[0]
        del kept, hidden, noise, mode, training
        tapeloom.compact()
        executor = tapeloom.compile(loss, outputs=[y, random_output], branches_from=mark)
        program = executor.program
        self.assertEqual([(label, frozen) for label, _, frozen in program.parameters],
                         [("w", False), ("fixed", True), ("kept", True)])
        self.assertEqual({name for name, _, _ in program.input_groups}, {"random0", "hidden"})
        self.assertEqual(program.uniform_inputs[0], ("training", 11.0))
        self.assertEqual(len(program.guards), 1)
        executor.bind({"random0": np.array([1.0, 3.0]), "hidden": np.array([10.0, 30.0])})
        self.assertEqual(executor.step(), 2.0 * 2.0 + 3.0 + 11.0 + 100.0)
        random_numbers = executor.outputs[:, 1]
        self.assertTrue(0.0 <= random_numbers.min() and random_numbers.max() < 1.0)
        self.assertNotEqual(random_numbers[0], random_numbers[1])
        self.assertEqual(executor.gradients.tolist(), [2.0, 0.0, 0.0])
        tapeloom.Sgd(0.0).update(executor)
        self.assertEqual(executor.parameters.tolist(), [2.0, 3.0, 5.0 + 2.0 + 20.0])
        predicted = tapeloom.compile(outputs=y, parameters_of=executor, branches_from=mark)
        self.assertEqual(tapeloom.predict(predicted, {"random0": np.array([1.0])}).tolist(), [[16.0]])
        executor.bind({"random0": np.array([-200.0]), "hidden": np.array([0.0])})
        with self.assertRaises(tapeloom.GuardError):
            executor.step()


if __name__ == "__main__":
    unittest.main()
