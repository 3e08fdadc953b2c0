"""A batch with a capacity flags the most likely predictions, and says how many of them will not struggle."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from db.writing.open import open_writer
from ml.evaluation.expected_counts import CountSums, Expected
from ml.evaluation.poisson_binomial import at_least, at_least_where_shared
from ml.study.scales import Levels
from scripts.batch.flagging import marked, most_likely
from scripts.batch.part import BatchSettings
from scripts.predict_batch import predict_batch
from scripts.testbed.synthetic_rows import Size, fill
from tests.commands.test_batch import AS_OF, NOW_MS, batch, lines_of
from tests.support.trained_models import save_model


def line(probability: float, user_id: str, objective_id: str, degraded: str = "") -> bytes:
    told: dict[str, object] = {"user_id": user_id, "objective_id": objective_id, "probability": probability}
    told |= {"interval": [probability / 2, (1 + probability) / 2], "source": "model", "degraded": degraded}
    return json.dumps(told).encode() + b"\n"


def pair(told: dict[str, object]) -> tuple[object, object]:
    return told["user_id"], told["objective_id"]


@pytest.fixture
def platform(sqlite_url: str) -> str:
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(30, 6, 40, 5), NOW_MS)
    return sqlite_url


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "models").mkdir()
    return save_model(str(tmp_path / "models"), 3)


def test_equal_probabilities_are_flagged_by_learner_and_objective() -> None:
    lines = [line(0.5, "b", "x"), line(0.5, "a", "y"), line(0.9, "c", "x"), line(0.5, "a", "x"), line(0.4, "a", "a")]
    assert most_likely(lines, 1).places == {2}
    assert most_likely(lines, 3).places == {1, 2, 3}
    assert most_likely(reversed(lines), 3).places == {1, 2, 3}  # the same learners, whatever the order
    assert most_likely(lines, 99).places == set(range(5))
    found = most_likely(lines, 3)
    assert found.least == 0.5
    told = [json.loads(each) for each in marked(lines, found)]
    assert [each.pop("flagged") for each in told] == [False, True, True, True, False]
    assert told == [json.loads(each) for each in lines]


def test_a_default_estimate_is_never_flagged() -> None:
    lines = [line(0.9, "a", "x", "the database did not answer"), line(0.2, "b", "x")]
    assert most_likely(lines, 5).places == {1}
    assert most_likely(lines[:1], 5).places == set()
    assert most_likely([], 5).sums is None


@pytest.mark.parametrize("count", [1, 3, 10, 60, 400])
def test_the_law_is_close_to_the_exact_one(count: int) -> None:
    rng = np.random.default_rng(count)
    for a, b in ((1.0, 1.0), (5.0, 1.0), (1.0, 9.0)):
        p = rng.beta(a, b, count)
        logits = np.log(p) - np.log1p(-p)
        for spread in (0.0, 0.4):
            low, high = (1 / (1 + np.exp(-(logits + side * 1.96 * spread))) for side in (-1, 1))
            sums = CountSums.of(p, low, high)
            halves = CountSums.of(p[::2], low[::2], high[::2])
            halves.add(CountSums.from_list(CountSums.of(p[1::2], low[1::2], high[1::2]).to_list()))
            found = sums.expected()
            assert halves.expected() == found or halves.expected().struggles == pytest.approx(found.struggles)
            assert found.struggles == pytest.approx(p.sum())

            def above(most: int, p: object = p, logits: object = logits, spread: float = spread) -> float:
                at = most + 1
                return at_least_where_shared(logits, spread, at) if spread else at_least(p, at)  # type: ignore[arg-type]

            # the exact interval's ends, or the numbers beside them
            assert found.low == 0 or above(found.low - 2) > 0.975 - 0.01
            assert above(found.low + 1) < 0.999
            assert above(found.high + 1) < 0.025 + 0.01
            assert found.high == 0 or above(found.high - 2) > 0.005
    assert Expected(10, 7.2, 5, 9).others == Expected(10, pytest.approx(2.8), 1, 5)


def test_calibrated_predictions_stay_within_the_interval() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        p = rng.beta(2, 1, 40)
        logits = np.log(p) - np.log1p(-p)
        truth = 1 / (1 + np.exp(-(logits + 0.3 * rng.normal())))  # the model is off, for all of them together
        low, high = (1 / (1 + np.exp(-(logits + side * 1.96 * 0.3))) for side in (-1, 1))
        found = CountSums.of(p, low, high).expected()
        held += found.low <= (rng.random(40) < truth).sum() <= found.high
    assert 0.94 <= held / 400 <= 0.99


@pytest.mark.slow
def test_a_batch_flags_as_many_as_there_is_time_for(platform: str, model: str, tmp_path: Path) -> None:
    out, plain, whole = (str(tmp_path / f"{name}.jsonl") for name in ("out", "plain", "whole"))
    common = ("--database-url", platform, "--model", model, "--as-of", AS_OF, "--json")
    said = batch(*common, "--output", out, "--capacity", "10")
    without = batch(*common, "--output", plain)
    lines = lines_of(out)
    flagged = [each for each in lines if each.pop("flagged")]
    assert lines == lines_of(plain)
    assert "flagged" not in without
    ranked = sorted(lines, key=lambda each: (-float(str(each["probability"])), str(pair(each))))
    assert sorted(map(pair, flagged)) == sorted(map(pair, ranked[:10]))
    assert (said["capacity"], said["flagged"]["n"]) == (10, 10)
    assert said["flagged"]["least_probability"] == ranked[9]["probability"]
    expected = said["flagged"]["expected"]
    assert expected["struggles"] == pytest.approx(sum(float(str(each["probability"])) for each in ranked[:10]))
    assert 0 <= expected["low"] <= expected["struggles"] <= expected["high"] <= 10
    assert set(said["expected"]) == {each["risk_level"] for each in lines}
    for level in said["expected"]:
        rows = [each for each in lines if each["risk_level"] == level]
        assert said["expected"][level]["n"] == len(rows) == said[level]
        stated = sum(float(str(each["probability"])) for each in rows)
        assert said["expected"][level]["struggles"] == pytest.approx(stated)
    assert said["expected"] == without["expected"]

    batch(*common, "--output", whole, "--capacity", "10", "--full")
    assert [pair(each) for each in lines_of(whole) if each["flagged"]] == [pair(each) for each in flagged]
    done = CliRunner().invoke(predict_batch, [*common[:-1], "--quiet", "--capacity", "10"])
    assert done.stdout.encode() == Path(out).read_bytes()
    assert "of 10 flagged, about" in done.stderr
    assert "will not struggle (95 %: " in done.stderr
    assert not [name for name in os.listdir(tmp_path) if name.endswith((".converting", ".partial", ".progress"))]


@pytest.mark.slow
def test_the_capacity_and_the_levels_come_from_levels_json(platform: str, model: str, tmp_path: Path) -> None:
    levels = {"medium_from": 0.2, "high_from": 0.5, "capacity": 3}
    Path(model).with_name("levels.json").write_text(json.dumps(levels))
    out = str(tmp_path / "out.parquet")
    common = ("--database-url", platform, "--model", model, "--as-of", AS_OF, "--json")
    said = batch(*common, "--output", out)
    assert said["capacity"] == 3
    import pyarrow.parquet as parquet

    rows = parquet.read_table(out).to_pylist()
    assert sum(row["flagged"] for row in rows) == 3
    for row in rows:
        at = row["probability"]
        assert row["risk_level"] == ("HIGH" if at >= 0.5 else "MEDIUM" if at >= 0.2 else "LOW")
    assert sum(row["risk_level"] == "HIGH" for row in rows) == said["HIGH"]
    more = batch(*common, "--output", str(tmp_path / "o.jsonl"), "--capacity", "5", "--jobs", "2")
    assert more["flagged"]["n"] == 5


def test_settings_that_were_sent_to_another_process_are_the_same_settings() -> None:
    """What a process keeps from part to part, its connection for one, it finds again by them."""
    levels = Levels(0.3, 0.8, 0.4, 5)
    settings = BatchSettings("file:x", None, None, "m", 0, True, 14, "all", levels=levels)
    sent = pickle.loads(pickle.dumps(settings))
    assert sent == settings
    assert hash(sent) == hash(settings)
    assert sent != settings._replace(levels=levels.at(0.5))


@pytest.mark.slow
def test_of_the_rules_nothing_is_foretold(platform: str, tmp_path: Path) -> None:
    common = ("--database-url", platform, "--model", "rules", "--as-of", AS_OF)
    said = batch(*common, "--json", "--output", str(tmp_path / "o.jsonl"), "--capacity", "4")
    assert (said["expected"], said["flagged"]["expected"], said["flagged"]["n"]) == (None, None, 4)
    assert "cannot be told" in batch(*common, "--output", str(tmp_path / "p.jsonl"))


@pytest.mark.slow
def test_a_capacity_needs_lines_to_flag(platform: str) -> None:
    told = batch("--database-url", platform, "--store", "--capacity", "4", expected=2)
    assert "give --output as well" in told
