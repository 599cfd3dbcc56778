"""Unicode text in indexes through the calls: languages, limits of keys, temporary tables, and characters that are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from esent import jet
from esent.tools.verify import verify_database
from jet_helpers import Running, code_of

Start = Callable[..., Running]
SWEDISH = ["zebra", "Ängel", "apa", "ödla", "ånga", "Östen", "bil"]
WORDS = [
    "Zoë",
    "zoo",
    "Ærø",
    "co-op",
    "coop",
    "Über",
    "uber",
    "Ωμέγα",
    "жук",
    "日本",
    "かな",
    "가나",
    "\U0001f600",
    "",
    "naïve",
]


class World:
    """A database with a table of one Unicode column `u` and its indexes."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.sesid = running.sesid
        self.path = running.folder / "u.edb"
        self.dbid = jet.JetCreateDatabase(self.sesid, str(self.path))
        self.tableid = jet.JetCreateTable(self.sesid, self.dbid, "T")
        definition = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1200)
        self.u = jet.JetAddColumn(self.sesid, self.tableid, "u", definition)

    def index(self, name: str, key: str = "+u", **how: Any) -> None:
        made = jet.JET_INDEXCREATE3(szIndexName=name, szKey=[key], grbit=jet.JET_bitIndexUnicode, ulDensity=80, **how)
        jet.JetCreateIndex4(self.sesid, self.tableid, [made])

    def insert(self, *words: str) -> None:
        for word in words:
            jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
            grbit = 0 if word else jet.JET_bitSetZeroLength
            jet.JetSetColumn(self.sesid, self.tableid, self.u, word.encode("utf-16-le"), grbit)
            jet.JetUpdate(self.sesid, self.tableid)

    def order(self, index: str) -> list[str]:
        jet.JetSetCurrentIndex(self.sesid, self.tableid, index)
        return list(self._walk(jet.JET_MoveFirst))

    def _walk(self, first: int | None) -> Iterator[str]:
        move = first
        while True:
            if move is not None and code_of(jet.JetMove, self.sesid, self.tableid, move) != 0:
                return
            value = jet.JetRetrieveColumn(self.sesid, self.tableid, self.u)
            yield (value or b"").decode("utf-16-le")
            move = jet.JET_MoveNext

    def between(self, index: str, low: tuple[str, int], high: tuple[str, int]) -> list[str]:
        """What is between two keys: (text, grbit of JetMakeKey)."""
        jet.JetSetCurrentIndex(self.sesid, self.tableid, index)
        jet.JetMakeKey(self.sesid, self.tableid, low[0].encode("utf-16-le"), jet.JET_bitNewKey | low[1])
        if code_of(jet.JetSeek, self.sesid, self.tableid, jet.JET_bitSeekGE) not in (0, jet.JET_wrnSeekNotEqual):
            return []
        jet.JetMakeKey(self.sesid, self.tableid, high[0].encode("utf-16-le"), jet.JET_bitNewKey | high[1])
        range_ = jet.JET_bitRangeUpperLimit | jet.JET_bitRangeInclusive
        if code_of(jet.JetSetIndexRange, self.sesid, self.tableid, range_) != 0:
            return []
        return list(self._walk(None))


@pytest.fixture
def world(start: Start) -> World:
    return World(start())


def test_languages_have_their_order(world: World) -> None:
    world.index("en", pidxunicode=jet.JET_UNICODEINDEX2(szLocaleName="en-US", dwMapFlags=0x30401))
    world.index("sv", pidxunicode=jet.JET_UNICODEINDEX2(szLocaleName="sv-SE", dwMapFlags=0x30401))
    world.index("down", "-u", pidxunicode=jet.JET_UNICODEINDEX2(szLocaleName="sv-SE", dwMapFlags=0x30401))
    world.insert(*SWEDISH)
    assert world.order("en") == ["ånga", "Ängel", "apa", "bil", "ödla", "Östen", "zebra"]
    assert world.order("sv") == ["apa", "bil", "zebra", "ånga", "Ängel", "ödla", "Östen"]
    assert world.order("down") == world.order("sv")[::-1]
    info = jet.JetGetTableIndexInfo
    assert info(world.sesid, world.tableid, "sv", jet.JET_IdxInfoSortId)[:4] == b"\x1a\0\0\0"
    assert info(world.sesid, world.tableid, "en", jet.JET_IdxInfoSortId)[:4] == b"\x01\0\0\0"
    assert info(world.sesid, world.tableid, "en", jet.JET_IdxInfoSortVersion) == 0x00060305


def test_keys_survive_a_restart_and_verification(world: World) -> None:
    for name, locale in (("en", "en-US"), ("invariant", ""), ("ja", "ja-JP"), ("zh", "zh-CN"), ("fr", "fr-FR")):
        world.index(name, pidxunicode=jet.JET_UNICODEINDEX2(szLocaleName=locale, dwMapFlags=0x30401))
    world.index("case", pidxunicode=jet.JET_UNICODEINDEX2(szLocaleName="en-US", dwMapFlags=0x400))
    world.insert(*WORDS[:8])
    jet.JetBeginTransaction(world.sesid)
    world.insert("gone é")
    jet.JetRollback(world.sesid)
    jet.JetCreateIndex(world.sesid, world.tableid, "late", 0, ["+u"])
    world.insert(*WORDS[8:])
    assert world.order("late") == world.order("en") == world.order("invariant")
    world.running.term()
    report = verify_database(world.path, keys=True)
    assert report.ok
    assert not report.warnings
    assert report.entries_compared > 7 * len(WORDS)
    assert not [finding for finding in report.findings if "not compared" in finding.text]


def test_limits_of_keys_look_at_the_letters_alone(world: World) -> None:
    world.index("i")
    world.insert("Mull", "müll", "Müller", "MULLE", "Mu", "Mut", "mü-ll")
    starts, ends = jet.JET_bitPartialColumnStartLimit, jet.JET_bitPartialColumnEndLimit
    wanted = ["Mull", "mü-ll", "müll", "MULLE", "Müller"]
    assert sorted(world.between("i", ("mull", starts), ("mull", ends))) == sorted(wanted)
    assert sorted(world.between("i", ("mull", 0), ("müll", jet.JET_bitSubStrLimit))) == sorted(wanted)
    assert world.between("i", ("müll", 0), ("müll", 0)) == ["müll"]
    assert world.between("i", ("x", starts), ("x", ends)) == []


def test_a_character_that_is_not_settled_changes_nothing(world: World) -> None:
    world.index("i")
    world.insert("before")
    assert code_of(world.insert, "x\u1100\u1161") == jet.JET_errUnicodeNormalizationNotSupported
    jet.JetPrepareUpdate(world.sesid, world.tableid, jet.JET_prepCancel)
    world.insert("after")
    assert world.order("i") == ["after", "before"]
    jet.JetSetCurrentIndex(world.sesid, world.tableid, None)
    jet.JetDeleteIndex(world.sesid, world.tableid, "i")
    world.insert("x\u1100\u1161")
    assert code_of(world.index, "again") == jet.JET_errUnicodeNormalizationNotSupported
    assert code_of(world.order, "again") == jet.JET_errIndexNotFound
    world.running.term()
    assert verify_database(world.path, keys=True).ok


def test_the_parameter_gives_indexes_their_language(start: Start, tmp_path: Any) -> None:
    world = World(start(UnicodeIndexDefault=jet.JET_UNICODEINDEX(lcid=0x41D, dwMapFlags=0x30401)))
    world.insert(*SWEDISH)
    jet.JetCreateIndex(world.sesid, world.tableid, "i", 0, ["+u"])
    assert world.order("i")[-1] == "Östen"
    assert jet.JetGetTableIndexInfo(world.sesid, world.tableid, "i", jet.JET_IdxInfoLocaleName) == "sv-SE"


def test_temporary_tables_sort_by_language(start: Start) -> None:
    sesid = start().sesid
    key = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1200, grbit=jet.JET_bitColumnTTKey)
    for locale, last in (("sv-SE", "Östen"), ("de-DE", "zebra"), (None, "zebra")):
        unicode = jet.JET_UNICODEINDEX2(szLocaleName=locale, dwMapFlags=0x30401)
        opened = jet.JET_OPENTEMPORARYTABLE2(prgcolumndef=[key], pidxunicode=unicode, grbit=jet.JET_bitTTScrollable)
        jet.JetOpenTemporaryTable2(sesid, opened)
        tableid, columnid = opened.tableid, key.columnid
        for word in SWEDISH:
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
            jet.JetSetColumn(sesid, tableid, columnid, word.encode("utf-16-le"))
            jet.JetUpdate(sesid, tableid)
        jet.JetMove(sesid, tableid, jet.JET_MoveLast)
        found = jet.JetRetrieveColumn(sesid, tableid, columnid)
        assert found is not None
        assert found.decode("utf-16-le") == last
        jet.JetCloseTable(sesid, tableid)
