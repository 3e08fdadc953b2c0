"""Stored predictions, streamed out of the database into the columns that monitoring judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from math import expm1, log1p
from operator import itemgetter
from typing import NamedTuple
from zlib import crc32

import numpy as np
import orjson

from db.client import Client
from db.monitoring import StoredPrediction, count_predictions, stream_predictions
from ml.features import FEATURE_NAMES
from ml.training.drift import FeatureCounts
from ml.training.metrics import Floats, Integers
from ml.training.slices import history_band

WORST = 8
"""False positives, and false negatives, shown one by one."""

PROBABILITY = "probability"
MONITORED = (PROBABILITY, *FEATURE_NAMES)
"""What drift is measured on: every feature, and the model's own answer."""

DRIFT_ROWS = 100_000
"""Of a larger period, drift is measured on a sample of about this many rows, drawn by the prediction's id."""

_HISTORY_FULL = 2000
"""answers_of_history is log1p(answers) / log1p(this), at most 1 (ml/estimated_features.py)."""


class Mistake(NamedTuple):
    """A prediction that its outcome contradicts; size is how far off it was, 0..1."""

    size: float
    prediction_id: str
    learner_id: str
    objective_id: str
    probability: float
    struggled: bool
    predicted_at_ms: int


class Numbers:
    """Names -> 0, 1, 2, ... in the order of their first appearance; shared by all periods of a report."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = len(self.names)
            self.names.append(name)
        return known


class Codes(NamedTuple):
    """The numbering of learners, objectives, model versions and history bands."""

    learners: Numbers
    objectives: Numbers
    versions: Numbers
    bands: Numbers

    @classmethod
    def new(cls) -> Codes:
        """Nothing numbered yet."""
        return cls(Numbers(), Numbers(), Numbers(), Numbers())


class Predictions(NamedTuple):
    """The stored predictions of one period, one row each.

    outcome: 1 struggled, 0 did not, NaN not known yet. learner, objective, version and band are numbers of Codes.
    degraded: 1, 0, or NaN where no features were stored. counts: the features' distributions; worst: the largest
    mistakes, false positives and false negatives.
    """

    probability: Floats
    outcome: Floats
    at_ms: Integers
    learner: Integers
    objective: Integers
    version: Integers
    band: Integers
    degraded: Floats
    intervened: Floats
    counts: FeatureCounts
    worst: tuple[Mistake, ...]


def read_period(
    client: Client,
    since_ms: int,
    until_ms: int,
    opted_out: Set[str],
    codes: Codes,
    *,
    with_features: bool = True,
) -> Predictions:
    """The predictions made in [since_ms, until_ms), without those of learners who opted out of analytics."""
    counts = FeatureCounts(MONITORED)
    sampled = DRIFT_ROWS / max(count_predictions(client, since_ms, until_ms), DRIFT_ROWS) if with_features else 0.0
    worst: dict[bool, list[Mistake]] = {True: [], False: []}
    columns: list[Floats] = []
    for batch in stream_predictions(client, since_ms, until_ms, with_features=with_features):
        rows = [row for row in batch if _judgeable(row) and row.learner_id not in opted_out]
        learners = np.array([codes.learners(row.learner_id) for row in rows], dtype=np.int64)
        described = [_described(row.features) for row in rows] if with_features else [None] * len(rows)
        columns.append(np.array(list(_columns(rows, described, learners, codes)), dtype=np.float64))
        present = [
            (place, features)
            for place, features in enumerate(described)
            if features is not None and crc32(rows[place].id.encode()) < sampled * _CRC_END
        ]
        if present:
            places = [place for place, _ in present]
            counts.add(learners[places], _values([rows[place] for place in places], [each for _, each in present]))
        for struggled in (True, False):
            worst[struggled] = _worst(worst[struggled], rows, struggled)
    table = np.concatenate([each for each in columns if len(each)] or [np.empty((0, _WIDTH))])
    probability, outcome, at_ms, learner, objective, version, band, degraded, intervened = table.T
    at_ms, learner, objective, version, band = (
        each.astype(np.int64) for each in (at_ms, learner, objective, version, band)
    )
    return Predictions(
        probability.copy(),
        outcome.copy(),
        at_ms,
        learner,
        objective,
        version,
        band,
        degraded.copy(),
        intervened.copy(),
        counts,
        (*worst[False], *worst[True]),
    )


_WIDTH = 9


def _judgeable(row: StoredPrediction) -> bool:
    return row.probability is not None and 0.0 <= row.probability <= 1.0


def _columns(
    rows: list[StoredPrediction],
    described: Sequence[dict[str, object] | None],
    learners: Integers,
    codes: Codes,
) -> Iterator[tuple[float, ...]]:
    for row, features, learner in zip(rows, described, learners):
        yield (
            row.probability or 0.0,
            np.nan if row.struggled is None else float(row.struggled),
            row.predicted_at_ms,
            learner,
            codes.objectives(row.objective_id),
            codes.versions(_version(features)),
            codes.bands(history_band(_answers(features))),
            np.nan if features is None else float(bool(features.get("degraded"))),
            row.intervened,
        )


def _described(stored: str | None) -> dict[str, object] | None:
    """The stored features; None where there are none or their text is broken."""
    if stored is None:
        return None
    try:
        features = orjson.loads(stored)
    except orjson.JSONDecodeError:
        return None
    return features if isinstance(features, dict) else None


def _version(features: dict[str, object] | None) -> str:
    version = features.get("model_version") if features else None
    return str(version) if version else "(not recorded)"


def _answers(features: dict[str, object] | None) -> int | None:
    grown = features.get("answers_of_history") if features else None
    return round(expm1(grown * log1p(_HISTORY_FULL))) if isinstance(grown, float | int) else None


def _values(rows: list[StoredPrediction], described: list[dict[str, object]]) -> Floats:
    """[row, monitored]: NaN where a feature was missing, or where what is stored is no number."""
    values = np.empty((len(rows), len(MONITORED)))
    values[:, 0] = [row.probability for row in rows]
    try:
        values[:, 1:] = [_ALL(features) for features in described]
    except (KeyError, TypeError, ValueError):  # features of another version, or broken ones
        values[:, 1:] = [[_number(features.get(name)) for name in FEATURE_NAMES] for features in described]
    for row, features in enumerate(described):
        defaulted = features.get("defaulted")
        if isinstance(defaulted, list):
            values[row, [_PLACE[name] for name in defaulted if name in _PLACE]] = np.nan
    return values


def _number(value: object) -> float:
    return float(value) if isinstance(value, float | int) else np.nan


_ALL = itemgetter(*FEATURE_NAMES)
_PLACE = {name: place for place, name in enumerate(MONITORED)}
_CRC_END = 1 << 32


def _worst(known: list[Mistake], rows: list[StoredPrediction], struggled: bool) -> list[Mistake]:
    """The largest mistakes so far among predictions with this outcome."""
    least = known[-1].size if len(known) == WORST else 0.5
    found = list(known)
    for row in rows:
        if row.struggled is not struggled or row.probability is None:
            continue
        size = 1.0 - row.probability if struggled else row.probability
        if size > least or (size == least and size > 0.5):
            found.append(
                Mistake(size, row.id, row.learner_id, row.objective_id, row.probability, struggled, row.predicted_at_ms)
            )
    return sorted(found, key=lambda each: (-each.size, each.prediction_id))[:WORST]
