"""Known databases: recognised by their tables, with the names of their application."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import esent
from esent.cli.main import cli
from esent.tools.info import describe
from esent.tools.known import KnownNames, recognise
from genuine import Fixtures

GENUINE = {
    "windows/srum-win10/SRUDB.dat": "srum",
    "windows/catalog/Catalog1.edb": "file-history",
    "windows/bits-win11-24h2/qmgr.db": "bits",
    "windows/types/Current.mdb": "ual",
    "windows/ual-hyperv/SystemIdentity.mdb": "ual-identity",
    "windows/types/basic.edb": None,
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_files_are_recognised(fixtures: Fixtures, tmp_path: Path, name: str) -> None:
    path = tmp_path / "copy-under-another-name"
    path.write_bytes(fixtures.read(name))
    found = describe(path).application
    assert (found.name if found else None) == GENUINE[name]


def test_tables_and_columns_of_a_genuine_file_have_names(fixtures: Fixtures, tmp_path: Path) -> None:
    path = tmp_path / "SRUDB.dat"
    path.write_bytes(fixtures.read("windows/srum-win10/SRUDB.dat"))
    with esent.open(path, read_only=True) as db:
        assert str(db.application) == "System Resource Usage Monitor (SRUM)"
        usage = db["{973F5D5C-1D90-4944-BE8E-24B94231A174}"]
        assert usage.title == "Network Data Usage"
        assert usage.columns["BytesSent"].title == "Bytes sent"
        sent = next(column for column in usage.definition.columns if column.name == "BytesSent")
        assert usage.columns["BytesSent"] == esent.ColumnType.of(sent)  # the title does not count
    shown = CliRunner().invoke(cli, ["info", str(path)])
    assert "System Resource Usage Monitor (SRUM)" in shown.output
    shown = CliRunner().invoke(cli, ["tables", "--columns", str(path)])
    assert "Network Data Usage" in shown.output
    assert "Bytes received" in shown.output


@pytest.mark.parametrize(
    ("tables", "name"),
    [
        ({"datatable", "link_table", "sd_table"}, "active-directory"),
        ({"datatable", "link_table", "hiddentable"}, "active-directory"),
        ({"datatable", "link_table"}, None),
        ({"Containers", "Container_1"}, "webcache"),
        ({"SystemIndex_0A", "SystemIndex_Gthr"}, "windows-search"),
        ({"tbUpdates", "tbHistory", "tbFiles", "tbEula"}, "windows-update"),
        ({"ClientTable"}, "dhcp"),
        ({"Certificates", "Requests", "RequestAttributes", "CRLs"}, "certificate-services"),
        ({"HashCatNameTableSHA256"}, "catalogue"),
        ({"Mailbox", "MailboxIdentity", "Globals"}, "exchange"),
        ({"Jobs"}, None),
        (set(), None),
    ],
)
def test_tables_decide(tables: set[str], name: str | None) -> None:
    found = recognise(tables)
    assert (found.name if found else None) == name


def test_a_directory_names_its_columns_itself(tmp_path: Path) -> None:
    with esent.open(tmp_path / "ntds.edb") as db:
        with db.transaction():
            db.create_table("link_table", {"link_DNT": esent.Int32()})
            db.create_table("sd_table", {"sd_id": esent.Int64()})
            objects = db.create_table(
                "datatable",
                {
                    "DNT_col": esent.Int32(autoincrement=True),
                    "ATTc131102": esent.Int32(),
                    "ATTj591540": esent.Int32(),
                    "ATTm131532": esent.LongText(),
                    "ATTm590045": esent.LongText(),
                    "ATTm-1788765": esent.LongText(),
                    "ATTk589914": esent.LongBinary(),
                },
                primary_key="DNT_col",
                indexes={"INDEX_000201CC": esent.Key("+ATTm131532", ignore_any_null=True)},
            )
            objects.insert(ATTc131102=590045, ATTm131532="sAMAccountName")
            objects.insert(ATTc131102=1, ATTj591540=-1788765, ATTm131532="myOwnAttribute")
            objects.insert(ATTm590045="somebody")
        assert db.application is not None
        assert db.application.name == "active-directory"
        live = {name: column.title for name, column in objects.columns.items()}
    assert live["ATTm590045"] == "sAMAccountName"
    assert live["ATTm-1788765"] == "myOwnAttribute"
    assert live["ATTk589914"] == "unicodePwd"  # from the public numbers
    assert live["DNT_col"] == "Distinguished name tag"
    with esent.open(tmp_path / "ntds.edb", read_only=True) as db:
        assert {name: column.title for name, column in db["datatable"].columns.items()} == live


def test_containers_have_the_names_they_have_in_their_list(tmp_path: Path) -> None:
    with esent.open(tmp_path / "cache.edb") as db:
        containers = db.create_table(
            "Containers", {"ContainerId": esent.Int64(), "Name": esent.Text()}, primary_key="ContainerId"
        )
        containers.insert(ContainerId=7, Name="History\0")
        table = db.create_table("Container_7", {"Url": esent.LongText(), "Other": esent.Int32()})
        other = db.create_table("Container_8", {"Url": esent.LongText()})
        assert table.title == "History"
        assert other.title is None
        assert table.columns["Url"].title == "URL"
        assert table.columns["Other"].title is None


def test_a_directory_without_the_index_has_the_public_names() -> None:
    def read(*_asked: object) -> list[tuple[object, ...]]:
        raise esent.IndexNotFoundError("there is none")

    names = KnownNames(["datatable", "link_table", "sd_table"], read)
    assert names.column("datatable", "ATTm590045") == "sAMAccountName"
    assert names.column("datatable", "ATTm1") is None
    assert names.column("link_table", "ATTm590045") is None
    assert KnownNames(["anything"], read).table("anything") is None


def test_a_file_without_a_readable_catalogue_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "db.edb"
    with esent.open(path):
        pass
    data = bytearray(path.read_bytes())
    size = 4096 if len(data) % 8192 else 8192
    data[2 * size :] = bytes(len(data) - 2 * size)
    path.write_bytes(data)
    assert describe(path).application is None
