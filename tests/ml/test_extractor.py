"""The extractor: the guide's calls, the same thing synchronous, whole topics, defaults; and ml's public names."""

from __future__ import annotations

import ast
import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings

import db.client
import ml
from db.errors import DatabaseUnavailable, UnknownObjective
from db.reading.rows import ObjectiveRows, StudyRows
from ml import FeatureVector, StruggleFeatureExtractor, StudyHistory, UnknownTopic, UnsupportedClient
from ml.features.vector import FEATURE_NAMES
from ml.scoring import rules
from ml.study.history import DAY_MS, LearnerHistory
from tests.support.history_builder import (
    ACTION_POTENTIALS,
    AS_OF_MS,
    LEARNER,
    UPPER_LIMB,
    answers,
    known_scenario,
    objective,
    prerequisite,
    study,
    study_rows,
)
from tests.support.history_strategies import ROWS, without_the_future


class Shelf:
    """Study records kept in memory: one learner, some objectives. Its clock stands at AS_OF_MS."""

    def __init__(self, rows: StudyRows, objectives: dict[str, ObjectiveRows], topics: dict[str, list[str]]) -> None:
        self._rows = rows
        self._objectives = objectives
        self._topics = topics
        self.moments: list[int | None] = []

    def now(self) -> int:
        return AS_OF_MS

    def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: object) -> StudyRows:
        self.moments.append(as_of_ms)
        if objective_id not in self._objectives:
            raise UnknownObjective(f"no objective {objective_id!r}")
        learner = self._rows.learner
        learner = learner._replace(reviews=learner.reviews[-window.reviews :])
        return self._rows._replace(
            as_of_ms=AS_OF_MS if as_of_ms is None else as_of_ms,
            is_now=as_of_ms is None,
            learner=learner,
            objective=self._objectives[objective_id],
        )

    async def aread(self, *call: object) -> StudyRows:
        return self.read(*call)

    def objectives_of_topic(self, topic_area: str) -> list[str]:
        return self._topics.get(topic_area, [])


class AsynchronousShelf(Shelf):
    async def objectives_of_topic(self, topic_area: str) -> list[str]:
        await asyncio.sleep(0)
        return self._topics.get(topic_area, [])


class ClosedShelf(Shelf):
    def now(self) -> int:
        raise DatabaseUnavailable("closed")

    def read(self, *_call: object) -> StudyRows:
        raise DatabaseUnavailable("closed")


def shelf(kind: type[Shelf] = Shelf) -> Shelf:
    rows = study_rows(reviews=answers("AAGA", 3, "a") + answers("GGGE", 2, "b") + answers("AA", -1, "a"))
    objectives = {
        "a": ObjectiveRows(objective("a", complexity="BASIC"), [prerequisite("b")], []),
        "b": ObjectiveRows(objective("b", complexity="ADVANCED"), [], []),
        "c": ObjectiveRows(objective("c", complexity=None, course="elsewhere"), [], []),
    }
    return kind(rows, objectives, {"course": ["a", "b"], "elsewhere": ["c"]})


def test_the_awaited_and_the_plain_call_agree() -> None:
    extractor = StruggleFeatureExtractor(shelf())
    awaited = asyncio.run(extractor.extract_features_for_objective(LEARNER, "a"))
    assert awaited.to_dict() == extractor.extract(LEARNER, "a").to_dict()
    assert awaited.review_lapse_rate == 0.75
    assert awaited.extracted_at_ms == AS_OF_MS


def test_as_of_is_a_datetime_or_milliseconds_and_the_clients_now_without_it() -> None:
    records = shelf()
    extractor = StruggleFeatureExtractor(records)
    naive = datetime(2025, 2, 1, 12)
    aware = datetime(2025, 2, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    for as_of in (None, naive, aware, 1_738_411_200_000):
        asyncio.run(extractor.extract_features_for_objective(LEARNER, "a", as_of=as_of))
    assert records.moments == [None, *[1_738_411_200_000] * 3]


def test_an_unknown_objective_is_the_clients_own_error() -> None:
    with pytest.raises(UnknownObjective):
        StruggleFeatureExtractor(shelf()).extract(LEARNER, "nowhere")


@pytest.mark.parametrize("kind", [Shelf, AsynchronousShelf])
def test_a_topic_is_the_mean_of_its_objectives(kind: type[Shelf]) -> None:
    extractor = StruggleFeatureExtractor(shelf(kind))
    topic = asyncio.run(extractor.extract_features_for_topic(LEARNER, "course"))
    a, b = (extractor.extract(LEARNER, name) for name in ("a", "b"))
    for name in FEATURE_NAMES:
        known = [value for vector in (a, b) if (value := vector.known(name)) is not None]
        assert topic.known(name) == (pytest.approx(sum(known) / len(known)) if known else None), name
    assert topic.prerequisite_gap_count == a.prerequisite_gap_count  # b states none
    assert topic.content_complexity == pytest.approx(0.6)


def test_a_topic_without_objectives_is_unknown() -> None:
    with pytest.raises(UnknownTopic, match="alchemy"):
        asyncio.run(StruggleFeatureExtractor(shelf()).extract_features_for_topic(LEARNER, "alchemy"))


def test_a_topic_looks_at_no_more_than_two_hundred_objectives() -> None:
    records = shelf()
    records._topics["course"] = ["a"] * 300
    asyncio.run(StruggleFeatureExtractor(records).extract_features_for_topic(LEARNER, "course"))
    assert len(records.moments) == 200


def test_the_default_vector_knows_nothing_and_says_why() -> None:
    vector = StruggleFeatureExtractor(shelf())._create_default_feature_vector()
    assert vector.defaulted == set(FEATURE_NAMES)
    assert vector.data_quality == 0
    assert vector.degraded
    assert vector.extracted_at_ms == AS_OF_MS
    assert rules.predict(vector).confidence <= 0.2
    assert (
        StruggleFeatureExtractor(shelf())._create_default_feature_vector(degraded="timed out").degraded == "timed out"
    )


def test_the_default_vector_comes_even_from_a_closed_database() -> None:
    extractor = StruggleFeatureExtractor(shelf(ClosedShelf))
    with pytest.raises(DatabaseUnavailable):
        extractor.extract(LEARNER, "a")
    assert extractor._create_default_feature_vector().extracted_at_ms > AS_OF_MS


@pytest.mark.parametrize("client", [None, object(), "postgresql://", {}])
def test_what_is_no_client_is_refused(client: object) -> None:
    with pytest.raises(UnsupportedClient, match=type(client).__name__):
        StruggleFeatureExtractor(client)


@pytest.mark.parametrize(("faced", "level"), [(ACTION_POTENTIALS, "HIGH"), (UPPER_LIMB, "LOW")])
def test_the_known_scenario(faced: str, level: str) -> None:
    features = StruggleFeatureExtractor(shelf()).features_of(StudyHistory.before(known_scenario(faced)))
    prediction = rules.predict(features)
    assert prediction.risk_level == level
    assert prediction.confidence > 0.75
    if level == "HIGH":
        assert any(factor.feature.startswith("prerequisite") for factor in prediction.factors[:2])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_any_rows_make_a_vector_of_shares_that_the_future_does_not_touch(rows: dict[str, object]) -> None:
    extractor = StruggleFeatureExtractor(shelf())
    vector = extractor.features_of(study(**rows))
    assert all(math.isfinite(value) and 0 <= value <= 1 for value in vector.values)
    assert vector.to_dict() == extractor.features_of(study(**without_the_future(rows))).to_dict()
    assert FeatureVector.from_dict(vector.to_dict()).to_dict() == vector.to_dict()


@pytest.mark.parametrize("name", [name for name in ml.__all__ if name != "TrainingExample"])
def test_public_names_resolve(name: str) -> None:
    assert getattr(ml, name).__name__ == name
    assert name in dir(ml)


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        ml.nonsense  # noqa: B018


def test_importing_ml_loads_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import ml; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(loaded)) - {"__future__"} == {"ml"}


def test_objectives_of_one_learner_share_the_work_without_sharing_answers() -> None:
    extractor = StruggleFeatureExtractor(shelf())
    rows = study_rows(reviews=answers("AAA", 3) + answers("GGG", 2, "b"))
    past = LearnerHistory(rows.learner, AS_OF_MS, True)
    for name in ("objective", "b", "new"):
        faced = rows.objective._replace(objective=objective(name))
        alone = extractor.features_of(StudyHistory.before(rows._replace(objective=faced)))
        assert extractor.features_of(StudyHistory(past, faced)).to_dict() == alone.to_dict()


class TestDemoDatabase:
    """The known scenario once more, out of the embedded database."""

    @pytest.fixture
    def records(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[db.client.Client]:
        monkeypatch.delenv("DATABASE_URL", raising=False)
        with db.connect() as records:
            yield records

    def test_action_potentials_are_a_high_risk_for_want_of_the_prerequisite(self, records: db.client.Client) -> None:
        features = StruggleFeatureExtractor(records).extract("demo-learner", "action-potentials")
        prediction = rules.predict(features)
        assert prediction.probability > 0.7
        assert prediction.confidence > 0.75
        assert any(factor.feature.startswith("prerequisite") for factor in prediction.factors[:2])
        assert '"Describe transport across membranes" is not mastered (0 %)' in prediction.reasoning
        assert features.retention_score == pytest.approx(0.3)
        assert features.days_until_exam == pytest.approx(1 - 7 / 90)

    def test_the_mastered_objective_is_a_low_risk(self, records: db.client.Client) -> None:
        prediction = rules.predict(StruggleFeatureExtractor(records).extract("demo-learner", "anatomy-upper-limb"))
        assert prediction.risk_level == "LOW"

    def test_the_guides_awaited_call_reads_the_same(self, records: db.client.Client) -> None:
        extractor = StruggleFeatureExtractor(records)
        awaited = asyncio.run(extractor.extract_features_for_objective("demo-learner", "action-potentials"))
        assert awaited.to_dict() == extractor.extract("demo-learner", "action-potentials").to_dict()

    @pytest.mark.parametrize("topic", ["physiology", "Physiology", "cells"])
    def test_a_topic_is_a_courses_id_its_name_or_a_tag(self, records: db.client.Client, topic: str) -> None:
        features = asyncio.run(StruggleFeatureExtractor(records).extract_features_for_topic("demo-learner", topic))
        assert features.retention_score == pytest.approx(0.3)

    def test_an_objective_read_for_its_topic_is_read_as_by_itself(self, records: db.client.Client) -> None:
        extractor = StruggleFeatureExtractor(records)
        names = records.objectives_of_topic("physiology")
        alone = [extractor.extract("demo-learner", name).known("content_complexity") for name in names]
        topic = asyncio.run(extractor.extract_features_for_topic("demo-learner", "physiology"))
        assert topic.content_complexity == pytest.approx(sum(alone) / len(names))

    def test_what_came_later_is_not_seen(self, records: db.client.Client) -> None:
        extractor = StruggleFeatureExtractor(records)
        before = records.now() - 14 * DAY_MS
        features = extractor.extract("demo-learner", "action-potentials", as_of_ms=before)
        assert features.extracted_at_ms == before
        assert features.known("workload_level") is None  # missions are a state of now
        first_day = extractor.extract("demo-learner", "action-potentials", as_of_ms=before - 90 * DAY_MS)
        assert first_day.known("retention_score") is None
        assert rules.predict(first_day).confidence <= 0.35
