"""predict.py --what-if: the answer as if some facts were others than the database says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from ml.advice.changed import Faced, faced_after
from ml.advice.changes import KINDS, Change, possible_changes, rows_of
from ml.answer import answer
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.model import StrugglePredictionModel
from ml.study.estimates import LearnerEstimates
from ml.study.history import StudyHistory
from ml.study.occasion import occasion_of
from scripts.cli.exits import Usage

MOST_BYTES = 1 << 20
_FIELDS = ("changes", "features")
_OF_A_CHANGE = ("kind", "objective_id")


class WhatIf(NamedTuple):
    """What is to be tried.

    changes: (kind, objective id or None). features: values by name; None takes a feature's data away.
    """

    changes: Sequence[tuple[str, str | None]]
    features: Mapping[str, float | None]


def read_what_if(path: str) -> WhatIf:
    """The document in a file, or on stdin for "-"; `python -m scripts.schemas what-if` prints its schema.

    Raises Usage.
    """
    try:
        with click.open_file(path, "rb") as source:
            text = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise Usage(f"--what-if: {path!r} cannot be read ({error.strerror})") from None
    if len(text) > MOST_BYTES:
        raise Usage("--what-if must hold one JSON object of at most 1 MiB")
    return parsed(decoded(text, "stdin" if path == "-" else repr(path)))


def decoded(text: str | bytes, place: str) -> object:
    """The JSON value, in which no key is given twice. Raises Usage."""
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise Usage(f"--what-if: {place} is not valid JSON") from None


def parsed(given: object) -> WhatIf:
    """The document once it has been decoded. Raises Usage."""
    if not isinstance(given, Mapping) or not given or not given.keys() <= set(_FIELDS):
        raise Usage(f"--what-if must hold one JSON object with {' or '.join(map(repr, _FIELDS))}")
    changes, features = given.get("changes", []), given.get("features", {})
    if not isinstance(changes, list) or not isinstance(features, Mapping):
        raise Usage("--what-if: 'changes' must be a list, and 'features' an object")
    wanted = [_change(each) for each in changes]
    seen: set[tuple[str, str | None]] = set()
    for each in wanted:
        if each in seen:
            raise Usage(f"--what-if: {_named(*each)} is named twice")
        seen.add(each)
    for name, value in features.items():
        if name not in FEATURE_NAMES:
            raise Usage(f"--what-if: unknown feature {_shown(name)}")
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1
        ):
            raise Usage(f"--what-if: feature {name} must be a number from 0 to 1, or null")
    return WhatIf(wanted, features)


def answer_after(
    ids: tuple[str, str],
    wanted: WhatIf,
    model: StrugglePredictionModel,
    history: StudyHistory,
    estimates: LearnerEstimates,
    features: FeatureVector,
    missing_sources: Sequence[str],
) -> dict[str, object]:
    """The answer once the wished-for changes are made, and what it was before. Raises Usage for impossible ones."""
    before = model.predict(features)
    faced = Faced(history, estimates, features, model.difficulty_at(history.past.as_of_ms))
    changes = _possible(wanted, possible_changes(history, missing_sources), history.objective.id)
    faced = faced_after(faced, changes)
    given = {name: value for name, value in wanted.features.items() if value is not None}
    absent = [name for name, value in wanted.features.items() if value is None]
    faced.features = faced.features.joined_by(given).without(absent)
    prediction = model.predict(faced.features)
    # Features that somebody has made up rest on no history from which advice could start.
    advice = (
        []
        if wanted.features
        else model.advise(prediction, faced.history, faced.estimates, faced.features, missing_sources)
    )
    occasion = occasion_of(history.past, history.objective)
    return {
        **answer(*ids, faced.features, prediction, missing_sources, occasion, advice),
        "what_if": {
            "changes": [{"kind": change.kind, "objective_id": change.objective_id} for change in changes],
            "rows": rows_of(changes, history.past.learner.id, history.past.as_of_ms),
            "features": dict(wanted.features),
            "before": {
                "probability": before.probability,
                "confidence": before.confidence,
                "risk_level": before.risk_level,
                "interval": list(before.interval),
            },
        },
    }


def _possible(wanted: WhatIf, possible: Sequence[Change], faced: str) -> list[Change]:
    """The changes that are wanted. An objective need not be named where only one can be meant."""
    known = {(change.kind, change.objective_id): change for change in possible}
    found = []
    for kind, objective_id in wanted.changes:
        ours = [change for change in possible if change.kind == kind]
        change = known.get((kind, objective_id))
        if change is None and objective_id is None and len(ours) == 1:
            change = ours[0]
        if change is None or change in found:
            raise Usage(f"--what-if: {_named(kind, objective_id)} {_why_not(kind, objective_id, faced, ours)}")
        found.append(change)
    return found


def _why_not(kind: str, objective_id: str | None, faced: str, ours: Sequence[Change]) -> str:
    if objective_id is None and len(ours) > 1:
        return f"needs an objective_id, one of {', '.join(_shown(change.objective_id) for change in ours[:5])}"
    if kind == "master_prerequisite":
        return "is not possible: it is mastered already, or no stated prerequisite of this objective"
    if objective_id not in (None, faced) and ours:
        return f"is not possible: it is about the objective {_shown(faced)} itself"
    if kind == "lighter_day":
        return "is not possible: nothing else is planned for today or overdue"
    return "is not possible: the objective has no cards here, or as_of is past or at the last answer"


def _change(given: object) -> tuple[str, str | None]:
    if not isinstance(given, Mapping) or not given.keys() <= set(_OF_A_CHANGE):
        raise Usage("--what-if: a change is an object with 'kind' and, where it names an objective, 'objective_id'")
    kind, objective_id = given.get("kind"), given.get("objective_id")
    if kind not in KINDS:
        raise Usage(f"--what-if: the kind of a change is one of {', '.join(KINDS)}, not {_shown(kind)}")
    if objective_id is not None and not isinstance(objective_id, str):
        raise Usage("--what-if: 'objective_id' must be a text")
    return str(kind), objective_id


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise Usage(f"--what-if: {_shown(name)} is given twice")
        found[name] = value
    return found


def _named(kind: str, objective_id: str | None) -> str:
    return kind if objective_id is None else f"{kind} of {_shown(objective_id)}"


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
