"""StruggleFeatureExtractor: from two ids to the FeatureVector from which a model predicts."""

from __future__ import annotations

from ml.errors import ModelNotFound, ModelUnsuited, UnknownTopic, UnsupportedClient
from ml.features.build import studied
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.places import POINTER, PRETRAINED, current, models_directory, shipped
from ml.study.correctness import correct_setting, suits
from ml.study.history import WINDOW, LearnerHistory, StudyHistory, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from ml import ports
    from ml.storage.difficulty_choice import DifficultyTables
    from ml.storage.difficulty_table import DifficultyTable
    from ml.study.estimates import LearnerEstimates

MOST_OBJECTIVES = 200
"""The mean over a topic takes at most so many of its objectives, in the order in which the client names them."""

OF_CURRENT_MODEL = "current"


class ObjectiveWindow(Window):
    """The limits for reading another objective of a learner who has already been read: one row of each source."""

    __slots__ = ()
    reviews = metrics = sessions = validations = patterns = events = exams = missions = outcomes = masteries = 1


OBJECTIVE_WINDOW = ObjectiveWindow()


class StruggleFeatureExtractor:
    """Reads a learner's records and turns them into features.

    `db` is a client of the db package, or a connected Prisma client, async or sync. `difficulty` is the deployment's
    table of how other learners did on each objective; by default it is the newest one of the model that answers which
    knows nothing of what happened after the moment of prediction. If it is None, or there is no such table, the
    features that need it have no data.
    `correct_from` says which answers count as correct, GOOD or HARD; None is the deployment's setting, from the
    environment. Unknown learners and objectives raise the client's own errors (UnknownLearner, UnknownObjective).
    """

    _tables: DifficultyTables | None = None

    def __init__(
        self,
        db: object,
        difficulty: DifficultyTable | str | None = OF_CURRENT_MODEL,
        correct_from: str | None = None,
    ) -> None:
        self._records = _as_records(db)
        self._correct_from = correct_setting(correct_from)
        self._given = difficulty

    async def extract_features_for_objective(
        self, user_id: str, objective_id: str, as_of: datetime | int | None = None
    ) -> FeatureVector:
        """Computes the features of one learner facing one objective, from rows strictly before as_of.

        as_of: a datetime (a naive one is UTC) or milliseconds since 1970; None is the client's now.
        """
        rows = await self._records.aread(user_id, objective_id, _instant_ms(as_of), WINDOW)
        return self.features_of(StudyHistory.before(rows, self._correct_from))

    def extract(self, user_id: str, objective_id: str, as_of_ms: int | None = None) -> FeatureVector:
        """Does the same for callers without an event loop."""
        rows = self._records.read(user_id, objective_id, as_of_ms, WINDOW)
        return self.features_of(StudyHistory.before(rows, self._correct_from))

    async def extract_features_for_topic(
        self, user_id: str, topic_area: str, as_of: datetime | int | None = None
    ) -> FeatureVector:
        """The mean features of the topic's objectives (at most 200); each mean is over the objectives that have data.

        topic_area: a course's id or name, or a topic tag. Raises UnknownTopic where it names no objective.
        """
        import asyncio

        found = await asyncio.to_thread(self._records.objectives_of_topic, topic_area)
        # A client that only speaks asynchronously has merely begun: its answer is awaited here, on its own loop.
        objective_ids = (await found if hasattr(found, "__await__") else found)[:MOST_OBJECTIVES]
        if not objective_ids:
            raise UnknownTopic(f"no objective belongs to the topic {topic_area[:80]!r}")
        rows = await self._records.aread(user_id, objective_ids[0], _instant_ms(as_of), WINDOW)
        past = LearnerHistory(rows.learner, rows.as_of_ms, rows.is_now, self._correct_from)
        vectors = [self.features_of(StudyHistory(past, rows.objective))]
        for objective_id in objective_ids[1:]:
            more = await self._records.aread(user_id, objective_id, rows.as_of_ms, OBJECTIVE_WINDOW)
            vectors.append(self.features_of(StudyHistory(past, more.objective)))
        return _mean(vectors)

    def features_of(self, history: StudyHistory) -> FeatureVector:
        """Computes the features of a history that has been read, in the same way for training, batch and prediction."""
        return self.studied(history)[1]

    def studied(self, history: StudyHistory) -> tuple[LearnerEstimates | None, FeatureVector]:
        """The features, and the estimates that they rest on; None for a learner who is not tracked."""
        estimates, (features,) = studied([history], self._difficulty_at(history.past.as_of_ms))
        return estimates, features

    def _create_default_feature_vector(
        self, degraded: str = "features could not be extracted", as_of: datetime | int | None = None
    ) -> FeatureVector:
        """Every feature neutral and without data; `degraded` says why, and keeps the confidence of any answer low."""
        as_of_ms = _instant_ms(as_of)
        return FeatureVector.of({}, self._now_ms() if as_of_ms is None else as_of_ms, degraded)

    def _difficulty_at(self, as_of_ms: int) -> DifficultyTable | None:
        if isinstance(self._given, str):
            self._given, self._tables = None, _tables_of_current_model(self._correct_from)
        return self._given if self._tables is None else self._tables.at(as_of_ms)

    def _now_ms(self) -> int:
        try:
            return self._records.now()
        except Exception:  # what keeps the records from us keeps their clock too, and a default must not fail
            import time

            return time.time_ns() // 1_000_000


def _tables_of_current_model(correct_from: str) -> DifficultyTables | None:
    """The tables of the model that answers, for callers who make the extractor without one. Raises ModelRefused."""
    import os

    from ml.storage import model_file
    from ml.storage.difficulty_choice import DifficultyTables

    directory = models_directory()
    for path in (current(), os.path.join(directory, PRETRAINED), shipped()):
        try:
            saved = model_file.read(path)
        except (ModelNotFound, ModelUnsuited):
            continue
        if suits(saved.correct_from, correct_from):
            return DifficultyTables(saved, os.path.dirname(path), os.path.join(directory, POINTER), correct_from)
    return None


def _as_records(client: object) -> ports.StudyRecords:
    """The client itself where it reads study records, else what the db package makes of it.

    Raises UnsupportedClient for an object through which nothing can be read.
    """
    if hasattr(client, "read") and hasattr(client, "aread"):
        return client  # type: ignore[return-value]
    if not hasattr(client, "query_raw"):
        raise UnsupportedClient(f"{type(client).__name__} is not a database client: it has neither read nor query_raw")
    # By name and only here: ml stands without db, and a caller who brings a Prisma client has db beside it.
    from importlib import import_module

    records: ports.StudyRecords = import_module("db").as_records(client)
    return records


def _instant_ms(as_of: datetime | int | None) -> int | None:
    if as_of is None or isinstance(as_of, int):
        return as_of
    from ml.instants import from_datetime

    return from_datetime(as_of)


def _mean(vectors: list[FeatureVector]) -> FeatureVector:
    """The mean of each feature over the vectors that know it; a feature that none knows is defaulted."""
    known: dict[str, float | None] = {}
    for name in FEATURE_NAMES:
        values = [value for vector in vectors if (value := vector.known(name)) is not None]
        known[name] = sum(values) / len(values) if values else None
    return FeatureVector.of(known, vectors[0].extracted_at_ms, vectors[0].degraded)
