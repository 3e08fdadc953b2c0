"""A platform of two learners, one at risk and one not, with a mission a week after the first night of a batch."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from db.tables.models import DEMO_CLOCK
from db.writing.open import open_writer
from ml.instants import iso
from ml.study.history import DAY_MS
from scripts.predict_batch import predict_batch
from tests.support.study_database import by_bare_names

FIRST_NIGHT_MS = 1_760_605_200_000 // DAY_MS * DAY_MS + 3 * 3_600_000
MISSION_DAY = FIRST_NIGHT_MS // DAY_MS + 7


def fill(
    url: str,
    weak: str = "weak",
    strong: str = "strong",
    osmosis: str = "osmosis",
    before: str = "before",
    schema: str | None = None,
) -> None:
    """Fills the empty tables; the ids of the learners and of the objectives are the ones given."""
    with open_writer(url, schema_path=schema) as writer:
        writer.insert("User", ("id",), [(weak,), (strong,)])
        writer.insert("Course", ("id", "userId", "name"), [("physiology", weak, "Physiology")])
        writer.insert(
            "Lecture",
            ("id", "userId", "courseId", "title"),
            [("l", weak, "physiology", "Cells")],
        )
        writer.insert(
            "LearningObjective",
            ("id", "lectureId", "objective", "complexity"),
            [(osmosis, "l", "Osmosis", "ADVANCED"), (before, "l", "Before", "BASIC")],
        )
        writer.insert("ObjectivePrerequisite", ("id", "objectiveId", "prerequisiteId"), [("e", osmosis, before)])
        metrics = [
            (f"{learner}-{day}", learner, osmosis, FIRST_NIGHT_MS - day * DAY_MS, retention, 10)
            for learner, retention in ((weak, 0.1), (strong, 0.97))
            for day in range(1, 20)
        ]
        fields = ("id", "userId", "learningObjectiveId", "date", "retentionScore", "reviewCount")
        writer.insert("PerformanceMetric", fields, metrics)
        writer.insert("Card", ("id", "courseId", "objectiveId"), [("c", "physiology", before)])
        answered = [(f"r{n}", strong, "c", "EASY", FIRST_NIGHT_MS - n * DAY_MS) for n in range(1, 20)]
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), answered)
        entries = [{"objectiveId": osmosis}]
        missions = [(f"of-{each}", each, MISSION_DAY * DAY_MS + 9, entries) for each in (weak, strong)]
        writer.insert("Mission", ("id", "userId", "date", "objectives"), missions)


def night(url: str, at_ms: int, *more: str, expected: int = 0) -> dict[str, Any]:
    """A batch of that moment, which the database's own clock stands at."""
    set_clock(url, at_ms)
    done = CliRunner().invoke(
        predict_batch, ["--database-url", url, "--model", "rules", "--store", "--json", "--quiet", *more]
    )
    assert done.exit_code == expected, (done.output, done.exception)
    return {} if expected else json.loads(done.stdout)


def set_clock(url: str, at_ms: int) -> None:
    """Lets the database's own clock stand at a moment, as the demo's does."""
    with open_writer(url) as writer:
        kind = "TIMESTAMP(3)" if writer.dialect == "postgresql" else "DATETIME"
        by_bare_names(writer).execute(f'CREATE TABLE IF NOT EXISTS "{DEMO_CLOCK}" ("now" {kind})')
        by_bare_names(writer).execute(f'DELETE FROM "{DEMO_CLOCK}"')
        by_bare_names(writer).execute(f'INSERT INTO "{DEMO_CLOCK}" VALUES (?)', (iso(at_ms).removesuffix("Z"),))
