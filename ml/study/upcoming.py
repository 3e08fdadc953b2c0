"""Which objectives a learner meets next: those planned in missions and exams, else those not mastered yet.

The objectives of a mission are planned if it is PENDING or IN_PROGRESS and dated from today to the end of the horizon,
except those marked completed; missions are not known where as_of is past. The objectives that an exam within the
horizon covers are planned too: those of its course, and, among the learner's own objectives and those already met,
those whose topic tags it names. Where nothing is planned, the learner's own objectives and those already met are taken
if their mastery is below 0.7. A learner's own objectives are those of his or her courses and lectures (known only where
as_of is now); those met have an answer, a prompt or a daily metric.
"""

from __future__ import annotations

from ml.study.history import DAY_MS, covers, lasts_until_ms, objectives_of
from ml.study.scales import MASTERED_FROM, MASTERY
from ml.study.summary import LearnerSummary, shown_mastery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml import ports
    from ml.study.history import LearnerHistory

MOST_OBJECTIVES = 200
"""At most so many objectives are taken per learner; planned ones come first."""


class Plans:
    """What one learner has ahead within the horizon: ids in the order of the missions, exams in the order of date."""

    __slots__ = ("exams", "named")

    def __init__(self, past: LearnerHistory, days_ahead: int) -> None:
        today_ms = past.as_of_ms // DAY_MS * DAY_MS
        until_ms = past.as_of_ms + days_ahead * DAY_MS
        named: dict[str, None] = {}
        for mission in past.missions:
            if today_ms <= mission.date_ms <= until_ms:
                named.update(dict.fromkeys(objectives_of(mission)))
        self.named = list(named)
        self.exams = [exam for exam in past.exams if lasts_until_ms(exam) > past.as_of_ms and exam.date_ms <= until_ms]

    @property
    def courses(self) -> list[str]:
        """The courses whose objectives must be known in order to tell what the exams cover."""
        return [exam.course_id for exam in self.exams if exam.course_id is not None]

    @property
    def has_topics(self) -> bool:
        """Whether an exam names topics, so that the learner's own and met objectives must be looked at."""
        return any(exam.coverage_topics for exam in self.exams)


def own_and_met(past: LearnerHistory) -> list[str]:
    """Ids of the learner's own objectives, then of those met, the latest met first."""
    found: dict[str, None] = dict.fromkeys(row.objective_id for row in past.masteries)
    found.update((row.objective_id, None) for row in reversed(past.reviews) if row.objective_id)
    found.update((row.objective_id, None) for row in reversed(past.validations) if row.objective_id)
    found.update((row.objective_id, None) for row in reversed(past.metrics))
    return list(found)


def upcoming(
    past: LearnerHistory,
    plans: Plans,
    of_course: Mapping[str, Sequence[str]],
    objectives: Mapping[str, ports.ObjectiveRows],
) -> list[str]:
    """Ids of the objectives that the learner meets next, each once, planned ones in the order of their plans.

    Args:
        past: what the learner did.
        plans: the learner's plans.
        of_course: the objectives of the courses in plans.courses.
        objectives: where plans.has_topics, the rows of own_and_met(past).
    """
    planned = dict.fromkeys(plans.named)
    for exam in plans.exams:
        planned.update((objective_id, None) for objective_id in of_course.get(exam.course_id or "", ()))
        if exam.coverage_topics:
            planned.update(
                (each, None)
                for each in own_and_met(past)
                if each in objectives and covers(exam, objectives[each].objective)
            )
    return list(planned) if planned else unmastered(past)


def unmastered(past: LearnerHistory) -> list[str]:
    """Ids of own and met objectives whose mastery (the owner's as stored, else what the rows show) is below 0.7."""
    summary = past.once(LearnerSummary)
    stated = {row.objective_id: MASTERY.get(row.mastery_level or "", 0.0) for row in past.masteries}
    return [each for each in own_and_met(past) if (stated.get(each) or shown_mastery(each, summary)) < MASTERED_FROM]
