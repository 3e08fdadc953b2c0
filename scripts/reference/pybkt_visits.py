"""Run by scripts/benchmarks/quality.py inside pyBKT's own environment: GIVEN.json OUT.json.

Writes, for each visit in the order of its number, the chance that its first answer is right.
"""

from __future__ import annotations

import json
import sys

import pandas as pd
from pyBKT.models import Model

COLUMNS = {"order_id": "order", "skill_name": "skill", "correct": "correct", "user_id": "learner"}


def main(given: str, made: str) -> None:
    """Fits on the training learners' answers, replays everybody's, and keeps the prediction at each visit's start."""
    with open(given, encoding="utf-8") as file:
        table = pd.DataFrame(json.load(file))
    table["order"] = range(len(table))
    answers = table[table["visit"] < 0]
    model = Model(seed=0, num_fits=1, parallel=False)  # its pool costs more than it saves
    model.fit(data=answers[answers["training"]], defaults=COLUMNS)
    known = set(answers[answers["training"]]["skill"])
    right = [0.5] * int((table["visit"] >= 0).sum())
    # pyBKT predicts at answers only, and a posttest begins at none: hence its fitted parameters, followed here. At
    # answers they give its own correct_predictions.
    for skill, rows in table[table["skill"].isin(known)].groupby("skill"):
        parameters = model.coef_[skill]
        learn, forget = float(parameters["learns"][0]), float(parameters["forgets"][0])
        guess, slip = float(parameters["guesses"][0]), float(parameters["slips"][0])
        mastery: dict[str, float] = {}
        for learner, correct, visit in zip(rows["learner"], rows["correct"], rows["visit"]):
            known_now = mastery.get(learner, float(parameters["prior"]))
            expected = known_now * (1 - slip) + (1 - known_now) * guess
            if visit >= 0:
                right[visit] = expected
                continue
            likelihood = expected if correct else 1 - expected
            # A skill fitted without guesses or slips has answers that it holds impossible: they teach nothing.
            seen = known_now * (1 - slip if correct else slip) / likelihood if likelihood > 0 else known_now
            mastery[learner] = seen * (1 - forget) + (1 - seen) * learn
    with open(made, "w", encoding="utf-8") as file:
        json.dump(right, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
