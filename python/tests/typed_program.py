"""A program that uses what the package has, for mypy --strict; test_stubs.py checks it and runs it."""

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tapeloom
from tapeloom import nn
from tapeloom.engine import Value
from tapeloom.graph import draw_dot, trace
from tapeloom.nn import MLP
from tapeloom.progress import ProgressBar


def record() -> tuple[Value, Value, list[Value]]:
    x: list[Value] = tapeloom.inputs("x", 2)
    y = tapeloom.input("y", 0.5)
    t = tapeloom.uniform_input("t", 1.0)
    w = [tapeloom.parameter(0.1 * i, label=f"w[{i}]") for i in range(2)]
    b = tapeloom.parameter(0.0, "b")
    score = tapeloom.dot(w, x) + b
    out = 2 * tapeloom.tanh(score) ** 2 - score / 3.0 + np.float64(0.5) * abs(score)
    chosen = tapeloom.where((score > 0) & (score < 1.0), out, -out.exp())
    penalty = tapeloom.l2_penalty(w, 1e-3)
    loss = tapeloom.batch_mean(tapeloom.squared_error(chosen, y)) * t + penalty
    number: float = tapeloom.exp(1.0) + tapeloom.max(1.0, 2.0)
    assert math.isfinite(number)
    return loss, chosen, w + [b]


def by_hand() -> None:
    a = Value(2.0, label="a")
    b: Value = a * 3 + tapeloom.softmax_cross_entropy([a, -a], 0) + tapeloom.hinge_mean([a], [1.0])
    b.backward()
    a.data += -0.1 * a.grad
    nodes: set[Value] = b._prev | trace(b)[0]
    model = MLP(2, [3, 1])
    out: Value = model([a, 1.0])
    model.zero_grad()
    print(draw_dot(out).source, model.layers[0].neurons[0].w[0].data)
    assert nodes and b._op and tapeloom.mark() >= 0


def metric(outputs: NDArray[np.float64], rows: NDArray[np.uint32]) -> float:
    return float(outputs.mean()) + 0.0 * len(rows)


def on_epoch(report: tapeloom.EpochReport) -> bool | None:
    return report.epoch < 100 and report.metrics["mean"] < 1e9 and not math.isnan(report.loss)


def train(executor: tapeloom.Executor, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    data = {"x": x, "y": y}
    history: tapeloom.History = tapeloom.fit(
        executor,
        data,
        epochs=3,
        batch=8,
        optimizer=tapeloom.Adam(0.01, weight_decay=0.1),
        schedule=lambda step: tapeloom.cosine_decay(0.01, 0.0, 100, step),
        validation_fraction=0.25,
        metrics={"mean": metric},
        patience=2,
        monitor="mean",
        clip_norm=1.0,
        on_epoch=on_epoch,
        progress=ProgressBar(3, open("progress.txt", "w")),
        checkpoint="run.safetensors",
    )
    losses: NDArray[np.float64] = history.loss
    assert len(losses) == len(history) and history.end in ("epochs", "patience")
    if history.divergence is not None:
        print(history.divergence.what)
    trainer = tapeloom.Trainer(executor, data, optimizer=tapeloom.Sgd(0.1, momentum=0.9), split=([0, 1], [2]))
    while trainer.step():
        pass
    state: tapeloom.TrainerState = trainer.state()
    trainer.restore(state)
    trainer.run()


def step(executor: tapeloom.Executor, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    executor.bind(x=x, y=y)
    executor.bind("x", x)
    executor.bind({"y": y})
    loss: float = executor.step() + executor.step(0, 4) + executor.step([1, 2]) + executor.step(rows=np.arange(3))
    assert math.isfinite(loss + executor.loss)
    executor.parameters -= 0.1 * executor.gradients
    executor.parameters[0] = 1.0
    executor.set_frozen([0])
    executor.set_frozen(0, False)
    gradients = executor.gradients.copy()
    norm: float = tapeloom.clip_by_norm(gradients, 1.0)
    optimizer = tapeloom.Adam()
    optimizer.update(executor, gradients)
    optimizer.learning_rate = 0.5 + 0.0 * norm
    saved: dict[str, Any] = optimizer.state()
    optimizer.restore(saved)
    executor.set_uniform_input("t", 0.5)
    outputs: np.ndarray[Any, np.dtype[np.floating[Any]]] = executor.outputs
    print(outputs.shape, executor.dtype, executor.program.input_groups, executor.max_samples)


def files(executor: tapeloom.Executor, x: NDArray[np.float64]) -> None:
    weights = tapeloom.export_weights(executor, tapeloom.labelled_layout(executor))
    standardisation: tapeloom.Standardisation = tapeloom.standardise(x, [0, 1, 2])
    tapeloom.write_safetensors("net.safetensors", {**weights, **standardisation.tensors("in")}, {"by": "test"})
    file = tapeloom.read_safetensors("net.safetensors")
    tapeloom.import_weights(executor, file)
    assert tapeloom.Standardisation.from_tensors(file, "in") == standardisation
    tapeloom.save_program("net.tapeloom", executor)
    program: tapeloom.Program = tapeloom.load_program("net.tapeloom", max_samples=16)
    again = tapeloom.Executor(program, np.float32, max_samples=16, threads=1)
    print(again.explain(), copy.copy(again), tapeloom.Executor(program, parameters_of=again))
    with open("table.csv", "w") as text:
        text.write("1,cat\n2,dog\n")
    table: tapeloom.Table = tapeloom.read_csv("table.csv", categories=[1])
    names: list[str] = table.categories[1].texts
    assert table.values.shape == (2, 2) and names == ["cat", "dog"]


class Layers(nn.Module):
    def __init__(self) -> None:
        self.conv = nn.Conv2d(1, 2, (3, 3), padding=1, activation="relu")
        self.norm = nn.BatchNorm2d(2)
        self.attention = nn.MultiheadAttention(2, 1)
        self.cell = nn.LSTMCell(2, 2)
        self.last = nn.LayerNorm(2)

    def __call__(self, x: list[Value]) -> list[Value]:
        image: nn.Image = nn.max_pool2d(self.norm(self.conv(nn.Image(1, 4, 4, x))), 4)
        state: nn.LSTMState = nn.unroll(self.cell, self.attention([image.values], is_causal=True))[-1]
        h, c = self.cell(image.values, state)
        return nn.dropout(self.last(h), 0.1) + c


def layers() -> None:
    model = Layers()
    y = model(tapeloom.inputs("pixels", 16))
    model.set_labels("model.")
    executor = tapeloom.compile(tapeloom.batch_mean(tapeloom.sum(y)), model.parameters(), training=False)
    executor.seed_random(1, step=2)
    executor.bind(np.zeros((2, 16)))
    executor.step()
    executor.apply_assignments()
    names = [tensor.name for tensor in model.tensor_layout(executor)]
    statistics: list[Value] = model.buffers() + model.norm.running_mean
    numbers = tapeloom.randoms(2)
    kept = tapeloom.parameter(1.0, frozen=True)
    tapeloom.assign(kept, kept * 0.5, tapeloom.where(tapeloom.training(), numbers[0], 0.0))
    assert len(names) == 16 and len(statistics) == 6 and not executor.program.is_of_training
    assert [tensor.shape for tensor in model.conv.tensors()] == [(2, 1, 3, 3), (2,)]


def measure() -> None:
    matrix = tapeloom.ConfusionMatrix(2)
    matrix.add(np.array([[1.0, 2.0]]), np.array([1]))
    matrix.add(0, 1)
    sums = tapeloom.ErrorSums()
    sums.add(1.0, 2.0)
    total: float = matrix.accuracy + sums.mean_squared + tapeloom.accuracy(np.eye(2), np.arange(2), 2)
    assert total > 0.0
    encoded = tapeloom.one_hot(np.array([3.0, 1.0])).encode(np.array([1.0]))
    assert encoded.shape == (1, 2)


def solve(executor: tapeloom.Executor, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    reports: list[tapeloom.SolverReport] = []
    result = tapeloom.lbfgs(executor, {"x": x, "y": y}, max_iterations=3, on_iteration=reports.append)
    assert result.end == "iterations" or result.converged
    slope, at, wanted = tapeloom.parameter(1.0), tapeloom.input("at"), tapeloom.input("wanted")
    line = tapeloom.compile_residuals(wanted - slope * at, [slope])
    fitted: tapeloom.LeastSquaresResult = tapeloom.least_squares(line, {"at": x[:, 0], "wanted": y})
    assert fitted.standard_errors.shape == (1,)


def main() -> None:
    loss, out, parameters = record()
    executor: tapeloom.Executor = tapeloom.compile(
        loss, parameters, [out], dtype="float64", input_gradients=True, fuse=False, branches_from=tapeloom.mark()
    )
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(20, 2)), generator.normal(size=20)
    step(executor, x, y)
    train(executor, x, y)
    solve(executor, x, y)
    predictor = tapeloom.compile(outputs=out, parameters_of=executor)
    predictions = tapeloom.predict(predictor, {"x": x})
    assert predictions.shape == (20, 1)
    files(executor, x)
    by_hand()
    layers()
    measure()
    executor.write_back()
    reference: dict[str, NDArray[np.float64]] = tapeloom.evaluate(
        loss, parameters, [out], rows=np.column_stack([x, y]), branches_from=tapeloom.mark()
    )
    print(reference["root"], tapeloom.explain_passes(loss, parameters, branches_from=tapeloom.mark()))
    try:
        executor.bind(x=x[:, :1])
    except tapeloom.BindError as error:
        assert isinstance(error, ValueError)


main()
