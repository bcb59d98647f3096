"""A fit as science has it: a damped oscillation with noise, y = a exp(-d t) cos(w t + p) + c, its five numbers found by
least squares, and how certain they are.

    python3 oscillation.py [picture.png]        (the picture needs matplotlib)
"""

import sys

import numpy as np

import tapeloom

# --- data: what an instrument would have measured
truth = {"a": 2.0, "d": 0.35, "w": 4.2, "p": 0.6, "c": 0.5}
random = np.random.default_rng(7)
t = np.linspace(0.0, 8.0, 400)
noise = 0.08
y = truth["a"] * np.exp(-truth["d"] * t) * np.cos(truth["w"] * t + truth["p"]) + truth["c"]
y += random.normal(0.0, noise, t.size)

# --- the model, for one sample
a, d, w, p, c = (tapeloom.parameter(x, name) for name, x in dict(a=1.0, d=0.1, w=4.0, p=0.0, c=0.0).items())
time = tapeloom.input("t")
measured = tapeloom.input("y")
model = a * tapeloom.exp(-d * time) * tapeloom.cos(w * time + p) + c
residual = model - measured
executor = tapeloom.compile(tapeloom.batch_mean(residual**2), outputs=[model], max_samples=t.size)
executor.bind(t=t, y=y)

# --- Levenberg and Marquardt's damped Gauss-Newton steps. A row of the Jacobian is a sample's gradient of the model.
predict = tapeloom.compile(tapeloom.batch_sum(model), parameters_of=executor, max_samples=t.size)
predict.bind(t=t)


def jacobian():
    rows = []
    for i in range(t.size):
        predict.step(i, 1)
        rows.append(predict.gradients.copy())
    return np.array(rows)


damping = 1e-2
loss = executor.step()
for step in range(50):
    before = executor.parameters.copy()
    j = jacobian()
    r = executor.outputs[:, 0] - y
    hessian = j.T @ j
    executor.parameters[:] = before - np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), j.T @ r)
    new = executor.step()
    if new < loss:
        if loss - new < 1e-14:
            break
        loss, damping = new, damping / 3
    else:
        executor.parameters[:] = before
        executor.step()
        damping *= 4

errors = np.sqrt(np.diag(np.linalg.inv(hessian)) * loss * t.size / (t.size - 5))
print(f"root of the mean square {np.sqrt(loss):.4f}, noise {noise}")
for (name, right), found, error in zip(truth.items(), executor.parameters, errors):
    print(f"{name} = {found:.4f} +- {error:.4f} (truth {right})")
    assert abs(found - right) < 4 * error

if len(sys.argv) > 1:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.plot(t, y, ".", color="0.7", label="measured")
    plt.plot(t, executor.outputs[:, 0], label="fitted")
    plt.xlabel("t")
    plt.legend()
    plt.savefig(sys.argv[1], dpi=80)
    print(f"written: {sys.argv[1]}", file=sys.stderr)
