"""What reading returns: one plain record per row, already in the predictor's units.

Instants are integers, milliseconds since 1970-01-01T00:00:00Z. Ids are strings. JSON columns are decoded (None where
the text is broken). Scores are as stored, and ml bounds them. This module does not use ml; ml/ports.py declares the
same shapes as Protocols, and mypy checks that they match.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple
else:
    from _collections import _tuplegetter  # the C half of collections.namedtuple

    class _Fields(type):
        """Makes a class of its annotations: a property for each, by its place."""

        def __new__(mcs, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            places = {field: _tuplegetter(place, "") for place, field in enumerate(fields)}
            named = {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            return super().__new__(mcs, name, bases, {**body, **places, **named})

    class NamedTuple(tuple, metaclass=_Fields):
        """The part of typing.NamedTuple that rows need.

        `import typing` takes a sixth of the time of a whole prediction, and collections.namedtuple compiles code for
        every class.
        """

        def __new__(cls, *values, **by_name):
            if by_name or len(values) != len(cls._fields):
                values = _completed(cls, values, by_name)
            return tuple.__new__(cls, values)

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

        def _asdict(self):
            return dict(zip(self._fields, self))

        def _replace(self, **changed):
            return type(self)(**{**self._asdict(), **changed})

    def _completed(cls, values, by_name):
        """The values of all fields in their order. Raises TypeError."""
        given = {**cls._field_defaults, **dict(zip(cls._fields, values)), **by_name}
        twice = by_name.keys() & set(cls._fields[: len(values)])
        if twice or len(values) > len(cls._fields) or given.keys() != set(cls._fields):
            raise TypeError(f"{cls.__name__} takes each of {', '.join(cls._fields)} once")
        return [given[field] for field in cls._fields]


class LearnerRow(NamedTuple):
    """A row of users. The three flags are the learner's own consent switches."""

    id: str
    include_in_analytics: bool
    performance_tracking_enabled: bool
    behavioral_analysis_enabled: bool


class ObjectiveRow(NamedTuple):
    """A learning objective with its lecture. masteryLevel, weaknessScore and lastStudiedAt are the owner's, now."""

    id: str
    complexity: str | None
    mastery_level: str | None
    weakness_score: float | None
    last_studied_at_ms: int | None
    owner_id: str | None
    course_id: str | None
    course_name: str | None
    topic_tags: tuple[str, ...]


class ReviewRow(NamedTuple):
    """One answer, rated AGAIN, HARD, GOOD or EASY. order_only: its time says only where it comes in the order."""

    card_id: str
    objective_id: str | None
    course_id: str | None
    rating: str
    reviewed_at_ms: int
    order_only: bool


class MetricRow(NamedTuple):
    """One performance_metrics row: one learner, one objective, one day; it speaks for the whole day."""

    objective_id: str
    course_id: str | None
    date_ms: int
    retention_score: float | None


class PrerequisiteRow(NamedTuple):
    """An edge of objective_prerequisites with the prerequisite it points to; name is the prerequisite's text."""

    objective_id: str
    mastery_level: str | None
    owner_id: str | None
    name: str | None = None
    course_id: str | None = None


class CardRow(NamedTuple):
    """A card of the objective; every field except id is as it is now."""

    id: str
    next_review_at_ms: int | None
    lapse_count: int | None
    review_count: int | None


class SessionRow(NamedTuple):
    """A study session of the learner."""

    started_at_ms: int
    completed_at_ms: int | None
    duration_ms: int | None
    new_cards_studied: int | None


class ValidationRow(NamedTuple):
    """An answered (not skipped) validation prompt; score 0..1."""

    objective_id: str | None
    course_id: str | None
    score: float | None
    responded_at_ms: int


class PatternRow(NamedTuple):
    """A behavioural pattern; pattern is the decoded JSON of patternData."""

    pattern_type: str
    pattern: object
    confidence: float | None
    last_seen_at_ms: int


class EventRow(NamedTuple):
    """A behavioural event; performance_score is 0..100 or None."""

    timestamp_ms: int
    performance_score: int | None
    content_type: str | None


class ProfileRow(NamedTuple):
    """The learner's profile as it is now; its three JSON columns are decoded."""

    learning_style: object
    content_preferences: object


class ExamRow(NamedTuple):
    """An exam of the learner; its date is a plan and may lie after as_of."""

    course_id: str | None
    date_ms: int
    coverage_topics: tuple[str, ...]


class MissionRow(NamedTuple):
    """A planned or past day of study; objectives is the decoded JSON list."""

    date_ms: int
    status: str | None
    objectives: object
    id: str = ""


class OutcomeRow(NamedTuple):
    """The recorded outcome of an earlier prediction for this learner."""

    objective_id: str
    course_id: str | None
    struggled: bool
    recorded_at_ms: int


class MasteryRow(NamedTuple):
    """The learner's mastery of an objective of his or her own, as it is now."""

    objective_id: str
    course_id: str | None
    mastery_level: str | None


class EarlierRow(NamedTuple):
    """A stored prediction for the same learner and objective; features is the decoded JSON of featureVector."""

    predicted_at_ms: int
    probability: float | None
    features: object


class LearnerRows(NamedTuple):
    """Everything that is read once per learner. Sources ordered by time begin with the oldest row.

    unknown_values: enum values that the app does not define, as (column, value); such a value counts as no data.
    """

    learner: LearnerRow
    reviews: Sequence[ReviewRow]
    metrics: Sequence[MetricRow]
    sessions: Sequence[SessionRow]
    validations: Sequence[ValidationRow]
    patterns: Sequence[PatternRow]
    events: Sequence[EventRow]
    profile: ProfileRow | None
    exams: Sequence[ExamRow]
    missions: Sequence[MissionRow]
    outcomes: Sequence[OutcomeRow]
    masteries: Sequence[MasteryRow]
    unknown_values: Sequence[tuple[str, str]] = ()


class ObjectiveRows(NamedTuple):
    """Everything that is read once per objective; unknown_values as in LearnerRows."""

    objective: ObjectiveRow
    prerequisites: Sequence[PrerequisiteRow]
    cards: Sequence[CardRow]
    unknown_values: Sequence[tuple[str, str]] = ()


class StudyRows(NamedTuple):
    """One learner and one objective as of one moment. is_now: whether as_of was the client's present moment.

    missing_sources: what was not available for the answer, named as in db/sql/catalogue.py. earlier: the newest stored
    predictions for the learner and the objective, the newest first, whether before or after as_of.
    """

    as_of_ms: int
    is_now: bool
    learner: LearnerRows
    objective: ObjectiveRows
    missing_sources: tuple[str, ...]
    earlier: Sequence[EarlierRow] = ()
