"""A small course in a database, and short ways of adding to it: for tests that care about one thing at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from db.tables.ddl import qualified
from db.writing.open import Writer, open_writer

NOW_MS = 1_741_000_000_000  # 2025-03-03T11:06:40Z
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
LEARNER, OBJECTIVE = "ada", "limits"

_numbers = itertools.count()


class Narrow:
    """A window of the sizes given, of one row where none is given."""

    def __init__(self, **sizes: int) -> None:
        self._sizes = sizes

    def __getattr__(self, name: str) -> int:
        return self._sizes.get(name, 1)


class Wide:
    """A window wider than any test's data."""

    def __getattr__(self, name: str) -> int:
        return 10_000


WIDE: Any = Wide()


def lay_out(url: str) -> None:
    """Two learners, a course with three objectives owned by ada, two cards each, one prerequisite."""
    with open_writer(url) as writer:
        writer.insert("User", ("id", "createdAt"), [(LEARNER, NOW_MS - 90 * DAY_MS), ("bob", NOW_MS - DAY_MS)])
        writer.insert("Course", ("id", "userId", "name"), [("calculus", LEARNER, "Calculus I")])
        writer.insert(
            "Lecture",
            ("id", "userId", "courseId", "title", "topicTags"),
            [("l1", LEARNER, "calculus", "Limits", ["analysis", "limits"]), ("l2", LEARNER, "calculus", "Series", [])],
        )
        writer.insert(
            "LearningObjective",
            ("id", "lectureId", "objective", "complexity", "masteryLevel", "lastStudiedAt", "weaknessScore"),
            [
                (OBJECTIVE, "l1", "Prove a limit", "ADVANCED", "BEGINNER", NOW_MS - DAY_MS, 0.75),
                ("sequences", "l1", "Name a sequence", "BASIC", "MASTERED", None, 0.25),
                ("series", "l2", "Sum a series", "INTERMEDIATE", "NOT_STARTED", None, 0.5),
            ],
        )
        edges = [("edge", OBJECTIVE, "sequences", 0.5)]
        writer.insert("ObjectivePrerequisite", ("id", "objectiveId", "prerequisiteId", "strength"), edges)
        cards = [(f"{name}-{n}", "calculus", name) for name in (OBJECTIVE, "sequences", "series") for n in (1, 2)]
        writer.insert("Card", ("id", "courseId", "objectiveId"), cards)


def insert(url: str, model: str, rows: Iterable[dict[str, object]]) -> None:
    """Rows with an id and a userId of their own where they give none."""
    with open_writer(url) as writer:
        for row in rows:
            own = {"userId": LEARNER} if model not in ("ValidationPrompt", "ObjectivePrerequisite", "Card") else {}
            whole = {"id": f"{model}-{next(_numbers):05}", **own, **row}
            writer.insert(model, tuple(whole), [tuple(whole.values())])


def reviews(url: str, instants_ms: Iterable[int], **same: object) -> None:
    """A review each, of ada on limits-1, rated GOOD unless something else is said."""
    rows = [{"cardId": "limits-1", "rating": "GOOD", "reviewedAt": at_ms, **same} for at_ms in instants_ms]
    insert(url, "Review", rows)


def execute(url: str, *statements: str | tuple[str, Sequence[object]]) -> None:
    """SQL as it stands, in one transaction."""
    with open_writer(url) as writer:
        for statement in statements:
            run(writer, statement)


def run(writer: Writer, statement: str | tuple[str, Sequence[object]]) -> None:
    """One statement, with or without parameters, on tables by their bare names."""
    by_bare_names(writer)
    if isinstance(statement, str):
        writer.execute(statement)
    else:
        writer.execute(*statement)


def by_bare_names(writer: Writer) -> Writer:
    """The same writer, whose SQL finds the tables without their schema until its transaction ends."""
    if writer.dialect == "postgresql":
        writer.execute(f"SET LOCAL search_path = {qualified(str(writer.schema()), None)}")
    return writer
