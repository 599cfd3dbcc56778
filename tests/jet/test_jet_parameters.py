"""System parameters: scopes, moments, ranges, forms."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.constants.params import PARAMETERS
from esent.errors import JetError
from jet_helpers import Running, allocate, code_of

Start = Callable[..., Running]
NIL = jet.JET_sesidNil


def put(instance: Any, number: int, value: Any = 0, text: str | None = None) -> int:
    return code_of(jet.JetSetSystemParameter, instance, NIL, number, value, text)


def get(instance: Any, number: int) -> Any:
    return jet.JetGetSystemParameter(instance, NIL, number)


def test_every_parameter_answers() -> None:
    unreadable = []
    for number, definition in PARAMETERS.items():
        try:
            value = get(None, number)
        except JetError as problem:
            assert problem.code == jet.JET_errInvalidParameter
            unreadable.append(number)
            continue
        special = (jet.JET_paramUnicodeIndexDefault,)
        assert isinstance(value, str if definition.is_text or number in special else int), definition.name
    assert unreadable == [38, 70, 79, 185, 221]


@pytest.mark.parametrize("number", [185, 221, 222, 1000, 2**32 - 1, -1, None, "5", 5.0])
def test_unknown_numbers(number: Any) -> None:
    assert put(None, number) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetSystemParameter, None, NIL, number) == jet.JET_errInvalidParameter


def test_process_defaults_reach_later_instances_only(tmp_path: Path) -> None:
    first = jet.JetCreateInstance("first")
    assert put(None, jet.JET_paramMaxSessions, 77) == 0
    second = jet.JetCreateInstance("second")
    assert (get(first, jet.JET_paramMaxSessions), get(second, jet.JET_paramMaxSessions)) == (16, 77)
    assert put(first, jet.JET_paramMaxSessions, 5) == 0
    assert get(None, jet.JET_paramMaxSessions) == 77


def test_page_size_before_the_first_instance_only() -> None:
    assert put(None, jet.JET_paramDatabasePageSize, 8192) == 0
    instance = jet.JetCreateInstance("one")
    assert put(instance, jet.JET_paramDatabasePageSize, 8192) == 0
    assert put(instance, jet.JET_paramDatabasePageSize, 4096) == jet.JET_errAlreadyInitialized
    assert get(instance, jet.JET_paramDatabasePageSize) == 8192
    assert (get(instance, jet.JET_paramKeyMost), get(instance, jet.JET_paramLVChunkSizeMost)) == (2000, 8110)


@pytest.mark.parametrize("size", [0, 1, 2048, 5000, 12288, 65536, -4096])
def test_wrong_page_sizes(size: int) -> None:
    assert put(None, jet.JET_paramDatabasePageSize, size) == jet.JET_errInvalidParameter


def test_moments(start: Start) -> None:
    running = start()
    assert put(running.instance, jet.JET_paramMaxSessions, 20) == jet.JET_errAlreadyInitialized
    assert put(running.instance, jet.JET_paramMaxSessions, 16) == 0
    assert put(running.instance, jet.JET_paramDbExtensionSize, 20) == 0
    assert put(running.instance, jet.JET_paramKeyMost, 20) == jet.JET_errInvalidParameter


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    instance = jet.JetCreateInstance("one")
    assert get(instance, jet.JET_paramSystemPath) == f".{os.sep}"
    assert put(instance, jet.JET_paramSystemPath, 0, "sub/folder") == 0
    assert get(instance, jet.JET_paramSystemPath) == f"{tmp_path}/sub/folder/"
    assert put(instance, jet.JET_paramLogFilePath, 0, "x" * 300) == jet.JET_errInvalidParameter
    assert put(instance, jet.JET_paramLogFilePath, 0, "a\0b") == jet.JET_errInvalidParameter
    assert put(instance, jet.JET_paramLogFilePath, 0, b"bytes") == jet.JET_errInvalidParameter  # type: ignore[arg-type]
    assert put(instance, jet.JET_paramBaseName, 0, "ab") == jet.JET_errInvalidParameter
    assert put(instance, jet.JET_paramBaseName, 0, "abc") == 0
    assert put(instance, jet.JET_paramMaxSessions, "many") == jet.JET_errInvalidParameter


def test_advanced_parameters_are_left_alone_on_request() -> None:
    instance = jet.JetCreateInstance("one")
    assert put(instance, jet.JET_paramEnableAdvanced, 0) == 0
    assert put(instance, jet.JET_paramMaxSessions, 99) == 0
    assert get(instance, jet.JET_paramMaxSessions) == 16
    assert put(instance, jet.JET_paramCircularLog, 1) == 0
    assert get(instance, jet.JET_paramCircularLog) == 1


def test_configuration_gathers_and_resets() -> None:
    instance = jet.JetCreateInstance("one")
    put(instance, jet.JET_paramMaxSessions, 99)
    assert put(instance, jet.JET_paramConfiguration, jet.JET_configLowMemory) == 0
    assert get(instance, jet.JET_paramConfiguration) == jet.JET_configDefault | jet.JET_configLowMemory
    assert get(instance, jet.JET_paramMaxSessions) == 99
    assert put(instance, jet.JET_paramConfiguration, jet.JET_configDefault) == 0
    assert get(instance, jet.JET_paramMaxSessions) == 16


def test_error_to_string() -> None:
    say = jet.JetGetSystemParameter
    assert say(None, NIL, jet.JET_paramErrorToString, -1029) == "JET_errNotInitialized, Database engine not initialized"
    assert say(None, NIL, jet.JET_paramErrorToString, 2**32 - 1029).startswith("JET_errNotInitialized, ")
    assert say(None, NIL, jet.JET_paramErrorToString, -801).startswith("JET_errBackupAbortByServer, ")
    assert say(None, NIL, jet.JET_paramErrorToString, -999999) == "Unknown Error, Unknown Error"
    assert code_of(say, None, NIL, jet.JET_paramErrorToString) == jet.JET_errInvalidParameter


def test_unicode_default() -> None:
    instance = jet.JetCreateInstance("one")
    wanted = jet.JET_UNICODEINDEX(lcid=1031, dwMapFlags=0x30401)
    assert put(instance, jet.JET_paramUnicodeIndexDefault, wanted) == 0
    found = jet.JET_UNICODEINDEX()
    jet.JetGetSystemParameter(instance, NIL, jet.JET_paramUnicodeIndexDefault, found)
    assert found == wanted
    assert put(instance, jet.JET_paramUnicodeIndexDefault, 7) == jet.JET_errInvalidParameter


def test_callbacks_are_kept() -> None:
    instance = jet.JetCreateInstance("one")
    assert put(instance, jet.JET_paramRuntimeCallback, lambda *_: 0) == 0
    assert get(instance, jet.JET_paramRuntimeCallback) == 1
    assert put(instance, jet.JET_paramRuntimeCallback, 0) == 0
    assert get(instance, jet.JET_paramRuntimeCallback) == 0


def test_sessions_where_they_do_not_belong(start: Start) -> None:
    running = start()
    jet.JetEndSession(running.sesid)
    assert code_of(jet.JetGetSystemParameter, None, running.sesid, 5) == jet.JET_errInvalidSesid
    assert code_of(jet.JetSetSystemParameter, None, "session", 5, 1) == jet.JET_errInvalidSesid


def test_enable_multi_instance() -> None:
    wanted = [
        jet.JET_SETSYSPARAM(paramid=jet.JET_paramMaxInstances, lParam=3),
        jet.JET_SETSYSPARAM(paramid=9999, lParam=1, err=7),
    ]
    assert code_of(jet.JetEnableMultiInstance, wanted) == jet.JET_errInvalidParameter
    assert [item.err for item in wanted] == [0, jet.JET_errInvalidParameter]
    assert jet.JetEnableMultiInstance(wanted[:1]) == 1
    assert code_of(jet.JetEnableMultiInstance, wanted[:1]) == jet.JET_errSystemParamsAlreadySet
    wanted[0].lParam = 4
    assert code_of(jet.JetEnableMultiInstance, wanted[:1]) == jet.JET_errSystemParameterConflict
    assert code_of(jet.JetEnableMultiInstance, []) == jet.JET_errSystemParameterConflict
    assert [code_of(jet.JetCreateInstance, str(number)) for number in range(4)] == [0, 0, 0, jet.JET_errTooManyInstances]


def test_enable_multi_instance_in_one_instance_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jet.JetInit()
    assert code_of(jet.JetEnableMultiInstance, []) == jet.JET_errRunningInOneInstanceMode


def test_legacy_parameters_address_the_one_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jet.JetSetSystemParameter(None, NIL, jet.JET_paramLogFileSize, 256)
    jet.JetInit()
    assert get(None, jet.JET_paramLogFilePath) == f"{tmp_path}/"
    assert get(0, jet.JET_paramTempPath) == f"{tmp_path}/tmp.edb"
    assert put(0, jet.JET_paramLogFileSize, 512) == jet.JET_errAlreadyInitialized
    assert (tmp_path / "edb.log").stat().st_size == 256 * 1024
    assert get(None, jet.JET_paramRecoveryCurrentLogfile) == 1


def test_modern_file_names(tmp_path: Path) -> None:
    instance = allocate(tmp_path, LegacyFileNames=0)
    jet.JetInit(instance)
    jet.JetTerm(instance)
    assert {"edb.jtx", "edb.jcp"} <= {path.name for path in tmp_path.iterdir()}
