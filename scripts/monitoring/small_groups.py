"""Withholds the figures of groups that are too small: they say little, and may reveal who the learners are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ml.evaluation.figures import Evaluation, Figure
from scripts.monitoring.targets import INSUFFICIENT, MINIMUM_LEARNERS, sufficient


def tells_learners_apart(values: Sequence[object], learners: Sequence[int]) -> bool:
    """Whether most of the values belong to a single learner. False for a handful of learners."""
    of_value: dict[object, set[int]] = {}
    for value, learner in zip(values, learners):
        if value is not None:
            of_value.setdefault(value, set()).add(learner)
    alone = sum(len(each) == 1 for each in of_value.values())
    return len(set(learners)) >= MINIMUM_LEARNERS and 2 * alone > len(of_value)


def is_large(evaluation: Evaluation, minimum: int) -> bool:
    """Whether the figures rest on enough rows of enough learners."""
    return evaluation.n >= minimum and evaluation.learners >= MINIMUM_LEARNERS


def whole_or_withheld(evaluation: Evaluation, minimum: int) -> Evaluation:
    """The evaluation; without its figures where it rests on too few rows or learners."""
    return evaluation if is_large(evaluation, minimum) else _only(evaluation, lambda figure: False)


def with_figures_withheld(evaluation: Evaluation, minimum: int) -> Evaluation:
    """The evaluation without each figure that rests on too few rows or learners."""
    return _only(evaluation, lambda figure: sufficient(figure, minimum))


def _only(evaluation: Evaluation, wanted: Callable[[Figure], bool]) -> Evaluation:
    def shown(figures: Mapping[str, Figure]) -> dict[str, Figure]:
        return {name: figure if wanted(figure) else _withheld(figure) for name, figure in figures.items()}

    whole = wanted(evaluation.figures["struggle_rate"])
    return evaluation._replace(
        figures=shown(evaluation.figures),
        decisions={at: shown(figures) for at, figures in evaluation.decisions.items()},
        struggles=evaluation.struggles if whole else 0,
        reliability=evaluation.reliability if whole else (),
        ece_noise_floor=evaluation.ece_noise_floor if whole else None,
    )


def shown_or_withheld(figure: Figure, minimum: int) -> Figure:
    """The figure, or one without a value where it rests on too few rows or learners."""
    return figure if sufficient(figure, minimum) else _withheld(figure)


def _withheld(figure: Figure) -> Figure:
    return Figure(None, None, None, figure.n, figure.learners, figure.reason or INSUFFICIENT)
