"""What a staged log holds, counted in one pass: learners, skills, dates, gaps, equal rows and what looks wrong."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from statistics import median_low
from typing import NamedTuple

from scripts.importing.answers import POSTTEST, STUDY, LoggedAnswer
from scripts.importing.reading.sheet import is_absent
from scripts.importing.staging import Skill, StagedLog

DAY_MS = 86_400_000
MOST_GAPS = 200_000
"""Of so many gaps between answers the median is taken; a longer log counts those of its first learners."""
MANY_AT_ONCE = 10
"""So many answers of one learner at one instant are more than a click can give."""
PREVIEWED = 10


class Survey(NamedTuple):
    """The counts.

    Attributes:
        answers: Rows that answer something, posttests included.
        study_rows: Rows that only introduce their item.
        of_learner: How many rows each learner has.
        right: Answers that are right.
        cards: Items, each on its skill.
        skills: The skills, as the tables need them.
        answers_of_skill: Answers per skill.
        first_ms, last_ms: The first and the last instant.
        days: Rows per UTC day, as numbers of days since 1970.
        equal_rows: Rows that equal an earlier one in everything.
        future_rows: Rows dated after the import.
        crowded: Answers at instants at which their learner gave ten or more.
        gaps_ms: Gaps between answers of a learner, at most MOST_GAPS of them.
        same_instant: Answers at the same instant as the learner's answer before.
        fractions: Answers whose instant is not a whole second.
        absent_ids: Ids that spell a missing value, such as NaN, with their rows.
        preview: The first rows, as they would be stored.
    """

    answers: int
    study_rows: int
    of_learner: array[int]
    right: int
    cards: int
    skills: dict[str, Skill]
    answers_of_skill: Counter[str]
    first_ms: int
    last_ms: int
    days: Counter[int]
    equal_rows: int
    future_rows: int
    crowded: int
    gaps_ms: array[int]
    same_instant: int
    fractions: int
    absent_ids: Counter[str]
    preview: list[LoggedAnswer]

    @property
    def rows(self) -> int:
        """All rows."""
        return self.answers + self.study_rows

    @property
    def learners(self) -> int:
        """The number of learners."""
        return len(self.of_learner)

    def answers_per_learner(self) -> tuple[int, int, int]:
        """The least, the median and the greatest number of rows of a learner; zeros where there is none."""
        if not self.of_learner:
            return 0, 0, 0
        return min(self.of_learner), median_low(self.of_learner), max(self.of_learner)


def survey(log: StagedLog, now_ms: int, progress: Callable[[int], object] = lambda answers: None) -> Survey:
    """Counts what a sorted log holds. now_ms: later dates are in the future."""
    of_learner, gaps_ms = array("q"), array("q")
    counts: Counter[str] = Counter()
    first_ms, last_ms = 1 << 62, -(1 << 62)
    days: Counter[int] = Counter()
    absent: Counter[str] = Counter()
    skills: dict[str, list[int]] = {}
    preview: list[LoggedAnswer] = []
    is_order = log.order_only
    for learner, answers in log.learners():
        of_learner.append(len(answers))
        if is_absent(learner):
            absent["user_id " + repr(learner)] += len(answers)
        if len(preview) < PREVIEWED:
            preview += answers[: PREVIEWED - len(preview)]
        before = -1
        instant: set[tuple[object, ...]] = set()
        held = 0
        for answer in answers:
            at = answer.at_ms
            if answer.kind == STUDY:
                counts["study"] += 1
            elif answer.correct:
                counts["right"] += 1
            known = skills.get(answer.skill_id)
            if known is None:
                skills[answer.skill_id] = [at, answer.kind == POSTTEST, 1]
            else:
                known[2] += 1
                if at < known[0]:
                    known[0] = at
                if answer.kind == POSTTEST:
                    known[1] = True
            if not is_order:
                days[at // DAY_MS] += 1
                if at % 1000:
                    counts["fractions"] += 1
                if at > now_ms:
                    counts["future"] += 1
                if at == before:
                    counts["same"] += 1
                    held += 1
                else:
                    counts["crowded"] += held if held >= MANY_AT_ONCE else 0
                    instant.clear()
                    held = 1
                if before >= 0 and len(gaps_ms) < MOST_GAPS:
                    gaps_ms.append(at - before)
                whole = answer[2:]
                if whole in instant:
                    counts["equal"] += 1
                instant.add(whole)
            before = at
        counts["crowded"] += held if held >= MANY_AT_ONCE else 0
        first_ms, last_ms = min(first_ms, answers[0].at_ms), max(last_ms, answers[-1].at_ms)
        progress(len(answers))
    for skill, (_, _, rows) in skills.items():
        if is_absent(skill):
            absent["skill_id " + repr(skill)] += rows
    rows = sum(of_learner)
    return Survey(
        rows - counts["study"],
        counts["study"],
        of_learner,
        counts["right"],
        log.count_of_cards(),
        {skill: Skill(int(first), bool(tested)) for skill, (first, tested, _) in skills.items()},
        Counter({skill: each[2] for skill, each in skills.items()}),
        first_ms if rows else 0,
        last_ms if rows else 0,
        days,
        counts["equal"],
        counts["future"],
        counts["crowded"],
        gaps_ms,
        counts["same"],
        counts["fractions"],
        absent,
        preview,
    )
