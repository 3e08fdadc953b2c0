"""From labelled examples to a model ready to save: pretrained on several platforms, or adapted to one.

A model for a new platform must not learn which platform a row comes from. Every platform therefore has the same weight,
reduced by the share of its visits whose outcome comes from a test and not from answers. The base rates of each
platform's first and repeat visits are fitted beside the features and then dropped. Some visits are used a second time,
as they would look where the objective's difficulty is unknown. The next cards are hidden at random, so that the effect
of their absence is learned from rows that differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ml.errors import NotEnoughExamples
from ml.evaluation.metrics import Floats, log_losses, logistic
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import LEVEL_KNOWN, LEVEL_UNKNOWN, LOGIT_BOUND, SavedModel, Scorecard
from ml.storage import model_file
from ml.study.correctness import ANY, GOOD
from ml.study.visits import PERFORMANCE_BELOW
from ml.training.bag_spread import spread_of
from ml.training.base_rate import USUAL_KNOWN, USUAL_UNKNOWN, Line, first_line, level_of, spread_of_levels
from ml.training.calibration import LEAST_SLOPE, balancing_offset, threshold_for_recall
from ml.training.composite import composite
from ml.training.examples import ExampleSet
from ml.training.expert_tables import stated_tables
from ml.training.fit import (
    BASE,
    FEW,
    HELD_OUT_FOLDS,
    SIMPLER_WITHIN,
    Candidate,
    FitResult,
    Labels,
    candidates_for,
    fit,
)
from ml.training.tables import Additive, check_parity, seen_by

FEWEST = 50
"""With fewer labels than this, nothing is learned from a platform."""
UNKNOWN_SHARE = 0.35
"""The share of visits that are shown a second time, with the objective unknown."""
SHRUNK = 30.0
"""A factor on BASE. Between 10 and 300 little depends on it, and two or three platforms cannot choose it anew."""
ABSENCES = 3.0
"""How much more the absence of a feature is shrunk than a line: on another platform it has other causes."""
LEAST_ANSWERED = 0.05
"""A platform of tests alone still weighs this share of one whose visits were all labelled by answers."""
HIDDEN_SHARE = 0.5
"""The share of rows that lose their next cards."""
BASE_RATE = "base rate"
"""The candidate that moves the prior's logit onto a line and changes nothing else."""
_CARDS, _VISITS = FEATURE_NAMES.index("first_card_difficulty"), FEATURE_NAMES.index("objective_visits")


class Source(NamedTuple):
    """One platform's visits, with its difficulty table and without it; they are the same visits in the same order."""

    name: str
    known: ExampleSet
    unknown: ExampleSet


class Trained(NamedTuple):
    """A model and the rows on which it was measured: each row's held-out probability, in the order of the examples.

    unknown: the visits that were used a second time, as they would look where the objective's difficulty is unknown.
    """

    saved: SavedModel
    result: FitResult
    probabilities: Floats
    unknown: Measured | None = None


class Measured(NamedTuple):
    """Visits with outcome 0 or 1, held-out probability, and a number for each one's learner."""

    y: Floats
    probabilities: Floats
    learners: npt.NDArray[np.int64]


def pretrain(
    sources: Sequence[Source],
    model_version: str,
    sentences: Sequence[str],
    struggle_below: float,
    each: Callable[[str], object] = lambda step: None,
    correct_from: str = ANY,
) -> Trained:
    """Trains a prior for new platforms.

    Each platform in turn is left out. `probabilities` has one for each of the sources' visits with known difficulties,
    source after source; each is predicted by a model of the other platforms.
    """
    labels, first, answered = pooled(sources)
    shrinkage = BASE.times(SHRUNK)._replace(intercept=0.001, group=100.0, missing=ABSENCES * SHRUNK * BASE.missing)
    candidates = [Candidate(f"lines, shrunk x{SHRUNK:g}", shrinkage)]
    folds = labels.platforms if len(sources) > 1 else None
    result = fit(labels, stated_tables(labels.x).plus(composite(labels.x)), candidates, folds, each)
    # How far a prior overstates itself elsewhere, platforms left out tell; their base rates tell nothing of a new one.
    slope = result.calibration[0]
    offset = balancing_offset(slope * result.model.logits(labels.x), labels.y, labels.weights)
    result = result._replace(calibration=(slope, offset))
    probabilities = logistic(result.held_out_logits, LOGIT_BOUND)
    return Trained(
        SavedModel(
            model_version,
            scorecard_of(result, labels.x),
            sentences,
            {
                "threshold": result.threshold,
                "labels": float(first.sum()),
                **_level_spreads(labels, first, answered, result),
            },
            struggle_below,
            correct_from=correct_from,
        ),
        result,
        probabilities[first],
        Measured(labels.y[~first], probabilities[~first], labels.learners[~first]),
    )


def _level_spreads(
    labels: Labels, first: npt.NDArray[np.bool_], answered: npt.NDArray[np.bool_], result: FitResult
) -> dict[str, float]:
    """How far the base rates of platforms lay from what the models said that had left them out, by their answers."""
    found = {}
    platforms = np.zeros(len(labels.y)) if labels.platforms is None else labels.platforms
    left_out = np.unique(platforms) if len(np.unique(platforms)) > 1 else ()
    for name, rows, usual in ((LEVEL_KNOWN, first, USUAL_KNOWN), (LEVEL_UNKNOWN, ~first, USUAL_UNKNOWN)):
        levels = []
        for platform in left_out:
            of_platform = rows & answered & (platforms == platform)
            levels.append(level_of(result.held_out_logits[of_platform], labels.y[of_platform]))
        found[name] = spread_of_levels(levels, usual)
    return found


def pooled(sources: Sequence[Source]) -> tuple[Labels, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(labels of all platforms, in both versions; which rows are the known visits; which were labelled by answers)."""
    draw = np.random.default_rng(0)
    xs, ys, ids, weights, platforms, first, by_answers = [], [], [], [], [], [], []
    for number, source in enumerate(sources):
        answered = max(LEAST_ANSWERED, 1.0 - float(np.mean(source.known.validated)))
        shown_again = draw.random(len(source.unknown)) < UNKNOWN_SHARE
        for examples, is_first in ((source.known, True), (source.unknown.select(shown_again), False)):
            x = examples.X.copy()
            x[draw.random(len(x)) < HIDDEN_SHARE, _CARDS] = np.nan
            xs.append(x)
            ys.append(examples.y.astype(float))
            ids.append(np.char.add(f"{number}/", examples.learner))
            weights.append(np.full(len(x), answered / max(1, len(source.known))))
            platforms.append(np.full(len(x), number))
            first.append(np.full(len(x), is_first))
            by_answers.append(~examples.validated)
    x, weight = np.concatenate(xs), np.concatenate(weights)
    labels = Labels.of(x, np.concatenate(ys), np.concatenate(ids))
    platform = np.concatenate(platforms).astype(np.int64)
    rows = sum(len(source.known) for source in sources)
    weight *= rows / weight.sum()
    return (
        labels._replace(weights=weight, platforms=platform, levels=2 * platform + (x[:, _VISITS] > 0)),
        np.concatenate(first),
        np.concatenate(by_answers),
    )


def adapt(
    prior: SavedModel,
    x: Floats,
    y: Floats,
    learners: npt.NDArray[np.str_],
    model_version: str,
    sentences: Sequence[str] = (),
    struggle_below: float | None = None,
    each: Callable[[str], object] = lambda step: None,
    correct_from: str = GOOD,
    folds: npt.NDArray[np.int64] | None = None,
) -> Trained:
    """Corrects the prior by one platform's own labels, as far as there are enough.

    Below 100 labels only the base rate moves, and the slope a little; the contributions keep their proportions. So it
    does from 100 labels on where no correction proves better.

    correct_from: the setting under which they were judged; the prior must suit it (ml.study.correctness.suits).

    folds: the fold of each row, with whole learners in one; None divides the learners at random.

    `probabilities` come from models that were not trained on the row's learner. Raises NotEnoughExamples.
    """
    refuse_too_few(y)
    labels = Labels.of(seen_by(prior.scorecard, x), y, learners)
    result = fit(labels, Additive.of(prior.scorecard), candidates_for(len(y)), folds, each)
    spreads = {name: prior.figures[name] for name in (LEVEL_KNOWN, LEVEL_UNKNOWN) if name in prior.figures}
    line = None
    if spreads:
        result, line = _with_base_rate(labels, result, prior, x, folds)
        spreads = {name: min(spread, line.spread) for name, spread in spreads.items()}
    untouched = result.chosen in ("prior", BASE_RATE)
    scorecard = prior.scorecard if untouched else scorecard_of(result, labels.x, prior.scorecard)
    if line is not None and untouched:
        scorecard = prior.scorecard.on_line(line.slope, line.level)
    sources = [*prior.sources, *sentences] if len(y) >= FEW and not untouched else list(prior.sources)
    figures = {"threshold": result.threshold, "labels": float(len(y)), **spreads}
    below = prior.struggle_below if struggle_below is None else struggle_below
    return Trained(
        SavedModel(model_version, scorecard, sources, figures, below, correct_from=correct_from, folds=HELD_OUT_FOLDS),
        result,
        logistic(result.held_out_logits, LOGIT_BOUND),
    )


def _with_base_rate(
    labels: Labels, result: FitResult, prior: SavedModel, x: Floats, folds: npt.NDArray[np.int64] | None
) -> tuple[FitResult, Line]:
    """The fit, or the prior on the line that the labels give it where the fit is not better; and that line.

    The line's held-out logits come, for each fold, from the line of the others.
    """
    logits = Additive.of(prior.scorecard).logits(labels.x)
    known = x[:, FEATURE_NAMES.index("objective_support")] > 0
    spread = float(np.sqrt(np.mean(np.where(known, prior.figures[LEVEL_KNOWN], prior.figures[LEVEL_UNKNOWN]) ** 2)))
    folds, held_out = labels.folds() if folds is None else folds, logits.copy()
    for fold in np.unique(folds):
        outside = folds == fold
        line = first_line(logits, labels.y, labels.learners, spread, labels.weights * ~outside)
        held_out[outside] = line.slope * logits[outside] + line.level
    line = first_line(logits, labels.y, labels.learners, spread, labels.weights)
    loss = float(np.average(log_losses(labels.y, logistic(held_out)), weights=labels.weights))
    losses = {**result.log_losses, BASE_RATE: loss}
    if len(labels.y) >= FEW and result.log_losses[result.chosen] < loss - SIMPLER_WITHIN:
        return result._replace(log_losses=losses), line
    threshold = threshold_for_recall(logistic(held_out, LOGIT_BOUND), labels.y)
    chosen = result._replace(held_out_logits=held_out, log_losses=losses, threshold=threshold, chosen=BASE_RATE)
    return chosen, line


def refuse_too_few(y: Floats) -> None:
    """Raises NotEnoughExamples, which says what is missing, where there are too few labels or only one outcome."""
    struggles = int(y.sum())
    if len(y) < FEWEST:
        raise NotEnoughExamples(
            f"{len(y)} labelled examples are too few (at least {FEWEST} are needed): the prior is kept"
        )
    if struggles in (0, len(y)):
        outcome = "a struggle" if struggles else "none"
        raise NotEnoughExamples(f"all {len(y)} labelled examples have the same outcome ({outcome}): the prior is kept")


def scorecard_of(result: FitResult, x: Floats, prior: Scorecard | None = None) -> Scorecard:
    """The fit in the form that predictions use, read from its saved bytes and compared with the fit on all of x."""
    slope, offset = result.calibration
    spread, bag_intercepts = spread_of(result.deviations, x, prior)
    plain = result.model.scorecard()
    fills = prior is None or prior.fills_unknown
    calibrated = max(slope, LEAST_SLOPE), offset
    scorecard = Scorecard(plain.intercept, plain.tables, calibrated, spread, bag_intercepts, fills)
    read_back = model_file.parse(model_file.dump(SavedModel("check", scorecard, (), {}, PERFORMANCE_BELOW))).scorecard
    check_parity(Additive.of(read_back).logits(x), slope * result.model.logits(x) + offset)
    return scorecard


def with_figures(saved: SavedModel, figures: Mapping[str, float | None]) -> SavedModel:
    """The model with further figures; unknown ones are left out."""
    more = {name: float(figure) for name, figure in figures.items() if figure is not None}
    return saved.but(figures={**saved.figures, **more})
