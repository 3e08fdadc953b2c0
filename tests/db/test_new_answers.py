"""New answers are read alone and as predictions read them; a mark tells every change of the older ones."""

from __future__ import annotations

import pytest

import db
from db.new_answers import mark_of, new_answers
from db.writing.open import open_writer
from ml.study.history import DAY_MS
from scripts.testbed.synthetic_rows import Size, fill

NOW_MS = 1_760_000_000_000
SINCE_MS = NOW_MS - 20 * DAY_MS
TABLES = {"reviews": "Review", "users": "User", "cards": "Card", "validation_responses": "ValidationResponse"}


@pytest.fixture
def platform(database: str) -> str:
    """Twelve learners with a few weeks of answers, the newest of them new."""
    with open_writer(database) as writer:
        fill(writer, Size(12, 6, 30, 3), NOW_MS)
    return database


def changed(url: str, *statements: str) -> None:
    with open_writer(url) as writer:
        named = {name: writer.table(model) for name, model in TABLES.items()}
        for statement in statements:
            writer.execute(statement.format_map(named))


def test_the_rows_are_those_of_whole_histories_from_a_moment_on(platform: str) -> None:
    with db.connect(platform) as client:
        found = new_answers(client, SINCE_MS, NOW_MS)
        whole = {rows.learner.id: rows for rows in client.stream_learners(NOW_MS, None)}
        assert found.learners is not None
        assert sum(len(rows.reviews) for rows in found.learners) > 50
        for rows in found.learners:
            then = whole.pop(rows.learner.id)
            assert rows.reviews == [row for row in then.reviews if row.reviewed_at_ms >= SINCE_MS]
            scores = [(row.objective_id, row.score) for row in then.validations if row.responded_at_ms >= SINCE_MS]
            assert [(row.objective_id, row.score) for row in rows.validations] == scores
        assert not any(row.reviewed_at_ms >= SINCE_MS for rows in whole.values() for row in rows.reviews)


def test_the_marks_of_older_and_newer_rows_add_up(platform: str) -> None:
    with db.connect(platform) as client:
        found = new_answers(client, SINCE_MS, NOW_MS)
        assert found.before == mark_of(client, SINCE_MS)
        assert tuple(a + b for a, b in zip(found.before, found.added)) == mark_of(client, NOW_MS)


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE {reviews} SET rating = 'EASY' WHERE id = 'review-1-0'""",
        """DELETE FROM {reviews} WHERE id = 'review-1-0'""",
        """UPDATE {users} SET "includeInAnalytics" = FALSE WHERE id = 'learner-1'""",
        """UPDATE {users} SET "performanceTrackingEnabled" = FALSE WHERE id = 'learner-1'""",
        """UPDATE {cards} SET "objectiveId" = NULL WHERE id = 'card-1-0-0'""",
        """UPDATE {validation_responses} SET score = 0.123 WHERE "userId" = 'learner-1'""",
        """UPDATE {validation_responses} SET skipped = TRUE WHERE "userId" = 'learner-1'""",
        """DELETE FROM {validation_responses} WHERE "userId" = 'learner-1'""",
    ],
)
def test_a_mark_tells_what_was_changed(platform: str, change: str) -> None:
    with db.connect(platform) as client:
        before = mark_of(client, NOW_MS)
        changed(platform, change)
        assert mark_of(client, NOW_MS) != before


def test_a_row_that_arrives_late_changes_the_mark_of_the_older_rows(platform: str) -> None:
    with db.connect(platform) as client:
        before = mark_of(client, SINCE_MS)
        changed(
            platform,
            """UPDATE {reviews} SET "reviewedAt" = (SELECT min("reviewedAt") FROM {reviews})
            WHERE id = 'review-2-29'""",
        )
        late = mark_of(client, SINCE_MS)
    assert late[0] == before[0] + 1


def test_without_the_tables_there_is_nothing_new(database: str) -> None:
    changed(database, "DROP TABLE IF EXISTS {validation_responses}", "DROP TABLE IF EXISTS {reviews}")
    with db.connect(database) as client:
        assert new_answers(client, 0, NOW_MS) == (0, (0, 0, 0, 0), (0, 0, 0, 0), [])
