"""Any other table by --map: every kind of file holds the same answers, and what has two readings is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard

from scripts.importing.values import credit, judged, rating, spent
from tests.support.imports import dry_run, previewed, refused, run_import, stored

MAP = ("--map", "user_id=studentId,item_id=question,correct=score", "--map", "timestamp=when,skill_id=topic")
T0 = 1_700_000_000
ANSWERS = [(f"s{n % 3}", f"q{n}", T0 + 90 * n, n % 4 > 0, f"topic {n % 2}") for n in range(12)]
COLUMNS = ("studentId", "question", "when", "score", "topic")


def written(
    separator: str = ",",
    time: Callable[[int], object] = str,
    score: Callable[[bool], object] = int,
    around: str = "",
    header: bool = True,
) -> str:
    rows = [COLUMNS] if header else []
    lines: list[tuple[object, ...]] = [*rows]
    lines += [(who, item, time(at), score(right), skill) for who, item, at, right, skill in ANSWERS]
    return "".join(separator.join(f"{around}{value}{around}" for value in line) + "\n" for line in lines)


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    """The same answers in the plain layout."""
    directory = tmp_path_factory.mktemp("plain")
    path = directory / "plain.csv"
    plain = written().splitlines()
    path.write_text("\n".join(["user_id,item_id,timestamp,correct,skill_id", *plain[1:]]) + "\n")
    return stored(path, directory / "plain.db")


TEXTS = {
    "comma": written(),
    "tab": written("\t"),
    "semicolon": written(";"),
    "bar": written("|"),
    "spaces": written(around=" "),
    "words": written(score=str),
    "right": written(score=lambda right: "Correct" if right else "incorrect"),
    "floats": written(score=lambda right: f"{right:.1f}"),
    "milliseconds": written(time=lambda at: at * 1000),
    "nanoseconds": written(time=lambda at: at * 10**9),
    "exponent": written(time=lambda at: f"{at / 1e9:.9f}e9"),
    "iso": written(time=iso),
    "without zone": written(time=lambda at: iso(at)[:-1].replace("T", " ")),
    "zone": written(time=lambda at: datetime.fromtimestamp(at, timezone.utc).isoformat().replace("+00:00", " UTC")),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_in_every_form(tmp_path: Path, expected: object, name: str) -> None:
    path = tmp_path / "table.txt"
    path.write_text(TEXTS[name])
    assert stored(path, tmp_path / "d.db", *MAP) == expected


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("t.csv.gz", gzip.compress),
        ("t.csv.bz2", bz2.compress),
        ("t.csv.xz", lzma.compress),
        ("t.csv.zst", zstandard.compress),
        ("wide.csv", lambda content: content.decode().encode("utf-16")),
        ("wide-without-mark.csv", lambda content: content.decode().encode("utf-16-le")),
        ("mark.csv", lambda content: b"\xef\xbb\xbf" + content),
        ("windows.csv", lambda content: content.replace(b"\n", b"\r\n")),
    ],
)
def test_packed_and_encoded(tmp_path: Path, expected: object, name: str, packed: Callable[[bytes], bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(packed(written().encode()))
    assert stored(path, tmp_path / "d.db", *MAP) == expected
    assert dry_run(path, *MAP)["warnings"] == []


def test_a_zip_with_the_rows_in_two_files(tmp_path: Path, expected: object) -> None:
    header, *rows = written().splitlines(keepends=True)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", header + "".join(rows[:5]))
        archive.writestr("b.csv", header + "".join(rows[5:]))
        archive.writestr("__MACOSX/._a.csv", b"\0\1")
    assert stored(tmp_path / "t.zip", tmp_path / "d.db", *MAP) == expected


def test_json_parquet_feather_and_excel(tmp_path: Path, expected: object) -> None:
    records = [dict(zip(COLUMNS, (who, item, at, right, skill))) for who, item, at, right, skill in ANSWERS]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "t.json").write_text(json.dumps(records, indent=1))
    table = pa.Table.from_pylist(records)
    pa.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=5)
    pa.feather.write_feather(table, str(tmp_path / "t.feather"), compression="uncompressed")
    stamps = pa.array([at * 10**9 for _, _, at, _, _ in ANSWERS], pa.timestamp("ns"))
    pa.parquet.write_table(table.set_column(2, "when", stamps), tmp_path / "stamps.parquet")
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(COLUMNS)
    for who, item, at, right, skill in ANSWERS:
        sheet.append((who, item, datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None), right, skill))
    book.save(tmp_path / "t.xlsx")
    for name in ("t.jsonl", "t.json", "t.parquet", "t.feather", "stamps.parquet", "t.xlsx"):
        assert stored(tmp_path / name, tmp_path / f"{name}.db", *MAP) == expected, name


def test_no_header_units_zones_and_constants(tmp_path: Path, expected: object) -> None:
    path = tmp_path / "t.csv"
    path.write_text(written(header=False))
    numbered = ("--map", "user_id=1,item_id=2,timestamp=3,correct=4,skill_id=5", "--no-header")
    assert stored(path, tmp_path / "d.db", *numbered) == expected
    path.write_text("who,what,at,ok\nann,q1,45000.5,richtig\nann,q2,45000.75,falsch\n")
    options = ("--map", "user_id=who,item_id=what,timestamp=at,correct=ok,skill_id==Biology")
    assert previewed(path, *options, "--time-unit", "excel", "--correct-values", "richtig") == [
        ("ann", "Biology", "Biology/q1", "2023-03-15T12:00:00.000Z", "GOOD", 0),
        ("ann", "Biology", "Biology/q2", "2023-03-15T18:00:00.000Z", "AGAIN", 0),
    ]
    path.write_text("who,what,at,ok,took\nann,q1,03/04/2021 10:00,1,2.5\n")
    options = (options[0], options[1] + ",time_spent=took")
    assert "not a date that has one reading" in refused(path, *options)
    row = previewed(path, *options, "--time-format", "%d/%m/%Y %H:%M", "--time-zone", "Europe/Berlin")[0]
    assert row[3:] == ("2021-04-03T08:00:00.000Z", "GOOD", 2500)


def test_columns_are_joined_and_rows_chosen(tmp_path: Path) -> None:
    path = tmp_path / "riiid.csv"
    path.write_text(
        "row_id,timestamp,user_id,content_id,content_type_id,task_container_id,user_answer,answered_correctly\n"
        "0,0,115,5692,0,1,3,1\n1,56943,115,5716,0,2,2,0\n2,60000,115,89,1,3,-1,-1\n"
    )
    options = ("--map", "item_id=content_id,correct=answered_correctly,skill_id=content_id+task_container_id")
    options = (*options, "--map", "user_id=user_id,timestamp=timestamp", "--time-unit", "ms")
    assert "correct is '-1'" in refused(path, *options)
    rows = previewed(path, *options, "--only", "content_type_id=0")
    assert [(row[1], row[3]) for row in rows] == [
        ("5692 / 1", "2000-01-01T00:00:00.000Z"),
        ("5716 / 2", "2000-01-01T00:00:56.943Z"),
    ]


AMBIGUOUS = {
    "seconds or milliseconds": [118, 33000, 99000],
    "excel or seconds": [45000.25, 45001.5, 45003],
    "days": [1, 2, 5],
    "order": [1, 2, 3],
    "dates": [20200324, 20200325, 20200326],
    "mixed": [0, T0, T0 + 5],
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_foreign_tables_ambiguous_times_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"ann,q,{at},1,t\n" for at in AMBIGUOUS[name])
    path.write_text(",".join(COLUMNS) + "\n" + rows)
    said = refused(path, *MAP)
    assert "--time-unit" in said
    assert "line 2" in said


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (f"ann,q,{T0 + 3 * 10**9},1,t", "does not fit the first rows"),
        (f"ann,q,{T0},2,t", "correct is '2'"),
        ("ann,q,soon,1,t", "not a number"),
        (f"ann,q,{T0}", "3 fields"),
    ],
)
def test_a_late_fault_is_named_and_nothing_is_imported(tmp_path: Path, row: str, fault: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(COLUMNS) + "\n" + f"ann,q,{T0},1,t\n" * 3000 + row + "\n")
    _, said = run_import(path, *MAP, "--database-url", f"sqlite:///{tmp_path}/d.db", expected=2)
    assert "line 3002: " in said
    assert fault in said
    assert not (tmp_path / "d.db").exists()


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        (("--map", "user=x"), "is not ROLE=COLUMN"),
        (("--map", "user_id=student\nId"), "cannot be cut at its commas"),
        (("--map", '"user_id=x'), "cannot be cut at its commas"),
        (("--map", "user_id=studentId,item_id=question"), "--map lacks skill_id, correct or rating"),
        (("--map", "user_id=studentId,item_id=question,correct=score,timestamp=when,skill_id=x"), "no column 'x'"),
        ((*MAP, "--time-zone", "Mars"), "is no time zone"),
        ((*MAP, "--encoding", "klingon"), "is no encoding"),
        ((*MAP, "--only", "score"), "is not COLUMN=VALUE"),
    ],
)
def test_what_is_said_of_the_table_must_be_right(tmp_path: Path, option: tuple[str, ...], fault: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(written())
    assert fault in refused(path, *option)


def test_several_skills_are_the_first_or_each_and_never_joined(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(COLUMNS) + f"\nann,q,{T0},1, a ; b ;a\nann,r,{T0 + 60},0,b\n")
    options = (*MAP, "--skill-separator", ";")
    assert [row[1] for row in previewed(path, *options)] == ["a", "b"]
    assert [row[1] for row in previewed(path, *options, "--multi-skill", "each")] == ["a", "b", "b"]
    assert dry_run(path, *options)["left_out"] == {"answers that name several skills": 1}


def test_partial_credit_becomes_a_rating(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        ",".join(COLUMNS) + "\n" + "".join(f"ann,q,{T0 + n},{share},t\n" for n, share in enumerate((1, 0.5, 0.49, 0)))
    )
    assert [row[4] for row in previewed(path, *MAP)] == ["GOOD", "HARD", "AGAIN", "AGAIN"]


def test_the_plain_columns_with_foreign_values_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("user_id,item_id,timestamp,correct,skill_id\nann,q,2021-03-01T10:00:00Z,True,s\n")
    assert "--map correct=correct reads words" in refused(path)
    assert previewed(path, "--map", "correct=correct,timestamp=timestamp")[0][3:5] == (
        "2021-03-01T10:00:00.000Z",
        "GOOD",
    )
    quoted = path.read_text().replace(",", '"\t"').replace("\n", '"\n"')
    path.write_text('"' + quoted.removesuffix('"'))
    assert previewed(path, "--map", "correct=correct,timestamp=timestamp")[0][:2] == ("ann", "s")


@pytest.mark.parametrize("header", ["user_id,item_id,timestamp,correct,skill_id", ",".join(COLUMNS)])
def test_a_file_of_empty_lines_is_refused_early(tmp_path: Path, header: str) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(header.encode() + b"\n" + b"\r\n" * 20_000_000))
    options = MAP if header.startswith("studentId") else ()
    assert "empty lines in a row" in refused(path, *options)


def _zipped(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def test_a_zstandard_file_that_was_cut_off_is_never_half_a_log(tmp_path: Path) -> None:
    """At the end of a line, too, where every row that is left is whole."""
    packer = zstandard.ZstdCompressor().compressobj()
    head, row = ",".join(COLUMNS) + "\n", f"ann,q,{T0},1,t\n"
    cut = packer.compress((head + row * 40).encode()) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    rest = packer.compress((row * 40).encode()) + packer.flush()
    path = tmp_path / "t.csv.zst"
    path.write_bytes(cut)
    assert "the Zstandard file is damaged" in refused(path, *MAP)
    path.write_bytes(cut + rest)
    assert dry_run(path, *MAP)["rows"] == 80
    path.write_bytes(cut + rest + zstandard.compress(row.encode() * 40) + zstandard.compress(row.encode()))
    assert dry_run(path, *MAP)["rows"] == 121
    path.write_bytes(zstandard.compress(b"x")[:4] + b"junk")
    assert "the Zstandard file is damaged" in refused(path, *MAP)


def test_a_quotation_mark_that_is_not_closed_swallows_no_rows(tmp_path: Path) -> None:
    """In the last column, too, where the rest of the file would be a part of one cell."""
    path = tmp_path / "t.csv"
    head, row = ",".join(COLUMNS) + "\n", f"ann,q,{T0},1,t\n"
    for broken in (f'ann,q,{T0},1,"t\n', f'"ann,q,{T0},1,t\n'):
        for ending in (row * 3, ""):
            path.write_text(head + row * 2 + broken + ending)
            assert "line 4: a quotation mark is opened" in refused(path, *MAP)
    path.write_text(head + row * 2 + f'ann,q,{T0},1,"t ""1""\nor two"\n' + row.rstrip("\n"))
    assert dry_run(path, *MAP)["rows"] == 4


def test_rows_between_two_stray_quotation_marks_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    row, stray = f"ann,q,{T0},1,t\n", f'ann,q,{T0},1,"t\n'
    path.write_text(",".join(COLUMNS) + "\n" + stray + row * 2 + stray + row)
    said = {warning["text"]: warning["rows"] for warning in dry_run(path, *MAP)["warnings"]}
    assert said["3 lines inside quotation marks look like rows of their own, and were read as a part of a cell."] == 3
    path.write_text(",".join(COLUMNS) + "\n" + row + f'ann,"q\nof two, or three, lines",{T0},1,t\n')
    assert not any("quotation" in warning["text"] for warning in dry_run(path, *MAP)["warnings"])


@pytest.mark.parametrize(
    ("packed", "kind"),
    [
        (lambda octets: gzip.compress(gzip.compress(octets)), "a packed file"),
        (lambda octets: _zipped("t.csv.gz", gzip.compress(octets)), "a packed file"),
        (lambda octets: _zipped("t.zip", _zipped("t.csv", octets)), "a packed file"),
        (lambda octets: gzip.compress(b"SQLite format 3\0" + octets), "a database"),
        (lambda octets: gzip.compress(b"PAR1" + octets), "a Parquet file"),
    ],
)
def test_what_is_packed_twice_is_named(tmp_path: Path, packed: Callable[[bytes], bytes], kind: str) -> None:
    path = tmp_path / "packed"
    path.write_bytes(packed((",".join(COLUMNS) + f"\nann,q,{T0},1,t\n").encode()))
    assert f"holds {kind}, which is not read from inside" in refused(path)


def test_a_directory_or_a_zip_without_files_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    zipfile.ZipFile(path, "w").close()
    assert "the zip file holds no file" in refused(path)
    path.write_bytes(_zipped("t.csv", b""))
    assert "there is no file with rows in it" in refused(path)
    (tmp_path / "directory").mkdir()
    assert "there is no file with rows in it" in refused(tmp_path / "directory")


def test_a_log_without_answers_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("user_id,item_id,timestamp,correct,skill_id\n")
    assert [warning["kind"] for warning in dry_run(path)["warnings"]] == ["no-answers"]


def test_one_row_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(COLUMNS) + f"\nann,q,{T0},1,t\n,q,{T0},1,t\n")
    assert "1 row without a learner was left out." in [warning["text"] for warning in dry_run(path, *MAP)["warnings"]]


def test_values() -> None:
    assert [rating(text) for text in ("1", "hard", " 3.0 ", "EASY")] == ["AGAIN", "HARD", "GOOD", "EASY"]
    assert credit("TRUE").correct
    assert credit("1e0").correct
    assert spent("-5", "ms") is None
    assert spent("PT1H1M0.5S", "iso") == 3_660_500
    assert spent("99999999999", "s") == 24 * 3_600_000
    assert judged(["1.7e9", "NaN"], timezone.utc, None).unit == "s"
    for function, text in ((rating, "5"), (credit, "yes and no"), (credit, "-0.1"), (credit, "nan")):
        with pytest.raises(ValueError, match="is '"):
            function(text)
