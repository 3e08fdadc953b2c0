"""The app's own database, as its schema makes it: every column, enum, index and foreign key, on both databases.

Unlike db/tables/ddl.py, which makes what the predictor reads, this is what it meets: columns that it never names and
that have no default, enums that are PostgreSQL types, foreign keys, and no prediction_feedbacks.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg2

from db.connecting import DEMO
from db.demo import NOW_MS
from db.sql.instants import stored_text
from db.writing.statements import quoted
from ml.instants import parse_iso
from ml.study.history import DAY_MS

_MODELS = """
User users: email String? unique, name String?, createdAt DateTime now, updatedAt DateTime,
    autoGenerateMissions Boolean true, defaultMissionMinutes Int 50, missionDifficulty String 'AUTO',
    preferredStudyTime String?, includeInAnalytics Boolean true, performanceTrackingEnabled Boolean true,
    lastMissionAdaptation DateTime?, behavioralAnalysisEnabled Boolean true,
    learningStyleProfilingEnabled Boolean true, shareAnonymizedPatterns Boolean false,
    sharePeerCalibrationData Boolean false
Course courses: userId String, name String, code String?, term String?, createdAt DateTime now, updatedAt DateTime,
    color String?; index userId
Lecture lectures: userId String, courseId String, title String, fileName String, fileUrl String, fileSize Int,
    processingStatus ProcessingStatus PENDING, uploadedAt DateTime now, processedAt DateTime?, weekNumber Int?,
    topicTags String[], estimatedCompletionAt DateTime?, processedPages Int 0, processingProgress Int 0,
    processingStartedAt DateTime?, totalPages Int?, embeddingProgress Float 0; index userId; index courseId;
    index processingStatus
LearningObjective learning_objectives: lectureId String, objective String, isHighYield Boolean false,
    extractedBy String 'text', createdAt DateTime now, complexity ObjectiveComplexity INTERMEDIATE,
    boardExamTags String[], pageStart Int?, pageEnd Int?, lastStudiedAt DateTime?,
    masteryLevel MasteryLevel NOT_STARTED, totalStudyTimeMs Int 0, weaknessScore Float 0.5; index lectureId;
    index isHighYield; index complexity; index masteryLevel; index weaknessScore
ObjectivePrerequisite objective_prerequisites: objectiveId String, prerequisiteId String, strength Float 1.0;
    unique objectiveId prerequisiteId; index objectiveId; index prerequisiteId
Card cards: courseId String, lectureId String?, objectiveId String?, front String, back String,
    cardType CardType BASIC, createdAt DateTime now, difficulty Float 0, stability Float 0, retrievability Float 0,
    lastReviewedAt DateTime?, nextReviewAt DateTime?, reviewCount Int 0, lapseCount Int 0; index courseId;
    index nextReviewAt
Mission missions: userId String, date DateTime now, status MissionStatus PENDING, estimatedMinutes Int,
    completedAt DateTime?, reviewCardCount Int 0, newContentCount Int 0, actualMinutes Int?,
    completedObjectivesCount Int 0, objectives Json, difficultyRating Int?, successScore Float?,
    recommendedStartTime DateTime?, actualStartTime DateTime?, sessionPerformanceScore Float?,
    recommendedDuration Int?, actualDuration Int?; index userId; index date; index status
StudySession study_sessions: userId String, missionId String?, startedAt DateTime now, completedAt DateTime?,
    durationMs Int?, reviewsCompleted Int 0, newCardsStudied Int 0, sessionNotes String?, currentObjectiveIndex Int 0,
    missionObjectives Json?, objectiveCompletions Json?; index userId; index startedAt
Review reviews: userId String, cardId String, sessionId String?, rating ReviewRating, timeSpentMs Int,
    reviewedAt DateTime now, difficultyBefore Float, stabilityBefore Float, difficultyAfter Float,
    stabilityAfter Float; index userId; index cardId; index reviewedAt
ValidationPrompt validation_prompts: promptText String, promptType PromptType, conceptName String,
    expectedCriteria String[], createdAt DateTime now, objectiveId String?, promptData Json?,
    difficultyLevel Float? 0.5, timesUsed Int 0, lastUsedAt DateTime?, discriminationIndex Float? 0.5;
    index objectiveId; index difficultyLevel
ValidationResponse validation_responses: promptId String, sessionId String?, userAnswer String, aiEvaluation String,
    score Float, confidence Float?, preAssessmentConfidence Float?, respondedAt DateTime now, userId String,
    confidenceLevel Int?, calibrationDelta Float?, calibrationCategory CalibrationCategory?, detailedFeedback Json?,
    reflectionNotes String?, skipped Boolean false, updatedAt DateTime, initialDifficulty Float?; index promptId;
    index respondedAt; index sessionId; index userId; index userId respondedAt
PerformanceMetric performance_metrics: userId String, learningObjectiveId String, date DateTime now,
    retentionScore Float, studyTimeMs Int, reviewCount Int, correctReviews Int, incorrectReviews Int,
    createdAt DateTime now; unique userId learningObjectiveId date; index userId date; index learningObjectiveId
BehavioralPattern behavioral_patterns: userId String, patternType BehavioralPatternType, patternData Json,
    confidence Float, firstDetectedAt DateTime now, lastSeenAt DateTime now, patternName String?, evidence String[],
    occurrenceCount Int 0, detectedAt DateTime now; index userId; index patternType; index confidence;
    index occurrenceCount; index detectedAt; index userId patternType confidence; index userId lastSeenAt
BehavioralEvent behavioral_events: userId String, eventType EventType, eventData Json, timestamp DateTime now,
    completionQuality CompletionQuality?, contentType String?, dayOfWeek Int?, difficultyLevel String?,
    engagementLevel EngagementLevel?, sessionPerformanceScore Int?, timeOfDay Int?, experimentPhase String?,
    randomizationSeed Int?, contextMetadataId String?; index userId; index eventType; index timestamp;
    index userId eventType timestamp; index userId dayOfWeek; index userId timeOfDay; index experimentPhase;
    index contextMetadataId
UserLearningProfile user_learning_profiles: userId String unique, preferredStudyTimes Json,
    averageSessionDuration Int, optimalSessionDuration Int, contentPreferences Json, learningStyleProfile Json,
    personalizedForgettingCurve Json, lastAnalyzedAt DateTime now, dataQualityScore Float 0.0; index userId
Exam exams: userId String, name String, date DateTime, courseId String, coverageTopics String[],
    createdAt DateTime now, updatedAt DateTime; index userId date; index courseId
StrugglePrediction struggle_predictions: userId String, learningObjectiveId String, topicId String?,
    predictedStruggleProbability Float, predictionConfidence Float, predictionStatus PredictionStatus PENDING,
    featureVector Json?, strugglingFactors Json, predictionDate DateTime now, predictedAt DateTime now,
    acknowledgedAt DateTime?, actualOutcome Boolean?, actualOutcomeRecordedAt DateTime?,
    interventionApplied Boolean false, interventionId String?; index userId; index learningObjectiveId;
    index predictedStruggleProbability; index predictionStatus; index predictionDate; index topicId;
    index userId predictionStatus predictedStruggleProbability; index userId topicId predictionDate
StruggleIndicator struggle_indicators: userId String, learningObjectiveId String, predictionId String?,
    indicatorType IndicatorType, severity Severity, context Json?, detectedAt DateTime now; index userId;
    index learningObjectiveId; index predictionId; index indicatorType; index severity
InterventionRecommendation intervention_recommendations: userId String, predictionId String?,
    interventionType InterventionType, description String, reasoning String, priority Int,
    status InterventionStatus PENDING, relatedObjectiveId String?, appliedToMissionId String?, appliedAt DateTime?,
    createdAt DateTime now, acknowledgedAt DateTime?; index userId; index predictionId; index status; index priority
CognitiveLoadMetric cognitive_load_metrics: userId String, sessionId String?, loadScore Float, stressIndicators Json,
    confidenceLevel Float, timestamp DateTime now; index userId; index sessionId; index timestamp; index loadScore
"""
"""Every model has `id String` as its primary key, made by the client. `?` may be null; a third word is the default."""

_ENUMS = """
BehavioralPatternType: OPTIMAL_STUDY_TIME SESSION_DURATION_PREFERENCE CONTENT_TYPE_PREFERENCE PERFORMANCE_PEAK
    ATTENTION_CYCLE FORGETTING_CURVE
CalibrationCategory: OVERCONFIDENT UNDERCONFIDENT CALIBRATED UNKNOWN
CardType: BASIC CLOZE CLINICAL_REASONING
CompletionQuality: RUSHED NORMAL THOROUGH
EngagementLevel: LOW MEDIUM HIGH
EventType: MISSION_STARTED MISSION_COMPLETED CARD_REVIEWED VALIDATION_COMPLETED SESSION_STARTED SESSION_ENDED
    LECTURE_UPLOADED SEARCH_PERFORMED GRAPH_VIEWED RECOMMENDATION_VIEWED RECOMMENDATION_CLICKED
    RECOMMENDATION_DISMISSED RECOMMENDATION_RATED
IndicatorType: BEHAVIORAL PERFORMANCE ENGAGEMENT COGNITIVE LOW_RETENTION PREREQUISITE_GAP COMPLEXITY_MISMATCH
    COGNITIVE_OVERLOAD HISTORICAL_STRUGGLE_PATTERN
InterventionStatus: PENDING IN_PROGRESS COMPLETED SKIPPED FAILED
InterventionType: PREREQUISITE_REVIEW DIFFICULTY_PROGRESSION SPACING_ADJUSTMENT CONTENT_VARIATION BREAK_RECOMMENDATION
    FOCUS_SESSION CONTENT_FORMAT_ADAPT COGNITIVE_LOAD_REDUCE SPACED_REPETITION_BOOST BREAK_SCHEDULE_ADJUST
MasteryLevel: NOT_STARTED BEGINNER INTERMEDIATE ADVANCED MASTERED
MissionStatus: PENDING IN_PROGRESS COMPLETED SKIPPED
ObjectiveComplexity: BASIC INTERMEDIATE ADVANCED
PredictionStatus: PENDING CONFIRMED FALSE_POSITIVE MISSED DISMISSED RESOLVED
ProcessingStatus: PENDING PROCESSING COMPLETED FAILED EMBEDDING EMBEDDING_FAILED
PromptType: EXPLAIN_TO_PATIENT CLINICAL_REASONING CONTROLLED_FAILURE
ReviewRating: AGAIN HARD GOOD EASY
Severity: LOW MEDIUM HIGH CRITICAL
"""

_POINTS_TO = {
    "userId": "users",
    "courseId": "courses",
    "lectureId": "lectures",
    "objectiveId": "learning_objectives",
    "learningObjectiveId": "learning_objectives",
    "prerequisiteId": "learning_objectives",
    "relatedObjectiveId": "learning_objectives",
    "cardId": "cards",
    "sessionId": "study_sessions",
    "missionId": "missions",
    "appliedToMissionId": "missions",
    "promptId": "validation_prompts",
    "predictionId": "struggle_predictions",
}
_SCALARS = {"String": "TEXT", "Int": "INTEGER", "Boolean": "BOOLEAN"}
_TYPES = {
    "sqlite": {**_SCALARS, "Float": "REAL", "DateTime": "DATETIME"},
    "postgresql": {**_SCALARS, "Float": "DOUBLE PRECISION", "DateTime": "TIMESTAMP(3)"},
}


def _entries(text: str) -> Iterator[tuple[str, str]]:
    lines: list[str] = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    for line in lines:
        heading, _, body = line.partition(": ")
        yield heading, body


ENUMS = {name: values.split() for name, values in _entries(_ENUMS)}


class Column:
    """A column as the app's schema has it."""

    def __init__(self, words: str) -> None:
        self.name, kind, *rest = words.split(maxsplit=2)
        self.listed = kind.endswith("[]")
        self.nullable = kind.endswith("?")
        self.type = kind.removesuffix("[]").removesuffix("?")
        default = " ".join(rest)
        self.unique = default.endswith("unique")
        default = default.removesuffix("unique").strip()
        if self.type in ENUMS and default:
            default = f"'{default}'"
        self.default = "CURRENT_TIMESTAMP" if default == "now" else default

    @property
    def required(self) -> bool:
        """Whether an INSERT must name it."""
        return not (self.nullable or self.listed or self.default)

    def ddl(self, dialect: str) -> str:
        """Its definition, with the foreign key that Prisma makes by default."""
        kind = _TYPES[dialect].get(self.type, f'"{self.type}"' if dialect == "postgresql" else "TEXT")
        if self.type == "Json" or self.listed:
            kind = "TEXT[]" if self.listed and dialect == "postgresql" else "JSONB"
        words = [quoted(self.name), kind]
        words += [] if self.nullable or self.listed else ["NOT NULL"]
        words += [f"DEFAULT {self.default}"] if self.default else []
        words += ["UNIQUE"] if self.unique else []
        if self.name in _POINTS_TO:
            action = "SET NULL" if self.nullable else "RESTRICT"
            words.append(f"REFERENCES {quoted(_POINTS_TO[self.name])} ON DELETE {action} ON UPDATE CASCADE")
        return " ".join(words)

    def stored(self, value: object, dialect: str) -> object:
        """As the app's client stores it: instants are given in milliseconds since 1970, Json as builtins."""
        if value is None:
            return None
        if self.type == "DateTime" and isinstance(value, int):
            return stored_text(value)[:-6] if dialect == "postgresql" else stored_text(value)
        if self.listed:
            return list(value) if dialect == "postgresql" else json.dumps(value)  # type: ignore[call-overload]
        return json.dumps(value) if self.type == "Json" else value

    def filler(self) -> object:
        """A value for a test that does not care."""
        if self.type in ENUMS:
            return ENUMS[self.type][0]
        return {"String": "-", "Int": 0, "Float": 0.0, "Boolean": False, "DateTime": 1_735_689_600_000, "Json": {}}[
            self.type
        ]


class Table:
    """A table of the app."""

    def __init__(self, heading: str, body: str) -> None:
        columns, *self._indexes = body.split("; ")
        self.model, self.name = heading.split()
        self.columns = {each.name: each for each in map(Column, ["id String", *columns.split(", ")])}

    def ddl(self, dialect: str) -> list[str]:
        """Its CREATE TABLE and CREATE INDEX statements."""
        key, *others = (each.ddl(dialect) for each in self.columns.values())
        statements = [f"CREATE TABLE {quoted(self.name)} ({', '.join([f'{key} PRIMARY KEY', *others])})"]
        for index in self._indexes:
            kind, *names = index.split()
            title = "_".join((self.name, *names, "key" if kind == "unique" else "idx"))
            unique = "UNIQUE " if kind == "unique" else ""
            listed = ", ".join(map(quoted, names))
            statements.append(f"CREATE {unique}INDEX {quoted(title)} ON {quoted(self.name)} ({listed})")
        return statements


TABLES = {table.model: table for table in (Table(*entry) for entry in _entries(_MODELS))}
"""By model, those that others refer to first."""


def ddl(dialect: str) -> list[str]:
    """Every statement that makes the app's empty database; dialect is "sqlite" or "postgresql"."""
    statements = []
    if dialect == "postgresql":
        for name, values in ENUMS.items():
            listed = ", ".join(f"'{value}'" for value in values)
            statements.append(f"CREATE TYPE {quoted(name)} AS ENUM ({listed})")
    for table in TABLES.values():
        statements += table.ddl(dialect)
    return statements


def dialect_of(url: str) -> str:
    """ "sqlite" or "postgresql"."""
    return "postgresql" if url.startswith("postgres") else "sqlite"


@contextlib.contextmanager
def connection(url: str) -> Iterator[Any]:
    """The driver's own connection to a test's database, committed at the end; SQLite's keeps foreign keys."""
    if dialect_of(url) == "postgresql":
        opened: Any = psycopg2.connect(url)
    else:
        opened = sqlite3.connect(url.removeprefix("file:"))
        opened.execute("PRAGMA foreign_keys = ON")
    with contextlib.closing(opened), opened:
        yield opened


def make_app(url: str) -> str:
    """Makes the app's tables in an empty database, or in a SQLite file that is not there yet; returns the URL."""
    run(url, *ddl(dialect_of(url)))
    return url


def run(url: str, *statements: str) -> None:
    """SQL as it stands, in one transaction."""
    with connection(url) as opened:
        cursor = opened.cursor()
        for statement in statements:
            cursor.execute(statement)


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of one SELECT as the driver gives them."""
    with connection(url) as opened:
        cursor = opened.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())


def insert(url: str, model: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Rows as the app writes them: what a row does not name takes its default, or a filler where it has none."""
    table, dialect = TABLES[model], dialect_of(url)
    mark = "%s" if dialect == "postgresql" else "?"
    with connection(url) as opened:
        cursor = opened.cursor()
        for row in rows:
            whole = {name: each.filler() for name, each in table.columns.items() if each.required} | dict(row)
            columns = ", ".join(map(quoted, whole))
            values = [table.columns[name].stored(value, dialect) for name, value in whole.items()]
            marks = ", ".join([mark] * len(values))
            cursor.execute(f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({marks})", values)


def fill_with_demo(url: str, now_ms: int) -> None:
    """The demo learner and classmates in the app's tables, as though the demo's today were the day of now_ms."""
    later_ms = (now_ms - NOW_MS) // DAY_MS * DAY_MS
    with contextlib.closing(sqlite3.connect(f"file:{DEMO}?mode=ro", uri=True)) as demo:
        demo.row_factory = sqlite3.Row
        for table in TABLES.values():
            try:
                rows = demo.execute(f'SELECT * FROM "{table.name}"').fetchall()
            except sqlite3.OperationalError:  # a table of the app's own
                continue
            insert(url, table.model, [_moved(table, row, later_ms) for row in rows])


def _moved(table: Table, row: sqlite3.Row, later_ms: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in row.keys():  # noqa: SIM118 - a Row iterates over its values
        column, value = table.columns[name], row[name]
        if value is None or name == "difficultyLevel":  # a word in the demo, a number in the app
            continue
        if column.type == "DateTime":
            value = parse_iso(value) + later_ms
        elif column.type == "Json" or column.listed:
            value = json.loads(value)
        found[name] = bool(value) if column.type == "Boolean" else value
    return found
