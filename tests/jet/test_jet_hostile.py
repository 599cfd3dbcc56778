"""Arguments of the wrong kind: a documented error, and the instance goes on."""

from __future__ import annotations

import os

import pytest

from esent import jet
from esent.errors import JetError
from jet_helpers import allocate, code_of

ODD = (0, 1.5, -1, 2**200, "x", b"x", {}, object(), [None], ["x"], (1, 2), int)


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("call", ["JetInit3", "JetInit4"])
def test_recovery_information_of_the_wrong_kind(tmp_path, call, value):
    instance = allocate(tmp_path)
    assert code_of(getattr(jet, call), instance, value) == jet.JET_errInvalidParameter


@pytest.mark.parametrize("value", [each for each in ODD if each], ids=lambda value: type(value).__name__)
def test_arrays_of_the_wrong_kind(start, database, value):
    running = start()
    assert code_of(jet.JetGetPageInfo, bytes(4096), value) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetPageInfo2, bytes(4096), value) == jet.JET_errInvalidParameter
    assert code_of(jet.JetAttachDatabase3, running.sesid, str(database), value) == jet.JET_errInvalidParameter


@pytest.mark.parametrize("value", [value for value in ODD if value], ids=lambda value: type(value).__name__)
def test_parameters_of_the_wrong_kind_do_not_change_the_mode(value):
    assert code_of(jet.JetEnableMultiInstance, value) == jet.JET_errInvalidParameter


@pytest.mark.parametrize("value", [None, 1.5, -1, 2**200, "x", b"x", {}, object()], ids=lambda value: type(value).__name__)
def test_a_surrogate_backup_of_what_is_no_range(start, database, value):
    running = start()
    running.attach()
    assert code_of(jet.JetBeginSurrogateBackup, running.instance, value, 1) == jet.JET_errInvalidParameter
    with pytest.raises(JetError):
        jet.JetEndSurrogateBackup(running.instance, jet.JET_bitBackupEndNormal)
    jet.JetBeginExternalBackupInstance(running.instance)
    jet.JetEndExternalBackupInstance(running.instance)


def test_a_name_that_no_file_can_have(start, database):
    running = start()
    running.attach()
    assert code_of(jet.JetBackupInstance, running.instance, "\ud800") == jet.JET_errInvalidPath


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_cannot_use_the_instances_of_its_parent(start, database):
    running = start()
    running.attach()
    child = os.fork()
    if child == 0:
        answers = [
            code_of(jet.JetBeginExternalBackupInstance, running.instance),
            code_of(jet.JetTerm, running.instance),
            code_of(jet.JetDetachDatabase, running.sesid, str(database)),
            len(jet.JetGetInstanceInfo()),
        ]
        expected = [jet.JET_errInvalidInstance, jet.JET_errInvalidInstance, jet.JET_errInvalidSesid, 0]
        os._exit(int(answers != expected))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    jet.JetBeginExternalBackupInstance(running.instance)
    jet.JetEndExternalBackupInstance(running.instance)
    assert running.term() == 0
