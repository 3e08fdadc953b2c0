"""How good a model or the rules are on labelled visits, each predicted from what came before it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from ml.evaluation.figures import TOO_FEW, Evaluation, Figure, evaluate
from ml.evaluation.slices import Slice, history_band, slices
from ml.features.vector import FEATURE_NAMES
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.study.visits import PERFORMANCE_BELOW
from ml.training.examples import ExampleSet
from ml.training.model_card import answers_of
from scripts.cli.counted import counted
from scripts.cli.output_file import write_whole
from scripts.training.out_of_sample import Judged

NO_VISITS = (
    "A labelled visit is one learner's answers on one objective without a gap of more than an hour, three or more of"
    " them, or a validation score on the objective."
)


def measured(
    judged: Judged, model: StrugglePredictionModel, bootstrap: int, struggle_below: float | None = None
) -> dict[str, object]:
    """All figures, overall and in slices, as plain builtins; `text` is the table for people.

    struggle_below: the mark of the labels, None for the platform's definition.
    """
    examples, verdicts = judged.examples, judged.verdicts
    y, p = examples.y.astype(float), np.array([verdict.probability for verdict in verdicts])
    threshold = model.levels.operating_threshold
    if model.levels_path is None and model.saved is not None:
        threshold = model.saved.figures.get("threshold", threshold)
    found = evaluate(y, p, examples.learner, threshold=threshold, bootstrap=bootstrap, comparable=judged.comparable)
    groups = {
        "answers of history": [history_band(answers) for answers in answers_of(examples.X)],
        "objective": _known(examples),
        "labelled by": ["validation" if validated else "answers" for validated in examples.validated],
        "confidence": _tertiles([verdict.confidence for verdict in verdicts]),
    }
    ages = judged.age()
    if len(set(ages)) > 1:
        groups["visits"] = ages
    parts = slices(
        y, p, examples.learner, groups, threshold=threshold, bootstrap=bootstrap, comparable=judged.comparable
    )
    return {
        "model_version": model.model_version,
        "source": model.source,
        "correct_from": model.correct_from,
        "predicted_by": judged.to_dict(),
        "struggle_below": mark_of(struggle_below),
        "model_struggle_below": None if model.saved is None else model.saved.struggle_below,
        **found.to_dict(),
        "slices": [part.to_dict() for part in parts],
        "text": table_of(model.model_version, found, parts, model.correct_from, about(judged, model, struggle_below)),
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


def mark_of(struggle_below: float | None) -> float:
    """The share of right answers below which a visit counts as a struggle."""
    return PERFORMANCE_BELOW if struggle_below is None else struggle_below


def about(judged: Judged, model: StrugglePredictionModel, struggle_below: float | None) -> list[str]:
    """What the visits were predicted by, and which mark their labels have."""
    mark, own = mark_of(struggle_below), model.saved.struggle_below if model.saved is not None else None
    other = f"; the model's own mark is {own:.0%}" if own is not None and abs(mark - own) > 1e-9 else ""
    return [judged.told, f"a struggle: fewer than {mark:.0%} right{other}"]


def write_predictions(path: str, judged: Judged, source: str) -> None:
    """One CSV row per labelled visit; `answers` counts its graded answers, or prompts where it is a run of prompts.

    source: what the model is, "model" or "rules"; a visit that was predicted by a model fitted again says so.
    """
    examples = judged.examples
    lines = io.StringIO(newline="")
    out = csv.writer(lines, lineterminator="\n")
    out.writerow(["learner_id", "objective_id", "as_of", "answers", "label", "probability", "confidence", "source"])
    by = judged.sources(source)
    for row, (probability, confidence, *_interval) in enumerate(judged.verdicts):
        ids = examples.learner[row], examples.objective[row], iso(int(examples.as_of_ms[row]))
        out.writerow([*ids, examples.answers[row], examples.y[row], repr(probability), repr(confidence), by[row]])
    write_whole(path, lines.getvalue())


def table_of(
    name: str, found: Evaluation, parts: tuple[Slice, ...], correct_from: str, more: Sequence[str] = ()
) -> str:
    """The figures for people; more: further lines that belong to all of them."""
    lines = [
        f"{name}: {counted(found.n, 'labelled visit')} of {counted(found.learners, 'learner')},"
        f" {counted(found.struggles, 'struggle')}",
    ]
    lines += [f"  {line}" for line in (*more, f"answers are correct from {correct_from}")]
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
