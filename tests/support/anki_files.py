"""Small collections of Anki's, in both schemas and in every package."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import zstandard

CARD_OF_CELLS, CARD_OF_BONES = 1500000000001, 1500000000002
T0_MS = 1_700_000_000_000
REVIEWS = (
    # id, card, ease, milliseconds, type (0 learning, 1 review, 4 set back by hand)
    (T0_MS, CARD_OF_CELLS, 3, 5000, 1),
    (T0_MS + 60_000, CARD_OF_BONES, 1, 2500, 1),
    (T0_MS + 120_000, CARD_OF_BONES, 0, 0, 4),
    (T0_MS + 180_000, CARD_OF_BONES, 2, 1200, 1),
)
_TABLES = """
    CREATE TABLE notes (id integer PRIMARY KEY, guid text, mid integer, mod integer, usn integer, tags text, flds text,
        sfld integer, csum integer, flags integer, data text);
    CREATE TABLE cards (id integer PRIMARY KEY, nid integer, did integer, ord integer, mod integer, usn integer,
        type integer, queue integer, due integer, ivl integer, factor integer, reps integer, lapses integer,
        left integer, odue integer, odid integer, flags integer, data text);
    CREATE TABLE revlog (id integer PRIMARY KEY, cid integer, usn integer, ease integer, ivl integer, lastIvl integer,
        factor integer, time integer, type integer);
    CREATE TABLE col (id integer PRIMARY KEY, crt integer, mod integer, scm integer, ver integer, dty integer,
        usn integer, ls integer, conf text, models text, decks text, dconf text, tags text);
"""


def collection(path: Path, is_new: bool, reviews: tuple[tuple[int, ...], ...] = REVIEWS, scheduler: int = 2) -> Path:
    """Writes collection.anki2 in the old schema or the new one."""
    database = sqlite3.connect(path)
    database.executescript(_TABLES)
    decks = {"1": "Default", "20": "Biology::Cells", "30": "Anatomy"}
    if is_new:
        database.create_collation("unicase", lambda one, other: (one > other) - (one < other))
        database.executescript(
            "CREATE TABLE decks (id integer PRIMARY KEY, name text NOT NULL COLLATE unicase, mtime_secs integer,"
            " usn integer, common blob, kind blob); CREATE UNIQUE INDEX idx_decks_name ON decks (name);"
            "CREATE TABLE notetypes (id integer PRIMARY KEY, name text COLLATE unicase);"
            "CREATE TABLE config (KEY text PRIMARY KEY, usn integer, mtime_secs integer, val blob) WITHOUT ROWID;"
        )
        for deck, name in decks.items():
            database.execute("INSERT INTO decks VALUES (?, ?, 0, 0, '', '')", [int(deck), name.replace("::", "\x1f")])
        database.execute("INSERT INTO config VALUES ('schedVer', 0, 0, ?)", [str(scheduler).encode()])
        old = ("", "", "")
    else:
        named = {deck: {"id": int(deck), "name": name} for deck, name in decks.items()}
        old = (json.dumps({"schedVer": scheduler}), "{}", json.dumps(named))
    version = 18 if is_new else 11
    database.execute("INSERT INTO col VALUES (1, 0, 0, 0, ?, 0, 0, 0, ?, ?, ?, '', '')", [version, *old])
    database.execute("INSERT INTO notes VALUES (7, 'g', 1, 0, 0, ' cell membrane ', 'f', 0, 0, 0, '')")
    database.execute("INSERT INTO notes VALUES (8, 'h', 1, 0, 0, 'bone', 'f', 0, 0, 0, '')")
    for card, note, deck, home in ((CARD_OF_CELLS, 7, 20, 0), (CARD_OF_BONES, 8, 1, 30)):
        database.execute(
            "INSERT INTO cards VALUES (?, ?, ?, 0, 0, 0, 2, 2, 0, 1, 2500, 1, 0, 0, 0, ?, 0, '')",
            [card, note, deck, home],
        )
    for at_ms, card, ease, spent, kind in reviews:
        database.execute("INSERT INTO revlog VALUES (?, ?, 0, ?, 1, 1, 2500, ?, ?)", [at_ms, card, ease, spent, kind])
    database.commit()
    database.close()
    return path


def package(path: Path, inside: Path, is_new: bool) -> Path:
    """Packs a collection: an old .apkg, or a new package with a Zstandard collection beside an empty old one."""
    with zipfile.ZipFile(path, "w") as archive:
        if is_new:
            archive.writestr("meta", b"\x08\x03")
            archive.writestr("collection.anki21b", zstandard.compress(inside.read_bytes()))
            archive.write(collection(inside.with_suffix(".empty"), False, ()), "collection.anki2")
        else:
            archive.write(inside, "collection.anki2")
        archive.writestr("media", "{}")
    return path
