"""levels.json beside the model: the deployment's levels and operating threshold, which people may edit.

    {"medium_from": 0.4, "high_from": 0.7, "operating_threshold": 0.31,
     "chosen": {"operating_threshold": 0.31, "for": {"recall": 0.7}, "at": "2026-11-23T03:15:00.000Z",
                "visits": 5120, "learners": 340, "model_version": "struggle_prediction_v1.0_2026-11-23"},
     "before": {"operating_threshold": 0.5, "model_version": null}}

Every field may be absent, and then has the platform's value. `chosen` is what training chose for which model; where
operating_threshold differs from it, a person has edited the threshold, and training leaves it alone. `before` is what
held until then: a prediction by any other model takes its threshold, so that the file may be replaced a moment before
current.pkl. The schema is published as "levels" (scripts/outputs/levels.py).

A prediction reads the file at every start, so the standard library's JSON reader is not needed for it.
"""

from __future__ import annotations

from ml.errors import ModelRefused
from ml.places import content_if_there
from ml.study.scales import PLATFORM, Levels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST_BYTES = 64 * 1024
MOST_CAPACITY = 1_000_000
_FIELDS = {"format", "medium_from", "high_from", "operating_threshold", "capacity", "chosen", "before"}
OPERATING_POINT = "operating_point"
"""The key under which a version's card holds what becomes `chosen` when the version begins to answer."""
FORMAT = 1
"""A change of the fields' meaning takes the next number; no other format is read. A file without it is of this one."""


def read_levels(path: str, model_version: str) -> Levels | None:
    """The levels that the file at path states for a model of that version; None where there is no file.

    Raises ModelRefused where the file must not be used.
    """
    stated = read_stated(path)
    return None if stated is None else levels_of(stated, model_version, path)


def read_stated(path: str) -> Mapping[str, object] | None:
    """What the file says, checked; None where there is none. Raises ModelRefused where it must not be used."""
    try:
        content = content_if_there(path, _MOST_BYTES)
    except OSError as error:
        raise ModelRefused(f"{path} cannot be read: {error.strerror or error}") from None
    if content is None:
        return None
    text = ""
    try:
        text = content.decode("utf-8-sig")
        stated = _loads(text)
    except _GivenTwice as error:
        raise _refused(path, f"{_shown(error.args[0])} is given twice") from None
    except (ValueError, RecursionError):
        raise ModelRefused(f"{path} is not JSON{_where(text)}") from None
    if not isinstance(stated, dict):
        raise _refused(path, "it is not an object")
    levels_of(stated, "", path)
    return stated


def levels_of(stated: Mapping[str, object], model_version: str, path: str) -> Levels:
    """The levels for a model of that version, or with "" for the one that they were chosen for.

    Raises ModelRefused with a sentence about the file at path.
    """
    unknown = stated.keys() - _FIELDS
    if unknown:
        raise _refused(path, f"{_shown(min(unknown))} is not one of its fields")
    if stated.get("format", FORMAT) != FORMAT:
        raise _refused(path, f"it is of format {_shown(stated['format'])}, and this program reads format {FORMAT}")
    medium_from = _threshold(stated, "medium_from", PLATFORM.medium_from, path)
    high_from = _threshold(stated, "high_from", PLATFORM.high_from, path)
    if medium_from > high_from:
        raise _refused(path, f"medium_from ({medium_from}) is above high_from ({high_from})")
    threshold = _threshold(stated, "operating_threshold", PLATFORM.operating_threshold, path)
    chosen, before = _record(stated, "chosen", path), _record(stated, "before", path)
    if chosen and model_version and not is_edited(stated) and chosen.get("model_version") != model_version:
        threshold = _threshold(before, "operating_threshold", PLATFORM.operating_threshold, path)
    capacity = stated.get("capacity")
    if capacity is not None and (type(capacity) is not int or not 1 <= capacity <= MOST_CAPACITY):
        raise _refused(path, f"capacity is not a whole number from 1 to {MOST_CAPACITY:,}")
    return Levels(medium_from, high_from, threshold, capacity)


def is_edited(stated: Mapping[str, object]) -> bool:
    """Whether a person, and not training, has set the operating threshold."""
    chosen = stated.get("chosen")
    by_training = chosen.get("operating_threshold") if isinstance(chosen, dict) else None
    return "operating_threshold" in stated and stated["operating_threshold"] != by_training


def _threshold(stated: Mapping[str, object], name: str, otherwise: float, path: str) -> float:
    value = stated.get(name, otherwise)
    # bool is an int to Python, but true is no probability
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise _refused(path, f"{name} is not a number above 0 and at most 1")
    return float(value)


def _record(stated: Mapping[str, object], name: str, path: str) -> Mapping[str, object]:
    found = stated.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _refused(path, f"{name} is not an object")
    _threshold(found, "operating_threshold", PLATFORM.operating_threshold, path)
    return found


def _where(text: str) -> str:
    """Where a text stops being JSON, for whoever edited it by hand; empty where the reader cannot tell."""
    from json import JSONDecodeError, loads

    try:
        loads(text)
    except JSONDecodeError as error:
        return f" (line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError):
        pass
    return ""


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refused(path: str, why: str) -> ModelRefused:
    return ModelRefused(f"the levels file {path} is refused: {why}")


class _GivenTwice(Exception):
    """One object has the same field twice, so that nobody knows which of the two was meant."""


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _GivenTwice(next(name for name in found if names.count(name) > 1))
    return found


class _Strict:
    """The settings that json's own C scanner reads."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_without_doubles)
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> object:
        """NaN and Infinity are no thresholds."""
        raise ValueError(name)


def _loads(text: str) -> object:
    text = text.strip(" \t\n\r")
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON value") from None
    except SystemError:  # the scanner takes its exception from json.decoder, which nobody may have imported
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("text after the JSON value")
    return value


try:
    from _json import make_scanner

    _scan: Callable[[str, int], tuple[object, int]] = make_scanner(_Strict)  # type: ignore[arg-type]
except ImportError:  # an interpreter without CPython's accelerator
    from json import JSONDecoder

    _scan = JSONDecoder(parse_constant=_Strict.parse_constant, object_pairs_hook=_without_doubles).raw_decode
