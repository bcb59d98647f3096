"""Training steps of convolutional nets from Python, in float and one thread, beside PyTorch's by turns. Losses,
and the length of gradients, are compared before anything is timed. Prints Markdown; needs PyTorch. Run as

    scripts/bench.sh --python   (which builds the package)
    PYTHONPATH=build/release/python/package python3 bench/python/convolutions.py
"""

import statistics
import time

import numpy as np
import tapeloom
import torch
from tapeloom import nn

SAMPLES = 64
# (channels in, channels out, kernel, padding, whether the largest of 2 x 2 places follows), then widths of layers.
NETS = {
    "LeNet-5 on 28 x 28": (28, [(1, 6, 5, 0, True), (6, 16, 5, 0, True)], [256, 120, 84, 10]),
    "two padded layers of 16 channels on 28 x 28": (28, [(1, 16, 3, 1, True), (16, 16, 3, 1, True)], [784, 10]),
    "the same on 12 x 12, of which one pools": (12, [(1, 16, 3, 1, False), (16, 16, 3, 1, True)], [576, 10]),
}


class Net(nn.Module):
    def __init__(self, convolutions, widths):
        self.convolutions = [nn.Conv2d(i, o, k, padding=p, activation="relu") for i, o, k, p, _ in convolutions]
        self.pools = [pool for *_, pool in convolutions]
        last = len(widths) - 2
        self.layers = [nn.Layer(widths[i], widths[i + 1], nonlin=i < last) for i in range(last + 1)]

    def __call__(self, image):
        for convolution, pool in zip(self.convolutions, self.pools):
            image = convolution(image)
            image = nn.max_pool2d(image, 2) if pool else image
        x = image.values
        for layer in self.layers:
            x = layer(x)
        return x


def torch_net(convolutions, widths):
    parts = []
    for i, o, k, p, pool in convolutions:
        parts += [torch.nn.Conv2d(i, o, k, padding=p), torch.nn.ReLU()] + [torch.nn.MaxPool2d(2)] * pool
    parts.append(torch.nn.Flatten())
    for i in range(len(widths) - 1):
        parts += [torch.nn.Linear(widths[i], widths[i + 1])] + [torch.nn.ReLU()] * (i < len(widths) - 2)
    return torch.nn.Sequential(*parts)


def milliseconds(step):
    times = []
    for _ in range(15):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def compare(name, size, convolutions, widths):
    net, other = Net(convolutions, widths), torch_net(convolutions, widths)
    scores = net(nn.Image(1, size, size, tapeloom.inputs("pixels", size * size)))
    loss = tapeloom.batch_mean(tapeloom.softmax_cross_entropy(scores, tapeloom.input("kind")))
    executor = tapeloom.compile(loss, net.parameters(), dtype="float32", threads=1)
    layout = net.tensor_layout(executor)
    weights = [p.detach().numpy() for p in other.parameters()]
    tapeloom.import_weights(executor, dict(zip([tensor.name for tensor in layout], weights)), layout)
    generator = np.random.default_rng(0)
    pixels = generator.normal(size=(SAMPLES, size * size)).astype(np.float32)
    kinds = generator.integers(0, 10, SAMPLES)
    executor.bind(pixels=pixels, kind=kinds.astype(np.float32))
    images, targets = torch.tensor(pixels).reshape(SAMPLES, 1, size, size), torch.tensor(kinds)

    def torch_step():
        other.zero_grad()
        result = torch.nn.functional.cross_entropy(other(images), targets)
        result.backward()
        return float(result)

    assert abs(executor.step() - torch_step()) < 1e-5, name
    gradients = np.concatenate([p.grad.numpy().ravel() for p in other.parameters()])
    assert np.isclose(np.linalg.norm(executor.gradients), np.linalg.norm(gradients), rtol=1e-4), name
    own, others = zip(*[(milliseconds(executor.step), milliseconds(torch_step)) for _ in range(5)])
    own, others = statistics.median(own), statistics.median(others)
    print(f"| {name} | {own:.2f} | {others:.2f} | {others / own:.1f} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"| {SAMPLES} samples, float | Tapeloom, ms | PyTorch {torch.__version__}, ms | ratio |\n|---|---|---|---|")
    for name, net in NETS.items():
        compare(name, *net)
