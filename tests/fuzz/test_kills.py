"""A few kills of real trainings on every test run; `python -m tests.fuzz.kill_retraining` does two hundred."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml.storage.registry import CURRENT
from tests.fuzz.kill_retraining import Trainings, kill_trainings


@pytest.mark.slow
def test_killed_trainings_tear_nothing_and_predictions_go_on(tmp_path: Path) -> None:
    found = kill_trainings(str(tmp_path), kills=12, seed=2)
    assert found["faults"] == []
    assert found["kills"] == 12
    assert int(str(found["loads"])) > 1000
    assert int(str(found["models loaded"])) > 1


@pytest.mark.slow
def test_what_a_kill_must_not_leave_is_noticed(tmp_path: Path) -> None:
    trainings = Trainings(str(tmp_path))
    assert list(trainings.faults()) == []
    Path(trainings.models, CURRENT).write_bytes(b"torn")
    os.unlink(trainings.registry.path(trainings.poor))
    with trainings.registry.locked():
        told = list(trainings.faults())
    assert [fault.partition(":")[0] for fault in told] == [
        "version lost or changed",
        "current.pkl is not one of the versions",
        "the lock outlived its holder",
    ]
