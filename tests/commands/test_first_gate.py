"""A first training lets nothing answer that is not proven better than the constant and the rules."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from db.writing.open import open_writer
from ml.evaluation.promotion import INCONCLUSIVE, INSUFFICIENT, PROMOTED, decide
from ml.places import HOUSE
from ml.storage import model_file
from scripts.benchmarks.run import Run
from scripts.benchmarks.training import WITH_GAIN, WITHOUT_SIGNAL, report_of, trained
from scripts.import_history import import_log
from scripts.importing.answer_log import read_log
from scripts.training.initial import name_of
from tests.support.small_platform import make_platform

HERE = Run("", "", "", "", 1, "", ())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, os.path.join(HOUSE, "scripts", "train_initial_model.py"), "--jobs", "1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def coin_flips(directory: Path, learners: int = 30, visits: int = 4) -> str:
    """The URL of a SQLite platform where every answer is the flip of a coin."""
    draw, log = random.Random(5), directory / "log.csv"
    lines = ["user_id,item_id,timestamp,correct,skill_id"]
    for learner in range(learners):
        for visit in range(visits):
            at = 1_600_000_000 + visit * 86_400 + learner
            lines += [
                f"learner-{learner},i{draw.randrange(9)},{at + 60 * n},{draw.randrange(2)},s{visit}" for n in range(5)
            ]
    log.write_text("\n".join(lines), encoding="utf-8")
    url = f"sqlite:///{directory}/school.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        import_log(read_log(str(log)), writer)
    return url


def simulated(n: int, gain: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; with a gain, the probabilities are true, and better than the constant by 0.02."""
    draw = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(-draw.normal(-0.8, 0.45, n)))
    labels = (draw.random(n) < (truth if gain else truth.mean())).astype(float)
    return labels, truth


@pytest.mark.slow
def test_coin_flips_leave_the_present_model_where_it_is(tmp_path: Path) -> None:
    models = tmp_path / "models"
    at = ("--database-url", coin_flips(tmp_path), "--models-dir", str(models))
    ran = run(*at, "--json")
    assert ran.returncode == 1
    said = json.loads(ran.stdout)
    assert (said["model"], said["promoted"], said["verdict"]["outcome"]) == (None, False, INCONCLUSIVE)
    assert os.listdir(models) == []
    assert ran.stderr.count("\n") == 1
    assert "the present model stays" in ran.stderr
    assert "constant: log-loss changes by +" in ran.stderr

    ran = run(*at, "--force")
    assert ran.returncode == 0, ran.stderr
    assert "FAIL  constant" in ran.stdout
    assert "although it is not proven better (--force)" in ran.stdout
    version = model_file.read(str(models / "current.pkl")).model_version
    card = json.loads((models / f"{version}.json").read_text(encoding="utf-8"))
    assert card["forced"] is True
    assert not card["verdict"]["promote"]
    assert "forced, although not proven: constant" in (models / "promotions.jsonl").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("named", [(), ("--source", "A school in Kiel")])
def test_no_file_of_a_training_holds_a_path_or_a_host(named: tuple[str, ...], tmp_path: Path) -> None:
    url, models = make_platform(str(tmp_path)), tmp_path / "models"
    ran = run("--database-url", url, "--models-dir", str(models), *named)
    assert ran.returncode == 0, ran.stderr
    name = named[1] if named else "platform.sqlite3"
    assert f"source: {name}: 3,000 answers of 60 learners" in ran.stdout
    assert "600 labelled visits of 60 learners, 362 struggles" in ran.stdout
    assert "pass  rules" in ran.stdout
    sources = model_file.read(str(models / "current.pkl")).sources
    assert sources[-1].endswith(f"{name}: 3,000 answers of 60 learners")
    written = [path for path in models.iterdir() if path.is_file()]
    assert len(written) >= 4
    assert [path.name for path in written if str(tmp_path).encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_the_shipped_models_figures_are_marked_as_its_own(tmp_path: Path) -> None:
    at = ("--database-url", make_platform(str(tmp_path)), "--models-dir", str(tmp_path / "models"), "--difficulty-only")
    assert json.loads(run(*at, "--json").stdout)["figures_of"] == "pretrained-1"
    told = run(*at).stdout
    assert "The weights are those of pretrained-1, and so are these figures, from other platforms:" in told
    card = next(path for path in (tmp_path / "models").glob("struggle_prediction_*.json"))
    assert json.loads(card.read_text(encoding="utf-8"))["figures_of"] == "pretrained-1"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("db.example.org:5432/school", "school"),
        ("/srv/app/school.sqlite3", "school.sqlite3"),
        ("C:\\app\\dev.db", "dev.db"),
        ("/", "a database"),
    ],
)
def test_a_database_is_named_without_its_host_and_directory(label: str, name: str) -> None:
    assert name_of(label) == name


def test_a_first_model_that_is_truly_better_passes_and_an_empty_one_does_not() -> None:
    who, seeds = np.arange(1000), range(40)
    passed = [decide(y, None, p, np.full(1000, 0.3), who, bootstrap=300).promote for y, p in _each(seeds, gain=True)]
    assert sum(passed) >= 0.8 * len(seeds)
    passed = [decide(y, None, p, np.full(1000, 0.5), who, bootstrap=300).promote for y, p in _each(seeds, gain=False)]
    assert sum(passed) <= 2


def _each(seeds: range, gain: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    return [simulated(1000, gain, seed) for seed in seeds]


def test_each_check_of_a_first_model_can_fail_alone() -> None:
    y, truth = simulated(4000, gain=True)
    who, half = np.arange(4000), np.full(4000, 0.5)
    assert decide(y, None, truth, half, who).outcome == PROMOTED
    rules_know_more = np.where(y > 0, 0.6, 0.2)
    assert [check.name for check in decide(y, None, truth, rules_know_more, who).failed] == ["rules"]
    assert "slope" in [check.name for check in decide(y, None, 1 - truth, half, who).failed]
    assert {"constant", "slope"} == {c.name for c in decide(y, None, np.full(4000, y.mean()), half, who).failed}


def test_a_first_model_needs_learners_struggles_and_others() -> None:
    y, truth = simulated(60, gain=True)
    alone = decide(y, None, truth, truth, np.zeros(60))
    assert alone.outcome == INSUFFICIENT
    assert alone.checks[0].sentence == "the proof needs 4 more learners (of 5)"
    y[:] = 0
    y[0] = 1
    rare = decide(y, None, truth, truth, np.arange(60))
    assert rare.checks[0].sentence == "the proof needs 9 more struggles (of 10)"
    assert decide(1 - y, None, truth, truth, np.arange(60)).checks[0].sentence == (
        "the proof needs 9 more examples without a struggle (of 10)"
    )


@pytest.mark.slow
def test_platforms_without_signal_are_kept_out_and_a_gain_is_found() -> None:
    """A small run of `python -m scripts.benchmark training`, which has ten platforms of each shape."""
    noise, alone, single, rare = WITHOUT_SIGNAL
    small = [noise._replace(learners=60), alone._replace(visits=120), single._replace(learners=60)]
    small.append(rare._replace(learners=60))
    found = {shape.name: [trained(shape, 1)] for shape in small}
    assert [shape for shape, (run,) in found.items() if run.promoted] == []
    found[WITH_GAIN.name] = [trained(WITH_GAIN, seed) for seed in (0, 1)]
    assert all(run.promoted for run in found[WITH_GAIN.name])
    assert [goal.met for goal in report_of(found, HERE).goals] == [True, True]
