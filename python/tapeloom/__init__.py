"""Write scalars, run matrices.

`Value` is micrograd's scalar: operators record what is computed, `backward` finds the derivatives. `compile` turns a
recording, once, into a short list of dense instructions that an `Executor` replays over NumPy arrays.

    from tapeloom.engine import Value        # micrograd's names
    from tapeloom.nn import MLP
    import tapeloom                          # and everything else
"""

from ._native import *  # noqa: F401,F403
from ._native import __version__  # noqa: F401
