"""Operators of a Value with an array of NumPy's: an array of objects, one for each element."""

import operator

import numpy

_operators = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": operator.pow,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def elementwise(name, a, b):
    function = _operators[name]
    array = a if isinstance(a, numpy.ndarray) else b
    if array.ndim == 0:
        return function(a.item() if array is a else a, b.item() if array is b else b)
    result = numpy.empty(array.shape, dtype=object)
    flat = result.reshape(-1)
    elements = array.reshape(-1).tolist()
    flat[:] = [function(x, b) for x in elements] if array is a else [function(a, x) for x in elements]
    return result
