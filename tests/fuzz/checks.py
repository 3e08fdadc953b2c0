"""What must hold whatever bytes come (tests/fuzz/targets.py): each takes an input and raises AssertionError otherwise.

Only the documented error class may leave the product's function; every number it hands on is finite and in range.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing

from db import feedback, url
from db.errors import SchemaUnreadable, UnsupportedURL
from db.sql import decode_values
from db.sql import instants as timestamps
from db.tables import app_schema
from db.tables.ddl import TABLES
from ml import instants
from ml.errors import InvalidFeatures, ModelRefused
from ml.features import vector as features
from ml.model import StrugglePredictionModel
from ml.storage import model_file, plain_pickle
from tests.fuzz import seeded
from tests.fuzz.seeded import SECRET

STORED_AS: tuple[Callable[[bytes], object], ...] = (
    bytes,
    lambda octets: octets.decode(errors="replace"),
    lambda octets: int.from_bytes(octets[:8], "little", signed=True),
    lambda octets: float(decode_values.number(octets[:40]) or 0.0),
)
"""How SQLite may hold what an input says: blob, text, integer, real."""


def argv_of(octets: bytes) -> list[str]:
    """Arguments as the kernel hands them over: texts between NULs."""
    return [os.fsdecode(word) for word in octets.split(b"\0")]


def answered_soundly(argv: list[str], streams: seeded.Streams) -> None:
    """One JSON object with the exit code that fits it, within the deadline, as the seeded fuzzer judges it."""
    if seeded.reaches_out(argv):
        return
    faults = seeded.outcome_of(argv, seeded.called(argv, streams)).faults
    assert not faults, faults


def url_is_sound(octets: bytes) -> None:
    """UnsupportedURL or a database; no message shows the password; a file is absolute; libpq's words are text."""
    try:
        where = url.parse(octets.decode("utf-8", "surrogateescape"), "/base")
    except UnsupportedURL as refused:
        if SECRET in str(refused):
            raise AssertionError("a refusal shows the password") from None
        return
    repr(where)
    assert "\n" not in where.label
    assert all(isinstance(word, str) and "\0" not in word for word in where.keywords.values())
    assert where.kind == "postgresql" if where.path is None else os.path.isabs(where.path)


def schema_is_sound(octets: bytes) -> None:
    """SchemaUnreadable or names; each is a text that SQL can quote."""
    names = app_schema.SchemaNames("/base")
    try:
        names.take(octets.decode("utf-8", "replace"))
    except SchemaUnreadable:
        return
    for model, table in TABLES.items():
        said = [names.table(model, table.name), names.table_schema(model, table.name) or ""]
        for field in table.fields:
            said.append(names.column(model, table.name, field))
            said += names.stored_values(model, table.name, field)
        assert all("\0" not in name for name in said), said


def model_is_sound(octets: bytes) -> None:
    """ModelRefused or a model whose answer is a probability; what the reader takes for plain, pickle reads alike."""
    inside = octets[:1] == b"i"
    pickled = octets[1:]
    try:
        value = plain_pickle.loads(pickled)
    except plain_pickle.NotPlain:
        pass
    else:
        assert alike(value, pickle.Unpickler(io.BytesIO(pickled)).load())  # no opcode accepted so far can run code
    try:
        saved = model_file.parse(seeded.sealed(pickled) if inside else pickled)
    except ModelRefused:
        return
    for known in ({}, dict.fromkeys(features.FEATURE_NAMES, 0.5)):
        judged = StrugglePredictionModel(saved).predict(features.FeatureVector.of(known, 0))
        assert 0 <= judged.interval[0] <= judged.probability <= judged.interval[1] <= 1, judged


def alike(one: object, other: object) -> bool:
    """Equal to the last bit, NaN too; a value too deep to write down is left to the reader."""
    try:
        return repr(one) == repr(other)
    except RecursionError:
        return True


def instant_is_sound(octets: bytes) -> None:
    """No form of DateTime becomes an instant outside the years 1 to 9999, and what Python reads, SQL reads alike."""
    value = STORED_AS[(octets[:1] or b"\0")[0] % len(STORED_AS)](octets[1:])
    with closing(sqlite3.connect(":memory:")) as memory:
        (found,) = memory.execute(f"SELECT {timestamps.sqlite_ms('x')} FROM (SELECT ? AS x)", (value,)).fetchone()
    assert found is None or timestamps.EARLIEST_MS <= found <= timestamps.LATEST_MS, found
    assert decode_values.instant_ms(found) == found
    if found is not None:
        first, last = timestamps.local_dates(found, found + 1)
        assert timestamps.bounded(instants.parse_iso(timestamps.stored_text(found))) == found
        assert first <= last
    try:
        read = instants.parse_iso(str(value))
    except InvalidFeatures:
        return
    if timestamps.EARLIEST_MS <= read <= timestamps.LATEST_MS:
        assert instants.parse_iso(instants.iso(read)) == read


def feedback_is_sound(octets: bytes) -> None:
    """A stored answer is no answer or a whole one; its feature vector is refused as InvalidFeatures or within 0..1."""
    cells = decode_values.decoded(octets)
    if not isinstance(cells, list) or len(cells) != len(feedback.Feedback._fields):
        return
    row = feedback._answer(cells, {}, {})
    if row is None:
        return
    assert seeded.is_sound(row), row
    try:
        vector = features.FeatureVector.from_dict(row.feature_vector, 0)
    except InvalidFeatures:
        return
    kept = json.loads(json.dumps(vector.to_dict(), allow_nan=False))
    assert all(0 <= kept[name] <= 1 for name in features.FEATURE_NAMES)
    assert features.FeatureVector.from_dict(kept).to_dict() == vector.to_dict()
