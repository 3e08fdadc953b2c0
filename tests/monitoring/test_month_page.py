"""What monitor.html shows beside the figures: objectives by name, features beside the training, and what to do next."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from db.writing.open import open_writer
from ml.evaluation.drift import FeatureCounts
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.places import HOUSE
from scripts.benchmarks.monitor import PREDICTION_FIELDS, UNTIL_MS
from scripts.cli.model_card import rows_of
from scripts.monitor import monitor
from scripts.monitoring.columns import Columns, Predictions
from scripts.monitoring.distributions import beside_training, distributions
from tests.support.outputs import read_output

AS_OF = "2025-10-09T08:53:20Z"
TITLE = "Explain <b>how</b> nephrons filter"
WEEK_MS = 7 * 86_400_000


def stored(tmp_path: Path, rows: int, version: str = "pretrained-1") -> str:
    """Predictions of the last two weeks, on two objectives of which one has words, by the shipped model."""
    url = f"file:{tmp_path}/monitored.sqlite3"
    rng = np.random.default_rng(3)
    known = dict.fromkeys(FEATURE_NAMES, 0.3) | {"days_since_last_study": 0.5, "validation_score": None}
    vector = FeatureVector.of(known, UNTIL_MS).marked_with(version, "model").to_dict()
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), [("named", "l", TITLE)])
        made = []
        for row in range(rows):
            probability = float(rng.uniform(0.05, 0.95))
            at_ms = UNTIL_MS - 1 - int(rng.integers(0, 2 * WEEK_MS))
            outcome = bool(rng.random() < probability) if row % 5 else None
            objective = "named" if row % 2 else f"other-{row}"
            made.append(
                (f"p{row}", f"learner-{row % 60}", objective, probability, 0.7, vector, at_ms, at_ms, outcome, False)
            )
        writer.insert("StrugglePrediction", PREDICTION_FIELDS, made)
    return url


def shown(url: str, tmp_path: Path, *options: str) -> str:
    page = tmp_path / "monitor.html"
    done = CliRunner().invoke(
        monitor,
        ["--database-url", url, "--as-of", AS_OF, "--html", str(page), "--models-dir", f"{HOUSE}/models", *options],
    )
    assert done.exit_code in (0, 1), done.output
    return page.read_text(encoding="utf-8")


def period(values: list[list[float]], learners: int = 20) -> Predictions:
    """A period whose features have these values, one list per row, by many learners."""
    counts = FeatureCounts(("probability", "retention_score"))
    who = np.arange(len(values)) % learners
    counts.add(who, np.array(values))
    nothing = np.zeros(len(values))
    fields = dict.fromkeys(Columns._fields, nothing) | {"learner": who}
    return Predictions(Columns(**fields), counts, {})


def test_the_shares_of_a_period_are_counted_in_twentieths() -> None:
    values = [[0.5, value] for value in [0.0, 0.049, 0.05, 0.999, 1.0, float("nan")] * 20]
    found = distributions(period(values), 20)
    assert set(found) == {"retention_score"}
    assert found["retention_score"].absent == pytest.approx(1 / 6)
    assert found["retention_score"].bins == pytest.approx([2 / 6, 1 / 6, *[0.0] * 17, 2 / 6])


@pytest.mark.parametrize(("rows", "learners"), [(99, 20), (200, 9)])
def test_a_small_period_shows_no_distribution(rows: int, learners: int) -> None:
    assert distributions(period([[0.5, 0.5]] * rows, learners), 100) == {}


def test_what_is_furthest_from_the_training_comes_first_and_is_told_in_its_own_unit(tmp_path: Path) -> None:
    written = shown(stored(tmp_path, 1200), tmp_path)
    part = written.partition("The features, beside the training")[2].partition("</section>")[0]
    assert part.count('class="density"') > 100
    assert "middle value 16 days, in training" in part.replace("\N{NO-BREAK SPACE}", " ")
    training = rows_of(json.loads(Path(HOUSE, "models", "pretrained.json").read_text(encoding="utf-8")))
    now = distributions(period([[0.5, 0.5]] * 100), 20)
    (beside,) = beside_training(now, training)
    assert beside.then is not None
    expected = (beside.then.absent + sum(beside.then.bins) - beside.then.bins[10] + 1 - beside.then.bins[10]) / 2
    assert beside.apart == pytest.approx(expected, abs=0.001)
    assert beside_training(now, None)[0].told == "middle value 52\N{NO-BREAK SPACE}%; without data 0\N{NO-BREAK SPACE}%"


def test_a_model_whose_card_is_elsewhere_is_shown_without_its_training(tmp_path: Path) -> None:
    written = shown(stored(tmp_path, 1200, "somebody's-model"), tmp_path)
    assert "does not say how they were distributed" in written.replace("\n", " ")
    assert 'class="density"' not in written


def test_mistakes_name_their_objective_and_nothing_else_does(tmp_path: Path) -> None:
    url = stored(tmp_path, 1200)
    written = shown(url, tmp_path, "--group-by", "learning_objectives.id")
    assert "<b>how</b>" not in written
    escaped = "Explain &lt;b&gt;how&lt;/b&gt; nephrons filter"
    assert f"objective {escaped} <code>named</code>" in written
    assert f'<th scope="row">{escaped}</th>' in written
    done = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", AS_OF, "--json"])
    assert "nephrons" not in done.stdout
    assert read_output(done.stdout)["mistakes"]


def test_each_week_shows_what_was_promised_beside_what_came(tmp_path: Path) -> None:
    written = shown(stored(tmp_path, 1200), tmp_path)
    assert written.count('class="line expected"') == 4
    assert re.search(r'aria-label="Accuracy by week\. [^"]*: 0\.\d+, promised 0\.\d+', written)


@pytest.mark.parametrize(
    ("rows", "options", "steps"),
    [
        (0, (), ["Store predictions with predict_batch.py --store"]),
        (60, (), ["predictions await their outcome", "more judged visits are needed", "--state FILE"]),
        (1200, (), ["Nothing needs to be done", "await their outcome", "--state FILE"]),
    ],
)
def test_the_page_says_what_to_do_next(tmp_path: Path, rows: int, options: tuple[str, ...], steps: list[str]) -> None:
    written = shown(stored(tmp_path, rows), tmp_path, *options)
    found = re.findall(r"<li>(.*?)</li>", written.partition("What to do next")[2].partition("</section>")[0])
    assert len(found) == len(steps), found
    assert all(step in said for step, said in zip(steps, found, strict=True)), found
    kept = shown(f"file:{tmp_path}/monitored.sqlite3", tmp_path, "--state", str(tmp_path / "evidence.json"))
    assert "--state FILE" not in kept
