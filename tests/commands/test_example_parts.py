"""Examples extracted part by part: the same from one process and from several, from the database's own order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

import db
from db.writing.open import open_writer
from ml.errors import ModelRefused
from ml.training.examples import labelled_examples
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction, opened_table, table_content
from scripts.testbed.synthetic_rows import Size, fill
from scripts.workers.backends import Workers
from scripts.workers.ranges import ranges
from tests.commands.test_batch import NOW_MS
from tests.support.postgres_server import Databases
from tests.support.study_database import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table_and_url(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    directory = tmp_path_factory.mktemp("platform")
    url, table = f"sqlite:///{directory}/platform.db", str(directory / "difficulty")
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(130, 6, 40, 4), NOW_MS)
    with db.connect(url) as client:
        build_table(client, table, NOW_MS, None, None)
    return table, url


def same(one: Iterable[np.ndarray], other: Iterable[np.ndarray]) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other))


def test_processes_that_read_for_themselves_make_what_one_walk_makes(table_and_url: tuple[str, str]) -> None:
    table, url = table_and_url
    content, digest = table_content(table)
    with db.connect(url) as client:
        learners, objectives = list(client.stream_learners(NOW_MS, None)), client.read_objectives(None)
        walked = labelled_examples(learners, objectives, opened_table(content, digest))
        shared = [
            read_examples(client, Extraction(url, None, NOW_MS, None), table, None, Workers(jobs=n)) for n in (1, 2)
        ]
        few = read_examples(client, Extraction(url, None, NOW_MS, None), table, ["learner-7", "learner-12"], Workers())
    assert len(walked) > 130
    assert [same(walked, each) for each in shared] == [True, True]
    assert list(dict.fromkeys(few.learner.tolist())) == ["learner-12", "learner-7"]


def test_the_order_is_the_databases_own_where_it_is_not_pythons(
    postgres_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.reading.many.REVIEWS_AT_ONCE", 100)  # a part is several pages
    url = postgres_databases.with_tables()
    with open_writer(url) as writer:
        fill(writer, Size(12, 6, 40, 4), NOW_MS)
        run(writer, 'ALTER TABLE users ALTER COLUMN id TYPE text COLLATE "und-x-icu"')
        for number in range(0, 12, 2):
            run(writer, f"UPDATE users SET id = 'LEARNER-{number}' WHERE id = 'learner-{number}'")
            run(writer, f"UPDATE reviews SET \"userId\" = 'LEARNER-{number}' WHERE \"userId\" = 'learner-{number}'")
    with db.connect(url) as client:
        ids = client.learner_ids()
        found = read_examples(client, Extraction(url, None, NOW_MS, None), None, None, Workers())
    assert ids != sorted(ids)
    assert list(dict.fromkeys(found.learner.tolist())) == ids


def test_a_table_that_changed_on_its_way_is_refused(table_and_url: tuple[str, str]) -> None:
    content, digest = table_content(table_and_url[0])
    damaged = content.copy()
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(ModelRefused, match="did not arrive"):
        opened_table(damaged, digest)


def test_ranges_hold_every_learner_once_and_grow_smaller_towards_the_end() -> None:
    ids = [f"{number:04}" for number in range(1000)]
    for workers in (1, 2, 7):
        parts = list(ranges(None, ids, "0099", 250, 1000, workers))
        assert [each for part in parts for each in part] == ids[100:]
        assert (len(parts[0]), len(parts[-1]) <= 20) == ((250, False) if workers == 1 else (900 // (2 * workers), True))
