"""A clean process for the tests that start instances in that of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from process_reset import reset_process


@pytest.fixture
def clean_process() -> Iterator[None]:
    """No instance is left behind by a test, and no parameter of the process."""
    yield
    reset_process()
