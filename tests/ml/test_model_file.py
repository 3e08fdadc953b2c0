"""Model files: what is written is read back, and nothing else in a file can be used, run, or fill the memory."""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml.errors import ModelNotFound, ModelRefused, ModelUnsuited
from ml.features.vector import FEATURE_NAMES
from ml.scoring.scorecard import Deviations, SavedModel, Scorecard, Table
from ml.storage import model_file
from ml.storage.model_file import dump, parse
from ml.storage.plain_pickle import NotPlain, loads


def a_model(**other: object) -> SavedModel:
    tables = [
        Table([0.2, 0.5 + j / 1000], [0.1 * j, -1.0, 2.0], [0.5, 0.0, 0.25] if j % 2 else [], -0.5, j % 3 == 0)
        for j in range(len(FEATURE_NAMES))
    ]
    spread = [Deviations([0.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 2) for _ in FEATURE_NAMES]
    card = Scorecard(-0.7, tables, (1.1, 0.05), spread, [0.01, -0.02])
    given = {"difficulty": ("difficulty-1.sqlite3", "ab"), "until_ms": 1_741_000_000_000, **other}
    return SavedModel("v1", card, ["a source"], {"auc": 0.77}, 0.65, **given)


WHOLE = dump(a_model())


def test_what_is_written_is_read_back_to_the_last_bit() -> None:
    assert dump(parse(WHOLE)) == WHOLE
    model = parse(WHOLE)
    assert model.difficulty == ("difficulty-1.sqlite3", "ab")
    assert model.until_ms == 1_741_000_000_000
    assert list(model.scorecard.tables[1].slopes) == [0.5, 0.0, 0.25]


def test_a_file_is_plain_builtins_that_anybody_can_read() -> None:
    class Refusing(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            raise AssertionError(f"the file names {module}.{name}")

    envelope = Refusing(io.BytesIO(WHOLE)).load()
    assert Refusing(io.BytesIO(envelope["payload"])).load()["features"] == list(FEATURE_NAMES)


class Malicious:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, protocol: int) -> None:
    trap = str(tmp_path / "run")
    for content in (
        pickle.dumps(Malicious(trap), protocol),
        pickle.dumps({"format": 1, "sha256": "", "payload": Malicious(trap)}, protocol),
        envelope_around(pickle.dumps({"features": Malicious(trap)}, protocol)),
    ):
        with pytest.raises(ModelRefused):
            parse(content)
    assert not os.path.exists(trap)


def envelope_around(payload: bytes, **other: object) -> bytes:
    fields = {"format": model_file.FORMAT, "sha256": model_file.sha256(payload), "payload": payload, **other}
    return pickle.dumps(fields, protocol=4)


def altered(**fields: object) -> bytes:
    payload = pickle.loads(pickle.loads(WHOLE)["payload"])
    payload.update(fields)
    return envelope_around(pickle.dumps(payload, protocol=4))


def test_another_format_is_refused_in_words() -> None:
    with pytest.raises(ModelUnsuited, match="an earlier format"):
        parse(envelope_around(pickle.loads(WHOLE)["payload"], format=1))
    with pytest.raises(ModelUnsuited, match="a later format"):
        parse(envelope_around(pickle.loads(WHOLE)["payload"], format=model_file.FORMAT + 1))


def test_a_changed_payload_is_refused_in_words() -> None:
    payload = pickle.loads(WHOLE)["payload"]
    with pytest.raises(ModelRefused, match="checksum"):
        parse(envelope_around(payload.replace(b"a source", b"b source"), sha256=model_file.sha256(payload)))


@pytest.mark.parametrize(
    "fields",
    [
        {"features": list(reversed(FEATURE_NAMES))},
        {"features": [*FEATURE_NAMES, "favourite_colour"]},
        {"features": list(FEATURE_NAMES[1:])},
        {"intercept": float("nan")},
        {"intercept": 1},
        {"intercept": True},
        {"calibration": [0.0, 0.0]},
        {"calibration": [-1.0, 0.0]},
        {"calibration": [1.0]},
        {"numbers": []},
        {"numbers": [float("inf")] * 10},
        {"layout": [4096, 1, 1] * len(FEATURE_NAMES)},
        {"layout": [-1, 0, 0] * len(FEATURE_NAMES)},
        {"layout": "text"},
        {"spread": []},
        {"bag_intercepts": [0.0] * 65},
        {"sources": [1]},
        {"figures": {"auc": "high"}},
        {"figures": []},
        {"difficulty": ["../../etc/passwd", "ab"]},
        {"difficulty": ["a\0b", "ab"]},
        {"difficulty": []},
        {"until_ms": 1.5},
        {"model_version": None},
        {"struggle_below": "half"},
        {"correct_from": "AGAIN"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_content_of_another_shape_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ModelRefused):
        parse(altered(**fields))


def test_edges_that_do_not_increase_are_refused() -> None:
    payload = pickle.loads(pickle.loads(WHOLE)["payload"])
    payload["numbers"][1], payload["numbers"][2] = payload["numbers"][2], payload["numbers"][1]
    with pytest.raises(ModelRefused, match="increase"):
        parse(altered(numbers=payload["numbers"]))


def test_every_truncation_is_refused() -> None:
    for length in range(0, len(WHOLE), 37):
        with pytest.raises(ModelRefused):
            parse(WHOLE[:length])


def test_every_flipped_byte_is_refused_or_changes_nothing_that_matters() -> None:
    for at in range(0, len(WHOLE), 29):
        broken = bytearray(WHOLE)
        broken[at] ^= 0x55
        try:
            model = parse(bytes(broken))
        except ModelRefused:
            continue
        assert dump(model) == WHOLE  # a frame's length is a hint, not content


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300))
@example(b"\x80\x04}(r\xff\xff\xff\x7f.")  # LONG_BINPUT: the C unpickler would reserve 16 GiB for its memo
@example(b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".")  # BINBYTES8 of a terabyte
@example(b"\x80\x04" + b"]\x94" * 100 + b"h\x00a" * 20 + b".")
def test_any_bytes_are_refused_and_nothing_else_happens(content: bytes) -> None:
    with pytest.raises(ModelRefused):
        parse(content)
    with pytest.raises(ModelRefused):
        parse(envelope_around(content))


def test_a_claim_of_size_reserves_nothing() -> None:
    tracemalloc.start()
    for bomb in (b"\x80\x04B\xff\xff\xff\x7f.", b"\x80\x04r\xff\xff\xff\x7f.", b"\x80\x04\x8e" + b"\xff" * 8 + b"."):
        with pytest.raises(ModelRefused):
            parse(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner, max_size=8),
    max_leaves=30,
)


@pytest.mark.slow
@given(plain)
def test_the_reader_agrees_with_pickle_on_every_plain_value(value: object) -> None:
    assert loads(pickle.dumps(value, protocol=4)) == value


@pytest.mark.parametrize("length", [1, 2, 999, 1000, 1001, 2500])
def test_the_reader_agrees_with_pickle_on_long_runs_of_floats(length: int) -> None:
    floats = [position / 7 for position in range(length)]
    assert loads(pickle.dumps({"floats": floats, "then": 1.5}, protocol=4)) == {"floats": floats, "then": 1.5}


def test_tuples_sets_and_objects_are_not_plain() -> None:
    for value in ((1, 2), {1}, frozenset(), 1j, range(3), bytearray(b"x")):
        with pytest.raises(NotPlain):
            loads(pickle.dumps(value, protocol=4))


def test_a_file_is_written_whole_and_readable_by_the_servers_user(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "model.pkl")
    model_file.write(a_model(), path)
    assert dump(model_file.read(path)) == WHOLE
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert os.listdir(tmp_path / "new") == ["model.pkl"]


def test_what_could_not_be_read_again_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    model_file.write(a_model(), str(path))
    broken = a_model(difficulty=("../up", "ab"))
    with pytest.raises(ModelRefused):
        model_file.write(broken, str(path))
    assert path.read_bytes() == WHOLE
    assert os.listdir(tmp_path) == ["model.pkl"]


def test_absent_and_unreadable_files_have_their_own_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        model_file.read(str(tmp_path / "absent.pkl"))
    for path in (str(tmp_path), "a\0b"):
        with pytest.raises(ModelRefused):
            model_file.read(path)


def test_an_oversized_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.pkl"
    with open(path, "wb") as file:
        file.truncate(10 * 1024**3)
    with pytest.raises(ModelRefused, match="larger"):
        model_file.read(str(path))


def changed(**attributes: object) -> SavedModel:
    model = a_model()
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize("version", ["\ud800", "v" * 1_000_000, "", "two\nlines", "\x1b[2J", "a\u2028b", "\u202etxt"])
def test_a_version_that_is_no_short_printable_text_is_refused(version: str) -> None:
    with pytest.raises(ModelRefused, match="printable"):
        parse(dump(changed(model_version=version)))


def test_what_else_is_shown_of_a_model_is_short_and_printable() -> None:
    for changes in ({"figures": {"\ud800": 0.5}}, {"figures": {"f" * 1000: 0.5}}, {"figures": {"": 0.5}}):
        with pytest.raises(ModelRefused, match="printable"):
            parse(dump(changed(**changes)))
    with pytest.raises(ModelRefused, match="too many"):
        parse(dump(changed(sources=["s"] * 5000)))
    odd = parse(dump(changed(sources=["/a\udcff\n/b", "x" * 100_000, ""])))  # a source's name may be a path
    assert [len(source) for source in odd.sources] == [6, 2000, 1]
    assert all(source.isprintable() for source in odd.sources)
