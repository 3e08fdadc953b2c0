"""Is advice exact?  `python -m tests.advice.exact --learners 1000` tries every possible change of random learners.

Each change is written to the database as the rows that the advice names, the learner is read and predicted again as of
the same moment, and the rows are taken back. A fault is a probability that is further than 1e-9 from the one that the
advice stated, or a change that is still proposed once it has been made. The learners of a seed are the same on every
machine; they include full windows, learners without answers, shared objectives, moments in the past, odd levels,
and several models: the shipped one, one that knows objectives' difficulty from other learners, and the rules.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import click
from tqdm import tqdm

import db
from db.client import Client
from db.tables.models import MODELS
from db.writing.open import Writer, open_writer
from ml.advice.changed import Faced, faced_after, features_after
from ml.advice.changes import MASTER_PREREQUISITE, Change, possible_changes, rows_of
from ml.extractor import StruggleFeatureExtractor
from ml.instants import parse_iso
from ml.model import RULES, StrugglePredictionModel, load
from ml.places import shipped
from ml.study.history import DAY_MS, HOUR_MS, MINUTE_MS, WINDOW, StudyHistory
from tests.support.study_database import by_bare_names
from tests.support.trained_models import save_model

AHEAD_MS, PAST_MS = 2_000_000_000_000, 1_700_000_000_000
"""Two moments of prediction: one that counts as now on every machine that runs this, and one that is past on all."""
EXACT = 1e-9
OBJECTIVES, GROUPS = 6, 4
LEVELS = ("NOT_STARTED", "BEGINNER", "INTERMEDIATE", "ADVANCED", "MASTERED")
RATINGS = ("AGAIN", "HARD", "GOOD", "EASY")
LEARNERS_AT_ONCE = 50

Row = dict[str, Any]


class Subject(NamedTuple):
    """One learner, the objective that is faced, the moment, and the learner's rows by model."""

    learner: str
    objective: str
    as_of_ms: int
    rows: dict[str, list[Row]]


def subject(number: int, seed: int) -> Subject:
    """The learner of that number: alone with objectives of their own, or one of many who share a teacher's."""
    draw = random.Random(f"{seed}/{number}")
    learner, shares = f"learner-{number}", draw.random() < 0.5
    owner = f"group-{number % GROUPS}" if shares else learner
    as_of_ms = PAST_MS if draw.random() < 0.2 else AHEAD_MS
    names = [f"{owner}/{n}" for n in range(OBJECTIVES)]
    rows: dict[str, list[Row]] = {"User": [{"id": learner}]}
    if not shares:
        rows.update(course(owner, draw))
    cards = [f"{name}/{n}" for name in names for n in range(3)]
    full = draw.random() < 0.03
    count = draw.choice((2998, 2999, 3000, 3004)) if full else draw.choice((0, 0, 1, 2, 5, 30, 120))
    met = draw.sample(cards, draw.randint(1, len(cards)))
    ability = draw.random()
    rows["Review"] = [
        {
            "id": f"{learner}/r{n}",
            "userId": learner,
            "cardId": draw.choice(met),
            "rating": draw.choice(RATINGS[2:]) if draw.random() < ability else draw.choice(RATINGS[:2]),
            "reviewedAt": at_ms,
        }
        for n, at_ms in enumerate(_moments(draw, count, as_of_ms))
    ]
    scores = draw.choice((0, 0, 1, 4, 12)) if draw.random() < 0.95 else draw.choice((198, 199, 200, 205))
    rows["ValidationResponse"] = [
        {
            "id": f"{learner}/v{n}",
            "userId": learner,
            "promptId": f"prompt of {draw.choice(names[: draw.randint(1, OBJECTIVES)])}",
            "score": draw.choice((0.0, 0.3, draw.random(), 1.0)),
            "respondedAt": at_ms,
        }
        for n, at_ms in enumerate(_moments(draw, scores, as_of_ms))
    ]
    days = draw.sample(range(1, 40), draw.choice((0, 0, 3, 12)))
    rows["PerformanceMetric"] = [
        {
            "id": f"{learner}/m{n}",
            "userId": learner,
            "learningObjectiveId": draw.choice(names),
            "date": as_of_ms // DAY_MS * DAY_MS - day * DAY_MS - n,
            "retentionScore": draw.random(),
        }
        for n, day in enumerate(days)
    ]
    rows["Mission"] = [
        {
            "id": f"{learner}/n{n}",
            "userId": learner,
            "date": as_of_ms + draw.choice((-3, -1, 0, 0, 0, 1, 9)) * HOUR_MS * draw.choice((1, 20)),
            "status": draw.choice(("PENDING", "IN_PROGRESS", "COMPLETED", "SKIPPED")),
            "objectives": _entries(draw, names),
        }
        for n in range(draw.choice((0, 0, 1, 4)))
    ]
    rows["StudySession"] = [
        {"id": f"{learner}/s{n}", "userId": learner, "startedAt": at_ms, "durationMs": 30 * MINUTE_MS}
        for n, at_ms in enumerate(_moments(draw, draw.choice((0, 3)), as_of_ms))
    ]
    if draw.random() < 0.3:
        date_ms = as_of_ms + draw.randint(0, 60) * DAY_MS
        rows["Exam"] = [
            {"id": f"{learner}/x", "userId": learner, "name": "x", "courseId": f"course of {owner}", "date": date_ms}
        ]
    return Subject(learner, draw.choice(names), as_of_ms, rows)


def course(owner: str, draw: random.Random) -> dict[str, list[Row]]:
    """A course with its objectives, prerequisites (loops and circles among them), cards and prompts."""
    names = [f"{owner}/{n}" for n in range(OBJECTIVES)]
    edges = {(draw.choice(names), draw.choice(names)) for _ in range(draw.choice((2, 6, 14)))}
    with_cards = draw.sample(names, OBJECTIVES - 1)
    return {
        "Course": [{"id": f"course of {owner}", "userId": owner, "name": owner}],
        "Lecture": [{"id": f"lecture of {owner}", "userId": owner, "courseId": f"course of {owner}", "title": owner}],
        "LearningObjective": [
            {
                "id": name,
                "lectureId": f"lecture of {owner}",
                "objective": f"Explain {name}",
                "complexity": draw.choice(("BASIC", "INTERMEDIATE", "ADVANCED")),
                "masteryLevel": draw.choice(LEVELS),
            }
            for name in names
        ],
        "ObjectivePrerequisite": [
            {"id": f"{one} needs {other}", "objectiveId": one, "prerequisiteId": other} for one, other in sorted(edges)
        ],
        "Card": [
            {
                "id": f"{name}/{n}",
                "courseId": f"course of {owner}",
                "objectiveId": name,
                "nextReviewAt": draw.choice((None, AHEAD_MS + draw.randint(-9, 9) * DAY_MS)),
            }
            for name in names
            for n in range(3 if name in with_cards else 0)
        ],
        "ValidationPrompt": [{"id": f"prompt of {name}", "objectiveId": name, "conceptName": name} for name in names],
    }


def _moments(draw: random.Random, count: int, as_of_ms: int) -> list[int]:
    """Instants in the order of time, some of them close together; the last may be a second before as_of."""
    reach = draw.choice((2 * HOUR_MS, 3 * DAY_MS, 60 * DAY_MS))
    moments = {as_of_ms - 1000 - draw.randint(0, max(reach, 10 * count)) for _ in range(count)}
    while len(moments) < count:
        moments.add(as_of_ms - 1000 - draw.randint(0, max(reach, 10 * count)))
    return sorted(moments)


def _entries(draw: random.Random, names: Sequence[str]) -> list[object]:
    chosen = draw.sample(names, draw.randint(1, len(names)))
    forms = (lambda n: {"objectiveId": n}, lambda n: {"objective": {"id": n}}, lambda n: {"id": n, "completed": True})
    return [draw.choice(forms)(name) for name in chosen]


def fill(url: str, subjects: Sequence[Subject], seed: int) -> None:
    """Writes the shared courses, if they are not there yet, and the learners."""
    with open_writer(url) as writer:
        if not writer.query(f"SELECT 1 FROM {writer._table('User')} LIMIT 1"):
            for group in range(GROUPS):
                shared = {
                    "User": [{"id": f"group-{group}"}],
                    **course(f"group-{group}", random.Random(f"{seed}/{group}")),
                }
                _insert(writer, shared)
        for each in subjects:
            _insert(writer, each.rows)


def _insert(writer: Writer, rows: dict[str, list[Row]]) -> None:
    order = ("User", "Course", "Lecture", "LearningObjective", "ObjectivePrerequisite", "Card", "ValidationPrompt")
    for model in sorted(rows, key=lambda name: order.index(name) if name in order else len(order)):
        if rows[model]:
            fields = tuple(rows[model][0])
            writer.insert(model, fields, [tuple(row[field] for field in fields) for row in rows[model]])


MODEL_OF = {model.table: name for name, model in MODELS.items()}
DEMANDED: dict[str, Row] = {"validation_prompts": {"conceptName": "advice"}}


def write_rows(url: str, rows: Sequence[Row]) -> list[Row]:
    """Writes the rows that advice names; returns the rows that take them back."""
    back: list[Row] = []
    with open_writer(url) as writer:
        for number, row in enumerate(rows):
            model = MODEL_OF[row["table"]]
            if "insert" in row:
                given = {
                    name: parse_iso(value) if name.endswith("At") else value for name, value in row["insert"].items()
                }
                whole = {"id": f"tried-{number}", **DEMANDED.get(row["table"], {}), **given}
                writer.insert(model, tuple(whole), [tuple(whole.values())])
                back.append({"delete": whole["id"], "model": model})
            else:
                (identifier,) = row["where"].values()
                for field in row["set"]:
                    sql = f'SELECT "{field}" FROM {row["table"]} WHERE "id" = ?'
                    ((old,),) = by_bare_names(writer).query(sql, [identifier])
                    back.append({"model": model, "id": identifier, "set": {field: old}})
                assert writer.update(model, identifier, **row["set"]) == 1
    return back


def take_back(url: str, back: Sequence[Row]) -> None:
    """Undoes write_rows."""
    with open_writer(url) as writer:
        for row in reversed(back):
            if "delete" in row:
                assert writer.delete(row["model"], "id", [row["delete"]]) == 1
            else:
                assert writer.update(row["model"], row["id"], **row["set"]) == 1


class Trial:
    """One database of random learners, and what was found."""

    def __init__(self, url: str, models: Sequence[StrugglePredictionModel]) -> None:
        self.url = url
        self.models = models
        self.kinds: Counter[str] = Counter()
        self.faults: list[str] = []
        self.furthest = 0.0

    def faced(self, client: Client, each: Subject) -> Iterator[tuple[StrugglePredictionModel, Faced]]:
        """The learner as each model's prediction sees them."""
        rows = client.read(each.learner, each.objective, each.as_of_ms, WINDOW)
        assert rows.is_now == (each.as_of_ms == AHEAD_MS)
        for model in self.models:
            history = StudyHistory.before(rows, model.correct_from)
            table = model.difficulty_at(rows.as_of_ms)
            estimates, features = StruggleFeatureExtractor(client, table, model.correct_from).studied(history)
            assert estimates is not None
            yield model, Faced(history, estimates, features, table)

    def examine(self, client: Client, each: Subject) -> None:
        """Tries every possible change of one learner."""
        before = list(self.faced(client, each))
        changes = possible_changes(before[0][1].history)
        for number, change in enumerate(changes):
            self.kinds[
                change.kind + (" by rows" if change.kind == MASTER_PREREQUISITE and not change.mastered else "")
            ] += 1
            stated = [model.probability(features_after(faced, (change,))) for model, faced in before]
            back = write_rows(self.url, rows_of((change,), each.learner, each.as_of_ms))
            after = list(self.faced(client, each))
            for expected, (model, faced) in zip(stated, after, strict=True):
                apart = abs(model.probability(faced.features) - expected)
                self.furthest = max(self.furthest, apart)
                if not apart <= EXACT:
                    self.faults.append(
                        f"{each.learner}, change {number} ({change.kind}), {model.model_version}: {apart:g}"
                    )
            if _still_there(change, possible_changes(after[0][1].history)):
                self.faults.append(
                    f"{each.learner}: {change.kind} of {change.objective_id} is proposed once it is done"
                )
            take_back(self.url, back)
        if len(changes) > 1:
            self.examine_together(client, each, before, changes)

    def examine_together(
        self,
        client: Client,
        each: Subject,
        before: Sequence[tuple[StrugglePredictionModel, Faced]],
        changes: Sequence[Change],
    ) -> None:
        """Tries all changes at once, and whether the advice after them is that of the changed database."""
        self.kinds["all at once"] += 1
        stated = [faced_after(faced, changes) for _, faced in before]
        back = write_rows(self.url, rows_of(changes, each.learner, each.as_of_ms))
        for expected, (model, faced) in zip(stated, self.faced(client, each), strict=True):
            apart = abs(model.probability(faced.features) - model.probability(expected.features))
            self.furthest = max(self.furthest, apart)
            same = _told(model, faced) == _told(model, expected)
            if not (apart <= EXACT and same):
                told = f"{apart:g}" if same else "another answer"
                self.faults.append(f"{each.learner}, all changes, {model.model_version}: {told}")
        take_back(self.url, back)


def _told(model: StrugglePredictionModel, faced: Faced) -> list[object]:
    """Everything that an answer would say."""
    prediction = model.predict(faced.features)
    advice = model.advise(prediction, faced.history, faced.estimates, faced.features)
    factors = [factor.to_dict() for factor in prediction.factors]
    return [prediction.reasoning, factors, [each.to_dict() for each in advice], faced.features.to_dict()]


def _still_there(change: Change, proposed: Sequence[Change]) -> bool:
    again = [each for each in proposed if (each.kind, each.objective_id) == (change.kind, change.objective_id)]
    return bool(again) and change.kind in (MASTER_PREREQUISITE, "lighter_day")


def run(url: str, learners: Sequence[int], seed: int, directory: str, progress: bool = False) -> Trial:
    """Fills the empty database at the url, which has its tables, with these learners, and examines each of them."""
    subjects = [subject(number, seed) for number in learners]
    for start in range(0, len(subjects), LEARNERS_AT_ONCE):
        fill(url, subjects[start : start + LEARNERS_AT_ONCE], seed)
    known = load(save_model(directory, seed, difficulty_of=url, as_of_ms=PAST_MS))
    trial = Trial(url, (load(shipped()), known, load(RULES)))
    with db.connect(url) as client:
        for each in tqdm(subjects, disable=not progress):
            trial.examine(client, each)
    return trial


@click.command()
@click.option("--learners", type=click.IntRange(min=1), default=1000, show_default=True, help="How many learners.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which learners.")
@click.option("--only", type=int, help="Only the learner of this number.")
@click.option("--database-url", help="An empty database to use in place of a SQLite file.")
def main(learners: int, seed: int, only: int | None, database_url: str | None) -> None:
    """Try every possible change of random learners in a database."""
    with tempfile.TemporaryDirectory(prefix="exact-advice-") as directory:
        url = database_url or f"sqlite:///{os.path.join(directory, 'learners.sqlite3')}"
        with open_writer(url, create=True) as writer:
            writer.create_tables()
        trial = run(url, range(learners) if only is None else [only], seed, directory, progress=True)
    for fault in trial.faults[:20]:
        click.echo(fault)
    tried = ", ".join(f"{count} {kind}" for kind, count in sorted(trial.kinds.items()))
    click.echo(f"{len(trial.faults)} faults; furthest {trial.furthest:.2g}; tried {tried}.")
    raise SystemExit(1 if trial.faults else 0)


if __name__ == "__main__":
    main()
