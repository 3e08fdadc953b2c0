"""Stored predictions, streamed from the database into the columns from which monitoring computes its figures."""

from __future__ import annotations

from collections.abc import Sequence, Set
from operator import itemgetter
from typing import NamedTuple
from zlib import crc32

import numpy as np

from db.client import Client
from db.stored_predictions import StoredPrediction, count_predictions, stream_predictions
from ml.evaluation.drift import FeatureCounts
from ml.evaluation.metrics import Floats, Integers
from ml.evaluation.slices import answers_told, history_band
from ml.features.vector import FEATURE_NAMES
from scripts.cli.streams import printable
from scripts.monitoring.glance import Glance, glance, glance_of, parsed

LONGEST_NAME = 80
"""Characters shown of a text from the database that names a slice."""

WORST = 8
"""How many false positives, and how many false negatives, are shown one by one."""

PROBABILITY = "probability"
MONITORED = (PROBABILITY, *FEATURE_NAMES)
"""Drift is measured on every feature and on the model's own answer."""

DRIFT_ROWS = 100_000
"""The drift of a larger period is measured on a sample of about this many rows, drawn by the predictions' ids."""


class Mistake(NamedTuple):
    """A prediction that its outcome contradicts; size is its distance from the outcome, 0..1."""

    size: float
    prediction_id: str
    learner_id: str
    objective_id: str
    probability: float
    struggled: bool
    predicted_at_ms: int


class Numbers(dict[str, int]):
    """Names -> 0, 1, 2, ... in the order of their first appearance; shared by all periods of a report."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    @property
    def names(self) -> list[str]:
        """The names in the order of their numbers."""
        return list(self)


class Codes(NamedTuple):
    """The numbering of learners, objectives, model versions and history bands."""

    learners: Numbers
    objectives: Numbers
    versions: Numbers
    bands: Numbers

    @classmethod
    def new(cls) -> Codes:
        """An empty numbering."""
        return cls(Numbers(), Numbers(), Numbers(), Numbers())


class Columns(NamedTuple):
    """Stored predictions, one row each.

    outcome: 1 struggled, 0 did not, NaN not known yet. learner, objective, version and band are numbers of Codes.
    degraded: 1, 0, or NaN where no features were stored.
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


class Predictions(NamedTuple):
    """One period: its rows, the distributions of the features, and the largest mistakes in both directions."""

    rows: Columns
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
    parts = [_no_rows()]
    for batch in stream_predictions(client, since_ms, until_ms, with_features=with_features):
        rows = [
            row
            for row in batch
            if row.probability is not None and 0.0 <= row.probability <= 1.0 and row.learner_id not in opted_out
        ]
        drawn = [crc32(row.id.encode()) < sampled * _CRC_END for row in rows]
        vectors = {place: parsed(rows[place].features) for place in range(len(rows)) if drawn[place]}
        glances = [
            glance_of(vectors[place]) if place in vectors else glance(row.features) for place, row in enumerate(rows)
        ]
        part = _columns(rows, glances, codes)
        parts.append(part)
        present = {place: features for place, features in vectors.items() if features is not None}
        if present:
            probabilities = part.probability[list(present)]
            counts.add(part.learner[list(present)], _values(probabilities, list(present.values())))
        for struggled in (True, False):
            worst[struggled] = _worst(worst[struggled], rows, part, struggled)
    whole = Columns(*(np.concatenate(each) for each in zip(*parts)))
    return Predictions(whole, counts, (*worst[False], *worst[True]))


def _no_rows() -> Columns:
    number, code = np.empty(0), np.empty(0, dtype=np.int64)
    return Columns(number, number, code, code, code, code, code, number, number)


def _columns(rows: Sequence[StoredPrediction], glances: Sequence[Glance], codes: Codes) -> Columns:
    return Columns(
        probability=np.array([row.probability for row in rows], dtype=np.float64),
        outcome=np.array([np.nan if row.struggled is None else row.struggled for row in rows], dtype=np.float64),
        at_ms=np.array([row.predicted_at_ms for row in rows], dtype=np.int64),
        learner=np.array([codes.learners[row.learner_id] for row in rows], dtype=np.int64),
        objective=np.array([codes.objectives[row.objective_id] for row in rows], dtype=np.int64),
        version=np.array([codes.versions[printable(each.version)[:LONGEST_NAME]] for each in glances], dtype=np.int64),
        band=_bands(np.array([each.grown for each in glances], dtype=np.float64), codes.bands),
        degraded=np.array([each.degraded for each in glances], dtype=np.float64),
        intervened=np.array([row.intervened for row in rows], dtype=np.float64),
    )


def _bands(grown: Floats, bands: Numbers) -> Integers:
    """The history bands of a feature that is answers grown by a logarithm."""
    found, place = np.unique(answers_told(grown), return_inverse=True)
    named = [bands[history_band(None if np.isnan(each) else int(each))] for each in found]
    return np.array(named, dtype=np.int64)[place]


def _values(probabilities: Floats, described: Sequence[dict[str, object]]) -> Floats:
    """The values by [row, monitored]; NaN where a feature was missing, and where the stored value is not a number."""
    values = np.empty((len(described), len(MONITORED)))
    values[:, 0] = probabilities
    try:
        values[:, 1:] = [_ALL(features) for features in described]
    except (KeyError, TypeError, ValueError):  # features of another version, or broken ones
        values[:, 1:] = [[_number(features.get(name)) for name in FEATURE_NAMES] for features in described]
    defaulted = [features.get("defaulted") for features in described]
    unknown = [
        (row, _PLACE[name])
        for row, names in enumerate(defaulted)
        if isinstance(names, list)
        for name in names
        if isinstance(name, str) and name in _PLACE
    ]
    if unknown:
        values[tuple(zip(*unknown))] = np.nan
    return values


def _number(value: object) -> float:
    return float(value) if isinstance(value, float | int) else np.nan


_ALL = itemgetter(*FEATURE_NAMES)
_PLACE = {name: place for place, name in enumerate(MONITORED)}
_CRC_END = 1 << 32


def _worst(known: list[Mistake], rows: Sequence[StoredPrediction], part: Columns, struggled: bool) -> list[Mistake]:
    """The largest mistakes so far among predictions with this outcome."""
    least = known[-1].size if len(known) == WORST else 0.5
    size = 1.0 - part.probability if struggled else part.probability
    found = list(known)
    for place in np.flatnonzero((part.outcome == struggled) & (size >= least) & (size > 0.5)).tolist():
        row = rows[place]
        found.append(
            Mistake(
                float(size[place]),
                row.id,
                row.learner_id,
                row.objective_id,
                float(part.probability[place]),
                struggled,
                row.predicted_at_ms,
            )
        )
    return sorted(found, key=lambda each: (-each.size, each.prediction_id))[:WORST]
