"""Many learners at a time read exactly what one at a time reads, in pages that bound the memory."""

from __future__ import annotations

import random

import pytest

import db
from db import client
from db.reading import many as bulk
from db.writing.open import open_writer
from ml.study.history import Window
from tests.support.study_database import DAY_MS, NOW_MS, OBJECTIVE, WIDE, Narrow, insert, lay_out

LEARNERS = 23


@pytest.fixture
def school(database: str) -> str:
    """Learners with histories of very different lengths in every source."""
    lay_out(database)
    chance = random.Random(5)
    with open_writer(database) as writer:
        names = [f"learner-{n:02}" for n in range(LEARNERS)]
        writer.insert("User", ("id",), [(name,) for name in names])
        writer.insert("ValidationPrompt", ("id", "objectiveId", "conceptName"), [("p", "series", "x")])
        for place, name in enumerate(names):
            at = [NOW_MS - 1 - chance.randrange(30 * DAY_MS) for _ in range(place)]
            at += [NOW_MS, NOW_MS + 1]
            cards = [f"{chance.choice([OBJECTIVE, 'sequences', 'gone'])}-1" for _ in at]
            fields = ("id", "userId", "cardId", "rating", "reviewedAt")
            writer.insert("Review", fields, [(f"r{name}{n}", name, cards[n], "GOOD", ms) for n, ms in enumerate(at)])
            fields = ("id", "userId", "learningObjectiveId", "date", "retentionScore")
            writer.insert(
                "PerformanceMetric", fields, [(f"m{name}{n}", name, OBJECTIVE, ms, 0.5) for n, ms in enumerate(set(at))]
            )
            writer.insert(
                "StudySession", ("id", "userId", "startedAt"), [(f"s{name}{n}", name, ms) for n, ms in enumerate(at)]
            )
            fields = ("id", "promptId", "userId", "score", "respondedAt")
            writer.insert(
                "ValidationResponse", fields, [(f"v{name}{n}", "p", name, 0.5, ms) for n, ms in enumerate(at)]
            )
            fields = ("id", "userId", "courseId", "name", "date")
            writer.insert("Exam", fields, [(f"x{name}{n}", name, "calculus", "x", ms) for n, ms in enumerate(at)])
            if place % 3 == 0:
                writer.insert("UserLearningProfile", ("id", "userId", "dataQualityScore"), [(name, name, 0.5)])
                writer.insert("Course", ("id", "userId", "name"), [(f"c{name}", name, "own")])
                writer.insert("Lecture", ("id", "userId", "courseId", "title"), [(f"l{name}", name, f"c{name}", "own")])
                writer.insert("LearningObjective", ("id", "lectureId", "objective"), [(f"o{name}", f"l{name}", "own")])
    return database


@pytest.mark.slow
@pytest.mark.parametrize("window", [WIDE, Narrow(reviews=7, metrics=3, sessions=2, validations=5, exams=4, outcomes=1)])
def test_a_stream_reads_what_single_reads_would(school: str, window: Window) -> None:
    with db.connect(school) as records:
        streamed = list(records.stream_learners(NOW_MS, window))
        single = [records.read(row.learner.id, OBJECTIVE, NOW_MS, window).learner for row in streamed]
    assert streamed == single
    assert len(streamed) == LEARNERS + 2


@pytest.mark.slow
def test_without_a_window_everything_before_as_of_is_read(school: str) -> None:
    with db.connect(school) as records:
        assert list(records.stream_learners(NOW_MS, None)) == list(records.stream_learners(NOW_MS, WIDE))
        assert [len(row.reviews) for row in records.stream_learners(NOW_MS, None)] == [0, 0, *range(LEARNERS)]


@pytest.mark.slow
@pytest.mark.parametrize(("learners", "reviews"), [(1, 10_000), (3, 10), (500, 1), (7, 40)])
def test_the_pages_sizes_change_nothing(
    school: str, monkeypatch: pytest.MonkeyPatch, learners: int, reviews: int
) -> None:
    with db.connect(school) as records:
        whole = list(records.stream_learners(NOW_MS, Narrow(reviews=9)))
        objectives = records.read_objectives()
        monkeypatch.setattr(bulk, "LEARNERS_AT_ONCE", learners)
        monkeypatch.setattr(bulk.following_learners, "__defaults__", (learners,))
        monkeypatch.setattr(bulk.following_objectives, "__defaults__", (2,))
        monkeypatch.setattr(client, "IDS_AT_ONCE", 4)
        monkeypatch.setattr(bulk, "REVIEWS_AT_ONCE", reviews)
        assert list(records.stream_learners(NOW_MS, Narrow(reviews=9))) == whole
        assert list(records.stream_learners(NOW_MS, Narrow(reviews=9), records.learner_ids())) == whole
        assert records.read_objectives() == objectives


@pytest.mark.slow
def test_only_the_learners_asked_for_and_each_once(school: str) -> None:
    asked = ["learner-09", "nobody", "learner-02", "learner-09", "bob", "\0"]
    with db.connect(school) as records:
        found = [row.learner.id for row in records.stream_learners(NOW_MS, None, asked)]
        assert found == ["bob", "learner-02", "learner-09"]
        assert list(records.stream_learners(NOW_MS, None, [])) == []
        assert len(records.learner_ids()) == LEARNERS + 2


@pytest.mark.slow
def test_objectives_are_read_as_a_single_read_reads_them(school: str) -> None:
    insert(school, "Card", [{"id": f"more-{n}", "courseId": "calculus", "objectiveId": OBJECTIVE} for n in range(4)])
    insert(school, "ObjectivePrerequisite", [{"objectiveId": OBJECTIVE, "prerequisiteId": "series", "strength": 0.9}])
    with db.connect(school) as records:
        everything = records.read_objectives()
        assert set(everything) >= {OBJECTIVE, "sequences", "series", "olearner-00"}
        for name in everything:
            assert everything[name] == records.read("ada", name, NOW_MS, WIDE).objective
        window = Narrow(cards=3, prerequisites=1)
        assert (
            records.read_objectives([OBJECTIVE], window)[OBJECTIVE]
            == records.read("ada", OBJECTIVE, NOW_MS, window).objective
        )
        assert list(records.read_objectives(["series", "none"])) == ["series"]


@pytest.mark.slow
def test_between_pages_other_calls_may_be_made(school: str) -> None:
    with db.connect(school) as records:
        for row in records.stream_learners(NOW_MS, None):
            assert records.read(row.learner.id, OBJECTIVE, NOW_MS, WIDE).learner == row
