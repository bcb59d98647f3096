"""What PyTorch's layers and losses compute, for test_layers.cpp, which reads it from layers.safetensors.

layers.py <file>               writes the file
layers.py <file> <directory>   compares it with what PyTorch computes here

Of each case the file has what its module's state_dict() calls its tensors, `x` (a row a sample), `y`, the factors `c`
that make a number of y, sum(c * y), and that number's derivatives: `grad.x` and `grad.` + the tensor's name.
"""

import os
import sys

import torch
import torch.nn.functional as F

from exchange import read_safetensors, write_safetensors

torch.set_default_dtype(torch.float64)
tensors = {}


def case(name, x, function, module=None):
    """function(x) of a batch x; everything behind the first dimension is one list of numbers in the file."""
    x = x.requires_grad_()
    y = function(x)
    c = torch.rand_like(y) - 0.5
    if module is not None:
        module.zero_grad()
    (c * y).sum().backward()
    rows = len(x)
    for key, tensor in {"x": x, "y": y, "c": c, "grad.x": x.grad}.items():
        tensors[f"{name}.{key}"] = tensor.detach().reshape(rows, -1).clone()
    if module is not None:
        for key, parameter in module.named_parameters():
            tensors[f"{name}.{key}"] = parameter.detach().clone()
            tensors[f"{name}.grad.{key}"] = parameter.grad.clone()


def numbers(*shape):
    return 2 * torch.rand(shape) - 1


def scrambled(module):
    """Ones and zeros would hide which tensor is which."""
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    return module


class RMSNorm(torch.nn.Module):  # PyTorch has it since 2.4
    def __init__(self, features):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(features))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 2.0**-23) * self.weight


def unrolled(cell, steps, states):
    """The h after each step; behind the sequence x may have initial states."""

    def function(x):
        sequence, rest = x[:, : steps * 2].reshape(len(x), steps, 2), x[:, steps * 2 :]
        given = rest.split(3, 1) if states else None
        state = None if given is None else given if len(given) > 1 else given[0]
        out = []
        for t in range(steps):
            state = cell(sequence[:, t], state)
            out.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(out, 1)

    return function


def record_layers():
    layer = scrambled(torch.nn.LayerNorm(5))
    case("layer_norm", numbers(2, 5), layer, layer)
    layer = scrambled(RMSNorm(5))
    case("rms_norm", numbers(2, 5), layer, layer)
    for name, cell, states in [
        ("rnn", torch.nn.RNNCell(2, 3), 1),
        ("gru", torch.nn.GRUCell(2, 3), 1),
        ("lstm", torch.nn.LSTMCell(2, 3), 2),
    ]:
        case(name, numbers(2, 4), unrolled(cell, 2, False), cell)
        case(name + "_state", numbers(2, 4 + 3 * states), unrolled(cell, 2, True), cell)
    cell = torch.nn.RNNCell(2, 3, bias=False, nonlinearity="relu")
    case("rnn_relu", numbers(2, 4), unrolled(cell, 2, False), cell)

    layer = torch.nn.Conv1d(2, 3, 3, stride=2, padding=1)
    case("conv1d", numbers(2, 2, 6), layer, layer)
    layer = torch.nn.Conv1d(1, 2, 2, bias=False)
    case("conv1d_plain", numbers(2, 1, 4), layer, layer)
    layer = torch.nn.Conv2d(2, 2, (3, 2), stride=(2, 1), padding=(1, 0))
    case("conv2d", numbers(2, 2, 5, 4), layer, layer)
    case("max_pool1d", numbers(2, 2, 7), lambda x: F.max_pool1d(x, 3, stride=2, padding=1))
    case("max_pool2d", numbers(2, 2, 4, 5), lambda x: F.max_pool2d(x, 2))
    case("avg_pool1d", numbers(2, 2, 7), lambda x: F.avg_pool1d(x, 3, stride=2, padding=1))
    case("avg_pool2d", numbers(2, 1, 5, 4), lambda x: F.avg_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 0)))
    case("avg_pool2d_inside", numbers(2, 1, 4, 4),
         lambda x: F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))


def record_attention():
    layer = scrambled(torch.nn.MultiheadAttention(4, 2, batch_first=True))
    mask = torch.ones(3, 3, dtype=torch.bool).triu(1)
    case("attention", numbers(2, 3, 4), lambda x: layer(x, x, x)[0], layer)
    case("attention_causal", numbers(2, 3, 4), lambda x: layer(x, x, x, attn_mask=mask)[0], layer)
    case("attention_cross", numbers(2, 8, 4), lambda x: layer(x[:, :2], x[:, 2:5], x[:, 5:])[0], layer)
    case("softmax", 3 * numbers(2, 4), lambda x: F.softmax(x, -1))


def record_losses():
    pair = lambda loss: lambda x: loss(x[:, 0], x[:, 1], reduction="none")
    case("l1", numbers(3, 2), pair(F.l1_loss))
    case("huber", 3 * numbers(4, 2), pair(F.huber_loss))
    case("smooth_l1", 3 * numbers(4, 2), pair(lambda a, b, reduction: F.smooth_l1_loss(a, b, reduction=reduction, beta=0.5)))
    p = torch.rand(2, 3) + 0.1
    x = torch.cat([numbers(2, 3), p / p.sum(-1, keepdim=True)], 1)
    case("kl_div", x, lambda x: F.kl_div(F.log_softmax(x[:, :3], -1), x[:, 3:], reduction="none").sum(-1))
    case("smoothed_class", 3 * numbers(2, 4),
         lambda x: F.cross_entropy(x, torch.tensor([2, 2]), reduction="none", label_smoothing=0.1))
    case("smoothed_probabilities", torch.cat([numbers(2, 3), x.detach()[:, 3:]], 1),
         lambda x: F.cross_entropy(x[:, :3], x[:, 3:], reduction="none", label_smoothing=0.25))


def record_batch_norm():
    """`running_mean` and `running_var` are those before the batch, `after.` those after it, and `y_inference` is by
    these."""
    for name, layer, x in [
        ("batch_norm", torch.nn.BatchNorm1d(3), numbers(4, 3)),
        ("batch_norm_signal", torch.nn.BatchNorm1d(2, affine=False), numbers(3, 2, 4)),
        ("batch_norm_image", torch.nn.BatchNorm2d(2, eps=0.01, momentum=0.3), numbers(3, 2, 2, 3)),
    ]:
        scrambled(layer)
        running = {key: tensor for key, tensor in layer.named_buffers() if key.startswith("running")}
        for key, tensor in running.items():
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
            tensors[f"{name}.{key}"] = tensor.clone()
        case(name, x, layer, layer)
        for key, tensor in running.items():
            tensors[f"{name}.after.{key}"] = tensor.clone()
        layer.eval()
        tensors[f"{name}.y_inference"] = layer(x).detach().reshape(len(x), -1).clone()


if __name__ == "__main__":
    torch.manual_seed(1)
    record_layers()
    record_attention()
    record_losses()
    record_batch_norm()
    if len(sys.argv) == 2:
        write_safetensors(sys.argv[1], tensors)
        sys.exit()
    # Through a file, as the test reads it.
    path = os.path.join(sys.argv[2], "layers.safetensors")
    write_safetensors(path, tensors)
    here, there = read_safetensors(path), read_safetensors(sys.argv[1])
    assert here.keys() == there.keys()
    worst = max(float((here[name] - there[name]).abs().max()) for name in here)
    print(f"PyTorch {torch.__version__}: largest difference {worst:.1e}")
    assert worst < 1e-13
