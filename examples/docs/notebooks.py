"""The left-hand side of docs/notebooks.md: a scalar engine in the manner of the notebooks, and their way of using it."""

import math
import random


class Value:
    def __init__(self, data, operands=(), factors=()):
        self.data, self.grad = float(data), 0.0
        self.operands, self.factors = operands, factors  # factors: the derivative by each operand

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = as_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k):
        return Value(self.data**k, (self,), (k * self.data ** (k - 1),))

    def __sub__(self, other):
        return self + as_value(other) * -1

    __radd__ = __add__
    __rmul__ = __mul__

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, (self,), (1 - t * t,))

    def backward(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack += [(operand, False) for operand in node.operands]
        self.grad = 1.0
        for node in reversed(order):
            for operand, factor in zip(node.operands, node.factors):
                operand.grad += factor * node.grad


def as_value(x):
    return x if isinstance(x, Value) else Value(x)


random.seed(1)

# --- a neuron
x1, x2 = Value(2.0), Value(0.0)
w1, w2 = Value(-3.0), Value(1.0)
b = Value(6.8813735870195432)
o = (x1 * w1 + x2 * w2 + b).tanh()
o.backward()
print(f"{o.data:.4f} {x1.grad:.4f} {w1.grad:.4f}")

# --- data
xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
ys = [1.0, -1.0, -1.0, 1.0]


# --- layers
def neuron(inputs):
    w = [Value(random.uniform(-1, 1)) for _ in range(inputs)]
    b = Value(random.uniform(-1, 1))
    parameters.extend([*w, b])
    return lambda x: sum((wi * xi for wi, xi in zip(w, x)), b).tanh()


parameters = []
hidden = [neuron(3) for _ in range(4)]
last = neuron(4)


def net(x):
    return last([h(x) for h in hidden])


# --- training
for step in range(50):
    loss = sum((net(x) - y) ** 2 for x, y in zip(xs, ys))
    for p in parameters:
        p.grad = 0.0
    loss.backward()
    for p in parameters:
        p.data -= 0.05 * p.grad

print(f"loss {loss.data:.4f}")
