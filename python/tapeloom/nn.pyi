# micrograd's nn, for type checkers.
from collections.abc import Sequence
from typing import Any

from ._native import NeuronBase, Value, _Operand

__all__ = ["Module", "Neuron", "Layer", "MLP"]

class Module:
    def zero_grad(self) -> None: ...
    def parameters(self) -> list[Value]: ...

class Neuron(NeuronBase, Module):
    w: list[Value]
    b: Value
    nonlin: bool
    activation: str
    def __init__(self, nin: int, nonlin: bool = ..., activation: str | None = ...) -> None: ...
    def __call__(self, x: Sequence[_Operand]) -> Value: ...

class Layer(Module):
    neurons: list[Neuron]
    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None: ...
    # A list of Values; of one neuron, the Value.
    def __call__(self, x: Sequence[_Operand]) -> Any: ...

class MLP(Module):
    layers: list[Layer]
    def __init__(self, nin: int, nouts: Sequence[int], activation: str | None = ...) -> None: ...
    def __call__(self, x: Sequence[_Operand]) -> Any: ...
