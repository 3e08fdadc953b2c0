"""A trial as one self-contained page."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from ml.evaluation.figures import Evaluation, Figure
from scripts.cli.model_card import Bin
from scripts.pages.marks import Mark, Picture, dot, line, picture, scale
from scripts.pages.reliability import reliability
from scripts.pages.templates import number, render
from scripts.trial.content import common
from scripts.trial.report import FIGURES, Trial

FACTS = (
    ("calibration_gap", "Mean probability minus struggle rate (calibrated: 0)"),
    ("calibration_slope", "Slope of the calibration line (calibrated: 1)"),
)
MOST_OBJECTIVES = 12
BAR = 150


class Row(NamedTuple):
    """One method of the comparison. bar: its AUC from 0.5 to 1, None where there is none."""

    name: str
    bar: Picture | None
    cells: list[str]


def page(trial: Trial) -> str:
    """The whole page. Raises ModuleNotFoundError where Jinja is not installed."""
    methods = list(trial.learned.methods.items())
    best = methods[0][1] if methods else None
    frequent = common(list(trial.objectives))
    return render(
        "trial/page.html",
        file=trial.file,
        log=trial.log,
        structure=trial.structure,
        learned=trial.learned,
        titles=list(FIGURES.values()),
        rows=[_row(name, found) for name, found in methods],
        best=best,
        best_name=methods[0][0] if methods else "",
        facts=[(title, _told(best.figure(name))) for name, title in FACTS] if best is not None else [],
        reliability=_reliability(best) if best is not None else None,
        objectives=[(each, _share(each.share_right)) for each in frequent[:MOST_OBJECTIVES]],
        rare=len(trial.objectives) - len(frequent),
        answer=trial.answer,
        command=shlex.join(trial.command),
        directory=os.path.basename(trial.directory),
        seconds=[(step, f"{seconds:,.1f}") for step, seconds in trial.seconds.items()],
    )


def _row(name: str, found: Evaluation) -> Row:
    figures = [found.figure(each) for each in FIGURES]
    return Row(name, None if figures[0].value is None else _auc_bar(figures[0]), [_told(each) for each in figures])


def _told(figure: Figure) -> str:
    between = "" if figure.low is None else f" [{number(figure.low)}, {number(figure.high)}]"
    return number(figure.value) + between


def _auc_bar(figure: Figure) -> Picture:
    x = scale(0.5, 1.0, 4, BAR - 4)

    def marks() -> Iterator[Mark]:
        yield line("rule", 4, 9, BAR - 4, 9)
        if figure.low is not None and figure.high is not None:
            yield line("whisker thick", x(figure.low), 9, x(figure.high), 9)
        yield dot("dot", x(figure.value or 0.5), 9, 4)

    return picture("interval", BAR, 18, f"AUC {_told(figure)} on a scale from 0.5 to 1", marks())


def _share(share: float) -> Picture:
    x = scale(0.0, 1.0, 4, BAR - 4)
    marks = [line("rule", 4, 9, BAR - 4, 9), line("whisker thick", 4, 9, x(share), 9)]
    return picture("interval", BAR, 18, f"{number(share)} on a scale from 0 to 1", marks)


def _reliability(found: Evaluation) -> Picture | None:
    bins = [Bin(each.mean_probability, each.struggle_rate, each.n) for each in found.reliability if each.n]
    return reliability(bins) if bins else None
