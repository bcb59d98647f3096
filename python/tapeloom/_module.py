"""What modules of tapeloom.nn have in common: parameters, and tensors under the names that torch.nn gives them."""

import threading
from collections import deque, namedtuple
from collections.abc import Set

from ._native import Value, _kind_of, parameter_tensor


class ModuleTensor(namedtuple("ModuleTensor", ["name", "shape", "values", "is_trained"])):
    """Values of a module that are a tensor, row-major. Those not trained are statistics: torch.nn's buffers. What
    set_frozen() has frozen since it was made is a parameter still."""

    __slots__ = ()
    __module__ = "tapeloom.nn"


class Module:
    """Something with parameters: the Values made by tapeloom.parameter() among its attributes, or in lists, tuples and
    dicts there, and those of modules among its attributes, under the names that torch.nn gives them."""

    __module__ = "tapeloom.nn"

    def zero_grad(self):
        """Sets the gradients of all parameters to zero."""
        for p in self.parameters():
            p.grad = 0.0

    def parameters(self):
        """The parameters, in a fixed order, each once: those that are trained, and those that set_frozen() excludes."""
        return list(dict.fromkeys(v for tensor in self.tensors() if tensor.is_trained for v in tensor.values))

    def buffers(self):
        """The statistics that are kept from step to step, such as BatchNorm's: Values that were made frozen."""
        return list(dict.fromkeys(v for tensor in self.tensors() if not tensor.is_trained for v in tensor.values))

    def tensors(self):
        """A ModuleTensor for each tensor, in the order of torch.nn's state_dict(). One that stands in two places, or a
        module that does, is there under both names; what refers back to a module that holds it, and what it holds,
        under one. TypeError for an attribute with leaves of which nobody has said whether they are trained, and for
        parameters in a set or an array; ValueError for a list that contains itself."""
        with _Walk(self) as walk:
            return [tensor for name, held in vars(self).items() for tensor in walk.tensors_of(name, held, ())]

    def set_labels(self, prefix=""):
        """Labels all Values of its tensors, as `prefix` + "weight[0][2]", so that a compiled program knows them by
        name: export_weights(executor) and import_weights(executor, dict or TensorFile) take them from there. A Value
        in two tensors has its name in the first one."""
        labelled = set()
        for name, shape, values, _ in self.tensors():
            for i, value in enumerate(values):
                if value in labelled:
                    continue
                labelled.add(value)
                index = ""
                for size in reversed(shape):
                    index = f"[{i % size}]" + index
                    i //= size
                value.label = prefix + name + index

    def tensor_layout(self, executor, prefix=""):
        """The layout of its tensors, for export_weights and import_weights of an executor that has them all. Tied
        weights are in it under each of their names: all are exported, and imported if their numbers are the same."""
        return [
            parameter_tensor(executor, prefix + name, values, shape) for name, shape, values, _ in self.tensors()
        ]


class _Walk:
    """Through the modules below one, which may refer to each other. Within tensors() of a class of the user's own the
    walk goes on."""

    _of_thread = threading.local()

    def __init__(self, module):
        self._module = module

    def __enter__(self):
        walk = getattr(self._of_thread, "walk", None)
        self._is_outermost = walk is None
        if self._is_outermost:
            self._listed = {}  # by id of a module its tensors; none while it is looked at, and of those in a circle
            self._circles = 0
            self._of_thread.walk = walk = self
        walk._listed.setdefault(id(self._module), None)
        return walk

    def __exit__(self, *_):
        if self._is_outermost:
            del self._of_thread.walk

    def tensors_of(self, name, held, containers):
        """Those of an attribute: a module's, a tensor, or those of a container's elements; `containers` are the ids of
        those around it."""
        if isinstance(held, Module):
            return [tensor._replace(name=f"{name}.{tensor.name}") for tensor in self._tensors_of_module(held)]
        _refuse_hidden(name, held)
        values, shape = _flat(held)
        kinds = {_kind_of(value) for value in values}
        if kinds and kinds <= {"parameter", "statistic"}:
            return [ModuleTensor(name, shape, values, "parameter" in kinds)]
        if kinds & {"parameter", "statistic", "constant"}:
            raise TypeError(
                f"{name}: leaves that do not all say whether they are trained: make them by tapeloom.parameter(), or "
                "give the module parameters() and tensors() of its own"
            )
        if kinds or not isinstance(held, (dict, list, tuple)):
            return []
        if id(held) in containers:
            raise ValueError(f"{name}: a {type(held).__name__} that contains itself")
        members = held.items() if isinstance(held, dict) else enumerate(held)
        return [t for i, each in members for t in self.tensors_of(f"{name}.{i}", each, (*containers, id(held)))]

    def _tensors_of_module(self, module):
        if id(module) in self._listed:
            listed = self._listed[id(module)]
            self._circles += listed is None
            return listed or []
        self._listed[id(module)] = None
        circles = self._circles
        tensors = module.tensors()
        if self._circles == circles:
            self._listed[id(module)] = tensors
        return tensors


def _refuse_hidden(name, held):
    """TypeError for parameters where no order, or no list, says which tensor they are."""
    is_array = getattr(held, "dtype", None) == object
    if not is_array and not isinstance(held, (Set, deque)):
        return
    if any(isinstance(each, Module) or _kind_of(each) for each in (held.flat if is_array else held)):
        raise TypeError(
            f"{name}: parameters or modules in a {type(held).__name__}, where they are not found: make it a list, as by "
            + (".tolist()" if is_array else "list()")
        )


def _flat(held):
    """The Values of a Value, or of lists within lists of one length, and that shape; none of anything else."""
    values, shape, seen = [held], (), set()
    while values and all(isinstance(value, (list, tuple)) for value in values):
        level = {id(value) for value in values}
        if len({len(value) for value in values}) > 1 or level & seen:
            return [], ()
        seen |= level
        shape += (len(values[0]),)
        values = [element for value in values for element in value]
    return (values, shape) if all(isinstance(value, Value) for value in values) else ([], ())
