"""What docs/python.md shows."""

# --- micrograd's words
from tapeloom.engine import Value
from tapeloom.graph import draw_dot

a = Value(-4.0, label="a")
b = Value(2.0, label="b")
c = a * b + b**3
d = (c - a).tanh() + c / 10
d.backward()
print(d, d._op, len(d._prev))
print(f"dd/da = {a.grad:.6f}, dd/db = {b.grad:.6f}")
draw_dot(d).save("d.svg")

# --- a net, in the notebooks' way
import random

from tapeloom.nn import MLP

random.seed(42)
rows = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
targets = [1.0, -1.0, -1.0, 1.0]
model = MLP(3, [4, 4, 1], activation="tanh")


def squared_errors():
    return sum((model(x) - y) ** 2 for x, y in zip(rows, targets))


for step in range(20):
    loss = squared_errors()
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= 0.05 * p.grad
print(f"after 20 steps {loss.data:.4f}")

# --- the same loss, compiled
import tapeloom

executor = tapeloom.compile(squared_errors(), parameters=model.parameters())
for step in range(30):
    executor.step()
    executor.parameters[:] -= 0.05 * executor.gradients
executor.write_back()
print(f"after 50 steps {squared_errors().data:.4f}")

# --- inputs, and arrays for them
import numpy as np

x = tapeloom.inputs("x", 3)
y = tapeloom.input("y")
score = model(x)
error = tapeloom.batch_mean((score - y) ** 2)
trainer = tapeloom.compile(error, parameters=model.parameters(), outputs=[score], dtype="float32")
data = np.random.default_rng(1).normal(size=(512, 3)).astype(np.float32)
wanted = np.tanh(data @ np.array([0.5, -1.0, 0.25], dtype=np.float32))
trainer.bind(x=data, y=wanted)
for step in range(500):
    trainer.step()
    trainer.parameters[:] -= 0.1 * trainer.gradients
print(f"mean square {trainer.loss:.4f}, outputs {trainer.outputs.shape} of {trainer.outputs.dtype}")
assert trainer.loss < 0.02

# --- layers
from tapeloom import nn


class Net(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, padding=1, activation="relu")
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Layer(16, 2, nonlin=False)

    def __call__(self, pixels):
        image = nn.max_pool2d(self.norm(self.conv(nn.Image(1, 4, 4, pixels))), 2)
        return self.head(nn.dropout(image.values, 0.1))


generator = np.random.default_rng(2)
kinds = generator.integers(0, 2, 400)
images = generator.normal(scale=0.3, size=(400, 4, 4))
for picture, kind in zip(images, kinds):
    (picture if kind else picture.T)[generator.integers(0, 4)] += 1.0  # a row of it, or a column

net = Net()
scores = net(tapeloom.inputs("pixels", 16))
cost = tapeloom.batch_mean(tapeloom.softmax_cross_entropy(scores, tapeloom.input("kind")))
training = tapeloom.compile(cost, net.parameters())
validating = tapeloom.compile(cost, parameters_of=training, gradients=False)
stripes = {"pixels": images[:300], "kind": kinds[:300].astype(float)}
tapeloom.fit(
    training, stripes, epochs=40, optimizer=tapeloom.Adam(0.02), validation_fraction=0.2, predictor=validating
)
predicting = tapeloom.compile(outputs=scores, parameters_of=training)
found = tapeloom.predict(predicting, {"pixels": images[300:]}).argmax(axis=1)
print(f"more than nine of ten are right: {(found == kinds[300:]).mean() > 0.9}")

weights = tapeloom.export_weights(training, net.tensor_layout(training))
for name, array in weights.items():
    print(f"{name:18}{array.shape}")

# --- fitting
volumes = np.array([10.07, 17.94, 29.61, 40.02, 50.76, 61.01, 75.47, 81.78])
pressures = np.array([77.6, 141.1, 239.9, 332.8, 434.8, 536.8, 689.1, 760.0])
a, b = tapeloom.parameter(500.0), tapeloom.parameter(0.0001)
volume, pressure = tapeloom.input("volume"), tapeloom.input("pressure")
curve = tapeloom.compile_residuals(volume - a * (1 - tapeloom.exp(-b * pressure)), [a, b])
fitted = tapeloom.least_squares(curve, {"volume": volumes, "pressure": pressures})
for number, uncertainty in zip(curve.parameters, fitted.standard_errors):
    print(f"{number:.4g} +- {uncertainty:.1g}")

before = trainer.loss
result = tapeloom.lbfgs(trainer, {"x": data, "y": wanted}, max_iterations=100)
print(f"smaller by L-BFGS: {result.loss < before / 2}")

# --- branches
p = Value(0.5)
best = max(p, Value(0.25))  # Python's max compares, so it is a branch
branch = tapeloom.compile(best * 2, parameters=[p])
branch.parameters[:] = 0.1
try:
    branch.step()
except tapeloom.GuardError as error:
    print(type(error).__name__, isinstance(error, ArithmeticError))

# --- README's lines
from tapeloom.engine import Value  # micrograd's class: its programs run as they are
from tapeloom.nn import MLP
import tapeloom

random.seed(42)
model = MLP(3, [4, 4, 1], activation="tanh")
loss = sum((model(x) - y) ** 2 for x, y in zip(rows, targets))
loss.backward()  # such a loop: 28 to 89 times as fast as closures

executor = tapeloom.compile(loss, parameters=model.parameters())
for step in range(100):
    executor.step()  # 1,000 to 20,000 times
    executor.parameters[:] -= 0.05 * executor.gradients
assert executor.loss < 0.01
