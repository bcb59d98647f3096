"""The notebooks' drawings: `trace` finds what a Value is computed from, `draw_dot` draws it, as text for Graphviz and,
without any program, as SVG."""

from ._layout import Layout

__all__ = ["Drawing", "draw_dot", "trace"]

# Beyond, a picture takes a browser's breath away and shows nothing.
_most_values_shown = 100
_most_values_drawn = 5000


def trace(root):
    """The Values that `root` is computed from, itself included, and the pairs (operand, result) among them, as
    sets."""
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
    """The Drawing of all that `root` is computed from: a box "label | data | grad" for each Value, and a circle with
    the operation before each computed one. Jupyter shows it; `save` writes it to a file."""
    return Drawing(root)


class Drawing:
    """A drawing of what a Value is computed from, with the numbers there were when it was made.

    >>> from tapeloom.engine import Value
    >>> a = Value(2.0, label="a")
    >>> drawing = draw_dot(a * a)
    >>> print(drawing.source.splitlines()[1])
      rankdir=LR;
    >>> drawing.save("square.svg")  # doctest: +SKIP
    """

    def __init__(self, root):
        nodes, edges = trace(root)
        order = sorted(nodes, key=lambda value: value._node)  # operands first
        number = {value: i for i, value in enumerate(order)}
        self._boxes = [(v.label, f"data {v.data:.4f}", f"grad {v.grad:.4f}") for v in order]
        self._ops = [v._op for v in order]
        self._edges = sorted((number[a], number[b]) for a, b in edges)

    def __len__(self):
        return len(self._boxes)

    def __repr__(self):
        return f"<Drawing of {len(self)} Values>"

    @property
    def source(self):
        """The drawing as text in Graphviz' language."""
        lines = ["digraph {", "  rankdir=LR;"]
        for i, (box, op) in enumerate(zip(self._boxes, self._ops)):
            text = " | ".join(_escaped(part) for part in box)
            lines.append(f'  n{i} [label="{{ {text} }}" shape=record];')
            if op:
                lines.append(f'  o{i} [label="{_escaped(op)}"];')
                lines.append(f"  o{i} -> n{i};")
        lines += [f"  n{a} -> o{b};" for a, b in self._edges]
        return "\n".join(lines + ["}", ""])

    def svg(self):
        """The drawing as SVG. ValueError for one of more than 5,000 Values."""
        if len(self) > _most_values_drawn:
            raise ValueError(f"a drawing of {len(self)} Values: draw a part of it, at most {_most_values_drawn}")
        return Layout(self._boxes, self._ops, self._edges).svg()

    def _repr_svg_(self):
        return self.svg() if len(self) <= _most_values_drawn else None

    def save(self, path):
        """Writes the drawing to a file, SVG by the ending .svg, Graphviz' text by .dot or .gv."""
        path = str(path)
        if path.endswith(".svg"):
            text = self.svg()
        elif path.endswith((".dot", ".gv")):
            text = self.source
        else:
            raise ValueError(f"save({path!r}): the ending is .svg, .dot or .gv")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def _escaped(text):
    for character in '\\"{}|<>':
        text = text.replace(character, "\\" + character)
    return text.replace("\n", "\\n")


def _svg_of_value(value):
    """What Jupyter shows for a Value; nothing, so its repr, for a leaf and for one that is computed from many."""
    nodes = {value}
    ahead = [value]
    while ahead:
        for operand in ahead.pop()._prev:
            if operand not in nodes:
                nodes.add(operand)
                ahead.append(operand)
        if len(nodes) > _most_values_shown:
            return None
    return draw_dot(value).svg() if len(nodes) > 1 else None
