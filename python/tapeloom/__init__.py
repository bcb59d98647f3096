"""Write scalars, run matrices.

`Value` is micrograd's scalar: operators record what is computed, `backward` finds the derivatives. `compile` turns a
recording, once, into a short list of dense instructions that an `Executor` replays over NumPy arrays.

    from tapeloom.engine import Value        # micrograd's names
    from tapeloom.nn import MLP
    import tapeloom                          # and everything else

A line through points, trained:

>>> import numpy, tapeloom
>>> x, y = tapeloom.input("x"), tapeloom.input("y")
>>> slope, offset = tapeloom.parameter(0.0, "slope"), tapeloom.parameter(0.0, "offset")
>>> line = slope * x + offset
>>> loss = tapeloom.batch_mean(tapeloom.squared_error(line, y))
>>> executor = tapeloom.compile(loss, outputs=[line])
>>> points = numpy.linspace(-1.0, 1.0, 50)
>>> history = tapeloom.fit(executor, {"x": points, "y": 3.0 * points + 0.5}, epochs=200, batch=50,
...                        optimizer=tapeloom.Sgd(0.1, momentum=0.9))
>>> executor.parameters.round(3)
array([3. , 0.5])
>>> executor.write_back()
>>> f"{slope.data:.3f}"
'3.000'

What is here, by theme: `Value` and its leaves and functions, losses, compiling and executors, tensors and weights,
optimizers and schedules, training, metrics, preprocessing, data files, errors. `tapeloom.nn` has layers,
`tapeloom.graph` drawings, `tapeloom.progress` the line that `fit(..., progress=True)` shows.
"""

# Names that C++ has and that are not here: reading and writing of .npy and .npz files, which NumPy does; number_text,
# since repr(float) gives the same digits; Tape with mark, rewind and clear, since Python's objects say by themselves
# which nodes are needed.
from ._native import *  # noqa: F401,F403
from ._native import __version__ as __version__
