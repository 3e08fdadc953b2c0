"""The page that draws a model: what a card or a model file holds never becomes part of the page's own text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml.features.vector import FEATURE_NAMES
from ml.model import StrugglePredictionModel
from ml.places import HOUSE
from ml.scoring.scorecard import Scorecard, Table
from scripts.cli.model_card import card_name, card_of
from scripts.pages.model import page

SCRIPT = "<script>alert(1)</script>"
CARD = json.loads(Path(HOUSE, "models", "pretrained.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> StrugglePredictionModel:
    return StrugglePredictionModel.load(os.path.join(HOUSE, "models", "pretrained.pkl"))


@pytest.fixture(scope="module")
def small(model: StrugglePredictionModel) -> StrugglePredictionModel:
    """The same with one curve, because hundreds of pages are drawn."""
    assert model.saved is not None
    tables = [Table([], [0.0], [float(name == "ability")], 0.0) for name in FEATURE_NAMES]
    return StrugglePredictionModel(model.saved.but(scorecard=Scorecard(0.0, tables)))


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of the card, bins beyond the second left out."""
    if isinstance(value, dict):
        return [path, *(each for key in value for each in places_in(value[key], (*path, key)))]
    if isinstance(value, list):
        return [path, *(each for at in range(min(2, len(value))) for each in places_in(value[at], (*path, at)))]
    return [path]


def with_value(place: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The shipped card with one value exchanged."""
    card: dict[str, Any] = json.loads(json.dumps(CARD))
    target: Any = card
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return card


@pytest.mark.slow
def test_no_value_of_a_card_becomes_a_tag_or_ends_the_page(small: StrugglePredictionModel) -> None:
    odd = [None, [], {}, float("nan"), float("inf"), -1, 2**70, True, "9" * 100_000]
    places = places_in({name: CARD[name] for name in ("evaluation", "how_measured", "training_rows")})[1:]
    for turn, place in enumerate(places):
        if place[0] == "training_rows" and place[2:3] not in ((), ("ability",)):
            continue
        for value in (SCRIPT, odd[turn % len(odd)]):
            drawn = page(small, with_value(place, value))
            assert "<script" not in drawn
            assert len(drawn) < 150_000
            assert drawn.endswith("</body></html>\n")


def test_the_page_runs_and_loads_nothing(model: StrugglePredictionModel) -> None:
    drawn = page(model, CARD)
    assert (
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        in drawn
    )
    assert drawn.index("Content-Security-Policy") < drawn.index("<style>")
    assert drawn.count("<circle") > 10
    assert "http:" not in drawn
    assert "https:" not in drawn


def test_a_cards_name_is_a_bare_one() -> None:
    assert card_name("../../etc/passwd") == "passwd.json"
    assert card_name("/etc/passwd") == "passwd.json"
    assert card_name("pretrained/../../x") == "pretrained.json"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "directory", "zero", "endless", "nested"])
def test_what_is_no_card_is_none_and_nobody_waits_for_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "card.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "endless":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.write_text("[" * 100_000)
    assert card_of(str(path)) == {}
    if kind == "pipe":
        command = [sys.executable, os.path.join(HOUSE, "scripts", "explain_model.py"), "--card", str(path)]
        out = tmp_path / "page.html"
        ran = subprocess.run([*command, "--out", str(out)], capture_output=True, check=False, timeout=20)
        assert ran.returncode == 0
        assert "There is no card beside the model" in out.read_text()
