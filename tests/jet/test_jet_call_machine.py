"""Random sequences of calls against a plain model, with crash, restart, backup and restore among them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from call_machine import CallMachine

LIBERAL = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def test_random_calls_end_as_the_model_says() -> None:
    run_state_machine_as_test(CallMachine, settings=settings(max_examples=6, stateful_step_count=25, **LIBERAL))


@pytest.mark.campaign
def test_very_many_random_calls() -> None:
    run_state_machine_as_test(CallMachine, settings=settings(max_examples=400, stateful_step_count=80, **LIBERAL))
