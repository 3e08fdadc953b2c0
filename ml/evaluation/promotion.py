"""The gate through which every trained model passes before it may answer, the first one and every later one.

All models predict the same rows, on which the new one was not trained: rows newer than both trainings, or, for a first
model, each learner's visits predicted without that learner. The new model must be better than the constant and than the
rules, each with one-sided 95 % confidence (paired bootstrap over learners, log-loss); its calibration slope must not be
negative. Against a champion it must be proven better in log-loss: by one look with the same confidence, or, where it is
looked at every week, by evidence that holds for all looks together (ml/evaluation/evidence.py).

A challenger that is proven better is refused only for harm that is proven as well: that among as many flagged learners
its recall is worse beyond a margin, or its calibration, overall or in a slice, with one-sided 95 % confidence. As many
are flagged by either model, because a champion that overstates every risk has a high recall at any probability, which
says nothing for it: a better calibrated model gets a threshold of its own when it is promoted. A figure that merely
fell says little, for the recall of two equal models differs by chance. In every other case the present model stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ml.evaluation import metrics
from ml.evaluation.evidence import Evidence, evidence
from ml.evaluation.figures import BOOTSTRAP, THRESHOLD, forecast
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
REFUSED = "refused: proven better, but "
"""How the outcome begins where the champion stays although the challenger is proven better; what is wrong follows."""
WORSE = "proven worse, kept"
ALIKE = "hardly different from the champion, kept"
"""Not decided here: such a challenger is not compared (ml/evaluation/challengers.py)."""
INSUFFICIENT = "insufficient data, kept"


RISK_LEVEL = "risk level"
"""The dimension that is made of the champion's own probabilities. Its recall in such a slice tells how the slice was
made, and that of any other model is lower in the upper ones; therefore only losses are compared there."""
AS_MANY = "recall among as many flagged"


class Check(NamedTuple):
    """One condition, whether it holds, and the sentence that a person reads."""

    name: str
    passed: bool
    sentence: str


class Verdict(NamedTuple):
    """outcome: PROMOTED, INCONCLUSIVE, WORSE, INSUFFICIENT, or REFUSED and the reasons.

    gain: the new model's log-loss minus the champion's, or minus the constant's where there is no champion; below 0 is
    better. evidence: what all looks at this challenger say together, where it is looked at more than once.
    """

    outcome: str
    checks: tuple[Check, ...]
    gain: Difference | None
    evidence: Evidence | None = None

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
            "evidence": self.evidence.to_dict() if self.evidence else None,
        }


def decide(
    labels: Sequence[float] | npt.NDArray[Any],
    champion: Sequence[float] | Floats | None,
    challenger: Sequence[float] | Floats,
    rules: Sequence[float] | Floats,
    learners: Sequence[object] | npt.NDArray[Any],
    groups: Mapping[str, Sequence[object]] | None = None,
    *,
    error: float | None = None,
    threshold: float = THRESHOLD,
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
        error: the chance that is allowed of promoting a challenger that is no better than the champion, over all looks
            at it, however many; None where the rows are looked at once only.
        threshold: the probability from which the champion flags a learner. In the comparison of recall, the challenger
            flags as many, those to whom it gives the highest probabilities.
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
        mine = flagged(after, int((rival >= threshold).sum())) if metric == "recall" else after
        other = (rival >= threshold).astype(np.float64) if metric == "recall" else rival
        return paired_difference(
            y[rows], other[rows], mine[rows], who[rows], metric=metric, bootstrap=bootstrap, seed=seed
        )

    constant = difference(np.full_like(y, y.mean()), "log_loss")
    checks = [
        Check("amount", True, f"{len(y)} examples, {int(y.sum())} of them struggles"),
        _better("constant", "the constant", constant),
        _better("rules", "the rules", difference(by_rules, "log_loss")),
        _rising(y, after),
    ]
    if before is None:
        return _verdict(checks, constant, first=True)
    gain = difference(before, "log_loss")
    found = None if error is None else evidence(y, before, after, who, error)
    checks[1:1] = [_better("log_loss", "the champion", gain) if found is None else _proven(found)]
    checks += [
        _no_harm("recall", AS_MANY, difference(before, "recall"), RECALL_MARGIN, falls=True),
        _no_harm("calibration", "the calibration error", difference(before, "ece"), CALIBRATION_MARGIN, falls=False),
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
            if dimension == RISK_LEVEL:
                continue
            recall = difference(before, "recall", rows)
            checks.append(_no_harm(f"{dimension}={value} recall", AS_MANY, recall, RECALL_MARGIN, falls=True))
    return _verdict(checks, gain, found)


def _verdict(
    checks: Sequence[Check], gain: Difference, found: Evidence | None = None, *, first: bool = False
) -> Verdict:
    failed = [check.name for check in checks if not check.passed]
    if not failed:
        outcome = PROMOTED
    elif found is not None and found.worse:
        outcome = WORSE
    elif first or "log_loss" in failed:
        outcome = INCONCLUSIVE
    else:
        outcome = REFUSED + ", ".join(_WRONG.get(name, f"worse among {name}") for name in failed)
    return Verdict(outcome, tuple(checks), gain, found)


_WRONG = {
    "constant": "not proven better than the constant",
    "rules": "not proven better than the rules",
    "slope": "its probabilities order the visits wrongly",
    "recall": "its recall is proven worse",
    "calibration": "its calibration is proven worse",
}
"""What a failed check says about a challenger that is proven better than the champion."""


def flagged(probabilities: Floats, many: int) -> Floats:
    """1 for this many rows with the highest probabilities, by lot among equal ones, and 0 for the others."""
    lot = np.random.default_rng(0).permutation(len(probabilities))
    chosen = lot[np.argsort(-probabilities[lot], kind="stable")[:many]]
    found = np.zeros(len(probabilities))
    found[chosen] = 1.0
    return found


def hold_out_lacks(labels: Sequence[float] | npt.NDArray[Any], learners: Sequence[object] | npt.NDArray[Any]) -> str:
    """What a hold-out lacks for a decision between champion and challenger, in words; empty where it is enough."""
    return _missing(np.asarray(labels, np.float64), np.asarray(learners), first=False)


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


def _proven(found: Evidence) -> Check:
    odds = f"evidence {found.e_value:,.3g} of the {1.0 / found.error:,.0f} that is a proof"
    if found.value is None or found.upper is None:
        return Check("log_loss", False, f"nothing can be said against the champion: {odds}")
    visits = f"over {found.n:,} examples of {found.learners:,} learners"
    sentence = f"log-loss changes by {_signed(found.value)} against the champion {visits}; {odds}"
    return Check("log_loss", found.better, sentence)


def _no_harm(name: str, what: str, change: Difference, margin: float, falls: bool) -> Check:
    """Fails where the figure is proven to be worse by more than the margin."""
    least = None if change.upper is None or change.lower is None else -change.upper if falls else change.lower
    harm = least is not None and least > margin
    proof = f", with 95 % confidence by more than the margin of {margin}" if harm else ""
    return Check(name, not harm, f"{what} changes by {_signed(change.value)}{proof}")


def _signed(value: float | None) -> str:
    return "an unknown amount" if value is None else f"{value:+.4f}"
