"""Every stored form of DateTime means the same instant, in one and the same column, before any limit cuts it off."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import db
from db.sql.instants import EARLIEST_MS, LATEST_MS, bounded, local_dates, range_of, sqlite_ms, stored_text
from tests.support.postgres_server import Databases
from tests.support.study_database import LEARNER, NOW_MS, OBJECTIVE, WIDE, Narrow, execute, lay_out

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(instant_ms: int, offset_minutes: int = 0) -> datetime:
    return (EPOCH + timedelta(milliseconds=instant_ms)).astimezone(timezone(timedelta(minutes=offset_minutes)))


FORMS = {
    "prisma": lambda ms, _: moment(ms).isoformat(timespec="milliseconds"),
    "zulu": lambda ms, _: moment(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    "offset": lambda ms, offset: moment(ms, offset).isoformat(timespec="milliseconds"),
    "spaced": lambda ms, offset: moment(ms, offset).isoformat(" ", timespec="milliseconds"),
    "integer": lambda ms, _: ms,
    "real": lambda ms, _: float(ms),
    "microseconds": lambda ms, _: moment(ms).isoformat(timespec="microseconds"),
}
WHOLE_SECONDS = {
    "default": lambda ms, _: moment(ms).strftime("%Y-%m-%d %H:%M:%S"),
    "iso": lambda ms, _: moment(ms).strftime("%Y-%m-%dT%H:%M:%S"),
}

instants = st.integers(NOW_MS - 3 * 86_400_000, NOW_MS + 86_400_000)
offsets = st.integers(-14 * 60, 14 * 60)
stored = st.one_of(
    st.tuples(instants, st.sampled_from(sorted(FORMS)), offsets),
    st.tuples(instants.map(lambda ms: ms // 1000 * 1000), st.sampled_from(sorted(WHOLE_SECONDS)), offsets),
)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: str) -> str:
    path = os.path.join(tmp_path_factory.mktemp("instants"), "course.sqlite3")
    shutil.copyfile(_sqlite_template, path)
    lay_out(f"file:{path}")
    return f"file:{path}"


def form_of(instant_ms: int, form: str, offset: int) -> object:
    return {**FORMS, **WHOLE_SECONDS}[form](instant_ms, offset)


def store(url: str, values: list[object]) -> None:
    review = (
        'INSERT INTO "reviews" ("id", "userId", "cardId", "rating", "reviewedAt")'
        f" VALUES (?, '{LEARNER}', ?, 'GOOD', ?)"
    )
    rows = [(review, (f"{place:04}", f"{place:04}", value)) for place, value in enumerate(values)]
    execute(url, 'DELETE FROM "reviews"', *rows)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(rows=st.lists(stored, max_size=12), limit=st.integers(1, 12))
def test_mixed_forms_are_compared_ordered_and_limited_as_instants(
    course: str, rows: list[tuple[int, str, int]], limit: int
) -> None:
    store(course, [form_of(*row) for row in rows])
    expected = sorted((ms, f"{place:04}") for place, (ms, _, _) in enumerate(rows) if ms < NOW_MS)[-limit:]
    with db.connect(course) as client:
        found = client.read(LEARNER, OBJECTIVE, NOW_MS, Narrow(reviews=limit)).learner.reviews
        assert [(row.reviewed_at_ms, row.card_id) for row in found] == expected
        (ada, _bob) = client.stream_learners(NOW_MS, None)
    assert [(row.reviewed_at_ms, row.card_id) for row in ada.reviews][-limit:] == expected


@pytest.mark.slow
@pytest.mark.parametrize("form", sorted({**FORMS, **WHOLE_SECONDS}))
def test_each_form_to_the_millisecond_at_as_of(course: str, form: str) -> None:
    step_ms = 1000 if form in WHOLE_SECONDS else 1
    store(course, [form_of(NOW_MS + step * step_ms, form, -330) for step in (-1, 0, 1)])
    with db.connect(course) as client:
        found = client.read(LEARNER, OBJECTIVE, NOW_MS, WIDE).learner.reviews
    assert [row.reviewed_at_ms for row in found] == [NOW_MS - step_ms]


NO_INSTANTS: tuple[object, ...] = (
    *("", "now", "12:00", "yesterday", "2025-13-01", "2025-3-1", "2025-03-01T25:00:00Z", "2025-03-01 12:00:00 UTC+3"),
    *("2025-03-01T12:00:00+99:00", "\0", b"\xff\xfe", 1e300, float("inf"), -(2**62), 2**62),
)


@pytest.mark.slow
@pytest.mark.parametrize("nothing", NO_INSTANTS, ids=repr)
def test_what_is_no_instant_is_no_row(course: str, nothing: bytes | float | int | str) -> None:
    store(course, [nothing, NOW_MS - 5])
    with db.connect(course) as client:
        found = client.read(LEARNER, OBJECTIVE, NOW_MS, Narrow(reviews=1)).learner.reviews
        assert [row.reviewed_at_ms for row in found] == [NOW_MS - 5]
        assert [len(row.reviews) for row in client.stream_learners(NOW_MS, None)] == [1, 0]


def in_sqlite(value: object) -> object:
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute(f"SELECT {sqlite_ms('v')} FROM (SELECT ? AS v)", (value,)).fetchone()[0]


def test_a_text_that_sqlites_own_functions_would_take_for_an_instant_is_none() -> None:
    assert [in_sqlite(text) for text in ("now", "2460000.5", "12:00", "1741000000")] == [None] * 4


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(ms=st.integers(EARLIEST_MS + 86_400_000, LATEST_MS - 86_400_000), offset=offsets)
def test_the_expression_agrees_with_python_over_ten_thousand_years(ms: int, offset: int) -> None:
    assert in_sqlite(stored_text(ms)) == ms
    assert in_sqlite(moment(ms, offset).isoformat(timespec="milliseconds")) == ms
    assert in_sqlite(ms) == ms


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(value=st.one_of(st.text(), st.binary(), st.floats(), st.integers(-(2**63), 2**63 - 1), st.none()))
def test_the_expression_yields_null_or_an_instant_of_these_ten_thousand_years(
    value: str | bytes | float | None,
) -> None:
    try:
        found = in_sqlite(value)
    except UnicodeEncodeError:  # a lone surrogate never gets into a database
        return
    assert found is None or (isinstance(found, int) and EARLIEST_MS - 366 * 86_400_000 <= found <= LATEST_MS)


@pytest.mark.slow
@given(ms=st.integers(EARLIEST_MS, LATEST_MS), span_ms=st.integers(1, 10**12), offset=offsets)
def test_the_local_dates_enclose_every_text_of_an_instant_in_the_range(ms: int, span_ms: int, offset: int) -> None:
    first, last = local_dates(ms, ms + span_ms)
    if EARLIEST_MS + 2 * 86_400_000 < ms < LATEST_MS - 2 * 86_400_000:
        text = moment(ms, offset).isoformat(" ", timespec="milliseconds")
        assert first <= text
        assert text < last or last == "9999-12-31"


def test_an_instant_is_stored_as_prisma_stores_it_and_held_to_the_years_1_to_9999() -> None:
    assert stored_text(1_740_832_496_789) == "2025-03-01T12:34:56.789+00:00"
    assert stored_text(EARLIEST_MS - 1) == stored_text(EARLIEST_MS) == "0001-01-01T00:00:00.000+00:00"
    assert stored_text(LATEST_MS + 1) == stored_text(LATEST_MS) == "9999-12-31T23:59:59.999+00:00"
    assert [bounded(ms) for ms in (EARLIEST_MS - 1, EARLIEST_MS, 7, LATEST_MS, LATEST_MS + 1)] == [
        *(EARLIEST_MS, EARLIEST_MS, 7, LATEST_MS, LATEST_MS)
    ]


def test_a_range_has_a_day_and_two_hours_to_spare_before_it_and_a_day_more_after_it() -> None:
    at_ms = 1_740_832_496_789  # 2025-03-01, 12:34
    assert local_dates(at_ms, at_ms + 10 * 86_400_000) == ("2025-02-28", "2025-03-13")
    assert local_dates(at_ms - 12 * 3_600_000, at_ms + 12 * 3_600_000) == ("2025-02-27", "2025-03-04")
    assert local_dates(EARLIEST_MS - 5, LATEST_MS + 5) == ("0001-01-01", "9999-12-31")
    dates = {"floor_date": "2025-02-28", "as_of_date": "2025-03-13"}
    assert range_of(at_ms, at_ms + 10 * 86_400_000) == {"floor": at_ms, **dates}
    assert range_of(EARLIEST_MS - 5, at_ms)["floor"] == EARLIEST_MS


@pytest.mark.slow
def test_postgresql_rounds_down_and_knows_neither_infinity_nor_years_beyond_python(
    postgres_databases: Databases,
) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    execute(url, 'ALTER TABLE "reviews" ALTER COLUMN "reviewedAt" TYPE timestamp(6)')
    texts = ["-infinity", "infinity", "0044-03-15 BC", "12025-01-01", moment(NOW_MS - 7).isoformat()[:-6] + "999"]
    texts += [moment(NOW_MS).replace(tzinfo=None).isoformat(timespec="milliseconds")]
    texts += [(moment(NOW_MS) - timedelta(microseconds=1)).replace(tzinfo=None).isoformat()]
    store(url, texts)
    with db.connect(url) as client:
        found = client.read(LEARNER, OBJECTIVE, NOW_MS, WIDE).learner.reviews
    assert [row.reviewed_at_ms for row in found] == [NOW_MS - 7, NOW_MS - 1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["timestamptz", "date", "bigint"])
def test_postgresql_may_keep_instants_in_another_type(postgres_databases: Databases, kind: str) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    day_ms = NOW_MS // 86_400_000 * 86_400_000
    using = {
        "timestamptz": "to_timestamp(0)",
        "date": "date '1970-01-01'",
        "bigint": "0",
    }[kind]
    execute(
        url,
        'ALTER TABLE "reviews" ALTER COLUMN "reviewedAt" DROP DEFAULT',
        f'ALTER TABLE "reviews" ALTER COLUMN "reviewedAt" TYPE {kind} USING {using}',
    )
    values = {
        "timestamptz": [moment(day_ms - 1, 120).isoformat(), moment(day_ms, -300).isoformat()],
        "date": [moment(day_ms - 1).date().isoformat(), moment(day_ms).date().isoformat()],
        "bigint": [day_ms - 1, day_ms],
    }[kind]
    store(url, values)
    with db.connect(url) as client:
        found = client.read(LEARNER, OBJECTIVE, day_ms, WIDE).learner.reviews
    assert [row.reviewed_at_ms for row in found] == [day_ms - 86_400_000 if kind == "date" else day_ms - 1]
