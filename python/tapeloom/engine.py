"""micrograd's `engine`: the class Value."""

from ._native import Value

__all__ = ["Value"]
