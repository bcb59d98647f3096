"""Training steps from Python, by turns: closures (with Python's collector on and off), tapeloom.engine with the same
loop, and the same loss compiled; PyTorch where it is installed. Results are compared before anything is timed. Prints
Markdown. Started by scripts/bench.sh --python."""

import argparse
import gc
import math
import random
import statistics
import time

import closures
import tapeloom
import tapeloom.engine
import tapeloom.nn


def moons(count=100):
    """Two half circles with some noise: points and signs."""
    draw = random.Random(1337)
    points, signs = [], []
    for i in range(count):
        angle = math.pi * draw.random()
        x, y = math.cos(angle), math.sin(angle)
        if i % 2:
            x, y = 1 - x, 0.5 - y
        points.append([x + draw.gauss(0, 0.1), y + draw.gauss(0, 0.1)])
        signs.append(-1 if i % 2 else 1)
    return points, signs


class Moons:
    """micrograd's demo: 2-16-16-1 relu on 100 points, hinge loss, a small penalty on the weights, and plain descent."""

    name = "moons, 2-16-16-1 on 100 points"
    inputs, outputs, rate = 2, [16, 16, 1], 0.5

    def __init__(self):
        self.points, self.signs = moons()

    def loss(self, value, model):
        scores = [model(list(map(value, point))) for point in self.points]
        losses = [(1 + -sign * score).relu() for sign, score in zip(self.signs, scores)]
        penalty = 1e-4 * sum((p * p for p in model.parameters()))
        return sum(losses) * (1.0 / len(losses)) + penalty

    def torch_loss(self, torch, layers):
        x = torch.tensor(self.points, dtype=torch.float64)
        y = torch.tensor(self.signs, dtype=torch.float64)
        for i, (w, b) in enumerate(layers):
            x = x @ w.T + b
            if i + 1 < len(layers):
                x = x.relu()
        penalty = 1e-4 * sum((w * w).sum() + (b * b).sum() for w, b in layers)
        return (1 - y * x[:, 0]).relu().mean() + penalty


class Notebook:
    """The notebooks' training run: 3-4-4-1 on four samples, squared errors. (With relu: the same nets for all.)"""

    name = "the notebooks' run, 3-4-4-1 on 4 samples"
    inputs, outputs, rate = 3, [4, 4, 1], 0.01
    rows = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    targets = [1.0, -1.0, -1.0, 1.0]

    def loss(self, value, model):
        predictions = [model(row) for row in self.rows]
        return sum((out - target) ** 2 for target, out in zip(self.targets, predictions))

    def torch_loss(self, torch, layers):
        x = torch.tensor(self.rows, dtype=torch.float64)
        y = torch.tensor(self.targets, dtype=torch.float64)
        for i, (w, b) in enumerate(layers):
            x = x @ w.T + b
            if i + 1 < len(layers):
                x = x.relu()
        return ((x[:, 0] - y) ** 2).sum()


def stepper(task, value, net):
    """The user's loop, one step a call; returns the loss."""
    random.seed(42)
    model = net(task.inputs, task.outputs)
    parameters = model.parameters()

    def step():
        loss = task.loss(value, model)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data -= task.rate * p.grad
        return loss.data

    return step


def compiled(task):
    random.seed(42)
    model = tapeloom.nn.MLP(task.inputs, task.outputs)
    executor = tapeloom.compile(task.loss(tapeloom.engine.Value, model), parameters=model.parameters())
    optimizer = tapeloom.Sgd(learning_rate=task.rate)

    def step():
        loss = executor.step()
        optimizer.update(executor)
        return loss

    return step


def torch_stepper(task):
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    random.seed(42)
    model = closures.MLP(task.inputs, task.outputs)
    layers = []
    for layer in model.layers:
        w = torch.tensor([[p.data for p in n.w] for n in layer], dtype=torch.float64, requires_grad=True)
        b = torch.tensor([n.b.data for n in layer], dtype=torch.float64, requires_grad=True)
        layers.append((w, b))

    def step():
        loss = task.torch_loss(torch, layers)
        for w, b in layers:
            w.grad = b.grad = None
        loss.backward()
        with torch.no_grad():
            for w, b in layers:
                w -= task.rate * w.grad
                b -= task.rate * b.grad
        return loss.item()

    return step


def seconds(step, least):
    """Of one step, over so many that they take `least` seconds or more."""
    count, taken = 1, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            step()
        taken = time.perf_counter() - start
        if taken >= least:
            return taken / count
        count *= 2


def contenders(task):
    """Name, maker of a step, and whether Python's collector runs."""
    yield "closures", lambda: stepper(task, closures.Value, closures.MLP), True
    yield "closures, collector off", lambda: stepper(task, closures.Value, closures.MLP), False
    yield "tapeloom.engine, the same loop", lambda: stepper(task, tapeloom.engine.Value, tapeloom.nn.MLP), True
    if hasattr(tapeloom, "compile"):
        yield "tapeloom.compile", lambda: compiled(task), True
    yield "PyTorch, one thread", lambda: torch_stepper(task), True


def compare(task, rounds, least):
    running = []
    for name, make, collects in contenders(task):
        step = make()
        if step is not None:
            running.append((name, step, collects, []))
    right = None
    for name, step, _, _ in running:
        losses = [step() for _ in range(5)]
        right = right or losses
        for a, b in zip(right, losses):
            if not abs(a - b) <= 1e-9 * max(1.0, abs(a)):
                raise SystemExit(f"{task.name}: {name} computes {losses}, not {right}")
    for _ in range(rounds):
        for _, step, collects, times in running:
            gc.collect()
            (gc.enable if collects else gc.disable)()
            times.append(seconds(step, least))
            gc.enable()
    slowest = statistics.median(running[1][3])
    print(f"\n| {task.name} | microseconds a step | times closures with the collector off |\n|---|---:|---:|")
    for name, _, _, times in running:
        median = statistics.median(times)
        print(f"| {name} | {median * 1e6:,.2f} | {slowest / median:,.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="a turn takes at least so long")
    options = parser.parse_args()
    for task in (Moons(), Notebook()):
        compare(task, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
