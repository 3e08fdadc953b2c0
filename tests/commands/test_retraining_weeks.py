"""Retraining week after week: one challenger is compared until it is proven, given up, or the champion changes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ml.evaluation.challengers import LARGEST_SHARE
from ml.instants import iso
from ml.storage.contests import KEY, Contest, contest_of
from ml.storage.registry import Registry
from scripts.models import models
from scripts.retrain_model import retrain_model
from scripts.training import retraining, retraining_start
from tests.commands.test_forgetting import erase
from tests.support.small_platform import make_platform

pytestmark = pytest.mark.slow

LEARNERS, FIRST_S = 60, 1_600_000_000
SINCE, EARLY, SOON, LATER = (iso((FIRST_S + hours * 3600) * 1000) for hours in (5, 9, 17, 40))


class Weeks:
    """A platform and its registry, and retraining at some moments of it."""

    def __init__(self, directory: Path) -> None:
        self.url = f"sqlite:///{directory}/platform.sqlite3"
        self.registry = Registry(str(directory / "models"))

    def retrain(self, at: str, *more: str) -> dict[str, Any]:
        """What a retraining with --since SINCE says at this moment."""
        told = ["--database-url", self.url, "--models-dir", self.registry.directory, "--jobs", "1", "--json"]
        ran = CliRunner().invoke(retrain_model, [*told, "--since", SINCE, "--as-of", at, *more])
        assert ran.exit_code == 0, ran.stderr
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    def models(self, *command: str) -> None:
        """A command of models.py."""
        ran = CliRunner().invoke(models, ["--models-dir", self.registry.directory, *command])
        assert ran.exit_code == 0, ran.stderr

    def lines(self) -> list[dict[str, Any]]:
        """promotions.jsonl."""
        with open(os.path.join(self.registry.directory, "promotions.jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform whose champion is a little worse than it could be, too little for one look to prove it."""
    path = tmp_path_factory.mktemp("weeks")
    make_platform(str(path), LEARNERS, FIRST_S)
    weeks = Weeks(path)
    trained = weeks.registry.read(weeks.retrain(SOON)["version"])
    Path(weeks.registry.directory, "promotions.jsonl").unlink()
    with weeks.registry.locked():
        champion = weeks.registry.add(trained.but(scorecard=trained.scorecard.on_line(1.0, 0.4)), "2020-09-13")
        weeks.registry.promote(champion, SOON, "start")
        weeks.registry.remove(trained.model_version)
    return path


@pytest.fixture
def weeks(made: Path, tmp_path: Path) -> Weeks:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "platform")
    return Weeks(tmp_path / "platform")


def test_one_challenger_is_compared_week_after_week_and_each_visit_counts_once(weeks: Weeks) -> None:
    champion = weeks.registry.current()
    first = weeks.retrain(SOON)
    assert (first["trained"], first["promoted"], first["note"]) == (True, False, "inconclusive, kept")
    assert first["contest"]["error"] == LARGEST_SHARE
    again = weeks.retrain(SOON)
    assert (again["version"], again["trained"]) == (first["version"], False)
    assert again["verdict"] == first["verdict"]
    assert (again["trained_on"], again["judged_on"]) == (first["trained_on"], first["judged_on"])
    later = weeks.retrain(LATER)
    assert (later["version"], later["trained"]) == (first["version"], False)
    assert later["judged_on"] > first["judged_on"]
    assert {line[KEY]["began_ms"] for line in weeks.lines() if KEY in line} == {first["contest"]["began_ms"]}
    assert weeks.registry.versions() == sorted([str(champion), first["version"]])
    assert len(weeks.registry.contests()) == 1


def test_too_few_visits_are_told_before_anything_is_trained(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    before = weeks.registry.versions()
    monkeypatch.setattr(retraining, "build_table", None)
    monkeypatch.setattr(retraining_start, "read_examples", None)
    done = weeks.retrain(EARLY)
    assert (done["version"], done["verdict"], done["trained"], done["promoted"]) == (None, None, False, False)
    assert done["note"].startswith("nothing is trained, because nothing could be proven: since ")
    assert "more examples (of 300)" in done["note"]
    assert weeks.registry.versions() == before
    assert [line for line in weeks.lines() if KEY in line] == []


def test_a_new_challenger_can_be_asked_for_and_has_a_share_of_what_is_left(weeks: Weeks) -> None:
    first = weeks.retrain(SOON)
    others = [weeks.retrain(LATER, "--new-challenger") for _ in range(3)]
    assert all(other["trained"] for other in others)
    assert len({first["version"], *(other["version"] for other in others)}) == 4
    errors = [contest.error for contest in weeks.registry.contests()]
    assert errors == pytest.approx([LARGEST_SHARE] * 3 + [LARGEST_SHARE / 2])


@pytest.mark.parametrize("how", ["promoted by hand", "rolled back", "challenger removed", "record lost", "table lost"])
def test_the_comparison_begins_anew_where_the_champion_or_the_challenger_is_another(weeks: Weeks, how: str) -> None:
    champion, first = weeks.registry.current(), weeks.retrain(SOON)["version"]
    if how == "promoted by hand":
        weeks.models("promote", first)
    elif how == "rolled back":
        weeks.models("promote", first)
        weeks.models("rollback")
        assert weeks.registry.current() == champion
    elif how == "challenger removed":
        weeks.models("remove", first)
    elif how == "record lost":
        os.unlink(os.path.join(weeks.registry.directory, "promotions.jsonl"))
    else:
        table = weeks.registry.read(first).difficulty
        assert table is not None
        os.unlink(os.path.join(weeks.registry.directory, table[0]))
    done = weeks.retrain(LATER)
    assert done["trained"]
    assert done["contest"]["champion"] == weeks.registry.current()


def test_a_promotion_that_was_cut_off_after_its_record_happens_at_the_next_look(weeks: Weeks) -> None:
    poor = weeks.registry.read(str(weeks.registry.current()))
    with weeks.registry.locked():
        worse = weeks.registry.add(poor.but(scorecard=poor.scorecard.on_line(0.2, 1.5)), "2020-09-13")
        weeks.registry.promote(worse, SOON, "start")
    before = Path(weeks.registry.directory, "current.pkl").read_bytes()
    done = weeks.retrain(SOON)
    assert done["promoted"], done["verdict"]
    last = max(place for place, line in enumerate(weeks.lines()) if KEY in line)
    promotion = weeks.lines()[last + 1]
    assert (promotion["from"], promotion["to"]) == (worse, done["version"])
    record = "".join(json.dumps(line) + "\n" for line in weeks.lines()[: last + 1])
    Path(weeks.registry.directory, "promotions.jsonl").write_text(record, encoding="utf-8")
    Path(weeks.registry.directory, "current.pkl").write_bytes(before)
    again = weeks.retrain(SOON)
    assert (again["version"], again["trained"], again["promoted"]) == (done["version"], False, True)
    assert weeks.registry.current() == done["version"]


def test_what_was_promoted_and_rolled_back_is_not_promoted_again_by_the_same_evidence(weeks: Weeks) -> None:
    poor = weeks.registry.read(str(weeks.registry.current()))
    with weeks.registry.locked():
        worse = weeks.registry.add(poor.but(scorecard=poor.scorecard.on_line(0.2, 1.5)), "2020-09-13")
        weeks.registry.promote(worse, SOON, "start")
    first = weeks.retrain(SOON)
    assert first["promoted"]
    weeks.models("rollback")
    again = weeks.retrain(LATER)
    assert again["trained"]
    assert again["version"] != first["version"]


def test_a_model_that_says_the_same_is_not_compared_and_uses_up_nothing(weeks: Weeks) -> None:
    first = weeks.retrain(SOON)
    weeks.models("promote", first["version"])
    done = weeks.retrain(SOON)
    assert done["note"].startswith("hardly different from the champion, kept; ")
    assert (done["contest"]["error"], done["contest"]["over"]) == (0.0, "the models hardly differ")
    assert weeks.registry.contest() is None


def test_a_learner_who_was_forgotten_is_gone_from_the_comparison_and_it_goes_on(weeks: Weeks) -> None:
    first = weeks.retrain(SOON)
    erase(weeks.url)
    second = weeks.retrain(SOON)
    assert not second["trained"]
    assert second["judged_on"] < first["judged_on"]
    assert first["version"] in second["renewed"]
    third = weeks.retrain(LATER)
    assert not third["trained"]
    assert third["version"] == second["renewed"][first["version"]]
    assert third["contest"]["began_ms"] == first["contest"]["began_ms"]
    assert weeks.registry.contests()[-1].champion == weeks.registry.current()


def test_pruning_keeps_the_challenger_that_is_compared_and_few_that_are_done(weeks: Weeks) -> None:
    champion, first = weeks.registry.current(), weeks.retrain(SOON)["version"]
    with weeks.registry.locked():
        weeks.registry.prune(0)
        assert weeks.registry.versions() == sorted([str(champion), first])
        saved = weeks.registry.read(first)
        over = [weeks.registry.add(saved, f"2020-10-{day:02}") for day in range(1, 8)]
        made_by_hand = weeks.registry.add(saved, "2020-11-01")
        for n, version in enumerate(over):
            contest = weeks.registry.contests()[0]._replace(challenger=version, began_ms=n, over="it is proven worse")
            weeks.registry.looked(contest)
        assert {name[:-4] for name in weeks.registry.drop_challengers(4) if name.endswith(".pkl")} == set(over[:3])
        assert made_by_hand in weeks.registry.versions()


@pytest.mark.parametrize("damage", ["[]", "{}", '{"contest": 3}', '{"contest": {"champion": "a"}}', "\xff", "{"])
def test_a_damaged_line_of_the_record_is_passed_over(weeks: Weeks, damage: str) -> None:
    first = weeks.retrain(SOON)
    with open(os.path.join(weeks.registry.directory, "promotions.jsonl"), "a", encoding="latin-1") as file:
        file.write(damage + "\n")
    contest = weeks.registry.contest()
    assert contest is not None
    assert contest.challenger == first["version"]


def test_a_rollback_to_the_shipped_model_is_recorded(weeks: Weeks) -> None:
    left = weeks.registry.current()
    weeks.models("rollback", "--why", "alerts since Monday")
    assert weeks.registry.current() is None
    last = weeks.registry.promotions()[-1]
    assert (last["from"], last["to"], last["why"]) == (left, None, "rollback: alerts since Monday")
    assert last["at"]


def test_a_line_of_a_comparison_reads_as_it_was_written() -> None:
    contest = Contest("a", "b", 1, 2, 0.0125, "GOOD", "inconclusive, kept", "", 3, 300, -0.01, 7.5)
    line = json.loads(json.dumps({"at": "2026-01-01", KEY: contest.to_dict()}))
    assert contest_of(line) == contest
    for name, wrong in (("error", "much"), ("began_ms", 1.5), ("over", None), ("gain", "x"), ("error", 1.0)):
        assert contest_of({KEY: {**contest.to_dict(), name: wrong}}) is None
