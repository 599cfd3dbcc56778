"""Fixtures of all tests."""

from __future__ import annotations

import os

import pytest

from genuine import FIXTURES, Fixtures


@pytest.fixture(scope="session")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Fixtures:
    """The genuine files; tests that ask for them are skipped where they are absent (in CI that is a failure)."""
    if FIXTURES is None:
        if os.environ.get("ESENT_REQUIRE_FIXTURES"):
            pytest.fail("ESENT_REQUIRE_FIXTURES is set, but the folder of genuine files is absent")
        pytest.skip("the folder of genuine files is absent (set ESENT_FIXTURES)")
    cache = tmp_path_factory.getbasetemp().parent / "esent-fixtures"
    cache.mkdir(exist_ok=True)
    return Fixtures(FIXTURES, cache)
