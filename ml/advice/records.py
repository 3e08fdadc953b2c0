"""The records that a change adds or puts in the place of others; each has the shape that ml/ports.py declares."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports


class Answer:
    """A correct answer that has not been given yet."""

    __slots__ = ("card_id", "course_id", "objective_id", "reviewed_at_ms")
    rating = "GOOD"
    order_only = False

    def __init__(self, card_id: str, objective_id: str, course_id: str | None, reviewed_at_ms: int = 0) -> None:
        self.card_id = card_id
        self.objective_id = objective_id
        self.course_id = course_id
        self.reviewed_at_ms = reviewed_at_ms

    def at(self, at_ms: int) -> Answer:
        """The same answer, given at that moment."""
        return Answer(self.card_id, self.objective_id, self.course_id, at_ms)


class FullScore:
    """A validation prompt on an objective, answered with the full score."""

    __slots__ = ("course_id", "objective_id", "responded_at_ms")
    score = 1.0

    def __init__(self, objective_id: str, course_id: str | None, responded_at_ms: int = 0) -> None:
        self.objective_id = objective_id
        self.course_id = course_id
        self.responded_at_ms = responded_at_ms

    def at(self, at_ms: int) -> FullScore:
        """The same response, given at that moment."""
        return FullScore(self.objective_id, self.course_id, at_ms)


class Mastered:
    """An objective of the learner's own, or a stated prerequisite, once its level is MASTERED."""

    __slots__ = ("course_id", "name", "objective_id", "owner_id")
    mastery_level = "MASTERED"

    def __init__(self, objective_id: str, course_id: str | None, owner_id: str | None, name: str | None) -> None:
        self.objective_id = objective_id
        self.course_id = course_id
        self.owner_id = owner_id
        self.name = name


class ChangedMission:
    """A mission that is skipped, or from which some objectives have been taken."""

    __slots__ = ("date_ms", "id", "objectives", "status")

    def __init__(self, mission: ports.Mission, status: str | None, objectives: object) -> None:
        self.id = mission.id
        self.date_ms = mission.date_ms
        self.status = status
        self.objectives = objectives
