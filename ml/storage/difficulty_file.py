"""The checks of a difficulty table before any row is trusted, since anybody may have put the file there.

It must be a regular file of bounded size, contain exactly the tables of SCHEMA (a view would run a query that its
writer chose), and be the file that the model names. Every opening checks what can be checked at no cost: the size and
the first page, whose checksum is part of the file's name. Long-lived processes hash the whole file (`checksum`).
"""

from __future__ import annotations

import _sqlite3 as sqlite3  # the C half: the other one brings datetime
import os
from binascii import crc32

from ml.errors import ModelRefused
from ml.places import archived, opened

MOST_BYTES = 1 << 30
"""The size of a file; it is several times the largest that a million objectives and cards make."""
MOST_BYTES_OF_A_ROW = 1 << 20
LONGEST_ID = 2_000
"""Characters of an objective's or card's id. A longer id is left out of the table, so that every row fits its bound."""
PAGE_BYTES = 4096
STEPS_BETWEEN_LOOKS = 100_000
"""Instructions of SQLite's virtual machine, a few milliseconds, between two looks at the clock."""

_COUNTS = "(id TEXT PRIMARY KEY, counts BLOB, checksum INTEGER) WITHOUT ROWID"
SCHEMA = {
    "about": "CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "totals": f"CREATE TABLE totals {_COUNTS}",
    "objectives": f"CREATE TABLE objectives {_COUNTS}",
    "cards": f"CREATE TABLE cards {_COUNTS}",
    "relations": (
        "CREATE TABLE relations (id TEXT, fold INTEGER, content BLOB, checksum INTEGER, PRIMARY KEY (id, fold))"
        " WITHOUT ROWID"
    ),
}
"""The statement that makes each table, as SQLite keeps it; a file may hold these tables and nothing else."""

_MAGIC = b"SQLite format 3\0"
_TABLE_LEAF = 13


def name_of(content: bytes, sha256: str) -> str:
    """The file name of a table: its hash, which is for people, its size, and the crc32 of its first page."""
    return f"difficulty-{sha256[:16]}-{len(content):x}-{crc32(content[:PAGE_BYTES]):08x}.sqlite3"


def connection_to(path: str) -> sqlite3.Connection:
    """Checks the file and returns a connection to it. Raises ModelRefused."""
    try:
        handle = opened(path)
    except (FileNotFoundError, NotADirectoryError):
        connection = _unpacked(path)  # inside predict.pyz it is no file, and is read into memory
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise ModelRefused(f"the difficulty table {path} cannot be opened: {_reason(error)}") from None
    else:
        try:
            _look_at_first_page(path, os.fstat(handle).st_size, os.read(handle, PAGE_BYTES))
            location = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
            connection = sqlite3.connect(f"file:{location}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            if not os.path.samestat(os.fstat(handle), os.stat(path)):
                connection.close()
                raise ModelRefused(f"the difficulty table {path} was replaced while it was opened")
        except OSError as error:
            raise ModelRefused(f"the difficulty table {path} cannot be read: {_reason(error)}") from None
        except sqlite3.Error as error:
            raise ModelRefused(f"the difficulty table {path} cannot be read ({error})") from None
        finally:
            os.close(handle)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES_OF_A_ROW)
        _look_at_schema(path, connection)
    except sqlite3.Error as error:
        connection.close()
        raise ModelRefused(f"the difficulty table {path} cannot be read ({error})") from None
    except ModelRefused:
        connection.close()
        raise
    return connection


def checksum(path: str) -> str:
    """The sha256 of the whole file, which is read in small blocks. Raises ModelRefused."""
    from hashlib import sha256

    try:
        try:
            handle = opened(path)
        except NotADirectoryError:
            return sha256(archived(path)).hexdigest()
        digest, left = sha256(), MOST_BYTES
        with open(handle, "rb", buffering=0) as file:
            while block := file.read(1 << 20):
                digest.update(block)
                left -= len(block)
                if left < 0:
                    raise ModelRefused(f"the difficulty table {path} is larger than {MOST_BYTES} bytes")
    except FileNotFoundError:
        raise ModelRefused(f"the difficulty table {path} is absent") from None
    except (OSError, ValueError) as error:
        raise ModelRefused(f"the difficulty table {path} cannot be read: {_reason(error)}") from None
    return digest.hexdigest()


def _unpacked(path: str) -> sqlite3.Connection:
    try:
        content = archived(path)
        _look_at_first_page(path, len(content), content[:PAGE_BYTES])
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.deserialize(content)
    except FileNotFoundError:
        raise ModelRefused(f"the difficulty table {path} cannot be opened: it is absent") from None
    return connection


def _look_at_first_page(path: str, size: int, page: bytes) -> None:
    """Checks the size and the first page, where all entries of the schema lie: SQLite reads no more before its first
    row."""
    if size > MOST_BYTES:
        raise ModelRefused(f"the difficulty table {path} is larger than {MOST_BYTES} bytes")
    sound = (
        len(page) == PAGE_BYTES
        and page.startswith(_MAGIC)
        and int.from_bytes(page[16:18], "big") == PAGE_BYTES
        and int.from_bytes(page[28:32], "big") * PAGE_BYTES == size
        and page[100] == _TABLE_LEAF
        and int.from_bytes(page[103:105], "big") == len(SCHEMA)
    )
    if not sound:
        raise ModelRefused(f"the difficulty table {path} is damaged, or is not a difficulty table")
    parts = os.path.basename(path).removesuffix(".sqlite3").split("-")
    if len(parts) == 4 and parts[2:] != [f"{size:x}", f"{crc32(page):08x}"]:  # else not named by name_of
        raise ModelRefused(f"the difficulty table {path} is not the one that the model names")


def _look_at_schema(path: str, connection: sqlite3.Connection) -> None:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?"
    found = connection.execute(query, (len(SCHEMA) + 1,)).fetchall()
    if sorted(found) != sorted(("table", name, name, sql) for name, sql in SCHEMA.items()):
        raise ModelRefused(f"the difficulty table {path} does not contain the expected tables")


def _reason(error: Exception) -> object:
    return getattr(error, "strerror", None) or error
