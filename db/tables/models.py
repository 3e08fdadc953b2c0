"""The platform's models: the table and columns that each has by default, and what an app may call them instead.

A model here is a Prisma model, a field one of its fields. An app's own schema.prisma (db/tables/app_schema.py) may
rename any table, column or enum value; every query uses a Mapping, so that no other code has to consider this.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping as Dictionary
    from typing import Protocol

    class Names(Protocol):
        """What an app's schema says; db.tables.app_schema.SchemaNames has this shape."""

        def table(self, model: str, default: str) -> str: ...
        def table_schema(self, model: str, default: str) -> str | None: ...
        def column(self, model: str, default_table: str, field: str) -> str: ...
        def stored_values(self, model: str, default_table: str, field: str) -> Dictionary[str, str]: ...


class Model:
    """One Prisma model: its default table, the fields that are read, and those without which its rows are useless."""

    __slots__ = ("fields", "needed", "table")

    def __init__(self, table: str, needed: str, optional: str = "") -> None:
        self.table = table
        self.needed = tuple(needed.split())
        self.fields = self.needed + tuple(optional.split())


MODELS = {
    "User": Model("users", "id", "includeInAnalytics performanceTrackingEnabled behavioralAnalysisEnabled"),
    "Course": Model("courses", "id", "userId name"),
    "Lecture": Model("lectures", "id courseId", "userId topicTags"),
    "LearningObjective": Model(
        "learning_objectives", "id", "lectureId objective complexity masteryLevel lastStudiedAt weaknessScore"
    ),
    "ObjectivePrerequisite": Model("objective_prerequisites", "objectiveId prerequisiteId", "strength"),
    "Card": Model(
        "cards",
        "id courseId objectiveId",
        "nextReviewAt reviewCount lapseCount",
    ),
    "Review": Model("reviews", "id userId cardId rating reviewedAt", "sessionId"),
    "StudySession": Model("study_sessions", "id userId startedAt", "completedAt durationMs newCardsStudied"),
    "ValidationPrompt": Model("validation_prompts", "id objectiveId"),
    "ValidationResponse": Model("validation_responses", "id promptId userId score respondedAt", "skipped"),
    "PerformanceMetric": Model(
        "performance_metrics",
        "id userId learningObjectiveId date retentionScore",
    ),
    "BehavioralPattern": Model("behavioral_patterns", "id userId patternType lastSeenAt", "patternData confidence"),
    "BehavioralEvent": Model("behavioral_events", "id userId timestamp", "sessionPerformanceScore contentType"),
    "UserLearningProfile": Model(
        "user_learning_profiles",
        "userId",
        "learningStyleProfile contentPreferences",
    ),
    "Exam": Model("exams", "id userId date", "courseId coverageTopics"),
    "Mission": Model("missions", "id userId date", "status objectives"),
    "StrugglePrediction": Model(
        "struggle_predictions",
        "id userId learningObjectiveId actualOutcome actualOutcomeRecordedAt",
        "predictionStatus featureVector interventionApplied predictedStruggleProbability predictionConfidence "
        "predictionDate predictedAt strugglingFactors",
    ),
    "PredictionFeedback": Model(
        "prediction_feedbacks", "id predictionId userId actualStruggle submittedAt", "feedbackType"
    ),
}
"""What is read. An optional field that the table lacks reads as null; a needed one makes the source missing."""

REQUIRED_MODELS = ("User", "LearningObjective")

DEMO_CLOCK = "demo_clock"
"""Only the demo database has this table: the moment at which its clock stands, so that it reads the same any day."""

_UNREAD = {"DemoClock": DEMO_CLOCK, "StruggleIndicator": "struggle_indicators"}

NO_RENAMES: Dictionary[str, str] = {}


def default_table(model: str) -> str:
    """The model's table in an app that renames nothing."""
    return MODELS[model].table if model in MODELS else _UNREAD[model]


class Mapping:
    """The tables and columns in which one app keeps the models. Immutable; without names it has the defaults."""

    __slots__ = ("_names",)

    def __init__(self, names: Names | None = None) -> None:
        self._names = names

    def table(self, model: str) -> str:
        """The model's table, unquoted."""
        default = default_table(model)
        return self._names.table(model, default) if self._names else default

    def table_schema(self, model: str) -> str | None:
        """The PostgreSQL schema of the model's table, None where the search path finds it."""
        return self._names.table_schema(model, default_table(model)) if self._names else None

    def column(self, model: str, field: str) -> str:
        """The field's column, unquoted."""
        return self._names.column(model, default_table(model), field) if self._names else field

    def stored_values(self, model: str, field: str) -> Dictionary[str, str]:
        """Stored text -> the app's name of an enum value, for those stored under another text."""
        return self._names.stored_values(model, default_table(model), field) if self._names else NO_RENAMES


DEFAULT_MAPPING = Mapping()
