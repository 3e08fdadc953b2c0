"""The methods that are compared: this model and its prior, the rules, boosting, EBM, PFA, Best-LR, pyBKT and a GRU.

Each takes training visits (or the training learners' answers) and gives a probability for each test visit.
"""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Callable, Mapping, Sequence

import click
import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ml.evaluation.metrics import Floats, logit
from ml.scoring import rules
from ml.study.visits import PERFORMANCE_BELOW
from ml.training.composite import composite
from ml.training.examples import ExampleSet, vector_of
from ml.training.expert_tables import informed, stated_tables
from ml.training.fit import Labels, candidates_for, fit
from ml.training.prior import Source, pretrain
from ml.training.tables import Additive
from scripts.benchmarks.quality_tasks import State, Task, is_test
from scripts.cli.exits import Unavailable


class NotRun(Unavailable):
    """Raised by a method that lacks what it needs; the sentence says what that is, and the report says it."""


PYBKT = ("pyBKT", "scikit-learn<1.6", "numpy<2.4")


def rules_alone(examples: ExampleSet) -> Floats:
    """The platform's rules."""
    vectors = (vector_of(row, at) for row, at in zip(examples.X, examples.as_of_ms.tolist()))
    return np.array([rules.predict(vector).probability for vector in vectors])


def this_model(train: ExampleSet) -> Additive:
    """This model, calibrated, from what a prior believes before any label; the shipped one saw these learners."""
    labels = Labels.of(train.X, train.y.astype(float), train.learner)
    believed = stated_tables(labels.x).plus(composite(labels.x))
    result = fit(labels, believed, candidates_for(len(train))[1:])
    slope, offset = result.calibration
    return result.model.times(slope).plus(Additive.nothing(train.X.shape[1], offset))


def pretrained_on(others: Sequence[Source]) -> Additive:
    """The model that the other sets would have shipped, by the mark that it would have been labelled by."""
    names = [other.name for other in others]
    click.echo(f"pretraining on {' and '.join(names)}", err=True)
    return Additive.of(pretrain(others, "benchmark", names, PERFORMANCE_BELOW).saved.scorecard)


def boosting(train: ExampleSet, test: ExampleSet) -> Floats:
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


def ebm(train: ExampleSet, test: ExampleSet) -> Floats:
    """An explainable boosting machine (Nori et al. 2019) without pairs: additive, but neither monotone nor shrunk."""
    try:
        from interpret.glassbox import ExplainableBoostingClassifier
    except ModuleNotFoundError:
        raise NotRun("EBM was not run: it needs `pip install '.[ebm]'`.") from None
    columns = np.flatnonzero(informed(train.X))
    estimator = ExplainableBoostingClassifier(interactions=0, random_state=0, n_jobs=1)
    estimator.fit(train.X[:, columns], train.y)
    return np.asarray(estimator.predict_proba(test.X[:, columns])[:, 1])


def gru(task: Task, directory: str, python: str | None) -> Floats:
    """A small recurrent network over the answers, trained on the same visits."""
    if python is None:
        raise NotRun("The GRU was not run: --torch-python names an interpreter that has PyTorch.")
    learned = [
        0 if tested else int(y) for y, tested in zip(task.examples.y, map(is_test, task.examples.learner.tolist()))
    ]
    chances = elsewhere("gru", task, directory, python, {"struggled": learned})
    return calibrated(task, logit(chances))


def pfa_columns(states: Sequence[State]) -> csr_matrix:
    """Performance factors analysis (Pavlik et al. 2009): per skill a level and slopes for successes and failures."""
    skill = [state.skill for state in states]
    skills = max(skill) + 1
    rows = np.arange(len(states))
    # In tens, so that the solver sees columns of like size.
    parts = [np.ones(len(states)), [s.skill_right / 10 for s in states], [s.skill_wrong / 10 for s in states]]
    return hstack([csr_matrix((part, (rows, skill)), shape=(len(states), skills)) for part in parts]).tocsr()


def best_lr_columns(states: Sequence[State]) -> csr_matrix:
    """Gervet et al. 2020 for a new learner and an unknown first item: skill levels, log counts overall and by skill."""
    skill = [state.skill for state in states]
    levels = csr_matrix((np.ones(len(states)), (np.arange(len(states)), skill)), shape=(len(states), max(skill) + 1))
    logs = np.log1p([[s.right, s.wrong, s.skill_right, s.skill_wrong] for s in states])
    return hstack([levels, csr_matrix(logs)]).tocsr()


def counts(task: Task, columns: Callable[[Sequence[State]], csr_matrix]) -> Floats:
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


def pybkt(task: Task, directory: str) -> Floats:
    """pyBKT (Badrinath et al. 2021), in an environment of its own.

    A visit's score is the chance of a wrong first answer.
    """
    return calibrated(task, -logit(elsewhere("pybkt", task, directory, pybkt_python(directory), {})))


def elsewhere(name: str, task: Task, directory: str, python: str, more: Mapping[str, object]) -> Floats:
    """A number from 0 to 1 for each visit, by scripts/reference/NAME_visits.py under another interpreter.

    more: what that program reads beside the answers.
    """
    given, made = (os.path.join(directory, f"{task.name}.{name}{end}") for end in (".json", ".out.json"))
    table = {
        "learner": [answer.learner for answer in task.answers],
        "skill": [answer.skill for answer in task.answers],
        "correct": [answer.correct for answer in task.answers],
        "visit": [answer.visit for answer in task.answers],
        "training": [state.training for state in task.states],
        **more,
    }
    with open(given, "w", encoding="utf-8") as file:
        json.dump(table, file)
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "reference", f"{name}_visits.py")
    try:
        ran = subprocess.run([python, script, given, made], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise Unavailable(f"{python} cannot be started: {error.strerror}") from None
    if ran.returncode:
        raise Unavailable(f"{os.path.basename(script)} failed: {ran.stderr.strip().splitlines()[-1]}")
    with open(made, encoding="utf-8") as file:
        return np.asarray(np.clip(np.array(json.load(file)), 1e-4, 1 - 1e-4))


def pybkt_python(directory: str) -> str:
    """An interpreter with pyBKT, made on first use."""
    home = os.path.join(directory, "pybkt")
    python = os.path.join(home, "bin", "python")
    if not os.path.exists(python):
        venv.create(home, with_pip=True)
        command = [python, "-m", "pip", "install", "-q", *PYBKT]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if ran.returncode:
            raise Unavailable(f"pyBKT cannot be installed: {ran.stderr.strip().splitlines()[-1]}")
    return python


def calibrated(task: Task, scores: Floats) -> Floats:
    """Scores as probabilities of a struggle, by a logistic line through the training visits."""
    line = LogisticRegression(C=1e3).fit(scores[task.training, None], task.examples.y[task.training])
    return np.asarray(line.predict_proba(scores[task.test, None])[:, 1])
