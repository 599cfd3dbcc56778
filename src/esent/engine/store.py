"""The pages of one database as they are written: every change takes a dbtime, goes into the log, then to the page.

What a record does to a page is done by the functions that redo uses, or by the same operations of the page, so that replaying
the log gives the same pages (`reference/log-and-recovery.md` 4.5, 5.1, 8.5). Pages go to the file when they may: after their
records, and after the images that undoing them needs (8.6). Without a log (recovery off, the temporary database) the changes
are the same, and nothing precedes a write.

All calls are made with the lock of the instance held.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from esent.constants import codes
from esent.errors import jet_error
from esent.log import kinds
from esent.log.layout import Record
from esent.log.node_records import NodeRecords
from esent.log.records import (
    ConvertFDP2,
    CreateMEFDP,
    CreateSEFDP,
    Delta,
    Delta64,
    EmptyTree,
    ExtendDB,
    FlagInsertAndReplaceData,
    FreeFDP,
    Insert,
    MacroBegin,
    MacroCommit,
    MacroInfo,
    MacroInfo2,
    Merge2,
    NewPage,
    NodeRecord,
    PageMove,
    Replace,
    SetExternalHeader,
    Split2,
    Undo,
)
from esent.log.sink import RecordSink
from esent.pages.cache import BufferCache, CachedPage
from esent.pages.database_file import PGNO_MAX, DatabaseFile
from esent.pages.edit import (
    NODE_DELETED,
    NODE_VERSIONED,
    PAGE_FLUSH_TYPE,
    PAGE_INDEX,
    PAGE_LEAF,
    PAGE_NON_UNIQUE,
    PAGE_PARENT_OF_LEAF,
    PAGE_ROOT,
    PAGE_SCRUBBED,
    PAGE_SPACE_TREE,
)
from esent.pages.primitives import LGPOS_MAX, LGPOS_MIN, Lgpos
from esent.pages.scrub import scrub
from esent.recovery import redo_trees
from esent.recovery.cache import NEXT_FLUSH_TYPE
from esent.recovery.images import logged_image, page_ends
from esent.recovery.redo_merge import redo_merge, redo_page_move
from esent.recovery.redo_nodes import add_delta, apply_undo, empty_page
from esent.recovery.redo_split import redo_split
from esent.recovery.sessions import Session, SessionTable, Version
from esent.tree import allocate
from esent.tree.live import (
    MERGE_FULL_LEFT,
    MERGE_FULL_RIGHT,
    MERGE_PARTIAL_RIGHT,
    OPER_INSERT,
    OPER_REPLACE,
    SPLIT_VERTICAL,
    Bookmark,
    Change,
    Conversion,
    MergeLevel,
    Move,
    NewTree,
    NodeStore,
    Operation,
    SplitLevel,
    TreeName,
    Writer,
)
from esent.tree.space import Extent
from esent.tree.write import DEFAULT_DENSITY, WritableTree
from esent.versions.store import VersionStore

DEFAULT_CACHE_PAGES = 1 << 16
DEFAULT_GROWTH = 256
DEFAULT_FRAGMENT = 8
DBTIME_LIMIT = 1 << 62
SYSTEM_ROOT_OBJID = 1
_LIMIT: cython.longlong = DBTIME_LIMIT


Head = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
"""The fields of a record about a node, up to the object id."""


def _is_in(pgno: int, extents: Sequence[Extent]) -> bool:
    """Whether a page is in one of some extents that are in order."""
    place = bisect_left(extents, pgno, key=lambda extent: extent.last)
    return place < len(extents) and extents[place].first <= pgno


@cython.cclass
class Steadiness:
    """While it is entered no page of a store leaves memory."""

    _store: DatabaseStore

    def __init__(self, store: DatabaseStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store._steady += 1

    def __exit__(self, *_error: object) -> None:
        self._store._steady -= 1


@cython.cclass
class DatabaseStore(NodeStore):
    """The live pages of one database; a `tree.live.NodeStore`, a page source, and what redo functions work on.

    For the owner to set: `log_undo_info(page)` is called before a page is written, `reserved_space(page, beside)` gives the
    bytes that must stay free on it (none while `versions` has no images), `dead(page)` the lines of nodes that nobody can see
    any more, `settled(page)` whether no node has versions, `inserted(page, line)` the version that inserted one, or 0;
    `holding(first, last)` keeps backups off pages while they are written, `writing()` waits while writes are frozen;
    `extended(position)` is told of a file that has become longer, by the record at that position; `tend()` is called between
    two operations.
    """

    dbid: int
    file: DatabaseFile
    log: RecordSink | None
    dbtime: int
    objid: int
    size_limit: int
    cache: BufferCache
    read_page: Callable[[int], bytes]
    log_undo_info: Callable[[CachedPage], None] | None
    reserved_space: Callable[[CachedPage, tuple[bytes, bytes] | None], int] | None
    versions: VersionStore | None
    dead: Callable[[CachedPage], list[int]] | None
    settled: Callable[[CachedPage], bool] | None
    inserted: Callable[[CachedPage, int], int] | None
    holding: Callable[[int, int], AbstractContextManager[None]]
    writing: Callable[[], AbstractContextManager[None]]
    extended: Callable[[Lgpos], None] | None
    announces_pages: Callable[[], bool] | None
    tend: Callable[[], None] | None
    unsynced: Lgpos
    pages_written: int
    _records: NodeRecords
    _steady: int
    _trees: dict[tuple[int, int, bool], WritableTree]
    _sessions: SessionTable
    _session: Session
    # of the change under way
    _begun: Lgpos
    _position: Lgpos

    def __init__(
        self,
        dbid: int,
        file: DatabaseFile,
        log: RecordSink | None,
        *,
        dbtime: int,
        objid: int,
        cache_pages: int = DEFAULT_CACHE_PAGES,
        size_limit: int = 0,
    ) -> None:
        """`dbtime` and `objid`: the highest there are; `size_limit`: pages the file may have, 0 for any number."""
        self.dbid = dbid
        self.file = file
        self.log = log
        self.page_size = file.page_size
        self.dbtime = dbtime
        self.objid = objid
        self.size_limit = size_limit
        self.growth = DEFAULT_GROWTH
        self.fragment = DEFAULT_FRAGMENT
        self.cache = BufferCache(file.page_size, file.read_page, self._write_back, limit=cache_pages)
        self.read_page = self.cache.read_page
        self.log_undo_info = None
        self.reserved_space = None
        self.versions = None
        self.dead = None
        self.settled = None
        self.inserted = None
        self.holding = lambda _first, _last: nullcontext()
        self.writing = nullcontext
        self.extended = None
        self.announces_pages = None
        self.tend = None
        self.unsynced = LGPOS_MAX  # the earliest begin of what was written since the file was flushed
        self.pages_written = 0
        self._records = NodeRecords(dbid)
        self._steady = 0
        self._trees = {}
        self.space_trees = {}
        self._sessions = SessionTable(0)
        self._session = Session(0)
        self._begun = self._position = LGPOS_MIN  # of the change under way

    # -- trees ------------------------------------------------------------------------------------------------------------

    def tree(self, objid: int, root: int, *, unique: bool, density: int = DEFAULT_DENSITY) -> WritableTree:
        """The tree with a root page."""
        key = (objid, root, unique)
        tree = self._trees.get(key)
        if tree is None or tree.density != density:
            tree = self._trees[key] = WritableTree(self, objid, root, unique=unique, density=density)
        return tree

    def create(
        self,
        writer: Writer,
        parent: TreeName,
        *,
        pages: int = 1,
        unique: bool = True,
        class_flags: int = 0,
        multiple: bool = False,
        objid: int = 0,
    ) -> TreeName:
        """A new tree below `parent` (see `tree.allocate.create_tree`)."""
        return allocate.create_tree(
            self, writer, parent, pages=pages, unique=unique, class_flags=class_flags, multiple=multiple, objid=objid
        )

    def free(self, writer: Writer, name: TreeName) -> None:
        """A tree goes, with the trees below it: its space belongs to its parent again."""
        self.begin(writer)
        kind = kinds.FDP_INDEX if self.get(name.fdp).flags & PAGE_INDEX else kinds.FDP_TABLE
        self._log(FreeFDP(self.dbid, name.fdp, writer.trx_begin0, kind))
        freed = allocate.free_tree(self, writer, name)
        self._trees = {key: tree for key, tree in self._trees.items() if not _is_in(key[1], freed)}
        self.space_trees = {key: tree for key, tree in self.space_trees.items() if not _is_in(key[1], freed)}

    def take_page(self, writer: Writer, name: TreeName, near: int) -> int:
        return allocate.take_page(self, writer, name, near)

    def give_back(self, writer: Writer, name: TreeName, first: int, count: int) -> None:
        allocate.give_back(self, writer, name, first, count)

    def new_objid(self) -> int:
        self.objid += 1
        return self.objid

    def create_root(self, writer: Writer, pages: int) -> None:
        """The tree that owns a new file of `pages` pages."""
        self.begin(writer)
        self.extend(pages)
        self.objid = max(self.objid, SYSTEM_ROOT_OBJID)
        self.create_tree(writer, NewTree(allocate.DATABASE_ROOT, SYSTEM_ROOT_OBJID, 0, pages, unique=True, multiple=True))

    # -- memory -----------------------------------------------------------------------------------------------------------

    @property
    def page_count(self) -> int:
        return self.file.page_count

    @cython.ccall
    def get(self, pgno: cython.longlong) -> CachedPage:
        return self.cache.get(pgno)

    @cython.ccall
    def holds(self, page: CachedPage) -> cython.bint:
        return self.cache.holds(page)

    @cython.ccall
    def trim(self) -> cython.int:
        if self._steady:
            return 0
        if self.tend is not None and self.log is not None and self.log.pressing:
            self.tend()
        if len(self.cache.pages) > self.cache.limit:
            self.cache.trim()
        return 0

    def steady(self) -> Steadiness:
        return Steadiness(self)

    @cython.ccall
    def reserved(self, page: CachedPage, beside: Bookmark | None) -> cython.Py_ssize_t:
        if self.versions is not None and not self.versions.image_count:
            return 0
        return self.reserved_space(page, beside) if self.reserved_space is not None else 0

    def dead_lines(self, page: CachedPage) -> list[int]:
        if self.dead is None or page.flags & PAGE_SPACE_TREE or not page.is_leaf:
            return []
        return self.dead(page)

    def inserted_by(self, page: CachedPage, line: int) -> int:
        return 0 if self.inserted is None else self.inserted(page, line)

    def is_settled(self, page: CachedPage) -> bool:
        return self.settled is None or self.settled(page)

    # -- to the file ------------------------------------------------------------------------------------------------------

    def _write_back(self, pages: list[CachedPage]) -> None:
        """Write pages (ascending), after all that has to be on disk before."""
        if self.log is not None:
            if self.log_undo_info is not None:
                for page in pages:
                    self.log_undo_info(page)
                self.log.flush()
            else:
                self.log.flush(max(page.modified for page in pages))
        first = 0
        for number in range(1, len(pages) + 1):
            if number == len(pages) or pages[number].pgno != pages[number - 1].pgno + 1:
                self._write_run(pages[first:number])
                first = number

    def _write_run(self, pages: list[CachedPage]) -> None:
        """Write pages that lie side by side."""
        with self.writing(), self.holding(pages[0].pgno, pages[-1].pgno):
            for page in pages:
                flags = page.flags
                page.flags = flags & ~PAGE_FLUSH_TYPE | NEXT_FLUSH_TYPE[flags & PAGE_FLUSH_TYPE]
                self.file.write_page(page.pgno, bytes(page.data))
                self.unsynced = min(self.unsynced, page.begun)
                self.cache.written(page)
                self.pages_written += 1

    def flush(self, upto: Lgpos | None = None) -> None:
        """Write the dirty pages that the log must be kept for from before `upto` (all), and wait for the disk."""
        pages = self.cache.dirty.values()
        self.cache.flush([page for page in pages if upto is None or page.begun < upto])
        self.sync()

    def sync(self) -> None:
        """Wait until what was written is on disk."""
        if self.unsynced != LGPOS_MAX:
            with self.writing():
                self.file.sync()
            self.unsynced = LGPOS_MAX

    def oldest(self) -> Lgpos:
        """Where the log must be kept from for this database; LGPOS_MAX where the file has everything."""
        return min(self.cache.oldest(), self.unsynced)

    def extend(self, last: int) -> None:
        if last > PGNO_MAX or (self.size_limit and last > self.size_limit):
            what = f"making the file {last} pages long, where {self.size_limit or PGNO_MAX} are allowed"
            raise jet_error(codes.JET_errOutOfDatabaseSpace, what, file=self.file.path)
        grows = last > self.file.page_count
        if grows:
            with self.writing():
                self.file.resize(last)  # before the record: a disk that is full leaves none; recovery cuts off what has none
        position = LGPOS_MIN if self.log is None else self.log.append(ExtendDB(self.dbid, last))
        if grows:
            with self.writing():
                self.file.sync()
        if self.extended is not None:
            self.extended(position)

    # -- changes of one page ------------------------------------------------------------------------------------------------

    @cython.ccall
    def begin(self, writer: Writer) -> cython.int:
        if self.log is not None and writer.logged_level != writer.level:
            writer.log_begin()
        return 0

    @cython.cfunc
    def _next_dbtime(self, page: CachedPage) -> cython.longlong:
        dbtime: cython.longlong = self.dbtime + 1
        if page.changed_at() >= dbtime or dbtime >= _LIMIT:
            what = f"the page has dbtime {page.dbtime}, the database has only come to {self.dbtime}"
            raise jet_error(codes.JET_errDbTimeCorrupted, what, file=self.file.path, page=page.pgno)
        self.dbtime = dbtime
        return dbtime

    def _log(self, record: Record) -> Lgpos:
        return self.log.append(record) if self.log is not None else LGPOS_MIN

    @cython.cfunc
    def _done(self, writer: Writer, page: CachedPage, dbtime: cython.longlong, position: Lgpos) -> cython.int:
        page.changed(dbtime)
        self.cache.changed(page, writer.begin_position, position)
        return 0

    def _head(self, writer: Writer, name: TreeName, page: CachedPage, dbtime: int, line: int, rceid: int) -> Head:
        """The fields every record about a node begins with."""
        flags = (
            writer.mark
            | (kinds.VERSIONED if rceid else 0)
            | (kinds.UNIQUE if name.unique else 0)
            | (kinds.SPACE_TREE if name.space else 0)
        )
        return (
            writer.procid,
            self.dbid,
            page.pgno,
            dbtime,
            page.dbtime,
            writer.trx_begin0,
            writer.level,
            line,
            flags,
            rceid,
            name.fdp,
            name.objid,
        )

    @cython.ccall
    def insert(
        self,
        writer: Writer,
        name: TreeName,
        page: CachedPage,
        line: cython.int,
        prefix: cython.int,
        suffix: bytes,
        data: bytes,
        rceid: cython.longlong,
    ) -> cython.int:
        before: cython.longlong = page.changed_at()
        dbtime: cython.longlong = self._next_dbtime(page)
        position = LGPOS_MIN
        log = self.log
        if log is not None:
            shared = page.prefix()[:prefix] if prefix else b""
            position = log.append_image(
                self._records.insert(writer, name, page.pgno, dbtime, before, line, rceid, shared, suffix, data)
            )
        page.insert(line, prefix, suffix, data, NODE_VERSIONED if rceid else 0)
        return self._done(writer, page, dbtime, position)

    @cython.ccall
    def flag_insert(
        self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int, rceid: cython.longlong
    ) -> cython.int:
        before: cython.longlong = page.changed_at()
        dbtime: cython.longlong = self._next_dbtime(page)
        position = LGPOS_MIN
        log = self.log
        if log is not None:
            key, data = page.key(line), page.value(line)
            position = log.append_image(
                self._records.flag_insert(writer, name, page.pgno, dbtime, before, line, rceid, key, data)
            )
        page.change_node_flags(line, NODE_DELETED, NODE_VERSIONED if rceid else 0)
        return self._done(writer, page, dbtime, position)

    def flag_insert_and_replace(
        self,
        writer: Writer,
        name: TreeName,
        page: CachedPage,
        line: int,
        data: bytes,
        rceid: int,
        rceid_replace: int,
    ) -> None:
        dbtime = self._next_dbtime(page)
        head = self._head(writer, name, page, dbtime, line, rceid)
        position = self._log(FlagInsertAndReplaceData(*head, page.key(line), data, rceid_replace))
        page.replace(line, data)
        page.change_node_flags(line, NODE_DELETED, NODE_VERSIONED if rceid else 0)
        self._done(writer, page, dbtime, position)

    @cython.ccall
    def replace(
        self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int, data: bytes, rceid: cython.longlong
    ) -> cython.int:
        before: cython.longlong = page.changed_at()
        dbtime: cython.longlong = self._next_dbtime(page)
        position = LGPOS_MIN
        log = self.log
        if log is not None:
            size: cython.Py_ssize_t = page.value_size(line)
            position = log.append_image(self._records.replace(writer, name, page.pgno, dbtime, before, line, rceid, size, data))
        page.replace(line, data)
        if rceid:
            page.change_node_flags(line, 0, NODE_VERSIONED)
        return self._done(writer, page, dbtime, position)

    @cython.ccall
    def flag_delete(
        self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int, rceid: cython.longlong
    ) -> cython.int:
        before: cython.longlong = page.changed_at()
        dbtime: cython.longlong = self._next_dbtime(page)
        position = LGPOS_MIN
        log = self.log
        if log is not None:
            position = log.append_image(self._records.flag_delete(writer, name, page.pgno, dbtime, before, line, rceid))
        page.change_node_flags(line, 0, NODE_DELETED | NODE_VERSIONED if rceid else NODE_DELETED)
        return self._done(writer, page, dbtime, position)

    @cython.ccall
    def delete(self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int) -> cython.int:
        before: cython.longlong = page.changed_at()
        dbtime: cython.longlong = self._next_dbtime(page)
        position = LGPOS_MIN
        log = self.log
        if log is not None:
            position = log.append_image(self._records.delete(writer, name, page.pgno, dbtime, before, line))
        page.delete(line)
        return self._done(writer, page, dbtime, position)

    def delta(
        self, writer: Writer, name: TreeName, page: CachedPage, line: int, offset: int, delta: int, size: int, rceid: int
    ) -> None:
        dbtime = self._next_dbtime(page)
        head = self._head(writer, name, page, dbtime, line, rceid)
        key, bookmark_data = page.key(line), b"" if name.unique else page.value(line)
        record: Record
        if size == 8:
            record = Delta64(*head, key, bookmark_data, delta, offset)
        else:
            record = Delta(*head, key, bookmark_data, delta, offset)
        position = self._log(record)
        add_delta(page, line, offset, delta, size)
        if rceid:
            page.change_node_flags(line, 0, NODE_VERSIONED)
        self._done(writer, page, dbtime, position)

    def undo(self, writer: Writer, name: TreeName, page: CachedPage, line: int, change: Change, data: bytes) -> None:
        dbtime = self._next_dbtime(page)
        key = page.key(line)
        version = Version(
            change.rceid,
            self.dbid,
            name.fdp,
            name.objid,
            name.unique,
            change.oper,
            key,
            data,
            0,
            writer.trx_begin0,
            change.before,
            change.delta,
            change.offset,
        )
        head = self._head(writer, name, page, dbtime, line, 0)
        position = self._log(Undo(*head[:9], change.rceid, *head[10:], key, data, change.oper, writer.level))
        if not apply_undo(page, line, version):
            raise jet_error(codes.JET_errDatabaseCorrupted, "undoing a delta: it lies outside of its node", page=page.pgno)
        self._done(writer, page, dbtime, position)

    def set_external_header(self, writer: Writer, name: TreeName, page: CachedPage, content: bytes) -> None:
        dbtime = self._next_dbtime(page)
        position = self._log(SetExternalHeader(*self._head(writer, name, page, dbtime, 0, 0), content))
        page.set_external_header(content)
        self._done(writer, page, dbtime, position)

    # -- changes of several pages -----------------------------------------------------------------------------------------

    def _announce(self, writer: Writer, objid: int, *pages: int) -> None:
        """Log that pages are taken into use, before what fills them is, where the format has a record for that."""
        if self.log is None or self.announces_pages is None or not self.announces_pages():
            return
        for pgno in pages:
            self.dbtime += 1
            self._log(NewPage(writer.procid, self.dbid, pgno, objid, self.dbtime))

    def split(self, writer: Writer, name: TreeName, levels: Sequence[SplitLevel], operation: Operation | None) -> None:
        self._announce(writer, name.objid, *[level.pgno_new for level in levels if level.pgno_new])
        touched: list[CachedPage | None] = []
        for each in levels:
            touched += (each.page, each.right)
        dbtime = self._common_dbtime(touched)
        chain = [self._split_record(writer, name, level, dbtime) for level in levels]
        records: list[Record] = list(chain)
        folded = None
        if operation is not None:
            folded = self._operation_record(writer, name, levels[-1].page, dbtime, operation)
            records.append(folded)
        pages = [pgno for split in chain for pgno in (split.pgno, split.pgno_new, split.pgno_right) if pgno]
        self._log_macro(writer, dbtime, records, pages)
        self._begun = writer.begin_position
        redo_split(self, None, None, self._position.generation, chain, folded)

    def _common_dbtime(self, pages: Iterable[CachedPage | None]) -> int:
        dbtime: cython.longlong = 0
        for page in pages:
            if page is not None:
                dbtime = max(dbtime, self._next_dbtime(page))
        return dbtime

    def _split_record(self, writer: Writer, name: TreeName, level: SplitLevel, dbtime: int) -> Split2:
        page = level.page
        flags = writer.mark | (kinds.UNIQUE if name.unique else 0) | (kinds.SPACE_TREE if name.space else 0)
        record = Split2(writer.procid, self.dbid, page.pgno, dbtime, page.dbtime, writer.trx_begin0, writer.level, 0, flags)
        record.pgno_fdp, record.objid_fdp = name.fdp, name.objid
        record.line_oper = level.line
        if not level.pgno_new:
            record.line_prefix_split = record.line_prefix_new = 0
            return record
        record.pgno_new = level.pgno_new
        if level.right is not None:
            record.pgno_right, record.dbtime_right_before = level.right.pgno, level.right.dbtime
        if level.parent is not None:
            record.pgno_parent, record.dbtime_parent_before = level.parent.pgno, level.parent.dbtime
        record.split_type, record.split_oper = level.kind, level.oper
        record.line_split, record.line_count = level.at, level.count
        record.new_page_flags = record.split_page_flags = page.flags
        if level.kind == SPLIT_VERTICAL:
            record.new_page_flags = page.flags & ~PAGE_ROOT
            without = page.flags & ~(PAGE_LEAF | PAGE_PARENT_OF_LEAF)
            record.split_page_flags = without | PAGE_PARENT_OF_LEAF if page.flags & PAGE_LEAF else without
        record.line_prefix_split, record.line_prefix_new = level.prefix_left, level.prefix_new
        record.prefix_split_old = page.prefix()
        record.prefix_split_new = level.prefix
        record.key_parent = level.key_parent
        if level.with_image:
            image = bytearray(page.data)
            image[8:16] = dbtime.to_bytes(8, "little")
            record.image, record.image_flags = logged_image(bytes(image))
        return record

    def _operation_record(
        self, writer: Writer, name: TreeName, page: CachedPage, dbtime: int, operation: Operation
    ) -> NodeRecord:
        own = self._head(writer, name, page, dbtime, operation.line, operation.rceid)
        head = (*own[:4], -1, *own[5:])
        if operation.kind == OPER_INSERT:
            return Insert(*head, operation.key, b"", operation.data)
        if operation.kind == OPER_REPLACE:
            return Replace(*head, len(page.value(operation.line)), len(operation.data), operation.data)
        return FlagInsertAndReplaceData(*head, operation.key, operation.data, operation.rceid_replace)

    def _log_macro(self, writer: Writer, dbtime: int, records: Sequence[Record], pages: list[int]) -> None:
        """Log records as one; `_position` is that of their end."""
        self._position = LGPOS_MIN
        if self.log is None:
            return
        info = MacroInfo(tuple(pages)) if self.dbid == 1 else MacroInfo2(self.dbid, tuple(pages))
        bracket = (MacroBegin(writer.procid, dbtime), MacroCommit(writer.procid, dbtime))
        self._position = self.log.append_all([bracket[0], *records, bracket[1], info])[-1]

    def merge(self, writer: Writer, name: TreeName, levels: Sequence[MergeLevel]) -> None:
        dbtime = self._common_dbtime(page for level in levels for page in (level.page, level.left, level.right))
        chain = [self._merge_record(writer, name, level, dbtime) for level in levels]
        pages = [pgno for each in chain for pgno in (each.pgno, each.pgno_left, each.pgno_right) if pgno]
        self._log_macro(writer, dbtime, chain, pages)
        self._begun = writer.begin_position
        redo_merge(self, self._position.generation, chain)

    def _merge_record(self, writer: Writer, name: TreeName, level: MergeLevel, dbtime: int) -> Merge2:
        page = level.page
        flags = kinds.UNIQUE if name.unique else 0
        record = Merge2(
            writer.procid, self.dbid, page.pgno, dbtime, page.dbtime, writer.trx_begin0, writer.level, level.line, flags
        )
        record.pgno_fdp, record.objid_fdp = name.fdp, name.objid
        record.merge_type, record.merge_flags = level.kind, level.flags
        if level.right is not None:
            record.pgno_right, record.dbtime_right_before = level.right.pgno, level.right.dbtime
        if level.left is not None:
            record.pgno_left, record.dbtime_left_before = level.left.pgno, level.left.dbtime
        if level.parent is not None:
            record.pgno_parent, record.dbtime_parent_before = level.parent.pgno, level.parent.dbtime
        record.line_merge, record.key_parent_separator = level.at, level.separator
        if level.kind in (MERGE_FULL_LEFT, MERGE_FULL_RIGHT, MERGE_PARTIAL_RIGHT):
            image = bytearray(page.data)
            image[8:16] = dbtime.to_bytes(8, "little")
            record.image, record.image_flags = logged_image(bytes(image))
        return record

    def move(self, writer: Writer, name: TreeName, move: Move) -> None:
        page, parent = move.page, move.parent
        self._announce(writer, name.objid, move.goal)
        dbtime = self._common_dbtime(each for each in (page, parent, move.left, move.right) if each is not None)
        flags = kinds.UNIQUE if name.unique else 0
        record = PageMove(writer.procid, self.dbid, page.pgno, dbtime, page.dbtime, writer.trx_begin0, writer.level, 0, flags)
        record.pgno_fdp, record.objid_fdp, record.pgno_dest = name.fdp, name.objid, move.goal
        record.pgno_parent, record.dbtime_parent_before, record.line_parent = parent.pgno, parent.dbtime, move.line
        if move.left is not None:
            record.pgno_left, record.dbtime_left_before = move.left.pgno, move.left.dbtime
        if move.right is not None:
            record.pgno_right, record.dbtime_right_before = move.right.pgno, move.right.dbtime
        record.page_header, record.page_trailer = page_ends(page.data, dbtime)
        self._position = self._log(record)
        self._begun = writer.begin_position
        redo_page_move(self, self._position.generation, record)

    def empty_tree(self, writer: Writer, name: TreeName, root: CachedPage, pages: Sequence[CachedPage]) -> None:
        dbtime = self._common_dbtime((root, *pages))
        listed = EmptyTree.pack_entries([(page.dbtime, page.pgno, page.flags) for page in pages])
        position = self._log(EmptyTree(*self._head(writer, name, root, dbtime, 0, 0), listed))
        for page in pages:
            empty_page(page)
            self._done(writer, page, dbtime, position)
        while root.line_count:
            root.delete(root.line_count - 1)
        root.flags = root.flags & ~PAGE_PARENT_OF_LEAF | PAGE_LEAF
        self._done(writer, root, dbtime, position)

    def create_tree(self, writer: Writer, tree: NewTree) -> None:
        space = (tree.root + 1, tree.root + 2) if tree.multiple else ()
        self._announce(writer, tree.objid, *space, tree.root)
        dbtime = self.dbtime = self.dbtime + 1
        flags = kinds.UNIQUE if tree.unique else 0
        head = (writer.procid, self.dbid, tree.root, dbtime, -1, writer.trx_begin0, writer.level, 0, flags, tree.objid)
        class_flags = tree.class_flags | (0 if tree.unique else PAGE_NON_UNIQUE)
        record: Any
        if tree.multiple:
            record = CreateMEFDP(*head, tree.root + 1, tree.root + 2, tree.parent, tree.pages, class_flags)
        else:
            record = CreateSEFDP(*head, tree.parent, tree.pages, class_flags)
        self._apply(writer, record)

    def convert(self, writer: Writer, conversion: Conversion) -> None:
        root, name = conversion.root, conversion.name
        self._announce(writer, name.objid, conversion.secondary_first, conversion.secondary_first + 1)
        dbtime = self._next_dbtime(root)
        flags = writer.mark | (kinds.UNIQUE if name.unique else 0)
        record = ConvertFDP2(
            writer.procid,
            self.dbid,
            root.pgno,
            dbtime,
            root.dbtime,
            writer.trx_begin0,
            writer.level,
            0,
            flags,
            name.objid,
            conversion.secondary_first,
            conversion.secondary_first + 1,
            conversion.parent,
            conversion.secondary_first,
            conversion.primary_pages,
            conversion.secondary_pages,
            conversion.bitmap,
            root.flags & ~(PAGE_ROOT | PAGE_LEAF | PAGE_PARENT_OF_LEAF | PAGE_FLUSH_TYPE),
        )
        self._apply(writer, record)

    def _apply(self, writer: Writer, record: Any) -> None:
        """Log a record about trees and do what it says."""
        self._position = self._log(record)
        self._begun = writer.begin_position
        redo_trees.HANDLERS[record.kind](self, self._sessions, self._session, self._position.generation, record)

    # -- what redo asks for (`recovery.cache.RedoPages`) ----------------------------------------------------------------------

    def for_redo(self, pgno: int, dbtime: int, before: int) -> CachedPage | None:
        """The page: what is being done was only just logged."""
        return self.get(pgno)

    def needs_new(self, pgno: int, dbtime: int) -> bool:
        return True

    def new_page(self, pgno: int, objid: int, flags: int, dbtime: int, generation: int) -> CachedPage:
        page = CachedPage.made(self.page_size, pgno, objid, flags, dbtime)
        self.cache.put(page)
        self.cache.changed(page, self._begun, self._position)
        return page

    def scrub(self, pgno: int) -> None:
        """Have the page written without what was deleted on it. Its nodes are the same, so the log has nothing to say."""
        self.trim()
        page = self.get(pgno)
        if scrub(page):
            self.cache.changed(page, LGPOS_MAX, page.modified)

    def touch(self, page: CachedPage, dbtime: int, generation: int) -> None:
        page.dbtime = dbtime
        if page.data[37] & PAGE_SCRUBBED >> 8:
            page.flags &= ~PAGE_SCRUBBED
        self.cache.changed(page, self._begun, self._position)
