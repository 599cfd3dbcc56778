"""A database under damage: its catalogue as far as it can be read, its trees, and what is lost.

The catalogue is read as a salvaged tree; what is missing in a hole of it comes from the shadow catalogue, row by row. A row
that describes nothing costs itself. Where both catalogues have holes a table may lack columns, or its own row: then its root
is the root page with its object id, and its name is made of that.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from esent.catalog.objects import Index, Table
from esent.catalog.rows import catalog_record
from esent.catalog.schema import Catalog
from esent.catalog.system import (
    CATALOG,
    CATALOG_OBJID,
    CATALOG_ROOT,
    SHADOW,
    SHADOW_OBJID,
    SHADOW_ROOT,
    SYSTEM_TABLE_FLAGS,
    ObjectType,
)
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.database_file import DatabaseFile
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE
from esent.records.layout import SMALL_PAGE_MAX
from esent.tree.cursor import NODE_DELETED
from esent.tree.long_values import LongValues
from esent.tree.salvage import Damage, Entry, SalvagedTree
from esent.tree.space import Extent, available_extents
from esent.tree.survey import PageSurvey, Progress

LOSSES_MOST = 10_000
SYSTEM_OBJID_LAST = 7
LOST_NAME = "lost_table_{}"

_HEAD = struct.Struct("<ihi")  # ObjidTable, Type, Id
_HEAD_OFFSET = 4
_FREE_EXTENTS_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that could not be read.

    `table` and `part` say what it belongs to: part is "header", "catalog", "logs", "rows", "long values" or "index NAME".
    `page` names the page, where there is one. `complete`: nothing was lost with it, as the content was found elsewhere.
    `keys`: the keys (in hexadecimal) from and up to which entries may be missing, None without a bound.
    """

    table: str | None
    part: str
    page: int | None
    code: int
    text: str
    complete: bool = False
    keys: tuple[str, str | None] | None = None

    def __str__(self) -> str:
        place = "" if self.page is None else f"page {self.page}, "
        owner = "" if self.table is None else f"table {self.table}, "
        end = " (nothing is lost)" if self.complete else ""
        return f"{place}{owner}{self.part}: {self.text}{end}"

    def as_json(self) -> dict[str, object]:
        return {
            "table": self.table,
            "part": self.part,
            "page": self.page,
            "code": self.code,
            "text": self.text,
            "complete": self.complete,
            "keys": None if self.keys is None else list(self.keys),
        }


class Losses(list[Loss]):
    """What was lost so far, each once. Beyond `LOSSES_MOST` they are only counted, in `suppressed`."""

    def __init__(self) -> None:
        super().__init__()
        self.suppressed = 0
        self._known: set[Loss] = set()

    def add(self, loss: Loss) -> None:
        if loss in self._known:
            return
        if len(self) >= LOSSES_MOST:
            self.suppressed += 1
            return
        self._known.add(loss)
        self.append(loss)

    def settle(self, table: str, part: str) -> None:
        """Nothing was lost with this part of a table after all."""
        for place, loss in enumerate(self):
            if loss.table == table and loss.part == part and not loss.complete:
                self[place] = replace(loss, complete=True)

    @property
    def any_lost(self) -> bool:
        """Whether something is missing, and not only the pages that led to it."""
        return bool(self.suppressed) or any(not loss.complete for loss in self)


class Salvage:
    """A database file to be read as far as it goes. `losses` grows while it is read; the file is not changed."""

    def __init__(self, file: DatabaseFile, *, progress: Progress | None = None) -> None:
        self.file = file
        self.losses = Losses()
        self._progress = progress
        damage = file.header_damage
        if damage is not None:
            text = f"both copies are damaged; pages of {file.page_size} bytes, going by their checksums"
            self.losses.add(Loss(None, "header", None, damage.code, text, complete=True))

    @functools.cached_property
    def survey(self) -> PageSurvey:
        return PageSurvey(self.file, self._progress)

    @functools.cached_property
    def catalog(self) -> SalvagedCatalog:
        return SalvagedCatalog(self)

    def report(self, table: str | None, part: str) -> Callable[[Damage], None]:
        """What takes note of the damage of a tree."""

        def note(damage: Damage) -> None:
            keys = (damage.low.hex(), None if damage.high is None else damage.high.hex())
            self.losses.add(Loss(table, part, damage.page, damage.error.code, reason(damage.error), damage.complete, keys))

        return note

    def tree(self, table: str | None, part: str, root: int, objid: int, class_flags: int = 0, *, keep: int = 0) -> SalvagedTree:
        free = functools.partial(self._free, root, objid) if self.file.header.is_clean else None
        return SalvagedTree(
            self.file,
            root,
            objid,
            survey=lambda: self.survey,
            free=free,
            report=self.report(table, part),
            class_flags=class_flags,
            keep=keep,
        )

    def rows(self, table: Table, *, keep: int = 0) -> SalvagedTree:
        return self.tree(table.name, "rows", table.root, table.objid, keep=keep)

    def index(self, table: Table, index: Index, *, keep: int = 0) -> SalvagedTree:
        return self.tree(table.name, f"index {index.name}", index.root, index.objid, PAGE_INDEX, keep=keep)

    def long_value_tree(self, table: Table, *, keep: int = 0) -> SalvagedTree:
        return self.tree(table.name, "long values", table.long_value_root, table.long_value_objid, PAGE_LONG_VALUE, keep=keep)

    def long_values(self, table: Table, *, keep: int = 0) -> LongValues:
        tree = self.long_value_tree(table, keep=keep)
        return LongValues(self.file, table.long_value_root, table.long_value_objid, tree=tree)

    def _free(self, root: int, objid: int) -> list[Extent]:
        """The extents of a tree that nothing uses, as far as its space can be read."""
        found: list[Extent] = []
        try:
            for extent in available_extents(self.file, root, objid):
                found.append(extent)
                if len(found) >= _FREE_EXTENTS_MOST:
                    break
        except JetError:
            return []
        return found


class SalvagedCatalog(Catalog):
    """The catalogue as far as it can be read."""

    def __init__(self, salvage: Salvage) -> None:
        super().__init__(salvage.file)
        self._salvage = salvage
        self.holes: list[Damage] = []
        rows: dict[bytes, Entry] = {}
        self._collect(rows, CATALOG_ROOT, CATALOG_OBJID, self.holes.append)
        unfilled = [hole for hole in self.holes if not hole.complete]
        shadow_holes: list[Damage] = []
        if unfilled:
            shadow: dict[bytes, Entry] = {}
            self._collect(shadow, SHADOW_ROOT, SHADOW_OBJID, shadow_holes.append)
            for key, entry in shadow.items():
                if key not in rows and any(key >= hole.low and (hole.high is None or key < hole.high) for hole in unfilled):
                    rows[key] = entry
            self.source_table = SHADOW
            self.damage = unfilled[0].error
        lost = [hole for hole in shadow_holes if not hole.complete]
        self.is_complete = not unfilled or not any(_overlap(one, other) for one in unfilled for other in lost)
        for hole in self.holes:
            hole.complete = hole.complete or self.is_complete
            salvage.report(CATALOG, "catalog")(hole)
        if unfilled:
            for hole in shadow_holes:
                salvage.report(SHADOW, "catalog")(hole)
        for flags, _, record in rows.values():
            if not flags & NODE_DELETED:
                self._keep(record)
        self._complete_tables()
        self._prune()
        self._upper = {name.upper(): name for name in self._heads}

    def _collect(self, rows: dict[bytes, Entry], root: int, objid: int, note: Callable[[Damage], None]) -> None:
        salvage = self._salvage
        tree = SalvagedTree(salvage.file, root, objid, survey=lambda: salvage.survey, report=note)
        for batch in tree.batches():
            for entry in batch.entries:
                rows.setdefault(entry[1], entry)

    def _keep(self, record: bytes) -> None:
        try:
            self._take(record, 0)
            _, kind, _ = _HEAD.unpack_from(record, _HEAD_OFFSET)
            if kind == ObjectType.TABLE:
                self.check(record)
        except JetError as problem:
            self._heads = {name: head for name, head in self._heads.items() if head[1] is not record}
            self._salvage.losses.add(Loss(None, "catalog", None, problem.code, reason(problem)))

    def _prune(self) -> None:
        """Leave out rows that describe nothing."""
        names = {objid: name for name, (objid, _) in self._heads.items()}
        for objid, records in self._records.items():
            sound = []
            for record in records:
                try:
                    self.check(record)
                except JetError as problem:
                    self._salvage.losses.add(Loss(names.get(objid), "catalog", None, problem.code, reason(problem)))
                else:
                    sound.append(record)
            records[:] = sound

    def _complete_tables(self) -> None:
        """The catalogue's own tables, and a row for tables of which only columns or a tree are left."""
        known = {objid for objid, _ in self._heads.values()}
        for name, objid, root in ((CATALOG, CATALOG_OBJID, CATALOG_ROOT), (SHADOW, SHADOW_OBJID, SHADOW_ROOT)):
            if name not in self._heads:
                self._head(name, objid, root, SYSTEM_TABLE_FLAGS)
                known.add(objid)
        if self.is_complete:
            return
        for objid in sorted(set(self._records) - known):
            roots = self._salvage.survey.roots.get(objid)
            if objid > SYSTEM_OBJID_LAST and (roots or objid in self._salvage.survey.leaves):
                name = LOST_NAME.format(objid)
                self._head(name, objid, roots[0] if roots else 0, 0)
                text = "its row in the catalog is lost: the name is made up, a template unknown"
                self._salvage.losses.add(Loss(name, "catalog", None, codes.JET_errCatalogCorrupted, text))

    def _head(self, name: str, objid: int, root: int, flags: int) -> None:
        row = {
            "ObjidTable": objid,
            "Type": int(ObjectType.TABLE),
            "Id": objid,
            "ColtypOrPgnoFDP": root,
            "SpaceUsage": 80,
            "Flags": flags,
            "PagesOrLocale": 1,
            "RootFlag": 1,
            "Name": name,
        }
        self._heads[name] = (objid, catalog_record(row, small_page=self._salvage.file.page_size <= SMALL_PAGE_MAX))

    def _inherit(self, table: Table, template_name: str, above: tuple[str, ...]) -> None:
        try:
            super()._inherit(table, template_name, above)
        except JetError as problem:
            self._salvage.losses.add(Loss(table.name, "catalog", None, problem.code, reason(problem)))


def _overlap(one: Damage, other: Damage) -> bool:
    return (one.high is None or other.low < one.high) and (other.high is None or one.low < other.high)


def reason(problem: JetError) -> str:
    """What an error says, without the place that is told apart."""
    return problem.message.removeprefix("reading a page: ").rpartition(" (")[0] or problem.message


def open_salvage(file: DatabaseFile, *, progress: Progress | None = None) -> Salvage:
    """A salvage whose catalogue has been read. JET_errDatabaseCorrupted where nothing of one is left."""
    salvage = Salvage(file, progress=progress)
    catalog = salvage.catalog
    if (
        not catalog.is_complete
        and not any(not catalog.is_system(name) for name in catalog.names())
        and not salvage.survey.leaves
    ):
        raise jet_error(codes.JET_errDatabaseCorrupted, "nothing of the database is left", file=file.path)
    return salvage


__all__ = ["Loss", "Losses", "Salvage", "SalvagedCatalog", "open_salvage", "reason"]
