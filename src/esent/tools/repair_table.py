"""One table of a damaged database, copied into the one that a repair builds.

A table in which nothing is wrong is copied as it is stored: records, long values, index entries whatever collation made them.
Where damage touched it, or the file was not closed well:

| part         | rule                                                                                                      |
|--------------|-----------------------------------------------------------------------------------------------------------|
| rows         | all that can be found; what is no record goes to lost-and-found                                           |
| long values  | whole ones that a row refers to; the pieces of others go to lost-and-found, the column of the row is NULL |
| indexes      | made anew; a row whose key cannot be made here keeps its stored one, without one the index is left out    |
| unique index | of two rows with one key the one that the stored index lists stays, the other goes to lost-and-found      |
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field

from esent.catalog.objects import Index, Table
from esent.catalog.rows import LONG_VALUE_DENSITY
from esent.catalog.salvage import Loss, Salvage, reason
from esent.constants import codes
from esent.engine.collation import sort_key_of
from esent.engine.index_entries import index_entries
from esent.engine.table_view import TableView
from esent.errors import JetError, jet_error
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE, PAGE_NON_UNIQUE_KEYS, header_size
from esent.records import access
from esent.records.columns import FIXED_FIRST, TAGGED_FIRST, VARIABLE_FIRST, Coltyp, Column
from esent.tools.build import Builder, BuiltTree
from esent.tools.repair_entries import LeftOver, RepairEntries
from esent.tools.repair_values import RecordMender, broken_values, pieces
from esent.tree.cursor import NODE_DELETED
from esent.tree.fresh_space import BITMAP_PAGES
from esent.tree.salvage import SalvagedTree

KEPT, MADE, LEFT_OUT = "as stored", "made anew", "left out"

_NODE_OVERHEAD = 10  # tags of the page's header and of the node, and the length of the key
_STUB = "JetStub_{}_{}"
_FIRST_OFFSET = 4
_NUMBER = struct.Struct("<I")

Row = tuple[int, bytes, bytes]
"""Page, key and record."""


@dataclass(slots=True)
class TableOutcome:
    """What became of a table: rows kept, rows and pieces in lost-and-found, and of each index what was done."""

    name: str
    rows: int = 0
    left_over: int = 0
    values_lost: int = 0
    whole: bool = True
    indexes: dict[str, str] = field(default_factory=dict)


class TableRepair:
    """Copies one table."""

    def __init__(
        self, salvage: Salvage, builder: Builder, entries: RepairEntries, old: Table, advance: Callable[[], None]
    ) -> None:
        self._salvage = salvage
        self._builder = builder
        self._entries = entries
        self._old = old
        self._advance = advance
        self._view = TableView(old, salvage.file.page_size, sort_key_of)
        self._plan = old.plan(salvage.file.page_size)
        self._mender = RecordMender(old, salvage.file.page_size)
        self._secondary = [index for index in old.indexes if not index.is_primary]
        self._broken: dict[bytes, str] = {}
        self._values = salvage.long_values(old, keep=64)
        self.outcome = TableOutcome(old.name)

    def run(self, *, trusting: bool) -> TableOutcome:
        """`trusting`: a table without damage is copied as it is stored."""
        self._entries.clear()
        if self._old.is_derived and self._old.template is None:
            self._leave_all("the template of the table is lost")
            return self.outcome
        self.outcome.whole = self._examine() and trusting
        if self.outcome.whole:
            self._copy()
        else:
            self._rebuild()
        return self.outcome

    # ---- is anything wrong? -----------------------------------------------------------------------------------------

    def _examine(self) -> bool:
        """Whether the table can be copied as it is. Reads all of it.

        Entries of indexes are compared with those that the rows should have by a sum over both, so that nothing is kept in
        memory; those over Unicode text are left out, as their stored keys may follow another collation.
        """
        salvage, old = self._salvage, self._old
        if old.long_value_root:
            self._broken = broken_values(salvage.long_value_tree(old))
        sound = not self._broken and salvage.file.header.is_clean and salvage.catalog.is_complete
        compared = [index for index in self._secondary if not index.is_localized]
        sums = [0] * len(compared)
        for _, bookmark, record in self._rows(salvage.rows(old)):
            try:
                self._plan.split(record)
                for place, index in enumerate(compared):
                    for key in index_entries(self._view, index, record, self._read):
                        sums[place] += hash((key, bookmark))
            except JetError:
                sound = False
        for place, index in enumerate(compared):
            for _, key, bookmark in self._rows(salvage.index(old, index)):
                sums[place] -= hash((key, bookmark))
        for index in self._secondary:
            if index.is_localized:
                for _ in salvage.index(old, index).batches():
                    self._advance()
        return sound and not any(sums) and not any(loss.table == old.name for loss in salvage.losses)

    def _rows(self, tree: SalvagedTree) -> Iterator[Row]:
        for batch in tree.batches():
            self._advance()
            for flags, key, record in batch.entries:
                if not flags & NODE_DELETED:
                    yield batch.page, key, record

    # ---- the new table ----------------------------------------------------------------------------------------------

    def _begin(self, indexes: list[Index]) -> tuple[Table, BuiltTree, list[tuple[Index, BuiltTree]]]:
        """Definition and empty trees of the new table, with these of the secondary indexes."""
        builder, old = self._builder, self._old
        new = copy(old)
        new.objid = builder.next_objid()
        new.long_value_objid = new.long_value_root = 0
        primary = [index for index in old.indexes if index.is_primary]
        pairs = [(index, copy(index)) for index in (*primary, *indexes)]
        new.indexes = sorted((twin for _, twin in pairs), key=lambda index: index.name.upper())
        new.initial_pages = max(1, min(old.initial_pages, BITMAP_PAGES + 1), min(1 + len(indexes), BITMAP_PAGES + 1))
        tree = builder.primary(new)
        new.root = tree.space.root
        made: list[tuple[Index, BuiltTree]] = []
        for origin, twin in pairs:
            if twin.is_primary:
                twin.objid, twin.root = new.objid, new.root
                continue
            flags = PAGE_INDEX if twin.is_unique else PAGE_INDEX | PAGE_NON_UNIQUE_KEYS
            twin.objid = builder.next_objid()
            below = builder.child(tree, twin.objid, flags, twin.density)
            twin.root = below.space.root
            made.append((origin, below))
        return new, tree, made

    def _value_tree(self, new: Table, tree: BuiltTree) -> BuiltTree:
        new.long_value_objid = self._builder.next_objid()
        below = self._builder.child(tree, new.long_value_objid, PAGE_LONG_VALUE, LONG_VALUE_DENSITY)
        new.long_value_root = below.space.root
        return below

    def _end(self, new: Table, tree: BuiltTree, below: list[BuiltTree]) -> None:
        for each in below:
            each.complete(self._builder.output)
        tree.complete(self._builder.output)
        self._builder.tables.append(new)

    def _copy(self) -> None:
        """The table as it is stored."""
        salvage, old = self._salvage, self._old
        new, tree, indexes = self._begin(self._secondary)
        new.columns = self._with_stubs(new)
        for _, key, record in self._rows(salvage.rows(old)):
            tree.nodes.add(key, record)
            self.outcome.rows += 1
        values = self._value_tree(new, tree) if old.long_value_root else None
        tree.end()
        below = [made for _, made in indexes]
        if values is not None:
            for _, key, data in self._rows(salvage.long_value_tree(old)):
                values.nodes.add(key, data)
            values.end()
            below.append(values)
        for index, made in indexes:
            for _, key, data in self._rows(salvage.index(old, index)):
                made.nodes.add(key, data)
            made.end()
            self.outcome.indexes[index.name] = KEPT
        self._end(new, tree, below)

    def _rebuild(self) -> None:
        """The table from what is left of it."""
        self._collect()
        indexes = [index for number, index in enumerate(self._secondary) if self._can_be_made(number, index)]
        new, tree, made = self._begin(indexes)
        new.columns = self._with_stubs(new)
        for _, key, record in self._sound_rows(telling=True):
            if not self._entries.is_excluded(key):
                tree.nodes.add(key, record)
                self.outcome.rows += 1
        values = None
        if self._old.long_value_root:
            values = self._value_tree(new, tree)
        tree.end()
        below = [each for _, each in made]
        if values is not None:
            self._copy_values(values)
            values.end()
            below.append(values)
        for index, each in made:
            number = self._secondary.index(index)
            for key, bookmark in self._entries.entries(number, made=self._is_ours(number, index)):
                each.nodes.add(key, bookmark)
            each.end()
        self._end(new, tree, below)

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _sound_rows(self, *, telling: bool) -> Iterator[Row]:
        """The rows that are records, without references to lost values. `telling`: report and leave what is lost."""
        page_size = self._salvage.file.page_size
        room = page_size - header_size(page_size) - _NODE_OVERHEAD
        for page, key, record in self._rows(self._salvage.rows(self._old)):
            try:
                self._plan.split(record)
                access.tagged_entries(record, self._view.small_page)
                record = self._mended(page, key, record, telling=telling)
                if not key or len(key) + len(record) > room:
                    raise jet_error(codes.JET_errRecordTooBig, "repairing a record: it is larger than a page takes")
            except JetError as problem:
                if telling:
                    self._leave(LeftOver(self._old.name, "rows", page, reason(problem), key, 0, record))
                    self._lose("rows", page, problem.code, f"the row with the key {key.hex()}: {reason(problem)}")
                continue
            yield page, key, record

    def _mended(self, page: int, key: bytes, record: bytes, *, telling: bool) -> bytes:
        wanted = self._mender.references(record)
        lost = {lid: self._what_is_wrong(lid) for lid in wanted}
        gone = {lid for lid, wrong in lost.items() if wrong}
        if not gone:
            return record
        record, places = self._mender.without(record, gone)
        if telling:
            for column, lid in places:
                text = f"column {column} of the row with the key {key.hex()}: of the long value {lid.hex()} {lost[lid]}"
                self._lose("long values", page, codes.JET_errLVCorrupted, text)
            self.outcome.values_lost += len(places)
        return record

    def _what_is_wrong(self, lid: bytes) -> str:
        if lid in self._broken:
            return self._broken[lid]
        try:
            self._values.root(lid[::-1])
        except JetError:
            return "nothing is left"
        return ""

    def _collect(self) -> None:
        """Look at every row: index entries, references."""
        entries = self._entries
        for _, key, record in self._sound_rows(telling=False):
            entries.add_kept(key)
            entries.add_references(self._mender.references(record))
            for number, index in enumerate(self._secondary):
                try:
                    keys = index_entries(self._view, index, record, self._read)
                except JetError:
                    entries.add_refused(number, key)
                else:
                    entries.add_computed(number, [(each, key) for each in keys])
        for number, index in enumerate(self._secondary):
            for batch in self._salvage.index(self._old, index).batches():
                self._advance()
                entries.add_stored(number, [(key, data) for flags, key, data in batch.entries if not flags & NODE_DELETED])
        entries.prepare()
        for number, index in enumerate(self._secondary):
            if index.is_unique:
                self._exclude_duplicates(number, index)

    def _read(self, lid: bytes, count: int) -> bytes:
        found = b""
        for chunk in self._values.chunks(lid):
            found += chunk
            if len(found) >= count:
                break
        return found[:count]

    def _exclude_duplicates(self, number: int, index: Index) -> None:
        """Take out all rows but one of those with one key in a unique index."""
        listed = None
        last: bytes | None = None
        holder = b""
        outs: list[bytes] = []
        for key, bookmark in self._entries.entries(number, made=self._is_ours(number, index)):
            if key != last:
                last, holder, listed = key, bookmark, None
                continue
            if listed is None:
                listed = self._salvage.index(self._old, index).find(key) or b""
            out = holder if bookmark == listed else bookmark
            holder = bookmark if bookmark == listed else holder
            outs.append(out)
        for out in outs:
            self._entries.exclude(out)
        if outs:
            wanted = set(outs)
            for page, key, record in self._sound_rows(telling=False):
                if key in wanted:
                    text = f"another row has its key in the unique index {index.name}"
                    self._leave(LeftOver(self._old.name, "rows", page, text, key, 0, record))
                    self._lose("rows", page, codes.JET_errKeyDuplicate, f"the row with the key {key.hex()}: {text}")

    # ---- indexes ----------------------------------------------------------------------------------------------------

    def _is_ours(self, number: int, index: Index) -> bool:
        """Whether stored keys are those that we make, as far as that shows."""
        if not index.is_localized:
            return True
        same, different = self._entries.agreement(number)
        return same >= different

    def _can_be_made(self, number: int, index: Index) -> bool:
        missing = self._entries.uncovered(number)
        self.outcome.indexes[index.name] = LEFT_OUT if missing else MADE
        if missing:
            text = f"left out: the keys of {missing} rows can neither be made nor found; create it anew where they can"
            self._lose(f"index {index.name}", None, codes.JET_errUnicodeNormalizationNotSupported, text)
        return not missing

    # ---- long values ------------------------------------------------------------------------------------------------

    def _copy_values(self, values: BuiltTree) -> None:
        """Those that rows refer to, with the number of references; the pieces of all others go to lost-and-found."""
        references = self._entries.references()
        wanted, count = next(references, (b"", 0))
        for piece in pieces(self._salvage.long_value_tree(self._old)):
            self._advance()
            while wanted and wanted < piece.lid:
                wanted, count = next(references, (b"", 0))
            if piece.lid in self._broken:
                why = self._broken[piece.lid]
            elif piece.lid != wanted:
                why = "no row refers to it"
            else:
                data = piece.data
                if piece.offset is None:
                    data = _NUMBER.pack(count) + data[_NUMBER.size :]
                values.nodes.add(piece.key, data)
                continue
            if piece.offset is not None:
                self._leave(LeftOver(self._old.name, "long values", piece.page, why, piece.lid, piece.offset, piece.data))

    # ---- what is left over ------------------------------------------------------------------------------------------

    def _leave(self, left: LeftOver) -> None:
        self._entries.leave(left)
        self.outcome.left_over += 1

    def _leave_all(self, why: str) -> None:
        self.outcome.whole = False
        for page, key, record in self._rows(self._salvage.rows(self._old)):
            self._leave(LeftOver(self._old.name, "rows", page, why, key, 0, record))
        self._lose("rows", None, codes.JET_errCatalogCorrupted, f"all are in lost-and-found: {why}")

    def _lose(self, part: str, page: int | None, code: int, text: str) -> None:
        self._salvage.losses.add(Loss(self._old.name, part, page, code, text))

    def _with_stubs(self, new: Table) -> list[Column]:
        """The columns with a placeholder for each id that is not in use, so that nobody takes it: records may still hold it."""
        known = {fid: (offset, size) for fid, offset, size in self._salvage.catalog.column_ids(new.name)}
        columns = list(new.columns)
        own = {column.fid for column in columns if new.is_template or not column.template}
        inherited = {column.fid for column in columns if column.template and not column.is_tagged} - own
        for first in (FIXED_FIRST, VARIABLE_FIRST, TAGGED_FIRST):
            ids = [fid for fid in (*own, *known) if _class(fid) == first]
            for fid in range(first, max(ids, default=first - 1) + 1):
                if fid in own or fid in inherited:
                    continue
                offset, size = known.get(fid, (0, 0))
                if fid not in known and first == FIXED_FIRST:
                    offset, size = self._gap(columns, fid)
                stub = Column(_STUB.format(new.objid, fid), fid, Coltyp.NIL, max(size, 1), 0, 0, offset, None, new.is_template)
                columns.append(stub)
        return columns

    @staticmethod
    def _gap(columns: list[Column], fid: int) -> tuple[int, int]:
        """Offset and size of a fixed column of which nothing is known: what its neighbours leave."""
        before = [column.record_offset + column.max_size for column in columns if column.is_fixed and column.fid < fid]
        after = [column.record_offset for column in columns if column.is_fixed and column.fid > fid]
        offset = max(before, default=_FIRST_OFFSET)
        return offset, max(1, min(after, default=offset + 1) - offset)


def _class(fid: int) -> int:
    return FIXED_FIRST if fid < VARIABLE_FIRST else VARIABLE_FIRST if fid < TAGGED_FIRST else TAGGED_FIRST


__all__ = ["KEPT", "LEFT_OUT", "MADE", "TableOutcome", "TableRepair"]
