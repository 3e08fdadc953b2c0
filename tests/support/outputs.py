"""The one way in which tests read what commands print for programs: it must fit the schema that is published for it.

The published schemas let a later version add fields. Here every object is closed, so that no field is printed of which
the schema does not tell.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from scripts.outputs.published import schema

_MARKS = {
    "protocol": "worker-hello",
    "answer": "worker-answer",
    "exit_code": "worker-failure",
    "error": "failure",
    "ok": "doctor",
    "alerts": "monitor-report",
    "features": "answer",
    "kept_objectives": "structure-summary",
    "equal_rows": "import-summary",
    "learners_opted_out": "export-summary",
    "learners_left_out": "trial-report",
    "exported_at": "learner-export",
    "made_before": "retention-summary",
    "prerequisites_withheld": "cohort-report",
    "user_id": "batch-line",
}
"""A field that tells one kind of output from those below it."""


def read_output(text: str | bytes) -> Any:
    """The one JSON object of predict.py, a batch's line or monitor.py, once it fits its schema."""
    found = json.loads(text, parse_constant=pytest.fail)
    kind = kind_of(found)
    check(found, kind)
    if kind == "worker-answer":
        check(found["answer"], "answer")
    return found


def read_lines(text: str | bytes) -> list[Any]:
    """The objects of a batch's lines."""
    return [read_output(line) for line in text.splitlines()]


def kind_of(found: object) -> str:
    """The name of the schema that an output must fit."""
    assert isinstance(found, dict), found
    kinds = [kind for mark, kind in _MARKS.items() if mark in found]
    assert kinds, f"no schema is published for an object with {', '.join(map(str, found)) or 'no fields'}"
    return kinds[0]


def check(found: object, kind: str) -> None:
    """Fails where an output does not fit the schema of this name, or holds a field that is not in it."""
    error = best_match(validator(kind).iter_errors(found))
    assert error is None, f"{kind}: {error.json_path}: {error.message[:500]}"


@cache
def validator(kind: str) -> Draft202012Validator:
    """Of the schema of this name, closed."""
    return Draft202012Validator(closed(schema(kind)))


def closed(part: Any) -> Any:
    """The schema with no fields allowed but those that it names."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {name: closed(each) for name, each in part.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found
