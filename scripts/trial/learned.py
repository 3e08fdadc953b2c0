"""Trains on most learners of a platform, and judges the model on the others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np

import db
from ml.errors import NotEnoughExamples
from ml.evaluation.figures import Evaluation, evaluate
from ml.evaluation.metrics import Floats
from ml.model import StrugglePredictionModel, load_whole
from ml.places import CURRENT, shipped
from ml.training.examples import ExampleSet, vector_of
from ml.training.vectorised import ManyAtOnce
from scripts.labelling.part import Extraction
from scripts.training.initial import train_on_platform
from scripts.training.options import TrainingOptions
from scripts.training.out_of_sample import judged
from scripts.training.rules_on_visits import rules_on
from scripts.workers.backends import Workers

LEFT_OUT = 5
"""Every fifth learner, by a hash of the id."""
THIS, SHIPPED, RULES = "this platform's model", "the shipped model", "the platform's rules"


class Visit(NamedTuple):
    """A labelled visit of a learner left out. at_ms: its first answer."""

    learner_id: str
    objective_id: str
    at_ms: int
    struggled: bool


class Learned(NamedTuple):
    """The model that answers now, and how good it is.

    Attributes:
        model: The model's file.
        version: Its version.
        trained: Whether the platform's own history changed the weights.
        why: What was done and why, as a sentence.
        methods: By method, how good it is on the visits of the learners left out; empty where there are none.
        left_out: How many learners were left out.
        last: The latest of those visits, None where there is none.
    """

    model: str
    version: str
    trained: bool
    why: str
    methods: Mapping[str, Evaluation]
    left_out: int
    last: Visit | None


def is_left_out(learner_id: str) -> bool:
    """Whether the model is judged on this learner, and not trained on it."""
    return crc32(b"trial/" + learner_id.encode("utf-8", "surrogatepass")) % LEFT_OUT == 0


def learn(url: str, models_dir: str, name: str, correct_from: str, workers: Workers) -> Learned:
    """Trains, and measures. name: what the platform's answers are called in the model's sources."""
    with db.connect(url) as client:
        everybody = client.learner_ids()
    left_out = [each for each in everybody if is_left_out(each)]
    training = [each for each in everybody if not is_left_out(each)]
    options = TrainingOptions(
        urls=(url,),
        schema=None,
        models_dir=models_dir,
        prior=shipped(),
        struggle_below=None,
        learners=training,
        difficulty_only=False,
        as_of_ms=None,
        pretrained=False,
        names=(name,),
        adaptive=(),
        target_recall=None,
        capacity=None,
        force=False,
        correct_from=correct_from,
        workers=workers,
        as_json=False,
    )
    trained, why = _trained(options)
    current = os.path.join(models_dir, CURRENT)
    path = current if os.path.exists(current) else shipped()
    model = load_whole(path, correct_from)
    examples, probabilities = _judged(url, model, left_out, correct_from, workers) if left_out else (None, None)
    if examples is None or probabilities is None or not len(examples):
        return Learned(path, model.model_version, trained, why, {}, len(left_out), None)
    methods = {THIS: probabilities} if trained else {}
    methods |= {SHIPPED: _by_shipped(examples, correct_from), RULES: rules_on(examples)}
    y = examples.y.astype(float)
    measured = {method: evaluate(y, p, examples.learner) for method, p in methods.items()}
    return Learned(path, model.model_version, trained, why, measured, len(left_out), _last(examples))


def _trained(options: TrainingOptions) -> tuple[bool, str]:
    """Whether the weights were trained, and a sentence on it. Where they were not, difficulties are learned if any."""
    try:
        first = train_on_platform(options)
    except NotEnoughExamples as too_few:
        why = f"The shipped weights answer, because {too_few}."
    else:
        if first.version is not None:
            return True, "The weights were trained on this platform, and passed the gate for a first model."
        failed = "; ".join(check.sentence for check in first.verdict.failed) if first.verdict else ""
        why = f"The shipped weights answer, because weights trained here are not proven better: {failed}."
    try:
        train_on_platform(options._replace(difficulty_only=True))
    except NotEnoughExamples:
        return False, f"{why} There were no answers to learn difficulties from."
    return False, f"{why} The difficulties of the objectives are those of this platform."


def _judged(
    url: str, model: StrugglePredictionModel, learners: list[str], correct_from: str, workers: Workers
) -> tuple[ExampleSet, Floats]:
    with db.connect(url) as client:
        extraction = Extraction(url, None, client.now(), None, correct_from=correct_from)
        # The model itself predicts all of them: it was trained on none of these learners.
        found = judged(client, model, extraction, learners, workers, in_sample=True)
    return found.examples, np.array([verdict.probability for verdict in found.verdicts])


def _by_shipped(examples: ExampleSet, correct_from: str) -> Floats:
    """The shipped weights with this platform's difficulties."""
    saved = load_whole(shipped(), correct_from).saved
    if saved is None:  # the file is part of the installation
        raise NotEnoughExamples("the shipped model is absent")
    vectors = [vector_of(row, at) for row, at in zip(examples.X, examples.as_of_ms.tolist())]
    return np.array([each.probability for each in ManyAtOnce(saved).judge(vectors)])


def _last(examples: ExampleSet) -> Visit:
    at = max(range(len(examples)), key=lambda row: (int(examples.as_of_ms[row]), str(examples.learner[row])))
    struggled = bool(examples.y[at])
    who, what, when = str(examples.learner[at]), str(examples.objective[at]), int(examples.as_of_ms[at])
    return Visit(who, what, when, struggled)
