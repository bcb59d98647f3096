"""Drawings: what is in them, and that the notebooks' own functions find the same."""

import os
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from tapeloom.engine import Value
from tapeloom.graph import draw_dot, trace

svg_name = "{http://www.w3.org/2000/svg}"


def some_graph():
    a = Value(2.0, label="a")
    b = Value(-3.0, label='quo"te|{}<>&')
    e = a * b
    e.label = "e"
    y = e + a**2
    y.backward()
    return a, b, e, y


class Trace(unittest.TestCase):
    def test_sets(self):
        a, b, e, y = some_graph()
        nodes, edges = trace(y)
        square = next(v for v in y._prev if v is not e)
        self.assertEqual(nodes, {a, b, e, square, y})
        self.assertEqual(edges, {(a, e), (b, e), (e, y), (square, y), (a, square)})

    def test_the_notebooks_function(self):
        _, _, _, y = some_graph()
        nodes, edges = set(), set()

        def build(v):
            if v not in nodes:
                nodes.add(v)
                for child in v._prev:
                    edges.add((child, v))
                    build(child)

        build(y)
        self.assertEqual((nodes, edges), trace(y))
        self.assertEqual(len({str(id(n)) for n in nodes}), 5)


class Drawings(unittest.TestCase):
    def test_source(self):
        *_, y = some_graph()
        source = draw_dot(y).source
        self.assertIn('label="{ a | data 2.0000 | grad 1.0000 }"', source)
        self.assertIn('quo\\"te\\|\\{\\}\\<\\>&', source)
        self.assertIn('label="**2"', source)
        self.assertEqual(source.count("shape=record"), 5)
        self.assertEqual(source.count("->"), 3 + 5)

    def test_svg(self):
        *_, y = some_graph()
        drawing = ElementTree.fromstring(draw_dot(y).svg())
        texts = [t.text for t in drawing.iter(svg_name + "text")]
        for expected in ["a", "data 2.0000", "grad 1.0000", 'quo"te|{}<>&', "*", "+", "**2"]:
            self.assertIn(expected, texts)
        self.assertEqual(len(list(drawing.iter(svg_name + "ellipse"))), 3)
        self.assertEqual(len([p for p in drawing.iter(svg_name + "path") if "marker-end" in p.attrib]), 5)

    def test_boxes_do_not_overlap(self):
        x = [Value(float(i)) for i in range(4)]
        layer = [sum((w * xi for w, xi in zip([0.1 * j, 0.2, 0.3, 0.4], x)), Value(j)).tanh() for j in range(4)]
        y = sum(layer) * x[0]
        drawing = ElementTree.fromstring(draw_dot(y).svg())
        boxes = [tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
                 for r in drawing.iter(svg_name + "rect") if r.get("x")]
        self.assertEqual(len(boxes), len(trace(y)[0]))
        for i, (x1, y1, w1, h1) in enumerate(boxes):
            for x2, y2, w2, h2 in boxes[:i]:
                self.assertTrue(x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1)

    def test_what_jupyter_shows(self):
        a, _, _, y = some_graph()
        self.assertIn("<svg", y._repr_svg_())
        self.assertIn("<svg", draw_dot(y)._repr_svg_())
        self.assertIsNone(a._repr_svg_())  # a leaf is shown as text
        for _ in range(200):
            y = y + a
        self.assertIsNone(y._repr_svg_())
        self.assertIn("<svg", draw_dot(y)._repr_svg_())
        for _ in range(10000):
            y = y + a
        self.assertIsNone(draw_dot(y)._repr_svg_())
        self.assertRaises(ValueError, draw_dot(y).svg)

    def test_files(self):
        *_, y = some_graph()
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "y.svg")
            draw_dot(y).save(path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), draw_dot(y).svg())
            self.assertRaises(ValueError, draw_dot(y).save, os.path.join(directory, "y.png"))


if __name__ == "__main__":
    unittest.main()
