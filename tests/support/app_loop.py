"""The whole loop of a deployment on the app's own database, by the real commands; what each said and wrote is kept.

Everything lies in one directory, so that a test can look through all of it: NN-name.out and .err of every command, and
the files that they wrote.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml.instants import iso
from ml.places import HOUSE
from ml.study.history import DAY_MS, MINUTE_MS
from tests.support.app_shapes import ask, dialect_of, fill_with_demo, insert
from tests.support.outputs import read_output

LEARNERS, OBJECTIVES, VISITS, NIGHTS = 12, 6, 8, 7
FORGOTTEN = "student-3-e1f7c0"
EXAM_IN_DAYS = 4
HOUR_MS = 60 * MINUTE_MS


def learner_id(number: int) -> str:
    """Long enough that it stands nowhere by chance."""
    return FORGOTTEN if number == 3 else f"student-{number}-{random.Random(number).randbytes(3).hex()}"


class Loop:
    """One deployment: a database of the app's, and a directory for what the commands say and write."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.models = directory / "models"
        self.now_ms = time.time_ns() // 1_000_000
        self.nights: list[dict[str, Any]] = []
        self.outcomes: dict[str, Any] = {}
        self.trained: dict[str, Any] = {}
        self.retrained: dict[str, Any] = {}
        self.monitored: dict[str, Any] = {}
        self.after_nights: list[tuple[Any, ...]] = []
        self._said = 0

    def go_round(self) -> None:
        """Seven nights, yesterday's answers as outcomes, a first training, a retraining, tonight, and a report."""
        self.models.mkdir()
        self.fill()
        self.nights = [self.night(days_ago) for days_ago in range(NIGHTS + 1, 1, -1)]
        self.after_nights = self.rows()
        self.outcomes = self.report("record_outcomes.py")
        self.trained = self.report("train_initial_model.py", "--jobs", "1", "--force")  # few learners prove nothing
        self.retrained = self.report("retrain_model.py", "--since", "5 days ago", "--jobs", "1")
        self.nights.append(self.night(None))
        files = ("--html", str(self.directory / "monitor.html"), "--prometheus", str(self.directory / "monitor.prom"))
        self.monitored = self.report("monitor.py", "--days", "30", *files)

    def rows(self) -> list[tuple[Any, ...]]:
        """(learner, objective, status, how many) of each learner, objective, status and day of predictionDate."""
        day = 'substr("predictionDate", 1, 10)'
        if dialect_of(self.url) == "postgresql":
            day = "date_trunc('day', \"predictionDate\")"
        columns = '"userId", "learningObjectiveId", "predictionStatus"'
        return ask(self.url, f"SELECT {columns}, count(*) FROM struggle_predictions GROUP BY {columns}, {day}")

    def fill(self) -> None:
        """A class with a course, an exam ahead and ten days of answers; and the demo learner, who is at risk."""
        fill_with_demo(self.url, self.now_ms)
        learners = [learner_id(number) for number in range(LEARNERS)]
        created = {"createdAt": self.now_ms - 90 * DAY_MS}
        insert(self.url, "User", [{"id": "teacher", **created}, *({"id": each, **created} for each in learners)])
        insert(self.url, "Course", [{"id": "algebra", "userId": "teacher", "name": "Algebra"}])
        insert(self.url, "Lecture", [{"id": "algebra-1", "userId": "teacher", "courseId": "algebra"}])
        names = [f"algebra-{number}" for number in range(OBJECTIVES)]
        insert(
            self.url, "LearningObjective", [{"id": each, "lectureId": "algebra-1", "objective": each} for each in names]
        )
        cards = [{"id": f"{each}-{n}", "courseId": "algebra", "objectiveId": each} for each in names for n in range(5)]
        insert(self.url, "Card", cards)
        exam = {"courseId": "algebra", "date": self.now_ms + EXAM_IN_DAYS * DAY_MS}
        insert(self.url, "Exam", [{"id": f"exam-{each}", "userId": each, **exam} for each in learners])
        insert(self.url, "Review", self._answers(learners, names))

    def _answers(self, learners: list[str], names: list[str]) -> Iterator[dict[str, object]]:
        """Visits of five answers, the last two of each learner yesterday, after the last night's prediction."""
        draw = random.Random(7)
        for learner in learners:
            ability = draw.gauss(0, 1)
            for visit in range(VISITS):
                days_ago = 1 if visit >= VISITS - 2 else 12 + VISITS - visit
                objective = names[visit % OBJECTIVES]
                at_ms = self.now_ms - days_ago * DAY_MS + visit * 2 * HOUR_MS
                for answer in range(5):
                    right = draw.random() < 1 / (1 + 2.718 ** (names.index(objective) / 2 - 1.5 - ability))
                    yield {
                        "id": f"{learner}-{visit}-{answer}",
                        "userId": learner,
                        "cardId": f"{objective}-{answer}",
                        "rating": "GOOD" if right else "AGAIN",
                        "reviewedAt": at_ms + answer * MINUTE_MS,
                    }

    def run(self, *command: str, code: int = 0, **environment: str) -> str:
        """stdout of a command that ended as it should; it sees the database in DATABASE_URL alone."""
        self._said += 1
        name = self.directory / f"{self._said:02}-{Path(command[0]).stem}"
        outside = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "STRUGGLE"))}
        settings = {"DATABASE_URL": self.url, "STRUGGLE_MODELS_DIR": str(self.models), "PYTHON": sys.executable}
        argv = [os.path.join(HOUSE, command[0]), *command[1:]]
        argv = argv if command[0].endswith(".sh") else [sys.executable, *argv]
        with open(f"{name}.out", "wb") as out, open(f"{name}.err", "wb") as err:
            done = subprocess.run(
                argv,
                env={**outside, **settings, **environment},
                stdout=out,
                stderr=err,
                cwd="/",
                timeout=120,
                check=False,
                umask=0o077,
            )
        assert done.returncode == code, Path(f"{name}.err").read_text()[-2000:]
        return Path(f"{name}.out").read_text()

    def report(self, script: str, *options: str) -> dict[str, Any]:
        """The JSON object that a script printed."""
        read = read_output if script == "monitor.py" else json.loads
        found: dict[str, Any] = read(self.run(f"scripts/{script}", *options, "--json"))
        return found

    def night(self, days_ago: int | None) -> dict[str, Any]:
        """A nightly batch, stored; None: this moment's."""
        then = () if days_ago is None else ("--as-of", iso(self.now_ms - days_ago * DAY_MS))
        return self.report("predict_batch.py", "--store", "--quiet", *then)

    def week(self) -> None:
        """scripts/weekly_retrain.sh as cron runs it."""
        self.run("scripts/weekly_retrain.sh", MODELS_DIR=str(self.models), LOG=str(self.directory / "weekly.log"))

    def texts(self) -> Mapping[str, bytes]:
        """Every file that the loop has left, models included."""
        files = (each for each in self.directory.rglob("*") if each.is_file() and each.suffix != ".db")
        return {str(each.relative_to(self.directory)): each.read_bytes() for each in files}
