"""Numbers and runs of bytes in a page image, its tag array, and the comparison of a stored key with another.

For `pages.edit`, which knows what the offsets mean. Compiled, these are C functions on the bytes of the image.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import jet_error


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def get16(data: bytearray, offset: cython.Py_ssize_t) -> cython.int:
    return data[offset] | data[offset + 1] << 8


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def put16(data: bytearray, offset: cython.Py_ssize_t, value: cython.int) -> cython.int:
    data[offset] = value & 0xFF
    data[offset + 1] = (value >> 8) & 0xFF
    return 0


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def get32(data: bytearray, offset: cython.Py_ssize_t) -> cython.longlong:
    high: cython.longlong = data[offset + 2] | data[offset + 3] << 8
    return data[offset] | data[offset + 1] << 8 | high << 16


@cython.boundscheck(False)
@cython.wraparound(False)
def common_prefix(first: bytes, second: bytes) -> int:
    """Number of leading bytes two keys share."""
    end: cython.Py_ssize_t = min(len(first), len(second))
    i: cython.Py_ssize_t = 0
    if not cython.compiled and first[:end] == second[:end]:
        return end
    while i < end and first[i] == second[i]:
        i += 1
    return i


@cython.cfunc
def put64(data: bytearray, offset: cython.Py_ssize_t, value: cython.longlong) -> cython.int:
    i: cython.Py_ssize_t
    if not cython.compiled:
        data[offset : offset + 8] = value.to_bytes(8, "little", signed=True)
        return 0
    for i in range(4):
        put16(data, offset + 2 * i, (value >> (16 * i)) & 0xFFFF)
    return 0


@cython.cfunc
def store(
    image: bytearray, at: cython.Py_ssize_t, body: bytes, start: cython.Py_ssize_t, count: cython.Py_ssize_t
) -> cython.int:
    """Copy `count` bytes of `body` from `start` on, which are there, to offset `at`."""
    if at < 0 or at + count > len(image):
        raise jet_error(codes.JET_errInternalError, f"writing {count} bytes to offset {at} of a page image")
    if cython.compiled:
        i: cython.Py_ssize_t
        goal: cython.p_char = cython.cast(cython.p_char, image) + at
        source: cython.p_char = cython.cast(cython.p_char, body) + start
        for i in range(count):
            goal[i] = source[i]
    else:
        image[at : at + count] = body[start : start + count]
    return 0


@cython.cfunc
def fetch(image: bytearray, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> bytes:
    if start < 0 or start > end or end > len(image):
        raise jet_error(codes.JET_errInternalError, f"reading bytes {start} to {end} of a page image")
    if cython.compiled:
        source: cython.p_char = cython.cast(cython.p_char, image)
        return source[start:end]  # type: ignore[index,return-value]
    return bytes(image[start:end])


@cython.cfunc
def open_tag(image: bytearray, tags: cython.Py_ssize_t, tag: cython.Py_ssize_t) -> cython.int:
    """Move the tags from `tag` on (of `tags`) one place on, to have room for another `tag`."""
    end: cython.Py_ssize_t = len(image)
    if cython.compiled:
        i: cython.Py_ssize_t
        words: cython.p_uint = cython.cast(cython.p_uint, cython.cast(cython.p_char, image) + end)
        for i in range(tags, tag, -1):
            words[-i - 1] = words[-i]
    else:
        image[end - 4 * tags - 4 : end - 4 * tag - 4] = image[end - 4 * tags : end - 4 * tag]
    return 0


@cython.cfunc
def close_tag(image: bytearray, tags: cython.Py_ssize_t, tag: cython.Py_ssize_t) -> cython.int:
    """Move the tags behind `tag` (of `tags`) one place back."""
    end: cython.Py_ssize_t = len(image)
    if cython.compiled:
        i: cython.Py_ssize_t
        words: cython.p_uint = cython.cast(cython.p_uint, cython.cast(cython.p_char, image) + end)
        for i in range(tag + 1, tags):
            words[-i] = words[-i - 1]
    else:
        image[end - 4 * tags + 4 : end - 4 * tag] = image[end - 4 * tags : end - 4 * tag - 4]
    return 0


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def order(
    image: bytearray,
    head: cython.Py_ssize_t,
    prefix: cython.Py_ssize_t,
    start: cython.Py_ssize_t,
    stop: cython.Py_ssize_t,
    key: bytes,
) -> cython.int:
    """Whether the key in `prefix` bytes from `head` on and those from `start` to `stop` is below (-1), equal to or above (1)
    `key`. All of them are inside of the image."""
    if cython.compiled:
        left: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, image))
        right: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, key))
        length: cython.Py_ssize_t = len(key)
        i: cython.Py_ssize_t
        count: cython.Py_ssize_t = prefix if prefix < length else length
        for i in range(count):
            if left[head + i] != right[i]:
                return -1 if left[head + i] < right[i] else 1
        if prefix > length:
            return 1
        count = stop - start if stop - start < length - prefix else length - prefix
        for i in range(count):
            if left[start + i] != right[prefix + i]:
                return -1 if left[start + i] < right[prefix + i] else 1
        return (stop - start > length - prefix) - (stop - start < length - prefix)
    found = image[head : head + prefix] + image[start:stop] if prefix else image[start:stop]
    return (found > key) - (found < key)
