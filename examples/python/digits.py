"""Handwritten digits: 1797 pictures of 8 x 8 points (examples/digits/README.md tells whose), a net of 64-32-10, trained
on five sixths of them.

    python3 digits.py [picture.png]        (the picture needs matplotlib)
"""

import pathlib
import random
import sys

import numpy as np

import tapeloom
from tapeloom.nn import MLP

data = np.loadtxt(pathlib.Path(__file__).parents[1] / "digits" / "digits.csv.gz", delimiter=",", dtype=np.float32)
pictures, digits = np.ascontiguousarray(data[:, :64] / 16.0), data[:, 64].astype(int)
rows = np.random.default_rng(0).permutation(len(digits))
test, train = rows[:300], rows[300:]

random.seed(1)
model = MLP(64, [32, 10], activation="tanh")
for p in model.parameters():  # drawn from -1 to 1, which is wide for so many inputs
    p.data *= 0.25

x = tapeloom.inputs("picture", 64)
truth = tapeloom.inputs("digit", 10)  # 1 for the digit that is shown, and 0 for the others
scores = model(x)
loss = tapeloom.batch_mean(tapeloom.softmax_cross_entropy(scores, truth))
executor = tapeloom.compile(loss, parameters=model.parameters(), outputs=scores, dtype="float32")

shown = np.eye(10, dtype=np.float32)[digits]
history = tapeloom.fit(
    executor,
    {"picture": pictures[train], "digit": shown[train]},
    epochs=30,
    batch=32,
    optimizer=tapeloom.Adam(0.003),
    progress=sys.stderr.isatty(),
)
executor.write_back()  # into the Values of the model

predictor = tapeloom.compile(outputs=scores, parameters_of=executor)
found = tapeloom.predict(predictor, {"picture": pictures[test]}).argmax(axis=1)
right = found == digits[test]
print(f"{right.mean():.1%} of {len(test)} pictures that it has not seen are read right")
assert right.mean() > 0.95

# The same net, number by number, on the tape.
one = test[0]
values = [v.data for v in model([float(v) for v in pictures[one]])]
assert int(np.argmax(values)) == found[0]

if len(sys.argv) > 1:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    wrong = np.flatnonzero(~right)
    _, axes = plt.subplots(1, 8, figsize=(10, 2))
    for axis, i in zip(axes, np.concatenate([wrong, np.flatnonzero(right)])):
        axis.imshow(pictures[test[i]].reshape(8, 8), cmap="gray_r")
        axis.set_title(f"read {found[i]}, is {digits[test[i]]}", fontsize=8)
        axis.axis("off")
    plt.savefig(sys.argv[1], dpi=80)
    print(f"written: {sys.argv[1]}", file=sys.stderr)
