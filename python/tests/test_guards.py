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


if __name__ == "__main__":
    unittest.main()
