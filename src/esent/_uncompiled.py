"""What the leaf modules use of `cython` when they run as plain Python and Cython is not installed.

Decorators and directives do nothing, a cast is its value, every C type is `int`. A leaf module begins with

    try:
        import cython
    except ImportError:
        from esent import _uncompiled as cython
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")

compiled = False


def cfunc(function: T) -> T:
    return function


ccall = cclass = final = inline = cfunc


def _directive(*_arguments: Any, **_types: Any) -> Any:
    return cfunc


boundscheck = wraparound = cdivision = initializedcheck = locals = returns = exceptval = infer_types = _directive


class _NoGil:
    """`@nogil` and `with nogil:` of code that runs under the interpreter's lock anyway."""

    def __call__(self, function: T) -> T:
        return function

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        return None


nogil = _NoGil()


def cast(_type: Any, value: T, typecheck: bool = False) -> T:
    return value


def declare(_type: Any = None, value: Any = None, **_types: Any) -> Any:
    return value


bint = bool
double = float
char = uchar = short = ushort = uint = long = ulong = longlong = ulonglong = Py_ssize_t = size_t = int
p_char = p_uchar = p_ushort = p_uint = p_ulonglong = bytes
int = int  # last: from here on the name is that of the C type
