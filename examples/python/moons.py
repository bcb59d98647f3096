"""micrograd's demo: two half circles, a net of 2-16-16-1, the hinge loss. Its loop runs as it is; then the same loss is
compiled, and the rest of the training takes a moment.

    python3 moons.py [picture.png]        (the picture needs matplotlib)
"""

import math
import random
import sys
import time

import tapeloom
from tapeloom.engine import Value
from tapeloom.nn import MLP

random.seed(1337)
points, labels = [], []
for i in range(100):
    angle = math.pi * random.random()
    x, y = (math.cos(angle), math.sin(angle)) if i % 2 == 0 else (1 - math.cos(angle), 0.5 - math.sin(angle))
    points.append([x + random.gauss(0, 0.1), y + random.gauss(0, 0.1)])
    labels.append(1 if i % 2 == 0 else -1)

model = MLP(2, [16, 16, 1])
print(model)
print("number of parameters", len(model.parameters()))


def total_loss():
    inputs = [list(map(Value, point)) for point in points]
    scores = list(map(model, inputs))
    losses = [(1 + -yi * score).relu() for yi, score in zip(labels, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    reg_loss = 1e-4 * sum((p * p for p in model.parameters()))
    accuracy = sum((yi > 0) == (score.data > 0) for yi, score in zip(labels, scores)) / len(labels)
    return data_loss + reg_loss, accuracy


# --- the notebooks' loop
start = time.perf_counter()
for k in range(20):
    loss, accuracy = total_loss()
    model.zero_grad()
    loss.backward()
    learning_rate = 1.0 - 0.9 * k / 100
    for p in model.parameters():
        p.data -= learning_rate * p.grad
looped = (time.perf_counter() - start) / 20
print(f"step {k}: loss {loss.data:.4f}, accuracy {accuracy:.0%}")

# --- the same loss, compiled
executor = tapeloom.compile(loss, parameters=model.parameters())
start = time.perf_counter()
for k in range(20, 2000):
    loss = executor.step()
    executor.parameters[:] -= 0.1 * executor.gradients
compiled = (time.perf_counter() - start) / 1980
executor.write_back()  # into the Values of the model
loss, accuracy = total_loss()
print(f"step {k}: loss {loss.data:.4f}, accuracy {accuracy:.0%}")
print(f"a step of the loop takes {looped * 1e6:,.0f} us, one that is compiled {compiled * 1e6:.1f} us", file=sys.stderr)

if len(sys.argv) > 1:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    # Another program of the same net, for any point.
    x = tapeloom.inputs("x", 2)
    predict = tapeloom.compile(outputs=[model(x)], parameters_of=executor, max_samples=10_000)
    across, up = np.meshgrid(np.linspace(-1.5, 2.5, 100), np.linspace(-1.0, 1.5, 100))
    predict.bind(x=np.column_stack([across.ravel(), up.ravel()]))
    predict.step()
    plt.contourf(across, up, predict.outputs.reshape(across.shape) > 0, cmap="Spectral", alpha=0.6)
    plt.scatter(*zip(*points), c=labels, cmap="Spectral", edgecolors="k")
    plt.title("two moons, and where the net changes its mind")
    plt.savefig(sys.argv[1], dpi=80)
    print(f"written: {sys.argv[1]}", file=sys.stderr)
