"""A platform whose training takes a second or two: learners who differ in ability, objectives in difficulty."""

from __future__ import annotations

import os
import random

from db.writing.open import open_writer
from scripts.import_history import import_log
from scripts.importing.answer_log import read_log

OBJECTIVES, VISITS = 12, 10


def make_platform(directory: str, learners: int = 60, first_s: int = 1_600_000_000) -> str:
    """A SQLite file of so many learners with ten visits each, five answers a visit, two hours between; its URL."""
    draw = random.Random(1)
    log = os.path.join(directory, "log.csv")
    with open(log, "w", encoding="utf-8") as file:
        file.write("user_id,item_id,timestamp,correct,skill_id\n")
        for learner in range(learners):
            ability, at = draw.gauss(0, 1), first_s + learner
            for objective in draw.sample(range(OBJECTIVES), VISITS):
                hardness = (objective - 6) / 3
                for item in range(5):
                    right = draw.random() < 1 / (1 + 2.718 ** (hardness - ability))
                    file.write(f"learner-{learner},i{item},{at},{int(right)},s{objective}\n")
                    at += 60
                at += 7200
    url = f"sqlite:///{directory}/platform.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        with read_log(log) as answers:
            import_log(answers, writer)
    return url
