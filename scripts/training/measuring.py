"""How good a model or the rules are on labelled visits, each predicted from what came before it."""

from __future__ import annotations

import csv
import io

import numpy as np

from db.client import Client
from ml.evaluation.figures import TOO_FEW, Evaluation, Figure, evaluate
from ml.evaluation.metrics import Floats
from ml.evaluation.slices import Slice, history_band, slices
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.scoring import rules
from ml.training.examples import ExampleSet, vector_of
from ml.training.model_card import answers_of
from ml.training.vectorised import ManyAtOnce, PlainPrediction
from scripts.cli.counted import counted
from scripts.cli.output_file import write_whole
from scripts.labelling.history import read_examples
from scripts.labelling.part import Extraction
from scripts.workers.backends import Workers

AT_ONCE = 5000
NO_VISITS = (
    "A labelled visit is one learner's answers on one objective without a gap of more than an hour, three or more of"
    " them, or a validation score on the objective."
)


def judged(
    client: Client,
    model: StrugglePredictionModel,
    extraction: Extraction,
    learner_ids: list[str] | None,
    workers: Workers,
) -> tuple[ExampleSet, list[PlainPrediction]]:
    """Labelled visits, and the model's prediction for each at its first answer."""
    table = model.difficulty
    examples = read_examples(client, extraction, table.path if table else None, learner_ids, workers)
    many = ManyAtOnce(model.saved) if model.saved is not None else None
    verdicts: list[PlainPrediction] = []
    for start in range(0, len(examples), AT_ONCE):
        stop = start + AT_ONCE
        vectors = [vector_of(row, at) for row, at in zip(examples.X[start:stop], examples.as_of_ms[start:stop])]
        verdicts += many.judge(vectors) if many else [_by_rules(vector) for vector in vectors]
    return examples, verdicts


def rules_on(examples: ExampleSet) -> Floats:
    """The rules' probability of each visit."""
    vectors = (vector_of(row, at) for row, at in zip(examples.X, examples.as_of_ms.tolist()))
    return np.array([rules.predict(vector).probability for vector in vectors], np.float64)


def _by_rules(vector: FeatureVector) -> PlainPrediction:
    prediction = rules.predict(vector)
    return PlainPrediction(prediction.probability, prediction.confidence, *prediction.interval)


def measured(
    examples: ExampleSet, verdicts: list[PlainPrediction], model: StrugglePredictionModel, bootstrap: int
) -> dict[str, object]:
    """All figures, overall and in slices, as plain builtins; `text` is the table for people."""
    y, p = examples.y.astype(float), np.array([verdict.probability for verdict in verdicts])
    threshold = model.saved.figures.get("threshold", 0.5) if model.saved is not None else 0.5
    found = evaluate(y, p, examples.learner, threshold=threshold, bootstrap=bootstrap)
    groups = {
        "answers of history": [history_band(answers) for answers in answers_of(examples.X)],
        "objective": _known(examples),
        "labelled by": ["validation" if validated else "answers" for validated in examples.validated],
        "confidence": _tertiles([verdict.confidence for verdict in verdicts]),
    }
    parts = slices(y, p, examples.learner, groups, threshold=threshold, bootstrap=bootstrap)
    return {
        "model_version": model.model_version,
        "source": model.source,
        "correct_from": model.correct_from,
        **found.to_dict(),
        "slices": [part.to_dict() for part in parts],
        "text": table_of(model.model_version, found, parts, model.correct_from),
    }


def _known(examples: ExampleSet) -> list[str]:
    support = examples.X[:, FEATURE_NAMES.index("objective_support")]
    return ["known" if learners > 0 else "unknown" for learners in support.tolist()]


def _tertiles(confidences: list[float]) -> list[str]:
    if not confidences:
        return []
    marks = np.quantile(confidences, [1 / 3, 2 / 3])
    names = ("1 low", "2 middle", "3 high")
    return [names[int(np.searchsorted(marks, confidence, side="left"))] for confidence in confidences]


def write_predictions(path: str, examples: ExampleSet, verdicts: list[PlainPrediction], source: str) -> None:
    """One CSV row per labelled visit; `answers` counts its graded answers, or prompts where it is a run of prompts."""
    lines = io.StringIO(newline="")
    out = csv.writer(lines, lineterminator="\n")
    out.writerow(["learner_id", "objective_id", "as_of", "answers", "label", "probability", "confidence", "source"])
    for row, (probability, confidence, *_interval) in enumerate(verdicts):
        ids = examples.learner[row], examples.objective[row], iso(int(examples.as_of_ms[row]))
        out.writerow([*ids, examples.answers[row], examples.y[row], repr(probability), repr(confidence), source])
    write_whole(path, lines.getvalue())


def table_of(name: str, found: Evaluation, parts: tuple[Slice, ...], correct_from: str) -> str:
    """The figures for people."""
    lines = [
        f"{name}: {counted(found.n, 'labelled visit')} of {counted(found.learners, 'learner')},"
        f" {counted(found.struggles, 'struggle')}",
    ]
    lines.append(f"  answers are correct from {correct_from}")
    if not found.n:
        return "\n".join([*lines, f"  {NO_VISITS}"])
    lines += figure_lines(found)
    for part in parts:
        figures = part.evaluation.figures
        told = ", ".join(f"{label} {_figure(figures[label])}" for label in ("auc", "brier", "ece"))
        lines.append(f"  {part.dimension} {part.value} (n = {part.evaluation.n:,}): {told}")
    return "\n".join(lines)


def figure_lines(found: Evaluation) -> list[str]:
    """One line per figure, and one per threshold with what was measured at it."""
    lines = [f"  {label:22} {_figure(figure)}" for label, figure in found.figures.items()]
    if found.ece_noise_floor is not None:
        lines.append(f"  {'ece noise floor':22} {found.ece_noise_floor:.3f}")
    for threshold, decisions in found.decisions.items():
        chosen = " (chosen)" if threshold == found.threshold else ""
        told = ", ".join(f"{label} {_figure(figure)}" for label, figure in decisions.items())
        lines.append(f"  from {threshold:.2f}{chosen}: {told}")
    return lines


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return f"- ({figure.reason})"
    bounds = f" [{figure.low:.3f}, {figure.high:.3f}]" if figure.low is not None and figure.high is not None else ""
    if figure.reason == TOO_FEW:
        bounds = f" ({TOO_FEW})"
    return f"{figure.value:.3f}{bounds}"
