"""Nothing is selected that nobody reads: predictions, or the gate of training, ask for every field of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from db import connecting, demo
from db.reading import queries, rows
from db.reading.study import SOURCES
from ml.answer import answer
from ml.extractor import StruggleFeatureExtractor
from ml.features.consent import teaches
from ml.model import load
from ml.study.history import DAY_MS, WINDOW, StudyHistory
from ml.study.occasion import occasion_of

ROW_OF = {
    "reviews": rows.ReviewRow,
    "metrics": rows.MetricRow,
    "sessions": rows.SessionRow,
    "validations": rows.ValidationRow,
    "patterns": rows.PatternRow,
    "events": rows.EventRow,
    "exams": rows.ExamRow,
    "missions": rows.MissionRow,
    "recorded": rows.OutcomeRow,
    "answered": rows.OutcomeRow,
}
KEYS = {"recorded": 1, "answered": 1}
"""Columns that no field holds: the prediction whose outcome it is, by which the two sources are merged."""
READ_BY_COMMANDS = {("LearnerRows", "unknown_values"), ("ObjectiveRows", "unknown_values")}
"""Made of the same columns, not selected beside them; scripts/batch and study_rows read them."""


class Watched:
    """Stands for a row and notes which of its fields are asked for."""

    def __init__(self, row: Any, read: set[tuple[str, str]]) -> None:
        self._row, self._read = row, read

    def __getattr__(self, field: str) -> object:
        self._read.add((type(self._row).__name__, field))
        return watched(getattr(self._row, field), self._read)


def watched(value: object, read: set[tuple[str, str]]) -> object:
    """The value, with each row in it replaced by one that notes what is read."""
    if hasattr(value, "_fields"):
        return Watched(value, read)
    return [watched(each, read) for each in value] if isinstance(value, list) else value


def variants(found: rows.StudyRows) -> Iterator[rows.StudyRows]:
    """The rows as they are, and with what other learners lack: answers, a course, an old last session."""
    yield found
    yield found._replace(earlier=[rows.EarlierRow(found.as_of_ms - DAY_MS, 0.5, {"model_version": "m"})])
    yield found._replace(learner=found.learner._replace(reviews=[], metrics=[], validations=[]))
    yield found._replace(
        objective=found.objective._replace(objective=found.objective.objective._replace(course_id=None))
    )
    lately = [session._replace(started_at_ms=found.as_of_ms - DAY_MS // 2) for session in found.learner.sessions]
    yield found._replace(learner=found.learner._replace(sessions=lately))


@pytest.fixture(scope="module")
def read() -> set[tuple[str, str]]:
    """What is read for the demo learner, on each objective, now and three weeks ago."""
    noted: set[tuple[str, str]] = set()
    model = load(None)
    with connecting.connect() as client:
        for objective_id in demo.OBJECTIVES:
            for as_of_ms in (None, demo.NOW_MS - 21 * DAY_MS):
                for variant in variants(client.read(demo.LEARNER, objective_id, as_of_ms, WINDOW)):
                    found: Any = watched(variant, noted)
                    history = StudyHistory.before(found, model.correct_from)
                    extractor = StruggleFeatureExtractor(client, model.difficulty, model.correct_from)
                    estimates, features = extractor.studied(history)
                    occasion = occasion_of(history.past, history.objective)
                    prediction = model.predict(features)
                    advice = model.advise(prediction, history, estimates, features)
                    model.change(found.earlier, features, prediction)
                    answer(demo.LEARNER, objective_id, features, prediction, found.missing_sources, occasion, advice)
                    teaches(found.learner.learner)
    return noted


@pytest.mark.slow
def test_every_field_of_the_rows_is_read(read: set[tuple[str, str]]) -> None:
    fields = {
        (name, field)
        for name, kind in vars(rows).items()
        if isinstance(kind, type) and issubclass(kind, tuple) and name != "NamedTuple"
        for field in kind._fields  # type: ignore[attr-defined]
    }
    assert len(fields) > 60
    assert fields - read - READ_BY_COMMANDS == set()


@pytest.mark.parametrize("name", SOURCES)
def test_a_query_selects_a_column_per_field(name: str) -> None:
    assert len(SOURCES[name].columns) == len(ROW_OF[name]._fields) + KEYS.get(name, 0)


def test_the_other_queries_do_too() -> None:
    of_learner = (queries.LEARNER, rows.LearnerRow), (queries.PROFILE, rows.ProfileRow)
    of_objective = (queries.OBJECTIVE, rows.ObjectiveRow), (queries.CARDS, rows.CardRow)
    others = (queries.PREREQUISITES, rows.PrerequisiteRow), (queries.MASTERIES, rows.MasteryRow)
    for template, row in (*of_learner, *of_objective, *others):
        assert len(template.columns) == len(row._fields), row
