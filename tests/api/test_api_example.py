"""The example of the documentation, as it is written there."""

from __future__ import annotations

import esent


def test_the_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    with esent.open("app.edb") as db:  # an instance of its own; logs beside the file; created if missing
        with db.transaction():
            people = db.create_table(
                "people",
                {"id": esent.Int64(autoincrement=True), "name": esent.Text(), "photo": esent.LongBinary()},
                primary_key="id",
                indexes={"by_name": "+name"},
            )
            people.insert(name="Ada", photo=b"...")
        for row in db["people"].index("by_name").between("A", "B"):
            print(row.id, row.name)
        with db.backup(
            "backups/monday", progress=True
        ) as backup:  # another thread may call backup.stop() or instance.stop_backup()
            backup.run()
    # fmt: on

    assert capsys.readouterr().out == "1 Ada\n"
    with esent.open("app.edb", read_only=True) as db:
        assert db.tables == ["people"]
        assert [(row.id, row.name, row.photo) for row in db["people"].index("by_name").between("A", "B")] == [
            (1, "Ada", b"...")
        ]
    restored = esent.restore("backups/monday", tmp_path / "restored")
    assert [path.name for path in restored.databases] == ["app.edb"]
    with esent.open(tmp_path / "restored" / "app.edb") as db:
        assert [dict(row) for row in db["people"]] == [{"id": 1, "name": "Ada", "photo": b"..."}]
