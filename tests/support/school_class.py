"""A class of a course: learners, six objectives of five cards, a stuck learner, a bad card, and one who opted out."""

from __future__ import annotations

import random
from math import exp
from typing import NamedTuple

from db.writing.open import open_writer
from ml.study.history import DAY_MS, HOUR_MS, MINUTE_MS
from tests.support.two_learners import set_clock

NOW_MS = 1_760_605_200_000
"""2025-10-16T09:00:00Z, a Thursday."""
OBJECTIVES, CARDS, ROUNDS = 6, 5, 3
STUCK, STUCK_ON = "learner-03", "objective-4"
BAD_CARD, ITS_OBJECTIVE = "card-2-3", "objective-2"
OPTED_OUT, UNTRACKED = "opted-out", "untracked"
PREREQUISITE = "never-met"


class Names(NamedTuple):
    """What people call them; by default what a school would."""

    learner: str = "Ann"
    objective: str = "Renal filtration"
    course: str = "Physiology"


SCHOOL = Names()


def fill_class(
    url: str, learners: int = 24, planted: bool = True, seed: int = 1, names: Names = SCHOOL, now_ms: int = NOW_MS
) -> None:
    """Fills the empty tables, whose clock then stands at now_ms. planted: whether anything is the matter at all."""
    draw = random.Random(seed)
    ids = [f"learner-{place:02d}" for place in range(learners)]
    everybody = [*ids, OPTED_OUT, UNTRACKED]
    objectives = [f"objective-{place}" for place in range(OBJECTIVES)]
    with open_writer(url) as writer:
        users = [(each, names.learner, each != OPTED_OUT, each != UNTRACKED) for each in everybody]
        writer.insert("User", ("id", "name", "includeInAnalytics", "performanceTrackingEnabled"), users)
        writer.insert("Course", ("id", "userId", "name"), [("physiology", ids[0], names.course)])
        writer.insert("Course", ("id", "userId", "name"), [("anatomy", "nobody", "Anatomy")])
        lectures = [("lecture", ids[0], "physiology", "Cells"), ("bones", "nobody", "anatomy", "Bones")]
        writer.insert("Lecture", ("id", "userId", "courseId", "title"), lectures)
        rows = [(each, "lecture", f"{names.objective} {place}") for place, each in enumerate(objectives)]
        rows += [(PREREQUISITE, "lecture", "Osmosis"), ("skull", "bones", "Name the bones of the skull")]
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), rows)
        writer.insert(
            "ObjectivePrerequisite", ("id", "objectiveId", "prerequisiteId"), [("e", objectives[0], PREREQUISITE)]
        )
        cards = [(f"card-{o}-{c}", "physiology", each) for o, each in enumerate(objectives) for c in range(CARDS)]
        writer.insert("Card", ("id", "courseId", "objectiveId"), [*cards, ("card-skull", "anatomy", "skull")])
        hardness = {card: draw.gauss(-0.9, 0.4) for card, _, _ in cards}
        answered = []
        for each in everybody:
            ability, at_ms = draw.gauss(0, 0.6), now_ms - 26 * DAY_MS
            for turn in range(ROUNDS):
                for objective in draw.sample(objectives, OBJECTIVES):
                    for card, _, of in cards:
                        if of != objective:
                            continue
                        logit = hardness[card] - ability
                        if planted and card == BAD_CARD:
                            logit = 2.5
                        elif planted and (each, objective) == (STUCK, STUCK_ON):
                            logit = 3.0
                        grade = "AGAIN" if draw.random() < 1 / (1 + exp(-logit)) else "GOOD"
                        answered.append((f"{each}/{turn}/{card}", each, card, grade, at_ms))
                        at_ms += MINUTE_MS
                    at_ms += 2 * HOUR_MS
                at_ms += 7 * DAY_MS
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), answered)
        entries = [{"objectiveId": each} for each in (*objectives[:3], "skull")]
        missions = [(f"of-{each}", each, now_ms + 2 * DAY_MS, "PENDING", entries) for each in everybody]
        writer.insert("Mission", ("id", "userId", "date", "status", "objectives"), missions)
    set_clock(url, now_ms)
