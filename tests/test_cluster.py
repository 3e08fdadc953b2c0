"""The batch and the extraction of training examples on a Dask cluster of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("distributed")

import numpy as np

import db
from db.writing import open_writer
from ml.history import WINDOW
from ml.instants import iso
from ml.training.examples import labelled_examples
from scripts.batch_backends import engine
from scripts.scratch_cluster import ROOT, cluster
from scripts.synthetic_platform import Size, fill
from tests.test_batch import NOW_MS, batch, lines_of, pairs_of

LEARNERS, OBJECTIVES = 160, 20


@pytest.fixture
def platform(postgres_databases):
    url = postgres_databases.with_tables()
    with open_writer(url) as writer:
        fill(writer, Size(LEARNERS, OBJECTIVES, 60, 8), NOW_MS)
    return url


def test_a_worker_killed_half_way_loses_and_doubles_nothing(platform, tmp_path):
    alone, out = tmp_path / "alone.jsonl", tmp_path / "out.jsonl"
    arguments = ["--database-url", platform, "--model", "rules", "--as-of", iso(NOW_MS), "--part", "4", "--store"]
    batch(*arguments, "--output", str(alone))
    with open_writer(platform) as writer:
        stored = set(writer.select("StrugglePrediction", ("id",)))
        writer.execute('DELETE FROM "struggle_predictions"')
        writer.execute('DELETE FROM "struggle_indicators"')
    with cluster(str(tmp_path), 2) as running:
        argv = [sys.executable, os.path.join(ROOT, "scripts", "predict_batch.py"), *arguments, "--output", str(out)]
        command = subprocess.Popen([*argv, "--backend", "dask", "--scheduler", running.address, "--quiet"])
        deadline = time.monotonic() + 120
        while _size(f"{out}.partial") < alone.stat().st_size // 4:
            assert command.poll() is None, "it ended before a worker could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.workers[0].kill()
        assert command.wait(120) == 0
        assert running.workers[1].poll() is None
    pairs = pairs_of(out)
    assert len(pairs) == LEARNERS * OBJECTIVES
    assert set(pairs.values()) == {1}
    assert out.read_bytes() == alone.read_bytes()
    with open_writer(platform) as writer:
        assert set(writer.select("StrugglePrediction", ("id",))) == stored


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def test_training_examples_come_through_the_same_door(platform, tmp_path):
    with db.connect(platform) as client:
        learners = list(client.stream_learners(NOW_MS, None))
        objectives = client.read_objectives(None, WINDOW)
    here = labelled_examples(learners, objectives, None, jobs=1)
    with cluster(str(tmp_path), 2) as running, engine("dask", -1, running.address):
        there = labelled_examples(learners, objectives, None, jobs=None)
    assert len(there) == len(here) > LEARNERS
    for mine, theirs in zip(here, there):
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")


def test_a_scheduler_that_is_not_there_is_exit_69(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.batch_backends.CONNECT_WITHIN", "1s")
    said = batch("--backend", "dask", "--scheduler", "tcp://127.0.0.1:9", "--output", str(tmp_path / "o"), expected=69)
    assert "tcp://127.0.0.1:9" in said
    assert not lines_of_nothing(tmp_path / "o")


def lines_of_nothing(path) -> list[object]:
    return lines_of(path) if path.exists() else []
