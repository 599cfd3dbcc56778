"""One pass over a whole file: which pages are sound, and what each says it is.

A damaged tree is put together again from its leaves wherever they are; they know the object id of their tree
(`reference/database-format.md` 4.1). Memory: about four bytes a page.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

from esent.errors import JetError
from esent.pages.checksum import PAGE_BAD, PAGE_BLANK, PAGE_REPAIRABLE, verify_run
from esent.pages.database_file import DatabaseFile
from esent.pages.page import PAGE_EMPTY, PAGE_LEAF, PAGE_PRE_INIT, PAGE_ROOT, PAGE_SPACE_TREE

Progress = Callable[[int, int], None]

_PIECE = 512 << 10
_HEAD = struct.Struct("<24xI6xHI")  # object id, state of the tags, flags
_TAGS = 0x0FFF


class PageSurvey:
    """What the pages of a file say of themselves.

    `bad`: pages whose checksum is wrong beyond mending. `leaves`: by object id the leaves (no roots, no pages of space trees,
    none emptied by a merge), in file order. `roots`: by object id the root pages. `blank`: how many pages were never written.
    """

    def __init__(self, file: DatabaseFile, progress: Progress | None = None) -> None:
        self.page_count = file.page_count
        self.page_size = file.page_size
        self.bad = array("I")
        self.blank = 0
        self.leaves: dict[int, array[int]] = {}
        self.roots: dict[int, array[int]] = {}
        self._file = file
        size = file.page_size
        piece = max(1, _PIECE // size)
        first = 1
        while first <= self.page_count:
            data = file.read_pages(first, min(piece, self.page_count - first + 1))
            got = len(data) // size
            if not got:
                break  # the file became shorter
            self._piece(data, first, got)
            first += got
            if progress is not None:
                progress(first - 1, self.page_count)

    def _piece(self, data: bytes, first: int, count: int) -> None:
        size = self.page_size
        unsound = dict(verify_run(data, size, first))
        for number in range(count):
            pgno = first + number
            status = unsound.get(pgno)
            head, place = data, number * size
            if status == PAGE_BLANK:
                self.blank += 1
                continue
            if status == PAGE_BAD:
                self.bad.append(pgno)
                continue
            if status == PAGE_REPAIRABLE:
                try:
                    head, place = self._file.verified(data[place : place + size], pgno), 0
                except JetError:
                    self.bad.append(pgno)
                    continue
            objid, tags, flags = _HEAD.unpack_from(head, place)
            if flags & (PAGE_SPACE_TREE | PAGE_EMPTY | PAGE_PRE_INIT) or not tags & _TAGS:
                continue
            if flags & PAGE_ROOT:
                self.roots.setdefault(objid, array("I")).append(pgno)
            elif flags & PAGE_LEAF:
                self.leaves.setdefault(objid, array("I")).append(pgno)
