"""A small file of answers in every kind of file that the import reads, all of the same eighty answers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet

from tests.support.anki_files import CARD_OF_BONES, CARD_OF_CELLS, collection, package

T0 = 1_700_000_000
ANSWERS = [
    (f"u{n % 4}", f"q{n % 13}", T0 + 86_400 * (n // 8) + 61 * (n % 8), int(n % 3 > 0), f"skill{n % 5}")
    for n in range(80)
]
FIRST_MS, LAST_MS = ANSWERS[0][2] * 1000, max(row[2] for row in ANSWERS) * 1000
MAP = ("--map", "user_id=who,item_id=what,timestamp=when,correct=ok,skill_id=topic")
FOREIGN = ("who", "what", "when", "ok", "topic")


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue().encode()


def write_samples(directory: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Writes the files; by name, each with the options that it needs."""
    made: dict[str, tuple[Path, tuple[str, ...]]] = {}

    def keep(name: str, content: bytes, *options: str) -> None:
        path = directory / name
        path.write_bytes(content)
        made[name] = (path, options)

    keep("plain.tsv", table(("user_id", "item_id", "timestamp", "correct", "skill_id"), ANSWERS, "\t"))
    keep("foreign.csv", table(FOREIGN, ((u, q, iso(at), ok, s) for u, q, at, ok, s in ANSWERS)), *MAP)
    keep("epoch.csv", table(FOREIGN, ((u, q, at * 1000, ok, s) for u, q, at, ok, s in ANSWERS), ";"), *MAP)
    records = [dict(zip(FOREIGN, (u, q, iso(at), bool(ok), s), strict=True)) for u, q, at, ok, s in ANSWERS]
    keep("lines.jsonl", "\n".join(map(json.dumps, records)).encode(), *MAP)
    keep(
        "kdd.txt",
        table(
            ("Row", "Anon Student Id", "Problem Name", "Step Name", "First Transaction Time", "Correct First Attempt",
             "KC (Default)"),
            ((n, u, q, "s", iso(at) + ".0", ok, s) for n, (u, q, at, ok, s) in enumerate(ANSWERS)),
            "\t",
        ),
    )  # fmt: skip
    keep(
        "skill_builder_data.csv",
        table(
            ("order_id", "user_id", "problem_id", "correct", "ms_first_response", "skill_id", "skill_name"),
            ((330000 + 7 * n, u, q, ok, 4000, s, "Caf\u00e9") for n, (u, q, _, ok, s) in enumerate(ANSWERS)),
        ),
    )
    keep(
        "reviews.csv",
        table(
            ("userId", "cardId", "objectiveId", "rating", "reviewedAt", "timeSpentMs"),
            ((u, q, s, ("AGAIN", "GOOD")[ok], iso(at), 900) for u, q, at, ok, s in ANSWERS),
        ),
    )
    keep(
        "revlog.csv",
        table(
            ("card_id", "review_time", "review_rating", "review_state", "review_duration"),
            ((q, at * 1000, 3 if ok else 1, 1, 2000) for _, q, at, ok, _ in ANSWERS),
        ),
    )
    keep("statements.json", json.dumps({"statements": [_statement(*row) for row in ANSWERS], "more": ""}).encode())
    keep("data.txt", _pykt_text())
    keep(
        "quiz-grades.csv",
        table(
            (
                "Last name",
                "First name",
                "Email address",
                "State",
                "Started on",
                "Completed",
                "Q. 1 /1.00",
                "Q. 2 /2.00",
            ),
            (("D", "J", f"{u}@x.org", "Finished", iso(at), iso(at), ok, "1.00") for u, _, at, ok, _ in ANSWERS),
        ),
    )
    parquet = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist(records), parquet, write_page_checksum=True)
    keep("table.parquet", parquet.getvalue(), *MAP)
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for line in [FOREIGN, *(record.values() for record in records)]:
        sheet.append(list(line))
    excel = io.BytesIO()
    book.save(excel)
    keep("table.xlsx", excel.getvalue(), *MAP)
    cards = (CARD_OF_CELLS, CARD_OF_BONES)
    reviews = tuple((at * 1000, cards[n % 2], 3 if ok else 1, 2000, 1) for n, (_, _, at, ok, _) in enumerate(ANSWERS))
    anki = collection(directory / "collection.anki2", True, reviews)
    made["collection.anki2"] = (anki, ())
    made["deck.apkg"] = (package(directory / "deck.apkg", anki, True), ())
    return made


def _statement(learner: str, item: str, at: int, right: int, skill: str) -> dict[str, object]:
    return {
        "actor": {"mbox": f"mailto:{learner}@x.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
        "object": {"id": f"https://x.org/{item}"},
        "result": {"success": bool(right)},
        "context": {"contextActivities": {"parent": [{"id": f"https://x.org/{skill}"}]}},
        "timestamp": iso(at).replace(" ", "T") + "Z",
    }


def _pykt_text() -> bytes:
    lines = []
    for learner in sorted({row[0] for row in ANSWERS}):
        own = [row for row in ANSWERS if row[0] == learner]
        lines.append(f"{learner},{len(own)}")
        lines += [",".join(str(row[place]) for row in own) for place in (1, 4, 3)]
        lines += [",".join(str(row[2] * 1000) for row in own), "NA"]
    return "\n".join(lines).encode() + b"\n"
