"""Built databases: independent readers and our own read exactly what was put in, and every page is accounted for."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyesedb
import pytest
from dissect.database.ese import ESE, compression
from dissect.database.ese.c_ese import TAGFLD_HEADER
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from esent.catalog.objects import TupleLimits
from esent.catalog.rows import key_definition
from esent.catalog.schema import Catalog
from esent.engine.collation import default_sort_key, sort_key_of
from esent.pages.database_file import DatabaseFile
from esent.pages.page import Page
from esent.records.encode import stored_value
from esent.records.keys import record_keys
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database
from esent.tools.build_rows import LONG_VALUE_CHUNK
from esent.tools.dump import dump
from esent.tools.verify import verify_database
from esent.tree.cursor import Tree
from esent.tree.space import available_extents, owned_extents, space_header, split_buffer

FIXED, TAGGED, NOT_NULL, MULTI, COMPRESSED = 1, 2, 4, 0x400, 0x80000
UNIQUE, PRIMARY, IGNORE_NULL, IGNORE_ANY, IGNORE_FIRST, HIGH = 1, 2, 8, 0x20, 0x40, 0x400
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 4, 7: 8, 8: 8, 14: 4, 15: 8, 16: 16, 17: 2, 18: 8}
PAGE_SIZES = (4096, 8192, 16384, 32768)

Model = list[dict[str, list[bytes]]]
"""The rows of a table: column name to the bytes of its values; an empty list is NULL."""


def is_fixed(column: ColumnSpec) -> bool:
    return bool(column.grbit & FIXED) or (column.coltyp in SIZES and not column.grbit & TAGGED)


# independent readers


def dissect_values(record: Any, column: Any) -> list[bytes]:
    """The bytes of all values of a column, decoded by dissect's own routines but not turned into Python values."""
    field, value = None, None
    data = record._data
    if column.is_fixed:
        value = data._get_fixed(column)
    elif column.is_variable:
        value = data._get_variable(column)
    else:
        place = data._find_tag_field_idx(column.identifier)
        if place is not None and data._get_tag_field(place).is_null:
            return []  # dissect's own routine has no answer for these
        field, value = data._get_tagged(column)
    if value is None:
        return []
    if field is not None and field.flags & TAGFLD_HEADER.MultiValues:
        return [bytes(part) for part in data._parse_multivalue(value, field)]
    if field is not None and field.flags & TAGFLD_HEADER.Separated:
        value = data.table.get_long_value(bytes(value))
    elif field is not None and field.flags & TAGFLD_HEADER.Compressed:
        value = compression.decompress(value)
    return [bytes(value)]


def check_with_dissect(path: Path, expected: dict[str, Model]) -> int:
    """Left out are values of more than two chunks: dissect adds their offsets up and takes the third for compressed."""
    compared = 0
    with path.open("rb") as file:
        database = ESE(file)
        for name, model in expected.items():
            table = database.table(name)
            chunk = LONG_VALUE_CHUNK[database.page_size]
            records = list(table.records())
            assert len(records) == len(model)
            for record, row in zip(records, model, strict=True):
                for column in table.columns:
                    if any(len(value) > 2 * chunk for value in row[column.name]):
                        continue
                    found, wanted = dissect_values(record, column), row[column.name]
                    if int(column.flags) & 0x1000 and found != wanted:
                        # seven unused bits at the end of 7-bit text are one more NUL to dissect
                        pairs = zip(found, wanted, strict=True)
                        found = [f[: len(w)] if f[len(w) :] in (b"\0", b"\0\0") else f for f, w in pairs]
                    assert found == wanted, (name, column.name)
                    compared += 1
    return compared


def check_with_libesedb(path: Path, expected: dict[str, Model], specs: dict[str, TableSpec]) -> int:
    """Left out is what libesedb does not know: several values, tagged defaults, 7-bit compression, UnsignedLongLong, and
    that a fixed column is NULL. Records with an explicit NULL or an empty value among their tagged columns it cannot read."""
    compared = 0
    file = pyesedb.file()
    file.open(str(path))
    for name, model in expected.items():
        table = file.get_table_by_name(name)
        assert table.number_of_records == len(model)
        columns = {column.name: column for column in specs[name].columns}
        if any(column.coltyp == 18 for column in columns.values()):
            continue
        for number, row in enumerate(model):
            tagged = [column for column in columns.values() if column.grbit & TAGGED]
            if any(not any(row[c.name]) and (c.default is not None or row[c.name]) for c in tagged):
                continue
            record = table.get_record(number)
            for place in range(record.number_of_values):
                column = columns[record.get_column_name(place)]
                if column.grbit & (MULTI | COMPRESSED) or (column.default is not None and column.grbit & TAGGED):
                    continue
                flags = record.get_value_data_flags(place)
                if flags & pyesedb.value_flags.LONG_VALUE:
                    data = record.get_value_data_as_long_value(place).data
                else:
                    data = record.get_value_data(place)
                wanted = row[column.name]
                if not wanted and is_fixed(column):
                    continue
                # libesedb has no difference between NULL and empty
                assert (data or b"") == (wanted[0] if wanted else b""), (name, column.name, flags)
                compared += 1
    file.close()
    return compared


# our own reading side


def hexadecimal(coltyp: int, data: bytes) -> Any:
    """A value as a dump shows it."""
    if coltyp == 1:
        return data != b"\0"
    signed = {2: False, 3: True, 4: True, 5: True, 14: False, 15: True, 17: False, 18: False}.get(coltyp)
    if signed is not None:
        return int.from_bytes(data, "little", signed=signed)
    if len(data) > 128:
        return {"len": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return data.hex()


def check_with_dump(path: Path, expected: dict[str, Model], specs: dict[str, TableSpec]) -> int:
    """Rows as the model says, index entries as the rows say."""
    entries: dict[tuple[str, str], list[tuple[str, str]]] = {}
    seen: dict[str, list[tuple[str, dict[str, Any]]]] = {name: [] for name in specs}
    for text in dump(path, entries=True):
        line = json.loads(text)
        assert "scanerror" not in line
        assert "error" not in line
        if "k" in line:
            entries.setdefault((line["t"], line["ix"]), []).append((line["k"], line["bm"]))
        elif "r" in line:
            seen[line["t"]].append((line["bm"], line["r"]))
        elif "entries" in line:
            assert line["entries"] == len(entries.get((line["t"], line["ix"]), []))
        elif "rows" in line:
            assert line["rows"] == len(expected[line["t"]])
    with DatabaseFile(path) as database:
        catalog = Catalog.load(database)
        for name, model in expected.items():
            table = catalog.table(name)
            columns = {column.name: column for column in specs[name].columns}
            for (_, row), wanted in zip(seen[name], model, strict=True):
                shown = {
                    column: [hexadecimal(columns[column].coltyp, value) for value in values]
                    for column, values in wanted.items()
                    if values
                }
                assert {c: v if columns[c].grbit & MULTI else [v] for c, v in row.items()} == shown
            for index in table.indexes:
                definition = key_definition(table, index, sort_key_of(index))
                fids = {column.fid: column.name for column in table.columns}
                keys = [record_keys(definition, lambda fid, w=wanted, f=fids: w[f[fid]]) for wanted in model]
                if index.is_primary:
                    assert [[bm] for bm, _ in seen[name]] == [[key.hex() for key in found] for found in keys]
                    continue
                pairs = sorted((key.hex(), bm) for found, (bm, _) in zip(keys, seen[name], strict=True) for key in found)
                assert entries.get((name, index.name), []) == pairs
    return sum(map(len, expected.values()))


def tree_pages(database: DatabaseFile, root: int) -> set[int]:
    """The pages of a tree, its structure checked on the way."""
    page = Page(database.read_page(root), root)
    found = {root}
    assert not page.previous or page.is_leaf
    if not page.is_leaf:
        for line in range(page.line_count):
            child = int.from_bytes(page.entry(line)[2], "little")
            below = tree_pages(database, child)
            assert not below & found
            found |= below
    return found


def check_space(path: Path) -> None:
    """Every page of the file belongs to one tree, or is free in one."""
    with DatabaseFile(path) as database:
        catalog = Catalog.load(database)
        parents: dict[int, int] = {1: 0}
        for table in catalog:
            parents[table.root] = 1
            for index in table.indexes:
                if not index.is_primary:
                    parents[index.root] = table.root
            if table.long_value_root:
                parents[table.long_value_root] = table.root
        owned: dict[int, set[int]] = {}
        own: dict[int, set[int]] = {}
        for root in parents:
            header = space_header(database, root)
            assert header.parent == parents[root]
            extents = [range(e.first, e.last + 1) for e in owned_extents(database, root)]
            owned[root] = {pgno for extent in extents for pgno in extent}
            assert sum(map(len, extents)) == len(owned[root])
            free = [pgno for e in available_extents(database, root) for pgno in range(e.first, e.last + 1)]
            used = tree_pages(database, root)
            if header.multiple:
                for space in (header.word, header.word + 1):
                    more = tree_pages(database, space)
                    more |= {
                        pgno
                        for e in split_buffer(Page(database.read_page(space), space))
                        for pgno in range(e.first, e.last + 1)
                    }
                    assert not more & used
                    used |= more
            assert len(free) == len(set(free))
            assert not used & set(free)
            own[root] = used | set(free)
            assert own[root] <= owned[root]
        for root in parents:
            children = [child for child, above in parents.items() if above == root]
            for child in children:
                assert owned[child] <= owned[root]
                assert not owned[child] & own[root]
            assert own[root].union(*(owned[child] for child in children)) == owned[root], root
        assert owned[1] == set(range(1, database.page_count + 1))
        objids = {entry[1] for entry in Tree(database, 29).entries()}
        assert len(objids) == len(parents) - 1


def check(path: Path, specs: list[TableSpec], models: list[Model]) -> None:
    expected = {spec.name: model for spec, model in zip(specs, models, strict=True)}
    by_name = {spec.name: spec for spec in specs}
    with DatabaseFile(path) as database:
        assert database.header.is_clean
        assert not database.header.check()
        assert path.stat().st_size == (database.page_count + 2) * database.page_size
        for pgno in range(1, database.page_count + 1):
            image = database.read_pages(pgno, 1)
            if any(image):
                assert Page(database.verified(image, pgno), pgno).dbtime <= database.header.dbtime_dirtied
    report = verify_database(path)
    assert report.ok, [str(finding) for finding in report.findings]
    assert not report.findings, [str(finding) for finding in report.findings]
    assert check_with_dump(path, expected, by_name) == sum(map(len, models))
    check_space(path)
    check_with_dissect(path, expected)
    check_with_libesedb(path, expected, by_name)


def model_of(spec: TableSpec, rows: list[dict[str, Any]]) -> Model:
    """What reading should give: bytes as stored, defaults where nothing was set."""
    result = []
    for row in rows:
        values = {}
        for column in spec.columns:
            fixed = is_fixed(column)
            size = SIZES.get(column.coltyp, column.cb_max)
            if column.name in row:
                given = row[column.name]
                parts = given if isinstance(given, list) else [given]
            else:
                parts = [column.default]
            kept = [
                stored for part in parts if part is not None
                and (stored := stored_value(column.coltyp, column.cp, size, fixed, part)) is not None
            ]  # fmt: skip
            values[column.name] = kept
        result.append(values)
    return result


# random tables


def content(size: int, kind: int) -> bytes:
    """Long values of a size: random, text, UTF-16 text, all one byte."""
    rng = random.Random(size * 4 + kind)
    if kind == 0:
        return rng.randbytes(size)
    if kind == 1:
        return (b"some words of text %d " % size * (size // 10 + 1))[:size]
    if kind == 2:
        return ("\u00e9t\u00e9 text ".encode("utf-16-le") * (size // 10 + 1))[:size]
    return bytes([size & 0x7F]) * size


LONG = st.builds(
    content, st.sampled_from([0, 1, 3, 40, 200, 900, 1023, 1024, 3000, 4014, 4015, 9000, 20000]), st.integers(0, 3)
)


@st.composite
def columns(draw: st.DrawFn, number: int) -> ColumnSpec:
    coltyp = draw(st.sampled_from([*SIZES, 9, 10, 9, 10, 11, 12, 11, 12]))
    grbit = 0
    cb_max = 0
    cp = draw(st.sampled_from([1252, 1200])) if coltyp in (10, 12) else 0
    if coltyp in (11, 12):
        grbit = TAGGED | draw(st.sampled_from([0, COMPRESSED]))
    else:
        grbit = draw(st.sampled_from([0, FIXED, TAGGED]))
        if coltyp in (9, 10):
            cb_max = draw(st.integers(1, 40).map(lambda n: 2 * n))
    if grbit & TAGGED:
        grbit |= draw(st.sampled_from([0, 0, MULTI]))
    default = None
    if draw(st.integers(0, 3)) == 0:
        default = draw(values(coltyp, cb_max).filter(lambda value: 0 < len(value) <= 255))
    return ColumnSpec(f"c{number}", coltyp, grbit, cp, cb_max, default)


def values(coltyp: int, cb_max: int) -> st.SearchStrategy[bytes]:
    if coltyp == 1:
        return st.sampled_from([b"\0", b"\xff"])
    if coltyp in SIZES:
        return st.binary(min_size=SIZES[coltyp], max_size=SIZES[coltyp])
    if coltyp in (9, 10):
        return st.binary(max_size=cb_max)
    return LONG


@st.composite
def tables(draw: st.DrawFn, number: int) -> tuple[TableSpec, list[dict[str, Any]]]:
    made = [draw(columns(i)) for i in range(draw(st.integers(1, 9)))]
    count = draw(st.integers(0, 14))
    indexes = []
    if draw(st.booleans()):
        made.append(ColumnSpec("key", 4))
        indexes.append(IndexSpec("pk", [draw(st.sampled_from(["+key", "-key"]))], PRIMARY))
    keyable = [c for c in made if c.cp != 1200 and c.name != "key"]
    for i in range(draw(st.integers(0, 3)) if keyable else 0):
        chosen = draw(st.lists(st.sampled_from(keyable), min_size=1, max_size=3, unique_by=lambda c: c.name))
        key = [draw(st.sampled_from("+-")) + column.name for column in chosen]
        grbit = draw(st.sampled_from([0, IGNORE_NULL, IGNORE_ANY, IGNORE_FIRST, HIGH]))
        indexes.append(IndexSpec(f"ix{i}", key, grbit))
    rows = []
    keys = draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=count, max_size=count, unique=True))
    for row_key in keys:
        row: dict[str, Any] = {}
        for column in made:
            strategy = values(column.coltyp, column.cb_max)
            if column.name == "key":
                row["key"] = struct.pack("<i", row_key)
            elif column.grbit & MULTI:
                if draw(st.booleans()):
                    row[column.name] = draw(st.lists(strategy, max_size=4))
            elif draw(st.integers(0, 4)):
                row[column.name] = draw(st.none() | strategy if draw(st.booleans()) else strategy)
        rows.append(row)
    density = draw(st.sampled_from([20, 80, 100]))
    return TableSpec(f"t{number}", made, indexes, density), rows


def ordered(spec: TableSpec, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not spec.indexes or spec.indexes[0].name != "pk":
        return rows
    down = spec.indexes[0].key[0][0] == "-"
    return sorted(rows, key=lambda row: struct.unpack("<i", row["key"])[0], reverse=down)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(st.data(), st.sampled_from(PAGE_SIZES), st.integers(1, 2))
def test_random_databases(data: st.DataObject, page_size: int, count: int) -> None:
    chosen = [data.draw(tables(number)) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.edb"
        build_database(path, chosen, page_size=page_size)
        check(path, [spec for spec, _ in chosen], [model_of(spec, ordered(spec, rows)) for spec, rows in chosen])


# made-up tables of several shapes


def many_rows(count: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(count)
    for number in range(count):
        yield {
            "id": struct.pack("<i", number),
            "name": b"name %d of a row" % (number * 7919 % count),
            "when": struct.pack("<d", 40000 + rng.random()),
            "tags": [b"t%d" % rng.randrange(9) for _ in range(rng.randrange(4))],
            "text": content(rng.choice([0, 10, 500, 1500, 9000]), rng.randrange(4)) if number % 50 == 0 else None,
        }


MANY = TableSpec(
    "many",
    [
        ColumnSpec("id", 4, NOT_NULL),
        ColumnSpec("name", 10, 0, 1252),
        ColumnSpec("when", 8),
        ColumnSpec("tags", 9, TAGGED | MULTI),
        ColumnSpec("text", 11, TAGGED | COMPRESSED),
    ],
    [
        IndexSpec("pk", ["+id"], PRIMARY),
        IndexSpec("by_name", ["+name"], UNIQUE),
        IndexSpec("by_when", ["-when", "+name"]),
        IndexSpec("by_tag", ["+tags"], IGNORE_NULL),
    ],
)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("in_order", [False, True])
def test_many_rows(tmp_path: Path, page_size: int, in_order: bool) -> None:
    rows = list(many_rows(2500))
    given_rows = rows if in_order else random.Random(3).sample(rows, len(rows))
    MANY.in_order = in_order
    path = tmp_path / "many.edb"
    build_database(path, [(MANY, iter(given_rows))], page_size=page_size)
    check(path, [MANY], [model_of(MANY, rows)])
    with DatabaseFile(path) as database:
        table = Catalog.load(database).table("many")
        assert space_header(database, table.root).multiple
        assert not Tree(database, table.root).root_page().is_leaf
        assert table.long_value_root


def test_a_deep_tree(tmp_path: Path) -> None:
    """Long keys on small pages: four levels in the table, more than one page of separators in the index."""
    spec = TableSpec(
        "deep",
        [ColumnSpec("k", 9), ColumnSpec("v", 4)],
        [IndexSpec("pk", ["+k"], PRIMARY, key_most=1000), IndexSpec("down", ["-k"], key_most=1000)],
    )
    rng = random.Random(1)
    rows = [{"k": rng.randbytes(250), "v": struct.pack("<i", i)} for i in range(4000)]
    path = tmp_path / "deep.edb"
    build_database(path, [(spec, rows)], page_size=4096)
    check(path, [spec], [model_of(spec, sorted(rows, key=lambda row: row["k"]))])


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_records_at_the_limit(tmp_path: Path, page_size: int) -> None:
    """A record of exactly the largest size, and long values that leave a record that would exceed it."""
    spec = TableSpec(
        "full",
        [
            ColumnSpec("id", 4),
            *[ColumnSpec(f"b{i}", 9) for i in range(120)],
            *[ColumnSpec(f"l{i}", 11, TAGGED) for i in range(60)],
        ],
        [IndexSpec("pk", ["+id"], PRIMARY)],
    )
    rows = [
        {"id": struct.pack("<i", 1), **{f"l{i}": content(900 + i, 0) for i in range(60)}},
        {"id": struct.pack("<i", 2), **{f"b{i}": content(255, 0) for i in range(11)}, "l0": content(3000, 1)},
    ]
    path = tmp_path / "full.edb"
    build_database(path, [(spec, rows)], page_size=page_size)
    check(path, [spec], [model_of(spec, rows)])


def test_conditions_tuples_and_limits(tmp_path: Path) -> None:
    spec = TableSpec(
        "special",
        [
            ColumnSpec("a", 4),
            ColumnSpec("b", 10, 0, 1252),
            ColumnSpec("c", 9),
            ColumnSpec("m", 4, TAGGED | MULTI),
            ColumnSpec("n", 4, TAGGED | MULTI),
        ],
        [
            IndexSpec("set", ["+a"], conditions=["+b"]),
            IndexSpec("unset", ["+a"], conditions=["-b"]),
            IndexSpec("parts", ["+b"], tuple_limits=TupleLimits(3, 5, 4)),
            IndexSpec("short", ["+c", "+a"], var_seg_mac=10),
            IndexSpec("wide", ["+c"], 0x8000, key_most=600),
            IndexSpec("cross", ["+m", "-n"], 0x4000),
            IndexSpec("nested", ["+m", "-n"], 0x20000),
        ],
    )
    rng = random.Random(9)
    rows = []
    for number in range(60):
        row: dict[str, Any] = {"a": struct.pack("<i", number)}
        if number % 3:
            row["b"] = b"text %d and more" % number
        row["c"] = rng.randbytes(rng.randrange(200))
        row["m"] = [struct.pack("<i", rng.randrange(5)) for _ in range(rng.randrange(4))]
        row["n"] = [struct.pack("<i", rng.randrange(5)) for _ in range(rng.randrange(4))]
        rows.append(row)
    path = tmp_path / "special.edb"
    build_database(path, [(spec, rows)], page_size=8192)
    check(path, [spec], [model_of(spec, rows)])


@pytest.mark.parametrize("count", [1, 60])
def test_many_tables(tmp_path: Path, count: int) -> None:
    """The catalogue outgrows its first extents."""
    specs = [
        TableSpec(
            f"table_{number}",
            [ColumnSpec(f"column_{i}", 10, 0, 1252) for i in range(20)],
            [IndexSpec(f"index_{i}", [f"+column_{i}"]) for i in range(10)],
            pages=[0, 1, 5, 33, 40][number % 5],
        )
        for number in range(count)
    ]
    rows = [{"column_1": b"one"}, {"column_19": b"nineteen"}]
    path = tmp_path / "tables.edb"
    build_database(path, [(spec, rows) for spec in specs])
    check(path, specs, [model_of(spec, rows) for spec in specs])


def test_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "empty.edb"
    build_database(path, [])
    check(path, [], [])
    assert path.stat().st_size == 48 * 4096


def test_numbering(tmp_path: Path) -> None:
    spec = TableSpec(
        "n",
        [ColumnSpec("id", 15, 0x10), ColumnSpec("v", 4, 8), ColumnSpec("e", 4, 0x800, default=0), ColumnSpec("x", 4)],
        [IndexSpec("pk", ["+id"], PRIMARY)],
    )
    path = tmp_path / "n.edb"
    build_database(path, [(spec, [{"x": 5}, {"id": 10}, {}, {"v": 3}])])
    rows = [json.loads(line)["r"] for line in dump(path) if '"r"' in line]
    assert rows == [
        {"id": 1, "v": 0, "e": 0, "x": 5},
        {"id": 10, "v": 0, "e": 0},
        {"id": 11, "v": 0, "e": 0},
        {"id": 12, "v": 3, "e": 0},
    ]


@pytest.mark.parametrize("version", [(0x620, 20, 0), (0x620, 110, 240), (0x620, 290, 600)])
def test_format_versions(tmp_path: Path, version: tuple[int, int, int]) -> None:
    path = tmp_path / "v.edb"
    rows = list(many_rows(300))
    MANY.in_order = True
    build_database(path, [(MANY, rows)], version=version)
    check(path, [MANY], [model_of(MANY, rows)])
    with DatabaseFile(path) as database:
        assert database.header.format_version == version
        table = Catalog.load(database).table("many")
        lid = next(iter(Tree(database, table.long_value_root).entries()))[0]
        assert len(lid) == (8 if version >= (0x620, 70, 160) else 4)


def test_unicode_indexes(tmp_path: Path) -> None:
    spec = TableSpec(
        "u",
        [ColumnSpec("t", 10, 0, 1200), ColumnSpec("m", 12, TAGGED | MULTI, 1200), ColumnSpec("n", 4)],
        [IndexSpec("pk", ["+t"], PRIMARY), IndexSpec("by_m", ["-m", "+n"], IGNORE_NULL), IndexSpec("by_n", ["+n"])],
    )
    words = ["O'Neil", "co-op", "Coop", "zeta 12", "Alpha", "a_b", "[x]", "A-Z", "", "100%"]
    rows = [
        {"t": word.encode("utf-16-le"), "m": [w.encode("utf-16-le") for w in words[: i % 4]], "n": struct.pack("<i", i)}
        for i, word in enumerate(words)
    ]
    path = tmp_path / "u.edb"
    build_database(path, [(spec, rows)])
    rows.sort(key=lambda row: default_sort_key(row["t"], 255) if row["t"] else b"")
    check(path, [spec], [model_of(spec, rows)])
    with DatabaseFile(path) as database:
        table = Catalog.load(database).table("u")
        assert [index.is_localized for index in table.indexes] == [True, False, True]
        assert table.index("by_m").version == 0x0006030500060305
        records = [record for _, record in Tree(database, 30).entries()]
        name = "LocaleName=en-US,SortID=00000001-57ee-1e5c-00b4-d0000bb1e11e,Ver=6030500060305\0".encode("utf-16-le")
        (found,) = [record for record in records if record.endswith(name)]
        assert found[4:9] == b"\x02\x02\0\0\0"
