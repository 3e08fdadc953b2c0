"""Does advice name the cause?  `python -m tests.advice.causes --learners 2000` simulates learners who have one.

Each simulated learner has an ability, and an objective ahead whose difficulty, prerequisites and cards are drawn. What
makes the learner struggle is known: a prerequisite that is not mastered (alone, or beside one that is better known),
a long pause, or nothing but the difficulty. A cause raises the true logit of a wrong answer by a drawn amount; from one
logit on it is decisive. A prerequisite's amount is a drawn weight times its share of what is stated, as the platform
sees it (half of the prerequisites unmastered is a high risk, a fifth a medium one); with --each it does not matter how
many others there are.

The learner then leaves records: mastery levels where the objectives are the learner's own, answers that follow the true
probabilities, and plans. The shipped model, which has seen none of this, is asked what would help. Counted are the
learners whose cause is a decisive prerequisite and whose risk is not LOW, since others get no advice; the figure is the
share of them whose first advice is that prerequisite.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import click

from db.reading.rows import CardRow, MasteryRow, PrerequisiteRow, ReviewRow
from ml.extractor import StruggleFeatureExtractor
from ml.model import load
from ml.places import shipped
from ml.study.history import HOUR_MS, MINUTE_MS, StudyHistory
from ml.study.scales import logistic
from tests.support.history_builder import AS_OF_MS, COURSE, LEARNER, ago, mission, objective, study

DECISIVE = 1.0
OF_MASTERY = {"NOT_STARTED": 0.0, "BEGINNER": 0.25, "INTERMEDIATE": 0.5, "ADVANCED": 0.75, "MASTERED": 1.0}
KNOWN, UNKNOWN = ("ADVANCED", "MASTERED"), ("NOT_STARTED", "BEGINNER")


class Simulated(NamedTuple):
    """A learner's records, and what makes the learner struggle: a prerequisite's id or None, and its logits."""

    history: StudyHistory
    cause: str | None
    effect: float


class NoRecords:
    """No database: the rows are simulated."""

    read = aread = None


def simulated(number: int, seed: int = 1, each: bool = False) -> Simulated:
    """The learner of that number; the same on every machine."""
    draw = random.Random(f"{seed}/{number}")
    ability, difficulty = draw.gauss(0, 0.8), draw.gauss(0, 0.6)
    names = [f"prerequisite-{n}" for n in range(draw.randint(1, 3))]
    levels = {name: draw.choice(KNOWN) for name in names}
    kind = draw.choice(("prerequisite", "prerequisite", "pause", "none"))
    cause, effect = None, 0.0
    if kind == "prerequisite":
        cause = draw.choice(names)
        levels[cause] = draw.choice(UNKNOWN)
        weight = draw.uniform(0.5, 3.0) if each else draw.uniform(1.0, 4.0) / len(names)
        effect = weight * (1 - OF_MASTERY[levels[cause]])
        others = [name for name in names if name != cause]
        if others and draw.random() < 0.4:  # better known than the cause, and no cause themselves
            levels[draw.choice(others)] = "INTERMEDIATE"
    elif kind == "pause":
        effect = draw.uniform(0.5, 2.0)
    owned = draw.random() < 0.7
    days_ago = 60 if kind == "pause" else 0
    reviews: list[ReviewRow] = []
    for n in range(draw.randint(2, 6)):  # the rest of the course
        reviews += _visit(draw, f"other-{n}", ability - draw.gauss(0, 0.6), days_ago + draw.uniform(1, 30))
    for name, level in levels.items():
        if level != "NOT_STARTED":
            reviews += _visit(draw, name, 3 * OF_MASTERY[level] - 1.0, days_ago + draw.uniform(1, 30), answers=8)
    for _ in range(draw.choice((0, 0, 1, 2))):
        reviews += _visit(draw, "faced", ability - difficulty - effect, days_ago + draw.uniform(1, 10))
    owner = LEARNER if owned else "teacher"
    history = study(
        faced=objective("faced", draw.choice(("BASIC", "INTERMEDIATE", "ADVANCED")), owner=owner),
        prerequisites=[PrerequisiteRow(name, levels[name], owner, name, COURSE) for name in names],
        cards=[CardRow(f"faced/{n}", AS_OF_MS + n * HOUR_MS, 0, 0) for n in range(5)],
        reviews=reviews,
        missions=[mission({"objectiveId": "faced"}, {"objectiveId": "other-0"})._replace(id="m")],
        masteries=[MasteryRow(name, COURSE, levels[name]) for name in names] if owned else [],
    )
    return Simulated(history, cause, effect)


def _visit(draw: random.Random, name: str, logit: float, days_ago: float, answers: int = 5) -> list[ReviewRow]:
    return [
        ReviewRow(
            f"{name}/{n}",
            name,
            COURSE,
            "GOOD" if draw.random() < logistic(logit) else "AGAIN",
            ago(days_ago) + n * MINUTE_MS,
            False,
        )
        for n in range(answers)
    ]


class Found(NamedTuple):
    """How many learners have a decisive prerequisite, how many of these get advice, and whose first advice names it."""

    decisive: int
    not_low: int
    first: int
    among: int


def run(learners: int, seed: int = 1, each: bool = False) -> Found:
    """Asks the shipped model about each simulated learner."""
    model = load(shipped())
    extractor = StruggleFeatureExtractor(NoRecords(), None)
    decisive = not_low = first = among = 0
    for number in range(learners):
        history, cause, effect = simulated(number, seed, each)
        if cause is None or effect <= DECISIVE:
            continue
        decisive += 1
        estimates, features = extractor.studied(history)
        prediction = model.predict(features)
        if prediction.risk_level == "LOW":
            continue
        not_low += 1
        named = [one.objective_id for one in model.advise(prediction, history, estimates, features)]
        first += named[:1] == [cause]
        among += cause in named
    return Found(decisive, not_low, first, among)


@click.command()
@click.option("--learners", type=click.IntRange(min=1), default=2000, show_default=True, help="How many learners.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which learners.")
@click.option("--each", is_flag=True, help="Let a prerequisite weigh the same however many there are.")
def main(learners: int, seed: int, each: bool) -> None:
    """Say how often the first advice is the decisive prerequisite."""
    found = run(learners, seed, each)
    click.echo(
        f"{found.decisive} of {learners} learners have a decisive prerequisite, {found.not_low} of them a risk that is"
        f" not LOW; the first advice names it for {found.first} ({found.first / max(1, found.not_low):.1%}), one of the"
        f" three for {found.among} ({found.among / max(1, found.not_low):.1%})."
    )


if __name__ == "__main__":
    main()
