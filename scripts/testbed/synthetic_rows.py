"""The made-up rows of a platform of any size, for benchmarks and tests of size, not of quality.

The answers follow a formula and show no learning. Everything is made inside the database by one INSERT ... SELECT per
table, so that ten million reviews take minutes, and the same arguments give the same rows on SQLite and PostgreSQL.
Answers are stored in the order of their time, as a platform stores them: one learner's rows are far apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from db.tables.ddl import TABLES, qualified
from db.writing.open import Writer
from ml.study.history import DAY_MS

DAYS = 56
"""The answers of each learner are spread over this many days before now."""
ANSWERS_OF_A_VISIT = 5
CARDS_OF_AN_OBJECTIVE = 5
STUDIED_TENTHS = 7
"""How many tenths of the course's objectives a learner has met; the others are still unseen."""
CROWD = "learner-crowd"
"""The learner who gets what Size.crowd_every says."""
ROWS_AT_ONCE = 500_000


class Size:
    """How much to make. Learner i studies course i % courses, and has an exam ahead on all of its objectives.

    tiers: learner i stops after (i % tiers + 1) / tiers of the answers. crowd_every: every so many learners, the
    reviews of one belong to CROWD instead; 0 means never.
    """

    def __init__(
        self,
        learners: int,
        objectives: int = 20,
        answers: int = 100,
        courses: int = 50,
        tiers: int = 1,
        crowd_every: int = 0,
    ) -> None:
        self.learners = learners
        self.objectives = objectives
        self.answers = answers
        self.courses = min(courses, learners)
        self.tiers = tiers
        self.crowd_every = crowd_every


def fill(writer: Writer, size: Size, now_ms: int) -> None:
    """Fills the empty tables: learners, content, answers, metrics, sessions, prompts, profiles, exams and missions."""
    for _stored in insertions(writer, size, now_ms):
        pass
    if writer.dialect == "postgresql":
        writer.commit()
        writer.execute(f"ANALYZE {', '.join(writer.table(model) for model in TABLES)}")


def insertions(writer: Writer, size: Size, now_ms: int) -> Iterator[tuple[str, int]]:
    """Fills the tables in portions, and yields model and number of rows after each. The caller runs ANALYZE."""
    numbers = _Numbers(writer.dialect, now_ms // 1000 * 1000, writer.schema())
    for model, counters, values in _content(size, numbers) + _study(size, numbers):
        table = TABLES[model]
        columns = ", ".join(f'"{name}"' for name in values)
        selected = ", ".join(numbers.typed(table.fields[name].type, value) for name, value in values.items())
        (outer, count), *inner = counters
        where = numbers.before_they_stop(size, outer, count) if inner == [("i", size.learners)] else ""
        stretch = max(1, ROWS_AT_ONCE // (inner[0][1] if inner else 1))
        for first in range(0, count, stretch):
            listed = [(outer, first, min(count, first + stretch)), *((name, 0, stop) for name, stop in inner)]
            sql = f"INSERT INTO {writer.table(model)} ({columns}) {numbers.select(selected, listed, where)}"
            yield model, writer.execute(sql)


class _Numbers:
    """What differs between the dialects: counting, instants and JSON."""

    def __init__(self, dialect: str, now_ms: int, schema: str | None) -> None:
        self.dialect = dialect
        self.schema = schema
        self.now_ms = now_ms

    def select(self, columns: str, counters: list[tuple[str, int, int]], where: str = "") -> str:
        """One row per combination of the counters (name, first, stop); the first counter moves slowest."""
        if self.dialect == "postgresql":
            listed = ", ".join(f"generate_series({first}, {stop - 1}) AS {name}" for name, first, stop in counters)
            order = f" ORDER BY {', '.join(name for name, _, _ in counters)}" if len(counters) > 1 else ""
            return f"SELECT {columns} FROM {listed}{where}{order}"  # noqa: S608 - our own names and numbers
        counts = ", ".join(
            f"each_{name}({name}) AS (SELECT {first} WHERE {stop} > {first} UNION ALL"  # noqa: S608 - our own
            f" SELECT {name} + 1 FROM each_{name} WHERE {name} + 1 < {stop})"
            for name, first, stop in counters
        )
        listed = " CROSS JOIN ".join(f"each_{name}" for name, _, _ in counters)  # SQLite keeps a CROSS JOIN's order
        return f"WITH RECURSIVE {counts} SELECT {columns} FROM {listed}{where}"  # noqa: S608 - our own names

    def before_they_stop(self, size: Size, nth: str, count: int) -> str:
        """The condition that learner i, who may stop early, has the nth of this many rows."""
        tiers = size.tiers
        return f" WHERE {nth} * {tiers} < {count} * (i % {tiers} + 1)" if tiers > 1 else ""

    def typed(self, kind: str, sql: str) -> str:
        """An expression as a column of the Prisma type holds it; a DateTime is given in milliseconds."""
        if kind == "DateTime":
            if self.dialect == "postgresql":
                return f"to_timestamp(({sql}) / 1000.0) AT TIME ZONE 'UTC'"
            return f"strftime('%Y-%m-%dT%H:%M:%f+00:00', ({sql}) / 1000.0, 'unixepoch')"
        if self.dialect == "postgresql" and kind not in ("String", "Int", "Float", "Boolean", "String[]"):
            return f"CAST({sql} AS {'jsonb' if kind == 'Json' else qualified(kind, self.schema)})"
        if kind == "String[]" and self.dialect == "postgresql":
            return f"ARRAY[{sql}]"
        return f"json_array({sql})" if kind == "String[]" else sql

    def identifier(self, prefix: str, *numbers: str) -> str:
        """The SQL of an id such as 'review-12-7'."""
        return f"'{prefix}-' || " + " || '-' || ".join(f"({number})" for number in numbers)


Making = list[tuple[str, tuple[tuple[str, int], ...], dict[str, str]]]


def _content(size: Size, sql: _Numbers) -> Making:
    """What all learners share: the courses, one lecture each, objectives, cards and a chain of prerequisites."""
    own = sql.identifier("learner", "0")
    objective = sql.identifier("objective", "c", "o")
    joined = str(sql.now_ms - (DAYS + 14) * DAY_MS)
    courses, per_course = ("c", size.courses), ("o", size.objectives)
    card = f"o / {CARDS_OF_AN_OBJECTIVE}"
    return [
        ("User", (("i", size.learners),), {"id": sql.identifier("learner", "i"), "createdAt": joined}),
        ("Course", (courses,), {"id": sql.identifier("course", "c"), "userId": own, "name": "'Course ' || c"}),
        (
            "Lecture",
            (courses,),
            {"id": sql.identifier("lecture", "c"), "userId": own, "courseId": sql.identifier("course", "c")}
            | {"title": "'Lecture ' || c", "topicTags": "'topic-' || c"},
        ),
        (
            "LearningObjective",
            (courses, per_course),
            {"id": objective, "lectureId": sql.identifier("lecture", "c"), "objective": "'Objective ' || o"}
            | {"complexity": "CASE o % 3 WHEN 0 THEN 'BASIC' WHEN 1 THEN 'INTERMEDIATE' ELSE 'ADVANCED' END"}
            | {"createdAt": joined},
        ),
        (
            "ObjectivePrerequisite",
            (courses, ("o", size.objectives - 1)),
            {"id": sql.identifier("edge", "c", "o"), "objectiveId": sql.identifier("objective", "c", "o + 1")}
            | {"prerequisiteId": objective, "strength": "1.0"},
        ),
        (
            "Card",
            (courses, ("o", size.objectives * CARDS_OF_AN_OBJECTIVE)),
            {"id": sql.identifier("card", "c", card, f"o % {CARDS_OF_AN_OBJECTIVE}")}
            | {"courseId": sql.identifier("course", "c"), "objectiveId": sql.identifier("objective", "c", card)},
        ),
    ]


def _study(size: Size, sql: _Numbers) -> Making:
    """What each learner did, in visits of five answers with a session each, and what lies ahead."""
    learner, course = sql.identifier("learner", "i"), f"i % {size.courses}"
    visits = max(1, size.answers // ANSWERS_OF_A_VISIT)
    studied = max(1, size.objectives * STUDIED_TENTHS // 10)
    learners = ("i", size.learners)
    gap_ms = DAYS * DAY_MS // visits
    began = sql.now_ms - DAYS * DAY_MS

    def visited_at(visit: str) -> str:
        return f"{began} + CAST({visit} AS bigint) * {gap_ms} + (i % 97) * 60000"

    def of_visit(visit: str) -> str:
        return sql.identifier("objective", course, f"({visit}) % {studied}")

    visit = f"n / {ANSWERS_OF_A_VISIT}"
    luck = "(i % 1000 * 31 + n % 1000 * 17 + n % 1000 * (n % 1000) * 7 + i % 13 * (n % 1000)) % 20"
    wrong = f"4 + i % 5 + ({visit}) % {studied} % 4"
    every = size.crowd_every
    reviewer = f"CASE WHEN i % {every} = {every - 1} THEN '{CROWD}' ELSE {learner} END" if every else learner
    measured = min(visits, DAYS)  # one a day at most
    metric_day = f"({began} + CAST(v AS bigint) * {DAYS * DAY_MS // measured}) / {DAY_MS} * {DAY_MS}"
    planned = (sql.identifier("objective", course, f"(i + {n}) % {size.objectives}") for n in range(4))
    ahead = " || ',' || ".join(f"'{{\"objectiveId\": \"' || {objective} || '\"}}'" for objective in planned)
    return [
        (
            "Review",
            (("n", size.answers), learners),
            {"id": sql.identifier("review", "i", "n"), "userId": reviewer}
            | {"cardId": sql.identifier("card", course, f"({visit}) % {studied}", f"n % {CARDS_OF_AN_OBJECTIVE}")}
            | {"sessionId": sql.identifier("session", "i", visit), "timeSpentMs": f"4000 + ({luck}) * 500"}
            | {
                "rating": f"CASE WHEN {luck} < {wrong} THEN 'AGAIN' WHEN {luck} < 12 THEN 'HARD'"
                f" WHEN {luck} < 18 THEN 'GOOD' ELSE 'EASY' END"
            }
            | {"reviewedAt": f"{visited_at(visit)} + n % {ANSWERS_OF_A_VISIT} * 45000"},
        ),
        (
            "StudySession",
            (("v", visits), learners),
            {"id": sql.identifier("session", "i", "v"), "userId": learner, "startedAt": visited_at("v")}
            | {"completedAt": f"{visited_at('v')} + 300000", "durationMs": "300000"}
            | {"reviewsCompleted": str(ANSWERS_OF_A_VISIT), "newCardsStudied": "2"},
        ),
        (
            "PerformanceMetric",
            (("v", measured), learners),
            {"id": sql.identifier("metric", "i", "v"), "userId": learner, "learningObjectiveId": of_visit("v")}
            | {"date": metric_day, "retentionScore": "(40 + (i % 1000 * 7 + v * 11) % 60) / 100.0"}
            | {"reviewCount": str(ANSWERS_OF_A_VISIT), "correctReviews": "3", "incorrectReviews": "2"},
        ),
        (
            "ValidationPrompt",
            (("c", size.courses), ("o", size.objectives)),
            {"id": sql.identifier("prompt", "c", "o"), "objectiveId": sql.identifier("objective", "c", "o")}
            | {"conceptName": "'Concept ' || o"},
        ),
        (
            "ValidationResponse",
            (("v", visits // 5), learners),
            {"id": sql.identifier("response", "i", "v"), "userId": learner}
            | {"score": "(30 + (i % 1000 * 13 + v * 29) % 70) / 100.0"}
            | {"promptId": sql.identifier("prompt", course, f"(v * 5) % {studied}")}
            | {"respondedAt": f"{visited_at('v * 5')} + 600000"},
        ),
        (
            "Exam",
            (learners,),
            {"id": sql.identifier("exam", "i"), "userId": learner, "courseId": sql.identifier("course", course)}
            | {"name": "'Exam'", "date": str((sql.now_ms // DAY_MS + 7) * DAY_MS), "coverageTopics": "'topic-x'"},
        ),
        (
            "Mission",
            (learners,),
            {"id": sql.identifier("mission", "i"), "userId": learner}
            | {"date": str((sql.now_ms // DAY_MS + 1) * DAY_MS), "estimatedMinutes": "30"}
            | {"objectives": f"'[' || {ahead} || ']'"},
        ),
        (
            "UserLearningProfile",
            (learners,),
            {"id": sql.identifier("profile", "i"), "userId": learner, "dataQualityScore": "0.8"}
            | {"contentPreferences": '\'{"video": 0.7, "text": 0.4}\''},
        ),
        (
            "BehavioralEvent",
            (("v", 3), learners),
            {"id": sql.identifier("event", "i", "v"), "userId": learner, "eventType": "'SESSION_ENDED'"}
            | {"timestamp": f"{sql.now_ms - 3 * DAY_MS} + v * {DAY_MS}", "contentType": "'text'"}
            | {"sessionPerformanceScore": "50 + (i + v) % 50"},
        ),
    ]
