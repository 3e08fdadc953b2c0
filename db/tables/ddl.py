"""The tables that `python -m scripts.create_database` makes, in both dialects, as Prisma would make them.

db/schema.prisma declares the same tables for Prisma, and a test compares the two. Foreign keys are left out: the app's
own database has them, and no query relies on them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MODELS = """
User users: email String?, name String?, createdAt DateTime now, includeInAnalytics Boolean true,
    performanceTrackingEnabled Boolean true, behavioralAnalysisEnabled Boolean true
Course courses: userId String, name String; index userId
Lecture lectures: userId String, courseId String, title String, weekNumber Int?, topicTags String[];
    index userId; index courseId
LearningObjective learning_objectives: lectureId String, objective String, complexity Complexity 'INTERMEDIATE',
    masteryLevel MasteryLevel 'NOT_STARTED', lastStudiedAt DateTime?, totalStudyTimeMs Int 0, weaknessScore Float 0.5,
    isHighYield Boolean false, createdAt DateTime now; index lectureId
ObjectivePrerequisite objective_prerequisites: objectiveId String, prerequisiteId String, strength Float 1.0;
    unique objectiveId prerequisiteId
Card cards: courseId String, lectureId String?, objectiveId String?, difficulty Float 0, stability Float 0,
    retrievability Float 1, lastReviewedAt DateTime?, nextReviewAt DateTime?, reviewCount Int 0, lapseCount Int 0;
    index courseId; index nextReviewAt
Review reviews: userId String, cardId String, sessionId String?, rating Rating, timeSpentMs Int 0,
    reviewedAt DateTime now, difficultyBefore Float 0, stabilityBefore Float 0, difficultyAfter Float 0,
    stabilityAfter Float 0; index userId; index cardId; index reviewedAt
StudySession study_sessions: userId String, missionId String?, startedAt DateTime now, completedAt DateTime?,
    durationMs Int?, reviewsCompleted Int 0, newCardsStudied Int 0; index userId
ValidationPrompt validation_prompts: objectiveId String?, conceptName String, difficultyLevel String?;
    index objectiveId
ValidationResponse validation_responses: promptId String, sessionId String?, userId String, score Float,
    confidence Float?, respondedAt DateTime now, skipped Boolean false; index promptId; index userId
PerformanceMetric performance_metrics: userId String, learningObjectiveId String, date DateTime,
    retentionScore Float, studyTimeMs Int 0, reviewCount Int 0, correctReviews Int 0, incorrectReviews Int 0;
    unique userId learningObjectiveId date; index userId date
BehavioralPattern behavioral_patterns: userId String, patternType String, patternData Json, confidence Float,
    lastSeenAt DateTime now, evidence Json?; index userId
BehavioralEvent behavioral_events: userId String, eventType String, timestamp DateTime now,
    sessionPerformanceScore Int?, engagementLevel String?, contentType String?; index userId timestamp
UserLearningProfile user_learning_profiles: userId String, learningStyleProfile Json?, contentPreferences Json?,
    personalizedForgettingCurve Json?, optimalSessionDuration Int?, dataQualityScore Float 0; unique userId
Exam exams: userId String, courseId String, name String, date DateTime, coverageTopics String[]; index userId
Mission missions: userId String, date DateTime, status MissionStatus 'PENDING', estimatedMinutes Int 0,
    objectives Json; index userId
StrugglePrediction struggle_predictions: userId String, learningObjectiveId String, topicId String?,
    predictedStruggleProbability Float, predictionConfidence Float, predictionStatus PredictionStatus 'PENDING',
    featureVector Json?, strugglingFactors Json?, predictionDate DateTime now, predictedAt DateTime now,
    actualOutcome Boolean?, actualOutcomeRecordedAt DateTime?, interventionApplied Boolean false;
    index userId; index learningObjectiveId; index predictionDate; index predictedAt
StruggleIndicator struggle_indicators: userId String, learningObjectiveId String, predictionId String?,
    indicatorType String, severity Severity, context Json?, detectedAt DateTime now; index userId; index predictionId
PredictionFeedback prediction_feedbacks: predictionId String, userId String, feedbackType String,
    actualStruggle Boolean, comments String?, submittedAt DateTime now; index predictionId; index userId
"""
"""Every model has `id String` as its primary key. `?` may be null; a last word is the default."""

ENUMS = {
    "Complexity": ("BASIC", "INTERMEDIATE", "ADVANCED"),
    "MasteryLevel": ("NOT_STARTED", "BEGINNER", "INTERMEDIATE", "ADVANCED", "MASTERED"),
    "Rating": ("AGAIN", "HARD", "GOOD", "EASY"),
    "MissionStatus": ("PENDING", "IN_PROGRESS", "COMPLETED", "SKIPPED"),
    "PredictionStatus": ("PENDING", "CONFIRMED", "FALSE_POSITIVE", "MISSED", "DISMISSED", "RESOLVED"),
    "Severity": ("LOW", "MEDIUM", "HIGH", "CRITICAL"),
}

_SQLITE_TYPES = {
    "String": "TEXT",
    "Int": "INTEGER",
    "Float": "REAL",
    "Boolean": "BOOLEAN",
    "DateTime": "DATETIME",
    "Json": "JSONB",
    "String[]": "JSONB",
}
_POSTGRES_TYPES = {
    "String": "TEXT",
    "Int": "INTEGER",
    "Float": "DOUBLE PRECISION",
    "Boolean": "BOOLEAN",
    "DateTime": "TIMESTAMP(3)",
    "Json": "JSONB",
    "String[]": "TEXT[]",
}


class Field:
    """A column: its Prisma type, whether it may be null, and its default as SQL, None where it has none."""

    __slots__ = ("default", "name", "nullable", "type")

    def __init__(self, words: Sequence[str]) -> None:
        self.name = words[0]
        self.type = words[1].removesuffix("?")
        self.nullable = words[1].endswith("?")
        default = words[2] if len(words) > 2 else None
        self.default = "CURRENT_TIMESTAMP" if default == "now" else default


class Table:
    """A table with its fields, `id` first, and its indexes as (unique, field names)."""

    __slots__ = ("fields", "indexes", "model", "name")

    def __init__(self, definition: str) -> None:
        heading, _, body = definition.partition(": ")
        columns, *indexes = body.split(";")
        self.model, self.name = heading.split()
        fields = [Field(("id", "String")), *(Field(column.split()) for column in columns.split(","))]
        self.fields = {field.name: field for field in fields}
        self.indexes = [(index.split()[0] == "unique", tuple(index.split()[1:])) for index in indexes]

    def ddl(self, dialect: str, schema: str | None = None) -> list[str]:
        """CREATE TABLE and CREATE INDEX statements.

        schema: the PostgreSQL schema, None to use the session's search_path.
        """
        types = _POSTGRES_TYPES if dialect == "postgresql" else _SQLITE_TYPES
        columns = []
        for field in self.fields.values():
            kind = types.get(field.type) or (qualified(field.type, schema) if dialect == "postgresql" else "TEXT")
            # Prisma writes no NOT NULL to a list: an absent one is the empty one.
            required = "" if field.nullable or field.type == "String[]" else " NOT NULL"
            default = f" DEFAULT {field.default}" if field.default else ""
            columns.append(f'"{field.name}" {kind}{required}{default}')
        columns[0] += " PRIMARY KEY"
        statements = [f"CREATE TABLE {qualified(self.name, schema)} ({', '.join(columns)})"]
        for unique, names in self.indexes:
            listed = ", ".join(f'"{name}"' for name in names)
            title = "_".join((self.name, *names, "key" if unique else "idx"))
            statements.append(
                f'CREATE {"UNIQUE " if unique else ""}INDEX "{title}" ON {qualified(self.name, schema)} ({listed})'
            )
        return statements


def _parsed() -> dict[str, Table]:
    definitions: list[str] = []
    for line in _MODELS.strip().splitlines():
        if line.startswith(" "):
            definitions[-1] += " " + line.strip()
        else:
            definitions.append(line)
    tables = map(Table, definitions)
    return {table.model: table for table in tables}


TABLES = _parsed()


def qualified(name: str, schema: str | None) -> str:
    """The name in quotes, after its schema's where there is one."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name) if part is not None)


def ddl(dialect: str, schema: str | None = None) -> list[str]:
    """Every statement that makes the empty tables; dialect is "sqlite" or "postgresql".

    schema: the PostgreSQL schema in which they are made; None: the first one on the session's search_path.
    """
    statements = []
    if dialect == "postgresql":
        for name, values in ENUMS.items():
            listed = ", ".join(f"'{value}'" for value in values)
            statements.append(f"CREATE TYPE {qualified(name, schema)} AS ENUM ({listed})")
    for table in TABLES.values():
        statements += table.ddl(dialect, schema)
    return statements
