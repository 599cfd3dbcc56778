"""The Dask example, as it is in the repository, on one machine with processes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import esent
from esent.api.export import export

dask = pytest.importorskip("dask.dataframe", reason="dask is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dask_table.py"


def test_the_example_counts_the_rows_of_a_genuine_table(fixtures) -> None:
    source = Path(esent.__file__).resolve().parent.parent
    said = subprocess.run(
        [sys.executable, EXAMPLE, fixtures.path("engine/rows-200k-8k/db.edb"), "BenchDurable"],
        env={**os.environ, "PYTHONPATH": str(source), "DASK_SCHEDULER": "processes"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    with esent.open(fixtures.path("engine/rows-200k-8k/db.edb"), read_only=True) as db:
        count = len(db["BenchDurable"])
    assert lines[0].startswith(f"{count} rows in ")
    assert f"id: {count}" in lines


def test_the_example_makes_a_dataframe_of_any_table(fixtures) -> None:
    spec = importlib.util.spec_from_file_location("dask_table", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    frame = module.dataframe(str(fixtures.path("engine/clean-4k/db.edb")), "AllTypes")
    with esent.open(fixtures.path("engine/clean-4k/db.edb"), read_only=True) as db:
        assert frame["Id"].sum().compute(scheduler="synchronous") == sum(row.Id for row in db["AllTypes"])


def test_an_exported_dataset_is_one_dataframe(fixtures, tmp_path) -> None:
    files = [fixtures.path("engine/clean-4k/db.edb"), fixtures.path("engine/clean-32k/db.edb")]
    manifest = export(files, tmp_path / "dataset", to="parquet", tables=["AllTypes"])
    frame = dask.read_parquet(tmp_path / "dataset" / "table=AllTypes", columns=["Id", "source"])
    assert len(frame) == manifest["rows"]
    assert set(frame["source"].unique().compute()) == {source["id"] for source in manifest["sources"]}
