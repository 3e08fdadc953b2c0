"""A small run of tests/advice/exact.py on every test run, on both databases."""

from __future__ import annotations

import os

import pytest

from db.writing.open import open_writer
from tests.advice import exact

LEARNERS = (*range(24), 90)
"""Number 90 fills the window of answers."""


def test_a_change_that_is_written_to_the_database_gives_the_stated_probability(
    database: str, tmp_path: os.PathLike[str]
) -> None:
    trial = exact.run(database, LEARNERS, seed=1, directory=str(tmp_path))
    assert trial.faults == []
    assert trial.furthest < 1e-9
    assert trial.kinds.keys() == {
        *("lighter_day", "master_prerequisite", "master_prerequisite by rows", "next_three_right", "review_now"),
        "all at once",
    }
    assert min(trial.kinds.values()) > 3


def test_an_inexact_change_is_noticed(
    sqlite_url: str, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.advice.changed._is_too_much", lambda *rows: False)
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
    trial = exact.run(sqlite_url, [90], seed=1, directory=str(tmp_path))
    assert trial.furthest > 1e-6
    assert "next_three_right" in trial.faults[0]
