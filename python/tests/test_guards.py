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


if __name__ == "__main__":
    unittest.main()
