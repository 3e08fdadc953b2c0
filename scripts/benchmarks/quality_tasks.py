"""Real answer logs as tasks: labelled visits of training learners and of test learners, and everybody's answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import click
import numpy as np
import numpy.typing as npt

import db
from db import LearnerRows
from db.writing.open import open_writer
from ml.errors import NotEnoughExamples
from ml.study.correctness import GOOD, is_correct
from ml.training.examples import ExampleSet
from ml.training.prior import FEWEST, Source
from scripts.benchmarks.quality_sets import LogSet
from scripts.cli.counted import counted
from scripts.import_history import import_log
from scripts.importing.answer_log import read_log
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction
from scripts.training.first_labels import Platform, read_platform
from scripts.workers.backends import Workers

TEST_SHARE = 4


class Task(NamedTuple):
    """One set: its labelled visits and everybody's answers in order.

    examples, unknown: the same visits, with the objectives' difficulties and without. training, test: which visits
    belong to training learners and which to test learners. beside: for comparisons with other sets, None without any.
    """

    name: str
    examples: ExampleSet
    unknown: ExampleSet
    training: npt.NDArray[np.bool_]
    test: npt.NDArray[np.bool_]
    states: list[State]
    answers: list[Answer]
    beside: Beside | None = None


class Beside(NamedTuple):
    """A set as one of several platforms, labelled by the platform's definition, as the shipped model's sources are.

    source: its visits in the order of Task.examples. platform: its learners, for the table by own labels.
    """

    source: Source
    platform: Platform


class Answer(NamedTuple):
    """One answer, or (visit >= 0) a marker where visit number `visit` of the examples begins."""

    learner: str
    skill: str
    correct: int
    at_ms: int
    visit: int


class State(NamedTuple):
    """Counts before an answer: how many were right and wrong overall, and on the skill."""

    skill: int
    right: int
    wrong: int
    skill_right: int
    skill_wrong: int
    outcome: int
    training: bool


def task_of(log_set: LogSet, directory: str, jobs: int, several: bool = False) -> Task:
    """Import a log, learn the difficulties from the training learners alone, and label the visits of all.

    several: whether it is compared with other sets, too.

    Raises MalformedLog, OSError; NotEnoughExamples where the visits of one of the two groups cannot be compared.
    """
    name, below = log_set.name, log_set.struggle_below
    click.echo(f"{name}: importing and extracting", err=True)
    url = f"sqlite:///{directory}/{name}.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        with read_log(log_set.path) as log:
            import_log(log, writer)
    with db.connect(url) as client:
        training = [learner for learner in client.learner_ids() if not is_test(learner)]
        until_ms = client.now()

        def visits(struggle_below: float | None) -> tuple[str, ExampleSet, ExampleSet]:
            table = os.path.join(directory, f"{name}.{struggle_below}.difficulty")
            build_table(client, table, until_ms, training, struggle_below)
            everything, workers = Extraction(url, None, until_ms, struggle_below), Workers(jobs=jobs)
            known, unknown = (read_examples(client, everything, each, None, workers) for each in (table, None))
            return table, known.without_next_cards() if log_set.adaptive else known, unknown

        table, examples, unknown = visits(below)
        rows = list(client.stream_learners(until_ms, None, None))
        beside = None
        if several:
            table, *both = (table, examples, unknown) if below is None else visits(None)
            platform = read_platform(client, name, table, None, GOOD, log_set.adaptive)
            beside = Beside(Source(name, *both), platform)
    compared = examples.validated if log_set.posttests else np.ones(len(examples), bool)
    test = np.array([is_test(learner) for learner in examples.learner.tolist()], bool)
    for who, part in (("who are trained on", ~test), ("who are left out", test)):
        _refuse_too_few(name, who, examples.y[compared & part].astype(int).tolist())
    answers = answers_in_order(rows, examples)
    return Task(name, examples, unknown, compared & ~test, compared & test, states_of(answers), answers, beside)


def _refuse_too_few(name: str, who: str, labels: Sequence[int]) -> None:
    if len(labels) < FEWEST or sum(labels) in (0, len(labels)):
        visits, struggles = counted(len(labels), "labelled visit"), counted(sum(labels), "struggle")
        said = f"{name}: {visits} with {struggles} of the learners {who} are too few to compare methods"
        raise NotEnoughExamples(f"{said} (at least {FEWEST} visits are needed, which do not all end alike)")


def is_test(learner_id: str) -> bool:
    """Every fourth learner, by a hash of the id."""
    return crc32(b"quality/" + learner_id.encode()) % TEST_SHARE == 0


def answers_in_order(rows: Sequence[LearnerRows], examples: ExampleSet) -> list[Answer]:
    """Every answer in order, with a marker for each labelled visit just before its first answer."""
    begins: dict[str, list[Answer]] = {}
    for visit, (learner, skill, at_ms) in enumerate(zip(examples.learner, examples.objective, examples.as_of_ms)):
        begins.setdefault(str(learner), []).append(Answer(str(learner), str(skill), 0, int(at_ms), visit))
    found: list[Answer] = []
    for one in rows:
        who = one.learner.id
        given = [
            Answer(who, review.objective_id, int(is_correct(review.rating)), review.reviewed_at_ms, -1)
            for review in one.reviews
            if review.objective_id is not None
        ]
        found += sorted([*begins.get(who, []), *given], key=lambda answer: (answer.at_ms, answer.visit < 0))
    return found


def states_of(answers: Sequence[Answer]) -> list[State]:
    """The learner's counts before each entry; markers of visits do not change them."""
    skills: dict[str, int] = {}
    total: dict[str, list[int]] = {}
    on_skill: dict[tuple[str, str], list[int]] = {}
    found = []
    for answer in answers:
        everything = total.setdefault(answer.learner, [0, 0])
        here = on_skill.setdefault((answer.learner, answer.skill), [0, 0])
        skill = skills.setdefault(answer.skill, len(skills))
        training = not is_test(answer.learner)
        found.append(State(skill, everything[0], everything[1], here[0], here[1], answer.correct, training))
        if answer.visit < 0:
            everything[1 - answer.correct] += 1
            here[1 - answer.correct] += 1
    return found
