"""The gate through which every trained model passes before it may answer, the first one and every later one.

All models predict the same rows, on which the new one was not trained: rows newer than both trainings, or, for a first
model, each learner's visits predicted without that learner. The new model must be better than the constant and than the
rules, and than the champion where there is one, each with one-sided 95 % confidence (paired bootstrap over learners,
log-loss); its calibration slope must not be negative. Against a champion it must not be worse in recall or calibration
beyond a margin either: over all rows the figure itself must stay within the margin; in a slice, only proven harm
counts, since among many small slices one always looks bad by chance. In every other case the present model stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation import metrics
from ml.evaluation.figures import BOOTSTRAP, forecast
from ml.evaluation.metrics import Floats
from ml.evaluation.paired_difference import Difference, paired_difference
from ml.evaluation.slices import natural_groups

FEWEST_EXAMPLES = 300
FEWEST_STRUGGLES = 100
FEWEST_IN_SLICE = 100
FEWEST_AT_FIRST, FEWEST_OUTCOMES_AT_FIRST = 50, 10
"""Examples, and of them struggles and others each, for a first model: its rivals know less than a champion does."""
FEWEST_LEARNERS = 5
"""Resampling fewer learners than this tells nothing about the next one."""
RECALL_MARGIN = 0.03
CALIBRATION_MARGIN = 0.02
"""The margin on the expected calibration error."""
SLICE_LOG_LOSS_MARGIN = 0.01

PROMOTED = "promoted"
INCONCLUSIVE = "inconclusive, kept"
INSUFFICIENT = "insufficient data, kept"


class Check(NamedTuple):
    """One condition, whether it holds, and the sentence that a person reads."""

    name: str
    passed: bool
    sentence: str


class Verdict(NamedTuple):
    """outcome: PROMOTED, INCONCLUSIVE or INSUFFICIENT.

    gain: the new model's log-loss minus the champion's, or minus the constant's where there is no champion; below 0 is
    better.
    """

    outcome: str
    checks: tuple[Check, ...]
    gain: Difference | None

    @property
    def promote(self) -> bool:
        """Whether the challenger may answer."""
        return self.outcome == PROMOTED

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return {
            "outcome": self.outcome,
            "promote": self.promote,
            "checks": [check._asdict() for check in self.checks],
            "gain": self.gain.to_dict() if self.gain else None,
        }


def decide(
    labels: Sequence[float] | npt.NDArray[Any],
    champion: Sequence[float] | Floats | None,
    challenger: Sequence[float] | Floats,
    rules: Sequence[float] | Floats,
    learners: Sequence[object] | npt.NDArray[Any],
    groups: Mapping[str, Sequence[object]] | None = None,
    *,
    bootstrap: int = BOOTSTRAP,
    seed: int = 0,
) -> Verdict:
    """Decide whether a new model may answer, by rows on which it was not trained.

    Args:
        labels: of each row, 0 or 1.
        champion: the present model's probabilities of rows newer than its training; None where a first model is judged.
        challenger, rules: the new model's probabilities, and those of the rules.
        learners: of each row.
        groups: a value of each row in each dimension in which the champion must not be proven better.
        bootstrap: the number of resamples of the learners.
        seed: of the resamples.

    Raises ValueError where lengths differ or values are out of range.
    """
    y, after = forecast(labels, challenger)
    _, by_rules = forecast(labels, rules)
    before = None if champion is None else forecast(labels, champion)[1]
    who = np.asarray(learners)
    missing = _missing(y, who, first=before is None)
    if missing:
        return Verdict(INSUFFICIENT, (Check("amount", False, missing),), None)

    def difference(rival: Floats, metric: str, rows: npt.NDArray[np.intp] | slice = slice(None)) -> Difference:
        return paired_difference(
            y[rows], rival[rows], after[rows], who[rows], metric=metric, bootstrap=bootstrap, seed=seed
        )

    constant = difference(np.full_like(y, y.mean()), "log_loss")
    checks = [
        Check("amount", True, f"{len(y)} examples, {int(y.sum())} of them struggles"),
        _better("constant", "the constant", constant),
        _better("rules", "the rules", difference(by_rules, "log_loss")),
        _rising(y, after),
    ]
    if before is None:
        return _verdict(checks, constant)
    gain = difference(before, "log_loss")
    checks[1:1] = [_better("log_loss", "the champion", gain)]
    checks += [
        _no_worse("recall", difference(before, "recall"), RECALL_MARGIN, falls=True),
        _no_worse("calibration", difference(before, "ece"), CALIBRATION_MARGIN, falls=False),
    ]
    for dimension, values in (groups or {}).items():
        names, codes = natural_groups(values)
        for code, value in enumerate(names):
            rows = np.flatnonzero(codes == code)
            if len(rows) < FEWEST_IN_SLICE:
                continue
            worse = difference(before, "log_loss", rows)
            proven = worse.lower is not None and worse.lower > SLICE_LOG_LOSS_MARGIN
            sentence = f"log-loss changes by {_signed(worse.value)} among {len(rows)} examples"
            checks.append(Check(f"{dimension}={value}", not proven, sentence))
            recall = difference(before, "recall", rows)
            fallen = recall.upper is not None and recall.upper < -RECALL_MARGIN
            checks.append(
                Check(f"{dimension}={value} recall", not fallen, f"recall changes by {_signed(recall.value)}")
            )
    return _verdict(checks, gain)


def _verdict(checks: Sequence[Check], gain: Difference) -> Verdict:
    outcome = PROMOTED if all(check.passed for check in checks) else INCONCLUSIVE
    return Verdict(outcome, tuple(checks), gain)


def _missing(y: Floats, who: npt.NDArray[Any], first: bool) -> str:
    struggles, learners = int(y.sum()), len(np.unique(who))
    wanted = [
        _more("example", len(y), FEWEST_AT_FIRST if first else FEWEST_EXAMPLES),
        _more("struggle", struggles, FEWEST_OUTCOMES_AT_FIRST if first else FEWEST_STRUGGLES),
        _more("example without a struggle", len(y) - struggles, FEWEST_OUTCOMES_AT_FIRST if first else 0),
        _more("learner", learners, FEWEST_LEARNERS),
    ]
    told = " and ".join(each for each in wanted if each)
    return f"{'the proof' if first else 'the hold-out'} needs {told}" if told else ""


def _more(what: str, have: int, fewest: int) -> str:
    if have >= fewest:
        return ""
    noun, *rest = what.split(" ")
    plural = "" if fewest - have == 1 else "s"
    return f"{fewest - have} more {' '.join([noun + plural, *rest])} (of {fewest})"


def _better(name: str, rival: str, change: Difference) -> Check:
    if change.value is None or change.upper is None:
        return Check(name, False, f"nothing can be said against {rival}: {change.reason}")
    sentence = f"log-loss changes by {_signed(change.value)} against {rival}, with 95 % confidence by less than"
    return Check(name, change.upper < 0, f"{sentence} {_signed(change.upper)}")


def _rising(y: Floats, after: Floats) -> Check:
    line = metrics.calibration_line(y, after)
    if line is not None:
        return Check("slope", line.slope >= 0, f"calibration slope {line.slope:.2f}")
    # Without a finite line, either all probabilities are equal, or they separate the outcomes.
    auc = metrics.roc_auc(y, after)
    return Check("slope", auc is not None and auc > 0.5, "no finite calibration slope")


def _no_worse(name: str, change: Difference, margin: float, falls: bool) -> Check:
    worse = None if change.value is None else -change.value if falls else change.value
    passed = worse is None or worse <= margin
    return Check(name, passed, f"{name} changes by {_signed(change.value)} (margin {margin})")


def _signed(value: float | None) -> str:
    return "an unknown amount" if value is None else f"{value:+.4f}"
