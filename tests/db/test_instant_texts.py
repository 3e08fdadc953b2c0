"""Texts of many instants are those of one instant, to the last character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from db.sql.instants import EARLIEST_MS, LATEST_MS, stored_text
from db.writing.instant_texts import InstantTexts


@given(st.lists(st.integers(EARLIEST_MS - 10**6, LATEST_MS + 10**6) | st.integers(10**12, 10**12 + 200_000)))
def test_many_texts_are_those_of_one(instants: list[int]) -> None:
    with_zone, without = InstantTexts(), InstantTexts(zone="")
    for instant in instants:
        assert with_zone(instant) == stored_text(instant)
        assert without(instant) == stored_text(instant)[:-6]
