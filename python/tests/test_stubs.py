"""The stubs and docstrings: what is there is described, and what is described is there."""

import ast
import doctest
import importlib
import inspect
import pathlib
import subprocess
import sys
import tempfile
import unittest

import tapeloom
import tapeloom.engine
import tapeloom.graph
import tapeloom.nn
import tapeloom.progress
from tapeloom import _native

package = pathlib.Path(tapeloom.__file__).parent

# What every class has, and what pickle and copy ask for.
given = set(dir(object)) | {"__setstate__", "__getstate__", "__copy__", "__deepcopy__", "__array_ufunc__", "__module__",
                            "__pybind11_module_local__", "_seconds_of_steps"}


def described(body):
    """Names defined in a class or module of the stub."""
    names = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


class Stubs(unittest.TestCase):
    def setUp(self):
        self.stub = ast.parse((package / "_native.pyi").read_text(encoding="utf-8"))
        self.classes = {node.name: node for node in self.stub.body if isinstance(node, ast.ClassDef)}

    def test_every_name_of_the_module_is_described_and_the_other_way_round(self):
        names = {name for name in dir(_native) if not name.startswith("_")}
        self.assertEqual(names, {name for name in described(self.stub.body) if not name.startswith("_")})

    def test_every_member_of_a_class_is_described_and_the_other_way_round(self):
        for name, node in self.classes.items():
            made = getattr(_native, name, None)
            if made is None:
                continue
            members = {m for m in vars(made) if m not in given}
            told = described(node.body)
            if issubclass(made, Exception):
                continue
            with self.subTest(name):
                self.assertEqual(members - told - {"__doc__", "__hash__"}, set())
                self.assertEqual({m for m in told if not hasattr(made, m)}, set())

    def test_the_stub_of_nn_has_its_names_and_their_arguments(self):
        stub = ast.parse((package / "nn.pyi").read_text(encoding="utf-8"))
        told = {node.name: node for node in stub.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        self.assertEqual({name for name in told if not name.startswith("_")}, set(tapeloom.nn.__all__))

        def arguments(node):
            rest = [node.args.kwarg] if node.args.kwarg else []
            return [argument.arg for argument in node.args.args + node.args.kwonlyargs + rest]

        for name in tapeloom.nn.__all__:
            made, node = getattr(tapeloom.nn, name), told[name]
            if inspect.isclass(made):
                bases = [told[base.id].body for base in node.bases if getattr(base, "id", "").startswith("_")]
                for member in sum(bases, node.body):
                    if isinstance(member, ast.FunctionDef):
                        expected = list(inspect.signature(getattr(made, member.name)).parameters)
                        self.assertEqual(arguments(member), expected, f"{name}.{member.name}")
            else:
                self.assertEqual(arguments(node), list(inspect.signature(made).parameters), name)

    def test_the_package_has_every_name_of_the_module(self):
        for name in dir(_native):
            if not name.startswith("_"):
                self.assertIs(getattr(tapeloom, name), getattr(_native, name))

    def test_everything_has_a_docstring(self):
        modules = [tapeloom, tapeloom.engine, tapeloom.graph, tapeloom.nn, tapeloom.progress]
        for module in modules:
            self.assertTrue(module.__doc__, module.__name__)
            for name in getattr(module, "__all__", dir(module)):
                thing = getattr(module, name)
                if name.startswith("_") or not callable(thing):
                    continue
                with self.subTest(f"{module.__name__}.{name}"):
                    self.assertTrue(thing.__doc__ and thing.__doc__.strip())
                    if not inspect.isclass(thing):
                        continue
                    for member in vars(thing):
                        if not member.startswith("_"):
                            self.assertTrue(inspect.getdoc(getattr(thing, member)), f"{name}.{member}")

    def test_public_names_say_where_they_are(self):
        for name, thing in vars(_native).items():
            if inspect.isclass(thing) and name != "NeuronBase":  # of tapeloom.nn, which is public
                self.assertNotIn("_native", thing.__module__, name)

    def test_doctests(self):
        attempted = 0
        for name in ["tapeloom", "tapeloom.nn", "tapeloom.graph", "tapeloom.engine", "tapeloom.progress"]:
            result = doctest.testmod(importlib.import_module(name))
            self.assertEqual(result.failed, 0)
            attempted += result.attempted
        self.assertGreater(attempted, 5)

    def test_types_are_checked(self):
        try:
            import mypy  # noqa: F401
        except ImportError:
            self.skipTest("mypy is not installed (Debian: apt install mypy)")
        program = pathlib.Path(__file__).with_name("typed_program.py")
        with tempfile.TemporaryDirectory() as cache:
            found = subprocess.run(
                [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", cache, str(program)],
                capture_output=True, text=True, env={"MYPYPATH": str(package.parent), "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
            self.assertEqual((found.returncode, found.stdout), (0, "Success: no issues found in 1 source file\n"),
                             found.stderr)

    def test_the_program_that_is_checked_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(__file__).with_name("typed_program.py")
            subprocess.run([sys.executable, "-B", str(program)], check=True, cwd=folder, stdout=subprocess.DEVNULL,
                           env={"PYTHONPATH": str(package.parent), "PATH": "/usr/bin:/bin"})


class Import(unittest.TestCase):
    def test_it_is_quick_and_needs_no_numpy(self):
        program = (
            "import sys, time\n"
            "start = time.process_time()\n"  # not counting what others do meanwhile
            "import tapeloom\n"
            "seconds = time.process_time() - start\n"
            "assert 'numpy' not in sys.modules\n"
            "print(seconds)\n"
        )
        times = []
        for _ in range(8):
            printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True,
                                     env={"PYTHONPATH": str(package.parent)}).stdout
            times.append(float(printed))
        self.assertLess(min(times), 0.010)

    def test_what_needs_no_array_needs_no_numpy(self):
        program = (
            "import sys, array, tapeloom\n"
            "a, x = tapeloom.parameter(2.0), tapeloom.input('x')\n"
            "executor = tapeloom.compile(tapeloom.batch_mean(a * x))\n"
            "executor.bind(x=array.array('d', [1.0, 3.0]))\n"
            "assert executor.step() == 4.0\n"
            "tapeloom.fit(executor, {'x': array.array('d', [1.0, 3.0])}, epochs=1)\n"
            "executor.write_back()\n"
            "assert 'numpy' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(package.parent)})


if __name__ == "__main__":
    unittest.main()
