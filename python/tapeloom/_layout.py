"""Where the boxes of a drawing go: in layers from left to right, as K. Sugiyama, S. Tagawa and M. Toda put it
("Methods for visual understanding of hierarchical system structures", 1981): layers by the longest path, points in each
layer that long arrows lead through, an order by the mean of the neighbours, then heights that stay in this order."""

from xml.sax.saxutils import escape

_row, _gap, _circle, _char, _font = 24, 10, 18, 6.6, 11
_sweeps = 12


class Layout:
    """Of boxes (texts of their three parts) with an operation each ("" for a leaf), and edges between them by number,
    operands before results."""

    def __init__(self, boxes, ops, edges):
        self._boxes, self._ops, self._edges = boxes, ops, edges
        self._find_layers()
        self._lead_long_edges()
        self._order()
        self._place()

    def _find_layers(self):
        layer = [0] * len(self._boxes)
        for a, b in sorted(self._edges, key=lambda edge: edge[1]):
            layer[b] = max(layer[b], layer[a] + 1)
        # Leaves stand next to what uses them first.
        first_use = {}
        for a, b in self._edges:
            first_use[a] = min(first_use.get(a, layer[b]), layer[b])
        for i, op in enumerate(self._ops):
            if not op and i in first_use:
                layer[i] = first_use[i] - 1
        self._layer = layer

    def _lead_long_edges(self):
        """A path of points for each edge, boxes at its ends."""
        self._points = list(self._layer)
        self._paths = []
        for a, b in self._edges:
            path = [a]
            for between in range(self._layer[a] + 1, self._layer[b]):
                path.append(len(self._points))
                self._points.append(between)
            self._paths.append(path + [b])
        self._left = [[] for _ in self._points]
        self._right = [[] for _ in self._points]
        for path in self._paths:
            for p, q in zip(path, path[1:]):
                self._right[p].append(q)
                self._left[q].append(p)

    def _order(self):
        count = max(self._points) + 1
        self._columns = [[] for _ in range(count)]
        for point, layer in enumerate(self._points):
            self._columns[layer].append(point)
        rank = [0] * len(self._points)
        for column in self._columns:
            for i, point in enumerate(column):
                rank[point] = i
        for sweep in range(_sweeps):
            neighbours = self._left if sweep % 2 == 0 else self._right
            columns = self._columns if sweep % 2 == 0 else reversed(self._columns)
            for column in columns:
                mean = {p: _mean([rank[q] for q in neighbours[p]], rank[p]) for p in column}
                column.sort(key=mean.__getitem__)
                for i, point in enumerate(column):
                    rank[point] = i

    def _height(self, point):
        return _row if point < len(self._boxes) else 4

    def _place(self):
        """Heights: first one below the other, then each towards the mean of its neighbours as far as there is room."""
        self._y = [0.0] * len(self._points)
        for column in self._columns:
            y = 0.0
            for point in column:
                self._y[point] = y + self._height(point) / 2
                y += self._height(point) + _gap
        for sweep in range(_sweeps):
            neighbours = self._left if sweep % 2 == 0 else self._right
            for column in self._columns if sweep % 2 == 0 else reversed(self._columns):
                wanted = [_mean([self._y[q] for q in neighbours[p]], self._y[p]) for p in column]
                for point, y in zip(column, self._with_room(column, wanted)):
                    self._y[point] = y
        top = min(y - self._height(p) / 2 for p, y in enumerate(self._y))
        self._y = [y - top + _gap for y in self._y]

    def _with_room(self, column, wanted):
        """The heights nearest to those wanted that keep the order and the distances: neighbours that are too close
        become one block at the mean of what its members want (isotonic regression)."""
        blocks = []  # sum of what is wanted for its first member, members, extent
        extent = 0.0
        for i, point in enumerate(column):
            if i > 0:
                extent += (self._height(column[i - 1]) + self._height(point)) / 2 + _gap
            blocks.append([wanted[i] - extent, 1])
            while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
                total, members = blocks.pop()
                blocks[-1][0] += total
                blocks[-1][1] += members
        heights, extent, i = [], 0.0, 0
        for total, members in blocks:
            for _ in range(members):
                if i > 0:
                    extent += (self._height(column[i - 1]) + self._height(column[i])) / 2 + _gap
                heights.append(total / members + extent)
                i += 1
        return heights

    def svg(self):
        widths = [[_char * len(part) + 12 for part in box] for box in self._boxes]
        widths = [[w if box[k] else 8 for k, w in enumerate(width)] for box, width in zip(self._boxes, widths)]
        # A column has room for the circles and for its widest box.
        column_x, x = [], float(_gap)
        box_x = [0.0] * len(self._boxes)
        for column in self._columns:
            boxes = [p for p in column if p < len(self._boxes)]
            before = 2 * _circle + 16 if any(self._ops[p] for p in boxes) else 0
            widest = max((sum(widths[p]) for p in boxes), default=0)
            for p in boxes:
                box_x[p] = x + before
            column_x.append((x, x + before + widest))
            x += before + widest + 44
        height = max(y + self._height(p) / 2 for p, y in enumerate(self._y)) + _gap
        parts = []
        for path in self._paths:
            parts.append(self._arrow(path, column_x, box_x, widths))
        for i, box in enumerate(self._boxes):
            parts += self._box(i, box_x[i], widths[i], box)
        total = x - 44 + _gap
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {total:.0f} {height:.0f}" font-family="monospace" font-size="{_font}">\n'
            '<rect width="100%" height="100%" fill="white"/>\n'
            '<defs><marker id="tapeloom-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>\n' + "\n".join(parts) + "\n</svg>\n"
        )

    def _arrow(self, path, column_x, box_x, widths):
        a, b = path[0], path[-1]
        x, y = box_x[a] + sum(widths[a]), self._y[a]
        text = f"M{x:.1f} {y:.1f}"
        for point in path[1:-1]:  # straight through the column
            left, right = column_x[self._points[point]]
            to = self._y[point]
            middle = (x + left) / 2
            text += f"C{middle:.1f} {y:.1f} {middle:.1f} {to:.1f} {left:.1f} {to:.1f}L{right:.1f} {to:.1f}"
            x, y = right, to
        end, to = box_x[b] - 16 - 2 * _circle, self._y[b]
        middle = (x + end) / 2
        text += f"C{middle:.1f} {y:.1f} {middle:.1f} {to:.1f} {end:.1f} {to:.1f}"
        return f'<path d="{text}" fill="none" stroke="#666" marker-end="url(#tapeloom-tip)"/>'

    def _box(self, i, x, widths, box):
        y = self._y[i]
        parts = []
        if self._ops[i]:
            center = x - 16 - _circle
            parts.append(f'<line x1="{center + _circle}" y1="{y:.1f}" x2="{x:.1f}" y2="{y:.1f}" stroke="#666" '
                         'marker-end="url(#tapeloom-tip)"/>')
            parts.append(f'<ellipse cx="{center:.1f}" cy="{y:.1f}" rx="{_circle}" ry="11" fill="#eef3fb" stroke="#447"/>')
            parts.append(_text(center, y, self._ops[i]))
        parts.append(f'<rect x="{x:.1f}" y="{y - _row / 2:.1f}" width="{sum(widths):.1f}" height="{_row}" fill="#fff" '
                     'stroke="#333"/>')
        for k, width in enumerate(widths):
            if k > 0:
                parts.append(f'<line x1="{x:.1f}" y1="{y - _row / 2:.1f}" x2="{x:.1f}" y2="{y + _row / 2:.1f}" '
                             'stroke="#333"/>')
            if box[k]:
                parts.append(_text(x + width / 2, y, box[k]))
            x += width
        return parts


def _mean(numbers, otherwise):
    return sum(numbers) / len(numbers) if numbers else otherwise


def _text(x, y, text):
    return f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{escape(text)}</text>'
