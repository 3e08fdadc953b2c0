"""The guide's own test asks for `create_test_db`: a client of a small database with one learner and one objective."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref

from db import get_prisma_client
from db.client import Client
from db.writing.open import Writer, open_writer

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


async def create_test_db() -> Client:
    """A connected client of a SQLite file with the learner `test_user` and the objective `test_objective`.

    The file is removed when the client is no longer used.
    """
    directory = tempfile.mkdtemp(prefix="struggle-test-")
    url = f"file:{os.path.join(directory, 'test.sqlite3')}"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, time.time_ns() // 1_000_000)
    client = await get_prisma_client(url)
    weakref.finalize(client, shutil.rmtree, directory, ignore_errors=True)
    return client


def fill(writer: Writer, now_ms: int) -> None:
    """Three weeks of study by test_user, on test_objective and on what it builds upon."""
    writer.insert("User", ("id", "createdAt"), [("test_user", now_ms - 40 * DAY_MS)])
    writer.insert("Course", ("id", "userId", "name"), [("test_course", "test_user", "Statistics")])
    writer.insert(
        "Lecture",
        ("id", "userId", "courseId", "title", "topicTags"),
        [("test_lecture", "test_user", "test_course", "Inference", ["statistics"])],
    )
    writer.insert(
        "LearningObjective",
        ("id", "lectureId", "objective", "complexity", "masteryLevel"),
        [
            ("test_objective", "test_lecture", "Explain a confidence interval", "ADVANCED", "BEGINNER"),
            ("test_prerequisite", "test_lecture", "Explain the standard error", "INTERMEDIATE", "INTERMEDIATE"),
        ],
    )
    writer.insert(
        "ObjectivePrerequisite",
        ("id", "objectiveId", "prerequisiteId", "strength"),
        [("test_edge", "test_objective", "test_prerequisite", 0.8)],
    )
    names = ("test_objective", "test_prerequisite")
    cards = [(f"card-{name}-{n}", "test_course", name) for name in names for n in (1, 2)]
    writer.insert("Card", ("id", "courseId", "objectiveId"), cards)
    studied = [(card, now_ms - days * DAY_MS) for days in range(21, 0, -3) for card, _, _ in cards]
    writer.insert(
        "Review",
        ("id", "userId", "cardId", "rating", "reviewedAt"),
        [
            (f"review-{n}", "test_user", card, "AGAIN" if n % 3 == 0 else "GOOD", at_ms + n * 1000)
            for n, (card, at_ms) in enumerate(studied)
        ],
    )
    writer.insert(
        "PerformanceMetric",
        ("id", "userId", "learningObjectiveId", "date", "retentionScore", "reviewCount"),
        [
            (f"metric-{days}", "test_user", "test_prerequisite", now_ms // DAY_MS * DAY_MS - days * DAY_MS, 0.6, 4)
            for days in range(21, 0, -3)
        ],
    )
    writer.insert(
        "Exam",
        ("id", "userId", "courseId", "name", "date"),
        [("exam", "test_user", "test_course", "Midterm", now_ms + 14 * DAY_MS)],
    )
