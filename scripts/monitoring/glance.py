"""What monitoring needs from every stored feature vector: whether it was degraded, its model, its history's length,
and which visit judged it.

A vector has sixty numbers, and parsing them all takes most of the time of reading a prediction. Four values are enough
for most rows, and in the form in which the route stores them they can be found without parsing.
"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import orjson

from ml.evaluation.slices import NOT_RECORDED
from ml.study.outcome_mark import KEY, VISIT

_MARK, _VISIT = f'"{KEY}":', f'"{VISIT}":'
_DEGRADED, _VERSION, _ANSWERS = '"degraded":', '"model_version":', '"answers_of_history":'


class Glance(NamedTuple):
    """degraded: 1, 0, or NaN where no vector is stored. grown: answers_of_history as stored, NaN without a number.

    visit_ms: when the visit began that decided the outcome, or UNKNOWN.
    """

    degraded: float
    version: str
    grown: float
    visit_ms: int


UNKNOWN = -1
_DIGITS = 16
_FAR_AHEAD_MS = 10 ** (_DIGITS - 1)
NOTHING = Glance(float("nan"), NOT_RECORDED, float("nan"), UNKNOWN)


def parsed(stored: str | None) -> dict[str, object] | None:
    """The stored features; None where there are none or their text is broken."""
    if stored is None:
        return None
    try:
        features = orjson.loads(stored)
        if isinstance(features, str):  # JSON stored as a JSON string
            features = orjson.loads(features)
    except orjson.JSONDecodeError:
        return None
    return features if isinstance(features, dict) else None


def glance_of(features: dict[str, object] | None) -> Glance:
    """The Glance of parsed features."""
    if features is None:
        return NOTHING
    version, grown = features.get("model_version"), features.get("answers_of_history")
    visit_ms = features.get(VISIT)
    return Glance(
        float(bool(features.get("degraded"))),
        str(version) if version else NOT_RECORDED,
        float(grown) if isinstance(grown, float | int) else float("nan"),
        visit_ms if isinstance(visit_ms, int) and 0 <= visit_ms < _FAR_AHEAD_MS else UNKNOWN,
    )


def glance(stored: str | None) -> Glance:
    """The same as glance_of(parsed(stored)) for any valid JSON, but three times as fast for a flat object."""
    if stored is None:
        return NOTHING
    found = _found(stored)
    return glance_of(parsed(stored)) if found is None else found


def _found(stored: str) -> Glance | None:
    """The glance, or None where the text must be parsed.

    In valid JSON of one object and without a backslash, a name in quotes with a colon behind it can be nothing but a
    key of that object; of equal keys the last one counts, as it does for a parser.
    """
    if stored[:1] != "{" or stored[-1:] != "}" or "\\" in stored:
        return None
    stored = _without_mark(stored)
    if stored.count("{") != 1:
        return None
    degraded, version = _value_at(stored, _DEGRADED), _value_at(stored, _VERSION)
    answers = _value_at(stored, _ANSWERS)
    if degraded < 0 or version < 0 or answers < 0 or stored[degraded] != '"' or stored[version] != '"':
        return None
    end = stored.find(",", answers)
    try:
        grown = float(stored[answers : end if end >= 0 else -1])
    except ValueError:
        return None
    if not isfinite(grown):  # not JSON, and refused by the parser
        return None
    visit = _value_at(stored, _VISIT)
    visit_ms = UNKNOWN
    if visit >= 0:
        digits = stored[visit:-1].partition(",")[0].rstrip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < _DIGITS):
            return None  # whatever it is, the parser decides
        visit_ms = int(digits)
    named = stored[version + 1 : stored.find('"', version + 1)]
    return Glance(float(stored[degraded + 1] != '"'), named or NOT_RECORDED, grown, visit_ms)


def _without_mark(stored: str) -> str:
    """The text without the object that says who decided the outcome (ml/study/outcome_mark.py), where that is the only
    one inside. The rest is not JSON, but its keys stand where they stood."""
    if stored.count("{") != 2 or stored.count("}") != 2:
        return stored
    opened, closed = stored.rfind("{"), stored.find("}")
    key = stored.rfind(_MARK, 0, opened)
    if key < 0 or stored[key + len(_MARK) : opened].strip() or closed < opened:
        return stored
    return stored[:key] + stored[closed + 1 :]


def _value_at(stored: str, key: str) -> int:
    """Where the key's value begins: PostgreSQL and Python put one blank before it, JavaScript none. -1: no such key."""
    at = stored.rfind(key)
    if at < 0:
        return at
    at += len(key)
    return at + 1 if stored[at] == " " else at
