"""Answer logs are read strictly: every fault has its line number, and every form of the format reads the same."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.study.history import HOUR_MS
from scripts.importing.answer_log import read_log
from scripts.importing.answers import (
    LONGEST_ID_BYTES,
    ORDER_STEP_MS,
    START_OF_COUNT_MS,
    LoggedAnswer,
    MalformedLog,
)


class AnswerLog(NamedTuple):
    """A whole log in the file's own order."""

    answers: list[LoggedAnswer]
    order_only: bool


ReadLog = Callable[[str | bytes], AnswerLog]

HEADER = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\n"


@pytest.fixture
def log(tmp_path: Path) -> ReadLog:
    """Writes a log and reads it."""

    def reading(content: str | bytes) -> AnswerLog:
        path = tmp_path / "log"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return whole(path)

    return reading


def whole(path: Path) -> AnswerLog:
    with read_log(os.fspath(path)) as log:
        answers = [answer for _, answers in log.learners() for answer in answers]
        return AnswerLog(sorted(answers, key=lambda answer: answer.line), log.order_only)


def test_one_row_of_each_kind(log: ReadLog) -> None:
    rows = HEADER.replace("\n", "\tkind\n") + (
        "ann\ti1\t1447727791\t1\ts\tpractice\n"
        "ann\ti1\t1447727792.25\t0\ts\tposttest\n"
        "ann\ti1\t1447727793\t\ts\tstudy\n"
        "ann\ti1\t1447727794\t0\ts\t\n"
    )
    assert log(rows).answers == [
        LoggedAnswer(2, "ann", "i1", "s", 1447727791000, True, "practice"),
        LoggedAnswer(3, "ann", "i1", "s", 1447727792250, False, "posttest"),
        LoggedAnswer(4, "ann", "i1", "s", 1447727793000, None, "study"),
        LoggedAnswer(5, "ann", "i1", "s", 1447727794000, False, "practice"),
    ]


def test_csv_tabs_gzip_bom_line_ends_and_column_order_make_no_difference(log: ReadLog) -> None:
    tabbed = HEADER + "u\ti\t1447727791\t1\ts\nu\tj\t1447727792\t0\ts\n"
    expected = log(tabbed)
    assert len(expected.answers) == 2
    assert log(tabbed.replace("\t", ",")) == expected
    assert log(gzip.compress(tabbed.encode())) == expected
    assert log("\ufeff" + tabbed) == expected
    assert log(tabbed.replace("\n", "\r\n")) == expected
    assert log(tabbed.rstrip("\n")) == expected
    assert (
        log("extra,skill_id,correct,timestamp,item_id,user_id\nx,s,1,1447727791,i,u\nx,s,0,1447727792,j,u\n")
        == expected
    )


def test_quotes_mean_something_in_csv_and_nothing_between_tabs(log: ReadLog) -> None:
    assert (
        log('user_id,item_id,timestamp,correct,skill_id\n"u,1",i,1e0,1,s\n'.replace("1e0", "1447727791"))
        .answers[0]
        .learner_id
        == "u,1"
    )
    assert log(HEADER + '"u"\ti\t1447727791\t1\ts\n').answers[0].learner_id == '"u"'


def test_seconds_from_a_start_count_from_2000(log: ReadLog) -> None:
    read = log(HEADER + "u\ti\t0\t1\ts\nu\ti\t11622\t1\ts\n")
    assert [answer.at_ms for answer in read.answers] == [START_OF_COUNT_MS, START_OF_COUNT_MS + 11_622_000]
    assert not read.order_only


def test_an_order_without_times_becomes_ten_minutes_apart_per_learner(log: ReadLog) -> None:
    read = log(HEADER + "a\ti\t0\t1\ts\nb\ti\t0\t1\ts\na\tj\t0\t1\ts\na\ti\t0\t1\ts\n")
    assert read.order_only
    assert [(answer.learner_id, (answer.at_ms - START_OF_COUNT_MS) // ORDER_STEP_MS) for answer in read.answers] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
        ("a", 2),
    ]
    assert ORDER_STEP_MS * 6 == HOUR_MS  # so that five other answers fit between two of one visit, and six do not


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        ("", 1, "empty"),
        (b"\x1f\x8b", 1, "gzip"),
        (gzip.compress((HEADER + "u\ti\t1\t1\ts\n" * 5000).encode())[:-30], None, "gzip"),
        ("user_id\titem_id\ttimestamp\tcorrect\n", 1, "lacks skill_id"),
        ("hello\n", 1, "lacks user_id"),
        (HEADER.replace("\n", "\tuser_id\n"), 1, "user_id twice"),
        (HEADER + "u\ti\t1\t1\n", 2, "4 fields"),
        (HEADER + "u\ti\t1\t1\ts\tmore\n", 2, "6 fields"),
        (HEADER + "u\ti\t1\t1\ts\n\nu\ti\t1\t2\ts\n", 4, "correct is '2'"),
        (HEADER + "u\ti\t1\ttrue\ts\n", 2, "correct is 'true'"),
        (HEADER + "u\ti\t1\t\ts\n", 2, "correct is ''"),
        (HEADER + "u\ti\tnan\t1\ts\n", 2, "timestamp is 'nan'"),
        (HEADER + "u\ti\t-5\t1\ts\n", 2, "timestamp is '-5'"),
        (HEADER + "u\ti\t1e9\t1\ts\n", 2, "timestamp is '1e9'"),
        (HEADER + "u\ti\t1_0\t1\ts\n", 2, "timestamp is '1_0'"),
        (HEADER + "u\ti\t\u0661\t1\ts\n", 2, "timestamp is"),
        (HEADER + "u\ti\t" + "9" * 5000 + "\t1\ts\n", 2, "timestamp is '999"),
        (HEADER + "u\ti\t1447727791000\t1\ts\n", 2, "milliseconds"),
        (HEADER + "u\ti\t1447727791\t1\ts\nu\ti\t0\t1\ts\n", 3, "same start"),
        (HEADER + "\ti\t1\t1\ts\n", 2, "user_id is empty"),
        (HEADER + "u\t\t1\t1\ts\n", 2, "item_id is empty"),
        (HEADER + "u\ti\t1\t1\t\n", 2, "skill_id is empty"),
        (HEADER + "u" * (LONGEST_ID_BYTES + 1) + "\ti\t1\t1\ts\n", 2, "user_id is longer"),
        (HEADER + "é" * (LONGEST_ID_BYTES // 2 + 1) + "\ti\t1\t1\ts\n", 2, "user_id is longer"),
        (HEADER + "u" * 1_000_000 + "\ti\t1\t1\ts\n", 2, "longer than"),
        (HEADER.encode() + b"u\0\ti\t1\t1\ts\n", 2, "NUL"),
        (HEADER.encode() + b"u\xff\ti\t1\t1\ts\n", 2, "UTF-8"),
        (HEADER.encode() + b"\xed\xa0\x80\ti\t1\t1\ts\n", 2, "UTF-8"),
        (HEADER.replace("\n", "\tkind\n") + "u\ti\t1\t1\ts\texam\n", 2, "kind is 'exam'"),
        ('user_id,item_id,timestamp,correct,skill_id\n"u"x,i,1,1,s\n', 2, "expected"),
        ('user_id,item_id,timestamp,correct,skill_id\n"u,i,1,1,s\n', 2, "is not closed"),
        (HEADER + "u\ti\t1\t1\ts\rx\n", 2, "new-line"),
    ],
)
def test_a_malformed_row_is_named_by_its_line(log: ReadLog, content: bytes | str, line: int | None, fault: str) -> None:
    with pytest.raises(MalformedLog, match=r"^line [0-9]+: ") as raised:
        log(content)
    assert fault in str(raised.value)
    assert len(str(raised.value)) < 200
    if line is not None:
        assert raised.value.line == line


@pytest.mark.slow
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_by_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(content)
    with pytest.raises(MalformedLog, match=r"^line [0-9]+: "):
        read_log(os.fspath(path))


rows = st.lists(
    st.tuples(
        st.text(st.characters(exclude_characters='\t\r\n\0"', exclude_categories=("Cs",)), min_size=1, max_size=8),
        st.integers(315360000, 253_402_300_799),
        st.booleans(),
    ),
    max_size=20,
)


@pytest.mark.slow
@given(rows)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, bool]]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    lines = [f"{learner}\ti\t{seconds}\t{int(correct)}\ts\n" for learner, seconds, correct in rows]
    path.write_text(HEADER + "".join(lines), encoding="utf-8", newline="")
    read = whole(path).answers
    assert [(a.learner_id, a.at_ms // 1000, a.correct) for a in read] == rows
