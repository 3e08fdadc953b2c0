"""Champion against challenger: whether a newly trained model may replace the present one.

Both predict the same rows, which are newer than either training. The challenger must be better with one-sided 95 %
confidence (paired bootstrap over learners, log-loss), better than the constant and than the rules, and not worse in
recall or calibration beyond a margin. Over all rows, the figure itself must stay within the margin. In a slice, only
proven harm counts, since among many small slices one always looks bad by chance. In every other case the champion
stays.
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

    gain: the challenger's log-loss minus the champion's; below 0 is better.
    """

    outcome: str
    checks: tuple[Check, ...]
    gain: Difference | None

    @property
    def promote(self) -> bool:
        """Whether the challenger may answer."""
        return self.outcome == PROMOTED

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
    champion: Sequence[float] | Floats,
    challenger: Sequence[float] | Floats,
    rules: Sequence[float] | Floats,
    learners: Sequence[object] | npt.NDArray[Any],
    groups: Mapping[str, Sequence[object]] | None = None,
    *,
    bootstrap: int = BOOTSTRAP,
    seed: int = 0,
) -> Verdict:
    """Compare the challenger with the champion on rows newer than both trainings.

    Row i has labels[i] (0 or 1), three probabilities, learners[i], and a value in each dimension of groups. Raises
    ValueError where lengths differ or values are out of range.
    """
    y, after = forecast(labels, challenger)
    _, before = forecast(labels, champion)
    _, by_rules = forecast(labels, rules)
    missing = _missing(y)
    if missing:
        return Verdict(INSUFFICIENT, (Check("amount", False, missing),), None)
    who = np.asarray(learners)

    def difference(metric: str, rows: npt.NDArray[np.intp] | slice = slice(None)) -> Difference:
        return paired_difference(
            y[rows], before[rows], after[rows], who[rows], metric=metric, bootstrap=bootstrap, seed=seed
        )

    gain = difference("log_loss")
    loss = float(metrics.log_losses(y, after).mean())
    constant = float(metrics.log_losses(y, np.full_like(y, y.mean())).mean())
    of_rules = float(metrics.log_losses(y, by_rules).mean())
    checks = [
        Check("amount", True, f"{len(y)} examples, {int(y.sum())} of them struggles"),
        Check(
            "log_loss",
            gain.upper is not None and gain.upper < 0,
            f"log-loss changes by {_signed(gain.value)}, with 95 % confidence by less than {_signed(gain.upper)}",
        ),
        Check("constant", loss < constant, f"log-loss {loss:.4f} against {constant:.4f} of the constant"),
        Check("rules", loss < of_rules, f"log-loss {loss:.4f} against {of_rules:.4f} of the rules"),
        _no_worse("recall", difference("recall"), RECALL_MARGIN, falls=True),
        _no_worse("calibration", difference("ece"), CALIBRATION_MARGIN, falls=False),
    ]
    for dimension, values in (groups or {}).items():
        names, codes = natural_groups(values)
        for code, value in enumerate(names):
            rows = np.flatnonzero(codes == code)
            if len(rows) < FEWEST_IN_SLICE:
                continue
            worse = difference("log_loss", rows)
            proven = worse.lower is not None and worse.lower > SLICE_LOG_LOSS_MARGIN
            sentence = f"log-loss changes by {_signed(worse.value)} among {len(rows)} examples"
            checks.append(Check(f"{dimension}={value}", not proven, sentence))
            recall = difference("recall", rows)
            fallen = recall.upper is not None and recall.upper < -RECALL_MARGIN
            checks.append(
                Check(f"{dimension}={value} recall", not fallen, f"recall changes by {_signed(recall.value)}")
            )
    outcome = PROMOTED if all(check.passed for check in checks) else INCONCLUSIVE
    return Verdict(outcome, tuple(checks), gain)


def _missing(y: Floats) -> str:
    struggles = int(y.sum())
    wanted = []
    if len(y) < FEWEST_EXAMPLES:
        wanted.append(f"{FEWEST_EXAMPLES - len(y)} more examples (of {FEWEST_EXAMPLES})")
    if struggles < FEWEST_STRUGGLES:
        wanted.append(f"{FEWEST_STRUGGLES - struggles} more struggles (of {FEWEST_STRUGGLES})")
    return "the hold-out needs " + " and ".join(wanted) if wanted else ""


def _no_worse(name: str, change: Difference, margin: float, falls: bool) -> Check:
    worse = None if change.value is None else -change.value if falls else change.value
    passed = worse is None or worse <= margin
    return Check(name, passed, f"{name} changes by {_signed(change.value)} (margin {margin})")


def _signed(value: float | None) -> str:
    return "an unknown amount" if value is None else f"{value:+.4f}"
