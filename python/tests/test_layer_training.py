"""Modules of tapeloom.nn in training and in use: one recording, dropout, statistics, weights by name."""

import copy
import pickle
import random
import unittest

import numpy as np

import tapeloom
from tapeloom import nn


class Net(nn.Module):
    """Every kind of member: layers, lists of them, and a parameter of its own."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 2, 3, padding=1, activation="relu")
        self.norm = nn.BatchNorm2d(2)
        self.dropout = nn.Dropout(0.25)
        self.heads = [nn.Layer(2, 1, nonlin=False) for _ in range(2)]
        self.scale = tapeloom.parameter(1.0)

    def __call__(self, x):
        image = nn.avg_pool2d(self.norm(self.conv(nn.Image(1, 4, 4, x))), 4)
        return sum(head(self.dropout(image.values)) for head in self.heads) * self.scale


def recorded(net):
    x, target = tapeloom.inputs("x", 16), tapeloom.input("target")
    y = net(x)
    return y, tapeloom.batch_mean(tapeloom.squared_error(y, target))


def some_data(rows=64):
    x = np.random.default_rng(4).normal(size=(rows, 16))
    return {"x": x, "target": x.mean(axis=1) + 0.5}


class Training(unittest.TestCase):
    def setUp(self):
        random.seed(3)
        self.net = Net()

    def test_a_module_has_the_parameters_of_its_members_under_pytorchs_names(self):
        self.assertEqual(
            [(t.name, t.shape, t.is_trained) for t in self.net.tensors()],
            [("conv.weight", (2, 1, 3, 3), True), ("conv.bias", (2,), True), ("norm.weight", (2,), True),
             ("norm.bias", (2,), True), ("norm.running_mean", (2,), False), ("norm.running_var", (2,), False),
             ("heads.0.weight", (1, 2), True), ("heads.0.bias", (1,), True), ("heads.1.weight", (1, 2), True),
             ("heads.1.bias", (1,), True), ("scale", (), True)],
        )  # fmt: skip
        self.assertEqual([v.data for v in self.net.buffers()], [0.0, 0.0, 1.0, 1.0])
        self.assertEqual(len(self.net.parameters()), 31)
        self.net.other = tapeloom.Value(1.0)
        with self.assertRaisesRegex(TypeError, "other: leaves that do not all say whether they are trained"):
            self.net.parameters()

    def test_one_recording_trains_and_predicts(self):
        y, loss = recorded(self.net)
        data = some_data()
        executor = tapeloom.compile(loss, self.net.parameters(), y)
        validating = tapeloom.compile(loss, outputs=y, parameters_of=executor, gradients=False)
        history = tapeloom.fit(executor, data, epochs=60, batch=16, optimizer=tapeloom.Adam(0.02),
                               validation_fraction=0.25, predictor=validating)
        self.assertLess(history.validation_loss[-1], 0.5 * history.validation_loss[0])
        with self.assertRaisesRegex(tapeloom.BindError, "training"):
            tapeloom.predict(executor, data)
        predictor = tapeloom.compile(outputs=y, parameters_of=executor)
        together = tapeloom.predict(predictor, {"x": data["x"]})
        alone = [tapeloom.predict(predictor, {"x": row[None]})[0, 0] for row in data["x"]]
        np.testing.assert_allclose(together[:, 0], alone, rtol=1e-12)
        executor.write_back()
        self.assertNotEqual([v.data for v in self.net.buffers()], [0.0, 0.0, 1.0, 1.0])

    def test_weights_by_name_out_and_into_another_net(self):
        y, loss = recorded(self.net)
        self.net.set_labels("net.")
        executor = tapeloom.compile(loss, self.net.parameters(), y)
        tapeloom.fit(executor, some_data(), epochs=2, batch=16)
        weights = tapeloom.export_weights(executor)
        self.assertEqual({name: array.shape for name, array in weights.items()},
                         {"net." + t.name: t.shape for t in self.net.tensors()})
        other = Net()
        other.set_labels("net.")
        again = tapeloom.compile(outputs=recorded(other)[0])
        tapeloom.import_weights(again, weights)
        predictor = tapeloom.compile(outputs=y, parameters_of=executor)
        x = some_data()["x"]
        np.testing.assert_array_equal(tapeloom.predict(again, {"x": x}), tapeloom.predict(predictor, {"x": x}))

    def test_tensors_of_other_types_may_lie_beside_those_that_are_imported(self):
        norm = nn.BatchNorm1d(1)
        executor = tapeloom.compile(outputs=norm(tapeloom.inputs("x", 1)))
        layout = norm.tensor_layout(executor)
        tensors = {t.name: np.array([i + 1.0]) for i, t in enumerate(norm.tensors())}
        tapeloom.import_weights(executor, {**tensors, "num_batches_tracked": np.array(7)}, layout)
        self.assertEqual([executor.parameters[t.parameters[0]] for t in layout], [1.0, 2.0, 3.0, 4.0])
        with self.assertRaisesRegex(tapeloom.BindError, '"bias" is of type "int64"'):
            tapeloom.import_weights(executor, {**tensors, "bias": np.array([7])}, layout)

    def test_float16_and_other_byte_orders_are_imported_and_written(self):
        norm = nn.LayerNorm(2)
        executor = tapeloom.compile(outputs=norm(tapeloom.inputs("x", 2)), parameters=norm.parameters())
        layout = norm.tensor_layout(executor)
        for kind in ("<f2", ">f2", ">f4", ">f8", "<f4"):
            tensors = {"weight": np.array([1.5, -2.0], kind), "bias": np.array([0.25, 3.0], kind)}
            executor.parameters[:] = 0.0
            tapeloom.import_weights(executor, tensors, layout)
            self.assertEqual(executor.parameters.tolist(), [1.5, -2.0, 0.25, 3.0], kind)
            tapeloom.write_safetensors("kinds.safetensors", tensors)
            found = tapeloom.read_safetensors("kinds.safetensors")["weight"]
            self.assertEqual((found.tolist(), found.dtype.itemsize), ([1.5, -2.0], max(4, int(kind[2]))))

    def test_what_is_no_seed_or_no_truth_is_refused_in_words(self):
        executor = tapeloom.compile(outputs=nn.dropout(tapeloom.inputs("x", 2)), training=np.bool_(True))
        self.assertTrue(executor.program.is_of_training)
        executor.seed_random(np.int64(3), 2**64 - 1)
        for number in (-1, 2**64):
            with self.assertRaisesRegex(tapeloom.BindError, f"seed_random: seed is from 0 to .*, not {number}"):
                executor.seed_random(number)
            with self.assertRaisesRegex(tapeloom.BindError, f"seed_random: step is from 0 to .*, not {number}"):
                executor.seed_random(1, number)
        for number in (1.5, None):
            with self.assertRaisesRegex(TypeError, "seed_random: seed is an integer, not '(float|NoneType)'"):
                executor.seed_random(number)
        x = tapeloom.inputs("x", 1)
        for wrong in (3, "a", 1):
            with self.assertRaisesRegex(TypeError, "compile: training is True or False, or None, not "):
                tapeloom.compile(outputs=x, training=wrong)
            with self.assertRaisesRegex(TypeError, "compile: exact is True or False, not "):
                tapeloom.compile(outputs=x, exact=wrong)

    def test_an_unpickled_executor_begins_with_the_first_random_numbers(self):
        x = tapeloom.inputs("x", 16)
        executor = tapeloom.compile(outputs=nn.dropout(x), training=True)
        rows = np.ones((1, 16))

        def next_of(each):
            each.bind(x=rows)
            each.step()
            return each.outputs[0].tolist()

        first, second = next_of(executor), next_of(executor)
        executor.seed_random(5, 8)
        self.assertNotEqual(first, second)
        self.assertEqual(next_of(pickle.loads(pickle.dumps(executor))), first)

    def test_statistics_are_written_back_behind_the_parameters(self):
        norm = nn.BatchNorm1d(1)
        loss = tapeloom.batch_mean(norm(tapeloom.inputs("x", 1))[0] ** 2)
        again = pickle.loads(pickle.dumps(tapeloom.compile(loss, norm.parameters())))
        again.parameters[:] = [1.0, 2.0, 3.0, 4.0]
        again.write_back(norm.parameters() + norm.buffers())
        self.assertEqual([v.data for t in norm.tensors() for v in t.values], [1.0, 2.0, 3.0, 4.0])
        with self.assertRaisesRegex(tapeloom.BindError, "2 Values for 4 parameters; statistics are behind the others"):
            again.write_back(norm.parameters())

    def test_evaluate_is_of_training_or_not(self):
        norm, x = nn.BatchNorm1d(1), tapeloom.inputs("x", 1)
        y = nn.dropout(norm(x), 0.5)[0]
        rows = np.array([[1.0, 0.25], [3.0, 0.75]])  # behind the input, the random number
        found = tapeloom.evaluate(y, norm.parameters(), rows=rows)["root"]
        np.testing.assert_allclose(found, [0.0, 2.0 / np.sqrt(1.0 + 1e-5)])
        found = tapeloom.evaluate(y, norm.parameters(), rows=rows, uniform_inputs=[0.0])["root"]
        np.testing.assert_allclose(found, rows[:, 0] / np.sqrt(1.0 + 1e-5))

    def test_training_is_said_for_a_loss_that_is_not_differentiated_and_for_predictions(self):
        x = tapeloom.inputs("x", 8)
        y = nn.dropout(x, 0.5)
        rows = np.ones((1, 8))
        dropped = tapeloom.compile(outputs=y, training=True)
        dropped.bind(x=rows)

        def numbers(seed=None, step=0):
            if seed is not None:
                dropped.seed_random(seed, step)
            dropped.step()
            return dropped.outputs[0].tolist()

        first = [numbers(7), numbers(), numbers()]
        self.assertEqual(set(sum(first, [])), {0.0, 2.0})
        self.assertEqual([numbers(7, 1), numbers(), numbers(7)], [first[1], first[2], first[0]])
        self.assertNotEqual(first[0], first[1])
        self.assertEqual(tapeloom.predict(tapeloom.compile(outputs=y), rows).tolist(), rows.tolist())
        loss = tapeloom.batch_mean(tapeloom.sum(y))
        for training, expected in [(None, {8.0}), (True, {0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0}),
                                   (False, {8.0})]:
            executor = tapeloom.compile(loss, gradients=False, training=training)
            executor.bind(x=rows)
            self.assertTrue({executor.step() for _ in range(8)} <= expected)
            self.assertIs(executor.program.is_of_training, bool(training))

    def test_updates_by_hand_keep_statistics_too(self):
        x = tapeloom.inputs("x", 1)
        norm = nn.BatchNorm1d(1, affine=False)
        weight = tapeloom.parameter(1.0)
        loss = tapeloom.batch_mean(weight * norm(x)[0] ** 2)
        executor = tapeloom.compile(loss)
        executor.bind(x=np.array([1.0, 3.0]))
        executor.step()
        self.assertEqual(executor.parameters.tolist()[:2], [0.0, 1.0])
        executor.apply_assignments()
        np.testing.assert_allclose(executor.parameters[:2], [0.2, 0.9 + 0.1 * 2.0])

    def test_statistics_alone_are_nothing_to_train(self):
        y = nn.BatchNorm1d(1, affine=False)(tapeloom.inputs("x", 1))[0]
        with self.assertRaisesRegex(tapeloom.CompileError, "nothing to train"):
            tapeloom.compile(tapeloom.batch_mean(y**2))

    def test_a_layer_used_twice_in_a_loss_is_refused_and_one_in_two_losses_is_not(self):
        norm, x = nn.BatchNorm1d(1), tapeloom.inputs("x", 1)
        once, twice = norm(x)[0], norm([3 * x[0]])[0]
        tapeloom.compile(tapeloom.batch_mean(once**2))
        tapeloom.compile(tapeloom.batch_mean(twice**2))
        with self.assertRaisesRegex(tapeloom.CompileError, "assigned twice"):
            tapeloom.compile(tapeloom.batch_mean(once * twice))

    def test_frozen_parameters_stay_frozen_in_copies_and_pickles(self):
        for duplicate in (copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
            for frozen in (True, False):
                made = duplicate(tapeloom.parameter(2.0, "p", frozen=frozen))
                executor = tapeloom.compile(made * made, [made])
                self.assertEqual((made.data, made.label, len(executor.trained)), (2.0, "p", 0 if frozen else 1))


if __name__ == "__main__":
    unittest.main()
