"""A small net, its data, and what NumPy computes for it: what several tests need."""

import random

import numpy as np

import tapeloom
from tapeloom.nn import MLP


class Net:
    """Three inputs, four tanh neurons, one output; the mean of the squared errors."""

    def __init__(self, seed=1):
        random.seed(seed)
        self.model = MLP(3, [4, 1], activation="tanh")
        self.x = tapeloom.inputs("x", 3)
        self.y = tapeloom.input("y")
        self.out = self.model(self.x)
        self.loss = tapeloom.batch_mean((self.out - self.y) ** 2)

    def parameters(self):
        return self.model.parameters()

    def numbers(self):
        return np.array([p.data for p in self.parameters()])

    def compile(self, **options):
        return tapeloom.compile(self.loss, self.parameters(), [self.out], **options)


def data(rows=10, seed=3):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 3))
    return x, np.sin(x.sum(axis=1))


def reference(parameters, x, y):
    """loss, outputs, gradients and input gradients (of x alone) by matrices."""
    weights1, biases1 = parameters[:16].reshape(4, 4)[:, :3], parameters[:16].reshape(4, 4)[:, 3]
    weights2, bias2 = parameters[16:20], parameters[20]
    hidden = np.tanh(x @ weights1.T + biases1)
    out = hidden @ weights2 + bias2
    error = out - y
    d_out = 2 * error / len(x)
    d_hidden = d_out[:, None] * weights2 * (1 - hidden**2)
    d_first = np.concatenate([d_hidden.T @ x, d_hidden.sum(axis=0)[:, None]], axis=1)
    gradients = np.concatenate([d_first.ravel(), d_out @ hidden, [d_out.sum()]])
    return (error**2).mean(), out, gradients, d_hidden @ weights1
