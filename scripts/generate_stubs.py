"""Writes the type stubs of the modules whose names come from the tables in `src/esent/constants`.

`python scripts/generate_stubs.py` rewrites them; with `--check` it only says which are not up to date, and exits with 1.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
sys.path.insert(0, str(SOURCE))

from esent import errors  # noqa: E402
from esent.constants import codes, grbits, params  # noqa: E402

HEAD = "# Made by scripts/generate_stubs.py.\n"


def numbers(names: dict[str, int]) -> str:
    return "".join(f"{name}: int\n" for name in names)


def error_stub() -> str:
    module = (SOURCE / "esent/errors.py").read_text(encoding="utf-8")
    categories = re.findall(r"^class (\w+)\((\w+)\):", module, re.MULTILINE)
    lines = [HEAD]
    lines.append("class JetError(Exception):\n    code: int\n    name: str\n    page: int | None\n    message: str\n")
    lines.append('    def __init__(self, message: str = "", *, code: int | None = None) -> None: ...\n\n')
    lines.append("class JetWarning(UserWarning):\n    code: int\n    name: str\n")
    lines.append('    def __init__(self, code: int, message: str = "") -> None: ...\n\n')
    lines += [f"class {name}({base}): ...\n" for name, base in categories if name not in ("JetError", "JetWarning")]
    lines += [f"class {name}({leaf.__bases__[0].__name__}): ...\n" for name, leaf in errors.LEAVES.items()]
    lines.append("\nCODES: dict[str, int]\nCATEGORIES: dict[str, type[JetError]]\nLEAVES: dict[str, type[JetError]]\n")
    lines.append("BY_CODE: dict[int, type[JetError]]\n\n")
    lines.append("def class_name(name: str) -> str: ...\n")
    lines.append("def jet_error(\n    code: int, message: str = ..., *, file: object = ..., page: int | None = ..., ")
    lines.append("offset: int | None = ...\n) -> JetError: ...\n")
    return "".join(lines)


def stubs() -> dict[str, str]:
    tables = "CODES: dict[str, int]\nNAMES: dict[int, str]\nMEANINGS: dict[int, str]\nPREFERRED: tuple[str, ...]\n"
    return {
        "esent/errors.pyi": error_stub(),
        "esent/constants/codes.pyi": HEAD + tables + numbers(codes.CODES),
        "esent/constants/grbits.pyi": HEAD + "GRBITS: dict[str, int]\n" + numbers(grbits.GRBITS),
        "esent/constants/params.pyi": HEAD + params.STUB + numbers(params.PARAMS),
    }


def main(arguments: list[str]) -> int:
    stale = 0
    for name, text in stubs().items():
        path = SOURCE / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if "--check" in arguments:
            print(f"{name} is not up to date: run scripts/generate_stubs.py")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
