"""micrograd's `nn`, and PyTorch's layers over lists of Values: what a layer computes is recorded, by one call into the
library, and rolls into a few instructions when it is compiled.

Of `Neuron`, `Layer` and `MLP` the nodes are those of the formula `sum((wi * xi for wi, xi in zip(w, x)), b)`. The other
layers have PyTorch's names, defaults and tensors: lists of Values, within lists where there are several dimensions.
"""

import copyreg
import math
import random
from collections import namedtuple

from ._module import Module, ModuleTensor
from ._native import NeuronBase as _NeuronBase
from ._native import RecordingError
from ._native import _attention, _call_layer, _dropout, _layer_norm, _make_layer, _pool, _rms_norm
from ._native import layer as _layer
from ._native import parameter

__all__ = [
    "Module", "ModuleTensor", "Neuron", "Layer", "MLP", "LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "Dropout",
    "RNNCell", "GRUCell", "LSTMCell", "LSTMState", "unroll", "Conv1d", "Conv2d", "Signal", "Image", "max_pool1d",
    "max_pool2d", "avg_pool1d", "avg_pool2d", "MultiheadAttention", "scaled_dot_product_attention", "layer_norm",
    "rms_norm", "dropout",
]  # fmt: skip


class Neuron(_NeuronBase, Module):
    """activation(w . x + b), with weights from `random.uniform(-1, 1)` and a bias of 0.

    `nonlin` chooses relu or nothing, as in micrograd; `activation` any function of one Value by its name, such as
    "tanh"."""

    def __init__(self, nin, nonlin=True, activation=None):
        self.w = [parameter(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = parameter(0.0)
        self.nonlin = nonlin
        if activation is not None:
            self.activation = activation

    @property
    def nonlin(self):
        """Whether it was made with relu, or with another activation; setting it chooses relu or nothing."""
        return self._nonlin

    @nonlin.setter
    def nonlin(self, nonlin):  # micrograd reads it in each call
        self._nonlin = nonlin
        self.activation = "relu" if nonlin else ""

    def __call__(self, x):
        return _layer((self,), x, type(self))[0]

    def __reduce__(self):  # for copy and pickle: the attributes that are not in __dict__
        held = {name: getattr(self, name) for name in ("w", "b", "activation") if hasattr(self, name)}
        return copyreg.__newobj__, (type(self),), (self.__dict__, held)

    def parameters(self):
        return self.w + [self.b]

    def tensors(self):
        return [ModuleTensor("w", (len(self.w),), self.w, True), ModuleTensor("b", (), [self.b], True)]

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
        return list(dict.fromkeys(p for n in self.neurons for p in n.parameters()))

    def tensors(self):
        if not self.neurons:
            return []
        weights = [w for n in self.neurons for w in n.w]
        shape = (len(self.neurons), len(weights) // len(self.neurons))
        return [
            ModuleTensor("weight", shape, weights, True),
            ModuleTensor("bias", shape[:1], [n.b for n in self.neurons], True),
        ]

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
        return list(dict.fromkeys(p for layer in self.layers for p in layer.parameters()))

    def __repr__(self):
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"


# --- PyTorch's layers ---------------------------------------------------------------------------------------------


def _in_radius(radius):
    return random.uniform(-radius, radius)


def _by_inputs(inputs, outputs, bias):
    """What torch.nn.Conv1d and Conv2d begin with."""
    return _in_radius(1.0 / math.sqrt(inputs))


def _by_hidden(inputs, hidden, bias):
    """What torch.nn's recurrent cells begin with."""
    return _in_radius(1.0 / math.sqrt(hidden))


def _of_attention(inputs, outputs, bias):
    """What torch.nn.MultiheadAttention begins with: Glorot's weights of in_proj, and those of a Linear of out_proj."""
    if bias:
        return 0.0
    return _in_radius(1.0 / math.sqrt(inputs) if inputs == outputs else math.sqrt(6.0 / (inputs + outputs)))


class _LayerOfLibrary(Module):
    """A layer that C++ computes: `_options` are its constructor's, and its tensors are attributes."""

    def _begin(self, options, initial=_by_inputs):
        options.pop("self")
        self._options = options
        for name, tensor in _make_layer(self, initial).items():
            holder, path = self, name.split(".")
            for part in path[:-1]:
                holder.__dict__.setdefault(part, Module())
                holder = getattr(holder, part)
            setattr(holder, path[-1], tensor)

    def __repr__(self):
        options = ", ".join(f"{name}={option!r}" for name, option in self._options.items())
        return f"{type(self).__name__}({options})"


class LayerNorm(_LayerOfLibrary):
    """(x - mean(x)) / sqrt(variance(x) + eps) times `weight`, ones, plus `bias`, zeros, element by element."""

    _kind = "LayerNorm"

    def __init__(self, normalized_shape, eps=1e-5, *, bias=True):
        self._begin(locals())

    def __call__(self, x):
        return _call_layer(self, x)


class RMSNorm(_LayerOfLibrary):
    """x / sqrt(mean(x**2) + eps) times `weight`, ones, element by element."""

    _kind = "RMSNorm"

    def __init__(self, normalized_shape, eps=2.0**-23):
        self._begin(locals())

    def __call__(self, x):
        return _call_layer(self, x)


class BatchNorm1d(_LayerOfLibrary):
    """(x - mean) / sqrt(variance + eps), times `weight`, plus `bias`, channel by channel: of a list, each of whose
    numbers is a channel, or of a Signal.

    In training mean and variance are the batch's, and `running_mean` and `running_var`, frozen Values, move towards
    them with each update of an optimizer, by `momentum`; in inference these are used. For one place of one loss."""

    _kind = "BatchNorm1d"

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        self._begin(locals())

    def __call__(self, x):
        return Signal(*_call_layer(self, *x)) if isinstance(x, Signal) else _call_layer(self, x)


class BatchNorm2d(_LayerOfLibrary):
    """BatchNorm1d, of an Image."""

    _kind = "BatchNorm2d"

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        self._begin(locals())

    def __call__(self, x):
        return Image(*_call_layer(self, *_checked("BatchNorm2d", x, Image)))


class Dropout(Module):
    """In training each x is 0 with probability `p`, or else x / (1 - p), sample by sample; in inference it is x."""

    def __init__(self, p=0.5):
        _dropout([], p)  # RecordingError for what is no probability
        self.p = p

    def __call__(self, x):
        return dropout(x, self.p)

    def __repr__(self):
        return f"Dropout(p={self.p})"


def _not_empty(cell, state):
    """A state that was given; for C++ an empty one is none."""
    size = cell._options["hidden_size"]
    if size > 0 and hasattr(state, "__len__") and len(state) == 0:
        raise RecordingError(f"{cell._kind}: a state of {size} Values was given none; without a state it is zeros")
    return state


class RNNCell(_LayerOfLibrary):
    """h' = tanh(weight_ih x + bias_ih + weight_hh h + bias_hh). Without an h it is zeros; `nonlinearity` is the name of
    a function of one Value."""

    _kind = "RNNCell"

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh"):
        self._begin(locals(), _by_hidden)

    def __call__(self, x, h=None):
        return _call_layer(self, x, [] if h is None else _not_empty(self, h))


class GRUCell(_LayerOfLibrary):
    """r and z = sigmoid(weight_ih x + bias_ih + weight_hh h + bias_hh), n = tanh(W_in x + b_in + r (W_hn h + b_hn)),
    h' = (1 - z) n + z h; rows of weights are those of r, z and n. Without an h it is zeros."""

    _kind = "GRUCell"

    def __init__(self, input_size, hidden_size, bias=True):
        self._begin(locals(), _by_hidden)

    def __call__(self, x, h=None):
        return _call_layer(self, x, [] if h is None else _not_empty(self, h))


class LSTMState(namedtuple("LSTMState", ["h", "c"])):
    """What an LSTMCell gives: two lists."""

    __slots__ = ()


class LSTMCell(_LayerOfLibrary):
    """i, f and o = sigmoid(weight_ih x + bias_ih + weight_hh h + bias_hh), g by tanh, c' = f c + i g, h' = o tanh(c');
    rows of weights are those of i, f, g and o. Takes and gives (h, c); without them they are zeros."""

    _kind = "LSTMCell"

    def __init__(self, input_size, hidden_size, bias=True):
        self._begin(locals(), _by_hidden)

    def __call__(self, x, state=None):
        if state is None:
            return LSTMState(*_call_layer(self, x, [], []))
        if not isinstance(state, (tuple, list)) or len(state) != 2 or not all(hasattr(each, "__len__") for each in state):
            raise TypeError("LSTMCell: the state is a pair (h, c) of lists, as an LSTMCell gives it")
        return LSTMState(*_call_layer(self, x, *(_not_empty(self, each) for each in state)))


def unroll(cell, sequence, state=None):
    """The states after each x of a sequence, as a list: the cell is given the one before, and `state` first."""
    states = []
    for x in sequence:
        state = cell(x, state)
        states.append(state)
    return states


class Signal(namedtuple("Signal", ["channels", "length", "values"])):
    """Channel after channel, each of `length` Values, in one list."""

    __slots__ = ()


class Image(namedtuple("Image", ["channels", "height", "width", "values"])):
    """Channel after channel, each row after row, in one list of Values."""

    __slots__ = ()


def _checked(name, x, *types):
    if isinstance(x, types):
        return x
    expected = " or ".join(f"nn.{each.__name__}" for each in types)
    raise TypeError(f"{name}: {expected} is expected, not '{type(x).__name__}'")


class Conv1d(_LayerOfLibrary):
    """y[o][t] = activation(bias[o] + sum over c and k of weight[o][c][k] x[c][t stride + k - padding]), with zeros
    outside of x, a Signal. `activation` is the name of a function of one Value, or ''."""

    _kind = "Conv1d"

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, *, bias=True, activation=""):
        self._begin(locals())

    def __call__(self, x):
        return Signal(*_call_layer(self, *_checked("Conv1d", x, Signal)))


class Conv2d(_LayerOfLibrary):
    """Conv1d in rows and columns, of an Image: `kernel_size`, `stride` and `padding` are numbers or (rows, columns)."""

    _kind = "Conv2d"

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, *, bias=True, activation=""):
        self._begin(locals())

    def __call__(self, x):
        return Image(*_call_layer(self, *_checked("Conv2d", x, Image)))


class _Pool:
    def __init__(self, kind, kernel_size, stride, padding, count_include_pad=True):
        self._kind = kind
        self._options = {"kernel_size": kernel_size, "stride": stride, "padding": padding,
                         "count_include_pad": count_include_pad}  # fmt: skip

    def __call__(self, x, kind):
        return kind(*_pool(self, *_checked(self._kind, x, kind)))


def max_pool1d(x, kernel_size, stride=None, padding=0):
    """The largest of each window of a Signal; the stride is the kernel's size without one."""
    return _Pool("max_pool1d", kernel_size, stride, padding)(x, Signal)


def max_pool2d(x, kernel_size, stride=None, padding=0):
    """The largest of each window of an Image; the stride is the kernel's size without one."""
    return _Pool("max_pool2d", kernel_size, stride, padding)(x, Image)


def avg_pool1d(x, kernel_size, stride=None, padding=0, *, count_include_pad=True):
    """The mean of each window of a Signal, with zeros around it, which count unless `count_include_pad` is False."""
    return _Pool("avg_pool1d", kernel_size, stride, padding, count_include_pad)(x, Signal)


def avg_pool2d(x, kernel_size, stride=None, padding=0, *, count_include_pad=True):
    """The mean of each window of an Image, with zeros around it, which count unless `count_include_pad` is False."""
    return _Pool("avg_pool2d", kernel_size, stride, padding, count_include_pad)(x, Image)


class MultiheadAttention(_LayerOfLibrary):
    """Attention by `num_heads` heads, each with its part of the projections of queries, keys and values, and a last
    projection `out_proj` of what all of them give. Takes and gives lists of lists of Values: a vector a query. Without
    keys it is attention of a sequence to itself, and without values these are the keys."""

    _kind = "MultiheadAttention"

    def __init__(self, embed_dim, num_heads, *, bias=True):
        self._begin(locals(), _of_attention)

    def __call__(self, query, key=None, value=None, *, is_causal=False):
        query = list(query)
        key = query if key is None else list(key)
        return _call_layer(self, query, key, key if value is None else value, is_causal)


def scaled_dot_product_attention(query, key, value, *, is_causal=False):
    """For each query q the sum of the values, each times its element of softmax(q k / sqrt(size of q)) over the keys k;
    if it is causal, query i attends to keys 0, ..., i alone."""
    return _attention(query, key, value, is_causal)


def layer_norm(x, eps=1e-5):
    """(x - mean(x)) / sqrt(variance(x) + eps), a list."""
    return _layer_norm(x, eps)


def rms_norm(x, eps=2.0**-23):
    """x / sqrt(mean(x**2) + eps), a list."""
    return _rms_norm(x, eps)


def dropout(x, p=0.5):
    """In training each x is 0 with probability `p`, or else x / (1 - p), sample by sample; in inference it is x. The
    random numbers are those of tapeloom.randoms."""
    return _dropout(x, p)
