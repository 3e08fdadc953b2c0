"""What ml and db must each state, since neither knows the other, is stated alike."""

from __future__ import annotations

import re
from pathlib import Path

from db.reading import decode_rows
from db.tables.ddl import ENUMS
from ml.storage.difficulty_table import CARD, FOLDS, OBJECTIVE
from ml.study.correctness import SETTINGS, correct_ratings
from ml.study.difficulty import CARD_COUNTS, COUNTS
from ml.study.history import UNDER_WAY
from ml.study.scales import COMPLEXITY, MASTERY
from ml.study.visits import GRADES
from tests.house.test_house import ROOT


def test_the_apps_enums_are_the_same_on_both_sides() -> None:
    assert decode_rows.RATINGS == GRADES == set(ENUMS["Rating"])
    assert all(correct_ratings(setting) < GRADES for setting in SETTINGS)
    assert MASTERY.keys() == decode_rows.MASTERY_LEVELS
    assert COMPLEXITY.keys() == decode_rows.COMPLEXITIES
    assert set(UNDER_WAY) < decode_rows.MISSION_STATUSES


def test_a_difficulty_record_has_a_field_per_count() -> None:
    assert (OBJECTIVE.size, CARD.size) == (1 + 4 * len(COUNTS), 1 + 4 * len(CARD_COUNTS))
    assert FOLDS & (FOLDS - 1) == 0, "the pairs of objectives keep a learner's fold in whole bits"


def test_marks_that_writers_and_readers_share_are_written_once() -> None:
    marks = {
        '"order-only:"': "db/sql/decode_values.py",
        '"current.pkl"': "ml/places.py",
        '"pretrained.pkl"': "ml/places.py",
    }
    found: dict[str, list[str]] = {mark: [] for mark in marks}
    for folder in ("ml", "db", "scripts"):
        for path in sorted(Path(ROOT, folder).rglob("*.py")):
            if "benchmarks" in path.parts:  # which lay out directories of their own
                continue
            text = path.read_text(encoding="utf-8")
            for mark in marks:
                if re.search(re.escape(mark), text):
                    found[mark].append(path.relative_to(ROOT).as_posix())
    assert found == {mark: [place] for mark, place in marks.items()}
