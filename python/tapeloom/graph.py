"""The notebooks' drawings: `trace` finds what a Value is computed from, `draw_dot` draws it, as text for Graphviz and,
without any program, as SVG."""

__all__ = ["Drawing", "draw_dot", "trace"]


def trace(root):
    """The Values that `root` is computed from, itself included, and the pairs (operand, result) among them: two sets."""
    nodes, edges = {root}, set()
    ahead = [root]
    while ahead:
        value = ahead.pop()
        for operand in value._prev:
            edges.add((operand, value))
            if operand not in nodes:
                nodes.add(operand)
                ahead.append(operand)
    return nodes, edges


def draw_dot(root):
    """The Drawing of all that `root` is computed from."""
    return Drawing(root)
