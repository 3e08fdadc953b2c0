"""The day that a prediction is about, and the name under which it is stored: one row per learner, objective and day."""

from __future__ import annotations

from ml.json_text import dumps
from ml.study.history import DAY_MS, covers, lasts_until_ms, objectives_of

try:
    # hashlib is a wrapper that costs a tenth of the bare interpreter.
    from _sha1 import sha1  # type: ignore[import-not-found]
except ImportError:  # an interpreter built without it
    from hashlib import sha1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports
    from ml.study.history import LearnerHistory

NAME_SPACE = bytes.fromhex("5bb4ad446a115a3e8e630f3c2c6f1f0e")
"""The UUID name space of the ids. With another one, a day's predictions would be stored a second time."""


class Occasion:
    """When a learner meets an objective next.

    day: whole days since 1970-01-01 in UTC. topic_id: the objective's course, None where it has none.
    """

    __slots__ = ("day", "learner_id", "objective_id", "topic_id")

    def __init__(self, learner_id: str, objective_id: str, day: int, topic_id: str | None = None) -> None:
        self.learner_id = learner_id
        self.objective_id = objective_id
        self.day = day
        self.topic_id = topic_id

    @property
    def date_ms(self) -> int:
        """The day's last millisecond.

        An app that looks for predictions dated from now on finds today's until midnight.
        """
        return (self.day + 1) * DAY_MS - 1

    @property
    def prediction_id(self) -> str:
        """The id of the prediction for this day, however often it is made.

        It is a UUID of version 7 that begins with the day, so that the rows of a day are adjacent and can form a
        partition by id.
        """
        name = dumps(["prediction", self.learner_id, self.objective_id, self.day]).encode()
        named = sha1(NAME_SPACE + name, usedforsecurity=False)
        number = int.from_bytes(named.digest()[:16], "big")
        # Stored ids depend on every bit of this, the 5 that a UUID of version 5 would carry included.
        high, low = 5 << 8 | number >> 68 & 0xFF, number & (1 << 62) - 1
        began_ms = self.day * DAY_MS & (1 << 48) - 1  # the days before 1970 would be negative
        digits = f"{began_ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def occasion_of(past: LearnerHistory, objective: ports.Objective) -> Occasion:
    """The day of the next mission that names the objective, else of the next exam that covers it, else of as_of.

    Missions are known only where as_of is now; one of today counts even if its hour is over. The plans are those of
    ml/study/upcoming.py, however far ahead they are.
    """
    day = past.once(_mission_days).get(objective.id)
    if day is None:
        as_of_ms = past.as_of_ms
        coming = (exam for exam in past.exams if lasts_until_ms(exam) > as_of_ms and covers(exam, objective))
        exam = next(coming, None)
        day = (as_of_ms if exam is None else exam.date_ms) // DAY_MS
    return Occasion(past.learner.id, objective.id, day, objective.course_id)


def _mission_days(past: LearnerHistory) -> dict[str, int]:
    """The day of the first mission, today or later, that names each objective."""
    today = past.as_of_ms // DAY_MS
    days: dict[str, int] = {}
    for mission in past.missions:  # in the order of their dates
        day = mission.date_ms // DAY_MS
        if day >= today:
            for objective_id in objectives_of(mission):
                days.setdefault(objective_id, day)
    return days
