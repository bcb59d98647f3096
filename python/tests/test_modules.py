"""What tapeloom.nn.Module finds among its attributes, under which names, and what it refuses."""

import copy
import pickle
import random
import unittest
from collections import deque

import numpy as np

import tapeloom
from tapeloom import nn


def names_of(module):
    return [tensor.name for tensor in module.tensors()]


class Holder(nn.Module):
    def __init__(self, **held):
        vars(self).update(held)


class Frozen(unittest.TestCase):
    def test_a_parameter_frozen_in_part_or_whole_stays_a_parameter(self):
        for make in (lambda: nn.LayerNorm(3), lambda: nn.Layer(3, 2), lambda: nn.BatchNorm1d(3),
                     lambda: Holder(w=[tapeloom.parameter(1.0), tapeloom.parameter(2.0)])):  # fmt: skip
            module = make()
            parameters, buffers = module.parameters(), module.buffers()
            for count in (1, len(parameters)):
                for p in parameters[:count]:
                    tapeloom.set_frozen(p, True)
                for each in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
                    with self.subTest(module, count=count):
                        self.assertEqual((len(each.parameters()), len(each.buffers())), (len(parameters), len(buffers)))
                        self.assertEqual(names_of(each), names_of(make()))
            module.zero_grad()
            self.assertEqual(module.parameters(), parameters)

    def test_frozen_weights_are_not_trained_and_made_frozen_they_are_buffers(self):
        norm = nn.LayerNorm(2)
        tapeloom.set_frozen(norm.weight[0], True)
        loss = tapeloom.batch_mean(tapeloom.sum(norm(tapeloom.inputs("x", 2))))
        executor = tapeloom.compile(loss, norm.parameters())
        self.assertEqual(executor.trained, [1, 2, 3])
        module = Holder(kept=tapeloom.parameter(1.0, frozen=True))
        self.assertEqual((module.parameters(), module.buffers()), ([], [module.kept]))
        tapeloom.set_frozen(module.kept, False)  # trained from now on, so a parameter
        tapeloom.set_frozen(module.kept, True)
        self.assertEqual((module.parameters(), module.buffers()), ([module.kept], []))


class Tied(unittest.TestCase):
    def setUp(self):
        random.seed(4)
        self.net = Holder(e=nn.Layer(2, 3, nonlin=False), o=nn.Layer(3, 2, nonlin=False))
        for i in range(2):
            for j in range(3):
                self.net.o.neurons[i].w[j] = self.net.e.neurons[j].w[i]
        out = self.net.o(self.net.e(tapeloom.inputs("x", 2)))
        self.executor = tapeloom.compile(outputs=out, parameters=self.net.parameters())

    def test_tied_weights_are_exported_under_both_names(self):
        self.assertEqual(len(self.net.parameters()), 6 + 3 + 2)
        layout = self.net.tensor_layout(self.executor)
        weights = tapeloom.export_weights(self.executor, layout)
        self.assertEqual(list(weights), ["e.weight", "e.bias", "o.weight", "o.bias"])
        expected = [[w.data for w in neuron.w] for neuron in self.net.e.neurons]
        np.testing.assert_array_equal(weights["e.weight"], expected)
        np.testing.assert_array_equal(weights["o.weight"], np.transpose(expected))

    def test_tied_weights_are_imported_if_their_numbers_are_the_same(self):
        layout = self.net.tensor_layout(self.executor)
        w = np.arange(6.0).reshape(3, 2)
        tensors = {"e.weight": w, "e.bias": np.zeros(3), "o.weight": w.T, "o.bias": np.ones(2)}
        tapeloom.import_weights(self.executor, tensors, layout)
        after = np.array(self.executor.parameters)
        for name, array in tapeloom.export_weights(self.executor, layout).items():
            np.testing.assert_array_equal(array, tensors[name])
        with self.assertRaisesRegex(tapeloom.BindError, '"e.weight" and "o.weight" of the layout share parameter'):
            tapeloom.import_weights(self.executor, {**tensors, "o.weight": w.T + 1.0}, layout)
        np.testing.assert_array_equal(self.executor.parameters, after)
        tapeloom.import_weights(self.executor, tensors, [t for t in layout if t.name != "o.weight"])
        twice = [tapeloom.ParameterTensor("t", (2,), [0, 0])]
        with self.assertRaisesRegex(tapeloom.BindError, 'parameter 0 is in tensor "t" of the layout twice'):
            tapeloom.export_weights(self.executor, twice)

    def test_a_module_in_two_places_has_two_names_and_its_parameters_once(self):
        norm = nn.LayerNorm(2)
        module = Holder(a=norm, b=[norm])
        self.assertEqual(names_of(module), ["a.weight", "a.bias", "b.0.weight", "b.0.bias"])
        self.assertEqual(module.parameters(), norm.weight + norm.bias)
        module.set_labels()
        self.assertEqual(norm.weight[1].label, "a.weight[1]")
        net = nn.MLP(2, [2, 2])
        net.layers[1] = net.layers[0]
        self.assertEqual(len(net.parameters()), 6)


class Circles(unittest.TestCase):
    def test_a_module_that_refers_to_itself_or_to_its_parent_is_listed_once(self):
        module = Holder(weight=tapeloom.parameter(1.0), norm=nn.LayerNorm(1))
        module.itself = module
        module.norm.parent = module
        module.again = [module.norm]
        self.assertEqual(names_of(module), ["weight", "norm.weight", "norm.bias"])
        self.assertEqual(len(module.parameters()), 3)
        self.assertEqual(names_of(module.norm)[:2], ["weight", "bias"])

    def test_many_modules_that_all_know_each_other(self):
        members = [Holder(w=tapeloom.parameter(float(i))) for i in range(20)]
        for member in members:
            member.peers = members
        self.assertEqual(sorted(v.data for v in Holder(members=members).parameters()), list(range(20)))

    def test_tensors_of_ones_own_may_go_on_to_the_base(self):
        class Own(nn.Module):
            def tensors(self):
                return super().tensors()

        parent, child = Own(), Own()
        parent.child, child.parent, child.w = child, parent, tapeloom.parameter(2.0)
        self.assertEqual(names_of(parent), ["child.w"])
        self.assertEqual(names_of(child), ["w"])

    def test_a_list_that_contains_itself_is_refused(self):
        one, two, table = [], [tapeloom.parameter(1.0)], {}
        one.append(one)
        two.extend([two, two])
        table["t"] = [table]
        for held in (one, two, table):
            with self.subTest(type(held)), self.assertRaisesRegex(ValueError, "held.*: a .* that contains itself"):
                Holder(held=held).tensors()
        shared = [tapeloom.parameter(1.0)]
        self.assertEqual(names_of(Holder(held=[shared, [shared]])), ["held.0", "held.1"])


class Hidden(unittest.TestCase):
    def test_parameters_in_arrays_and_sets_are_refused_by_name(self):
        p = tapeloom.parameter(1.0)
        for held in (np.array([[p, p]]), {p}, frozenset([p]), deque([p]), {nn.LayerNorm(1)}, [{p}]):
            with self.subTest(type(held)), self.assertRaisesRegex(TypeError, "held.*where they are not found.*list"):
                Holder(held=held).parameters()
        self.assertEqual(Holder(a=np.ones(3), b={1, "x"}, c=np.array(["x", None])).tensors(), [])


if __name__ == "__main__":
    unittest.main()
