"""What modules of tapeloom.nn have in common: parameters, and tensors under the names that torch.nn gives them."""

from collections import namedtuple

from ._native import Value, _kind_of, parameter_tensor


class ModuleTensor(namedtuple("ModuleTensor", ["name", "shape", "values", "is_trained"])):
    """Values of a module that are a tensor, row-major. Those not trained are statistics: torch.nn's buffers."""

    __slots__ = ()
    __module__ = "tapeloom.nn"


class Module:
    """Something with parameters: the Values made by tapeloom.parameter() among its attributes, or in lists there, and
    those of modules among its attributes, under the names that torch.nn gives them."""

    __module__ = "tapeloom.nn"

    def zero_grad(self):
        """Sets the gradients of all parameters to zero."""
        for p in self.parameters():
            p.grad = 0.0

    def parameters(self):
        """The trained Values, in a fixed order, each once."""
        return list(dict.fromkeys(v for tensor in self.tensors() if tensor.is_trained for v in tensor.values))

    def buffers(self):
        """The statistics that are kept from step to step, such as BatchNorm's: frozen Values."""
        return list(dict.fromkeys(v for tensor in self.tensors() if not tensor.is_trained for v in tensor.values))

    def tensors(self):
        """A ModuleTensor for each tensor, in the order of torch.nn's state_dict(). TypeError for an attribute with
        leaves of which nobody has said whether they are trained."""
        return [tensor for name, held in vars(self).items() for tensor in _tensors_of(name, held)]

    def set_labels(self, prefix=""):
        """Labels all Values of its tensors, as `prefix` + "weight[0][2]", so that a compiled program knows them by
        name: export_weights(executor) and import_weights(executor, file) take them from there."""
        for name, shape, values, _ in self.tensors():
            for i, value in enumerate(values):
                index = ""
                for size in reversed(shape):
                    index = f"[{i % size}]" + index
                    i //= size
                value.label = prefix + name + index

    def tensor_layout(self, executor, prefix=""):
        """The layout of its tensors, for export_weights and import_weights of an executor that has them all."""
        return [
            parameter_tensor(executor, prefix + name, values, shape) for name, shape, values, _ in self.tensors()
        ]


def _tensors_of(name, held):
    """Those of an attribute: a module's, a tensor, or those of a container's elements."""
    if isinstance(held, Module):
        return [tensor._replace(name=f"{name}.{tensor.name}") for tensor in held.tensors()]
    values, shape = _flat(held)
    kinds = {_kind_of(value) for value in values}
    if kinds == {"parameter"} or kinds == {"frozen"}:
        return [ModuleTensor(name, shape, values, kinds == {"parameter"})]
    if kinds & {"parameter", "frozen", "constant"}:
        raise TypeError(
            f"{name}: leaves that do not all say whether they are trained: make them by tapeloom.parameter(), or give "
            "the module parameters() and tensors() of its own"
        )
    members = held.items() if isinstance(held, dict) else enumerate(held if isinstance(held, (list, tuple)) else [])
    return [] if kinds else [tensor for i, each in members for tensor in _tensors_of(f"{name}.{i}", each)]


def _flat(held):
    """The Values of a Value, or of lists within lists of one length, and that shape; none of anything else."""
    values, shape = [held], ()
    while values and all(isinstance(value, (list, tuple)) for value in values):
        if len({len(value) for value in values}) > 1:
            return [], ()
        shape += (len(values[0]),)
        values = [element for value in values for element in value]
    return (values, shape) if all(isinstance(value, Value) for value in values) else ([], ())
