"""The leaf modules as plain Python, on a machine that has no Cython."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from genuine import ROOT

PROGRAM = """
import importlib, sys
sys.modules["cython"] = None  # as if it were not installed
sys.path.insert(0, {source!r})
for name in {modules!r}:
    module = importlib.import_module(name)
    assert module.__file__.endswith(".py"), module.__file__
from esent.pages.edit import MutablePage
page = MutablePage.initialise(4096, 5, 7, 3, 65)
page.insert_key(0, b"key", b"data")
assert page.key(0) == b"key" and page.value(0) == b"data"
"""


def test_the_leaf_modules_need_no_cython():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sources = project["tool"]["esent"]["build"]["compile"]
    modules = [source.removeprefix("src/").removesuffix(".py").replace("/", ".") for source in sources]
    program = PROGRAM.format(source=str(ROOT / "src"), modules=modules)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
