"""models.py list and compare: every version with its figures, and two versions beside each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ml.features.vector import FEATURE_NAMES
from ml.places import HOUSE
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from ml.storage.contests import Contest
from ml.storage.registry import Registry
from scripts.cli.model_card import rows_of
from scripts.models import models
from scripts.versions.comparison import compared
from scripts.versions.standing import standing

NAME = "retention_score"
LOOKS = (("worse, kept", 0.01), ("inconclusive, kept", -0.015))
FIGURES = {
    "auc": {"value": 0.8, "low": 0.78, "high": 0.82},
    "log_loss": {"value": 0.5, "low": 0.48, "high": 0.52},
    "ece": {"value": 0.02, "low": None, "high": None},
}


def model(slope: float, missing: float = 0.0, calibration: tuple[float, float] = (1.0, 0.0)) -> SavedModel:
    """A model in which one feature has a part."""
    tables = [
        Table([], [0.0], [slope], missing) if name == NAME else Table([], [0.0], [], 0.0) for name in FEATURE_NAMES
    ]
    return SavedModel("unsaved", Scorecard(0.5, tables, calibration), ("a school",), {"threshold": 0.4}, 0.65)


def rows_in(where: int) -> dict[str, object]:
    """Training rows of which all lie in one of twenty bins."""
    bins = [float(place == where) for place in range(20)]
    return {
        "n": 9,
        "features": {name: {"absent": 0.0, "bins": bins, "mean_contribution": 0.1} for name in FEATURE_NAMES},
    }


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A cross-fitted first version, a challenger with a hold-out, and a version without a card, which answers."""
    found = Registry(str(tmp_path / "models"))
    found.prepare()
    evaluation = {"n": 1234, "learners": 56, "ece_noise_floor": 0.01, "figures": FIGURES}
    first = found.add(model(1.0), "2026-01-01", {"evaluation": evaluation})
    verdict = {"gain": {"value": -0.0123}}
    found.add(model(2.0, 0.5), "2026-02-01", {"evaluation": evaluation, "champion": first, "verdict": verdict})
    last = found.add(model(2.0), "2026-03-01")
    found.promote(last, "2026-03-01T00:00:00Z", "a test")
    return found


def asked(registry: Registry, *arguments: str) -> Result:
    done = CliRunner().invoke(models, ["--models-dir", registry.directory, *arguments])
    assert done.exit_code == 0, done.output
    return done


def test_every_version_is_listed_with_its_figures_their_intervals_and_their_kind(registry: Registry) -> None:
    found = json.loads(asked(registry, "--json", "list").stdout)
    assert [(row["kind"], row["n"], row["learners"]) for row in found["versions"]] == [
        ("cross-fitted", 1234, 56),
        ("hold-out", 1234, 56),
        ("not known", None, None),
    ]
    assert found["versions"][0]["intervals"] == {"auc": [0.78, 0.82], "log_loss": [0.48, 0.52]}
    assert found["versions"][1]["ece"] == 0.02
    assert [row["current"] for row in found["versions"]] == [False, False, True]
    shipped = found["shipped"]
    assert (shipped["version"], shipped["kind"], shipped["current"]) == ("pretrained-1", "other platforms", False)
    assert shipped["n"] > 10_000
    told = asked(registry, "list").stdout.splitlines()
    assert len(told) == 5
    assert "0.800 [0.780, 0.820]" in told[2]
    assert [line[:1] for line in told] == [" ", " ", " ", " ", "*"]
    assert "not known" in told[4]


def test_two_versions_are_put_beside_each_other(registry: Registry) -> None:
    first, second, last = registry.versions()
    found = json.loads(asked(registry, "--json", "compare", first, second).stdout)
    assert found["remark"] == (
        f"On the same visits, {second} had a log-loss 0.0123 better than {first}; its card has the checks."
    )
    (shape,) = found["shapes"]
    assert (shape["feature"], shape["furthest_at"], shape["first"], shape["second"]) == (NAME, 1.0, 1.0, 2.0)
    assert shape["mean_difference"] == pytest.approx(0.5, abs=0.01)
    told = asked(registry, "compare", first, "current").stdout
    assert "different visits" in told
    assert "threshold" in told
    assert NAME in told
    assert "Both versions have the same tables." in asked(registry, "compare", last, last).stdout


def test_the_terminal_names_the_deployments_own_source_and_where_the_rest_is_listed(registry: Registry) -> None:
    others = tuple(f"another platform of a long name, number {n}" for n in range(5))
    saved = SavedModel("m", model(1.0).scorecard, (*others, "our own"), {}, 0.65)
    own = registry.add(saved, "2026-04-01")
    told = asked(registry, "compare", "shipped", own).stdout
    assert "our own; another platform" in told
    asked(registry, "--json", "compare", "shipped", own)
    assert re.search(r"^and \d+ more, which models\.py --json compare lists$", told, re.MULTILINE)


def test_tables_are_compared_where_the_training_rows_were(registry: Registry) -> None:
    def difference(card: dict[str, Any]) -> Any:
        (found,) = compared(standing("a", False, model(1.0), {}), standing("b", False, model(2.0), card)).differences
        return found

    low, high = (difference({"training_rows": rows_in(place)}) for place in (0, 19))
    assert low.mean < 0.03
    assert high.mean > 0.96
    assert low.where < 0.05


def test_calibration_is_part_of_what_is_compared() -> None:
    one, other = model(1.0), model(0.5, calibration=(2.0, 0.0))
    assert compared(standing("a", False, one, {}), standing("b", False, other, {})).differences == []


def test_the_latest_look_of_retraining_and_the_aim_of_the_threshold_are_told() -> None:
    one = standing("a", True, model(1.0), {"operating_point": {"for": {"recall": 0.7}}})
    other = standing("b", False, model(1.5), {"operating_point": {"for": {"capacity": 20}}})
    looks = [Contest("a", "b", 1, 1, 0.01, "GOOD", outcome, "", 2, 900, gain, 3.0) for outcome, gain in LOOKS]
    found = compared(one, other, looks)
    assert found.remark == (
        "Retraining compared them on the same 900 visits: b had a log-loss 0.0150 better than a."
        " Its verdict: inconclusive, kept."
    )
    (row,) = [row for row in found.rows if row.title == "threshold"]
    assert (row.first, row.second) == ("0.40 (for a recall of 0.70)", "0.40 (for 20 flags a day)")


@pytest.mark.parametrize(
    "card",
    [
        {"evaluation": "none", "training_rows": 7},
        {"evaluation": {"figures": {"auc": "<b>"}, "n": -1, "learners": "many", "ece_noise_floor": "x"}},
        {"training_rows": {"n": 5, "features": {NAME: {"absent": 2}}}, "judged_on": True, "verdict": []},
        {
            "evaluation": {"figures": [1], "n": 1e400},
            "champion": {"a": 1},
            "operating_point": {"for": {"recall": "<b>"}},
        },
    ],
)
def test_a_spoilt_card_tells_nothing(registry: Registry, card: dict[str, Any]) -> None:
    version = registry.add(model(3.0), "2026-04-01", card)
    row = json.loads(asked(registry, "--json", "list").stdout)["versions"][-1]
    assert (row["version"], row["kind"], row["n"]) == (version, "not known", None)
    asked(registry, "compare", version, "shipped")


def test_the_page_has_both_curves_and_both_columns(registry: Registry, tmp_path: Path) -> None:
    first, second, _ = registry.versions()
    page = tmp_path / "compare.html"
    asked(registry, "compare", first, second, "--html", str(page))
    written = page.read_text()
    assert written.count('class="line first"') == written.count('class="line second"') == 1
    assert first in written
    assert second in written


def test_what_names_no_version_is_one_sentence(registry: Registry) -> None:
    done = CliRunner().invoke(models, ["--models-dir", registry.directory, "compare", "shipped", "nobody"])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "nobody" in done.stderr


def test_the_shipped_card_says_where_the_training_rows_lay() -> None:
    card = json.loads(Path(HOUSE, "models", "pretrained.json").read_text(encoding="utf-8"))
    rows = rows_of(card)
    assert rows is not None
    assert rows.n == card["evaluation"]["n"]
    for name, feature in rows.features.items():
        assert feature.absent + sum(feature.bins) == pytest.approx(1, abs=0.002), name
        assert feature.moved == 0 or name not in card["unused_features"], name
    assert sum(feature.moved > 0.001 for feature in rows.features.values()) > 10
