"""Which arrays are bound, how they are read, and how long they live."""

import array
import gc
import unittest
import weakref

import numpy as np

import tapeloom
from nets import Net, data, reference


class Binding(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.executor = self.net.compile()
        self.x, self.y = data()
        self.loss = reference(self.net.numbers(), self.x, self.y)[0]

    def test_ways_to_bind(self):
        rows = np.column_stack([self.x, self.y])
        for bind in [
            lambda e: e.bind(x=self.x, y=self.y),
            lambda e: e.bind({"x": self.x, "y": self.y}),
            lambda e: (e.bind("x", self.x), e.bind("y", self.y)),
            lambda e: e.bind("x", self.x, y=self.y),
            lambda e: e.bind(rows),
            lambda e: e.bind(x=rows[:, :3], y=rows[:, 3]),
            lambda e: e.bind(x=self.x, y=self.y.reshape(10, 1)),
            lambda e: e.bind(x=self.x.reshape(10, 1, 3), y=self.y),
            lambda e: e.bind(x=np.repeat(self.x, 2, axis=0)[::2], y=np.repeat(self.y, 3)[::3]),
            lambda e: e.bind(x=self.x, y=array.array("d", self.y.tolist())),
            lambda e: e.bind(x=memoryview(self.x), y=self.y),
        ]:
            executor = self.net.compile()
            bind(executor)
            self.assertEqual(executor.bound_rows, 10)
            self.assertAlmostEqual(executor.step(), self.loss, 13)
            np.testing.assert_allclose(executor.bound_row(4), rows[4])

    def test_rows_are_read_where_they_are(self):
        self.executor.bind(x=self.x, y=self.y)
        self.x[:] = 1.0
        self.y[:] = 0.5
        self.assertAlmostEqual(self.executor.step(), reference(self.net.numbers(), self.x, self.y)[0], 13)

    def test_arrays_that_cannot_be_read_in_place_are_refused(self):
        for wrong, text in [
            (np.asfortranarray(self.x), "ascontiguousarray"),
            (self.x[::-1], "ascontiguousarray"),
            (np.broadcast_to(self.x[0], (10, 3)), "ascontiguousarray"),
            (np.column_stack([self.x, self.x])[:, ::2], "ascontiguousarray"),
            (self.x.astype(int), r"integers or truths; array.astype\(numpy.float64\)"),  # which keeps their digits
            (self.x.astype(np.float16), "astype"),
            (self.x > 0, "astype"),
            (self.x.astype(">f8"), "astype"),
            (self.x.astype(complex), "astype"),
            (np.frombuffer(b"\0" * 241, dtype=np.uint8)[1:].view(np.float64).reshape(10, 3), "aligned"),
            (self.x[:, :2], "2 numbers, but 3"),
            (self.x[:, 0], r"reshape\(-1, 3\)"),
            (np.float64(3.0), "single number"),
            (np.zeros((0, 3)), "no rows"),
        ]:
            with self.assertRaisesRegex(tapeloom.BindError, text):
                self.executor.bind(x=wrong)
        for wrong in [[[1.0, 2.0, 3.0]], "text", b"bytes", None, 3.0]:
            with self.assertRaises(TypeError):
                self.executor.bind(x=wrong)
        for call in [lambda: self.executor.bind(), lambda: self.executor.bind(self.x, self.x, self.x)]:
            with self.assertRaises(TypeError):
                call()
        self.assertTrue(issubclass(tapeloom.BindError, ValueError))

    def test_names_that_are_not_there(self):
        with self.assertRaisesRegex(tapeloom.BindError, '"x" "y"'):
            self.executor.bind(z=self.x)
        with self.assertRaises(tapeloom.BindError):
            self.executor.bind(self.x)

    def test_rows_of_those_that_are_read(self):
        out = tapeloom.compile(self.net.loss * 0.0 + tapeloom.batch_mean(self.net.out), self.net.parameters(),
                               [self.net.x[0] * 2.0], gradients=False)
        inference = tapeloom.compile(outputs=[self.net.out], parameters=self.net.parameters())
        wide = np.column_stack([self.x, self.y, self.y])
        expected = reference(self.net.numbers(), self.x, self.y)[1]
        if any(not used for _, _, used in inference.program.input_groups):
            for rows in [self.x, wide[:, :3], wide[:, :4]]:
                inference.bind(rows)
                inference.step()
                np.testing.assert_allclose(inference.outputs[:, 0], expected, rtol=1e-12)
        inference.bind(x=self.x)
        inference.step()
        np.testing.assert_allclose(inference.outputs[:, 0], expected, rtol=1e-12)
        with self.assertRaises(tapeloom.BindError):
            out.bind(wide)

    def test_several_groups_side_by_side_of_which_some_are_not_read(self):
        a = tapeloom.Value(2.0)
        first, unread, last = tapeloom.inputs("first", 2), tapeloom.inputs("unread", 2), tapeloom.input("last")
        out = a * first[0] + first[1] - last
        del unread
        executor = tapeloom.compile(outputs=[out], parameters=[a])
        rows = np.arange(12.0).reshape(4, 3)
        executor.bind(rows)
        executor.step()
        np.testing.assert_array_equal(executor.outputs[:, 0], 2 * rows[:, 0] + rows[:, 1] - rows[:, 2])

    def test_finite_numbers_if_asked_for(self):
        executor = self.net.compile(check_finite=True)
        self.x[3, 1] = np.nan
        with self.assertRaisesRegex(tapeloom.BindError, "row 3, column 1"):
            executor.bind(x=self.x)

    def test_more_rows_than_max_samples(self):
        executor = self.net.compile(max_samples=4)
        executor.bind(x=self.x, y=self.y)
        with self.assertRaisesRegex(tapeloom.BindError, "max_samples"):
            executor.step()
        executor.step(0, 4)
        with self.assertRaises(tapeloom.BindError):
            self.net.compile(max_samples=0)


class Lifetimes(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.executor = self.net.compile()
        self.x, self.y = data()

    def test_arrays_live_while_they_are_bound(self):
        x, y = self.x.copy(), self.y.copy()
        self.executor.bind(x=x, y=y)
        watch = weakref.ref(x)
        expected = self.executor.step()
        del x, y
        gc.collect()
        junk = [np.full((10, 3), np.nan) for _ in range(100)]
        self.assertIsNotNone(watch())
        self.assertEqual(self.executor.step(), expected)
        self.executor.bind(x=self.x)
        self.assertIsNone(watch())
        del junk

    def test_a_bound_array_is_not_resized(self):
        self.executor.bind(x=self.x, y=self.y)
        for options in [{}, {"refcheck": False}]:
            with self.assertRaises(ValueError):
                self.x.resize((1000, 3), **options)
        numbers = array.array("d", [0.0] * 10)
        self.executor.bind(y=numbers)
        with self.assertRaises(BufferError):
            numbers.append(1.0)
        self.executor.bind(y=self.y)
        numbers.append(1.0)

    def test_a_bind_that_fails_keeps_what_is_bound(self):
        x, y = self.x.copy(), self.y.copy()
        self.executor.bind(x=x, y=y)
        expected = self.executor.step()
        del x, y
        with self.assertRaises(tapeloom.BindError):
            self.executor.bind(x=self.x.copy(), y=np.zeros(0))
        gc.collect()
        junk = [np.full((10, 3), np.nan) for _ in range(100)]
        self.assertEqual(self.executor.step(), expected)
        del junk

    def test_views_outlive_the_executor(self):
        self.executor.bind(x=self.x, y=self.y)
        self.executor.step()
        views = [self.executor.outputs, self.executor.gradients, self.executor.parameters]
        copies = [view.copy() for view in views]
        watch = weakref.ref(self.executor)
        del self.executor
        gc.collect()
        junk = [np.full(1000, np.nan) for _ in range(100)]
        for view, copy in zip(views, copies):
            np.testing.assert_array_equal(view, copy)
        del view, views, junk
        gc.collect()
        self.assertIsNone(watch())

    def test_results_cannot_be_written_to(self):
        self.executor.bind(x=self.x, y=self.y)
        self.executor.step()
        for view in [self.executor.outputs, self.executor.gradients]:
            with self.assertRaises(ValueError):
                view[...] = 0.0
            with self.assertRaises(ValueError):
                view.flags.writeable = True

    def test_results_are_those_of_the_last_step(self):
        self.executor.bind(x=self.x, y=self.y)
        self.executor.step(0, 5)
        first = self.executor.outputs
        kept = first.copy()
        self.executor.step(5, 5)
        self.assertFalse(np.array_equal(first, kept))

    def test_an_executor_without_init_is_refused(self):
        class Own(tapeloom.Executor):
            def __init__(self):
                pass

        with self.assertRaises(TypeError):
            Own().step()
        with self.assertRaises(TypeError):
            tapeloom.Executor.__new__(tapeloom.Executor).step()


if __name__ == "__main__":
    unittest.main()
