"""The file format of a model: a pickle of plain builtins, checked before use, so that no file can run code.

The file is a pickled dict of `format`, `sha256` and `payload`; the payload is a pickled dict whose keys are those of
`_payload_of` below. Reading accepts only plain builtins (ml/storage/plain_pickle.py), then checks every type, length
and number: whatever the bytes are, the result is a SavedModel or ModelRefused.
"""

from __future__ import annotations

import os

from ml.errors import ModelNotFound, ModelRefused, ModelUnsuited
from ml.features.vector import FEATURE_NAMES
from ml.places import archived, content_of
from ml.scoring.scorecard import Deviations, SavedModel, Scorecard, Table
from ml.storage.plain_pickle import NotPlain, loads
from ml.study.correctness import ANY, SETTINGS

TYPE_CHECKING = False

FORMAT = 3
_EARLIER = 2
"""3 holds fills_unknown; where it is missing, in format 2, the model is asked as it was taught, an unknown objective
without data. 2 holds correct_from, the setting the model was trained under; models of format 1 counted HARD as correct
and are not read any more. To change what a payload holds: raise FORMAT by one; keep reading the older format here for
as long as files of it are in use, or refuse it with the sentence below, whereupon pretrained.pkl answers in place of a
current.pkl; remake models/pretrained.pkl with the command in models/README.md; add a file of the old format to
tests/ml/test_model_file.py. folds is absent from files that were written before it, and readers that do not know it
ignore it: such a field needs no new number. A feature added, renamed or removed needs no new FORMAT: the names in the
file no longer match, and the file is refused until it is trained again."""

MAX_BYTES = 4 * 1024 * 1024
_MAX_EDGES = 4096
_MAX_BAGS = 64
_LONGEST_NAME = 200
_LONGEST_SOURCE = 2000
_MOST_TEXTS = 1000
_MOST_IN_ALL = 1e9
"""The bound on the sum of all numbers' sizes: far above any model, far below what overflows."""


def sha256(content: bytes) -> str:
    """The hex digest; hashlib itself takes longer to import than a model takes to load."""
    try:
        from _sha2 import sha256 as digest  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from _sha256 import sha256 as digest  # type: ignore[import-not-found,unused-ignore]  # Python 3.11
        except ImportError:
            from hashlib import sha256 as digest
    return str(digest(content).hexdigest())


def read(path: str) -> SavedModel:
    """The model at path.

    Raises ModelNotFound where there is no file, ModelRefused where it must not be used, and, of these, ModelUnsuited
    where a whole file was made for another format or other features.
    """
    try:
        content = _content(path)
    except FileNotFoundError:
        raise ModelNotFound(f"no model file at {path}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        why = getattr(error, "strerror", None) or error
        raise ModelRefused(f"the model file {path} cannot be read: {why}") from None
    try:
        return parse(content)
    except ModelUnsuited as unsuited:
        raise ModelUnsuited(f"the model file {path} is refused: {unsuited}", unsuited.why) from None
    except ModelRefused as refusal:
        raise ModelRefused(f"the model file {path} is refused: {refusal}") from None


def _content(path: str) -> bytes:
    try:
        return content_of(path, MAX_BYTES)
    except NotADirectoryError:
        return archived(path)


def parse(content: bytes) -> SavedModel:
    """The model in the bytes of a file; any other bytes raise ModelRefused and no other exception."""
    if len(content) > MAX_BYTES:
        raise ModelRefused(f"it is larger than {MAX_BYTES} bytes")
    try:
        envelope = loads(content)
        if type(envelope) is not dict or envelope.keys() != {"format", "sha256", "payload"}:
            raise ModelRefused("it is not a model of this predictor")
        payload, number = _of(bytes, envelope["payload"], "payload"), _of(int, envelope["format"], "format")
        if envelope["sha256"] != sha256(payload):
            raise ModelRefused("its content does not match its checksum")
        if number not in (_EARLIER, FORMAT):
            age = "an earlier" if number < FORMAT else "a later"
            raise ModelUnsuited(f"it is of {age} format ({number}, not {FORMAT}); train it again", f"{age} format")
        return _model_of(_Fields(loads(payload)), number)
    except NotPlain as error:
        raise ModelRefused(str(error)) from None


def dump(model: SavedModel) -> bytes:
    """The bytes of a model file; equal models give equal bytes."""
    import pickle  # a prediction writes no model

    payload = pickle.dumps(_payload_of(model), protocol=4)
    return pickle.dumps({"format": FORMAT, "sha256": sha256(payload), "payload": payload}, protocol=4)


def write(model: SavedModel, path: str) -> None:
    """Writes the whole model to path.

    A reader sees the old file or the new one, and after a crash the old one is there.
    """
    from ml.storage import atomic_files

    content = dump(model)
    parse(content)  # what could not be read again is never written
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    atomic_files.put(path, content)


def _payload_of(model: SavedModel) -> dict[str, object]:
    """What a file holds.

    `layout` has [edges, 1 with slopes else 0, 1 if stated else 0] per feature, `spread` the number of edges per
    feature. `numbers` is one flat list, because a list per table takes three times as long to read: for each feature
    its value without data, edges, values and slopes, then for each feature of `spread` its edges and rows.
    """
    card = model.scorecard
    numbers: list[float] = []
    for table in card.tables:
        numbers += [table.missing, *table.edges, *table.values, *table.slopes]
    for part in card.spread:
        numbers += [*part.edges, *part.rows]
    return {
        "model_version": model.model_version,
        "struggle_below": float(model.struggle_below),
        "until_ms": model.until_ms,
        "sources": [_printable(source) for source in model.sources],
        "figures": {name: float(figure) for name, figure in model.figures.items()},
        "difficulty": None if model.difficulty is None else list(model.difficulty),
        "correct_from": model.correct_from,
        "fills_unknown": card.fills_unknown,
        "features": list(FEATURE_NAMES),
        "intercept": float(card.intercept),
        "calibration": [float(part) for part in card.calibration],
        "bag_intercepts": [float(x) for x in card.bag_intercepts],
        "layout": [n for table in card.tables for n in (len(table.edges), int(bool(table.slopes)), int(table.stated))],
        "spread": [len(part.edges) for part in card.spread],
        "numbers": [float(x) for x in numbers],
        **({} if model.folds is None else {"folds": model.folds}),
    }


def _printable(source: str) -> str:
    """A source's sentence as a file may hold it; it may name a path, and a path may hold any bytes."""
    return "".join(letter if letter.isprintable() else "?" for letter in source[:_LONGEST_SOURCE]) or "?"


class _Fields:
    """A dict whose entries are taken with their exact type."""

    __slots__ = ("entries",)

    def __init__(self, entries: object) -> None:
        if type(entries) is not dict:
            raise ModelRefused("its payload is not a dict")
        self.entries = entries

    def take(self, kind: type[Kind], name: str) -> Kind:
        if name not in self.entries:
            raise ModelRefused(f"it lacks {name}")
        return _of(kind, self.entries[name], name)

    def number(self, name: str) -> float:
        return _numbers([self.take(float, name)], name)[0]

    def numbers(self, name: str) -> list[float]:
        return _numbers(self.take(list, name), name)

    def counts(self, name: str) -> list[int]:
        counts: list[int] = self.take(list, name)
        if not set(map(type, counts)) <= {int} or (counts and not 0 <= min(counts) <= max(counts) <= _MAX_EDGES):
            raise ModelRefused(f"its {name} holds more than small numbers")
        return counts


def _of(kind: type[Kind], value: object, name: str) -> Kind:
    if type(value) is not kind:
        raise ModelRefused(f"its {name} is no {kind.__name__}")
    return value


def _numbers(values: list[object], name: str) -> list[float]:
    if not set(map(type, values)) <= {float}:
        raise ModelRefused(f"its {name} holds more than numbers")
    numbers: list[float] = values  # type: ignore[assignment]
    # One pass in C in place of one test a number; a NaN compares as false.
    if not sum(map(abs, numbers)) <= _MOST_IN_ALL:
        raise ModelRefused(f"its {name} holds a number out of range")
    return numbers


class _Flat:
    """The flat list of numbers, taken from its front."""

    __slots__ = ("at", "numbers")

    def __init__(self, numbers: list[float]) -> None:
        self.numbers = numbers
        self.at = 0

    def take(self, count: int) -> list[float]:
        taken = self.numbers[self.at : self.at + count]
        if len(taken) != count:
            raise ModelRefused("its tables do not fit its numbers")
        self.at += count
        return taken

    def edges(self, count: int) -> list[float]:
        edges = self.take(count)
        if sorted(set(edges)) != edges:
            raise ModelRefused("the edges of a table do not increase")
        return edges

    def table(self, edge_count: int, sloped: int, stated: int) -> Table:
        (missing,) = self.take(1)
        edges, values = self.edges(edge_count), self.take(edge_count + 1)
        return Table(edges, values, self.take(edge_count + 1) if sloped else (), missing, bool(stated))

    def deviations(self, edge_count: int, bags: int) -> Deviations:
        return Deviations(self.edges(edge_count), self.take((edge_count + 2) * bags), bags)


def _model_of(fields: _Fields, number: int) -> SavedModel:
    if fields.take(list, "features") != list(FEATURE_NAMES):
        raise ModelUnsuited("it was trained on other features; train it again", "other features")
    layout, spread = fields.counts("layout"), fields.counts("spread")
    bag_intercepts, calibration = fields.numbers("bag_intercepts"), fields.numbers("calibration")
    bags = len(bag_intercepts)
    if len(layout) != 3 * len(FEATURE_NAMES) or len(spread) != (len(FEATURE_NAMES) if bags else 0) or bags > _MAX_BAGS:
        raise ModelRefused("its tables do not fit its features")
    if len(calibration) != 2 or calibration[0] <= 0:
        raise ModelRefused("its calibration is not a rising line")
    flat = _Flat(fields.numbers("numbers"))
    scorecard = Scorecard(
        fields.number("intercept"),
        list(map(flat.table, layout[::3], layout[1::3], layout[2::3])),
        (calibration[0], calibration[1]),
        [flat.deviations(edge_count, bags) for edge_count in spread],
        bag_intercepts,
        number == FORMAT and fields.take(bool, "fills_unknown"),
    )
    if flat.at != len(flat.numbers):
        raise ModelRefused("its tables do not fit its numbers")
    figures, sources = fields.take(dict, "figures"), fields.take(list, "sources")
    _numbers(list(figures.values()), "figures")
    if len(figures) > _MOST_TEXTS or len(sources) > _MOST_TEXTS:
        raise ModelRefused("it has too many figures or sources")
    for text, name, longest in (
        (fields.take(str, "model_version"), "model_version", _LONGEST_NAME),
        *((figure, "figures", _LONGEST_NAME) for figure in figures),
        *((source, "sources", _LONGEST_SOURCE) for source in sources),
    ):
        # What is shown in answers, logs, metrics and pages: no control character, and nothing that UTF-8 lacks.
        if not 0 < len(_of(str, text, name)) <= longest or not text.isprintable():
            raise ModelRefused(f"its {name} is not a short printable text")
    correct_from = fields.take(str, "correct_from")
    if correct_from not in (*SETTINGS, ANY):
        raise ModelRefused("its correct_from is not GOOD, HARD or ANY")
    until_ms, difficulty = fields.entries.get("until_ms"), fields.entries.get("difficulty")
    folds = fields.entries.get("folds")
    if folds is not None and not 0 <= _of(int, folds, "folds") <= _MOST_TEXTS:
        raise ModelRefused("its folds are not a small number")
    return SavedModel(
        fields.take(str, "model_version"),
        scorecard,
        sources,
        figures,
        fields.number("struggle_below"),
        None if until_ms is None else _of(int, until_ms, "until_ms"),
        None if difficulty is None else _side_file(difficulty),
        correct_from,
        folds,
    )


def _side_file(entry: object) -> tuple[str, str]:
    name, digest = [*_of(list, entry, "difficulty"), None, None][:2]
    if type(name) is not str or type(digest) is not str or os.path.basename(name) != name:
        raise ModelRefused("its difficulty table is not a file beside it")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or len(digest) > _LONGEST_NAME:
        raise ModelRefused("its difficulty table is not a file beside it")
    return name, digest


if TYPE_CHECKING:
    from typing import TypeVar

    Kind = TypeVar("Kind")
