"""The targets of the coverage-guided fuzzer: what is called with an input, and the real inputs it begins at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from db.connecting import DEMO
from ml.features.vector import FEATURE_NAMES, FeatureVector
from tests.fuzz import checks, seeded
from tests.fuzz.difficulty_rows import RowsOfATable
from tests.fuzz.seeded import IDS, Ground


class Target(NamedTuple):
    """try_on: one input is tried. seeds: inputs made of real ones. tokens: what the format is written with."""

    try_on: Callable[[bytes], None]
    seeds: Iterable[bytes]
    tokens: Iterable[bytes] = ()


@contextmanager
def targets_in(ground: Ground) -> Iterator[dict[str, Target]]:
    """Every target by name, over the files of this ground."""
    with closing(seeded.Streams()) as streams, closing(RowsOfATable(ground)) as table:
        yield _targets(ground, streams, table)


def _targets(ground: Ground, streams: seeded.Streams, table: RowsOfATable) -> dict[str, Target]:
    words = [" ".join(IDS), f"--as-of=2026-01-01T00:00:00Z {IDS[0]} {IDS[1]}", "--pretty --strict --timeout 2 -- a b"]
    words += [f"--doctor --database-url=file:{DEMO}", "--model rules a b", "--help"]
    vector = json.loads(ground.features)
    stored = FeatureVector.of(dict.fromkeys(FEATURE_NAMES[::2], 0.5), 0, "late").to_dict()
    row = ["f", "p", "u", "o", json.dumps(stored), True, 0, "HELPFUL", "PENDING", False, 0.5]
    dates = (b"2025-03-01T12:34:56.789+00:00", b"2025-03-01 12:34:56", b"2024-02-29T23:59:59-11:30", b"1740832496789")
    names = [b'"%s":' % name.encode() for name in (*FEATURE_NAMES, "extracted_at", "defaulted", "source")]
    return {
        "argv": Target(
            lambda octets: checks.answered_soundly(checks.argv_of(octets), streams),
            [word.replace(" ", "\0").encode() for word in words],
            [option.encode() for option in seeded.OPTIONS],
        ),
        "features": Target(
            lambda octets: checks.answered_soundly([*IDS, "--features", ground.file("f.json", octets)], streams),
            [ground.features, json.dumps(stored).encode(), json.dumps(vector | {"degraded": "late"}).encode()],
            names,
        ),
        "url": Target(checks.url_is_sound, seeded.URLS, seeded.URL_WORDS),
        "schema": Target(checks.schema_is_sound, [ground.schema], ground.schema_words),
        "model": Target(
            checks.model_is_sound, [b"o" + ground.model, b"i" + ground.payload], [b"G", b"\x94", b"\x8c\x01"]
        ),
        "difficulty": Target(table.row_is_sound, table.seeds(), [b'[["a", 0.5]]', b'["b"]', b"NaN", b"1e400"]),
        "timestamps": Target(checks.instant_is_sound, [b"\1" + date for date in dates], [b"T24:00", b"Z"]),
        "feedback": Target(
            checks.feedback_is_sound,
            [json.dumps(row).encode(), json.dumps([*row[:4], {"ability": 1}, *row[5:]]).encode()],
            [b"null", b"1e400", b"-62135596800001", b"253402300800000", b"[[", b'{"', b"true", *names],
        ),
    }
