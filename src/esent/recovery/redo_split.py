"""Redo of a split: a chain of Split2 records from the top level to the leaf, and the operation folded into the leaf.

Facts: `reference/log-and-recovery.md` 4.5.7. Each level says what becomes of its page, of the new page to its right, of the
sibling behind it; a level that only gets a pointer has no new page. Any subset of the pages may be on disk already: each is
judged by its own dbtime, and where the new page is missing while the source has moved on, the record's image gives the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.records import FlagInsertAndReplaceData, Insert, NodeRecord, Replace, Split2
from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED, NODE_VERSIONED
from esent.pages.lines import Lines
from esent.recovery.cache import RedoPages
from esent.recovery.images import restore_image
from esent.recovery.redo_nodes import inconsistent, make_image_version, make_insert_version
from esent.recovery.sessions import Session, SessionTable

Node = tuple[int, bytes, bytes]
_ROOT_KEY = b""


@dataclass(slots=True)
class _Level:
    """One Split2 record, the one below it, and the operation, with the pages that still need them."""

    record: Split2
    child: Split2 | None
    operation: NodeRecord | None


def image_of(record: Split2, db: RedoPages) -> CachedPage | None:
    """The source page as it was before, from the record; None where it has no image."""
    if not record.image:
        return None
    page = CachedPage.of(restore_image(record.image, record.image_flags, db.page_size, record.pgno), record.pgno)
    page.dbtime = record.dbtime_before
    return page


def _only_the_new_node_moves(record: Split2) -> bool:
    if record.split_type == kinds.SPLIT_APPEND:
        return True
    return (
        record.split_type == kinds.SPLIT_RIGHT
        and record.split_oper == kinds.SPLIT_OPER_INSERT
        and record.line_split == record.line_oper == record.line_count - 1
    )


def _missing_image(record: Split2) -> JetError:
    what = "the log has no image of the page that is split"
    return jet_error(codes.JET_errDatabaseBufferDependenciesCorrupted, what, page=record.pgno)


def _contradiction(record: Split2, what: str) -> JetError:
    return jet_error(codes.JET_errLogOperationInconsistentWithDatabase, f"split: {what}", page=record.pgno)


def redo_split(
    db: RedoPages,
    sessions: SessionTable | None,
    session: Session | None,
    generation: int,
    chain: list[Split2],
    operation: NodeRecord | None,
) -> None:
    """Apply the whole chain, top level first. Without `sessions` the versions of what is changed are the caller's."""
    for number, record in enumerate(chain):
        child = chain[number + 1] if number + 1 < len(chain) else None
        level = _Level(record, child, operation if child is None else None)
        if record.pgno_new:
            _redo_level(db, sessions, session, generation, level)
        elif child is None:
            raise _contradiction(record, "the leaf level has no new page")
        else:
            _redo_pointer(db, generation, record, child)


def _redo_pointer(db: RedoPages, generation: int, record: Split2, child: Split2) -> None:
    """A level that does not split: the left page gets the new separator, the right one inherits the old pointer's key."""
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None:
        return
    line = page.seek_child(child.key_parent)
    if page.child(line) != child.pgno:
        raise _contradiction(record, f"line {line} points to page {page.child(line)}, not to {child.pgno}")
    page.insert_key(line, child.key_parent, child.pgno.to_bytes(4, "little"))
    page.set_child(line + 1, child.pgno_new)
    db.touch(page, record.dbtime, generation)


class _Listed:
    """What is to be divided between two pages, as `Lines`: nodes in a list."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    @property
    def count(self) -> int:
        return len(self._nodes)

    def key(self, line: int) -> bytes:
        return self._nodes[line][1]

    def lay(self, page: CachedPage, first: int, last: int, header: bytes) -> None:
        """Put nodes first..last (exclusive) on a page, and `header` into its tag 0."""
        page.fill(self._nodes[first:last], header)


def _with_pointer(record: Split2, child: Split2, nodes: list[Node]) -> _Listed:
    """The nodes of an internal page with the pointer to the child's new page."""
    line = record.line_oper
    if line >= len(nodes):
        raise _contradiction(record, f"no pointer at line {line}")
    nodes.insert(line, (0, child.key_parent, child.pgno.to_bytes(4, "little")))
    flags, key, _ = nodes[line + 1]
    nodes[line + 1] = (flags, key, child.pgno_new.to_bytes(4, "little"))
    return _Listed(nodes)


def _with_operation(record: Split2, operation: NodeRecord | None, before: CachedPage) -> Lines:
    """The lines of a leaf with what the operation puts there."""
    lines = Lines(before.twin())
    line = record.line_oper
    if record.split_oper == kinds.SPLIT_OPER_NONE or operation is None:
        return lines
    versioned = NODE_VERSIONED if operation.flags & kinds.VERSIONED else 0
    if isinstance(operation, Insert):
        if line > lines.count:
            raise _contradiction(record, f"no place for the node at line {line}")
        lines.put(line, operation.prefix + operation.suffix, operation.data, versioned)
        return lines
    if line >= lines.count:
        raise _contradiction(record, f"no node at line {line}")
    if isinstance(operation, Replace | FlagInsertAndReplaceData):
        lines.put_instead(line, operation.data, before.node_flags(line) & ~NODE_DELETED | versioned)
    return lines


def _redo_level(db: RedoPages, sessions: SessionTable | None, session: Session | None, generation: int, level: _Level) -> None:
    record = level.record
    vertical = record.split_type == kinds.SPLIT_VERTICAL
    leaf = level.child is None
    if not record.image and not _only_the_new_node_moves(record):
        raise _missing_image(record)
    source = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    needs_new = db.needs_new(record.pgno_new, record.dbtime)
    image = image_of(record, db) if needs_new and source is None else None
    right = None
    if leaf and not vertical and record.pgno_right:
        right = db.for_redo(record.pgno_right, record.dbtime, record.dbtime_right_before)

    moved_with_the_new = vertical or record.line_oper >= record.line_split
    operation_page = (needs_new if moved_with_the_new else source is not None) and (source or image)
    if level.operation is not None and sessions is not None and session is not None:
        _make_versions(sessions, session, level.operation, operation_page or None, record)

    new = None
    if source is not None or needs_new:
        before = source if source is not None else image
        split_at = 0 if vertical else record.line_split
        contents: _Listed | Lines
        if before is not None:
            if level.child is not None:
                contents = _with_pointer(record, level.child, before.nodes())
            else:
                contents = _with_operation(record, level.operation, before)
            if contents.count != record.line_count:
                raise _contradiction(record, f"{contents.count} nodes where the record counts {record.line_count}")
        elif isinstance(level.operation, Insert):
            # nothing but the new node moves
            flags = NODE_VERSIONED if level.operation.flags & kinds.VERSIONED else 0
            contents = _Listed([(flags, level.operation.prefix + level.operation.suffix, level.operation.data)])
            split_at = 0
        elif level.child is not None:
            raise _missing_image(record)
        else:
            contents = _Listed([])
            split_at = 0
        if split_at > contents.count:
            raise _contradiction(record, f"split at line {split_at} of {contents.count}")
        if needs_new:
            new = _make_new(db, generation, record, contents, split_at, linked=leaf and not vertical, leaf=leaf)
        if source is not None:
            _shrink_source(record, source, contents, split_at, leaf, vertical)
            db.touch(source, record.dbtime, generation)
    if right is not None:
        right.previous = record.pgno_new
        db.touch(right, record.dbtime, generation)
    if source is not None and new is not None:
        new.pending = source.pending = [version for version in source.pending if version.pending]
    elif new is not None and image is not None:
        new.pending = image.pending


def _make_versions(
    sessions: SessionTable, session: Session, operation: NodeRecord, page: CachedPage | None, record: Split2
) -> None:
    if isinstance(operation, Insert):
        make_insert_version(sessions, session, operation, operation.prefix + operation.suffix, operation.data)
    elif isinstance(operation, FlagInsertAndReplaceData):
        make_insert_version(sessions, session, operation, operation.key, operation.data)
        make_image_version(sessions, session, operation, operation.rceid_replace, kinds.OPER_REPLACE, page, record.line_oper)
    elif isinstance(operation, Replace):
        make_image_version(sessions, session, operation, operation.rceid, kinds.OPER_REPLACE, page, record.line_oper)
    else:
        raise inconsistent("a split cannot carry this operation", operation)


def _make_new(
    db: RedoPages, generation: int, record: Split2, contents: _Listed | Lines, first: int, *, linked: bool, leaf: bool
) -> CachedPage:
    page = db.new_page(record.pgno_new, record.objid_fdp, record.new_page_flags, record.dbtime, generation)
    prefix = b""
    if record.line_prefix_new >= 0:
        if first + record.line_prefix_new >= contents.count:
            raise _contradiction(record, f"the prefix of the new page is that of line {record.line_prefix_new}")
        prefix = contents.key(first + record.line_prefix_new)
    contents.lay(page, first, contents.count, prefix)
    if linked:
        page.previous = record.pgno
        page.next = record.pgno_right
    if leaf:
        page.uncommitted_free = record.uncommitted_free_new
    return page


def _shrink_source(record: Split2, page: CachedPage, contents: _Listed | Lines, last: int, leaf: bool, vertical: bool) -> None:
    if vertical:
        page.flags = record.split_page_flags
        page.fill([(0, _ROOT_KEY, record.pgno_new.to_bytes(4, "little"))], page.external_header())
        return
    append = record.split_type == kinds.SPLIT_APPEND
    header = page.external_header() if append or page.is_root else record.prefix_split_new
    page.flags = record.split_page_flags
    if not append or last != page.line_count:  # else what is there stays as it lies
        contents.lay(page, 0, last, header)
    if leaf:
        page.uncommitted_free = record.uncommitted_free_source
        page.next = record.pgno_new
