"""`python -m scripts.benchmark quality`: how well each method foretells struggles of learners it has never seen.

Every method sees the same training learners (three quarters) and is judged on the same visits of the others, before
the visit's first answer. What a method needs to know of objectives it learns from the training learners alone. The
shipped model is not among them: it has seen all of these learners. In its place stands one pretrained on the other
sets.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import venv
from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

import click
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import db
from db.rows import LearnerRows
from db.writing import open_writer
from ml import rules
from ml.training.evaluation import Evaluation, evaluate
from ml.training.examples import ExampleSet, vector_of
from ml.training.fit import Labels, candidates_for, fit
from ml.training.prior import Source, pretrain
from ml.training.stated import informed, stated_tables
from ml.training.tables import Additive
from scripts.answer_log import read_log
from scripts.batch_backends import Workers
from scripts.example_parts import Extraction
from scripts.import_history import import_log
from scripts.labelled_history import build_table, read_examples
from scripts.refusal import UNAVAILABLE, USAGE, Refused

Floats = npt.NDArray[np.float64]

SETS = {"assistments09": 0.6, "algebra05": 0.6, "lkt_cloze": 0.5}
"""Answer logs, and the share right below which a visit (of lkt_cloze: a posttest) counts as a struggle."""
TEST_SHARE = 4
PYBKT = ("pyBKT", "scikit-learn<1.6", "numpy<2.4")


class Task(NamedTuple):
    """One set: its labelled visits, which of them belong to test learners, and everybody's answers in order."""

    name: str
    examples: ExampleSet
    unknown: ExampleSet
    test: npt.NDArray[np.bool_]
    states: list[State]
    answers: list[Answer]


class Answer(NamedTuple):
    """One answer, or (visit >= 0) the place where visit `visit` of the examples begins."""

    learner: str
    skill: str
    correct: int
    at_ms: int
    visit: int


class State(NamedTuple):
    """Counts before an answer: right and wrong in all, and on the skill."""

    skill: int
    right: int
    wrong: int
    skill_right: int
    skill_wrong: int
    outcome: int
    training: bool


@click.command()
@click.option(
    "--data", envvar="STRUGGLE_DATA", required=True, type=click.Path(exists=True, file_okay=False), metavar="DIR"
)
@click.option("--set", "names", multiple=True, type=click.Choice(sorted(SETS)), help="Default: every set in DIR.")
@click.option("--without-pybkt", is_flag=True, help="pyBKT needs an environment of its own, which is made with pip.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1))
@click.option("--json", "json_path", metavar="OUT.json", help="Write all figures with intervals here.")
def quality(data: str, names: tuple[str, ...], without_pybkt: bool, jobs: int, json_path: str | None) -> None:
    """Compare this model with the rules, PFA, Best-LR, pyBKT and unrestricted boosting on learners left out.

    DIR holds one folder a set with interactions.csv.gz. Prints a Markdown table of AUC and ECE.
    """
    chosen = [name for name in (names or SETS) if os.path.exists(os.path.join(data, name, "interactions.csv.gz"))]
    if not chosen:
        raise Refused(f"{click.format_filename(data)} holds no known set", USAGE)
    with tempfile.TemporaryDirectory() as at:
        tasks = [task_of(data, name, at, jobs) for name in chosen]
        found = {task.name: compared(task, tasks, None if without_pybkt else at) for task in tasks}
    if json_path:
        with open(json_path, "w", encoding="utf-8") as file:
            json.dump({n: {m: e.to_dict() for m, e in by.items()} for n, by in found.items()}, file, indent=1)
    click.echo(markdown(found))


def task_of(data: str, name: str, directory: str, jobs: int) -> Task:
    """Import a log, learn the difficulties from the training learners alone, and label the visits of all."""
    click.echo(f"{name}: importing and extracting", err=True)
    url = f"sqlite:///{directory}/{name}.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        import_log(read_log(os.path.join(data, name, "interactions.csv.gz")), writer)
    table = os.path.join(directory, name + ".difficulty")
    with db.connect(url) as client:
        training = [learner for learner in client.learner_ids() if not is_test(learner)]
        until_ms = client.now()
        build_table(client, table, until_ms, training, SETS[name])
        everything, workers = Extraction(url, None, until_ms, SETS[name]), Workers(jobs=jobs)
        examples, unknown = (read_examples(client, everything, each, None, workers) for each in (table, None))
        rows = list(client.stream_learners(until_ms, None, None))
    if name == "lkt_cloze":
        keep = examples.validated
        examples, unknown = examples.select(keep), unknown.select(keep)
    test = np.array([is_test(learner) for learner in examples.learner.tolist()])
    answers = answers_in_order(rows, examples)
    return Task(name, examples, unknown, test, states_of(answers), answers)


def is_test(learner_id: str) -> bool:
    """Every fourth learner, by a hash of the id."""
    return crc32(b"quality/" + learner_id.encode()) % TEST_SHARE == 0


def answers_in_order(rows: Sequence[LearnerRows], examples: ExampleSet) -> list[Answer]:
    """Every answer, with a place for each labelled visit just before the answers from its moment on."""
    begins: dict[str, list[Answer]] = {}
    for visit, (learner, skill, at_ms) in enumerate(zip(examples.learner, examples.objective, examples.as_of_ms)):
        begins.setdefault(str(learner), []).append(Answer(str(learner), str(skill), 0, int(at_ms), visit))
    found: list[Answer] = []
    for one in rows:
        who = one.learner.id
        given = [
            Answer(who, review.objective_id, int(review.rating != "AGAIN"), review.reviewed_at_ms, -1)
            for review in one.reviews
            if review.objective_id is not None
        ]
        found += sorted([*begins.get(who, []), *given], key=lambda answer: (answer.at_ms, answer.visit < 0))
    return found


def states_of(answers: Sequence[Answer]) -> list[State]:
    """The learner's counts before each entry; places of visits change none."""
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


def compared(task: Task, tasks: Sequence[Task], directory: str | None) -> dict[str, Evaluation]:
    """Each method's figures on the test learners' visits."""
    train, test = task.examples.select(~task.test), task.examples.select(task.test)
    methods: dict[str, Callable[[], Floats]] = {
        "hand rules": lambda: by_rules(task.unknown.select(task.test)),
        "PFA": lambda: by_counts(task, pfa_columns),
        "Best-LR": lambda: by_counts(task, best_lr_columns),
        "unrestricted boosting": lambda: by_boosting(train, test),
        "this model": lambda: by_this(train, test),
    }
    if directory is not None:
        methods["pyBKT"] = lambda: by_pybkt(task, directory)
    others = [other for other in tasks if other.name != task.name]
    if others:
        methods["this model, trained on the other sets"] = lambda: by_prior(others, test)
        methods["the same, difficulty unknown"] = lambda: by_prior(others, task.unknown.select(task.test))
    found = {}
    for name, method in methods.items():
        click.echo(f"{task.name}: {name}", err=True)
        found[name] = evaluate(test.y.astype(float), method(), test.learner)
    return found


def by_rules(examples: ExampleSet) -> Floats:
    """The platform's rules."""
    vectors = (vector_of(row, at) for row, at in zip(examples.X, examples.as_of_ms.tolist()))
    return np.array([rules.predict(vector).probability for vector in vectors])


def by_this(train: ExampleSet, test: ExampleSet) -> Floats:
    """This model, from the stated tables alone: the shipped prior has seen these learners."""
    labels = Labels.of(train.X, train.y.astype(float), train.learner)
    result = fit(labels, stated_tables(labels.x), candidates_for(len(train))[1:])
    slope, offset = result.calibration
    return probability(slope * result.model.logits(test.X) + offset)


def by_prior(others: Sequence[Task], test: ExampleSet) -> Floats:
    """The model that the other sets would have shipped."""
    sources = [Source(other.name, other.examples, other.unknown) for other in others]
    saved = pretrain(sources, "benchmark", [other.name for other in others], 0.6).saved
    return probability(Additive.of(saved.scorecard).logits(test.X))


def by_boosting(train: ExampleSet, test: ExampleSet) -> Floats:
    """Boosting free to combine features in any direction: the black box."""
    columns = np.flatnonzero(informed(train.X))
    estimator = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=120,
        max_leaf_nodes=12,
        min_samples_leaf=40,
        l2_regularization=5.0,
        max_features=0.5,
        early_stopping=False,
        random_state=0,
    )
    with threadpool_limits(limits=1, user_api="openmp"):
        estimator.fit(train.X[:, columns], train.y)
        return np.asarray(estimator.predict_proba(test.X[:, columns])[:, 1])


def pfa_columns(states: Sequence[State]) -> csr_matrix:
    """Performance factors analysis (Pavlik et al. 2009): per skill a level, a slope for successes, one for failures."""
    skill = [state.skill for state in states]
    skills = max(skill) + 1
    rows = np.arange(len(states))
    # In tens, so that the solver sees columns of like size.
    parts = [np.ones(len(states)), [s.skill_right / 10 for s in states], [s.skill_wrong / 10 for s in states]]
    return hstack([csr_matrix((part, (rows, skill)), shape=(len(states), skills)) for part in parts]).tocsr()


def best_lr_columns(states: Sequence[State]) -> csr_matrix:
    """Gervet et al. 2020 for a new learner and an unknown first item: skill levels, log counts in all and by skill."""
    skill = [state.skill for state in states]
    levels = csr_matrix((np.ones(len(states)), (np.arange(len(states)), skill)), shape=(len(states), max(skill) + 1))
    counts = np.log1p([[s.right, s.wrong, s.skill_right, s.skill_wrong] for s in states])
    return hstack([levels, csr_matrix(counts)]).tocsr()


def by_counts(task: Task, columns: Callable[[Sequence[State]], csr_matrix]) -> Floats:
    """A logistic regression on answers; a visit's score is the chance that its first answer is wrong."""
    every = columns(task.states)
    visits = np.array([answer.visit for answer in task.answers])
    rows = np.array([s.training for s in task.states]) & (visits < 0)
    right = np.array([s.outcome for s in task.states])
    model = LogisticRegression(C=1.0, max_iter=5000).fit(every[rows], right[rows])
    places = np.flatnonzero(visits >= 0)
    scores = np.zeros(len(task.examples))
    scores[visits[places]] = -model.decision_function(every[places])
    return calibrated(task, scores)


def by_pybkt(task: Task, directory: str) -> Floats:
    """pyBKT (Badrinath et al. 2021), in an environment of its own; a visit's score as above."""
    python = pybkt_python(directory)
    given, made = (os.path.join(directory, f"{task.name}.bkt{end}") for end in (".json", ".out.json"))
    table = {
        "learner": [answer.learner for answer in task.answers],
        "skill": [answer.skill for answer in task.answers],
        "correct": [answer.correct for answer in task.answers],
        "visit": [answer.visit for answer in task.answers],
        "training": [state.training for state in task.states],
    }
    with open(given, "w", encoding="utf-8") as file:
        json.dump(table, file)
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference", "pybkt_visits.py")
    ran = subprocess.run([python, script, given, made], capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise Refused(f"pyBKT failed: {ran.stderr.strip().splitlines()[-1]}", UNAVAILABLE)
    with open(made, encoding="utf-8") as file:
        right = np.clip(np.array(json.load(file)), 1e-4, 1 - 1e-4)
    return calibrated(task, -np.log(right / (1 - right)))


def pybkt_python(directory: str) -> str:
    """An interpreter with pyBKT, made on first use."""
    home = os.path.join(directory, "pybkt")
    python = os.path.join(home, "bin", "python")
    if not os.path.exists(python):
        venv.create(home, with_pip=True)
        command = [python, "-m", "pip", "install", "-q", *PYBKT]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if ran.returncode:
            raise Refused(f"pyBKT cannot be installed: {ran.stderr.strip().splitlines()[-1]}", UNAVAILABLE)
    return python


def calibrated(task: Task, scores: Floats) -> Floats:
    """Scores as probabilities of a struggle, by a logistic line through the training visits."""
    line = LogisticRegression(C=1e3).fit(scores[~task.test, None], task.examples.y[~task.test])
    return np.asarray(line.predict_proba(scores[task.test, None])[:, 1])


def probability(logits: Floats) -> Floats:
    """The logistic function."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))))


def markdown(found: dict[str, dict[str, Evaluation]]) -> str:
    """AUC with its interval, and ECE with its noise floor, a column a set."""
    methods = list(dict.fromkeys(method for by in found.values() for method in by))
    lines = ["| AUC [95 %] / ECE (noise floor) | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    sizes = [next(iter(by.values())) for by in found.values()]
    told = [f"{e.n} / {e.learners} / {e.figures['struggle_rate'].value:.3f}" for e in sizes]
    lines.append("| test visits / learners / base rate | " + " | ".join(told) + " |")
    for method in methods:
        cells = [_cell(by[method]) if method in by else "-" for by in found.values()]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(evaluation: Evaluation) -> str:
    auc, ece = evaluation.figures["auc"], evaluation.figures["ece"]
    if auc.value is None or auc.low is None or auc.high is None or ece.value is None:
        return "-"
    floor = f" ({evaluation.ece_noise_floor:.3f})" if evaluation.ece_noise_floor is not None else ""
    return f"{auc.value:.4f} [{auc.low:.3f}, {auc.high:.3f}] / {ece.value:.3f}{floor}"
