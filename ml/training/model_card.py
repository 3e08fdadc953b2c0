"""The model card: what a model is for, what it was made of, how good it is, and where it must not be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.evaluation.figures import THRESHOLD, Evaluation, evaluate
from ml.evaluation.metrics import Floats
from ml.evaluation.of_ten import of_each_level
from ml.evaluation.slices import Slice, answers_told, history_band, slices
from ml.features.vector import FEATURE_NAMES, FEATURES
from ml.scoring.scorecard import SavedModel
from ml.study.correctness import IN_WORDS
from ml.study.scales import PLATFORM, Levels
from ml.training.training_rows import training_rows

PURPOSE = (
    "Estimates, before a learner opens an objective, how likely a struggle is, so that help can be offered in time."
    " Advisory only: it decides nothing about a person, and must not be used for grading, admission or exclusion."
)
LIMITS = (
    "It was measured on answer logs of mathematics and statistics; other subjects may differ.",
    "A visit with fewer than three answers has no outcome, so predictions of short visits could not be checked.",
    "Stated tables rest on the platform's rules; they are untested until a deployment has outcomes of its own.",
    "Probabilities are calibrated on average over learners, not for every group of them; monitor the groups you serve.",
    "Where other learners' outcomes on an objective are unknown, it ranks worse and its confidence is lower.",
)
FIRST_LABELS = (
    "Each platform was predicted by a model of the others, which was then taught by the labelled visits of a few of its"
    " learners, as training does it, and judged on other learners. The rows are means over the platforms"
    " and over up to four groups of learners; the ECE is also given for each platform ({}). Objective difficulties: of"
    " nobody, of the learners of those visits, or of all other learners. Visits that a test labelled are left out. The"
    " last column says in how many of ten equal parts of the visits, ordered by probability, the share of struggles lay"
    " within the mean interval."
)
_FIGURES = ("auc", "log_loss", "brier", "ece", "calibration_slope")


def card(
    saved: SavedModel,
    x: Floats,
    y: Floats,
    probabilities: Floats,
    learners: npt.NDArray[np.str_],
    how: str,
    dimensions: Mapping[str, Sequence[object]] | None = None,
    more: Sequence[Slice] = (),
    comparable: npt.NDArray[np.int64] | None = None,
    levels: Levels = PLATFORM,
) -> dict[str, object]:
    """The card as plain builtins.

    Args:
        saved: the model.
        x, y: the rows it was measured on, and 1 for each struggle.
        probabilities: of each row, by a model that was not trained on that row's learner.
        learners: each row's learner.
        how: a sentence that says how the probabilities were made.
        dimensions: further groups to look at, one value per row.
        more: slices of other rows.
        comparable: as in ml.evaluation.figures.evaluate.
        levels: of which it says what to expect.
    """
    threshold = saved.figures.get("threshold", THRESHOLD)
    groups: dict[str, Sequence[object]] = {
        "answers of history": [history_band(answers) for answers in answers_of(x)],
        "objective": ["known" if known else "unknown" for known in _column(x, "objective_support") > 0],
        **(dimensions or {}),
    }
    return {
        "model_version": saved.model_version,
        "purpose": PURPOSE,
        "label": f"struggled: fewer than {saved.struggle_below:.0%} right among the first answers of a visit (five at"
        " most), or a validation score below the mark",
        "correct_from": saved.correct_from,
        "sources": list(saved.sources),
        "how_measured": how,
        "evaluation": evaluate(y, probabilities, learners, threshold=threshold, comparable=comparable).to_dict(),
        "slices": [
            part.to_dict()
            for part in (
                *slices(y, probabilities, learners, groups, threshold=threshold, comparable=comparable),
                *more,
            )
        ],
        "levels": of_each_level(y, probabilities, learners, levels),
        "stated_tables": [name for name, t in zip(FEATURE_NAMES, saved.scorecard.tables) if t.stated],
        "unused_features": [
            name
            for name, t in zip(FEATURE_NAMES, saved.scorecard.tables)
            if not (any(t.values) or any(t.slopes) or t.missing)
        ],
        "limits": list(LIMITS),
        "training_rows": training_rows(saved, x),
    }


def figures_of(evaluation: Evaluation) -> dict[str, float | None]:
    """The figures that are stored in the model file; accuracy, precision and recall at probability 0.5."""
    at_half = evaluation.decisions[THRESHOLD]
    return {
        **{name: evaluation.figures[name].value for name in _FIGURES},
        **{name: at_half[name].value for name in ("accuracy", "precision", "recall")},
        "struggle_rate": evaluation.figures["struggle_rate"].value,
    }


def answers_of(x: Floats) -> list[int]:
    """How many answers each row's learner had given before, computed from the feature answers_of_history."""
    return [int(answers) for answers in answers_told(np.nan_to_num(_column(x, "answers_of_history")))]


def _column(x: Floats, name: str) -> Floats:
    return x[:, FEATURE_NAMES.index(name)]


def readme(found: Mapping[str, object], remake: str) -> str:
    """The card as Markdown, for people; `remake` is the command that makes the model again."""
    evaluation: Any = found["evaluation"]
    parts: Any = found["slices"]
    lines = [
        f"# Model card: {found['model_version']}",
        "",
        "Generated by scripts/train_initial_model.py; do not edit this page.",
        "",
        str(found["purpose"]),
        "",
        f"Label: {found['label']}.",
        "",
        IN_WORDS[str(found["correct_from"])],
        "",
        "## Sources",
        *[f"- {source}" for source in _texts(found["sources"])],
        "",
        "## How good it is",
        str(found["how_measured"]),
        "",
        "| group | visits | learners | AUC | log-loss | Brier | ECE (noise floor) | slope |",
        "|---|---|---|---|---|---|---|---|",
        _row("all", evaluation),
        *[_row(f"{part['dimension']}: {part['value']}", part) for part in parts],
        "",
        "Brackets: 95 % intervals over learners. The ECE has none; its noise floor is what perfect calibration shows.",
        "",
        *_first_labels(found),
        "## What it cannot know",
        *[f"- {limit}" for limit in _texts(found["limits"])],
        "",
        "## Stated, not learned",
        *[f"- `{name}`: {_MEANING[name]}" for name in _texts(found["stated_tables"])],
        "",
        "Features that the model does not use: " + (", ".join(_texts(found["unused_features"])) or "none") + ".",
        "",
        "## Remake",
        "```sh",
        remake,
        "```",
        "",
    ]
    return "\n".join(lines)


def _first_labels(found: Mapping[str, object]) -> list[str]:
    """The chapter about a platform's first labels; empty where they were not measured."""
    rows: Any = found.get("first_labels")
    if not rows:
        return []
    platforms = [row["platform"] for row in rows if row["labels"] == 0 and row["table"] == rows[0]["table"]][1:]
    lines = [
        "## Before a new platform's first labels, and after them",
        FIRST_LABELS.format(", ".join(platforms)),
        "",
        "| own labelled visits | objective difficulties | AUC | log-loss | ECE | of each platform | mean width of the"
        " interval | tenths within it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for mean in (row for row in rows if row["platform"] == rows[0]["platform"]):
        alike = [row for row in rows[1:] if (row["labels"], row["table"]) == (mean["labels"], mean["table"])]
        figures = [_number(mean[name]) for name in ("auc", "log_loss", "ece")]
        each = ", ".join(_number(row["ece"]) for row in alike if row is not mean)
        wide = [_number(mean["width"]), f"{mean['covered']:.0%}"]
        lines.append("| " + " | ".join([f"{mean['labels']:,}", mean["table"], *figures, each, *wide]) + " |")
    return [*lines, ""]


_MEANING = {feature.name: feature.meaning for feature in FEATURES}


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _row(group: str, evaluation: Mapping[str, Any]) -> str:
    figures = evaluation["figures"]
    cells = [group, str(evaluation["n"]), str(evaluation["learners"])]
    cells += [_cell(figures[name]) for name in ("auc", "log_loss", "brier")]
    cells.append(f"{_number(figures['ece']['value'])} ({_number(evaluation['ece_noise_floor'])})")
    cells.append(_cell(figures["calibration_slope"]))
    return "| " + " | ".join(cells) + " |"


def _cell(figure: Mapping[str, object]) -> str:
    if figure["low"] is None:
        return _number(figure["value"])
    return f"{_number(figure['value'])} [{_number(figure['low'])}, {_number(figure['high'])}]"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"
