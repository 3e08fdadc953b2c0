"""A bounded, seeded fuzzer of the whole of predict.py, in one process: `python -m tests.fuzz.seeded --inputs 100000`.

Each input goes the way a process's arguments go: through predict.main, with stdout and stderr caught at their file
descriptors. Input number n of seed s is the same on every machine; `--only n` runs it alone and shows it. What is
counted as a fault: an exception that leaves main or is answered as a bug, stdout that is not exactly one line of
strict ASCII JSON, an exit code that does not fit the JSON, and an input that takes longer than the deadline.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, NamedTuple

import click
from tqdm import tqdm

import db
import predict
from db import connecting
from db.errors import UnsupportedURL
from db.feedback import Feedback, feedback_since
from db.tables.ddl import TABLES
from db.url import parse
from db.writing.open import open_writer
from ml.features.vector import FEATURE_NAMES
from ml.storage import model_file, plain_pickle
from tests.support.outputs import check, kind_of
from tests.support.trained_models import save_model

IDS = ("demo-learner", "action-potentials")
LONGEST_S = 5.0
SECRET = "s3cr3t-fuzz"
CODES = {
    "usage": 2,
    "invalid_features": 2,
    "unknown_learner": 66,
    "unknown_objective": 66,
    "database_unavailable": 69,
    "configuration": 78,
    "model_refused": 78,
    "model_not_found": 78,
}
ODD = [
    b"",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"%00",
    b"%ff",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0.0",
    b"9" * 400,
    b"[" * 3000,
    b'{"a":' * 3000,
    b'"',
    b"'",
    b"\\",
    b"\n",
    b"\r\n",
    b"--",
    b"-",
    b"@",
    b"?",
    b"#",
    b"&",
    b"=",
    b":",
    b"//",
    b"../",
    "é".encode(),
    "\u2028😀".encode(),
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"}",
]


class Fault(NamedTuple):
    """What went wrong with an input; kind is one of KINDS."""

    kind: str
    told: str


KINDS = ("traceback", "invalid JSON", "wrong exit code", "hang", "credential shown", "not the published form")


class Outcome(NamedTuple):
    """How an input ended, in a word or an exit code, and its faults."""

    ended: str
    faults: list[Fault]


def mutated(octets: bytes, chance: random.Random, words: list[bytes], most: int = 6) -> bytes:
    """The octets after a few random changes: bits, bytes, cuts, repeats, and words put in."""
    for _ in range(chance.randint(0, most)):
        at = chance.randint(0, len(octets))
        to = min(len(octets), at + int(chance.expovariate(0.1)))
        what = chance.randrange(6)
        if what == 0 and at < len(octets):
            octets = octets[:at] + bytes((octets[at] ^ 1 << chance.randrange(8),)) + octets[at + 1 :]
        elif what == 1:
            octets = octets[:at] + octets[to:]
        elif what == 2:
            octets = octets[:at] + octets[at:to] * chance.choice((2, 3, 20)) + octets[to:]
        elif what == 3:
            octets = octets[:at] + chance.randbytes(chance.randint(1, 8)) + octets[at:]
        elif what == 4 and chance.random() < 0.2:
            octets = octets[:at]
        else:
            octets = octets[:at] + chance.choice(words) + octets[at:]
    return octets


def as_argument(octets: bytes) -> str:
    """As Python hands an argument's bytes to the program; no argument holds a NUL."""
    return octets.replace(b"\0", b"").decode("utf-8", "surrogateescape")


class Ground:
    """The files the inputs live in, and what they are mutated from."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.feedback = os.path.join(directory, "feedback.sqlite3")
        with open_writer(f"file:{self.feedback}", create=True) as writer:
            writer.create_tables()
        with open(save_model(directory), "rb") as file:
            self.model = file.read()
        payload = plain_pickle.loads(self.model)
        self.payload: bytes = payload["payload"]  # type: ignore[index,call-overload]
        schema = os.path.join(os.path.dirname(connecting.DEMO), "schema.prisma")
        with open(schema, "rb") as file:
            self.schema = file.read()
        self.schema_words = [
            *ODD,
            *(word for word in self.schema.split() if len(word) < 40),
            b'@map("x")',
            b"/*",
            b"//",
        ]
        self.features = json.dumps(dict.fromkeys(FEATURE_NAMES, 0.25) | {"defaulted": ["ability"]}).encode()
        self.feature_words = [*ODD, *(f'"{name}": 1,'.encode() for name in FEATURE_NAMES[:9]), b'"degraded": {"a": 1},']

    def file(self, name: str, octets: bytes) -> str:
        """Writes a file of the ground, and returns its path."""
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(octets)
        return path


URLS = [
    b"postgresql://user:%s@127.0.0.1:1/app?schema=public&sslmode=disable" % SECRET.encode(),
    b"postgres://u:%s@127.0.0.1:1/d?connection_limit=5&pgbouncer=true&sslmode=require" % SECRET.encode(),
    b"file:" + connecting.DEMO.encode(),
    b"sqlite:///" + connecting.DEMO.encode(),
    b"file:./dev.db?connection_limit=1",
    b"mysql://u:%s@127.0.0.1/d" % SECRET.encode(),
    b"postgresql+asyncpg://u:%s@127.0.0.1:1/d?ssl=true&host=/nonexistent" % SECRET.encode(),
]
URL_WORDS = [*ODD, b"sslmode=verify-full", b"sslrootcert=x", b"hostaddr=127.0.0.1", b"port=1", b"dbname=", b"[::1]"]
OPTIONS = ["--database-url", "--model", "--schema", "--as-of", "--features", "--timeout"]
OPTIONS += ["--strict", "--pretty", "--doctor", "--version", "--help", "-h", "--"]
VALUES = [
    *(b"rules", b"2026-01-01T00:00:00Z", b"0001-01-01", b"9999-12-31T23:59:59+14:00", b"0.05", b"3600", b"nan"),
    *(b"inf", b"1e-9", b"-1", b"/dev/null", b"/", b".", b"/nonexistent", *(name.encode() for name in IDS), *URLS[2:5]),
]


def reaches_out(argv: list[str]) -> bool:
    """Whether some word, read as a URL, would have the fuzzer call on a host or a server that is none of ours."""
    for word in argv:
        try:
            where = parse(word.partition("=")[2] if word.startswith("--") else word, "/")
        except UnsupportedURL:
            continue
        hosts = {where.keywords.get(key, "127.0.0.1") for key in ("host", "hostaddr")}
        safe = hosts <= {"127.0.0.1", "/nonexistent"} and where.keywords.get("port", "1") == "1"
        if where.kind == "postgresql" and not (safe and "host" in where.keywords):
            return True
    return False


def argv_of(ground: Ground, chance: random.Random) -> list[str]:
    """Options with fitting, unfitting and mutated values, in any order."""
    argv: list[str] = []
    for _ in range(chance.randint(0, 4)):
        option = chance.choice(OPTIONS)
        argv.append(option if chance.random() < 0.9 else as_argument(mutated(option.encode(), chance, ODD, 2)))
        if chance.random() < 0.75:
            value = as_argument(mutated(chance.choice(VALUES), chance, ODD, 2))
            argv[-1:] = [f"{argv[-1]}={value}"] if chance.random() < 0.3 else [argv[-1], value]
    ids = [name if chance.random() < 0.7 else as_argument(mutated(name.encode(), chance, ODD, 3)) for name in IDS]
    for identifier in ids[: chance.choice((2, 2, 2, 1, 0))]:
        argv.insert(chance.randint(0, len(argv)), identifier)
    return argv


def url_of(ground: Ground, chance: random.Random) -> list[str]:
    """A mutated database URL, tried with little patience."""
    return [*IDS, f"--database-url={as_argument(mutated(chance.choice(URLS), chance, URL_WORDS))}", "--timeout=1"]


def features_of(ground: Ground, chance: random.Random) -> list[str]:
    """--features with a mutated JSON object."""
    return [*IDS, "--features", ground.file("features.json", mutated(ground.features, chance, ground.feature_words))]


def schema_of(ground: Ground, chance: random.Random) -> list[str]:
    """--schema with a mutated schema.prisma; the demo database answers to what is left of it."""
    path = ground.file("schema.prisma", mutated(ground.schema, chance, ground.schema_words, 12))
    return [*IDS, "--schema", path, "--database-url", f"file:{connecting.DEMO}"]


def model_of(ground: Ground, chance: random.Random) -> list[str]:
    """--model with a file damaged outside, or, under a right checksum, inside."""
    if chance.random() < 0.5:
        octets = mutated(ground.model, chance, ODD)
    else:
        inside = mutated(ground.payload, chance, [b"G" + bytes(8), b"N.", b"]", b"}", b"(", b"K\x01", b"\x88"], 3)
        octets = sealed(inside)
    return [*IDS, "--model", ground.file("model.pkl", octets)]


def sealed(payload: bytes) -> bytes:
    """A model file of this payload, under a right checksum."""
    whole = {"format": model_file.FORMAT, "sha256": model_file.sha256(payload), "payload": payload}
    return pickle.dumps(whole, protocol=4)


ARGUMENTS: dict[str, Callable[[Ground, random.Random], list[str]]] = {
    "argv": argv_of,
    "url": url_of,
    "features": features_of,
    "schema": schema_of,
    "model": model_of,
}
TARGETS = (*ARGUMENTS, "feedback")


def feedback_outcome(ground: Ground, chance: random.Random) -> Outcome:
    """Stored feedback with any value in any column, read back for retraining."""
    odd: list[Any] = [None, 0, 1, -1, 2**63 - 1, 0.5, float("inf"), "", "x", b"\xff\0", "1970-01-01", 1e300]
    odd += ["2026-01-01T00:00:00.000Z", 1767225600000, "NaN", "[" * 500, ground.features.decode(), "{}", "null"]
    with sqlite3.connect(ground.feedback) as connection:
        for model in ("StrugglePrediction", "PredictionFeedback"):
            table = TABLES[model]
            connection.execute(f'DELETE FROM "{table.name}"')
            for place in range(3):
                row = [chance.choice(odd) for _ in table.fields]
                names = list(table.fields)
                row[0] = f"p{place}"
                if model == "PredictionFeedback":
                    row[names.index("predictionId")] = f"p{chance.randrange(3)}"
                if chance.random() < 0.5:
                    at = names.index("featureVector") if "featureVector" in names else names.index("comments")
                    text = mutated(ground.features, chance, ground.feature_words).decode(errors="replace")
                    row[at] = text
                marks = ", ".join("?" * len(row))
                connection.execute(f'INSERT OR IGNORE INTO "{table.name}" VALUES ({marks})', row)
    connection.close()
    try:
        with db.connect(f"file:{ground.feedback}", timeout_s=4.0) as client:
            found = feedback_since(client, datetime(1970, 1, 1, tzinfo=timezone.utc))
    except Exception:
        return Outcome("raised", [Fault("traceback", traceback.format_exc())])
    faults = [Fault("invalid JSON", repr(row)) for row in found if not is_sound(row)]
    return Outcome(f"{len(found)} rows", faults)


def is_sound(row: Feedback) -> bool:
    """Whether each of the row's values is of its type, and its number finite."""
    said = row.predictedStruggleProbability
    return (
        isinstance(row.feature_vector, dict)
        and isinstance(row.actualStruggle, bool)
        and row.submittedAt.tzinfo is not None
        and (said is None or abs(said) < float("inf"))
    )


class Ended(NamedTuple):
    """What a call of main left behind; code None where something was raised."""

    code: int | None
    stdout: bytes
    stderr: bytes
    raised: str
    seconds: float


class Streams:
    """Catches what is written to the file descriptors 1 and 2."""

    def __init__(self) -> None:
        self.files = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - close closes them

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Both streams are ours for as long as the block lasts."""
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        for number, file in enumerate(self.files, 1):
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            os.ftruncate(file.fileno(), 0)
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            for number, saved in enumerate(kept, 1):
                os.dup2(saved, number)
                os.close(saved)

    def close(self) -> None:
        """Close both files."""
        for file in self.files:
            file.close()

    def read(self) -> tuple[bytes, bytes]:
        """What was written last to stdout and to stderr."""
        return tuple(os.pread(file.fileno(), 1 << 24, 0) for file in self.files)  # type: ignore[return-value]


HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


def called(argv: list[str], streams: Streams) -> Ended:
    """predict.main on argv."""
    handlers = [signal.getsignal(each) for each in HANDLED]
    code, raised = None, ""
    began = time.monotonic()
    with streams.caught():
        try:
            code = predict.main(argv)
        except SystemExit as finished:
            code = int(finished.code or 0)
            raised = "SystemExit"
        except BaseException:
            raised = traceback.format_exc()
    seconds = time.monotonic() - began
    for each, handler in zip(HANDLED, handlers):
        signal.signal(each, handler)
    return Ended(code, *streams.read(), raised, seconds)


def outcome_of(argv: list[str], ended: Ended) -> Outcome:
    """What a call is judged to be."""
    faults: list[Fault] = []
    if ended.raised == "SystemExit" and ended.code == 0 and any(word.startswith("-") for word in argv):
        return Outcome("help", [])  # --help and --version, the only cases without JSON
    if ended.raised or ended.code == 70 or b"Traceback" in ended.stderr or b"cannot be extracted" in ended.stderr:
        faults.append(Fault("traceback", ended.raised or ended.stderr.decode(errors="replace")))
    if ended.seconds > LONGEST_S:
        faults.append(Fault("hang", f"{ended.seconds:.1f} s"))
    if SECRET.encode() in ended.stdout + ended.stderr and not any(SECRET in word for word in shown_back(argv)):
        faults.append(Fault("credential shown", ended.stdout.decode(errors="replace")[:500]))
    try:
        text = ended.stdout.decode("ascii")
        answer = json.loads(text, parse_constant=_refused)
        if not isinstance(answer, dict) or not text.endswith("\n"):
            raise ValueError("no object on a line of its own")
    except ValueError as error:
        faults.append(Fault("invalid JSON", f"{error}: {ended.stdout[:200]!r}"))
        return Outcome(str(ended.code), faults)
    if not faults and not _fits(answer, ended.code):
        faults.append(Fault("wrong exit code", f"{ended.code}: {ended.stdout[:200]!r}"))
    if not faults:
        try:
            check(answer, kind_of(answer))
        except AssertionError as error:
            faults.append(Fault("not the published form", str(error)[:500]))
    return Outcome(str(ended.code), faults)


def shown_back(argv: list[str]) -> list[str]:
    """The words that an answer may quote: the ids and the names of files, but never a URL."""
    return [word for word in argv if "://" not in word and "url" not in word]


def _fits(answer: dict[str, Any], code: int | None) -> bool:
    if "error" in answer:
        return CODES.get(answer["error"]["code"]) == code
    if "ok" in answer:  # --doctor
        return code in ((0,) if answer["ok"] else (69, 78))
    sound = 0 <= answer["probability"] <= 1 and 0 <= answer["confidence"] <= 1
    return code == 0 and sound and all(0 <= answer["features"][name] <= 1 for name in FEATURE_NAMES)


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def run(numbers: Iterator[int] | range, seed: int, show: bool = False) -> dict[str, Any]:
    """Runs the inputs of these numbers; the figures, and up to twenty faults with what reproduces them."""
    endings: dict[str, Counter[str]] = {target: Counter() for target in TARGETS}
    faults: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    told: list[dict[str, Any]] = []
    slowest, began, count = 0.0, time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory, no_way_out(directory):
        ground, streams = Ground(directory), Streams()
        for number in numbers:
            chance = random.Random(f"{seed}:{number}")
            target = TARGETS[number % len(TARGETS)]
            count += 1
            started = time.monotonic()
            if target == "feedback":
                argv, outcome = [], feedback_outcome(ground, chance)
            else:
                argv = ARGUMENTS[target](ground, chance)
                while reaches_out(argv):
                    argv = ARGUMENTS[target](ground, chance)
                ended = called(argv, streams)
                outcome = outcome_of(argv, ended)
                if show:
                    click.echo(json.dumps([argv, ended.code, ended.stdout.decode(errors="replace")], indent=1))
            slowest = max(slowest, time.monotonic() - started)
            endings[target][outcome.ended] += 1
            for fault in outcome.faults:
                faults[fault.kind] += 1
                if len(told) < 20:
                    told.append({"only": number, "argv": [ascii(word)[:300] for word in argv], **fault._asdict()})
        streams.close()
    return {
        "inputs": count,
        "seed": seed,
        "faults": dict(faults),
        "endings": {target: dict(sorted(counts.items())) for target, counts in endings.items()},
        "slowest_s": round(slowest, 3),
        "seconds": round(time.monotonic() - began, 1),
        "told": told,
    }


@contextmanager
def no_way_out(directory: str) -> Iterator[None]:
    """No database but the inputs' own, nothing to read on stdin, and a working directory that is empty."""
    kept, here, stdin = dict(os.environ), os.getcwd(), os.dup(0)
    for name in [name for name in os.environ if name.startswith("PG") or name == "DATABASE_URL"]:
        del os.environ[name]
    os.environ.update(PGHOST="/nonexistent", PGSERVICEFILE=os.devnull, PGCONNECT_TIMEOUT="1")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    empty = os.path.join(directory, "empty")
    os.mkdir(empty)
    os.chdir(empty)
    try:
        yield
    finally:
        os.chdir(here)
        os.dup2(stdin, 0)
        os.close(stdin)
        os.environ.clear()
        os.environ.update(kept)


@click.command()
@click.option("--inputs", default=2000, show_default=True, help="How many inputs.")
@click.option("--seed", default=1, show_default=True, help="Another seed, other inputs.")
@click.option("--start", default=0, show_default=True, help="The first input's number.")
@click.option("--only", type=int, help="Run this one input alone, and show it.")
def main(inputs: int, seed: int, start: int, only: int | None) -> None:
    """Fuzz predict.py: argv, --features, URLs, schema files, model files, feedback rows. Prints figures as JSON."""
    numbers = range(start, start + inputs) if only is None else range(only, only + 1)
    progress = tqdm(numbers, unit="inputs", disable=None, file=os.fdopen(os.dup(2), "w"))
    found = run(progress, seed, show=only is not None)  # type: ignore[arg-type]
    click.echo(json.dumps(found, indent=1))
    sys.exit(1 if any(found["faults"].values()) else 0)


if __name__ == "__main__":
    main()
