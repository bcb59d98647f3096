# micrograd's nn and PyTorch's layers, for type checkers.
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from ._native import Executor, NeuronBase, ParameterTensor, Value, _Operand

__all__ = [
    "Module", "ModuleTensor", "Neuron", "Layer", "MLP", "LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "Dropout",
    "RNNCell", "GRUCell", "LSTMCell", "LSTMState", "unroll", "Conv1d", "Conv2d", "Signal", "Image", "max_pool1d",
    "max_pool2d", "avg_pool1d", "avg_pool2d", "MultiheadAttention", "scaled_dot_product_attention", "layer_norm",
    "rms_norm", "dropout",
]  # fmt: skip

_List: TypeAlias = Iterable[_Operand]
_Sequence: TypeAlias = Iterable[Iterable[_Operand]]
_Size2d: TypeAlias = int | tuple[int, int]

class ModuleTensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    values: list[Value]
    is_trained: bool

class Module:
    def zero_grad(self) -> None: ...
    def parameters(self) -> list[Value]: ...
    def buffers(self) -> list[Value]: ...
    def tensors(self) -> list[ModuleTensor]: ...
    def set_labels(self, prefix: str = ...) -> None: ...
    def tensor_layout(self, executor: Executor, prefix: str = ...) -> list[ParameterTensor]: ...

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

# --- PyTorch's layers ---------------------------------------------------------------------------------------------

class LayerNorm(Module):
    weight: list[Value]
    bias: list[Value]
    def __init__(self, normalized_shape: int, eps: float = ..., *, bias: bool = ...) -> None: ...
    def __call__(self, x: _List) -> list[Value]: ...

class RMSNorm(Module):
    weight: list[Value]
    def __init__(self, normalized_shape: int, eps: float = ...) -> None: ...
    def __call__(self, x: _List) -> list[Value]: ...

class _BatchNorm(Module):
    weight: list[Value]
    bias: list[Value]
    running_mean: list[Value]
    running_var: list[Value]
    def __init__(self, num_features: int, eps: float = ..., momentum: float = ..., affine: bool = ...) -> None: ...

_ListOrSignal = TypeVar("_ListOrSignal", list[Value], Signal)

class BatchNorm1d(_BatchNorm):
    def __call__(self, x: _ListOrSignal) -> _ListOrSignal: ...

class BatchNorm2d(_BatchNorm):
    def __call__(self, x: Image) -> Image: ...

class Dropout(Module):
    p: float
    def __init__(self, p: float = ...) -> None: ...
    def __call__(self, x: _List) -> list[Value]: ...

class _RecurrentCell(Module):
    weight_ih: list[list[Value]]
    weight_hh: list[list[Value]]
    bias_ih: list[Value]
    bias_hh: list[Value]

class RNNCell(_RecurrentCell):
    def __init__(self, input_size: int, hidden_size: int, bias: bool = ..., nonlinearity: str = ...) -> None: ...
    def __call__(self, x: _List, h: _List | None = ...) -> list[Value]: ...

class GRUCell(_RecurrentCell):
    def __init__(self, input_size: int, hidden_size: int, bias: bool = ...) -> None: ...
    def __call__(self, x: _List, h: _List | None = ...) -> list[Value]: ...

class LSTMState(NamedTuple):
    h: list[Value]
    c: list[Value]

class LSTMCell(_RecurrentCell):
    def __init__(self, input_size: int, hidden_size: int, bias: bool = ...) -> None: ...
    def __call__(self, x: _List, state: tuple[_List, _List] | None = ...) -> LSTMState: ...

_State = TypeVar("_State")

def unroll(
    cell: Callable[[Any, Any], _State], sequence: Iterable[Any], state: Any = ...
) -> list[_State]: ...

class Signal(NamedTuple):
    channels: int
    length: int
    values: list[Value]

class Image(NamedTuple):
    channels: int
    height: int
    width: int
    values: list[Value]

class Conv1d(Module):
    weight: list[list[list[Value]]]
    bias: list[Value]
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = ...,
        padding: int = ...,
        *,
        bias: bool = ...,
        activation: str = ...,
    ) -> None: ...
    def __call__(self, x: Signal) -> Signal: ...

class Conv2d(Module):
    weight: list[list[list[list[Value]]]]
    bias: list[Value]
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size2d,
        stride: _Size2d = ...,
        padding: _Size2d = ...,
        *,
        bias: bool = ...,
        activation: str = ...,
    ) -> None: ...
    def __call__(self, x: Image) -> Image: ...

def max_pool1d(x: Signal, kernel_size: int, stride: int | None = ..., padding: int = ...) -> Signal: ...
def max_pool2d(x: Image, kernel_size: _Size2d, stride: _Size2d | None = ..., padding: _Size2d = ...) -> Image: ...
def avg_pool1d(
    x: Signal, kernel_size: int, stride: int | None = ..., padding: int = ..., *, count_include_pad: bool = ...
) -> Signal: ...
def avg_pool2d(
    x: Image,
    kernel_size: _Size2d,
    stride: _Size2d | None = ...,
    padding: _Size2d = ...,
    *,
    count_include_pad: bool = ...,
) -> Image: ...

class MultiheadAttention(Module):
    in_proj_weight: list[list[Value]]
    in_proj_bias: list[Value]
    out_proj: Any
    def __init__(self, embed_dim: int, num_heads: int, *, bias: bool = ...) -> None: ...
    def __call__(
        self, query: _Sequence, key: _Sequence | None = ..., value: _Sequence | None = ..., *, is_causal: bool = ...
    ) -> list[list[Value]]: ...

def scaled_dot_product_attention(
    query: _Sequence, key: _Sequence, value: _Sequence, *, is_causal: bool = ...
) -> list[list[Value]]: ...
def layer_norm(x: _List, eps: float = ...) -> list[Value]: ...
def rms_norm(x: _List, eps: float = ...) -> list[Value]: ...
def dropout(x: _List, p: float = ...) -> list[Value]: ...
