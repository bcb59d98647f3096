"""Compiling Values and running steps over arrays."""

import copy
import gc
import unittest

import numpy as np

import tapeloom
from nets import Net, data, reference


class Steps(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data()

    def test_results_are_those_of_matrices(self):
        executor = self.net.compile(input_gradients=True)
        executor.bind(x=self.x, y=self.y)
        loss, out, gradients, by_x = reference(self.net.numbers(), self.x, self.y)
        self.assertAlmostEqual(executor.step(), loss, 13)
        self.assertAlmostEqual(executor.loss, loss, 13)
        np.testing.assert_allclose(executor.outputs, out[:, None], rtol=1e-12)
        np.testing.assert_allclose(executor.gradients, gradients, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(executor.input_gradients[:, :3], by_x, rtol=1e-11, atol=1e-14)
        self.assertEqual(executor.outputs.shape, (10, 1))
        self.assertEqual(executor.input_gradients.shape, (10, 4))

    def test_parameters_that_were_forgotten_are_asked_for(self):
        a, b = tapeloom.Value(2.0), tapeloom.Value(3.0)
        with self.assertRaisesRegex(tapeloom.CompileError, "name them"):
            tapeloom.compile(a * b)
        self.assertEqual(tapeloom.compile(a * b, gradients=False).step(), 6.0)
        self.assertEqual(tapeloom.compile(a * b, parameters=[]).step(), 6.0)
        executor = tapeloom.compile(a * b, parameters=[a])
        executor.step()
        self.assertEqual(executor.gradients.tolist(), [3.0])

    def test_float32_is_near_float64(self):
        executor = self.net.compile(dtype=np.float32)
        self.assertEqual(executor.dtype, np.float32)
        executor.bind(x=self.x.astype(np.float32), y=self.y.astype(np.float32))
        executor.step()
        self.assertEqual(executor.gradients.dtype, np.float32)
        np.testing.assert_allclose(
            executor.gradients, reference(self.net.numbers(), self.x, self.y)[2], rtol=1e-3, atol=1e-5
        )

    def test_rows_may_be_chosen(self):
        executor = self.net.compile()
        executor.bind(x=self.x, y=self.y)
        for rows, chosen in [
            ([4, 2, 2], [4, 2, 2]),
            ((7,), [7]),
            (range(1, 9, 3), [1, 4, 7]),
            (np.array([5, 6], dtype=np.uint32), [5, 6]),
            (np.array([5, 0, 6], dtype=np.int64)[::2], [5, 6]),
            (np.array([9, 1], dtype=np.int8), [9, 1]),
        ]:
            loss, out, _, _ = reference(self.net.numbers(), self.x[chosen], self.y[chosen])
            self.assertAlmostEqual(executor.step(rows), loss, 13)
            np.testing.assert_allclose(executor.outputs[:, 0], out, rtol=1e-12)
        self.assertAlmostEqual(
            executor.step(3, 4), reference(self.net.numbers(), self.x[3:7], self.y[3:7])[0], 13
        )
        self.assertEqual(executor.step(first=3, count=4), executor.step(3, count=4))

    def test_rows_that_are_none(self):
        executor = self.net.compile()
        executor.bind(x=self.x, y=self.y)
        for rows in [[-1], [2**32], [10], [], np.array([-1]), np.array([2**40], dtype=np.uint64)]:
            with self.assertRaises(tapeloom.BindError):
                executor.step(rows)
        for rows in ["12", 3, [1.5], np.zeros(10, dtype=bool), np.zeros(2), np.zeros((2, 2), dtype=int), None]:
            with self.assertRaises(TypeError):
                executor.step(rows)
        for mask in [[True, False], (True, 1), [np.bool_(True)], np.zeros(10, dtype=bool)]:
            with self.assertRaisesRegex(TypeError, "truths are no row numbers; numpy.flatnonzero"):
                executor.step(mask)
        for wrong in [lambda: executor.step(1, 2, 3), lambda: executor.step(1, 2, rows=[1]),
                      lambda: executor.step(number=3), lambda: executor.step(first=1)]:
            with self.assertRaises(TypeError):
                wrong()
        with self.assertRaises(tapeloom.BindError):
            executor.step(0, -1)
        with self.assertRaises(tapeloom.BindError):
            executor.step(9, 2)

    def test_no_results_before_a_step_and_after_a_failed_one(self):
        executor = self.net.compile()
        for result in ["loss", "outputs", "gradients"]:
            with self.assertRaises(tapeloom.BindError):
                getattr(executor, result)
        with self.assertRaisesRegex(tapeloom.BindError, '"x" is not bound'):
            executor.step()
        executor.bind(x=self.x, y=self.y)
        executor.step()
        with self.assertRaises(tapeloom.BindError):
            executor.step([10])
        with self.assertRaises(tapeloom.BindError):
            executor.loss
        executor.step()
        executor.bind(x=self.x[:3])
        with self.assertRaisesRegex(tapeloom.BindError, '"y" has 10 rows, but "x" has 3'):
            executor.step()
        for result in ["loss", "outputs", "gradients"]:
            with self.assertRaises(tapeloom.BindError):
                getattr(executor, result)

    def test_recorded_samples_are_folded(self):
        rows = [[float(v) for v in row] for row in self.x]
        outs = [self.net.model(row) for row in rows]
        loss = sum((o - t) ** 2 for o, t in zip(outs, self.y.tolist())) * 0.1
        executor = tapeloom.compile(loss, self.net.parameters(), outs)
        expected = reference(self.net.numbers(), self.x, self.y)
        self.assertEqual(executor.program.recorded_samples, 10)
        self.assertAlmostEqual(executor.step(), expected[0], 13)
        np.testing.assert_allclose(executor.gradients, expected[2], rtol=1e-11, atol=1e-14)
        with self.assertRaises(tapeloom.BindError):
            executor.bind(self.x)
        with self.assertRaises(tapeloom.BindError):
            executor.step([0, 1])

    def test_gradients_are_those_of_backward(self):
        net = self.net
        rows = [[float(v) for v in row] for row in self.x]
        loss = sum((net.model(row) - t) ** 2 for row, t in zip(rows, self.y.tolist())) * 0.1
        net.model.zero_grad()
        loss.backward()
        executor = net.compile()
        executor.bind(x=self.x, y=self.y)
        self.assertAlmostEqual(executor.step(), loss.data, 12)
        np.testing.assert_allclose(executor.gradients, [p.grad for p in net.parameters()], rtol=1e-10, atol=1e-13)

    def test_evaluate_is_the_reference(self):
        rows = np.column_stack([self.x, self.y])
        found = tapeloom.evaluate(self.net.loss, self.net.parameters(), [self.net.out], rows=rows)
        loss, out, gradients, by_x = reference(self.net.numbers(), self.x, self.y)
        self.assertAlmostEqual(found["root"][0], loss, 13)
        np.testing.assert_allclose(found["gradients"], gradients, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(found["outputs"][:, 0], out, rtol=1e-12)
        np.testing.assert_allclose(found["input_gradients"][:, :3], by_x, rtol=1e-11, atol=1e-14)
        exact = self.net.compile(exact=True)
        exact.bind(x=self.x, y=self.y)
        self.assertEqual(exact.step(), found["root"][0])
        np.testing.assert_array_equal(exact.gradients, found["gradients"])

    def test_uniform_inputs(self):
        a, t = tapeloom.Value(3.0), tapeloom.uniform_input("t", 2.0)
        executor = tapeloom.compile(a * a * t, [a])
        self.assertEqual(executor.step(), 18.0)
        executor.set_uniform_input("t", 5.0)
        self.assertEqual(executor.step(), 45.0)
        self.assertEqual(executor.gradients[0], 30.0)
        with self.assertRaisesRegex(tapeloom.BindError, '"t"'):
            executor.set_uniform_input("u", 1.0)


class Compiling(unittest.TestCase):
    def test_products_with_zero_are_left_out_if_all_is_finite(self):
        a, x = tapeloom.Value(2.0), tapeloom.inputs("x", 2)
        loss = tapeloom.batch_sum(a * x[0] + 0.0 * x[1])
        steps = {}
        for finite in [False, True]:
            executor = tapeloom.compile(loss, [a], assume_finite=finite)
            executor.bind(np.array([[3.0, np.inf]]))
            steps[finite] = executor.step()
        self.assertTrue(np.isnan(steps[False]))
        self.assertEqual(steps[True], 6.0)

    def test_only_values_are_compiled(self):
        a = tapeloom.Value(2.0)
        loss = a * a
        for wrong in [lambda: tapeloom.compile(2.0, [a]), lambda: tapeloom.compile("x"), lambda: tapeloom.compile(),
                      lambda: tapeloom.compile(loss, [1.0]), lambda: tapeloom.compile(loss, 5),
                      lambda: tapeloom.compile(loss, [a], ["b"]), lambda: tapeloom.compile(loss, [a], rol=True),
                      lambda: tapeloom.compile(loss, [a], dtype=int), lambda: tapeloom.compile(loss, "ab"),
                      lambda: tapeloom.compile(loss, [a], parameters_of=3)]:
            with self.assertRaises(TypeError):
                wrong()

    def test_only_leaves_are_trained_and_each_once(self):
        a = tapeloom.Value(2.0)
        with self.assertRaisesRegex(tapeloom.RecordingError, r"parameters\[0\].*cannot be trained"):
            tapeloom.compile(a * a, [a * 1.0])
        with self.assertRaisesRegex(tapeloom.RecordingError, r"parameters\[1\].*before"):
            tapeloom.compile(a * a, [a, a])

    def test_a_loss_of_each_sample_is_refused(self):
        a, x = tapeloom.Value(2.0), tapeloom.input("x")
        with self.assertRaises(tapeloom.CompileError):
            tapeloom.compile(a * x, [a])

    def test_without_a_list_parameters_are_those_made_by_parameter(self):
        a, b, c = tapeloom.parameter(2.0, "a"), tapeloom.parameter(3.0, "b"), tapeloom.Value(4.0)
        executor = tapeloom.compile(a * b * c)
        self.assertEqual(executor.step(), 24.0)
        np.testing.assert_array_equal(executor.parameters, [2.0, 3.0])
        np.testing.assert_array_equal(executor.gradients, [12.0, 8.0])
        executor.parameters[:] = [5.0, 6.0]
        executor.write_back()
        self.assertEqual((a.data, b.data), (5.0, 6.0))
        self.assertTrue(executor.program.values[0] is a)

    def test_values_may_come_from_generators(self):
        net = Net()
        executor = tapeloom.compile(net.loss, (p for p in net.parameters()), (v for v in [net.out]))
        self.assertEqual(len(executor.parameters), 21)

    def test_what_becomes_of_the_values_changes_nothing(self):
        net = Net()
        executor = net.compile()
        x, y = data()
        executor.bind(x=x, y=y)
        before = executor.step()
        expected = reference(net.numbers(), x, y)[0]
        for p in net.parameters():
            p.data = 7.0
        del net
        gc.collect()
        tapeloom.compact()
        self.assertEqual(executor.step(), before)
        self.assertAlmostEqual(before, expected, 13)

    def test_inference_alone(self):
        net = Net()
        executor = tapeloom.compile(outputs=net.out, parameters=net.parameters())
        x, y = data()
        executor.bind(x=x)
        self.assertEqual(executor.step(), 0.0)
        np.testing.assert_allclose(executor.outputs[:, 0], reference(net.numbers(), x, y)[1], rtol=1e-12)
        with self.assertRaises(tapeloom.BindError):
            executor.loss
        with self.assertRaises(tapeloom.BindError):
            executor.gradients

    def test_explain(self):
        net = Net()
        executor = net.compile()
        self.assertIn("rows", executor.explain())
        self.assertIn("loss = ", str(executor.program))
        self.assertIn("tanh", tapeloom.explain_passes(net.loss, net.parameters()))
        self.assertEqual(executor.program.hash(), net.compile().program.hash())
        self.assertEqual(executor.program.input_groups, [("x", 3, True), ("y", 1, True)])

    def test_profile(self):
        net = Net()
        x, y = data()
        executor = net.compile(profile=True)
        executor.bind(x=x, y=y)
        for _ in range(3):
            executor.step()
        profile = executor.profile()
        self.assertEqual((profile.steps, profile.samples), (3, 30))
        self.assertEqual(len(profile.seconds), executor.program.instruction_count)
        self.assertGreater(profile.step_seconds, 0.0)
        self.assertIn("us", profile.explain())
        with self.assertRaises(tapeloom.BindError):
            net.compile().profile()


class Parameters(unittest.TestCase):
    def setUp(self):
        self.net = Net()
        self.x, self.y = data()
        self.executor = self.net.compile()
        self.executor.bind(x=self.x, y=self.y)

    def test_they_share_memory(self):
        parameters = self.executor.parameters
        parameters[:] = np.linspace(-1, 1, 21)
        expected = reference(np.linspace(-1, 1, 21), self.x, self.y)[0]
        self.assertAlmostEqual(self.executor.step(), expected, 13)
        self.executor.parameters *= 0.5
        self.assertAlmostEqual(parameters[0], -0.5)
        self.executor.parameters = np.zeros(21, dtype=np.float32)
        np.testing.assert_array_equal(parameters, np.zeros(21))
        with self.assertRaises(tapeloom.BindError):
            self.executor.parameters = np.zeros(20)

    def test_gradient_descent_by_hand(self):
        expected = self.net.numbers()
        for _ in range(50):
            self.executor.step()
            self.executor.parameters -= 0.1 * self.executor.gradients
            expected = expected - 0.1 * reference(expected, self.x, self.y)[2]
        np.testing.assert_allclose(self.executor.parameters, expected, rtol=1e-9)
        self.executor.write_back()
        np.testing.assert_array_equal(self.net.numbers(), self.executor.parameters)

    def test_write_back_to_other_values(self):
        other = Net(seed=5)
        self.executor.write_back(other.parameters())
        np.testing.assert_array_equal(other.numbers(), self.executor.parameters)
        with self.assertRaises(tapeloom.BindError):
            self.executor.write_back(other.parameters()[1:])
        with self.assertRaises(TypeError):
            self.executor.write_back([1.0] * 21)
        before = other.numbers()
        with self.assertRaises(tapeloom.RecordingError):
            self.executor.parameters[:] = 1.0
            self.executor.write_back(other.parameters()[:20] + [other.out])
        np.testing.assert_array_equal(other.numbers(), before)

    def test_sharing(self):
        predictor = tapeloom.compile(outputs=self.net.out, parameters_of=self.executor)
        predictor.bind(x=self.x)
        self.executor.step()
        self.executor.parameters -= 0.1 * self.executor.gradients
        predictor.step()
        self.executor.step()
        np.testing.assert_array_equal(predictor.outputs, self.executor.outputs)
        self.assertEqual(predictor.dtype, np.float64)
        second = tapeloom.Executor(self.executor.program, parameters_of=self.executor, max_samples=3)
        self.assertEqual(second.max_samples, 3)
        second.parameters[0] = 42.0
        self.assertEqual(self.executor.parameters[0], 42.0)

    def test_executors_that_should_share_say_so(self):
        ways = [
            tapeloom.compile(outputs=self.net.out, parameters=self.net.parameters()),
            tapeloom.compile(outputs=self.net.out, parameters=self.net.parameters()[::-1], dtype="float32"),
            tapeloom.compile(self.net.loss, self.net.parameters(), gradients=False),
        ]
        alone = Net()  # as the other, by Values of its own
        others = [alone.compile(gradients=False), copy.deepcopy(ways[0])]
        for each in ways + others:
            each.bind(x=self.x.astype(each.dtype))
            if each.program.has_loss:
                each.bind(y=self.y.astype(each.dtype))
            each.step()
        initial = ways[0].outputs.copy()
        self.executor.step()
        self.executor.parameters[:] -= 0.1 * self.executor.gradients
        self.executor.step()
        for each in ways:
            with self.assertRaisesRegex(tapeloom.BindError, "parameters_of=trained"):
                each.step()
        for each in others:
            each.step()
        ways[0].parameters = ways[0].parameters  # the initial ones are meant
        ways[0].step()
        np.testing.assert_array_equal(ways[0].outputs, initial)
        self.executor.write_back()
        later = tapeloom.compile(outputs=self.net.out, parameters=self.net.parameters())
        later.bind(x=self.x)
        later.step()
        np.testing.assert_array_equal(later.outputs, self.executor.outputs)

    def test_parameters_in_another_order_are_not_shared(self):
        with self.assertRaisesRegex(tapeloom.BindError, "another Value"):
            tapeloom.compile(outputs=self.net.out, parameters=self.net.parameters()[::-1], parameters_of=self.executor)
        with self.assertRaisesRegex(tapeloom.BindError, "float32"):
            tapeloom.compile(outputs=self.net.out, parameters_of=self.executor, dtype="float32")

    def test_frozen_ones(self):
        self.executor.set_frozen(self.net.model.layers[0].parameters())
        self.executor.step()
        expected = reference(self.net.numbers(), self.x, self.y)[2]
        np.testing.assert_array_equal(self.executor.gradients[:16], np.zeros(16))
        np.testing.assert_allclose(self.executor.gradients[16:], expected[16:], rtol=1e-11)
        self.assertEqual(self.executor.trained, list(range(16, 21)))
        self.executor.set_frozen([3, np.int64(4)], False)
        self.assertEqual(self.executor.trained, [3, 4] + list(range(16, 21)))
        with self.assertRaises(tapeloom.BindError):
            self.executor.set_frozen(21)
        with self.assertRaises(tapeloom.BindError):
            self.executor.set_frozen(tapeloom.Value(1.0))
        with self.assertRaises(TypeError):
            self.executor.set_frozen("w")
        for mask in [[True, False], np.array([True, False]), True, np.bool_(True)]:
            with self.assertRaisesRegex(TypeError, "truths are no numbers of parameters"):
                self.executor.set_frozen(mask)
        self.assertEqual(self.executor.trained, [3, 4] + list(range(16, 21)))
        with self.assertRaises(UnicodeEncodeError):  # half a pair of surrogates
            self.executor.bind({"\ud800": self.x})


if __name__ == "__main__":
    unittest.main()
