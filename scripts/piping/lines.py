"""The protocol's lines: from the bytes of a line to a request, and from an answer to a line.

scripts/outputs/worker_lines.py describes the same lines as JSON Schemas.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ml.answer import failure
from ml.json_text import dumps
from ml.wording.choice import AUDIENCES, LANGUAGES, audience_named, language_named
from scripts.cli.exits import Usage, ending
from scripts.cli.human_times import instant_ms
from scripts.outputs.worker_lines import (
    LARGEST_ID,
    LONGEST_TIMEOUT_S,
    MOST_LINE_BYTES,
    PROTOCOL,
    SHORTEST_TIMEOUT_S,
)

NEEDED = ("id", "user_id", "objective_id")
FIELDS = (*NEEDED, "as_of", "timeout", "features", "language", "audience")

Id = str | int | None
"""None stands in the answer to a line from which no id could be read."""


class Asked(NamedTuple):
    """One request, as its line says it.

    arrived_at: when the line was read, on time.monotonic's clock. timeout_s: None is the worker's own. features: what
    is predicted from instead of the learner's rows; None reads the rows. language, audience: those of the sentences;
    None is the worker's own.
    """

    id: str | int
    user_id: str
    objective_id: str
    arrived_at: float
    as_of_ms: int | None = None
    timeout_s: float | None = None
    features: Mapping[str, object] | None = None
    language: str | None = None
    audience: str | None = None


class LineRefused(Usage):
    """Raised for a line that is not a request. id: the line's id where it could be read."""

    def __init__(self, text: str, id: Id = None) -> None:
        super().__init__(text)
        self.id = id


def asked_in(line: bytes) -> Asked:
    """The request in a line. Only one thread may call this. Raises LineRefused."""
    given = _object_in(line)
    id = given.get("id")
    if isinstance(id, bool) or not isinstance(id, (str, int)) or (isinstance(id, int) and abs(id) > LARGEST_ID):
        raise LineRefused(f"id must be a text, or a whole number of at most {LARGEST_ID}.")
    unknown = sorted(given.keys() - set(FIELDS))
    if unknown:
        raise LineRefused(f"The field {unknown[0][:40]!a} is unknown; a request has {', '.join(FIELDS)}.", id)
    absent = [name for name in NEEDED if name not in given]
    if absent:
        raise LineRefused(f"{absent[0]} is missing.", id)
    for name in ("user_id", "objective_id"):
        if not isinstance(given[name], str):
            raise LineRefused(f"{name} must be a text.", id)
    features = given.get("features")
    if "features" in given and not isinstance(features, Mapping):
        raise LineRefused("features must be an object.", id)
    return Asked(
        id,
        given["user_id"],
        given["objective_id"],
        time.monotonic(),
        _as_of_ms(given["as_of"], id) if "as_of" in given else None,
        _timeout_s(given["timeout"], id) if "timeout" in given else None,
        features,
        _known(given["language"], language_named, LANGUAGES, id) if "language" in given else None,
        _known(given["audience"], audience_named, AUDIENCES, id) if "audience" in given else None,
    )


def _known(value: object, named: Callable[[str], str | None], known: Sequence[str], id: Id) -> str:
    found = named(value) if isinstance(value, str) else None
    if found is None:
        field = "language" if known is LANGUAGES else "audience"
        raise LineRefused(f"{field} must be {' or '.join(known)}.", id)
    return found


def _object_in(line: bytes) -> dict[str, Any]:
    """The JSON object in a line, no object of which has a name twice. Raises LineRefused."""
    if len(line) > MOST_LINE_BYTES:
        raise LineRefused("A line may have at most 1 MiB.")
    _twice.clear()
    try:
        given = _DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise LineRefused("The line is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise LineRefused("The line is not valid JSON.") from None
    if not isinstance(given, dict):
        raise LineRefused("The line must be one JSON object.")
    if _twice:
        id = given.get("id")
        known = isinstance(id, str) and "id" not in _twice
        raise LineRefused(f"The field {_twice[0][:40]!a} occurs twice.", id if known else None)
    return given


def _noted(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        _twice.extend(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return made


def _refuse_constant(word: str) -> object:
    raise ValueError(word)  # NaN and the infinities, which Python reads and JSON does not have


_DECODER = json.JSONDecoder(object_pairs_hook=_noted, parse_constant=_refuse_constant)
_twice: list[str] = []
"""The names that occurred twice in an object of the line that is being read."""


def _as_of_ms(given: object, id: Id) -> int:
    if not isinstance(given, str):
        raise LineRefused("as_of must be a text.", id)
    try:
        return instant_ms(given)
    except ValueError as error:
        raise LineRefused(f"as_of: {error}.", id) from None


def _timeout_s(given: object, id: Id) -> float:
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not is_number or not SHORTEST_TIMEOUT_S <= given <= LONGEST_TIMEOUT_S:  # type: ignore[operator]
        raise LineRefused(
            f"timeout must be a number of seconds from {SHORTEST_TIMEOUT_S:g} to {LONGEST_TIMEOUT_S:g}.", id
        )
    return float(given)  # type: ignore[arg-type]


def hello(version: str, model_version: str) -> bytes:
    """The first line, once the worker can answer."""
    return _line(dumps({"protocol": PROTOCOL, "version": version, "model_version": model_version}))


def answered(id: Id, answer: str) -> bytes:
    """The line for an answer, given as predict.py prints it."""
    return _line(f'{{"id": {dumps(id)}, "answer": {answer}}}')


def not_answered(id: Id, code: int, printed: Mapping[str, object]) -> bytes:
    """The line for a request without an answer. code, printed: predict.py's exit code, and the object it prints."""
    return _line(dumps({"id": id, **printed, "exit_code": code}))


def refused(error: LineRefused) -> bytes:
    """The line for a line that is not a request."""
    code, name = ending(error)
    return not_answered(error.id, code, failure(name, str(error)))


def _line(text: str) -> bytes:
    return text.encode("ascii") + b"\n"
