"""The page of a model and of one prediction: density, bands, importance, intercept, and the steps of the prediction."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ml.features.vector import FEATURES, FeatureVector
from ml.model import StrugglePredictionModel
from ml.places import HOUSE
from ml.scoring.scorecard import Deviations, Table
from scripts.auditing.log import found_in
from scripts.cli.model_card import RowsOfFeature, rows_of
from scripts.explain_model import explain_model
from scripts.pages.model import Asked, page
from scripts.pages.own_units import in_own_unit
from scripts.pages.shapes import Own, Part, rows_of_shape, shape
from scripts.pages.steps import Factor, steps

LEARNER, OBJECTIVE = "demo-learner", "action-potentials"
CARD = json.loads(Path(HOUSE, "models", "pretrained.json").read_text(encoding="utf-8"))
BY_NAME = {feature.name: feature for feature in FEATURES}
HOSTILE = "<script>alert('learner')</script>"


@pytest.fixture(scope="module")
def model() -> StrugglePredictionModel:
    return StrugglePredictionModel.load(str(Path(HOUSE, "models", "pretrained.pkl")))


def part(spread: Deviations | None = None, bins: list[float] | None = None, slope: float = 2.0) -> Part:
    """What a feature adds that rises from -1 to +1 and adds 0.5 without data, before a calibration of this slope."""
    rows = None if bins is None else RowsOfFeature(0.25, bins, 0.1)
    return Part(BY_NAME["retention_score"], Table([], [-1.0], [2.0], 0.5), slope, spread, rows)


def explained(*arguments: str) -> Any:
    return CliRunner().invoke(explain_model, arguments)


def test_the_band_spans_the_model_and_its_bagged_models() -> None:
    found = part(Deviations([0.5], [-0.1, 0.3, 0.2, 0.4, 0.0, -0.2], 2))
    assert found.between(0.25) == pytest.approx((2 * (-0.5 - 0.1), 2 * (-0.5 + 0.3)))
    assert found.between(0.75) == pytest.approx((2 * 0.5, 2 * (0.5 + 0.4)))
    assert found.between(None) == pytest.approx((2 * 0.3, 2 * 0.5))
    assert part().between(0.5) == (0.0, 0.0)


def test_the_columns_below_a_curve_are_the_training_rows() -> None:
    bins = [0.0] * 20
    bins[2], bins[3], bins[19] = 0.25, 0.25, 0.25
    rows = list(rows_of_shape(part(bins=bins)))
    assert [row.rows.replace("\N{NO-BREAK SPACE}", " ") for row in rows] == [
        *("0.0 %", "50.0 %", *["0.0 %"] * 7, "25.0 %"),
        "25.0 %",
    ]
    drawn = [mark for mark in shape(part(bins=bins)).marks if mark.attributes["class"] == "density"]
    heights = [float(mark.attributes["height"]) for mark in drawn]
    assert len(heights) == 21
    assert sum(height > 0 for height in heights) == 4
    assert all(row.rows == "" for row in rows_of_shape(part()))


def test_a_curve_stays_in_its_picture_and_keeps_its_slope() -> None:
    """Where no training row lay the curve may leave the picture: it ends there, and is not bent along the edge."""
    bins = [0.0] * 20
    bins[10] = 0.75
    (drawn,) = [mark for mark in shape(part(bins=bins)).marks if mark.tag == "polyline"]
    points = [tuple(map(float, each.split(","))) for each in drawn.attributes["points"].split()]
    slopes = {round((b[1] - a[1]) / (b[0] - a[0]), 1) for a, b in pairwise(points) if b[0] - a[0] > 0.5}
    assert max(slopes) - min(slopes) < 0.35
    assert all(y >= 0 for _, y in points)


def test_the_own_value_is_marked_and_told() -> None:
    for value, told in ((0.75, "75\N{NO-BREAK SPACE}%, which adds +1.00"), (None, "no data, which adds +1.00")):
        picture = shape(part(), Own(value))
        assert sum("own" in mark.attributes["class"] for mark in picture.marks) == 2
        assert f"This learner: {told}." in picture.label


def test_the_steps_lead_from_the_base_to_the_prediction() -> None:
    factors = [Factor(f"clause {n}", f"f{n}", 0.02 * (-1) ** n) for n in range(20)]
    found = steps(0.3, [Factor("first", "f", 0.4), *factors], 0.7)
    assert [found[0].points, found[1].points, found[-1].points] == [
        "30\N{NO-BREAK SPACE}%",
        "+40.0",
        "70\N{NO-BREAK SPACE}%",
    ]
    assert found[-2].text == "9 weaker features together"
    said = sum(float(step.points.replace("\N{MINUS SIGN}", "-")) for step in found[1:-1])
    assert said == pytest.approx(40)


def test_features_without_data_are_one_step() -> None:
    absent = Factor("19 features have no data", "", 0.1)
    found = steps(0.3, [Factor("first", "f", 0.4)], 0.8, absent)
    assert [step.text for step in found[1:-1]] == ["first", absent.text]
    assert [step.points for step in found[1:-1]] == ["+40.0", "+10.0"]


def test_the_model_page_has_intercept_importance_density_and_bands(model: StrugglePredictionModel) -> None:
    written = page(model, CARD)
    rows = rows_of(CARD)
    assert rows is not None
    assert "(the intercept)" in written
    important = sorted(rows.features, key=lambda name: -rows.features[name].moved)
    first = re.findall(r'<code class="muted">(\w+)</code>', written)
    assert first == important[: len(first)]
    assert written.count('class="density"') > 500
    assert written.count('class="spread"') > 20
    assert "in numbers" in written
    without = page(model, {})
    assert 'class="density"' not in without
    assert "the importance of the features is not known" in without


@pytest.mark.parametrize(
    "spoilt", [7, {}, {"n": -1}, {"n": 3, "features": {"retention_score": HOSTILE}}, {"n": HOSTILE, "features": []}]
)
def test_spoilt_training_rows_are_left_out(model: StrugglePredictionModel, spoilt: object) -> None:
    written = page(model, {**CARD, "training_rows": spoilt})
    assert 'class="density"' not in written
    assert "<script" not in written


def test_names_on_the_page_of_a_prediction_are_text(model: StrugglePredictionModel) -> None:
    features = FeatureVector.of({}, 0)
    asked = Asked(HOSTILE, HOSTILE, HOSTILE, "2026-01-01T00:00:00.000Z", features, model.predict(features))
    written = page(model, CARD, asked)
    assert "<script" not in written
    assert written.count("&lt;script&gt;") >= 3


def test_one_prediction_of_the_demo_is_drawn_as_it_is_printed(tmp_path: Path) -> None:
    out, log = tmp_path / "local.html", tmp_path / "audit.jsonl"
    asked = ("--learner", LEARNER, "--objective", OBJECTIVE)
    done = explained("--demo", *asked, "--out", str(out), "--audit-log", str(log))
    assert done.exit_code == 0, done.output
    written = out.read_text()
    assert f"Learner {LEARNER}, objective {OBJECTIVE}" in written
    assert "95\N{NO-BREAK SPACE}%" in written.partition("the prediction")[2]
    assert written.count("This learner: ") == written.count('<svg class="shape"')
    (action,) = found_in(str(log), LEARNER).actions
    assert (action.command, action.exit_code) == ("explain_model", 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--demo", "--learner", LEARNER), 2),
        (("--objective", OBJECTIVE), 2),
        (("--as-of", "2026-01-01"), 2),
        (("--demo", "--learner", "nobody", "--objective", OBJECTIVE), 66),
        (("--demo", "--learner", LEARNER, "--objective", "nothing"), 66),
        (("--learner", LEARNER, "--objective", OBJECTIVE), 78),
    ],
)
def test_a_prediction_that_cannot_be_made_leaves_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    done = explained(*arguments, "--out", str(tmp_path / "page.html"))
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("retention_score", 0.25, "25 %"),
        ("days_since_last_study", 0.5, "15 days"),
        ("days_until_exam", 1.0, "below 1 day"),
        ("objective_support", 1.0, "1,000 learners"),
        ("objective_visits", 0.2, "1 visit"),
        ("time_since_any", 0.9, "29 days"),
        ("time_since_any", 0.25, "5 hours"),
        ("related_performance", 0.25, "\N{MINUS SIGN}50 points"),
        ("steady_residual", 0.5, "as expected"),
        ("first_card_difficulty", 0.5, "0.50"),
        ("prerequisite_gap_count", 0.25, "25 %"),
    ],
)
def test_a_value_is_told_in_the_features_own_unit(name: str, value: float, told: str) -> None:
    assert in_own_unit(BY_NAME[name], value).replace("\N{NO-BREAK SPACE}", " ") == told
