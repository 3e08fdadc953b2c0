"""A table that is kept up to date is, to the byte, the one that counting everything anew gives."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.reading.rows import LearnerRows, ReviewRow, ValidationRow
from ml.study.history import HOUR_MS, MINUTE_MS
from ml.training.difficulty_build import build_difficulty_table
from ml.training.difficulty_counts import Setting
from ml.training.difficulty_state import Counted, DifficultyState, StateRefused
from tests.support.history_builder import study_rows

BEGAN_MS = 1_740_000_000_000
Row = tuple[int, int, int, str, float]
"""Learner, minutes since the row before, objective, rating or "score", score."""


def of_learners(rows: Sequence[tuple[int, Row]], since_ms: int, until_ms: int) -> list[LearnerRows]:
    """The rows of [since, until) by learner; rows: (instant, row), oldest first."""
    found: dict[int, tuple[list[ReviewRow], list[ValidationRow]]] = {}
    for at_ms, (learner, _, objective, kind, score) in rows:
        if not since_ms <= at_ms < until_ms:
            continue
        reviews, validations = found.setdefault(learner, ([], []))
        name = f"o{objective}" if objective else None
        if kind == "score":
            validations.append(ValidationRow(name, None, score, at_ms))
        else:
            reviews.append(ReviewRow(f"{name}/{at_ms % 3}", name, None, kind, at_ms, False))
    learners = []
    for learner, (reviews, validations) in sorted(found.items()):
        made = study_rows(learner=f"learner-{learner}", reviews=reviews, validations=validations).learner
        assert isinstance(made, LearnerRows)
        learners.append(made)
    return learners


def dated(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    at_ms, found = BEGAN_MS, []
    for row in rows:
        at_ms += row[1] * MINUTE_MS
        found.append((at_ms, row))
    return found


def both(path: Path, rows: Sequence[Row], cuts: Sequence[int], setting: Setting | None = None) -> tuple[bytes, bytes]:
    """The table after additions up to each cut-off, and that of a whole build."""
    setting = setting or Setting()
    rows_dated, state_path = dated(rows), path / "difficulty.state"
    state_path.unlink(missing_ok=True)
    state = DifficultyState.create(os.fspath(state_path))
    since_ms, counted = 0, Counted(0, 0, (), "here", setting, {}, 0, 0)
    for until_ms in cuts:
        state.add(of_learners(rows_dated, since_ms, until_ms), counted._replace(until_ms=until_ms))
        since_ms, counted = until_ms, state.counted()
    state.commit()
    state.close()
    state = DifficultyState.open(os.fspath(state_path))
    size = state.publish(os.fspath(path / "kept"))
    state.close()
    whole = build_difficulty_table(os.fspath(path / "whole"), of_learners(rows_dated, 0, since_ms), since_ms, *setting)
    assert size == whole
    return (path / "kept").read_bytes(), (path / "whole").read_bytes()


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([0, 1, 20, 59, 60, 61, 200]),
        st.integers(0, 3),
        st.sampled_from(["AGAIN", "GOOD", "HARD", "EASY", "score", "unheard of"]),
        st.sampled_from([0.0, 0.3, 0.59, 0.6, 1.0]),
    ),
    min_size=1,
    max_size=40,
)
CUTS = st.lists(st.integers(0, 40 * 100), min_size=0, max_size=4)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, CUTS, st.sampled_from([Setting(), Setting(0.6, "HARD")]))
def test_any_sequence_of_additions_gives_the_bytes_of_a_whole_build(
    tmp_path: Path, rows: list[Row], minutes: list[int], setting: Setting
) -> None:
    last_ms = dated(rows)[-1][0] + 1
    cuts = sorted({BEGAN_MS + minute * MINUTE_MS for minute in minutes if minute * MINUTE_MS < last_ms - BEGAN_MS})
    kept, whole = both(tmp_path, rows, [*cuts, last_ms])
    assert kept == whole


@pytest.mark.parametrize("learners", [40, 120])
def test_so_it_is_where_folds_become_crowds_and_relations_are_found(tmp_path: Path, learners: int) -> None:
    choose = random.Random(7)
    rows: list[Row] = []
    for place in range(1_000):
        learner = choose.randrange(learners * (1 + place) // 1_000 + 1)
        objective = choose.randrange(9)
        for _ in range(choose.randrange(1, 7)):
            kind = choose.choice(["AGAIN", "GOOD", "GOOD", "EASY", "score"])
            rows.append((learner, choose.choice([0, 1, 3]), objective, kind, choose.random()))
    end_ms = dated(rows)[-1][0] + 1
    cuts = [BEGAN_MS + (end_ms - BEGAN_MS) * part // 7 for part in range(1, 8)]
    kept, whole = both(tmp_path, rows, [*cuts, cuts[-1] + HOUR_MS])
    assert kept == whole
    relations = sqlite3.connect(tmp_path / "kept").execute("SELECT count(*) FROM relations").fetchone()
    assert relations[0] > 100


def test_the_state_is_for_its_owner_alone_and_neither_it_nor_the_table_names_a_learner(tmp_path: Path) -> None:
    rows: list[Row] = [(n % 3, 1, 1 + n % 2, "GOOD", 0.0) for n in range(60)]
    kept, _ = both(tmp_path, rows, [BEGAN_MS + HOUR_MS * 2])
    assert b"learner-" not in kept
    state = tmp_path / "difficulty.state"
    assert b"learner-" not in state.read_bytes()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "spoilt",
    [
        "UPDATE about SET value = '9' WHERE name = 'format'",
        "DELETE FROM about",
        "UPDATE about SET value = 'x' WHERE name = 'setting'",
        "DROP TABLE about",
    ],
)
def test_a_state_that_cannot_be_read_is_refused(tmp_path: Path, spoilt: str) -> None:
    both(tmp_path, [(0, 1, 1, "GOOD", 0.0)], [BEGAN_MS + HOUR_MS])
    path = tmp_path / "difficulty.state"
    with sqlite3.connect(path) as connection:
        connection.execute(spoilt)
    connection.close()
    with pytest.raises(StateRefused):
        DifficultyState.open(os.fspath(path))


def test_no_state_a_link_and_another_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("absent", "file", "link"):
        with pytest.raises(StateRefused):
            DifficultyState.open(os.fspath(tmp_path / name))
