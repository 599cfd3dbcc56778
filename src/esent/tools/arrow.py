"""Column batches as record batches of pyarrow, without copying a value.

| column                     | Arrow type                                     |
|----------------------------|------------------------------------------------|
| Bit                        | bool                                           |
| integers                   | int or uint of the same size                   |
| IEEESingle, IEEEDouble     | float, double                                  |
| Currency                   | decimal128(19, 4)                              |
| DateTime                   | timestamp[us] without a zone                   |
| GUID                       | the extension type arrow.uuid                  |
| Text, LongText             | string                                         |
| Binary, LongBinary         | binary                                         |
| a multi-valued column      | list of these; NULL where it has no value      |

The fields' metadata keep what the type of the column was. The odd values of a batch (`records/columnar.py`) are a column of
their own: a list of {column, number, error, stored}, NULL for nearly every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from esent.records.columnar import KIND_LIST, Buffers, ColumnBatch
from esent.records.columns import TEXT_TYPES, Coltyp, Column

ODD = "_odd"

_NAMES = {
    Coltyp.BIT: "bool_",
    Coltyp.UNSIGNED_BYTE: "uint8",
    Coltyp.SHORT: "int16",
    Coltyp.UNSIGNED_SHORT: "uint16",
    Coltyp.LONG: "int32",
    Coltyp.UNSIGNED_LONG: "uint32",
    Coltyp.LONG_LONG: "int64",
    Coltyp.UNSIGNED_LONG_LONG: "uint64",
    Coltyp.IEEE_SINGLE: "float32",
    Coltyp.IEEE_DOUBLE: "float64",
}


def arrow() -> ModuleType:
    """pyarrow. ImportError with a word on how to install it where it is absent."""
    try:
        import pyarrow
    except ImportError as problem:
        raise ImportError("this needs pyarrow, which is not installed: python -m pip install 'esent[arrow]'") from problem
    return pyarrow  # type: ignore[no-any-return]


def odd_name(names: Sequence[str]) -> str:
    """A name for the column of odd values that none of these columns has."""
    found = ODD
    while found.upper() in {name.upper() for name in names}:
        found += "_"
    return found


def column_type(column: Column) -> Any:
    """The Arrow type of a column."""
    pa = arrow()
    single = _single_type(pa, column)
    return pa.list_(single) if column.is_multivalued else single


def _single_type(pa: Any, column: Column) -> Any:
    coltyp = column.coltyp
    if coltyp in _NAMES:
        return getattr(pa, _NAMES[Coltyp(coltyp)])()
    if coltyp == Coltyp.CURRENCY:
        return pa.decimal128(19, 4)
    if coltyp == Coltyp.DATE_TIME:
        return pa.timestamp("us")
    if coltyp == Coltyp.GUID:
        return pa.uuid()
    return pa.string() if coltyp in TEXT_TYPES else pa.binary()


def odd_type() -> Any:
    """The Arrow type of the column of odd values."""
    pa = arrow()
    parts = [("column", pa.string()), ("number", pa.int32()), ("error", pa.int32()), ("stored", pa.binary())]
    return pa.list_(pa.struct(parts))


def schema_of(table: str, columns: Sequence[Column], *, odd: bool) -> Any:
    """The schema of record batches with these columns, and with `odd` the column of odd values behind them."""
    pa = arrow()
    fields = []
    for name, column in zip(unique_names(columns), columns, strict=True):
        about = {"esent.type": Coltyp(column.coltyp).name, "esent.columnid": str(column.columnid)}
        if column.code_page:
            about["esent.code_page"] = str(column.code_page)
        fields.append(pa.field(name, column_type(column), metadata=about))
    if odd:
        fields.append(pa.field(odd_name([field.name for field in fields]), odd_type()))
    return pa.schema(fields, metadata={"esent.table": table})


def unique_names(columns: Sequence[Column]) -> list[str]:
    """The names of columns, those that differ in nothing or only in case (which no engine would write) told apart."""
    taken: set[str] = set()
    found = []
    for column in columns:
        name = column.name
        number = 2
        while name.upper() in taken:
            name = f"{column.name}~{number}"
            number += 1
        taken.add(name.upper())
        found.append(name)
    return found


def record_batch(schema: Any, columns: Sequence[Column], batch: ColumnBatch) -> Any:
    """A column batch as a record batch; of `schema`, with the column of odd values if that has one."""
    pa = arrow()
    arrays = [_array(pa, schema.field(place).type, buffers, batch.rows) for place, buffers in enumerate(batch.columns)]
    if len(schema) > len(columns):
        names = schema.names
        kind = schema.field(len(columns)).type
        if batch.odd:
            rows: list[list[dict[str, Any]] | None] = [None] * batch.rows
            for odd in batch.odd:
                about = {"column": names[odd.column], "number": odd.number, "error": odd.code or None, "stored": odd.stored}
                rows[odd.row] = [*(rows[odd.row] or ()), about]
            arrays.append(pa.array(rows, kind))
        else:
            arrays.append(pa.nulls(batch.rows, kind))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(pa: Any, kind: Any, buffers: Buffers, rows: int) -> Any:
    if buffers.data is None:
        return pa.nulls(rows, kind)
    validity = None if buffers.validity is None else pa.py_buffer(buffers.validity)
    if isinstance(kind, pa.BaseExtensionType):
        storage = pa.Array.from_buffers(kind.storage_type, rows, [validity, pa.py_buffer(buffers.data)], buffers.nulls)
        return pa.ExtensionArray.from_storage(kind, storage)
    if buffers.offsets is None:
        return pa.Array.from_buffers(kind, rows, [validity, pa.py_buffer(buffers.data)], buffers.nulls)
    offsets = pa.py_buffer(buffers.offsets)
    if buffers.kind == KIND_LIST:
        assert buffers.values is not None
        values = _array(pa, kind.value_type, buffers.values, buffers.values.length)
        return pa.Array.from_buffers(kind, rows, [validity, offsets], buffers.nulls, children=[values])
    return pa.Array.from_buffers(kind, rows, [validity, offsets, pa.py_buffer(buffers.data)], buffers.nulls)
