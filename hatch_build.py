"""Build hook: compiles the leaf modules with Cython where a C compiler is present, and goes on without where it is not.

The environment variable ESENT_BUILD decides: `auto` (default: compile if possible), `compiled` (fail if not possible),
`pure` (do not compile).
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileLeafModules(BuildHookInterface):
    """Adds one extension module beside each source named in `[tool.esent.build] compile`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by Hatchling before a wheel is put together; `version` is "standard" or "editable"."""
        mode = os.environ.get("ESENT_BUILD", "auto")
        if mode not in ("auto", "compiled", "pure"):
            raise ValueError(f"ESENT_BUILD is {mode!r}; auto, compiled and pure are understood")
        if mode == "pure" or version == "editable":
            return
        try:
            built = self._compile()
        except Exception as problem:
            if mode == "compiled":
                raise
            print(f"esent: built without compiled modules ({problem})", file=sys.stderr)
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update(built)

    def _compile(self) -> dict[str, str]:
        from Cython.Build import cythonize
        from setuptools import Distribution, Extension
        from setuptools.command.build_ext import build_ext

        root = Path(self.root)
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        sources: list[str] = project["tool"]["esent"]["build"]["compile"]
        build = root / "build"
        extensions = [
            Extension(source.removeprefix("src/").removesuffix(".py").replace("/", "."), [source], extra_compile_args=["-O3"])
            for source in sources
        ]
        previous = Path.cwd()
        os.chdir(root)
        try:
            distribution = Distribution(
                {
                    "name": "esent",
                    "package_dir": {"": "src"},
                    "ext_modules": cythonize(
                        extensions,
                        build_dir=str(build / "cython"),
                        compiler_directives={"language_level": 3, "embedsignature": True},
                        quiet=True,
                        # two cores are common; more files than cores gain nothing
                        nthreads=0,
                    ),
                }
            )
            command = build_ext(distribution)
            command.build_lib = str(build / "lib")
            command.build_temp = str(build / "temp")
            command.parallel = os.cpu_count() or 1
            command.ensure_finalized()
            command.run()
            return {output: str(Path(output).relative_to(build / "lib")) for output in command.get_outputs()}
        finally:
            os.chdir(previous)
