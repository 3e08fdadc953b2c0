"""Forgetting ends: after the documented steps nothing under models/ counts a learner who left, whoever answers then."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import db
from ml.instants import iso
from ml.places import HOUSE
from ml.storage.difficulty_table import DifficultyTable
from ml.storage.registry import Registry
from scripts.labelling.history import build_table
from scripts.labelling.table_renewal import renew
from tests.support.small_platform import make_platform

pytestmark = pytest.mark.slow

LEARNERS, FIRST_S = 60, 1_600_000_000
SINCE, UNTIL, LATER = (iso((FIRST_S + hours * 3600) * 1000) for hours in (9, 30, 40))
LEFT = "learner-7"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, os.path.join(HOUSE, "scripts", script), *arguments],
        *(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform and a registry with two trained versions, the second of which answers."""
    path = tmp_path_factory.mktemp("trained")
    url = make_platform(str(path), LEARNERS, FIRST_S)
    for until in (SINCE, UNTIL):
        run(
            *("train_initial_model.py", "--database-url", url, "--models-dir", str(path / "models")),
            *("--jobs", "1", "--as-of", until, "--difficulty-only"),
        )
    return path


@pytest.fixture
def platform(trained: Path, tmp_path: Path) -> tuple[str, Registry]:
    """A copy of it: (the database's URL, the registry)."""
    shutil.copytree(trained, tmp_path / "platform")
    return f"sqlite:///{tmp_path}/platform/platform.sqlite3", Registry(str(tmp_path / "platform" / "models"))


def erase(url: str) -> None:
    """What the app does when a learner leaves."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA foreign_keys = OFF")
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if "userId" in columns:
            connection.execute(f'DELETE FROM {table} WHERE "userId" = ?', (LEFT,))
    connection.execute("DELETE FROM users WHERE id = ?", (LEFT,))
    connection.commit()
    connection.close()


def tables(registry: Registry) -> dict[str, bytes]:
    return {
        name: Path(registry.directory, name).read_bytes()
        for name in os.listdir(registry.directory)
        if name.startswith("difficulty-")
    }


def assert_none_counts_the_learner(url: str, registry: Registry, tmp_path: Path) -> None:
    """Each table is, to the byte, the one of a platform that the learner never saw."""
    found = tables(registry)
    assert found
    for name, content in found.items():
        table = DifficultyTable.open(os.path.join(registry.directory, name))
        about = table.about()
        table.close()
        anew = str(tmp_path / "anew")
        with db.connect(url) as client:
            below, correct_from = about["struggle_below"], str(about["correct_from"])
            size = build_table(client, anew, int(str(about["cutoff_ms"])), None, below, correct_from)  # type: ignore[arg-type]
        assert size.learners == LEARNERS - 1
        assert Path(anew).read_bytes() == content
    files = [Path(registry.directory, name) for name in os.listdir(registry.directory)]
    assert not [path for path in files if LEFT.encode() in path.read_bytes()]
    kept = registry.pointer()
    assert {path.name for path in files if path.name.startswith("difficulty-")} == {
        *(difficulty[0] for version in registry.versions() if (difficulty := registry.read(version).difficulty)),
        *([] if kept is None else [kept.table]),
    }


@pytest.mark.parametrize("anew", [(), ("--count-anew",)])
def test_after_retraining_that_keeps_the_champion_and_pruning_nothing_counts_the_learner(
    platform: tuple[str, Registry], tmp_path: Path, anew: tuple[str, ...]
) -> None:
    url, registry = platform
    before = tables(registry)
    first, second = registry.versions()
    run("forget_learner.py", LEFT, "--database-url", url)
    erase(url)
    Path(registry.directory, ".training-of-the-dead").mkdir()
    Path(registry.directory, ".training-of-the-dead", "difficulty").write_bytes(next(iter(before.values())))
    arguments = ("--database-url", url, "--models-dir", registry.directory, "--jobs", "1")
    said = json.loads(run("retrain_model.py", *arguments, *anew, "--since", UNTIL, "--as-of", LATER, "--json").stdout)
    assert not said["promoted"]
    assert said["renewed"].keys() == {first, second}
    assert registry.current() == said["renewed"][second]
    assert registry.predecessor() == said["renewed"][first]
    run("models.py", "--models-dir", registry.directory, "prune", "--keep", "0")
    assert not before.keys() & tables(registry).keys()
    assert_none_counts_the_learner(url, registry, tmp_path)
    assert registry.rollback(LATER, "it still can") == said["renewed"][first]


@pytest.mark.parametrize("every", [False, True])
def test_where_nobody_left_nothing_is_renewed(platform: tuple[str, Registry], every: bool) -> None:
    url, registry = platform
    files = {name: Path(registry.directory, name).read_bytes() for name in os.listdir(registry.directory)}
    with db.connect(url) as client, registry.locked():
        assert renew(client, registry, client.now(), None, every) == {}
    assert {name: Path(registry.directory, name).read_bytes() for name in os.listdir(registry.directory)} == files


def test_what_only_arrived_late_is_counted_anew_where_it_is_asked_for(platform: tuple[str, Registry]) -> None:
    url, registry = platform
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute(
        'CREATE TEMP TABLE late AS SELECT * FROM reviews WHERE "userId" = \'learner-3\' ORDER BY "reviewedAt" LIMIT 3'
    )
    connection.execute("UPDATE late SET id = 'late-' || id")
    connection.execute("INSERT INTO reviews SELECT * FROM late")
    connection.commit()
    connection.close()
    versions = registry.versions()
    with db.connect(url) as client, registry.locked():
        assert renew(client, registry, client.now()) == {}
        assert registry.versions() == versions
        assert renew(client, registry, client.now(), None, True).keys() == set(versions)


def test_a_learner_who_opts_out_leaves_the_tables_too(platform: tuple[str, Registry], tmp_path: Path) -> None:
    url, registry = platform
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    columns = [row[1] for row in connection.execute("PRAGMA table_info(users)")]
    assert "includeInAnalytics" in columns
    connection.execute('UPDATE users SET "includeInAnalytics" = 0 WHERE id = ?', (LEFT,))
    connection.commit()
    connection.close()
    _, second = registry.versions()
    weights = registry.read(second).scorecard.intercept
    with db.connect(url) as client, registry.locked():
        renewed = renew(client, registry, client.now())
        assert renew(client, registry, client.now()) == {}
    assert registry.current() == renewed[second]
    assert registry.read(renewed[second]).scorecard.intercept == weights
    assert registry.card(renewed[second])["difficulty_counted_anew_for"] == second
    assert_none_counts_the_learner(url, registry, tmp_path)


def test_where_the_current_model_is_refused_nothing_is_renewed_and_retraining_goes_on(
    platform: tuple[str, Registry],
) -> None:
    url, registry = platform
    Path(registry.directory, "current.pkl").write_bytes(b"torn")
    with db.connect(url) as client, registry.locked():
        assert renew(client, registry, client.now(), None, True) == {}


def test_tables_keep_the_setting_they_were_counted_with(platform: tuple[str, Registry]) -> None:
    url, registry = platform
    models = registry.directory
    run(
        *("train_initial_model.py", "--database-url", url, "--models-dir", models, "--jobs", "1", "--as-of", UNTIL),
        *("--difficulty-only", "--struggle-below", "0.6", "--correct-from", "HARD"),
    )
    with db.connect(url) as client, registry.locked():
        assert renew(client, registry, client.now(), None, True) == {}
    erase(url)
    with db.connect(url) as client, registry.locked():
        renewed = renew(client, registry, client.now())
    difficulty = registry.read(str(registry.current())).difficulty
    assert registry.current() in renewed.values()
    assert difficulty is not None
    table = DifficultyTable.open(os.path.join(models, difficulty[0]))
    assert (table.about()["struggle_below"], table.about()["correct_from"]) == (0.6, "HARD")
    table.close()


def test_a_fresh_version_and_one_without_a_table_are_left_as_they_are(platform: tuple[str, Registry]) -> None:
    url, registry = platform
    erase(url)
    first, second = registry.versions()
    plain = registry.read(second)
    plain.difficulty = None
    without = registry.add(plain, "2026-11-23")
    registry.promote(without, LATER, "a model without a table")
    with db.connect(url) as client, registry.locked():
        renewed = renew(client, registry, client.now())
    assert renewed.keys() == {second}
    assert registry.current() == without
    assert registry.predecessor() == renewed[second]
    assert first in registry.versions()  # prune takes it away
    with db.connect(url) as client, registry.locked():
        assert renew(client, registry, client.now(), without) == {}


def test_the_page_on_forgetting_names_the_steps_that_are_tried_here() -> None:
    page = Path(HOUSE, "scripts", "README.md").read_text(encoding="utf-8")
    section = page[page.index("## Forgetting") :].partition("\n## ")[0]
    steps = re.findall(r"^python scripts/(\w+\.py .*)$", section, re.MULTILINE)
    assert [step.split()[0] for step in steps] == ["forget_learner.py", "retrain_model.py", "models.py"]
    assert "--count-anew" in steps[1]
    assert "prune --keep 0" in steps[2]
