"""Thousands of rows are stored by a faster way where the caller promises distinct ids, to the same rows."""

from __future__ import annotations

import pytest

from db.errors import RowRefused
from db.writing.open import open_writer

ODD = ["\\", "\\N", "a\tb", "a\nb", "a\r\nb", "'", '"', "%s ?", "é🙂", "", " ", "\\.", "NULL", "{}", "\\x41"]
FIELDS = ("id", "userId", "cardId", "sessionId", "rating", "timeSpentMs", "reviewedAt")


def rows(shift: int = 0) -> list[tuple[object, ...]]:
    return [
        (f"{n}{ODD[n % 15]}", ODD[n % 15], f"c{n}", None if n % 2 else ODD[n % 15], "HARD", n + shift, 10**12 + n)
        for n in range(2500)
    ]


@pytest.mark.slow
def test_any_text_comes_back_as_it_was(database: str) -> None:
    with open_writer(database) as writer:
        assert writer.insert("Review", FIELDS, rows(), distinct=True) == 2500
    with open_writer(database) as reader:
        assert sorted(reader.select("Review", FIELDS)) == sorted(rows())


@pytest.mark.slow
def test_conflicts_are_ignored_or_update_as_with_few_rows(database: str) -> None:
    with open_writer(database) as writer:
        writer.insert("Review", FIELDS, rows()[:1200])
    with open_writer(database) as writer:
        assert writer.insert("Review", FIELDS, rows(7), "ignore", distinct=True) == 1300
        writer.insert("Review", FIELDS, rows(9), "update", ("timeSpentMs",), distinct=True)
        writer.insert("Review", FIELDS, rows(9), "ignore", distinct=True)
    with open_writer(database) as reader:
        assert sorted(reader.select("Review", FIELDS)) == sorted(rows(9))


@pytest.mark.slow
def test_a_refused_row_undoes_all_of_them(database: str) -> None:
    broken = [*rows()[:1500], (*rows()[1600][:4], None, *rows()[1600][5:])]
    with pytest.raises(RowRefused), open_writer(database) as writer:
        writer.insert("Review", FIELDS, broken, distinct=True)
    with open_writer(database) as reader:
        assert reader.select("Review", ("id",)) == []
