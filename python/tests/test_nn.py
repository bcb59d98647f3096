"""tapeloom.nn: micrograd's nets, with the same numbers as its formulas written out."""

import copy
import os
import pickle
import random
import sys
import unittest

sys.path.insert(0, os.environ["TAPELOOM_SOURCE"] + "/bench/python")
import closures

import tapeloom
from tapeloom.engine import Value
from tapeloom.nn import MLP, Layer, Module, Neuron


class Nets(unittest.TestCase):
    def test_as_micrograd(self):
        random.seed(1337)
        theirs = closures.MLP(2, [16, 16, 1])
        random.seed(1337)
        ours = MLP(2, [16, 16, 1])
        self.assertEqual([p.data for p in ours.parameters()], [p.data for p in theirs.parameters()])
        for x in ([0.5, -1.0], [Value(2.0), 1]):
            a = ours(x)
            b = theirs([getattr(xi, "data", xi) for xi in x])
            self.assertAlmostEqual(a.data, b.data, places=12)
            a.backward()
            b.backward()
        for p, q in zip(ours.parameters(), theirs.parameters()):
            self.assertAlmostEqual(p.grad, q.grad, places=12)
        ours.zero_grad()
        self.assertEqual({p.grad for p in ours.parameters()}, {0.0})

    def test_names(self):
        random.seed(0)
        self.assertEqual(repr(MLP(2, [2, 1])),
                         "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]")
        self.assertEqual(repr(Layer(3, 1, activation="tanh")), "Layer of [tanhNeuron(3)]")
        self.assertEqual(Module().parameters(), [])
        self.assertEqual(len(MLP(3, [4, 4, 1]).parameters()), 41)

    def test_activations(self):
        neuron = Neuron(2, activation="tanh")
        total = neuron.w[0].data * 1.0 + neuron.w[1].data * 2.0
        self.assertAlmostEqual(neuron([1.0, 2.0]).data, Value(total).tanh().data, places=15)
        for name in ("gelu", "silu", "elu"):
            neuron = Neuron(1, activation=name)
            self.assertEqual(neuron([1.5]).data, getattr(tapeloom, name)(neuron.w[0].data * 1.5))
        with self.assertRaisesRegex(ValueError, "'thanh' is no activation"):
            Neuron(1, activation="thanh")([1.0])

    def test_outputs(self):
        self.assertIsInstance(Layer(2, 3)([1.0, 2.0]), list)
        self.assertIsInstance(Layer(2, 1)([1.0, 2.0]), Value)
        self.assertRaises(TypeError, Layer(2, 3), 1.0)

    def test_neurons_of_the_users_own(self):
        class Double(Neuron):
            def __call__(self, x):
                return super().__call__(x) * 2

        layer = Layer(2, 2, nonlin=False)
        single = [v.data for v in layer([1.0, 1.0])]
        for i, neuron in enumerate(layer.neurons):
            double = Double(2, nonlin=False)
            double.w, double.b = neuron.w, neuron.b
            layer.neurons[i] = double
        self.assertEqual([v.data for v in layer([1.0, 1.0])], [2 * s for s in single])

    def test_copies_and_pickles(self):
        model = MLP(2, [3, 1], activation="tanh")
        model.note = "mine"
        right = model([1.0, 2.0]).data
        for duplicate in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
            made = duplicate(model)
            self.assertEqual((made([1.0, 2.0]).data, made.note, repr(made)), (right, "mine", repr(model)))
            made.parameters()[0].data += 1.0
        self.assertEqual(model([1.0, 2.0]).data, right)
        shallow = copy.copy(model.layers[0].neurons[0])
        self.assertIs(shallow.w, model.layers[0].neurons[0].w)

        class Own(Neuron):
            def __init__(self, scale):
                super().__init__(2)
                self.scale = scale

        self.assertEqual(copy.deepcopy(Own(3.0)).scale, 3.0)

    def test_a_net_says_of_itself_what_is_trained(self):
        random.seed(2)
        model = MLP(1, [2, 1])
        executor = tapeloom.compile((model([2.0]) - 1.0) ** 2)
        self.assertEqual(executor.program.values, model.parameters())
        self.assertEqual([(t.name, t.shape, t.is_trained) for t in model.tensors()],
                         [("layers.0.weight", (2, 1), True), ("layers.0.bias", (2,), True),
                          ("layers.1.weight", (1, 2), True), ("layers.1.bias", (1,), True)])
        self.assertEqual([v.data for t in model.layers[0].tensors() for v in t.values],
                         [n.w[0].data for n in model.layers[0].neurons] + [0.0, 0.0])
        self.assertEqual([(t.name, t.shape) for t in Neuron(3).tensors()], [("w", (3,)), ("b", ())])
        model.set_labels("net.")
        self.assertEqual([p.label for p in model.parameters()],
                         ["net.layers.0.weight[0][0]", "net.layers.0.bias[0]", "net.layers.0.weight[1][0]",
                          "net.layers.0.bias[1]", "net.layers.1.weight[0][0]", "net.layers.1.weight[0][1]",
                          "net.layers.1.bias[0]"])

    def test_nonlin_may_be_set_as_in_micrograd(self):
        neuron = Neuron(2)
        neuron.w = [-1.0, -1.0]
        self.assertEqual(neuron([1.0, 1.0]).data, 0.0)
        neuron.nonlin = False
        self.assertEqual(neuron([1.0, 1.0]).data, -2.0)
        self.assertEqual(copy.deepcopy(neuron).nonlin, False)
        neuron.nonlin = True
        self.assertEqual((neuron([1.0, 1.0]).data, repr(neuron)), (0.0, "ReLUNeuron(2)"))
        tanh = Neuron(2, activation="tanh")
        self.assertEqual((tanh.nonlin, tanh.activation), (True, "tanh"))

    def test_weights_may_be_replaced(self):
        neuron = Neuron(2, nonlin=False)
        neuron.w[0] = Value(10.0)
        neuron.w[1] = 3.0
        neuron.b = Value(1.0)
        self.assertEqual(neuron([1.0, 2.0]).data, 17.0)


if __name__ == "__main__":
    unittest.main()
