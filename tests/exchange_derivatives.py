"""Holds the derivatives of a net, a loss of them, its gradient and a product with its Hessian against PyTorch's.

exchange_derivatives.py <the program of exchange.cpp> <directory>
"""

import os
import subprocess
import sys

import numpy
import torch

from exchange import read_safetensors


class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            [torch.nn.Linear(2, width), torch.nn.Linear(width, width), torch.nn.Linear(width, 1)]
        )

    def forward(self, x):
        return self.layers[2](torch.tanh(self.layers[1](torch.tanh(self.layers[0](x)))))


def derivatives(net, x):
    x = x.clone().requires_grad_()
    u = net(x)
    first = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    second = torch.autograd.grad(first[:, 0].sum(), x, create_graph=True)[0]
    return u[:, 0], first[:, 0], first[:, 1], second[:, 0]


def check(program, directory, type_name):
    torch.set_default_dtype({"float": torch.float32, "double": torch.float64}[type_name])
    # Of the largest number of its kind.
    bound = {"float": 2e-5, "double": 1e-12}[type_name]
    directory = os.path.join(directory, type_name)
    os.makedirs(directory, exist_ok=True)
    subprocess.run([program, "derivatives", type_name, directory], check=True)

    def array(name):
        return torch.from_numpy(numpy.load(os.path.join(directory, name + ".npy")))

    def tensors(name):
        return read_safetensors(os.path.join(directory, name + ".safetensors"))

    def report(what, ours, theirs):
        assert ours.shape == theirs.shape, what
        largest = float(theirs.abs().max())
        difference = float((ours - theirs).abs().max()) / largest
        print(f"{type_name}: {what}: up to {largest:.3g}, largest difference {difference:.1e} of it")
        assert largest > 1e-4 and difference <= bound, what

    weights = tensors("weights")
    net = Net(weights["layers.0.weight"].shape[0])
    net.load_state_dict(weights)
    u, u_x, u_t, u_xx = derivatives(net, array("x"))
    for column, (name, theirs) in enumerate(zip(("u", "u_x", "u_t", "u_xx"), (u, u_x, u_t, u_xx))):
        report(name, array("outputs")[:, column], theirs)
    loss = torch.mean((u_t + u * u_x - 0.01 * u_xx) ** 2)
    report("loss", array("loss"), loss.reshape(1))

    names = [name for name, _ in net.named_parameters()]
    gradients = torch.autograd.grad(loss, net.parameters(), create_graph=True)
    along = tensors("vector")
    slope = sum((gradient * along[name]).sum() for name, gradient in zip(names, gradients))
    product = torch.autograd.grad(slope, net.parameters())
    for name, gradient, times in zip(names, gradients, product):
        report(f"gradient by {name}", tensors("gradients")[name], gradient)
        report(f"Hessian times vector, {name}", tensors("product")[name], times)
    print(f"{type_name}: the same as PyTorch's")


if __name__ == "__main__":
    for each in ("float", "double"):
        check(sys.argv[1], sys.argv[2], each)
