"""A large platform costs a prediction what a small one does: every row is found by an index, and few are looked at."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import timezone
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner

import db
from db.reading import crowded_learner, study
from db.reading.study import CROWD as CROWDED_FROM
from db.writing.open import open_writer
from ml.study.history import WINDOW
from scripts.benchmark import benchmark
from scripts.benchmarks.processes import Cost
from scripts.benchmarks.scale import LARGE_TABLES, Read, report_of
from scripts.generate_reviews import HUB, generate, generate_reviews, platform_size
from scripts.testbed.query_plans import accesses
from scripts.testbed.synthetic_rows import CROWD
from tests.support.benchmarks import SOME_RUN, figures_of
from tests.support.postgres_server import Databases
from tests.support.study_database import NOW_MS, OBJECTIVE, Narrow, lay_out

REVIEWS, CROWD_REVIEWS, PREREQUISITES = 200_000, 40_000, 2000
TIERS = (10, 6, 7, 8, 9)
"""Learners with 100, 200, ... 500 reviews."""
GATE = CROWDED_FROM * WINDOW.reviews
"""Rows of a learner that are counted, twice, to see whether they are too many to sort."""


@pytest.fixture(scope="module")
def large(postgres_databases: Databases) -> str:
    """A platform of 240,000 reviews, of which one learner has 40,000."""
    url = postgres_databases.empty()
    stored = generate(url, REVIEWS, CROWD_REVIEWS, PREREQUISITES)
    assert REVIEWS + CROWD_REVIEWS <= stored < 1.02 * (REVIEWS + CROWD_REVIEWS)
    return url


def rows_by_index(url: str, learner: str, objective: str) -> dict[str, int]:
    """How many rows a prediction looks at, by index; a table read without one fails."""
    found: dict[str, int] = {}
    for access in accesses(url, learner, objective):
        if access.table in LARGE_TABLES:
            assert access.index, f"{access.way} of {access.table}"
            found[access.index] = found.get(access.index, 0) + access.rows
    return found


@pytest.mark.slow
@pytest.mark.parametrize("learner", TIERS)
def test_a_learner_s_own_rows_are_all_that_is_looked_at(large: str, learner: int) -> None:
    own = 100 * (TIERS.index(learner) + 1)
    found = rows_by_index(large, f"learner-{learner}", f"objective-{learner}-0")
    assert (
        found.pop("reviews_userId_idx") == 5 * own
    )  # counted three times, read once themselves and once for their cards
    assert found.pop("cards_pkey") == min(own, 70)  # each card once, however often it was answered
    assert found.pop("cards_courseId_idx") == 100
    metrics = ("performance_metrics_userId_date_idx", "performance_metrics_userId_learningObjectiveId_date_key")
    assert sum(found.pop(index, 0) for index in metrics) <= 5 * 56
    assert not any(found.values())


@pytest.mark.slow
def test_of_a_learner_with_very_many_reviews_few_are_looked_at(large: str) -> None:
    found = rows_by_index(large, CROWD, "objective-3-1")
    assert found.pop("reviews_userId_idx") <= 3 * GATE + 2 * WINDOW.reviews < CROWD_REVIEWS
    assert found.pop("reviews_reviewedAt_idx") <= 2 * crowded_learner.WALK_BUDGET
    assert found.pop("cards_pkey") == WINDOW.reviews
    assert found.pop("cards_courseId_idx") == 100
    assert not any(found.values())


@pytest.mark.slow
def test_no_table_is_read_whole_for_very_many_prerequisites(large: str) -> None:
    assert (
        rows_by_index(large, f"learner-{TIERS[0]}", HUB).keys()
        == rows_by_index(large, f"learner-{TIERS[0]}", "objective-10-0").keys()
    )
    with db.connect(large) as client:
        found = client.read(f"learner-{TIERS[0]}", HUB, None, WINDOW).objective.prerequisites
    assert len(found) == WINDOW.prerequisites
    assert found[0].objective_id == f"needed-{PREREQUISITES - 1}"


@pytest.mark.slow
def test_a_prediction_and_a_batch_see_the_same_newest_rows(large: str) -> None:
    with contextlib.closing(psycopg2.connect(large)) as connection, connection.cursor() as cursor:
        newest = f'ORDER BY "reviewedAt" DESC, id COLLATE "C" DESC LIMIT {WINDOW.reviews}'
        cursor.execute(f'SELECT "cardId", "reviewedAt" FROM reviews WHERE "userId" = %s {newest}', (CROWD,))
        expected = cursor.fetchall()[::-1]
    with db.connect(large) as client:
        now_ms = client.now()
        alone = {
            learner: client.read(learner, "objective-5-0", now_ms, WINDOW).learner for learner in (CROWD, "learner-9")
        }
        together = {rows.learner.id: rows for rows in client.stream_learners(now_ms, WINDOW, list(alone))}
    found = [(review.card_id, review.reviewed_at_ms) for review in alone[CROWD].reviews]
    assert found == [(card, at.replace(tzinfo=timezone.utc).timestamp() * 1000) for card, at in expected]
    assert together == alone


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_a_history_stored_in_either_order_is_read_from_its_newer_end(
    postgres_databases: Databases, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    url = postgres_databases.with_tables()
    lay_out(url)
    many, later, limit, posting_list = 3000, 1000, 200, 450
    own = [("ada", NOW_MS - (later + place) * 60_000) for place in range(many)][::-order]
    others = [("bob", NOW_MS - place * 60_000) for place in range(1, later)]
    with open_writer(url) as writer:
        fields = ("id", "userId", "cardId", "rating", "reviewedAt")
        rows = ((f"r{place:04}", who, "limits-1", "GOOD", at_ms) for place, (who, at_ms) in enumerate(own + others))
        writer.insert("Review", fields, rows)
    monkeypatch.setattr(study, "SMALLEST_CROWD", 0)
    monkeypatch.setattr(crowded_learner, "WALK_BUDGET", 100)  # finds none of ada's
    visits = accesses(url, "ada", OBJECTIVE, NOW_MS, Narrow(reviews=limit))
    above = later + limit + posting_list  # an index tells no order inside of the list of one key's rows
    counted = 3 * CROWDED_FROM * limit + above  # for the rows, for their number and for their cards
    assert sum(a.rows for a in visits if a.index == "reviews_userId_idx") <= counted + 2 * limit
    assert sum(a.rows for a in visits if a.index == "reviews_reviewedAt_idx") <= 2 * above + 2 * 100


def indexes(url: str) -> set[str]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")
        return {definition for (definition,) in cursor.fetchall()}


@pytest.mark.slow
def test_the_large_platform_has_the_apps_indexes_and_no_other(large: str, postgres_databases: Databases) -> None:
    assert indexes(large) == indexes(postgres_databases.with_tables())


@pytest.mark.slow
def test_learners_have_hundreds_of_reviews_far_apart(large: str) -> None:
    with contextlib.closing(psycopg2.connect(large)) as connection, connection.cursor() as cursor:
        cursor.execute(
            'SELECT "userId", count(*), count(DISTINCT (ctid::text::point)[0]) FROM reviews GROUP BY "userId"'
        )
        counts = {learner: (int(reviews), int(pages)) for learner, reviews, pages in cursor.fetchall()}
    crowd, _ = counts.pop(CROWD)
    assert CROWD_REVIEWS <= crowd < 1.02 * CROWD_REVIEWS
    assert sorted({reviews for reviews, _ in counts.values()}) == [100, 200, 300, 400, 500]
    assert all(pages > 0.9 * reviews for reviews, pages in counts.values())


@pytest.mark.parametrize("reviews", [1, 10_000, 1_000_000])
@pytest.mark.parametrize("crowd", [0, 1, 10_000, 1_000_000])
def test_sizes_are_what_was_asked_for_or_a_little_more(reviews: int, crowd: int) -> None:
    size = platform_size(reviews, crowd)
    numbers = range(size.learners)
    crowding = [i for i in numbers if size.crowd_every and i % size.crowd_every == size.crowd_every - 1]
    answers = {i: size.answers * (i % size.tiers + 1) // size.tiers for i in numbers}
    given = sum(answers[i] for i in crowding)
    assert crowd <= given <= crowd + 1500 * bool(crowd)
    assert reviews <= sum(answers.values()) - given <= reviews + 1500 + 2 * given


@pytest.mark.slow
def test_the_command_says_how_many_and_refuses_what_is_no_postgresql(postgres_url: str, sqlite_url: str) -> None:
    done = CliRunner().invoke(generate_reviews, ["--database-url", postgres_url, "--reviews", "1500"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("1,500 reviews in ")
    again = CliRunner().invoke(generate_reviews, ["--database-url", postgres_url])
    assert again.exit_code == 69  # tables are there already
    open_writer(sqlite_url, create=True).__exit__(None, None, None)
    refused = CliRunner().invoke(generate_reviews, ["--database-url", sqlite_url])
    assert refused.exit_code == 2
    assert "only PostgreSQL" in refused.stderr


@pytest.mark.slow
def test_the_benchmark_asks_real_processes_at_every_size(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ["--reviews", "1500", "--reviews", "3000", "--crowd", "12000", "--prerequisites", "20"]
    arguments += ["--learners", "1", "--rounds", "1", "--python", sys.executable, "--json", str(out)]
    result = CliRunner().invoke(benchmark, ["scale", *arguments])
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    figures = figures_of(report)
    names = list(figures)
    assert names[0] == "1,500 reviews"
    assert [name.partition(", ")[2] for name in names[2:]] == [
        "a learner with 12,000 reviews",
        "an objective with 20 prerequisites",
    ]
    for name, row in figures.items():
        assert row["wall ms"]["value"] > 0
        assert row["rows of reviews"]["value"] > 0
        ways = [note for note in report["notes"] if note.startswith(f"{name} reads ")]
        assert [note.removeprefix(f"{name} reads ").split()[0] for note in ways] == list(LARGE_TABLES)
        assert all("Index" in note for note in ways)
    assert report["goals"][-1] == {
        "goal": "sequential scans of reviews, cards, performance_metrics",
        "value": 0,
        "bound": "at most 0",
        "met": True,
    }


def test_bounds_are_on_the_ratio_of_sizes_and_on_the_crowd_s_difference() -> None:
    costs = {
        name: [Cost(ms, ms, 14.0) for ms in measured]
        for name, measured in {
            "1 review": [100, 90, 110],
            "9 reviews": [125, 120, 999],
            "the same, a learner with 5 reviews": [230.0],
        }.items()
    }
    scan = [Read("cards", ["Index Scan (cards_pkey)", "Seq Scan"], 7)]
    reads = {name: scan if name == "9 reviews" else [] for name in costs}
    report = report_of(costs, costs, reads, 2, SOME_RUN)
    assert [(goal.value, goal.met) for goal in report.goals] == [(1.25, True), (105.0, False), (1, False)]
