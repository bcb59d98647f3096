"""Builds the extension module by the project's CMake, with options of CMAKE_ARGS if that is set; everything else is in
pyproject.toml."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

root = pathlib.Path(__file__).parent.resolve()


def version():
    text = (root / "version.h").read_text(encoding="utf-8")
    return ".".join(re.search(rf"_{part} (\d+)", text).group(1) for part in ("MAJOR", "MINOR", "PATCH"))


class CMakeBuild(build_ext):
    def build_extension(self, ext):
        target = pathlib.Path(self.get_ext_fullpath(ext.name)).resolve()
        build = pathlib.Path(self.build_temp).resolve() / "cmake"
        configure = [
            "cmake", "-S", str(root), "-B", str(build),
            "-DCMAKE_BUILD_TYPE=Release", "-DTAPELOOM_BUILD_PYTHON=ON", "-DTAPELOOM_LIBRARY=static",
            "-DTAPELOOM_BUILD_TESTS=OFF", "-DTAPELOOM_BUILD_EXAMPLES=OFF", "-DTAPELOOM_BUILD_BENCH=OFF",
            "-DTAPELOOM_INSTALL=OFF", f"-DPython_EXECUTABLE={sys.executable}",
            *shlex.split(os.environ.get("CMAKE_ARGS", "")),
        ]  # fmt: skip
        # CMake's own choice is make, which a machine set up for the project need not have. -G in CMAKE_ARGS
        # goes before.
        environment = dict(os.environ)
        if shutil.which("ninja"):
            environment.setdefault("CMAKE_GENERATOR", "Ninja")
        subprocess.run(configure, check=True, env=environment)
        jobs = self.parallel or os.cpu_count() or 1
        command = ["cmake", "--build", str(build), "--target", "tapeloom_python", "--parallel", str(jobs)]
        subprocess.run(command, check=True)
        built = next((build / "python" / "package" / "tapeloom").glob("_native.*.so"))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.copy_file(str(built), str(target))
        self.spawn(["strip", "--strip-unneeded", str(target)])


setup(version=version(), ext_modules=[Extension("tapeloom._native", [])], cmdclass={"build_ext": CMakeBuild})
