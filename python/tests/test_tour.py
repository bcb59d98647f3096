"""The notebook of the tour: its cells run, and print what is saved in it."""

import contextlib
import io
import json
import os
import pathlib
import unittest

tour = pathlib.Path(os.environ["TAPELOOM_SOURCE"]) / "examples" / "python" / "tour.ipynb"


def saved():
    with open(tour, encoding="utf-8") as file:
        return [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]


class Tour(unittest.TestCase):
    def test_cells_print_what_is_saved(self):
        names = {}
        cells = saved()
        self.assertGreater(len(cells), 5)
        for cell in cells:
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec("".join(cell["source"]), names)
            texts = [text for o in cell["outputs"] if o["output_type"] == "stream" for text in o["text"]]
            self.assertEqual(output.getvalue(), "".join(texts))


if __name__ == "__main__":
    unittest.main()
