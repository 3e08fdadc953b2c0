"""Anki's database as a table of reviews: collection.anki2, and the packages .apkg and .colpkg around one.

Two schemas exist: until 2.1.28 the names of decks were JSON in the table col, since then they are rows of their own.
Newer packages hold the database as Zstandard (collection.anki21b), beside an empty one that older programs can open.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing

from scripts.importing.answers import MalformedLog
from scripts.importing.reading.containers import SQLITE, UNPACKING_FAILS, bounded, zstandard_stream
from scripts.importing.reading.sheet import Row, Sheet

COLUMNS = ("learner", "card_id", "review_time", "ease", "time", "deck", "tags", "notetype")
INSIDE = ("collection.anki21b", "collection.anki21", "collection.anki2")
"""The newest form first: where it is there, the others are empty."""
MANUAL, RESCHEDULED = 4, 5
AT_ONCE = 5000


def holds_a_collection(names: list[str]) -> bool:
    """Whether the members of an archive are those of a package of Anki's."""
    return any(name in INSIDE for name in names)


def anki_sheet(file: str, path: str, learner: str) -> Sheet:
    """The reviews of a collection, or of the collection in a package, as one learner's. Raises MalformedLog."""
    return Sheet(file, COLUMNS, _rows(path, learner), "record", {})


def _rows(path: str, learner: str) -> Iterator[Row]:
    with open(path, "rb") as file:
        is_plain = file.read(len(SQLITE)) == SQLITE
    if is_plain:
        yield from _reviews(path, learner)
        return
    with tempfile.TemporaryDirectory(prefix="import-") as directory:
        inside = os.path.join(directory, "collection.db")
        _unpack(path, inside)
        yield from _reviews(inside, learner)


def _unpack(path: str, target: str) -> None:
    try:
        with zipfile.ZipFile(path) as package, open(target, "wb") as out:
            name = next(each for each in INSIDE if each in package.namelist())
            info = package.getinfo(name)
            with package.open(info) as packed:
                unpacked = zstandard_stream(packed) if name.endswith("b") else packed
                shutil.copyfileobj(bounded(unpacked, info.compress_size, "package"), out, 1 << 20)
    except UNPACKING_FAILS as error:
        raise MalformedLog(1, f"the package is damaged ({error})", "record") from None


def _reviews(path: str, learner: str) -> Iterator[Row]:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        # immutable: nothing is written beside the file, and Anki, if it is open, is not waited for.
        with closing(sqlite3.connect(f"file:{quoted}?mode=ro&immutable=1", uri=True)) as database:
            database.create_collation("unicase", lambda one, other: (one > other) - (one < other))
            database.text_factory = lambda octets: octets.decode("utf-8", "replace")
            yield from _read(database, learner)
    except sqlite3.Error as error:
        raise MalformedLog(1, f"the collection cannot be read ({error})", "record") from None


def _read(database: sqlite3.Connection, learner: str) -> Iterator[Row]:
    decks, shift = _decks(database), _of_first_scheduler(database)
    kinds = _notetypes(database)
    found = database.execute(
        "SELECT r.id, r.cid, r.ease, r.time, r.type, c.did, c.odid, n.tags, n.mid FROM revlog AS r"
        " LEFT JOIN cards AS c ON c.id = r.cid LEFT JOIN notes AS n ON n.id = c.nid ORDER BY r.id"
    )
    number = 0
    while rows := found.fetchmany(AT_ONCE):
        for at_ms, card, ease, time, kind, deck, home, tags, notetype in rows:
            number += 1
            if kind in (MANUAL, RESCHEDULED) or ease == 0:
                continue  # nobody answered: the card was set back or moved
            if shift and kind != 1 and isinstance(ease, int) and ease > 1:
                ease += 1
            # A card in a filtered deck (cram) has its own deck in odid; a deleted card has none.
            name = decks.get(home or deck, "") if deck is not None else "(deleted cards)"
            yield (
                number,
                [
                    learner,
                    *(str(each) for each in (card, at_ms, ease, time)),
                    name or f"deck {home or deck}",
                    (tags or "").strip(),
                    kinds.get(notetype, ""),
                ],
            )


def _decks(database: sqlite3.Connection) -> dict[int, str]:
    if _has(database, "decks"):
        named = database.execute("SELECT id, name FROM decks").fetchall()
        return {int(deck): str(name).replace("\x1f", "::") for deck, name in named}
    return {deck: str(entry.get("name", "")) for deck, entry in _json_of(database, "decks").items()}


def _notetypes(database: sqlite3.Connection) -> dict[int, str]:
    if _has(database, "notetypes"):
        return {int(kind): str(name) for kind, name in database.execute("SELECT id, name FROM notetypes").fetchall()}
    return {kind: str(entry.get("name", "")) for kind, entry in _json_of(database, "models").items()}


def _has(database: sqlite3.Connection, table: str) -> bool:
    asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return bool(database.execute(asked, [table]).fetchall())


def _json_of(database: sqlite3.Connection, column: str) -> dict[int, dict[str, object]]:
    found = database.execute(f"SELECT {column} FROM col").fetchone()  # noqa: S608  # one of two names above
    try:
        entries = json.loads(found[0]) if found and found[0] else {}
        return {int(key): entry for key, entry in entries.items() if isinstance(entry, dict)}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _of_first_scheduler(database: sqlite3.Connection) -> bool:
    """Whether answers while learning had three buttons, of which 2 was good and 3 easy.

    Anki's second scheduler renumbers them in the log when it is switched on; its version is then in the configuration.
    """
    if _has(database, "config"):
        found = database.execute("SELECT val FROM config WHERE KEY = 'schedVer'").fetchone()
        text = found[0] if found else "1"
    else:
        found = database.execute("SELECT conf FROM col").fetchone()
        try:
            text = json.loads(found[0]).get("schedVer", 1) if found and found[0] else 2
        except (ValueError, TypeError, AttributeError, RecursionError):
            text = 2
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return str(text).strip() == "1"
