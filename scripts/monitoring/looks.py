"""A look at what is new in the stored predictions: which model it is about, and what that model's card promises."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ml.errors import ModelRefused
from ml.evaluation.deviations import Reference, reference_of
from ml.evaluation.slices import NOT_RECORDED
from ml.storage.registry import Registry
from scripts.monitoring.columns import Codes, Columns, counting
from scripts.monitoring.detectors import DetectorState, Look, beginning, looked
from scripts.monitoring.period import Periods
from scripts.monitoring.targets import Target

OLDER = "This report is about a time before the latest look, so it is judged alone."
_PRETRAINED_CARD = "pretrained.json"


class Seen(NamedTuple):
    """The evidence after a look, a sentence where it does not go on from earlier looks, and the calibration line of the
    model that it was about."""

    evidence: DetectorState
    note: str
    reference: Reference | None


def usable(kept: DetectorState, until_ms: int) -> bool:
    """Whether a report that ends then may go on from the evidence: not one about the past."""
    return until_ms >= max(kept.judged_until_ms, kept.predicted_until_ms)


def after_look(
    kept: DetectorState | str,
    periods: Periods,
    codes: Codes,
    models_dir: str,
    *,
    since_ms: int,
    until_ms: int,
    targets: Mapping[str, Target],
    minimum: int,
    threshold: float,
) -> Seen:
    """Takes a look at the periods.

    kept: the evidence of the looks before, or a sentence that says why there is none.
    """
    if isinstance(kept, str):
        before, why = beginning(since_ms, until_ms), kept
    elif usable(kept, until_ms):
        before, why = kept, ""
    else:
        before, why = beginning(since_ms, until_ms), OLDER
    rows = Columns(*(np.concatenate(each) for each in zip(*(period.rows for period in periods))))
    version = _main_version(periods.current.rows, codes) or before.version
    look = Look(
        rows=rows,
        counts=np.concatenate(counting(*periods)),
        until_ms=until_ms,
        version=version,
        of_version=rows.version == codes.versions[version],
        reference=reference_of(card_of(version, models_dir)),
        targets=targets,
        minimum=minimum,
        threshold=threshold,
    )
    return Seen(looked(before, look), why, look.reference)


def _main_version(rows: Columns, codes: Codes) -> str:
    """The model version that most of the predictions came from; empty where none names its model."""
    sizes = np.bincount(rows.version, minlength=len(codes.versions)).tolist()
    counts = Counter({name: size for name, size in zip(codes.versions, sizes) if size and name != NOT_RECORDED})
    return min(counts, key=lambda name: (-counts[name], name), default="")


def card_of(version: str, models_dir: str) -> Mapping[str, object]:
    """The card of a version in the directory of models; empty where there is none. The name comes from a database."""
    if not models_dir:
        return {}
    registry = Registry(models_dir)
    try:
        if version in registry.versions():
            return registry.card(version)
        with open(os.path.join(models_dir, _PRETRAINED_CARD), "rb") as file:
            card = json.load(file)
    except (OSError, ValueError, ModelRefused):
        return {}
    return card if isinstance(card, dict) and card.get("model_version") == version else {}
