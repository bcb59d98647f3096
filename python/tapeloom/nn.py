"""micrograd's `nn`: neurons, layers and multilayer perceptrons. A layer is one call into the library; the nodes are
those of the formula `sum((wi * xi for wi, xi in zip(w, x)), b)`."""

import copyreg
import random

from ._native import NeuronBase as _NeuronBase
from ._native import Value
from ._native import layer as _layer

__all__ = ["Module", "Neuron", "Layer", "MLP"]


class Module:
    """Something with parameters."""

    def zero_grad(self):
        """Sets the gradients of all parameters to zero."""
        for p in self.parameters():
            p.grad = 0.0

    def parameters(self):
        """The trained Values, in a fixed order."""
        return []


class Neuron(_NeuronBase, Module):
    """activation(w . x + b), with weights from `random.uniform(-1, 1)` and a bias of 0.

    `nonlin` chooses relu or nothing, as in micrograd; `activation` any function of one Value by its name, such as
    "tanh"."""

    def __init__(self, nin, nonlin=True, activation=None):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin
        self.activation = activation if activation is not None else "relu" if nonlin else ""

    def __call__(self, x):
        return _layer((self,), x, type(self))[0]

    def __reduce__(self):  # for copy and pickle: the attributes that are not in __dict__
        held = {name: getattr(self, name) for name in ("w", "b", "activation") if hasattr(self, name)}
        return copyreg.__newobj__, (type(self),), (self.__dict__, held)

    def parameters(self):
        return self.w + [self.b]

    def __repr__(self):
        names = {"relu": "ReLU", "": "Linear"}
        return f"{names.get(self.activation, self.activation)}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons with the same inputs. Called, it gives a list of Values; of one neuron, the Value."""

    def __init__(self, nin, nout, **kwargs):
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x):
        out = _layer(self.neurons, x, Neuron)
        if out is None:  # neurons of the user's own
            out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self):
        return [p for n in self.neurons for p in n.parameters()]

    def __repr__(self):
        return f"Layer of [{', '.join(str(n) for n in self.neurons)}]"


class MLP(Module):
    """Layers one after another, the last one linear. `activation` is that of the others, relu without."""

    def __init__(self, nin, nouts, activation=None):
        sizes = [nin] + list(nouts)
        last = len(nouts) - 1
        self.layers = [
            Layer(sizes[i], sizes[i + 1], nonlin=i != last, activation=activation if i != last else None)
            for i in range(len(nouts))
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self):
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"
