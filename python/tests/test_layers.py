"""tapeloom.nn's layers of PyTorch's names: their numbers are those that PyTorch computed (tests/layers.py), whatever
becomes of the recording meanwhile."""

import copy
import importlib.util
import os
import pickle
import random
import unittest

import numpy as np

import tapeloom
from tapeloom import nn

reference = tapeloom.read_safetensors(os.environ["TAPELOOM_SOURCE"] + "/tests/layers.safetensors")


def disturb():
    """Nodes that a compaction drops, so that all others move."""
    garbage = [tapeloom.Value(0.5) * 2 for _ in range(50)]
    del garbage
    tapeloom.compact()


def cut(x, size):
    return [x[i : i + size] for i in range(0, len(x), size)]


def flat(vectors):
    return [v for each in vectors for v in each]


def hidden_of(states):
    return flat(state.h if isinstance(state, nn.LSTMState) else state for state in states)


def unrolled(cell, x, with_state):
    """Two steps of two numbers each, and behind them the initial states of three."""
    states = cut(x[4:], 3)
    state = (tuple(states) if len(states) > 1 else states[0]) if with_state else None
    return hidden_of(nn.unroll(cell, cut(x[:4], 2), state))


# By name: what makes the module, or None, and what is recorded with it and the inputs.
cases = {
    "layer_norm": (lambda: nn.LayerNorm(5), lambda m, x: m(x)),
    "rms_norm": (lambda: nn.RMSNorm(5), lambda m, x: m(x)),
    "rnn": (lambda: nn.RNNCell(2, 3), lambda m, x: unrolled(m, x, False)),
    "rnn_state": (lambda: nn.RNNCell(2, 3), lambda m, x: unrolled(m, x, True)),
    "rnn_relu": (lambda: nn.RNNCell(2, 3, bias=False, nonlinearity="relu"), lambda m, x: unrolled(m, x, False)),
    "gru": (lambda: nn.GRUCell(2, 3), lambda m, x: unrolled(m, x, False)),
    "gru_state": (lambda: nn.GRUCell(2, 3), lambda m, x: unrolled(m, x, True)),
    "lstm": (lambda: nn.LSTMCell(2, 3), lambda m, x: unrolled(m, x, False)),
    "lstm_state": (lambda: nn.LSTMCell(2, 3), lambda m, x: unrolled(m, x, True)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), lambda m, x: m(nn.Signal(2, 6, x)).values),
    "conv1d_plain": (lambda: nn.Conv1d(1, 2, 2, bias=False), lambda m, x: m(nn.Signal(1, 4, x)).values),
    "conv2d": (lambda: nn.Conv2d(2, 2, (3, 2), (2, 1), (1, 0)), lambda m, x: m(nn.Image(2, 5, 4, x)).values),
    "max_pool1d": (None, lambda m, x: nn.max_pool1d(nn.Signal(2, 7, x), 3, stride=2, padding=1).values),
    "max_pool2d": (None, lambda m, x: nn.max_pool2d(nn.Image(2, 4, 5, x), 2).values),
    "avg_pool1d": (None, lambda m, x: nn.avg_pool1d(nn.Signal(2, 7, x), 3, stride=2, padding=1).values),
    "avg_pool2d": (None, lambda m, x: nn.avg_pool2d(nn.Image(1, 5, 4, x), (3, 2), (2, 1), (1, 0)).values),
    "avg_pool2d_inside": (None, lambda m, x: nn.avg_pool2d(nn.Image(1, 4, 4, x), 3, 1, 1,
                                                          count_include_pad=False).values),
    "attention": (lambda: nn.MultiheadAttention(4, 2), lambda m, x: flat(m(cut(x, 4)))),
    "attention_causal": (lambda: nn.MultiheadAttention(4, 2), lambda m, x: flat(m(cut(x, 4), is_causal=True))),
    "attention_cross": (lambda: nn.MultiheadAttention(4, 2),
                        lambda m, x: flat(m(cut(x[:8], 4), cut(x[8:20], 4), cut(x[20:], 4)))),
    "batch_norm": (lambda: nn.BatchNorm1d(3), lambda m, x: m(x)),
    "batch_norm_signal": (lambda: nn.BatchNorm1d(2, affine=False), lambda m, x: m(nn.Signal(2, 4, x)).values),
    "batch_norm_image": (lambda: nn.BatchNorm2d(2, eps=0.01, momentum=0.3),
                         lambda m, x: m(nn.Image(2, 2, 3, x)).values),
    "softmax": (None, lambda m, x: tapeloom.softmax(x)),
    "l1": (None, lambda m, x: [tapeloom.l1(x[0], x[1])]),
    "huber": (None, lambda m, x: [tapeloom.huber(x[0], x[1])]),
    "smooth_l1": (None, lambda m, x: [tapeloom.smooth_l1(x[0], x[1], beta=0.5)]),
    "kl_div": (None, lambda m, x: [tapeloom.kl_div(tapeloom.log_softmax(x[:3]), x[3:])]),
    "smoothed_class": (None, lambda m, x: [tapeloom.softmax_cross_entropy(x, 2, label_smoothing=0.1)]),
    "smoothed_probabilities": (None, lambda m, x: [tapeloom.softmax_cross_entropy(x[:3], x[3:], 1.0, 0.25)]),
}  # fmt: skip


class Case:
    """A module, recorded between compactions, and an executor with the tensors of the file."""

    def __init__(self, name, duplicate=lambda module: module):
        make, record = cases[name]
        self.name = name
        self.module = None if make is None else duplicate(make())
        disturb()
        x, factors = reference[name + ".x"], reference[name + ".c"]
        self.x = tapeloom.inputs("x", x.shape[1])
        c = tapeloom.inputs("c", factors.shape[1])
        disturb()
        self.y = record(self.module, self.x)
        disturb()
        loss = tapeloom.batch_sum(tapeloom.dot(c, self.y))
        disturb()
        parameters = [] if make is None else self.module.parameters()
        self.executor = tapeloom.compile(loss, parameters, self.y, input_gradients=True)
        disturb()
        self.layout = [] if make is None else self.module.tensor_layout(self.executor, name + ".")
        tapeloom.import_weights(self.executor, reference, self.layout)
        self.executor.bind(x=x, c=factors)
        self.executor.step()

    def own(self, tensor):
        """Of "conv2d.weight", the part behind the case's name."""
        return tensor.name[len(self.name) + 1 :]


class Numbers(unittest.TestCase):
    def close(self, what, got, expected):
        np.testing.assert_allclose(np.ravel(got), np.ravel(expected), rtol=1e-12, atol=1e-13, err_msg=what)

    def check(self, case):
        name, executor = case.name, case.executor
        self.close(name, executor.outputs, reference[name + ".y"])
        self.close(name, executor.input_gradients[:, : len(case.x)], reference[name + ".grad.x"])
        for tensor in case.layout:
            if not case.own(tensor).startswith("running"):
                self.close(tensor.name, executor.gradients[tensor.parameters],
                           reference[f"{name}.grad.{case.own(tensor)}"])

    def test_every_case_of_the_file_is_here(self):
        self.assertEqual(set(cases), {name.split(".")[0] for name in reference.tensors})

    def test_values_and_derivatives_are_pytorchs_with_compactions_in_the_middle(self):
        for name in cases:
            with self.subTest(name):
                self.check(Case(name))

    def test_copies_and_pickles_are_the_same_layers(self):
        for duplicate in (copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))):
            for name in ("conv2d", "attention", "lstm_state", "batch_norm"):
                with self.subTest(name):
                    case = Case(name, duplicate)
                    self.check(case)
                    self.assertEqual([t.is_trained for t in case.module.tensors()],
                                     [t.is_trained for t in cases[name][0]().tensors()])

    def test_running_statistics_are_pytorchs_after_an_update_and_predict_row_by_row(self):
        for name in ("batch_norm", "batch_norm_signal", "batch_norm_image"):
            with self.subTest(name):
                case = Case(name)
                self.assertTrue(case.executor.program.is_of_training)
                case.executor.apply_assignments()
                disturb()
                case.executor.write_back()
                for tensor in case.module.tensors():
                    if not tensor.is_trained:
                        self.close(tensor.name, [v.data for v in tensor.values],
                                   reference[f"{name}.after.{tensor.name}"])
                predictor = tapeloom.compile(outputs=case.y, parameters_of=case.executor, max_samples=1)
                self.assertFalse(predictor.program.is_of_training)
                rows = reference[name + ".x"]
                predicted = [tapeloom.predict(predictor, {"x": row[None]}) for row in rows]
                self.close(name, predicted, reference[name + ".y_inference"])
                # Of a program made by itself they are what was written back.
                alone = tapeloom.compile(outputs=case.y, max_samples=1)
                self.close(name, tapeloom.predict(alone, {"x": rows}), reference[name + ".y_inference"])

    def test_functions_without_weights(self):
        x = tapeloom.inputs("x", [1.0, -2.0, 4.0])
        norm = np.array([1.0, -2.0, 4.0]) - 1.0
        self.close("layer_norm", [v.data for v in nn.layer_norm(x)], norm / np.sqrt(6.0 + 1e-5))
        self.close("rms_norm", [v.data for v in nn.rms_norm(x, 0.0)], np.array([1.0, -2.0, 4.0]) / np.sqrt(7.0))
        once = nn.scaled_dot_product_attention([[0.0], [x[0]]], [[x[0]], [x[1]]], [[x[2]], [8.0]], is_causal=True)
        share = np.exp(-2.0) / (np.exp(1.0) + np.exp(-2.0))
        self.close("attention", [once[0][0].data, once[1][0].data], [4.0, 4.0 + 4.0 * share])


@unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
class PyTorch(unittest.TestCase):
    def test_names_shapes_order_and_first_weights(self):
        import torch

        random.seed(1), torch.manual_seed(1)
        theirs = torch.nn
        for ours, other in [
            (nn.LayerNorm(4), theirs.LayerNorm(4)),
            (nn.BatchNorm1d(4), theirs.BatchNorm1d(4)),
            (nn.BatchNorm2d(4, affine=False), theirs.BatchNorm2d(4, affine=False)),
            (nn.Conv1d(3, 60, 5), theirs.Conv1d(3, 60, 5)),
            (nn.Conv2d(3, 60, (2, 3)), theirs.Conv2d(3, 60, (2, 3))),
            (nn.RNNCell(5, 60), theirs.RNNCell(5, 60)),
            (nn.GRUCell(5, 20), theirs.GRUCell(5, 20)),
            (nn.LSTMCell(5, 20, bias=False), theirs.LSTMCell(5, 20, bias=False)),
            (nn.MultiheadAttention(16, 2), theirs.MultiheadAttention(16, 2)),
            (nn.MLP(16, [20, 20, 16]), torch.nn.ModuleDict({"layers": torch.nn.ModuleList(
                [theirs.Linear(16, 20), theirs.Linear(20, 20), theirs.Linear(20, 16)])})),
        ]:  # fmt: skip
            with self.subTest(repr(other)):
                tensors = {name: t for name, t in other.state_dict().items() if t.is_floating_point()}
                self.assertEqual([(t.name, t.shape) for t in ours.tensors()],
                                 [(name, tuple(t.shape)) for name, t in tensors.items()])
                if isinstance(ours, nn.MLP):  # begins with micrograd's
                    continue
                for tensor in ours.tensors():
                    numbers = np.abs([v.data for v in tensor.values])
                    expected = float(tensors[tensor.name].abs().max())
                    self.assertLessEqual(numbers.max(), expected * 1.1)
                    self.assertGreaterEqual(numbers.max(), expected * 0.9)


class Errors(unittest.TestCase):
    def test_what_does_not_fit_is_refused_in_words(self):
        x = tapeloom.inputs("x", 3)
        norm = nn.LayerNorm(3)
        short = nn.LayerNorm(3)
        short.weight = short.weight[:2]
        for error, words, wrong in [
            (tapeloom.RecordingError, "a LayerNorm with 3 inputs was given 2", lambda: norm(x[:2])),
            (TypeError, "LayerNorm: a list of Values or numbers is expected, not 'int'", lambda: norm(1)),
            (tapeloom.RecordingError, "LayerNorm: weight has 2 elements in place of 3", lambda: short(x)),
            (tapeloom.RecordingError, "LayerNorm: normalized_shape is negative: -1", lambda: nn.LayerNorm(-1)),
            (TypeError, "Conv2d: kernel_size is an integer, not 'str'", lambda: nn.Conv2d(1, 1, ("a", 3))),
            (TypeError, "Conv2d: kernel_size is a number, or rows and columns", lambda: nn.Conv2d(1, 1, (1, 2, 3))),
            (TypeError, "Conv2d: nn.Image is expected, not 'list'", lambda: nn.Conv2d(1, 1, 3)(x)),
            (tapeloom.RecordingError, "a Conv1d of 1 channels was given 3",
             lambda: nn.Conv1d(1, 1, 1)(nn.Signal(3, 1, x))),
            (tapeloom.RecordingError, "channels is negative", lambda: nn.Conv1d(1, 1, 1)(nn.Signal(-1, 1, x))),
            (tapeloom.RecordingError, "a Conv1d has a stride of zero", lambda: nn.Conv1d(1, 1, 1, stride=0)),
            (ValueError, "'thanh' is no activation", lambda: nn.Conv1d(1, 1, 1, activation="thanh")),
            (tapeloom.RecordingError, "cannot be shared among 2 heads", lambda: nn.MultiheadAttention(3, 2)),
            (tapeloom.RecordingError, "the same for every sample", lambda: nn.BatchNorm1d(1)([1.0])),
            (tapeloom.RecordingError, "must be in \\[0, 1\\]", lambda: nn.BatchNorm1d(1, momentum=2.0)),
            (tapeloom.RecordingError, "must be in \\[0, 1\\]", lambda: nn.dropout(x, 1.5)),
            (TypeError, "dropout: p is a number, not 'str'", lambda: nn.dropout(x, "half")),
            (tapeloom.RecordingError, "was given 3 Values", lambda: nn.max_pool2d(nn.Image(1, 2, 2, x), 2)),
            (tapeloom.RecordingError, "randoms\\(count\\): at least one is needed", lambda: tapeloom.randoms(0)),
            (tapeloom.RecordingError, "is not a parameter", lambda: tapeloom.assign(x[0], 1 * x[0], x[0])),
            (tapeloom.RecordingError, "differs from sample to sample",
             lambda: tapeloom.assign(tapeloom.parameter(1.0), 1 * x[0], x[0])),
        ]:
            with self.subTest(words), self.assertRaisesRegex(error, words):
                wrong()

    def test_numbers_that_a_layer_cannot_have_are_refused(self):
        x = tapeloom.inputs("x", 3)
        lstm, gru = nn.LSTMCell(3, 3), nn.GRUCell(3, 3)
        for wrong in (-1e-5, float("nan")):
            for make in (lambda: nn.LayerNorm(3, wrong), lambda: nn.RMSNorm(3, wrong), lambda: nn.layer_norm(x, wrong),
                         lambda: nn.rms_norm(x, wrong)):  # fmt: skip
                with self.assertRaisesRegex(tapeloom.RecordingError, "eps must not be negative; it is -?(1e-05|nan)"):
                    make()
        for wrong in (-0.1, 2, float("nan")):
            with self.subTest(wrong), self.assertRaisesRegex(tapeloom.RecordingError, "must be in \\[0, 1\\]"):
                nn.Dropout(wrong)
        for wrong in (x, 5, x[0], x[:2]):
            with self.assertRaisesRegex(TypeError, "LSTMCell: the state is a pair \\(h, c\\) of lists"):
                lstm(x, wrong)
        for error, wrong in [
            ("LSTMCell: a state of 3 Values was given none", lambda: lstm(x, ([], x))),
            ("LSTMCell: a state of 3 Values was given none", lambda: lstm(x, (x, []))),
            ("the state of an LSTMCell with 3 inputs was given 2", lambda: lstm(x, (x, x[:2]))),
            ("GRUCell: a state of 3 Values was given none", lambda: gru(x, [])),
        ]:
            with self.subTest(error), self.assertRaisesRegex(tapeloom.RecordingError, error):
                wrong()

    def test_pools_have_the_stride_of_the_kernel_without_one_and_none_of_zero(self):
        signal, image = nn.Signal(1, 4, [1.0, 3.0, 2.0, 4.0]), nn.Image(1, 2, 2, [1.0, 3.0, 2.0, 4.0])
        for pool in (nn.max_pool1d, nn.avg_pool1d):
            self.assertEqual(len(pool(signal, 2).values), 2)
            self.assertEqual(len(pool(signal, 2, None).values), 2)
            self.assertEqual(len(pool(signal, 2, 1).values), 3)
            with self.assertRaisesRegex(tapeloom.RecordingError, pool.__name__ + " has a stride of zero"):
                pool(signal, 2, 0)
        for pool in (nn.max_pool2d, nn.avg_pool2d):
            self.assertEqual(len(pool(image, (1, 2)).values), 2)
            for stride in (0, (0, 1), (1, 0)):
                with self.assertRaisesRegex(tapeloom.RecordingError, pool.__name__ + " has a stride of zero"):
                    pool(image, 2, stride)

    def test_outputs_that_are_numbers_can_be_compiled(self):
        x = tapeloom.inputs("x", 3)
        layer = nn.Conv1d(1, 1, 1, padding=1, bias=False)
        layer.weight = [[[2.0]]]
        executor = tapeloom.compile(outputs=layer(nn.Signal(1, 3, x)).values + [np.float32(0.5), 7])
        found = tapeloom.predict(executor, {"x": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])})
        np.testing.assert_array_equal(found, [[0, 2, 4, 6, 0, 0.5, 7], [0, 8, 10, 12, 0, 0.5, 7]])
        with self.assertRaisesRegex(TypeError, r"outputs\[1\]: a Value is expected, not 'str'"):
            tapeloom.compile(outputs=[x[0], "a"])

    def test_tensors_may_be_replaced_shared_and_computed(self):
        x = tapeloom.inputs("x", [3.0, 4.0])
        one, other = nn.RMSNorm(2), nn.RMSNorm(2, eps=0.0)
        one.weight[1] = 2  # a plain number, as of a neuron
        self.assertAlmostEqual(one(x)[1].data, 2 * 4.0 / np.sqrt(12.5), places=6)
        weight = tapeloom.parameter(2.0)
        other.weight = [weight * weight, weight]
        y = tapeloom.batch_mean(tapeloom.sum(other(x)))
        executor = tapeloom.compile(y)
        executor.bind(x=np.array([[3.0, 4.0]]))
        np.testing.assert_allclose(executor.step(), (3.0 * 4.0 + 4.0 * 2.0) / np.sqrt(12.5))
        np.testing.assert_allclose(executor.gradients, [(4.0 * 3.0 + 4.0) / np.sqrt(12.5)])

    def test_reprs_say_how_it_was_made(self):
        self.assertEqual(repr(nn.Conv1d(1, 2, 3, bias=False)),
                         "Conv1d(in_channels=1, out_channels=2, kernel_size=3, stride=1, padding=0, bias=False, "
                         "activation='')")
        self.assertEqual(repr(nn.Dropout()), "Dropout(p=0.5)")


if __name__ == "__main__":
    unittest.main()
