"""Turns result rows into the rows of db/reading/rows.py, in the predictor's units.

A row without the values that give it its meaning is dropped.

Each function takes what its query in db/reading/queries.py selects, in that order.
"""

from __future__ import annotations

from db.reading import rows
from db.sql.decode_values import ORDER_ONLY_SESSION, decoded, flag, instant_ms, integer, number, text, texts
from db.sql.instants import EARLIEST_MS, LATEST_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from db.tables.models import Mapping as AppNames

    Results = Sequence[Sequence[object]]

RATINGS = frozenset(("AGAIN", "HARD", "GOOD", "EASY"))
COMPLEXITIES = frozenset(("BASIC", "INTERMEDIATE", "ADVANCED"))
MASTERY_LEVELS = frozenset(("NOT_STARTED", "BEGINNER", "INTERMEDIATE", "ADVANCED", "MASTERED"))
MISSION_STATUSES = frozenset(("PENDING", "IN_PROGRESS", "COMPLETED", "SKIPPED"))
PATTERN_TYPES = frozenset(
    (
        *("OPTIMAL_STUDY_TIME", "SESSION_DURATION_PREFERENCE", "CONTENT_TYPE_PREFERENCE", "PERFORMANCE_PEAK"),
        *("ATTENTION_CYCLE", "FORGETTING_CURVE", "STRUGGLE_TOPIC"),
    )
)
"""The values of the app's enums that a prediction tells apart."""


class RowDecoder:
    """Decodes rows, and knows the enum values that the app's schema stores under another text.

    A value that the app does not define counts as no data and is noted: without the app's schema.prisma (--schema), a
    renamed value could otherwise be taken for a wrong answer, or for a mastered objective.
    """

    __slots__ = ("_complexity", "_mastery", "_pattern", "_rating", "_status", "_unknown")

    def __init__(self, mapping: AppNames) -> None:
        self._unknown: dict[tuple[str, str], None] = {}
        self._complexity = mapping.stored_values("LearningObjective", "complexity")
        self._mastery = mapping.stored_values("LearningObjective", "masteryLevel")
        self._pattern = mapping.stored_values("BehavioralPattern", "patternType")
        self._rating = mapping.stored_values("Review", "rating")
        self._status = mapping.stored_values("Mission", "status")

    def learner_rows(self, found: Mapping[str, Results], newest_outcomes: int | None) -> rows.LearnerRows:
        """Decodes everything that was read about one learner.

        Args:
            found: The results by source, newest first.
            newest_outcomes: How many outcomes are kept; None keeps all.
        """
        self._unknown = {}
        return rows.LearnerRows(
            learner=self.learner(found["learner"][0]),
            reviews=self.reviews(found["reviews"]),
            metrics=self.metrics(found["metrics"]),
            sessions=self.sessions(found["sessions"]),
            validations=self.validations(found["validations"]),
            patterns=self.patterns(found["patterns"]),
            events=self.events(found["events"]),
            profile=self.profile(found["profile"]),
            exams=self.exams(found["exams"]),
            missions=self.missions(found["missions"]),
            outcomes=self.outcomes(found["recorded"], found["answered"], newest_outcomes),
            masteries=self.masteries(found["masteries"]),
            unknown_values=tuple(self._unknown),
        )

    def objective_rows(self, result: Sequence[object], prerequisites: Results, cards: Results) -> rows.ObjectiveRows:
        """Decodes everything that was read about one objective."""
        self._unknown = {}
        return rows.ObjectiveRows(
            self.objective(result), self.prerequisites(prerequisites), self.cards(cards), tuple(self._unknown)
        )

    def _level(self, value: object, field: str) -> str | None:
        """A learning objective's complexity or masteryLevel; None where the app has no such level."""
        names, known = (self._complexity, COMPLEXITIES) if field == "complexity" else (self._mastery, MASTERY_LEVELS)
        named = _named(value, names)
        if named is None or named in known:
            return named
        self._unknown["learning_objectives." + field, named] = None
        return None

    def _note(self, column: str, values: Iterable[str | None], known: frozenset[str]) -> None:
        self._unknown.update(((column, value), None) for value in values if value is not None and value not in known)

    def learner(self, result: Sequence[object]) -> rows.LearnerRow:
        identifier, analytics, performance, behaviour = result
        return rows.LearnerRow(
            text(identifier) or "",
            flag(analytics, True),
            flag(performance, True),
            flag(behaviour, True),
        )

    def objective(self, result: Sequence[object]) -> rows.ObjectiveRow:
        identifier, complexity, mastery, weakness, studied_at, owner, course, name, tags = result
        return rows.ObjectiveRow(
            text(identifier) or "",
            self._level(complexity, "complexity"),
            self._level(mastery, "masteryLevel"),
            number(weakness),
            instant_ms(studied_at),
            text(owner),
            text(course),
            text(name),
            texts(tags),
        )

    def prerequisites(self, results: Results) -> list[rows.PrerequisiteRow]:
        return [
            rows.PrerequisiteRow(
                text(identifier) or "", self._level(mastery, "masteryLevel"), text(owner), text(name), text(course)
            )
            for identifier, mastery, owner, name, course in results
        ]

    def cards(self, results: Results) -> list[rows.CardRow]:
        return [
            rows.CardRow(text(identifier) or "", instant_ms(following), integer(lapses), integer(reviews))
            for identifier, following, lapses, reviews in results
        ]

    def reviews(self, results: Results) -> list[rows.ReviewRow]:
        named, new, kind = self._rating, tuple.__new__, rows.ReviewRow
        of_app = {stored: named.get(stored, stored) for stored in (*RATINGS, *named)}
        grades = {stored: grade for stored, grade in of_app.items() if grade in RATINGS}
        reviewed: list[rows.ReviewRow] = []
        strange: list[str] = []
        for card, objective, course, rating, at, session in results:
            at_ms = at if type(at) is int and EARLIEST_MS <= at <= LATEST_MS else instant_ms(at)
            if at_ms is None or rating is None:
                continue
            grade = grades.get(rating) if type(rating) is str else None
            if grade is None:
                strange.append(named.get(rating, rating) if isinstance(rating, str) else str(rating))
                continue
            order_only = type(session) is str and session.startswith(ORDER_ONLY_SESSION)
            card = card if type(card) is str else text(card) or ""
            objective = objective if type(objective) is str else text(objective)
            course = course if type(course) is str else text(course)
            # By tuple itself: there may be thousands, and ReviewRow's own constructor first counts its arguments.
            reviewed.append(new(kind, (card, objective, course, grade, at_ms, order_only)))
        reviewed.reverse()
        self._note("reviews.rating", reversed(strange), RATINGS)
        return reviewed

    def metrics(self, results: Results) -> list[rows.MetricRow]:
        new, kind = tuple.__new__, rows.MetricRow
        measured = [
            new(kind, (text(objective) or "", text(course), at_ms, number(retention)))
            for objective, course, date, retention in results
            if (at_ms := instant_ms(date)) is not None
        ]
        measured.reverse()
        return measured

    def sessions(self, results: Results) -> list[rows.SessionRow]:
        studied = [
            rows.SessionRow(at_ms, instant_ms(completed), integer(duration), integer(cards))
            for started, completed, duration, cards in results
            if (at_ms := instant_ms(started)) is not None
        ]
        studied.reverse()
        return studied

    def validations(self, results: Results) -> list[rows.ValidationRow]:
        answered = [
            rows.ValidationRow(text(objective), text(course), number(score), at_ms)
            for objective, course, score, responded in results
            if (at_ms := instant_ms(responded)) is not None
        ]
        answered.reverse()
        return answered

    def patterns(self, results: Results) -> list[rows.PatternRow]:
        seen = [
            rows.PatternRow(_named(kind, self._pattern) or "", decoded(pattern), number(confidence), at_ms)
            for kind, pattern, confidence, last_seen in results
            if (at_ms := instant_ms(last_seen)) is not None
        ]
        seen.reverse()
        self._note("behavioral_patterns.patternType", (pattern.pattern_type for pattern in seen), PATTERN_TYPES)
        return seen

    def events(self, results: Results) -> list[rows.EventRow]:
        noticed = [
            rows.EventRow(at_ms, integer(score), text(content))
            for timestamp, score, content in results
            if (at_ms := instant_ms(timestamp)) is not None
        ]
        noticed.reverse()
        return noticed

    def profile(self, results: Results) -> rows.ProfileRow | None:
        for style, preferences in results:
            return rows.ProfileRow(decoded(style), decoded(preferences))
        return None

    def exams(self, results: Results) -> list[rows.ExamRow]:
        planned = [
            rows.ExamRow(text(course), at_ms, texts(topics))
            for course, date, topics in results
            if (at_ms := instant_ms(date)) is not None
        ]
        return sorted(planned, key=lambda exam: exam.date_ms)

    def missions(self, results: Results) -> list[rows.MissionRow]:
        planned = [
            rows.MissionRow(at_ms, _named(status, self._status), decoded(objectives), text(identifier) or "")
            for date, status, objectives, identifier in results
            if (at_ms := instant_ms(date)) is not None
        ]
        self._note("missions.status", (mission.status for mission in planned), MISSION_STATUSES)
        return sorted(planned, key=lambda mission: mission.date_ms)

    def outcomes(self, recorded: Results, answers: Results, newest: int | None) -> list[rows.OutcomeRow]:
        """One outcome per prediction; the learner's own report takes precedence over the automatic rule."""
        known: dict[object, rows.OutcomeRow] = {}
        for results in (recorded, answers):
            own: set[object] = set()
            for prediction, objective, course, struggled, at in results:
                at_ms = instant_ms(at)
                if at_ms is not None and prediction not in own:  # newest first: the last answer given counts
                    own.add(prediction)
                    known[prediction] = rows.OutcomeRow(text(objective) or "", text(course), flag(struggled), at_ms)
        by_time = sorted(known.values(), key=lambda outcome: outcome.recorded_at_ms)
        return by_time if newest is None else by_time[-newest:]

    def earlier(self, results: Results) -> list[rows.EarlierRow]:
        return [
            rows.EarlierRow(at_ms, number(probability), decoded(features))
            for at, probability, features in results
            if (at_ms := instant_ms(at)) is not None
        ]

    def masteries(self, results: Results) -> list[rows.MasteryRow]:
        return [
            rows.MasteryRow(text(objective) or "", text(course), self._level(level, "masteryLevel"))
            for objective, course, level in results
        ]


def _named(value: object, names: object) -> str | None:
    stored = text(value)
    return stored if not names or stored is None else str(names.get(stored, stored))  # type: ignore[attr-defined]
