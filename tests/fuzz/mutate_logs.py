"""Mutates files of answers of every kind and reads them: `python -m tests.fuzz.mutate_logs --files 20000`.

File number n of seed s is the same on every machine; `--only n` reads it alone and keeps it. A fault is an exception
that is no refusal, a file that takes longer than some seconds, and a file that is accepted without any warning though
its dates lie outside of the log's own: by more than the log is long.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
from tqdm import tqdm

from scripts.cli.command import places_of
from scripts.cli.exits import CommandFailed
from scripts.importing.mapping import Wishes, parsed
from scripts.importing.options import Treatment
from scripts.importing.prepared import prepared
from tests.support.sample_logs import FIRST_MS, LAST_MS, write_samples

LONGEST_S = 20
SPAN_MS = LAST_MS - FIRST_MS
ODD = (
    *(b"", b"\0", b"\xff\xfe", b"NaN", b"-1", b"1e999", b"9" * 40, b'"', b"'", b"\r", b"\n\n", b"\t", b",", b";", b"|"),
    *(b"[" * 500, b"{", b"}", b"\xed\xa0\x80", b"\\ud800", b"null", b"true", b"2", b"0", b"0000-00-00", b"1e5"),
    *(b"9999-12-31T23:59:59+23:59", b"0001-01-01", b"2023-11-31", b"1700000000", b"1700000000000", b"45000.5"),
)


class Slow(Exception):
    """Raised when a file is read for too long."""


class Found(NamedTuple):
    """What became of a file: "refused", "warned" or "accepted", or a fault with its description."""

    ending: str
    fault: str = ""


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with one to three changes."""
    octets = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        place = draw.randrange(len(octets) + 1)
        kind = draw.randrange(8)
        if kind == 0 and octets:
            octets[min(place, len(octets) - 1)] = draw.randrange(256)
        elif kind == 1:
            octets[place:place] = draw.choice(ODD)
        elif kind == 2:
            del octets[place : place + draw.choice((1, 2, 10, 200))]
        elif kind == 3:
            octets[place:place] = octets[place : place + draw.choice((1, 8, 80, 400))]
        elif kind == 4:
            del octets[place:]
        elif kind == 5:
            _change_a_digit(octets, place, draw)
        elif kind == 6:
            _change_a_field(octets, place, draw)
        else:
            lines = bytes(octets).splitlines(keepends=True)
            draw.shuffle(lines)
            octets = bytearray(b"".join(lines))
    return bytes(octets)


def _change_a_digit(octets: bytearray, place: int, draw: random.Random) -> None:
    digits = [at for at in range(place, min(place + 200, len(octets))) if 48 <= octets[at] <= 57]
    if digits:
        octets[draw.choice(digits)] = 48 + draw.randrange(10)


def _change_a_field(octets: bytearray, place: int, draw: random.Random) -> None:
    start = max(octets.rfind(b",", 0, place), octets.rfind(b"\t", 0, place)) + 1
    ends = [at for at in (octets.find(b",", place), octets.find(b"\t", place)) if at >= 0]
    octets[start : min(ends, default=place)] = draw.choice(ODD)


def read(path: Path, options: tuple[str, ...]) -> Found:
    """Reads a file as the import does, within the time."""
    try:
        with _alarm(), prepared(str(path), Wishes(columns=parsed(options[1::2])), Treatment()) as log:
            found = log.survey
            if log.doubts:
                return Found("warned")
            outside = max(FIRST_MS - found.first_ms, found.last_ms - LAST_MS)
            if found.rows and not log.log.order_only and outside > SPAN_MS:
                return Found("silent dates", f"from {found.first_ms} to {found.last_ms}")
            return Found("accepted")
    except (CommandFailed, OSError):
        return Found("refused")
    except Slow:
        return Found("slow", f"more than {LONGEST_S} s")
    except Exception as error:
        return Found("traceback", f"{places_of(error)}: {error}"[:500])


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(files: int, seed: int, only: int | None = None, quiet: bool = True) -> tuple[Counter[str], list[str]]:
    """The endings of so many files, and the faults."""
    endings: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutated-logs-") as directory:
        samples = write_samples(Path(directory))
        contents = {name: (path.read_bytes(), options) for name, (path, options) in samples.items()}
        names = sorted(contents)
        numbers = range(files) if only is None else range(only, only + 1)
        for number in tqdm(numbers, disable=quiet):
            draw = random.Random(f"{seed}-{number}")
            name = names[number % len(names)]
            content, options = contents[name]
            path = Path(directory) / f"m-{name}"
            path.write_bytes(mutated(content, draw))
            found = read(path, options)
            endings[found.ending] += 1
            if found.fault:
                faults.append(f"{number} ({name}): {found.ending}: {found.fault}")
            if only is not None:
                kept = Path(tempfile.gettempdir()) / f"mutated-{number}-{name}"
                kept.write_bytes(path.read_bytes())
                click.echo(f"{kept}: {found}")
    return endings, faults


@click.command()
@click.option("--files", default=20_000, show_default=True, help="How many files are read.")
@click.option("--seed", default=1, show_default=True, help="Another seed draws other files.")
@click.option("--only", type=int, help="The number of the one file to read and keep.")
def main(files: int, seed: int, only: int | None) -> None:
    """Read mutated files of answers, and count how each ended."""
    began = time.monotonic()
    endings, faults = run(files, seed, only, quiet=False)
    click.echo(f"{dict(endings)} in {time.monotonic() - began:.0f} s")
    for fault in faults[:40]:
        click.echo(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
