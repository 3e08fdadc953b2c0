"""The difficulty table is kept up to date by itself, and no prediction knows of answers at or after its moment."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

import db
from db.client import Client
from db.new_answers import NewAnswers
from db.writing.open import open_writer
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.places import CURRENT, HOUSE, POINTER
from ml.storage.registry import STATE, Registry
from ml.study.history import DAY_MS, MINUTE_MS
from scripts.build_zipapp import build_zipapp
from scripts.forget_learner import forget_learner
from scripts.labelling import difficulty_upkeep
from scripts.labelling.difficulty_upkeep import Upkeep, keep_up_to_date
from scripts.labelling.history import build_table
from scripts.predict_batch import predict_batch
from scripts.retrain_model import retrain_model
from scripts.serving.model import CurrentModel
from scripts.testbed.synthetic_rows import Size, fill
from tests.support.outputs import read_output
from tests.support.trained_models import save_model

pytestmark = pytest.mark.slow

NOW_MS = 1_760_000_000_000
VISITED_MS = NOW_MS - 14 * DAY_MS
"""On that day every learner has a visit, a minute after the learner before."""
NIGHTS = [VISITED_MS + minutes * MINUTE_MS for minutes in (-24 * 60, 20, 40, 24 * 60)]


@pytest.fixture
def platform(database: str) -> str:
    """Sixty learners with forty answers each over eight weeks."""
    with open_writer(database) as writer:
        fill(writer, Size(60, 6, 40, 3), NOW_MS)
    return database


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The same on SQLite alone."""
    url = f"file:{tmp_path}/platform.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
        fill(writer, Size(60, 6, 40, 3), NOW_MS)
    return url


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A new directory of models, as this deployment's own."""
    directory = tmp_path / "models"
    directory.mkdir()
    monkeypatch.setenv("STRUGGLE_MODELS_DIR", str(directory))
    return Registry(str(directory))


def updated(url: str, registry: Registry, now_ms: int, whole: bool = False) -> Upkeep | None:
    with db.connect(url) as client, registry.locked():
        return keep_up_to_date(client, registry, StrugglePredictionModel.load(), now_ms, whole)


def kept_bytes(registry: Registry) -> bytes:
    pointer = registry.pointer()
    assert pointer is not None
    return Path(registry.directory, pointer.table).read_bytes()


def whole_bytes(url: str, path: Path, until_ms: int) -> bytes:
    with db.connect(url) as client:
        build_table(client, str(path / "whole"), until_ms, None, None)
    return (path / "whole").read_bytes()


def changed(url: str, model: str, statement: str) -> None:
    with open_writer(url) as writer:
        assert writer.execute(statement.format(writer.table(model))) > 0


def test_night_after_night_it_is_the_table_of_a_whole_build(platform: str, registry: Registry, tmp_path: Path) -> None:
    for night, now_ms in enumerate(NIGHTS):
        done = updated(platform, registry, now_ms)
        assert done is not None
        assert done.whole == (night == 0)
        assert kept_bytes(registry) == whole_bytes(platform, tmp_path, now_ms)
    assert updated(platform, registry, NIGHTS[-1]) is None


CHANGES = {
    "an answer was removed": ("Review", "DELETE FROM {} WHERE id = 'review-1-0'"),
    "a learner opted out": ("User", """UPDATE {} SET "includeInAnalytics" = FALSE WHERE id = 'learner-1'"""),
    "a grade was mended": ("Review", "UPDATE {} SET rating = 'EASY' WHERE id = 'review-1-0'"),
    "a learner was erased": ("Review", """DELETE FROM {} WHERE "userId" = 'learner-2'"""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_counted_anew_where_older_rows_changed(
    platform: str, registry: Registry, tmp_path: Path, change: str
) -> None:
    updated(platform, registry, NIGHTS[0])
    changed(platform, *CHANGES[change])
    done = updated(platform, registry, NIGHTS[1])
    assert done is not None
    assert done.whole
    assert kept_bytes(registry) == whole_bytes(platform, tmp_path, NIGHTS[1])


def test_answers_that_arrive_late_are_counted(url: str, registry: Registry, tmp_path: Path) -> None:
    late = "UPDATE {} SET \"userId\" = '%s' WHERE \"userId\" = '%s' AND id LIKE '%%-3'"
    changed(url, "Review", late % ("elsewhere", "learner-5"))
    updated(url, registry, NIGHTS[0])
    changed(url, "Review", late % ("learner-5", "elsewhere"))
    done = updated(url, registry, NIGHTS[1])
    assert done is not None
    assert done.whole
    assert kept_bytes(registry) == whole_bytes(url, tmp_path, NIGHTS[1])


def test_it_is_counted_anew_once_a_week(url: str, registry: Registry) -> None:
    wholes = [updated(url, registry, NOW_MS - DAY_MS * before) for before in (20, 14, 13, 10)]
    assert [done is not None and done.whole for done in wholes] == [True, False, True, False]


@pytest.mark.parametrize(
    "harm", ["absent", "damaged", "another setting", "another database", "cut short", "ahead of the clock"]
)
def test_whatever_the_state_is_the_table_is_right(
    url: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    updated(url, registry, NIGHTS[0])
    state = Path(registry.directory, STATE)
    if harm == "absent":
        registry.forget_state()
    elif harm == "damaged":
        state.write_bytes(b"\0" * 5000)
    elif harm == "cut short":
        state.write_bytes(state.read_bytes()[:8192])
    elif harm == "another setting":
        with sqlite3.connect(state) as connection:
            connection.execute("UPDATE about SET value = '[null, \"HARD\"]' WHERE name = 'setting'")
        connection.close()
    elif harm == "another database":
        monkeypatch.setattr(difficulty_upkeep, "_source", lambda client: "another")
    now_ms = NIGHTS[0] - DAY_MS if harm == "ahead of the clock" else NIGHTS[1]
    done = updated(url, registry, now_ms)
    assert done is not None
    assert done.whole
    assert kept_bytes(registry) == whole_bytes(url, tmp_path, now_ms)


def test_what_a_crash_left_unpublished_is_published_the_next_time(url: str, registry: Registry, tmp_path: Path) -> None:
    updated(url, registry, NIGHTS[0])
    pointer = Path(registry.directory, POINTER).read_bytes()
    updated(url, registry, NIGHTS[1])
    Path(registry.directory, POINTER).write_bytes(pointer)  # as if the state had been kept, and then the power failed
    done = updated(url, registry, NIGHTS[1])
    assert done is not None
    assert kept_bytes(registry) == whole_bytes(url, tmp_path, NIGHTS[1])


def test_below_a_hundred_answers_there_is_no_table(url: str, registry: Registry) -> None:
    with db.connect(url) as client:
        moments = sorted(row.reviewed_at_ms for rows in client.stream_learners(NOW_MS, None) for row in rows.reviews)
    few = updated(url, registry, moments[99])
    assert few is not None
    assert (few.table, registry.pointer()) == (None, None)
    same_moment = moments.count(moments[99])
    enough = updated(url, registry, moments[99] + 1)
    assert enough is not None
    assert enough.size.answers >= 100 - same_moment + 1
    assert (enough.table is not None) == (enough.size.answers >= 100)


def test_only_new_rows_are_read(url: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    updated(url, registry, NIGHTS[0])
    read: list[int] = []
    before = difficulty_upkeep.new_answers

    def noted(client: Client, since_ms: int, until_ms: int) -> NewAnswers:
        found = before(client, since_ms, until_ms)
        read.extend(row.reviewed_at_ms for rows in found.learners or () for row in rows.reviews)
        return found

    def never(*_: object) -> object:
        raise AssertionError("a whole history was read")

    monkeypatch.setattr(difficulty_upkeep, "new_answers", noted)
    monkeypatch.setattr(Client, "stream_learners", never)
    assert updated(url, registry, NIGHTS[1]) is not None
    assert read
    assert all(NIGHTS[0] <= at_ms < NIGHTS[1] for at_ms in read)


def answer(url: str, as_of_ms: int, *more: str) -> dict[str, object]:
    argv = [sys.executable, os.path.join(HOUSE, "predict.py"), "--database-url", url, "--as-of", iso(as_of_ms), *more]
    ran = subprocess.run([*argv, "learner-3", "objective-0-0"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    found: dict[str, object] = read_output(ran.stdout)
    return found


def support(found: dict[str, object]) -> object:
    features = found["features"]
    assert isinstance(features, dict)
    return features["objective_support"]


def test_a_prediction_uses_the_newest_table_that_knows_nothing_of_its_moment_or_later(
    url: str, registry: Registry
) -> None:
    early_ms, late_ms = NOW_MS - 56 * DAY_MS + 30 * MINUTE_MS, NIGHTS[0]
    own = save_model(registry.directory, difficulty_of=url, as_of_ms=early_ms)
    os.rename(own, os.path.join(registry.directory, CURRENT))
    before_any, with_own = (support(answer(url, early_ms + shift)) for shift in (-1, 0))
    updated(url, registry, late_ms)
    assert before_any == 0.0
    assert with_own != 0.0
    assert [support(answer(url, at_ms)) for at_ms in (early_ms - 1, early_ms, late_ms - 1)] == [
        before_any,
        with_own,
        with_own,
    ]
    assert support(answer(url, late_ms)) != with_own


def test_answers_at_or_after_the_moment_change_no_prediction(url: str, registry: Registry) -> None:
    updated(url, registry, NIGHTS[0])
    moments = (NIGHTS[0] - DAY_MS, NIGHTS[0], NIGHTS[1])
    before = [answer(url, at_ms) for at_ms in moments]
    changed(url, "Review", f"UPDATE {{}} SET rating = 'AGAIN' WHERE \"reviewedAt\" >= '{iso(NIGHTS[1])}'")
    updated(url, registry, NOW_MS)
    after = [answer(url, at_ms) for at_ms in moments]
    assert before[0] == after[0]
    for then, now in zip(before, after):  # the table of then is gone; the answer knows less, and nothing later
        assert support(now) in (0.0, support(then))
        assert now["as_of"] == then["as_of"]


def batch(url: str, *arguments: str) -> object:
    result = CliRunner().invoke(predict_batch, ["--database-url", url, "--quiet", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_a_batch_as_of_now_brings_it_up_to_date_and_another_does_not(
    url: str, registry: Registry, tmp_path: Path
) -> None:
    batch(url, "--as-of", iso(NIGHTS[0]), "--output", str(tmp_path / "then.jsonl"))
    assert registry.pointer() is None
    batch(url, "--output", str(tmp_path / "now.jsonl"))
    first = registry.pointer()
    assert first is not None
    changed(url, "Review", "UPDATE {} SET rating = 'EASY' WHERE id = 'review-1-0'")
    batch(url, "--output", str(tmp_path / "now.jsonl"), "--jobs", "2")
    second = registry.pointer()
    assert second is not None
    assert (second.before, second.table != first.table) == (first.table, True)


def test_a_batch_that_continues_keeps_the_table_with_which_it_began(
    url: str, registry: Registry, tmp_path: Path
) -> None:
    output = tmp_path / "now.jsonl"
    batch(url, "--output", str(output))
    began = registry.pointer()
    noted = {"marks": {}, "as_of_ms": 10**15, "after": "learner-1", "bytes": 0, "counts": {}, "failures": []}
    (tmp_path / "now.jsonl.progress").write_text(json.dumps(noted))
    changed(url, "Review", "UPDATE {} SET rating = 'EASY' WHERE id = 'review-1-0'")
    batch(url, "--output", str(output))
    now = registry.pointer()
    assert began is not None
    assert now is not None
    assert now.table == began.table


def test_nothing_is_written_to_a_directory_that_nobody_named(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml import places

    house = tmp_path / "house"
    (house / "models").mkdir(parents=True)
    (house / "models" / "pretrained.pkl").write_bytes(Path(HOUSE, "models", "pretrained.pkl").read_bytes())
    monkeypatch.setattr(places, "HOUSE", str(house))
    batch(url, "--output", str(tmp_path / "now.jsonl"))
    assert os.listdir(house / "models") == ["pretrained.pkl"]


def test_what_prevents_the_update_does_not_prevent_the_batch(url: str, registry: Registry, tmp_path: Path) -> None:
    with registry.locked():
        result = CliRunner().invoke(
            predict_batch, ["--database-url", url, "--quiet", "--output", str(tmp_path / "now.jsonl")]
        )
    assert result.exit_code == 0
    assert "not brought up to date" in result.output
    assert registry.pointer() is None


def test_retraining_counts_it_anew_for_the_model_that_answers_then(url: str, registry: Registry) -> None:
    arguments = ["--database-url", url, "--models-dir", registry.directory, "--as-of", iso(NOW_MS), "--jobs", "1"]
    result = CliRunner().invoke(retrain_model, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)["difficulties"]
    pointer = registry.pointer()
    assert pointer is not None
    assert (told["table"], told["whole"], told["learners"]) == (pointer.table, True, 60)
    assert pointer.model_version == StrugglePredictionModel.load().model_version


def test_a_forgotten_learner_is_gone_from_what_keeps_it_up_to_date(url: str, registry: Registry) -> None:
    updated(url, registry, NIGHTS[0])
    result = CliRunner().invoke(
        forget_learner, ["--database-url", url, "--models-dir", registry.directory, "learner-7"]
    )
    assert result.exit_code == 0, result.output
    assert not os.path.exists(os.path.join(registry.directory, STATE))
    done = updated(url, registry, NIGHTS[1])
    assert done is not None
    assert done.whole


def versions_of(registry: Registry, names: Sequence[str]) -> None:
    for seed, version in enumerate(names):
        model = StrugglePredictionModel.load(save_model(registry.directory, seed + 1))
        assert model.saved is not None
        assert registry.add(model.saved, version) == f"struggle_prediction_v1.0_{version}"
        registry.promote(f"struggle_prediction_v1.0_{version}", "2025-03-01T00:00:00Z", "test")


def test_after_a_rollback_the_table_waits_for_the_next_update(url: str, registry: Registry) -> None:
    versions_of(registry, ("2025-03-01", "2025-03-02"))
    updated(url, registry, NIGHTS[0])
    assert StrugglePredictionModel.load().difficulty_at(None) is not None
    registry.rollback("2025-03-03T00:00:00Z", "test")
    assert StrugglePredictionModel.load().difficulty_at(None) is None
    assert updated(url, registry, NIGHTS[0]) is not None
    assert StrugglePredictionModel.load().difficulty_at(None) is not None


def test_pruning_keeps_the_table_in_use_and_updates_remove_what_nobody_names(url: str, registry: Registry) -> None:
    versions_of(registry, ("2025-03-01",))
    for now_ms in NIGHTS:
        updated(url, registry, now_ms)
    tables = {name for name in os.listdir(registry.directory) if name.startswith("difficulty-")}
    pointer = registry.pointer()
    assert pointer is not None
    assert tables == {pointer.table, pointer.before}
    registry.prune(0)
    tables = {name for name in os.listdir(registry.directory) if name.startswith("difficulty-")}
    assert tables == {pointer.table}


def test_the_service_notices_a_new_table(url: str, registry: Registry) -> None:
    current = CurrentModel(None)
    assert current.model().difficulty_at(None) is None
    for now_ms in NIGHTS[:2]:
        updated(url, registry, now_ms)
        current.look()
        table = current.model().difficulty_at(None)
        assert table is not None
        assert table.cutoff_ms == now_ms
    current.check()
    Path(registry.directory, POINTER).write_text("nonsense")
    current.look()
    assert current.model().difficulty_at(None) is table  # the one before stays in service
    Path(registry.directory, POINTER).unlink()
    current.look()
    assert current.model().difficulty_at(None) is None


def test_the_archive_takes_the_table_along(url: str, registry: Registry, tmp_path: Path) -> None:
    updated(url, registry, NIGHTS[0])
    archive = tmp_path / "predict.pyz"
    assert CliRunner().invoke(build_zipapp, ["--output", str(archive)]).exit_code == 0
    asked = ("--database-url", url, "--as-of", iso(NIGHTS[1]), "learner-3", "objective-0-0")
    printed = [
        subprocess.run([sys.executable, "-I", *program, *asked], capture_output=True, check=True, env=env).stdout
        for program, env in (([archive], {}), ([os.path.join(HOUSE, "predict.py")], dict(os.environ)))
    ]
    assert read_output(printed[0]) == read_output(printed[1])
    assert support(read_output(printed[0])) != 0.0


def test_the_doctor_names_it_or_says_for_which_model_it_is(url: str, registry: Registry) -> None:
    def model() -> dict[str, object]:
        argv = [sys.executable, os.path.join(HOUSE, "predict.py"), "--doctor", "--database-url", url]
        report = read_output(subprocess.run(argv, capture_output=True, check=False).stdout)
        found: dict[str, object] = report["model"]
        return found

    assert not any(name.startswith("kept") for name in model())
    updated(url, registry, NIGHTS[0])
    pointer = registry.pointer()
    assert pointer is not None
    told = model()
    assert (told["kept_difficulty_file"], told["kept_difficulty_until"]) == (pointer.table, iso(NIGHTS[0]))
    versions_of(registry, ("2025-03-01",))
    assert "pretrained-1" in str(model()["kept_difficulty_waits"])
    Path(registry.directory, POINTER).write_text("nonsense")
    assert "damaged" in str(model()["error"])
