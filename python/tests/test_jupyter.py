"""The notebook of the tour as Jupyter runs it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

tour = pathlib.Path(os.environ["TAPELOOM_SOURCE"]) / "examples" / "python" / "tour.ipynb"


def sources(path):
    with open(path, encoding="utf-8") as file:
        return [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]


class Jupyter(unittest.TestCase):
    def test_as_jupyter_runs_it(self):
        found = subprocess.run([sys.executable, "-c", "import nbconvert, ipykernel"], capture_output=True, check=False)
        if found.returncode != 0:
            self.skipTest("nbconvert and ipykernel are not installed (Debian: jupyter-nbconvert, python3-ipykernel)")
        shutil.copy(tour, "tour.ipynb")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}
        subprocess.run([sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "tour.ipynb"],
                       check=True, capture_output=True, env=environment)
        cells = sources("tour.ipynb")
        self.assertIn("image/svg+xml", cells[0]["outputs"][0]["data"])
        self.assertEqual([c["source"] for c in cells], [c["source"] for c in sources(tour)])


if __name__ == "__main__":
    unittest.main()
