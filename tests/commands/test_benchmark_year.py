"""The replay of a log by weeks, on a small made-up one: it counts what it should, and nothing worse is promoted."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.benchmark import benchmark
from scripts.benchmarks.year import Replays, report_of
from tests.support.benchmarks import SOME_RUN, figures_of

pytestmark = pytest.mark.slow

LEARNERS, WEEKS, FIRST, OBJECTIVES = 100, 8, 3, 8
WEEK_S = 7 * 86_400


def made_log(path: Path) -> str:
    """Learners of differing ability, who visit one objective per day on three days of each week."""
    chance = random.Random(3)
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id,item_id,timestamp,correct,skill_id\n")
        for learner in range(LEARNERS):
            ability = chance.gauss(0.4, 1.0)
            for visit in range(WEEKS * 3):
                objective = chance.randrange(OBJECTIVES)
                at = 1_600_041_600 + visit // 3 * WEEK_S + visit % 3 * 86_400 + learner
                for item in range(3):
                    right = chance.random() < 1 / (1 + 2.718 ** ((objective - 4) / 3 - ability))
                    file.write(f"l{learner},i{item},{at + 60 * item},{int(right)},s{objective}\n")
    return str(path)


def test_a_small_log_is_replayed_by_its_weeks(tmp_path: Path) -> None:
    log, out = made_log(tmp_path / "log.csv"), tmp_path / "report.json"
    told = ["year", "--log", log, "--weeks", str(WEEKS), "--first", str(FIRST), "--seeds", "1", "--jobs", "1"]
    ran = CliRunner().invoke(benchmark, [*told, "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    (figures,) = figures_of(json.loads(out.read_text())).values()
    assert figures["seeds"]["value"] == 1
    assert figures["visits"]["value"] == LEARNERS * 3 * (WEEKS - FIRST)
    assert figures["worse promoted"]["value"] == 0
    assert {"with an alert, nothing planted", "shift found in 3 weeks", "better promoted"} <= figures.keys()


def test_every_log_has_its_four_goals() -> None:
    found = [Replays("a log", 20, 32, 9000, 3, {"inputs": 3}, 17, 4, 1, 15)]
    goals = report_of(found, SOME_RUN).goals
    assert [goal.met_or_missed for goal in goals] == ["MISSED", "met", "MISSED", "MISSED"]


@pytest.mark.parametrize("told", [[], ["--log", __file__, "--weeks", "4", "--first", "4"]])
def test_what_cannot_be_replayed_is_said_in_a_sentence(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRUGGLE_DATA", raising=False)
    ran = CliRunner().invoke(benchmark, ["year", *told])
    assert ran.exit_code == 2
